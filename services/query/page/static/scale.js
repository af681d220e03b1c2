// The arithmetic of the chart: rounding up an axis, and which bars get a label. Pure.

import { wall } from "./words.js";

const STEPS = [1, 2, 2.5, 5, 10];
const EVERY = { day: [1, 2, 3, 4, 5, 7, 14, 28, 56], week: [1, 2, 4, 8, 13, 26, 52], month: [1, 2, 3, 6, 12] };
const EVERY_HOURS = [1, 2, 3, 4, 6, 12, 24, 48, 72, 168];

/** Gridlines from 0 to the first round number that is not below `max`: whole numbers, at most `lines` steps. */
export function gridlines(max, lines = 5) {
  if (max <= 0) return [0, 1];
  const rough = max / lines;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(1, STEPS.map((each) => each * power).find((each) => each >= rough && (each >= 1 ? Number.isInteger(each) : true)) ?? 10 * power);
  const count = Math.ceil(max / step);
  return Array.from({ length: count + 1 }, (_, index) => index * step);
}

/** Indexes of the bars that get a label, at least `apart` pixels from each other; hours at round hours, midnights among them. */
export function labelled(rows, interval, band, apart) {
  if (interval === "hour" || interval === "15m") return hoursLabelled(rows, interval, band, apart);
  const step = EVERY[interval].find((each) => each * band >= apart) ?? Math.ceil(apart / band);
  return rows.map((_, index) => index).filter((index) => index % step === 0);
}

function hoursLabelled(rows, interval, band, apart) {
  const perHour = interval === "hour" ? 1 : 4;
  const hours = EVERY_HOURS.find((each) => each * perHour * band >= apart) ?? 168;
  const chosen = [];
  rows.forEach((row, index) => {
    const at = wall(row.start);
    const isRound = at.minute === 0 && (hours < 24 ? at.hour % hours === 0 : at.hour === 0);
    const last = chosen.at(-1);
    if (isRound && (last === undefined || (index - last) * band >= apart)) chosen.push(index);
  });
  return chosen.length ? chosen : [0];
}
