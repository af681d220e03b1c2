// Loading, empty, in trouble: each says what is the matter and what to do.

import { h } from "./dom.js";

export const loading = () => h("div", { class: "bones", role: "status", "aria-label": "Loading" }, Array.from({ length: 28 }, () => h("span")));

export function trouble(error, again, isSmall = false) {
  return h(
    "div",
    { class: `state trouble${isSmall ? " small" : ""}`, role: "alert" },
    h("strong", {}, error.message),
    h("p", {}, error.advice ?? ""),
    h("div", { class: "row" }, h("button", { type: "button", onclick: again }, "Try again")),
  );
}

/** `actions`: [text, what it does]. */
export function empty(title, advice, actions = [], command = "") {
  return h(
    "div",
    { class: "state" },
    h("strong", {}, title),
    h("p", {}, advice),
    command ? h("pre", {}, h("code", {}, command)) : null,
    actions.length ? h("div", { class: "row" }, actions.map(([text, act]) => h("button", { type: "button", onclick: act }, text))) : null,
  );
}
