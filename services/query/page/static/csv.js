// What is shown, as CSV (RFC 4180): the rows and columns of the table, no more and no fewer. Pure.
// Rules: every instant carries the zone's offset; no data is an empty field and 0 is 0; texts that a spreadsheet would run as a formula get an apostrophe.

const FORMULA = /^[=+\-@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20]/;
const QUOTED = /[",\r\n]/;

export function csvOf(shown) {
  const titles = ["Period Start", "Period End", "Time Zone", "State", ...labelsOf(shown), "Period Before"];
  const lines = shown.rows.map((row) => [
    row.start,
    row.end,
    shown.zone,
    row.state,
    ...(shown.group === "none" ? [row.total] : [...row.values, row.total]).map(count),
    count(row.before),
  ]);
  return [titles.map(text), ...lines.map(([start, end, zone, state, ...counts]) => [start, end, text(zone), state, ...counts])].map((line) => `${line.join(",")}\r\n`).join("");
}

/** `usage_sessions-by-type_day_2026-10-25_2026-11-22_Asia-Kolkata.csv`: what it is, and that it is not the next one. */
export function csvName(shown) {
  const what = shown.group === "none" ? shown.series.key : `${shown.series.key}-by-${shown.group}`;
  const zone = shown.zone.replaceAll(/[^A-Za-z0-9+-]/g, "-");
  return `usage_${what}_${shown.interval}_${shown.from.slice(0, 10)}_${shown.to.slice(0, 10)}_${zone}.csv`;
}

const count = (value) => (value === null || value === undefined ? "" : String(value));
const labelsOf = (shown) => (shown.group === "none" ? [shown.series.label] : [...shown.columns.map((column) => column.label), `${shown.series.label} Together`]);

export function text(value) {
  const safe = FORMULA.test(value) ? `'${value}` : value;
  return QUOTED.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
