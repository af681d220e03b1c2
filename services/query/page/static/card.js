// What one bar says: as a card for the eye and the pointer, and as a sentence for a screen reader. Both say the same.

import { h } from "./dom.js";
import { bucket, change, counted, inPeriod, number, time, utc, wall } from "./words.js";

const DRAWN_MAX = 9;

export function cardOf(row, shown) {
  const head = [
    h("p", { class: "card-when" }, bucket(row.start, row.end, shown.interval)),
    h("p", { class: "card-zone" }, `${shown.zone} · ${utc(wall(row.start).offset)}${row.state === "open" ? " · not over yet" : ""}`),
  ];
  if (row.total === null) return [...head, h("p", { class: "card-none" }, nothingOf(row))];
  const facts = factsOf(row, shown).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)));
  const delta = deltaOf(row, shown.interval);
  return [...head, delta ? h("p", { class: "card-change" }, delta) : null, h("div", { class: "card-columns" }, h("dl", {}, partsOf(row, shown)), h("dl", {}, facts))];
}

export function say(row, shown) {
  const when = bucket(row.start, row.end, shown.interval);
  if (row.total === null) return `${when}: ${nothingOf(row)}`;
  const parts = shown.group === "none" ? [] : shown.columns.map((column, index) => `${column.label} ${number(row.values[index])}`);
  const facts = factsOf(row, shown).map(([name, value]) => `${name} ${value}`);
  const delta = deltaOf(row, shown.interval);
  const sentences = [`${when}${row.state === "open" ? ", not over yet" : ""}: ${counted(row.total, shown.series)}`, parts.join(", "), delta ?? "", facts.join(", ")];
  return `${sentences.filter(Boolean).join(". ")}.`;
}

/** Why there is no number: that is not 0. */
export const nothingOf = (row) => (row.state === "ahead" ? "Not metered yet." : "No data: before the first event.");

/** The change in words; a period that is not over is not compared as if it were: that would look like a fall. */
export function deltaOf(row, interval) {
  if (row.before === null || row.total === null) return null;
  const before = `${number(row.before)} ${inPeriod(row.beforeStart, interval)}`;
  return row.state === "open" ? `so far; ${before} as a whole` : `${change(row.total, row.before)} from ${before}`;
}

function partsOf(row, shown) {
  const whole = h("div", { class: "card-total" }, h("dt", {}, shown.series.label), h("dd", {}, number(row.total)));
  if (shown.group === "none") return [whole];
  const parts = shown.columns
    .map((column, index) => ({ column, value: row.values[index] }))
    .filter(({ value }) => value > 0)
    .slice(0, DRAWN_MAX)
    .reverse()
    .map(({ column, value }) => h("div", {}, h("dt", {}, h("span", { class: `swatch slot-${column.slot}` }), column.label), h("dd", {}, number(value))));
  return [...parts, whole];
}

/** What SPEC §1 wants at every point, whatever the series; what stands above already is left out. */
function factsOf(row, shown) {
  const said = new Set(shown.group === "type" ? shown.columns.map((column) => column.key) : [shown.series.key]);
  const { all } = row;
  const facts = [["billing_sessions", "Billing sessions"], ["voice_sessions", "Voice sessions"], ["agent_count", "Agents"], ["concurrent_seats", "Peak seats"]];
  return facts.filter(([key]) => !said.has(key) || (key === "concurrent_seats" && row.peakAt)).map(([key, name]) => [name, key === "concurrent_seats" ? peakText(row) : number(all[key])]);
}

const peakText = ({ all, peakAt }) => (peakAt ? `${number(all.concurrent_seats)} at ${time(peakAt)}` : number(all.concurrent_seats));
