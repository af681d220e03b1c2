"""Histories for hypothesis: lists of CloudEvents over few conversations, calls, logins, with times where the rules turn.

Rule: a conversation is made of scenes (a hand-off, an end with its grace, a silence, a tie, …), so that the deep cases are common;
one in five is plain noise on a grid of interesting instants. Event ids are unique; repetition and disorder come from `delivered`.
Limit: no (source, id) has two contents, and no event is refused; `raw_lines` adds those that are.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from hypothesis import strategies as st

from tests.reference.instants import DAY_MS, HOUR_MS, MINUTE_MS, QUARTER_MS, instant_ms, instant_text

CloudEvent = dict[str, Any]
Step = tuple[str, int]
"""What happens, and the milliseconds since the step before."""

BASE_MS: Final = 1_769_846_400_000
"""2026-01-31T08:00:00Z: the first instant of a quarter; a month ends 16 hours later."""

WORKSPACES: Final = ("acme", "zed")
APPS: Final = ("shop", "bänk")

SAYS: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "U": ("conversation.message", {"sender": "user"}),
    "B": ("conversation.message", {"sender": "bot"}),
    "A": ("conversation.message", {"sender": "agent"}),
    "S": ("conversation.started", {"initiator": "user"}),
    "s": ("conversation.started", {"initiator": "bot"}),
    "d": ("conversation.started", {}),
    "T": ("conversation.transferred", {}),
    "R": ("conversation.returned", {}),
    "eu": ("conversation.ended", {"reason": "user"}),
    "eb": ("conversation.ended", {"reason": "bot"}),
    "ea": ("conversation.ended", {"reason": "agent"}),
    "ei": ("conversation.ended", {"reason": "idle"}),
    "vs": ("voice.started", {}),
    "vp": ("voice.progress", {}),
    "ve": ("voice.ended", {}),
}
"""The letters of a step. `d` is a start without an initiator: the user's."""


def around(*instants: int) -> list[int]:
    """Each instant, one millisecond before and one after, none negative."""
    return sorted({at for instant in instants for at in (instant - 1, instant, instant + 1) if at >= 0})


SHORT: Final = [0, 0, 1, 5_000, *around(MINUTE_MS), 2 * MINUTE_MS, 5 * MINUTE_MS, 10 * MINUTE_MS]
QUARTERS: Final = around(QUARTER_MS, 2 * QUARTER_MS, 3 * QUARTER_MS)
GRACE: Final = [0, 1, 30_000, *around(MINUTE_MS), MINUTE_MS + 30_000]
SILENCE: Final = around(4 * QUARTER_MS)
LONG: Final = [90 * MINUTE_MS, 5 * HOUR_MS, *around(DAY_MS), 25 * HOUR_MS]
SLEEP: Final = [48 * HOUR_MS, *around(49 * HOUR_MS, 50 * HOUR_MS), 51 * HOUR_MS]
GRID: Final = around(0, MINUTE_MS, QUARTER_MS, 30 * MINUTE_MS, 60 * MINUTE_MS, 61 * MINUTE_MS, 75 * MINUTE_MS, 2 * HOUR_MS, DAY_MS)

short = st.sampled_from(SHORT)
talk = st.sampled_from(SHORT + QUARTERS)
silence = st.sampled_from(SILENCE)
grace = st.sampled_from(GRACE)
human = st.sampled_from(SHORT + QUARTERS + SILENCE + LONG)
any_gap = st.sampled_from(SHORT + QUARTERS + SILENCE + LONG)


def say(letters: str, gap: st.SearchStrategy[int]) -> st.SearchStrategy[Step]:
    """One of these things, after one of these gaps."""
    return st.tuples(st.sampled_from(letters.split()), gap)


def scene(*steps: st.SearchStrategy[Step] | st.SearchStrategy[list[Step]]) -> st.SearchStrategy[list[Step]]:
    """Steps, and lists of steps, in a row."""
    return st.tuples(*steps).map(lambda found: [step for part in found for step in (part if isinstance(part, list) else [part])])


def perhaps(step: st.SearchStrategy[Step]) -> st.SearchStrategy[list[Step]]:
    return st.lists(step, max_size=1)


ANY_END: Final = "eu eb ea ei"

SCENES: Final[tuple[st.SearchStrategy[list[Step]], ...]] = (
    scene(say("U U U S d B A", talk)),
    scene(say("U B", talk), say("U A B", talk), perhaps(say("U", silence))),
    # With a human and back, the user or the agent speaking meanwhile.
    scene(say("T", talk), perhaps(say("U A", human)), say("R", human), perhaps(say("U", talk))),
    # With a human to an end.
    scene(say("T", talk), perhaps(say("U A", human)), say(ANY_END, human), perhaps(say("U R", grace)), perhaps(say("U", short))),
    # An idle end that leaves human time open, then a new episode.
    scene(say("T", talk), say("ei", human), say("U R", st.sampled_from([*GRACE, *QUARTERS])), say("U T R", talk)),
    # An end, its grace, and what comes after.
    scene(say(ANY_END, talk), perhaps(say("U S", grace)), perhaps(say("U eu ei", grace)), say("U S", talk)),
    # Transferred during grace: human time is open when the next episode begins.
    scene(say(ANY_END, talk), say("T", grace), perhaps(say("A R", short)), say("U", talk), perhaps(say("R eu ei", human)), perhaps(say("U", talk))),
    # The bot alone; a late end; a silence; a silence in which a human has it.
    scene(say("s B", short), perhaps(say("eb ei", talk))),
    scene(say(ANY_END, silence)),
    scene(say("U", silence)),
    scene(say("T", short), say("R", human), say("U eu ei", silence)),
    # Several things at one instant.
    st.lists(say("U S T R eu ei B", st.just(0)), min_size=2, max_size=4),
    # Asleep (P2), perhaps with a human.
    scene(perhaps(say("T", short)), say("U R B eu ei", st.sampled_from(SLEEP)), perhaps(say("U", short))),
)

_WEIGHTS: Final = (3, 2, 4, 4, 3, 5, 6, 1, 1, 2, 2, 2, 2)

scenes = st.sampled_from([a for a, weight in zip(SCENES, _WEIGHTS, strict=True) for _ in range(weight)]).flatmap(lambda chosen: chosen)
opening: st.SearchStrategy[list[Step]] = st.one_of(
    say("S U d", st.just(0)).map(lambda step: [step]), say("s T B", st.just(0)).map(lambda step: [step]), st.just([])
)


@st.composite
def conversation_steps(draw: st.DrawFn) -> list[tuple[str, int]]:
    """What happens in one conversation, and when from its first event."""
    if draw(st.integers(0, 4)) == 0:
        return draw(st.lists(say("U U S s B A T T R R eu ea ei", st.sampled_from(GRID)), min_size=1, max_size=8))
    # A number drawn first: a list's own length would lean to one.
    steps = draw(opening) + [step for _ in range(draw(st.integers(1, 6))) for step in draw(scenes)]
    return timed(steps)


def timed(steps: Sequence[Step]) -> list[tuple[str, int]]:
    """Gaps as instants."""
    at_ms, found = 0, []
    for letter, gap in steps:
        at_ms += gap
        found.append((letter, at_ms))
    return found


call_steps = st.one_of(
    st.lists(say("vs vp ve vp", any_gap), min_size=1, max_size=6).map(timed),
    scene(say("vs", st.just(0)), say("vp ve", st.sampled_from(QUARTERS + LONG)), perhaps(say("ve vs", talk))).map(timed),
    st.lists(st.tuples(st.sampled_from(["vs", "vp", "ve"]), st.sampled_from(GRID)), min_size=1, max_size=5),
    scene(say("vs vp", st.just(0)), say("vp ve vs", st.sampled_from(SLEEP)), perhaps(say("ve", short))).map(timed),
)

who = st.fixed_dictionaries(
    {"channel": st.sampled_from(["web", "sms", "voice"])},
    optional={"kore_user_id": st.sampled_from(["", "k1", "k2", None]), "channel_user_id": st.sampled_from(["u1", "ü2", None])},
)
scope = st.fixed_dictionaries({"workspace_id": st.sampled_from([*WORKSPACES, "acme"]), "app_id": st.sampled_from([*APPS, "shop"])})
begin_ms = st.sampled_from([BASE_MS + shift for shift in (0, 0, -1, 1, 7 * MINUTE_MS, QUARTER_MS, 16 * HOUR_MS - 1)])


def cloud_event(kind: str, time_ms: int, subject: str, data: dict[str, Any]) -> CloudEvent:
    """A CloudEvent that still lacks its id (`numbered` gives it)."""
    return {"specversion": "1.0", "id": "", "source": "tests", "type": kind, "time": instant_text(time_ms), "subject": subject, "data": data}


@st.composite
def spoken_events(draw: st.DrawFn, steps: st.SearchStrategy[list[tuple[str, int]]], subjects: Sequence[str]) -> list[CloudEvent]:
    """One conversation or call."""
    base, where, subject = draw(begin_ms), draw(scope), draw(st.sampled_from(subjects))
    whom = draw(st.lists(who, min_size=1, max_size=3))
    events = []
    for place, (letter, at_ms) in enumerate(draw(steps)):
        kind, more = SAYS[letter]
        # The fields that tell who it is belong to starts, messages and calls; marks and ends have their channel alone.
        full = kind in ("conversation.started", "conversation.message") or kind.startswith("voice.")
        person = whom[place % len(whom)]
        data = where | (person if full else {"channel": person["channel"]}) | more
        if kind == "conversation.message":
            data["message_id"] = draw(st.sampled_from(["m1", "m2", "m3", "µ"]))
        events.append(cloud_event(kind, base + at_ms, subject, data))
    return events


conversation_events = spoken_events(conversation_steps(), ["c1", "c1", "c2", "c3"])
call_events = spoken_events(call_steps, ["v1", "v2", "c1"])


@st.composite
def alert_events(draw: st.DrawFn) -> list[CloudEvent]:
    """A few alerts."""
    events = []
    for kind, at_ms in draw(st.lists(st.tuples(st.sampled_from(["alert.delivered", "alert.delivered", "alert.failed"]), st.sampled_from(GRID)), max_size=4)):
        data = draw(scope) | draw(who) | draw(st.sampled_from([{}, {"message_id": None}, {"message_id": "m1"}]))
        events.append(cloud_event(kind, BASE_MS + at_ms, draw(st.sampled_from(["a1", "a2"])), data))
    return events


LOGIN_GRID: Final = around(0, 7 * MINUTE_MS, QUARTER_MS, 2 * QUARTER_MS, HOUR_MS, DAY_MS, DAY_MS + QUARTER_MS, 2 * DAY_MS)
served: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries({"app_ids": st.lists(st.sampled_from(APPS), min_size=1, max_size=3)}, optional={"app_id": st.just("ignored")}),
    st.fixed_dictionaries({"app_id": st.sampled_from(APPS)}, optional={"app_ids": st.just([])}),
)


@st.composite
def login_events(draw: st.DrawFn) -> list[CloudEvent]:
    """Logins of one workspace: several ids, one agent twice, logouts before, at, after, and none."""
    workspace_id = draw(st.sampled_from(WORKSPACES))
    events = []
    for _ in range(draw(st.integers(1, 8))):
        kind = draw(st.sampled_from(["agent.logged_in", "agent.logged_in", "agent.logged_out"]))
        data = {"workspace_id": workspace_id, "agent_id": draw(st.sampled_from(["ann", "bob", "cid"]))} | draw(served)
        events.append(cloud_event(kind, BASE_MS + draw(st.sampled_from(LOGIN_GRID)), draw(st.sampled_from(["l1", "l2", "l3"])), data))
    return events


@st.composite
def assignment_events(draw: st.DrawFn) -> list[CloudEvent]:
    """Assignments of few agents to few apps, with marks that change nothing and marks at one instant."""
    events = []
    for _ in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(["agent.assigned", "agent.assigned", "agent.unassigned"]))
        data = draw(scope) | {"agent_id": draw(st.sampled_from(["ann", "bob"]))}
        events.append(cloud_event(kind, BASE_MS + draw(st.sampled_from(LOGIN_GRID)), draw(st.sampled_from(["ann", "x"])), data))
    return events


def numbered(parts: Sequence[Sequence[CloudEvent]]) -> list[CloudEvent]:
    """The events of all parts in order of time, each with an id of its own."""
    events = sorted((event for part in parts for event in part), key=lambda event: str(event["time"]))
    return [event | {"id": f"e{place}"} for place, event in enumerate(events)]


def histories_of(*parts: st.SearchStrategy[list[CloudEvent]], max_parts: int = 3) -> st.SearchStrategy[list[CloudEvent]]:
    """Histories made of several such parts, in order of time."""
    return st.lists(st.one_of(*parts), min_size=1, max_size=max_parts).map(numbered)


usage_histories = histories_of(conversation_events)
voice_histories = histories_of(call_events)
seat_histories = histories_of(login_events(), assignment_events())
histories = histories_of(
    conversation_events, conversation_events, conversation_events, call_events, alert_events(), login_events(), assignment_events(), max_parts=5
)
"""Everything together, in order of time, each event once."""


@st.composite
def delivered(draw: st.DrawFn, history: Sequence[CloudEvent]) -> list[list[CloudEvent]]:
    """The same history as a log brings it: some events twice, in another order, in batches."""
    again = draw(st.lists(st.sampled_from(history), max_size=3)) if history else []
    events = list(history) + again
    if draw(st.booleans()):
        events = draw(st.permutations(events))
    cuts = sorted(draw(st.lists(st.integers(0, len(events)), max_size=4)))
    return [events[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(events)], strict=True) if begin < end]


@st.composite
def watermarks(draw: st.DrawFn, history: Sequence[CloudEvent]) -> int | None:
    """A watermark where something of this history may turn; None: past everything."""
    if not history or draw(st.integers(0, 4)) == 0:
        return None
    time_ms = instant_ms(draw(st.sampled_from(history))["time"])
    assert time_ms is not None
    return time_ms + draw(st.sampled_from([-1, 0, 1, MINUTE_MS, *QUARTERS, *SILENCE, 75 * MINUTE_MS, *around(DAY_MS)]))


def line(event: CloudEvent) -> bytes:
    """The event as a line of a file."""
    return json.dumps(event, ensure_ascii=False).encode() + b"\n"


_GOOD: Final = cloud_event("conversation.started", BASE_MS, "c9", {"workspace_id": "acme", "app_id": "shop", "channel": "web"}) | {"id": "good"}


def changed(**changes: Any) -> bytes:
    """The good event with an envelope field changed, or left out (None)."""
    return line({name: value for name, value in (_GOOD | changes).items() if value is not None})


def changed_data(**changes: Any) -> bytes:
    """The good event with a field of its data changed, or left out (None)."""
    return changed(data={name: value for name, value in (_GOOD["data"] | changes).items() if value is not None})


REFUSED_LINES: Final = (
    b"\n",
    b"{\n",
    b"[]\n",
    b"null\n",
    b'{"type": NaN}\n',
    b'{"type": "\xff"}\n',
    b'{"type": "voice.started", "x": "\\ud800"}\n',
    b'{"type": "voice.started", "x": ' + b"[" * 64 + b"]" * 64 + b"}\n",
    changed(x="x" * 1024 * 1024),
    changed(type=None),
    changed(type=5),
    changed(type="conversation.paused"),
    changed(specversion="0.3"),
    changed(id=""),
    changed(id="i" * 257),
    changed(source="s" * 513),
    changed(subject=None),
    changed(subject=7),
    changed(time="2026-01-31T08:00:60Z"),
    changed(time="2026-02-30T08:00:00Z"),
    changed(time="2026-01-31 08:00:00Z"),
    changed(time="2026-01-31T08:00:00"),
    changed(data=[]),
    changed_data(workspace_id=None),
    changed_data(workspace_id="w" * 129),
    changed_data(app_id=""),
    changed_data(channel=None),
    changed_data(kore_user_id=5),
    changed_data(initiator="agent"),
    changed(type="conversation.message"),
    changed(type="conversation.ended"),
    changed(type="agent.logged_in"),
    changed(time="0001-01-01T00:00:00Z"),
    changed(time="9999-12-31T23:59:59Z"),
    changed(time="2026-01-29T08:00:00Z"),
)
"""One line for each way to be refused (the last only after an event of a later day)."""


@st.composite
def raw_lines(draw: st.DrawFn) -> list[bytes]:
    """A file: a history in order of time, refused lines anywhere between, sometimes a repeated or an old line."""
    found = [line(event) for event in draw(histories)]
    found += draw(st.lists(st.sampled_from(found), max_size=2)) if found else []
    for refused in draw(st.lists(st.sampled_from(REFUSED_LINES), max_size=3)):
        found.insert(draw(st.integers(0, len(found))), refused)
    return found
