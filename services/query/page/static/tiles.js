// One tile for each series: its number for the whole range, the change from the period before, and the choice of what the chart shows.

import { h, replace } from "./dom.js";
import { SERIES } from "./state.js";
import { fairOf, valueOf } from "./usage.js";
import { change, number } from "./words.js";

export function drawTiles(form, state, usage, choose) {
  const focused = form.contains(document.activeElement);
  const scrolled = form.scrollLeft;
  replace(form, SERIES.map((series) => tileOf(series, state, usage, choose)));
  form.scrollLeft = scrolled;
  if (focused) form.querySelector("input:checked").focus();
}

function tileOf(series, state, usage, choose) {
  const value = usage ? valueOf(usage.totals.now, series.key) : null;
  const isKnown = usage?.buckets.some((bucket) => bucket.values);
  const input = h("input", { type: "radio", name: "series", value: series.key, checked: state.series === series.key, onchange: () => choose(series.key) });
  return h(
    "label",
    { class: "tile" },
    input,
    h("span", { class: "tile-name" }, series.label),
    h("span", { class: "tile-value" }, !usage ? "\u00a0" : isKnown && value !== null ? number(value) : "–"),
    h("span", { class: "tile-change" }, usage && isKnown ? changeOf(usage, series) : "\u00a0"),
  );
}

function changeOf(usage, series) {
  const fair = fairOf(usage, series);
  const before = valueOf(usage.totals.before, series.key);
  if (!fair) return before === null ? "\u00a0" : `${number(before)} before`;
  const text = change(fair.now, fair.before);
  const of = fair.of === null ? "" : `: ${number(fair.now)} in the ${fair.of} periods that are over`;
  return [h("span", { title: `${text} from ${number(fair.before)}${of}` }, text), h("span", { class: "unseen" }, ` from ${number(fair.before)} before${of}`)];
}
