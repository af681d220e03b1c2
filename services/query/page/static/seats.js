// Seats of the range: the peak, when it was and who was on then (S3, S4), and what each app had by itself.

import { h } from "./dom.js";
import { counted, instant, number, utc, wall } from "./words.js";

/** `seats` and `who` (the agents at the peak, or null where nobody was on) are the API's. */
export function seatsView(seats, who) {
  const { together } = seats;
  if (!together.concurrent_seats && !together.named_seats && !together.agent_count) {
    return h("div", { class: "state small" }, h("strong", {}, "No agent in this range"), h("p", {}, "Nobody was logged in or assigned."));
  }
  return [peakOf(together), who ? whoOf(who) : null, factsOf(together), appsOf(seats)];
}

function peakOf(together) {
  const at = together.peak_at;
  return [
    h("p", { class: "peak-value" }, number(together.concurrent_seats), " ", h("span", {}, together.concurrent_seats === 1 ? "seat at the peak" : "seats at the peak")),
    h("p", { class: "peak-when" }, at ? [h("time", { datetime: at }, instant(at)), ` ${utc(wall(at).offset)}`] : "Nobody was logged in."),
  ];
}

function factsOf(together) {
  const agents = together.agent_count_is === "assigned" ? "Agents assigned to the plan" : "Agents (none is assigned: the named seats)";
  const rows = [["Concurrent seats", together.concurrent_seats], ["Named seats", together.named_seats], [agents, together.agent_count]];
  return h("dl", { class: "seat-facts" }, rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, number(value)))));
}

function appsOf(seats) {
  if (seats.apps.length < 2) return null;
  const apps = [...seats.apps].sort((a, b) => b.concurrent_seats - a.concurrent_seats);
  const row = (app) => h("tr", {}, h("th", { scope: "row" }, app.app_id), h("td", {}, number(app.concurrent_seats)), h("td", {}, app.peak_at ? instant(app.peak_at, false) : "–"));
  return [
    h("h3", {}, "Each app by itself"),
    h(
      "div",
      { class: "table-scroll", role: "region", tabindex: "0", "aria-label": "Peak seats of each app" },
      h("table", {}, h("thead", {}, h("tr", {}, ["App", "Peak", "When"].map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, apps.map(row))),
    ),
    h("p", { class: "faint" }, "An agent of two apps is one agent: apps do not add up."),
  ];
}

function whoOf(who) {
  const name = (agent) => {
    const until = agent.until ? `until ${instant(agent.until)}` : "still on";
    return h("li", { title: `since ${instant(agent.since)}, ${until}; ${agent.app_ids.join(", ")}` }, agent.agent_id);
  };
  return [
    h("h3", { class: "who-title" }, `Who was on: ${counted(who.agents.length, { one: "agent", many: "agents" })}`),
    h("ul", { class: "who", tabindex: "0", "aria-label": "Agents at the peak" }, who.agents.map(name)),
  ];
}
