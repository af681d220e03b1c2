// One billed session: why it was billed, by which rule and by what clock, beside the others of its conversation.

import { h, icon, svg } from "./dom.js";
import { SLOT_OF, TYPES } from "./sessions.js";
import { duration, instant, utc, wall } from "./words.js";

const FULL_MS = 900_000;
const LINE_WIDTH = 548;
const LINE_HEIGHT = 30;

export function sessionView(session, zone, act) {
  const { number, of } = session.explanation;
  const title = session.type === "alert" ? "Alert session" : `${TYPES[session.type]} session${of > 1 ? ` ${number} of ${of}` : ""}`;
  return [
    h(
      "header",
      { class: "session-head" },
      h("div", {}, h("h2", { id: "session-title", tabindex: "-1" }, title), h("p", { class: "faint" }, `${instant(session.start)} · ${zone} ${utc(wall(session.start).offset)}`)),
      h("div", { class: "tools" }, copyLink(), h("button", { type: "button", class: "quiet square", "aria-label": "Close", onclick: act.close }, icon("close"))),
    ),
    whyOf(session),
    session.type === "alert" ? null : clockOf(session),
    of > 1 ? lineOf(session, act) : null,
    h("h3", {}, "Facts"),
    factsOf(session),
  ];
}

/** The service says what happened; what that means for the bill is the same for every session of a type. */
const MEANS = {
  usage: "A session that has begun counts as one; time with a human agent stops the clock and is not billed.",
  voice: "A session that has begun counts as one; on calls the time with a human agent counts too.",
  alert: "",
};

function whyOf({ explanation, type }) {
  return [h("h3", {}, "Why it was billed"), h("p", { class: "why" }, `${explanation.text} ${MEANS[type]}`, h("span", { class: "tag" }, `rule ${explanation.rule}`))];
}

/** Of 15 minutes: how far the clock went; and the time with a human that did not move it. */
function clockOf(session) {
  const left = Math.max(0, FULL_MS - session.bot_ms);
  const parts = [
    { ms: session.bot_ms, kind: `slot-${SLOT_OF[session.type]}`, text: session.type === "voice" ? "of the call" : "on the bot clock" },
    { ms: session.human_ms, kind: "slot-8", text: "with a human agent, not billed" },
    { ms: left, kind: "level-key", text: "of the 15 minutes not used" },
  ].filter((part) => part.ms > 0);
  const whole = parts.reduce((sum, part) => sum + part.ms, 0);
  let x = 0;
  const bars = parts.map((part) => {
    const width = (100 * part.ms) / whole;
    const bar = svg("rect", { class: part.kind === "level-key" ? "rest" : part.kind, x: `${x}%`, width: `${Math.max(0.4, width - 0.4)}%`, height: 14, rx: 3 });
    x += width;
    return bar;
  });
  return h(
    "figure",
    { "aria-label": "The clock of this session" },
    svg("svg", { class: "clock", width: "100%", height: 14, "aria-hidden": "true" }, bars),
    h("ul", { class: "clock-words" }, parts.map((part) => h("li", {}, h("span", { class: `swatch ${part.kind}` }), `${duration(part.ms)} ${part.text}`))),
  );
}

/** The sessions of the conversation on one line of time. */
function lineOf(session, act) {
  const siblings = session.sessions;
  const from = wall(siblings[0].conversation_start).instant;
  const to = Math.max(...siblings.map((each) => wall(each.end).instant));
  const scale = LINE_WIDTH / Math.max(1, to - from);
  const bars = siblings.map((each) => {
    const [x, end] = [each.start, each.end].map((text) => (wall(text).instant - from) * scale);
    const isThis = each.billing_session_id === session.billing_session_id;
    return svg("rect", { class: isThis ? "this" : null, x: x + 0.5, y: 4, width: Math.max(1.5, end - x - 1.5), height: LINE_HEIGHT - 8, rx: 3 });
  });
  const links = siblings.map((each, index) => {
    const isThis = each.billing_session_id === session.billing_session_id;
    return h("button", { type: "button", class: "quiet", "aria-current": isThis ? "true" : null, disabled: isThis, onclick: () => act.open(each.billing_session_id) }, `${index + 1}`);
  });
  return [
    h("h3", {}, session.type === "voice" ? "The sessions of its call" : "The sessions of its conversation"),
    svg("svg", { class: "line-of-sessions", viewBox: `0 0 ${LINE_WIDTH} ${LINE_HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" }, bars),
    h("nav", { class: "tools", "aria-label": "Sessions of the conversation" }, links),
  ];
}

function factsOf(session) {
  const when = (text, none) => (text ? h("time", { datetime: text }, instant(text)) : none);
  const whole = session.type === "voice" ? "Call" : "Conversation";
  const rows = [
    ["Start", when(session.start)],
    ["End", when(session.end)],
    [whole, session.conversation_id ? mono(session.conversation_id) : "none: an alert stands alone"],
    [`${whole} began`, session.type === "alert" ? null : when(session.conversation_start)],
    [`${whole} ended`, session.type === "alert" ? null : when(session.conversation_end, "not known to have ended")],
    ["Ended by", session.conversation?.end_reason],
    ["App", session.app_id],
    ["Channel", session.channel],
    ["User", session.kore_user_id && mono(session.kore_user_id)],
    ["User of the channel", session.channel_user_id && mono(session.channel_user_id)],
    ["Message", session.message_id && mono(session.message_id)],
    ["Billing session", mono(session.billing_session_id)],
    ["Revision", String(session.revision)],
  ];
  return h("dl", { class: "facts" }, rows.filter(([, value]) => value).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

const mono = (text) => h("span", { class: "mono" }, text);

function copyLink() {
  const button = h("button", { type: "button", class: "quiet with-icon" }, icon("link"), h("span", { role: "status" }, "Copy link"));
  button.addEventListener("click", async () => {
    const said = button.querySelector("span");
    try {
      await navigator.clipboard.writeText(location.href);
      said.textContent = "Copied";
    } catch {
      said.textContent = "Copy it from the address bar";
    }
  });
  return button;
}
