// The panel with the numbers over time: title, tools, legend, and the chart or the table of one and the same `shown`.

import { createChart, titleOf } from "./chart.js";
import { segmented } from "./controls.js";
import { csvName, csvOf } from "./csv.js";
import { byId, h, icon, replace } from "./dom.js";
import { save } from "./download.js";
import { groupOf, GROUPS, INTERVALS, seriesOf, VIEWS } from "./state.js";
import { empty, loading, trouble } from "./states.js";
import { createTable } from "./table.js";
import { isEmpty, shownOf } from "./usage.js";
import { instant, utc, wall } from "./words.js";

/** `act`: {change(part of the state), pick(bucket or null), again()}. */
export function createTrend(act) {
  const trend = { act, shown: null, tools: byId("trend-tools"), state: byId("trend-state"), chart: byId("chart"), table: byId("table") };
  trend.drawn = { graph: createChart(trend.chart, act.pick), table: createTable(trend.table, act.pick) };
  trend.tools.addEventListener("submit", (event) => event.preventDefault());
  return {
    loading(state) {
      drawTools(trend, state, null);
      byId("trend-body").classList.toggle("busy", Boolean(trend.shown));
      byId("trend-body").setAttribute("aria-busy", "true");
      if (!trend.shown) only(trend, loading());
    },
    draw(state, usage) {
      settle(trend);
      trend.shown = shownOf(usage, state);
      drawHead(trend, state, usage);
      if (isEmpty(usage)) return only(trend, emptyOf(usage, state, act));
      replace(trend.state);
      const isTable = state.view === "table";
      trend.chart.hidden = isTable;
      trend.table.hidden = !isTable;
      trend.drawn[state.view].draw(trend.shown, state.bucket);
      // Not both: a hidden chart would keep its tab stop, a hidden table its words.
      replace(isTable ? trend.chart.querySelector(".plot") : trend.table);
    },
    trouble(error) {
      settle(trend);
      trend.shown = null;
      replace(byId("legend"));
      replace(byId("trend-stamp"));
      only(trend, trouble(error, act.again));
    },
  };
}

function settle(trend) {
  byId("trend-body").classList.remove("busy");
  byId("trend-body").removeAttribute("aria-busy");
}

function only(trend, content) {
  trend.chart.hidden = trend.table.hidden = true;
  replace(trend.state, content);
}

function drawHead(trend, state, usage) {
  const { shown } = trend;
  byId("trend-title").textContent = titleOf(shown);
  drawTools(trend, state, usage);
  replace(byId("legend"), state.view === "graph" ? legendOf(shown) : noteOf(shown));
  const reach = usage.asOf ? `Metered up to ${instant(usage.asOf)}` : "Nothing metered yet";
  const offsets = [...new Set([shown.rows[0], shown.rows.at(-1)].map((row) => utc(wall(row.start).offset)))];
  replace(byId("trend-stamp"), h("span", {}, shown.zone === "UTC" ? "Periods of UTC" : `Periods of ${shown.zone} (${offsets.join(", then ")})`), h("span", {}, `${reach} · CSV and table hold the same rows`));
}

function drawTools(trend, state, usage) {
  const { tools, act } = trend;
  const focused = tools.contains(document.activeElement) ? document.activeElement.id || document.activeElement.name : "";
  const groups = GROUPS.filter(([key]) => key === "none" || seriesOf(state).groups.includes(key));
  const canCompare = h("input", { type: "checkbox", id: "compare", checked: state.compare, onchange: (event) => act.change({ compare: event.target.checked }) });
  replace(
    tools,
    h("label", { class: "field" }, "Split by", select("group", groups, groupOf(state), (group) => act.change({ group }))),
    h("label", { class: "field" }, "per", select("interval", INTERVALS, usage?.interval ?? (state.interval || "day"), (interval) => act.change({ interval, bucket: "" }))),
    h("label", { class: "field" }, canCompare, "Period before"),
    h("fieldset", { class: "segmented" }, segmented("view", "View", VIEWS, state.view, (view) => act.change({ view }))),
    h("button", { type: "button", id: "csv", class: "with-icon", disabled: !usage, onclick: () => save([csvOf(trend.shown)], csvName(trend.shown)) }, icon("download"), "CSV"),
  );
  if (focused) (byId(focused) ?? tools.querySelector(`[name=${focused}]:checked`))?.focus();
}

function select(id, choices, chosen, onChoose) {
  return h("select", { id, onchange: (event) => onChoose(event.target.value) }, choices.map(([value, text]) => h("option", { value, selected: value === chosen }, text)));
}

function legendOf(shown) {
  const key = (swatch, text) => h("li", {}, h("span", { class: `swatch ${swatch}` }), text);
  const columns = shown.columns.map((column) => key(`slot-${column.slot}`, column.label));
  const whole = shown.note ? [key("level-key", `${shown.series.label}, together`)] : [];
  const open = shown.rows.some((row) => row.state === "open") ? [key("open-key", "Not over yet")] : [];
  const nothing = shown.rows.some((row) => row.total === null) ? [key("nothing-key", "No data")] : [];
  const ghost = shown.compare ? [key("ghost-key", "The period before")] : [];
  return [...columns, ...whole, ...open, ...nothing, ...ghost, noteOf(shown)];
}

const noteOf = (shown) => (shown.note ? h("li", { class: "faint" }, shown.note) : []);

function emptyOf(usage, state, act) {
  if (!usage.since) {
    const advice = state.apps.length ? "These apps have sent nothing yet. Look at all apps, or send the first events:" : "This workspace has no data yet. Send the first events, and look again:";
    const actions = state.apps.length ? [["All apps", () => act.change({ apps: [] })]] : [["Look again", act.again]];
    return empty("Nothing here yet", advice, actions, "quarterhour emit events.jsonl\nquarterhour wait");
  }
  const actions = [["6 months", () => act.change({ range: "6m", from: "", to: "", interval: "", bucket: "" })]];
  if (state.apps.length) actions.push(["All apps", () => act.change({ apps: [], bucket: "" })]);
  return empty("No usage in this range", `The first data is of ${instant(usage.since, false)}. Take another range${state.apps.length ? " or other apps" : ""}.`, actions);
}
