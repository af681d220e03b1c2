// The same numbers as a table: the form that everybody can read, copy and print. Columns sort; the last line holds the range as a whole.

import { h, icon, replace } from "./dom.js";
import { deltaOf } from "./card.js";
import { cell, change, number } from "./words.js";

const ORDER = { none: "none", up: "ascending", down: "descending" };

export function createTable(host, onPick) {
  const table = { host, onPick, shown: null, sort: { by: "start", direction: "up" } };
  return {
    draw(shown, picked) {
      Object.assign(table, { shown, picked });
      paint(table);
    },
  };
}

function paint(table) {
  const { shown, sort } = table;
  const columns = columnsOf(shown);
  const rows = [...shown.rows].sort((a, b) => compare(columns.find((column) => column.key === sort.by) ?? columns[0], a, b, sort.direction));
  replace(
    table.host,
    h(
      "table",
      { class: "numbers" },
      h("caption", { class: "unseen" }, `${shown.series.label}, ${shown.zone}`),
      h("thead", {}, h("tr", {}, columns.map((column) => headOf(table, column)))),
      h("tbody", {}, rows.map((row) => h("tr", { class: row.start === table.picked ? "picked" : null }, columns.map((column, index) => cellOf(table, column, row, index))))),
      footOf(shown, columns),
    ),
  );
}

function columnsOf(shown) {
  const grouped = shown.group !== "none";
  return [
    { key: "start", label: "Period", of: (row) => row.start, show: (row) => cell(row.start, row.end, shown.interval) },
    ...(grouped ? shown.columns.map((column, index) => ({ key: column.key, label: column.label, slot: column.slot, of: (row) => row.values[index], show: (row) => amount(row.values[index]) })) : []),
    { key: "total", label: grouped ? "Together" : shown.series.label, strong: true, of: (row) => row.total, show: (row) => amount(row.total) },
    { key: "before", label: "Period before", of: (row) => row.before, show: (row) => amount(row.before) },
    { key: "change", label: "Change", of: (row) => ratio(row), show: (row) => changeCell(row, shown.interval) },
  ];
}

const amount = (value) => (value === null ? h("span", { class: "none", title: "no data" }, "–") : number(value));
const ratio = (row) => (row.before === null || row.total === null ? null : row.total / (row.before || 0.5));

function changeCell(row, interval) {
  const delta = deltaOf(row, interval);
  if (!delta) return amount(null);
  if (row.state === "open") return h("span", { class: "none", title: delta }, "so far");
  return h("span", { title: delta }, change(row.total, row.before));
}

function headOf(table, column) {
  const isBy = table.sort.by === column.key;
  const flip = () => {
    table.sort = { by: column.key, direction: isBy && table.sort.direction === "up" ? "down" : "up" };
    paint(table);
    table.host.querySelector(`th[aria-sort]:not([aria-sort=none]) button`)?.focus();
  };
  const swatch = column.slot ? h("span", { class: `swatch slot-${column.slot}` }) : null;
  const mark = isBy ? icon(table.sort.direction === "up" ? "up" : "down") : null;
  return h("th", { scope: "col", "aria-sort": ORDER[isBy ? table.sort.direction : "none"] }, h("button", { type: "button", onclick: flip }, swatch, column.label, mark));
}

function cellOf(table, column, row, index) {
  if (index > 0) return h("td", { class: column.strong ? "strong" : null }, column.show(row));
  const state = row.state === "open" ? h("span", { class: "tag" }, "not over yet") : row.total === null ? h("span", { class: "tag" }, row.state === "ahead" ? "not metered yet" : "no data") : null;
  const isPicked = row.start === table.picked;
  const button = h("button", { type: "button", class: "link", "aria-pressed": String(isPicked), onclick: () => table.onPick(isPicked ? null : row) }, column.show(row));
  return h("th", { scope: "row" }, button, state);
}

/** Of what does not add up, the whole range is not the sum of the rows: it is asked for by itself, and stands here without parts. */
function footOf(shown, columns) {
  const sums = shown.series.adds ? shown.columns.map((_, index) => shown.rows.reduce((sum, row) => sum + (row.values[index] ?? 0), 0)) : shown.columns.map(() => null);
  const { fair } = shown;
  const isOver = fair?.of === null;
  const whole = { total: shown.total, before: shown.totalBefore, change: isOver ? change(fair.now, fair.before) : "so far" };
  const part = fair && !isOver ? [footRow(columns, `Its ${fair.of} periods that are over`, { total: fair.now, before: fair.before, change: change(fair.now, fair.before) }, null)] : [];
  return h("tfoot", {}, footRow(columns, "Whole range", whole, (column) => sums[shown.columns.findIndex((each) => each.key === column.key)]), part);
}

function footRow(columns, title, { total, before, change: changed }, partOf) {
  const known = { start: h("th", { scope: "row" }, title), total: h("td", { class: "strong" }, amount(total)), before: h("td", {}, amount(before)), change: h("td", {}, before === null ? amount(null) : changed) };
  return h("tr", {}, columns.map((column) => known[column.key] ?? h("td", {}, partOf ? amount(partOf(column)) : "")));
}

function compare(column, a, b, direction) {
  const [one, other] = direction === "up" ? [column.of(a), column.of(b)] : [column.of(b), column.of(a)];
  if (one === other) return a.start < b.start ? -1 : 1;
  if (one === null || other === null) return column.of(a) === null ? 1 : -1;
  return one < other ? -1 : 1;
}
