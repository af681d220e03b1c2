// Numbers, instants and rules as words. Pure.
// Rule: an instant from the API is shown on the wall that its text names (zone and offset of the question), never on that of the browser.

const NUMBER = new Intl.NumberFormat("en-GB");
const format = (options) => new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", ...options });
const DAY_MONTH = format({ day: "numeric", month: "short" });
const MONTH_YEAR = format({ month: "short", year: "numeric" });
const LONG_MONTH = format({ month: "long", year: "numeric" });
const LONG_DAY = format({ weekday: "long", day: "numeric", month: "long", year: "numeric" });
const SHORT_DAY = format({ weekday: "short", day: "numeric", month: "short", year: "numeric" });
const DAY = format({ day: "numeric", month: "short", year: "numeric" });
const DAY_MS = 86_400_000;
const TEXT = /^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,3}))?(Z|[+-]\d\d:\d\d))?$/;

/** `2026-01-31T13:45:00.000+05:30` as {date, hour, minute, second, ms, offset, instant}: `date` is the wall as if it were UTC, for formatting. */
export function wall(text) {
  const found = TEXT.exec(text);
  if (!found) throw new RangeError(`no instant: ${text}`);
  const [year, month, day, hour, minute, second] = found.slice(1, 7).map((part) => Number(part ?? 0));
  const ms = Number((found[7] ?? "0").padEnd(3, "0"));
  const date = Date.UTC(year, month - 1, day, hour, minute, second, ms);
  const offset = !found[8] || found[8] === "Z" ? "+00:00" : found[8];
  return { date, day, hour, minute, second, ms, offset, instant: date - offsetMs(offset) };
}

export const number = (value) => NUMBER.format(value);

/** A count with its unit: `1 session`, `1,204 sessions`. */
export const counted = (value, series) => `${number(value)} ${value === 1 ? series.one : series.many}`;

export const utc = (offset) => (offset === "+00:00" ? "UTC" : `UTC${offset.replace("-", "−")}`);

export const clock = (text) => hourMinute(wall(text));

/** `18 Nov 2026, 14:05:09` */
export function instant(text, seconds = true) {
  const at = wall(text);
  return `${DAY.format(at.date)}, ${seconds ? time(text) : hourMinute(at)}`;
}

export function time(text) {
  const at = wall(text);
  return `${hourMinute(at)}:${two(at.second)}`;
}

export const dayOf = (text) => SHORT_DAY.format(wall(text).date);

/** First and last day in words: `25 Oct – 21 Nov 2026`; within one day the hours too. `to` is not included. */
export function range(from, to) {
  const first = wall(from);
  const end = wall(to);
  const last = end.date - 1;
  if (atMidnight(first) && atMidnight(end)) return days(first.date, last);
  const endText = atMidnight(end) ? "24:00" : hourMinute(end);
  if (sameDay(first.date, last)) return `${DAY.format(first.date)}, ${hourMinute(first)}–${endText}`;
  return `${DAY_MONTH.format(first.date)}, ${hourMinute(first)} – ${DAY.format(last)}, ${endText}`;
}

/** What stands under a bar. */
export function tick(start, interval) {
  const at = wall(start);
  if (interval === "month") return MONTH_YEAR.format(at.date);
  if (interval === "hour" || interval === "15m") return atMidnight(at) ? DAY_MONTH.format(at.date) : hourMinute(at);
  return DAY_MONTH.format(at.date);
}

/** What a bar is called, in full. */
export function bucket(start, end, interval) {
  const first = wall(start);
  const after = wall(end);
  const last = after.date - 1;
  if (interval === "hour" || interval === "15m") return `${SHORT_DAY.format(first.date)}, ${hourMinute(first)}–${endOnTheWallOf(first, after)}`;
  if (!atMidnight(first) || !atMidnight(after)) return range(start, end);
  if (interval === "day") return LONG_DAY.format(first.date);
  if (interval === "month" && first.day === 1 && after.day === 1) return LONG_MONTH.format(first.date);
  if (interval === "week" && last - first.date >= 6 * DAY_MS) return `Week ${isoWeek(first.date)}, ${days(first.date, last)}`;
  return days(first.date, last);
}

/** The same for a cell of the table: short, and sortable by the eye. */
export function cell(start, end, interval) {
  const first = wall(start);
  if (interval === "day") return SHORT_DAY.format(first.date);
  return bucket(start, end, interval);
}

/** The period before, by its start: `on 22 Oct 2026`, `on 20 Nov 2026, 14:00`, `in the week of 19 Oct 2026`, `in Oct 2026`. */
export function inPeriod(start, interval) {
  if (interval === "month") return `in ${MONTH_YEAR.format(wall(start).date)}`;
  if (interval === "week") return `in the week of ${DAY.format(wall(start).date)}`;
  return `on ${interval === "day" ? DAY.format(wall(start).date) : instant(start, false)}`;
}

/** ISO 8601 week: the one of its Thursday. */
export function isoWeek(date) {
  const thursday = date + (4 - (new Date(date).getUTCDay() || 7)) * DAY_MS;
  const newYear = Date.UTC(new Date(thursday).getUTCFullYear(), 0, 1);
  return 1 + Math.floor((thursday - newYear) / (7 * DAY_MS));
}

/** 905,000 ms: `15 min 5 s`. Parts of a second only where there is nothing more. */
export function duration(ms) {
  if (ms === 0) return "0 s";
  if (ms < 1000) return `${ms} ms`;
  const seconds = Math.floor(ms / 1000);
  const parts = [[Math.floor(seconds / 3600), "h"], [Math.floor(seconds / 60) % 60, "min"], [seconds % 60, "s"]];
  return parts.filter(([count]) => count > 0).map(([count, unit]) => `${count} ${unit}`).join(" ");
}

/** How long ago, coarsely. */
export function behind(ms) {
  if (ms < 60_000) return "less than a minute";
  if (ms < 120 * 60_000) return `${Math.floor(ms / 60_000)} min`;
  if (ms < 48 * 3_600_000) return `${Math.floor(ms / 3_600_000)} h`;
  return `${Math.floor(ms / DAY_MS)} days`;
}

/** The change from `before` to `now`. More usage is neither good nor bad: it gets a sign and no colour. */
export function change(now, before) {
  if (now === before) return "no change";
  if (before === 0) return "new";
  const percent = (100 * (now - before)) / before;
  const size = Math.abs(percent);
  const text = size < 0.1 ? "<0.1" : size < 10 ? size.toFixed(1) : number(Math.round(size));
  return `${percent > 0 ? "+" : "−"}${text}%`;
}

/** Where the clocks change inside, the end is told on the wall of the start: the hour that comes twice is 01:00–02:00 both times. */
function endOnTheWallOf(first, after) {
  const minutes = Math.round(((first.date + after.instant - first.instant) % DAY_MS) / 60_000);
  return minutes === 0 ? "24:00" : `${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}

const two = (value) => String(value).padStart(2, "0");
const hourMinute = (at) => `${two(at.hour)}:${two(at.minute)}`;
const atMidnight = (at) => at.date % DAY_MS === 0;
const sameDay = (a, b) => Math.floor(a / DAY_MS) === Math.floor(b / DAY_MS);
const offsetMs = (offset) => (offset[0] === "-" ? -1 : 1) * (Number(offset.slice(1, 3)) * 60 + Number(offset.slice(4, 6))) * 60_000;

function days(first, last) {
  if (sameDay(first, last)) return DAY.format(first);
  const [one, other] = [new Date(first), new Date(last)];
  if (one.getUTCFullYear() !== other.getUTCFullYear()) return `${DAY.format(first)} – ${DAY.format(last)}`;
  if (one.getUTCMonth() !== other.getUTCMonth()) return `${DAY_MONTH.format(first)} – ${DAY.format(last)}`;
  return `${one.getUTCDate()}–${DAY.format(last)}`;
}
