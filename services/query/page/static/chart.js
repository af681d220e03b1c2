// Stacked bars as SVG: a list of options, one for each period, that pointer, touch and keyboard walk alike (one tab stop; arrows, Home, End, Page keys).
// Rules: the open period is hatched; 0 is a line on the ground; no data is dots and no bar. Groups that do not add up are marks on the bar of the whole.

import { cardOf, say } from "./card.js";
import { h, replace, svg } from "./dom.js";
import { gridlines, labelled } from "./scale.js";
import { number, tick } from "./words.js";

const TOP = 14;
const BOTTOM = 30;
const BAR_MAX = 44;
const LABEL_APART = 62;
const LEAVE_MS = 160;
const STEP = { ArrowLeft: -1, ArrowRight: 1, PageUp: -7, PageDown: 7 };

export function createChart(host, onPick) {
  const plot = h("div", { class: "plot" });
  const card = h("div", { class: "card", role: "tooltip", hidden: true });
  host.append(plot, card);
  const chart = { host, plot, card, onPick, shown: null, picked: "", columns: [], at: -1, leaving: 0, width: 0 };
  new ResizeObserver(() => {
    if (chart.shown && host.clientWidth > 0 && host.clientWidth !== chart.width) paint(chart);
  }).observe(host);
  host.addEventListener("pointerleave", () => leave(chart));
  host.addEventListener("pointerenter", () => clearTimeout(chart.leaving));
  host.addEventListener("keydown", (event) => keyed(chart, event));
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide(chart));
  return {
    draw(shown, picked) {
      Object.assign(chart, { shown, picked });
      paint(chart);
    },
  };
}

function paint(chart) {
  const { shown, plot } = chart;
  const hadFocus = plot.contains(document.activeElement) ? chart.at : -1;
  hide(chart);
  chart.width = chart.host.clientWidth;
  const area = areaOf(chart);
  chart.area = area;
  chart.columns = shown.rows.map((row, index) => columnOf(chart, row, index, area));
  const picture = svg(
    "svg",
    { class: "bars", width: chart.width, height: area.height, role: "listbox", "aria-orientation": "horizontal", "aria-label": titleOf(shown), "aria-describedby": "chart-keys" },
    svg("defs", {}, hatch()),
    gridOf(area),
    svg("g", { role: "presentation" }, chart.columns),
    labelsOf(shown, area),
  );
  picture.addEventListener("pointermove", (event) => show(chart, indexAt(chart, event)));
  picture.addEventListener("pointerdown", (event) => show(chart, indexAt(chart, event)));
  picture.addEventListener("click", (event) => pick(chart, indexAt(chart, event)));
  replace(plot, picture);
  const picked = shown.rows.findIndex((row) => row.start === chart.picked);
  const stop = chart.columns[picked >= 0 ? picked : chart.columns.length - 1];
  stop?.setAttribute("tabindex", "0");
  if (hadFocus >= 0) chart.columns[hadFocus]?.focus();
}

export const titleOf = (shown) => `${shown.series.label}${shown.group === "none" ? "" : ` by ${shown.group}`}, per ${shown.interval === "15m" ? "15 minutes" : shown.interval}`;

function areaOf({ shown, width }) {
  const tops = shown.rows.flatMap((row) => [row.total ?? 0, shown.compare ? (row.before ?? 0) : 0]);
  const lines = gridlines(Math.max(0, ...tops));
  const height = width < 560 ? 240 : 320;
  const left = number(lines.at(-1)).length * 7.5 + 14;
  const band = (width - left) / Math.max(1, shown.rows.length);
  const bar = Math.min(BAR_MAX, Math.max(1, band > 8 ? band * 0.72 : band - 1));
  const ground = height - BOTTOM;
  const y = (value) => ground - ((ground - TOP) * value) / lines.at(-1);
  return { width, height, left, band, bar, ground, lines, y };
}

function columnOf(chart, row, index, area) {
  const { shown } = chart;
  const x = area.left + index * area.band;
  const barX = x + (area.band - area.bar) / 2;
  const column = svg(
    "g",
    { class: `column ${row.state}`, role: "option", tabindex: "-1", "aria-selected": String(row.start === chart.picked), "aria-label": say(row, shown) },
    svg("rect", { class: "hit", x, y: 2, width: area.band, height: area.ground - 2, rx: Math.min(4, area.band / 4) }),
    ...partsOf(row, shown, barX, area),
  );
  column.addEventListener("focus", () => column.matches(":focus-visible") && show(chart, index));
  column.addEventListener("blur", () => leave(chart));
  return column;
}

function partsOf(row, shown, x, area) {
  const ghost = shown.compare && row.before ? [svg("rect", { class: "ghost", x: x - 1.5, y: area.y(row.before), width: area.bar + 3, height: area.ground - area.y(row.before) })] : [];
  if (row.total === null) return [...ghost, svg("line", { class: "nothing", x1: x, x2: x + area.bar, y1: area.ground - 1, y2: area.ground - 1 })];
  if (row.total === 0) return [...ghost, svg("rect", { class: "zero", x, y: area.ground - 2, width: area.bar, height: 2 })];
  const isStack = shown.series.adds || shown.group === "none";
  const top = area.y(row.total);
  const whole = barPath(x, top, area.bar, area.ground - top, true);
  const bars = isStack ? stackOf(row, shown, x, area) : [svg("path", { class: "level", d: whole })];
  const over = row.state === "open" ? [svg("path", { class: "hatched", d: whole, fill: "url(#hatch)" })] : [];
  return [...ghost, ...bars, ...over, ...(isStack ? [] : levelsOf(row, shown, x, area))];
}

function stackOf(row, shown, x, area) {
  const parts = row.values.map((value, index) => ({ value, slot: shown.columns[index].slot })).filter(({ value }) => value > 0);
  let sum = 0;
  return parts.map(({ value, slot }, index) => {
    const below = area.y(sum);
    sum += value;
    const isTop = index === parts.length - 1;
    const gap = isTop || below - area.y(sum) < 3 ? 0 : 1;
    return svg("path", { class: `slot-${slot}`, d: barPath(x, area.y(sum) + gap, area.bar, below - area.y(sum) - gap, isTop) });
  });
}

/** A mark for each group at its own height, on the bar of the whole; groups of one height share its width, so that none hides another. */
function levelsOf(row, shown, x, area) {
  const whole = svg("rect", { class: "level-top", x, y: area.y(row.total), width: area.bar, height: 1.5 });
  const marks = row.values.map((value, index) => {
    if (value === 0) return null;
    const equal = row.values.flatMap((other, at) => (other === value ? [at] : []));
    const width = area.bar / equal.length;
    return svg("rect", { class: `slot-${shown.columns[index].slot}`, x: x + width * equal.indexOf(index), y: area.y(value) - 1, width, height: 3 });
  });
  return [whole, ...marks];
}

function barPath(x, y, width, height, isTop) {
  const round = isTop ? Math.min(3, width / 3, height) : 0;
  return `M${x} ${y + height}V${y + round}q0 ${-round} ${round} ${-round}h${width - 2 * round}q${round} 0 ${round} ${round}V${y + height}Z`;
}

function hatch() {
  const stripes = { id: "hatch", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" };
  return svg("pattern", stripes, svg("rect", { class: "stripe", width: 3, height: 6 }));
}

function gridOf(area) {
  const lines = area.lines.map((value) => [
    svg("line", { class: value === 0 ? "ground" : "gridline", x1: area.left, x2: area.width, y1: area.y(value), y2: area.y(value) }),
    svg("text", { class: "measure", x: area.left - 10, y: area.y(value) + 4, "text-anchor": "end" }, number(value)),
  ]);
  return svg("g", { "aria-hidden": "true" }, lines);
}

function labelsOf(shown, area) {
  const texts = labelled(shown.rows, shown.interval, area.band, LABEL_APART).map((index) => {
    const middle = area.left + (index + 0.5) * area.band;
    const text = tick(shown.rows[index].start, shown.interval);
    const half = text.length * 3.4;
    const x = Math.min(Math.max(middle, half), area.width - half);
    return svg("text", { class: "tick", x, y: area.ground + 20, "text-anchor": "middle" }, text);
  });
  return svg("g", { "aria-hidden": "true" }, texts);
}

function indexAt(chart, event) {
  const x = event.clientX - chart.plot.getBoundingClientRect().left - chart.area.left;
  return Math.min(chart.columns.length - 1, Math.max(0, Math.floor(x / chart.area.band)));
}

function keyed(chart, event) {
  const here = chart.columns.indexOf(document.activeElement);
  if (here < 0) return;
  const last = chart.columns.length - 1;
  const to = event.key === "Home" ? 0 : event.key === "End" ? last : event.key in STEP ? here + STEP[event.key] : null;
  if (to !== null) walk(chart, here, Math.min(last, Math.max(0, to)));
  else if (event.key === "Enter" || event.key === " ") pick(chart, here);
  else return;
  event.preventDefault();
}

function walk(chart, here, to) {
  chart.columns[here].setAttribute("tabindex", "-1");
  chart.columns[to].setAttribute("tabindex", "0");
  chart.columns[to].focus();
}

function pick(chart, index) {
  const row = chart.shown.rows[index];
  chart.onPick(row.start === chart.picked ? null : row);
}

function show(chart, index) {
  clearTimeout(chart.leaving);
  if (index === chart.at) return;
  hide(chart);
  chart.at = index;
  chart.columns[index].classList.add("at");
  replace(chart.card, cardOf(chart.shown.rows[index], chart.shown));
  chart.card.hidden = false;
  place(chart, index);
}

/** Above the bars, so that the pointer walks along them freely and still reaches the card; beside the bar where the window has no room above. */
function place({ host, card, area, width }, index) {
  const middle = area.left + (index + 0.5) * area.band;
  const { offsetWidth, offsetHeight } = card;
  const above = -offsetHeight - 4;
  if (host.getBoundingClientRect().top + above >= 0) return move(card, Math.min(Math.max(0, middle - offsetWidth / 2), width - offsetWidth), above);
  const gap = Math.max(12, area.band / 2 + 6);
  const fitsRight = middle + gap + offsetWidth <= width;
  move(card, fitsRight ? middle + gap : Math.max(0, middle - gap - offsetWidth), TOP);
}

function move(card, x, y) {
  card.style.translate = `${Math.round(x)}px ${Math.round(y)}px`;
}

function leave(chart) {
  clearTimeout(chart.leaving);
  chart.leaving = setTimeout(() => hide(chart), LEAVE_MS);
}

function hide(chart) {
  clearTimeout(chart.leaving);
  chart.columns[chart.at]?.classList.remove("at");
  chart.at = -1;
  chart.card.hidden = true;
}
