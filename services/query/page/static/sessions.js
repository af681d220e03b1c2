// The billed sessions behind the numbers, by pages, newest first; each opens to tell why it was billed.

import { h, icon } from "./dom.js";
import { bucket, cell, duration, instant } from "./words.js";

export const TYPE_OF = { billing_sessions: "usage", voice_sessions: "voice", alert_sessions: "alert", conversations: "usage" };
export const TYPES = { usage: "Usage", voice: "Voice", alert: "Alert" };
export const SLOT_OF = { usage: 1, voice: 2, alert: 3 };
const WHY = { "U7:full": "15 min full", "U7:ended": "conversation ended", "U7:stopped": "with a human", "V1:full": "15 min full", "V1:ended": "call ended", A1: "delivered" };

export function sessionsTable(sessions, open) {
  const row = (session) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, h("button", { type: "button", class: "link", onclick: () => open(session.billing_session_id) }, instant(session.start))),
      h("td", {}, h("span", { class: "with-icon" }, h("span", { class: `swatch slot-${SLOT_OF[session.type]}` }), TYPES[session.type])),
      h("td", {}, session.app_id),
      h("td", {}, session.channel),
      h("td", {}, WHY[session.rule] ?? session.rule),
      h("td", {}, session.human_ms ? duration(session.human_ms) : ""),
    );
  const heads = ["Start", "Type", "App", "Channel", "Ends because", "Human time"];
  return h(
    "div",
    { class: "table-scroll", role: "region", tabindex: "0", "aria-label": "Sessions" },
    h("table", { class: "list" }, h("thead", {}, h("tr", {}, heads.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, sessions.map(row))),
  );
}

export function sessionsTools({ picked, interval, onClear, onZoom, onCsv, progress }) {
  const chip = picked
    ? [
        h("button", { type: "button", class: "with-icon", onclick: onClear, "aria-label": `Only ${bucket(picked.start, picked.end, interval)}: show the whole range` }, cell(picked.start, picked.end, interval), icon("close")),
        interval === "15m" ? null : h("button", { type: "button", class: "quiet", onclick: onZoom }, `Zoom in`),
      ]
    : [];
  const csv = h("button", { type: "button", class: "with-icon", disabled: progress !== null, onclick: onCsv }, icon("download"), progress ?? "CSV of all sessions");
  return [...chip, csv];
}
