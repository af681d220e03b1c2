// From an answer of the API to what is shown: the one value that the chart, the table and the CSV all draw, so that they cannot differ. Pure.
// Rules: "no data" is null and never 0. Colours are eight fixed slots that are never used twice; the ninth group and those after it are "Other".
// Groups of what does not add up (an agent of two apps is one agent, S2) are never summed.

import { groupOf, SERIES, seriesOf } from "./state.js";

export const SLOTS = 8;
export const OTHER = "\u0000other";
const TYPES = [
  ["billing_sessions", "Usage"],
  ["voice_sessions", "Voice"],
  ["alert_sessions", "Alerts"],
];

/** null where nothing is known. */
export const valueOf = (values, series) => values?.[series] ?? null;

/**
 * {series, group, interval, from, to, zone, columns: [{key, label, slot}], rows, total, totalBefore, note};
 * a row: {start, end, state, values, total, before, beforeStart, peakAt, all}; its state is the API's: `closed`, `open`, `no_data`, `ahead`. Where nothing is known,
 * values and total are null.
 */
export function shownOf(usage, state) {
  const series = seriesOf(state);
  const group = groupOf(state);
  const { columns, note } = columnsOf(usage, series, group);
  const rows = usage.buckets.map((bucket) => rowOf(bucket, series, group, columns));
  const { from, to, zone, interval, totals } = usage;
  const [total, totalBefore] = [valueOf(totals.now, series.key), valueOf(totals.before, series.key)];
  return { series, group, interval, from, to, zone, columns, rows, note, compare: state.compare, total, totalBefore, fair: fairOf(usage, series) };
}

/**
 * The range against the one before, like with like: {now, before, of}. While the range is not over, only its periods that are over count, against the same periods
 * before: a day that has just begun must not look like a fall. `of` is how many; null: all. Where neither can be told (agents counted once), null.
 */
export function fairOf(usage, series) {
  if (!usage.totals.before) return null;
  if (usage.buckets.every((bucket) => bucket.state === "closed" || bucket.state === "no_data")) {
    return { now: valueOf(usage.totals.now, series.key), before: valueOf(usage.totals.before, series.key), of: null };
  }
  const pairs = usage.buckets.filter((bucket) => bucket.state === "closed" && bucket.before);
  if (pairs.length === 0 || !(series.adds || series.key === "concurrent_seats")) return null;
  const fold = series.adds ? (values) => values.reduce((sum, value) => sum + value, 0) : (values) => Math.max(...values);
  const [now, before] = [pairs, pairs.map((bucket) => bucket.before)].map((side) => fold(side.map((bucket) => valueOf(bucket.values, series.key))));
  return { now, before, of: pairs.length };
}

/** Whether the whole answer holds nothing at all. */
export const isEmpty = (usage) => SERIES.every((series) => usage.buckets.every((bucket) => !valueOf(bucket.values, series.key)));

function columnsOf(usage, series, group) {
  if (group === "none") return { columns: [{ key: series.key, label: series.label, slot: 1 }], note: "" };
  if (group === "type") return { columns: TYPES.map(([key, label], index) => ({ key, label, slot: index + 1 })), note: "" };
  const sums = new Map();
  for (const bucket of usage.buckets) {
    for (const { key, values } of bucket.groups) {
      const value = valueOf(values, series.key);
      sums.set(key, series.adds ? (sums.get(key) ?? 0) + value : Math.max(sums.get(key) ?? 0, value));
    }
  }
  const keys = [...sums.keys()].sort((a, b) => sums.get(b) - sums.get(a) || (a < b ? -1 : 1));
  const fits = keys.length <= SLOTS;
  // In the order of their names, so that a colour stays with its app while the numbers change.
  const own = keys.slice(0, fits || !series.adds ? SLOTS : SLOTS - 1).sort();
  const columns = own.map((key, index) => ({ key, label: key || "(none)", slot: index + 1 }));
  if (fits) return { columns, note: series.adds ? "" : `An agent of two ${group}s is one agent: ${group}s do not add up.` };
  const left = keys.length - own.length;
  if (!series.adds) return { columns, note: `The ${SLOTS} largest of ${keys.length} ${group}s. They do not add up: an agent of two ${group}s is one agent.` };
  return { columns: [...columns, { key: OTHER, label: `Other (${left} ${group}s)`, slot: SLOTS }], note: "" };
}

function rowOf(bucket, series, group, columns) {
  const total = valueOf(bucket.values, series.key);
  const before = bucket.before ? valueOf(bucket.before.values, series.key) : null;
  const values = total === null ? columns.map(() => null) : valuesOf(bucket, series, group, columns, total);
  return { start: bucket.start, end: bucket.end, state: bucket.state, values, total, before, beforeStart: bucket.before?.start ?? null, peakAt: bucket.peakAt, all: bucket.values };
}

function valuesOf(bucket, series, group, columns, total) {
  if (group === "none") return [total];
  if (group === "type") return columns.map((column) => bucket.values[column.key]);
  const found = new Map(bucket.groups.map((each) => [each.key, valueOf(each.values, series.key)]));
  const values = columns.map((column) => found.get(column.key) ?? 0);
  const other = columns.findIndex((column) => column.key === OTHER);
  if (other >= 0) values[other] = total - values.reduce((sum, value) => sum + value, 0);
  return values;
}
