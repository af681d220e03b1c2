// The bar above everything: range, zone and apps. It shows a state and tells what a person wants of it: `change({zone: "Asia/Kolkata"})`.

import { h, icon, replace } from "./dom.js";
import { RANGES } from "./state.js";
import { wall } from "./words.js";
import { readZone, zoneNames } from "./zones.js";

const DAY_MS = 86_400_000;

export function createControls(form, change) {
  const zones = h("datalist", { id: "zones" }, zoneNames().map((name) => h("option", { value: name })));
  const parts = { ranges: h("fieldset", { class: "segmented scrolls" }), custom: h("div", { class: "field" }), zone: zoneField(change), apps: h("details", { class: "picker" }) };
  replace(form, parts.ranges, parts.zone, parts.apps, parts.custom, zones);
  form.addEventListener("submit", (event) => event.preventDefault());
  closeFromOutside(parts.apps);
  return {
    /** `usage` tells what the range turned out to be; null before the first answer. */
    draw(state, usage, apps) {
      drawRanges(parts.ranges, state, usage, change);
      drawCustom(parts.custom, state, change);
      const input = parts.zone.querySelector("input");
      if (document.activeElement !== input) input.value = state.zone;
      drawApps(parts.apps, state, apps, change);
    },
  };
}

/** A set of radio buttons that looks like one control. `choices`: [value, short text, whole name]. */
export function segmented(name, label, choices, chosen, onChoose) {
  const options = choices.map(([value, text, whole]) =>
    h("label", { title: whole && whole !== text ? whole : null }, h("input", { type: "radio", name, value, checked: value === chosen, "aria-label": whole ?? text, onchange: () => onChoose(value) }), text),
  );
  return [h("legend", { class: "unseen" }, label), ...options];
}

function drawRanges(host, state, usage, change) {
  const choose = (range) => change(range === "custom" ? customFrom(state, usage) : { range, from: "", to: "", interval: "", bucket: "" });
  const focused = host.contains(document.activeElement);
  replace(host, segmented("range", "Range", [...RANGES, ["custom", "Custom", "Custom range"]], state.range, choose));
  if (focused) host.querySelector("input:checked")?.focus();
}

/** A custom range begins as the one that is seen. */
function customFrom(state, usage) {
  const today = new Date().toISOString().slice(0, 10);
  const [from, to] = usage ? [usage.from.slice(0, 10), dayAfter(lastDay(usage.to))] : [today, dayAfter(today)];
  return { range: "custom", from, to, interval: "", bucket: "" };
}

/** People say the last day; the URL and the API say the first that is no longer in it. */
function drawCustom(host, state, change) {
  host.hidden = state.range !== "custom";
  if (host.hidden) return replace(host);
  if (host.contains(document.activeElement)) return;
  const first = h("input", { type: "date", id: "first-day", value: state.from.slice(0, 10), required: true });
  const last = h("input", { type: "date", id: "last-day", value: lastDay(state.to), required: true });
  const show = () => {
    last.setCustomValidity(first.value && last.value && last.value < first.value ? "The last day is before the first." : "");
    if (first.reportValidity() && last.reportValidity()) change({ from: first.value, to: dayAfter(last.value), interval: "", bucket: "" });
  };
  const onEnter = (event) => event.key === "Enter" && show();
  for (const input of [first, last]) input.addEventListener("keydown", onEnter);
  replace(host, h("label", { for: "first-day" }, "From"), first, h("label", { for: "last-day" }, "to"), last, h("button", { type: "button", onclick: show }, "Show"));
}

const dayAfter = (day) => new Date(Date.parse(`${day}T00:00:00Z`) + DAY_MS).toISOString().slice(0, 10);
const lastDay = (to) => new Date((to.length === 10 ? Date.parse(`${to}T00:00:00Z`) : wall(to).date) - 1).toISOString().slice(0, 10);

function zoneField(change) {
  const input = h("input", { type: "text", id: "zone", list: "zones", autocomplete: "off", spellcheck: "false", size: "20", "aria-describedby": "zone-trouble" });
  const trouble = h("span", { id: "zone-trouble", class: "trouble-text", role: "alert" });
  const take = () => {
    const known = readZone(input.value);
    trouble.textContent = known ? "" : "No such zone: take one of the list, such as Asia/Kolkata.";
    input.setAttribute("aria-invalid", String(!known));
    if (!known) return;
    input.value = known;
    change({ zone: known, bucket: "" });
  };
  input.addEventListener("change", take);
  input.addEventListener("focus", () => input.select());
  return h("div", { class: "field" }, h("label", { for: "zone" }, "Zone"), input, trouble);
}

function drawApps(host, state, apps, change) {
  const names = new Map(apps.map((app) => [app.app_id, app.name || app.app_id]));
  for (const app of state.apps) if (!names.has(app)) names.set(app, app);
  const label = state.apps.length === 0 ? "All apps" : state.apps.length === 1 ? names.get(state.apps[0]) : `${state.apps.length} apps`;
  const flip = (app, isOn) => change({ apps: isOn ? [...state.apps, app].sort() : state.apps.filter((each) => each !== app), bucket: "" });
  const focused = host.contains(document.activeElement) ? document.activeElement.value : null;
  const boxes = [...names].map(([app, name]) => {
    const box = h("input", { type: "checkbox", value: app, checked: state.apps.includes(app), onchange: (event) => flip(app, event.target.checked) });
    return h("li", {}, h("label", {}, box, name));
  });
  const all = h("li", {}, h("label", {}, h("input", { type: "checkbox", value: "", checked: state.apps.length === 0, onchange: () => change({ apps: [], bucket: "" }) }), "All apps together"));
  host.hidden = names.size === 0;
  replace(host, h("summary", {}, label, icon("down")), h("ul", { class: "picker-list" }, all, ...boxes));
  if (focused !== null) [...host.querySelectorAll("input")].find((box) => box.value === focused)?.focus();
}

function closeFromOutside(details) {
  document.addEventListener("pointerdown", (event) => {
    if (!details.contains(event.target)) details.open = false;
  });
  details.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !details.open) return;
    details.open = false;
    details.querySelector("summary").focus();
  });
}
