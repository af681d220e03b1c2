// The page: keeps the state and the URL equal, asks for what the state needs, and hands the answers to the panels.

import { ask, forgetKey, keepKey, readKey, Trouble } from "./api.js";
import { createControls } from "./controls.js";
import { byId, h, replace } from "./dom.js";
import { saveSessions } from "./download.js";
import { createPanel } from "./panel.js";
import { usageOf } from "./read.js";
import { seatsView } from "./seats.js";
import { sessionView } from "./session.js";
import { sessionsTable, sessionsTools, TYPE_OF } from "./sessions.js";
import { groupOf, rangeQuery, readState, writeState } from "./state.js";
import { trouble } from "./states.js";
import { drawTiles } from "./tiles.js";
import { createTrend } from "./trend.js";
import { behind, bucket, clock, instant, number, range } from "./words.js";
import { browserZone } from "./zones.js";

const REFRESH_MS = 60_000;
const PAGE_SESSIONS = 25;
const NEXT = { month: "week", week: "day", day: "hour", hour: "15m" };

const page = { state: null, usage: null, apps: [], list: { rows: [], cursor: null, progress: null } };
const panels = Object.fromEntries(["trend", "seats", "sessions", "session", "freshness", "apps"].map((name) => [name, createPanel(lockOut)]));
const trend = createTrend({ change, pick, again: () => loadTrend(true) });
const controls = createControls(byId("controls"), change);

// State and URL

function change(part) {
  page.state = { ...page.state, ...part };
  history.pushState(null, "", location.pathname + writeState(page.state));
  update();
}

function readUrl() {
  const { state, ignored } = readState(location.search);
  page.state = state;
  replace(byId("notices"), ignored.length ? h("p", { class: "notice" }, `This page does not know ${ignored.join(", ")} of the link; it shows the view without.`) : null);
  if (state.zone) return;
  // A shared link shows the same days to everybody: the zone stands in it from the first moment.
  page.state.zone = browserZone();
  history.replaceState(null, "", location.pathname + writeState(page.state));
}

function pick(row) {
  change({ bucket: row ? row.start : "" });
}

function update() {
  if (!readKey()) return showDoor("");
  byId("door").hidden = true;
  byId("usage").hidden = byId("leave").hidden = false;
  drawControls();
  loadTrend();
  loadSeats();
  loadFreshness();
  loadApps();
  loadSession();
}

function drawControls() {
  controls.draw(page.state, page.usage, page.apps);
  drawTiles(byId("tiles"), page.state, page.usage, (series) => change({ series }));
}

// The door

function showDoor(message) {
  byId("usage").hidden = byId("leave").hidden = true;
  byId("door").hidden = false;
  replace(byId("freshness"));
  byId("workspace").textContent = "";
  byId("door-trouble").textContent = message;
  byId("key").focus();
}

function lockOut(error) {
  forgetKey();
  for (const panel of Object.values(panels)) panel.forget();
  byId("session").close();
  page.usage = null;
  showDoor(error.message);
}

// Trend and tiles

function loadTrend(again = false) {
  const { state } = page;
  const query = rangeQuery(state);
  if (state.interval) query.set("interval", state.interval);
  if (["app", "channel"].includes(groupOf(state))) query.set("group_by", groupOf(state));
  query.set("compare", "previous");
  const draw = (usage) => {
    page.usage = usage;
    byId("workspace").textContent = usage.workspace;
    byId("range-words").textContent = `${range(usage.from, usage.to)} · ${usage.zone}`;
    document.title = `${range(usage.from, usage.to)} · Usage · Quarterhour`;
    drawControls();
    trend.draw(page.state, usage);
    // For whoever measures how soon the numbers are there.
    if (!performance.getEntriesByName("drawn").length) performance.mark("drawn");
    loadSessions();
  };
  const failed = (error) => {
    page.usage = null;
    drawControls();
    trend.trouble(error);
    loadSessions();
  };
  const key = query.toString();
  if (page.usage && page.usage.key === key && !again) draw(page.usage);
  const load = async (signal) => ({ ...usageOf(await ask("trends", query, signal)), key });
  panels.trend.ask(key, { load, loading: () => trend.loading(state), draw, trouble: failed }, again);
}

// Seats

function loadSeats(again = false) {
  const query = rangeQuery(page.state);
  const body = byId("seats-body");
  const load = async (signal) => {
    const seats = await ask("seats", query, signal);
    const at = seats.together.peak_at;
    return { seats, who: at ? await ask("agents", agentsQuery(at), signal) : null };
  };
  const draw = ({ seats, who }) => replace(body, seatsView(seats, who));
  const failed = (error) => replace(body, trouble(error, () => loadSeats(true), true));
  panels.seats.ask(query.toString(), { load, draw, trouble: failed }, again);
}

function agentsQuery(at) {
  const query = new URLSearchParams({ at, timezone: page.state.zone });
  for (const app of page.state.apps) query.append("app_id", app);
  return query;
}

// Sessions

function pickedRow() {
  return page.usage?.buckets.find((each) => each.start === page.state.bucket) ?? null;
}

function sessionsQuery() {
  const query = rangeQuery(page.state);
  const picked = pickedRow();
  if (picked) {
    query.delete("range");
    query.set("from", picked.start);
    query.set("to", picked.end);
  }
  const type = TYPE_OF[page.state.series];
  if (type) query.set("type", type);
  return query;
}

function loadSessions(again = false) {
  const query = sessionsQuery();
  query.set("order", "desc");
  query.set("limit", String(PAGE_SESSIONS));
  const load = (signal) => ask("sessions", query, signal);
  const draw = (answered) => {
    page.list = { rows: answered.sessions, cursor: answered.next_cursor, progress: null };
    drawSessions(query);
  };
  const failed = (error) => replace(byId("sessions-body"), trouble(error, () => loadSessions(true), true));
  drawSessionsHead();
  panels.sessions.ask(query.toString(), { load, draw, trouble: failed }, again);
}

function drawSessionsHead() {
  const picked = pickedRow();
  const interval = page.usage?.interval;
  byId("sessions-title").textContent = picked ? `Sessions of ${bucket(picked.start, picked.end, interval)}` : "Sessions of the range, newest first";
  const onZoom = () => change({ range: "custom", from: picked.start, to: picked.end, interval: NEXT[interval], bucket: "" });
  replace(byId("sessions-tools"), sessionsTools({ picked, interval, onClear: () => pick(null), onZoom, onCsv: exportSessions, progress: page.list.progress }));
}

function drawSessions(query) {
  const { rows, cursor } = page.list;
  const none = h("div", { class: "state small" }, h("strong", {}, "No session"), h("p", {}, "Nothing was billed here. Take another period, series or app."));
  const more = h("button", { type: "button", onclick: () => loadMore(query) }, "Show more");
  replace(byId("sessions-body"), rows.length ? sessionsTable(rows, (session) => change({ session })) : none, cursor ? h("p", { class: "more" }, more) : null);
}

async function loadMore(query) {
  const next = new URLSearchParams(query);
  next.set("cursor", page.list.cursor);
  const asked = query.toString();
  const load = (signal) => ask("sessions", next, signal);
  const draw = (answered) => {
    const scrolled = byId("sessions-body").querySelector(".table-scroll").scrollTop;
    page.list.rows.push(...answered.sessions);
    page.list.cursor = answered.next_cursor;
    drawSessions(query);
    byId("sessions-body").querySelector(".table-scroll").scrollTop = scrolled;
  };
  const failed = (error) => replace(byId("sessions-body"), trouble(error, () => loadSessions(true), true));
  await panels.sessions.ask(asked, { load, draw, trouble: failed }, true);
}

async function exportSessions() {
  const tell = (text) => {
    page.list.progress = text;
    drawSessionsHead();
  };
  tell("Asking…");
  try {
    const { file_name, rows, sha256 } = await saveSessions(sessionsQuery(), tell);
    replace(byId("notices"), h("p", { class: "notice good" }, `${file_name} is whole: ${number(rows)} rows, SHA-256 `, h("span", { class: "mono" }, sha256)));
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    replace(byId("notices"), h("p", { class: "notice" }, `${error.message} ${error.advice}`));
  } finally {
    tell(null);
  }
}

// One session

function loadSession() {
  const dialog = byId("session");
  const { session: id, zone } = page.state;
  if (!id) {
    panels.session.forget();
    dialog.close();
    return;
  }
  const query = new URLSearchParams({ timezone: zone });
  const load = (signal) => ask(`sessions/${encodeURIComponent(id)}`, query, signal);
  const act = { close: () => change({ session: "" }), open: (session) => change({ session }) };
  const show = (content) => {
    replace(dialog, content);
    if (!dialog.open) dialog.showModal();
  };
  const draw = (session) => {
    show(sessionView(session, zone, act));
    byId("session-title").focus();
  };
  const failed = (error) => show([h("h2", { id: "session-title" }, "Billing session"), trouble(error, act.close, true)]);
  panels.session.ask(`${id} ${zone}`, { load, draw, trouble: failed });
}

// Freshness and apps

function loadFreshness(again = false) {
  const query = new URLSearchParams({ timezone: page.state.zone });
  for (const app of page.state.apps) query.append("app_id", app);
  const load = (signal) => ask("freshness", query, signal);
  panels.freshness.ask(query.toString(), { load, draw: drawFreshness, trouble: () => drawFreshness(null) }, again);
}

function drawFreshness(fresh) {
  const host = byId("freshness");
  const state = fresh?.state ?? "unknown";
  host.className = `freshness ${state}`;
  if (!fresh || state === "nothing") return replace(host, h("span", { class: "dot" }), fresh ? "Nothing metered yet" : "Freshness not known");
  const text = state === "live" ? `Live · metered up to ${clock(fresh.as_of)}` : `Late by ${behind(fresh.lag_ms)} · metered up to ${instant(fresh.as_of, false)}`;
  const open = fresh.open_conversations === 1 ? "1 conversation open" : `${fresh.open_conversations} conversations open`;
  replace(host, h("span", { class: "dot" }), `${text} · ${open}`);
}

function loadApps() {
  const load = (signal) => ask("apps", new URLSearchParams({ timezone: page.state.zone }), signal);
  const draw = ({ apps }) => {
    page.apps = apps;
    drawControls();
  };
  // Without the list the page works: apps of the link are shown by their ids.
  panels.apps.ask(page.state.zone, { load, draw, trouble: () => drawControls() });
}

// Begin

byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  keepKey(byId("key").value.trim());
  byId("key").value = "";
  update();
});
byId("leave").addEventListener("click", () => lockOut({ message: "" }));
byId("session").addEventListener("cancel", (event) => {
  event.preventDefault();
  change({ session: "" });
});
byId("session").addEventListener("click", (event) => event.target === byId("session") && change({ session: "" }));
addEventListener("popstate", () => {
  readUrl();
  update();
});
setInterval(() => {
  const isRead = document.hidden || document.querySelector(".column.at") || byId("session").open;
  if (isRead || !readKey() || !page.usage) return;
  loadTrend(true);
  loadSeats(true);
  loadFreshness(true);
}, REFRESH_MS);
readUrl();
update();
