// What is looked at, as one value, and its two-way street to the URL. Pure.
// Rule: all of it stands in the URL, with the API's parameter names, and nothing else does: never a key. Defaults are left out, so that short links stay short.

export const RANGES = [
  ["24h", "24 h", "Last 24 hours"],
  ["1w", "7 d", "7 days"],
  ["2w", "2 w", "2 weeks"],
  ["4w", "4 w", "4 weeks"],
  ["1m", "1 m", "This month"],
  ["2m", "2 m", "2 months"],
  ["3m", "3 m", "3 months"],
  ["6m", "6 m", "6 months"],
];
export const INTERVALS = [
  ["15m", "15 minutes"],
  ["hour", "Hour"],
  ["day", "Day"],
  ["week", "Week"],
  ["month", "Month"],
];
export const GROUPS = [
  ["none", "Nothing"],
  ["type", "Type"],
  ["app", "App"],
  ["channel", "Channel"],
];
export const VIEWS = [
  ["graph", "Graph"],
  ["table", "Table"],
];

/** Series: how the API calls it, its title, its unit, whether its groups and its periods add up, and by what it can be split. */
export const SERIES = [
  { key: "sessions", label: "All sessions", one: "session", many: "sessions", adds: true, groups: ["type", "app", "channel"] },
  { key: "billing_sessions", label: "Billing sessions", one: "billing session", many: "billing sessions", adds: true, groups: ["app", "channel"] },
  { key: "voice_sessions", label: "Voice sessions", one: "voice session", many: "voice sessions", adds: true, groups: ["app", "channel"] },
  { key: "alert_sessions", label: "Alert sessions", one: "alert session", many: "alert sessions", adds: true, groups: ["app", "channel"] },
  { key: "conversations", label: "Conversations", one: "conversation", many: "conversations", adds: true, groups: ["app", "channel"] },
  { key: "concurrent_seats", label: "Peak seats", one: "seat", many: "seats", adds: false, groups: ["app"] },
  { key: "named_seats", label: "Named seats", one: "seat", many: "seats", adds: false, groups: ["app"] },
  { key: "agent_count", label: "Agents", one: "agent", many: "agents", adds: false, groups: ["app"] },
];

export const DEFAULT_STATE = Object.freeze({
  range: "4w",
  from: "",
  to: "",
  zone: "",
  apps: Object.freeze([]),
  series: "sessions",
  group: "type",
  interval: "",
  compare: false,
  view: "graph",
  bucket: "",
  session: "",
});

const NAMES = { range: "range", from: "from", to: "to", zone: "timezone", series: "series", group: "group_by", interval: "interval", view: "view", bucket: "bucket", session: "session" };
const ALLOWED = {
  range: RANGES.map(([key]) => key),
  series: SERIES.map((series) => series.key),
  group: GROUPS.map(([key]) => key),
  interval: INTERVALS.map(([key]) => key),
  view: VIEWS.map(([key]) => key),
};

/** {state, ignored}: `ignored` lists what the URL asked for and this page does not know, as `name=value`. */
export function readState(search) {
  const asked = new URLSearchParams(search);
  const state = { ...DEFAULT_STATE, apps: [...new Set(asked.getAll("app_id"))].sort(), compare: asked.get("compare") === "previous" };
  const ignored = [];
  for (const [field, name] of Object.entries(NAMES)) {
    const value = asked.get(name);
    if (value === null || value === "") continue;
    if (ALLOWED[field] && !ALLOWED[field].includes(value)) ignored.push(`${name}=${value}`);
    else state[field] = value;
  }
  if (Boolean(state.from) !== Boolean(state.to)) {
    ignored.push(state.from ? `from=${state.from}` : `to=${state.to}`);
    state.from = state.to = "";
  }
  if (state.from) state.range = "custom";
  return { state, ignored };
}

export function writeState(state) {
  const written = new URLSearchParams();
  for (const [field, name] of Object.entries(NAMES)) {
    if (field === "range" && state.range === "custom") continue;
    if ((field === "from" || field === "to") && state.range !== "custom") continue;
    if (state[field] !== DEFAULT_STATE[field]) written.set(name, state[field]);
  }
  for (const app of state.apps) written.append("app_id", app);
  if (state.compare) written.set("compare", "previous");
  const text = written.toString();
  return text ? `?${text}` : "";
}

export const seriesOf = (state) => SERIES.find((series) => series.key === state.series);

/** The group-by that applies: a series that cannot be split like this is shown whole, and the wish stays in the state. */
export const groupOf = (state) => (seriesOf(state).groups.includes(state.group) ? state.group : "none");

/** The parameters that every question to the API shares. */
export function rangeQuery(state) {
  const query = new URLSearchParams();
  if (state.range === "custom") {
    query.set("from", state.from);
    query.set("to", state.to);
  } else query.set("range", state.range);
  query.set("timezone", state.zone || "UTC");
  for (const app of state.apps) query.append("app_id", app);
  return query;
}
