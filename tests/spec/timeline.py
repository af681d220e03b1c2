"""Timelines as text, and the CloudEvents that they stand for. Rule: SPEC §8's notation; times count from t0.

A timeline is `what when, what when, …`. When: minutes (`20.5`), hours (`25h`), and a rest in milliseconds (`15+1ms`, `24h-1ms`).
What: `started`, `started by bot`, `user|bot|agent message`, `transferred`, `returned`, `ended`, `ended by bot|agent`, `ended idle`,
`voice started|progress|ended`, `alert`, `alert failed`. A time alone repeats what came before: `user message 0, 14`. Sessions: `0-15, 15-20.5`, or `none`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

CloudEvent = dict[str, Any]

MINUTE_MS: Final = 60_000
T0_MS: Final = 1_769_846_400_000
"""2026-01-31T08:00:00Z: the first instant of a quarter."""

WHAT: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "started": ("conversation.started", {"initiator": "user"}),
    "started by bot": ("conversation.started", {"initiator": "bot"}),
    "user message": ("conversation.message", {"sender": "user"}),
    "bot message": ("conversation.message", {"sender": "bot"}),
    "agent message": ("conversation.message", {"sender": "agent"}),
    "transferred": ("conversation.transferred", {}),
    "returned": ("conversation.returned", {}),
    "ended": ("conversation.ended", {"reason": "user"}),
    "ended by bot": ("conversation.ended", {"reason": "bot"}),
    "ended by agent": ("conversation.ended", {"reason": "agent"}),
    "ended idle": ("conversation.ended", {"reason": "idle"}),
    "voice started": ("voice.started", {}),
    "voice progress": ("voice.progress", {}),
    "voice ended": ("voice.ended", {}),
    "alert": ("alert.delivered", {}),
    "alert failed": ("alert.failed", {}),
}

ENTRY: Final = re.compile(r"(?P<what>[a-z ]+?) (?P<when>[0-9]\S*)")
WHEN: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(h?)(?:([+-][0-9]+)ms)?")


def offset_ms(when: str) -> int:
    """`20.5`, `25h`, `15+1ms` → milliseconds from t0."""
    match = WHEN.fullmatch(when)
    if match is None:
        raise ValueError(f"no time: {when!r}; write minutes, hours with h, and +1ms or -1ms")
    return round(float(match[1]) * MINUTE_MS * (60 if match[2] else 1)) + int(match[3] or 0)


def instant(time_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def entries(timeline: str) -> list[tuple[str, int]]:
    """`started 0, ended 31` → what and when in milliseconds from t0, in the order written."""
    found: list[tuple[str, int]] = []
    for entry in (text.strip() for text in timeline.split(",") if text.strip()):
        match = ENTRY.fullmatch(entry)
        what, when = (match["what"], match["when"]) if match else (found[-1][0], entry)
        if what not in WHAT:
            raise ValueError(f"nothing is called {what!r}; one of: {', '.join(WHAT)}")
        found.append((what, offset_ms(when)))
    return found


def cloud_events(timeline: str, *, subject: str, workspace_id: str = "examples", app_id: str = "shop", t0_ms: int = T0_MS) -> list[CloudEvent]:
    """The CloudEvents of a timeline, in its order. A message's id is `m` and its place in the timeline, from 0."""
    scope = {"workspace_id": workspace_id, "app_id": app_id}
    return [
        cloud_event(what, t0_ms + at_ms, event_id=f"{subject}/{place}", subject=subject, scope=scope, message_id=f"m{place}")
        for place, (what, at_ms) in enumerate(entries(timeline))
    ]


def cloud_event(what: str, time_ms: int, *, event_id: str, subject: str, scope: dict[str, str], message_id: str) -> CloudEvent:
    kind, more = WHAT[what]
    data: dict[str, Any] = scope | {"channel": "web"} | more
    if kind == "conversation.message" or kind.startswith("alert."):
        data["message_id"] = message_id
    return {"specversion": "1.0", "id": event_id, "source": "examples", "type": kind, "time": instant(time_ms), "subject": subject, "data": data}


def spans(text: str) -> list[tuple[int, int]]:
    """`0-15, 15-30+1ms` → milliseconds from t0; `none` → no span."""
    if text == "none":
        return []
    return [span(part.strip()) for part in text.split(",")]


def span(text: str) -> tuple[int, int]:
    """`0-15`, `15-1ms-30`: the hyphen with a time on either side parts them."""
    for place in (found.start() for found in re.finditer("-", text)):
        start, end = text[:place], text[place + 1 :]
        if WHEN.fullmatch(start) and WHEN.fullmatch(end):
            return offset_ms(start), offset_ms(end)
    raise ValueError(f"no session: {text!r}; write start-end")


def slug(rule: str, name: str) -> str:
    """A case's name as an id."""
    return re.sub(r"[^a-z0-9]+", "-", f"{rule} {name}".lower()).strip("-")


def by_time(histories: Iterable[list[CloudEvent]]) -> list[CloudEvent]:
    """Several histories as one, in order of time, as a file or a log holds them."""
    return sorted((event for history in histories for event in history), key=lambda event: str(event["time"]))
