"""The meter of one call (SPEC V1). Pure; state is the set of its events, kept until T4 lets it go."""

from __future__ import annotations

from services.events.event import Event, Kind
from services.meters.hours import add_hour, sleeps
from services.meters.records import Records, SessionRecord
from services.meters.rules import FOREVER_MS, HOUR_MS, QUARTER_MS, SLEEP_HOURS_MAX, Rules
from services.meters.sets import put_once

Instants = list[tuple[int, Kind, str, str, str]]
"""(time, kind, channel, kore_user_id, channel_user_id) of a call's events, sorted, without repetition."""


class Call:
    """The events of one call of one app."""

    __slots__ = ("app_id", "call_id", "due_ms", "events", "hours", "last_ms", "shown", "workspace_id")

    def __init__(self, workspace_id: str, app_id: str, call_id: str) -> None:
        self.workspace_id, self.app_id, self.call_id = workspace_id, app_id, call_id
        self.events: Instants = []
        self.hours: list[int] = []
        self.last_ms = -FOREVER_MS
        self.due_ms = FOREVER_MS
        """The least watermark at which `records` says something else than at the last call."""
        self.shown = False

    def add(self, event: Event) -> None:
        """Put one event into the set."""
        entry = (event.time_ms, event.kind, event.channel, event.kore_user_id, event.channel_user_id)
        put_once(self.events, entry)
        add_hour(self.hours, event.time_ms)
        self.last_ms = max(self.last_ms, event.time_ms)

    def would_change(self, event: Event) -> bool:
        """Can this event change what `records` says? False is certain."""
        return (event.time_ms, event.kind, event.channel, event.kore_user_id, event.channel_user_id) not in self.events

    def records(self, watermark_ms: int, rules: Rules) -> Records:
        """The call's sessions that are published at a watermark. Sets `due_ms` and `shown`."""
        self.due_ms = FOREVER_MS
        found: Records = {}
        for events in self._calls():
            self._call(events, watermark_ms, rules, found)
        self.shown = bool(found)
        return found

    def evictable_after_ms(self, rules: Rules) -> int:
        """T4, and long enough that what arrives later is another call by P2."""
        return self.last_ms + (SLEEP_HOURS_MAX + 2) * HOUR_MS + rules.lateness_ms

    def _calls(self) -> list[Instants]:
        """P2: cut where the call slept."""
        calls: list[Instants] = []
        rest = self.events
        for _, after in sleeps(self.hours):
            calls.append([event for event in rest if event[0] < after])
            rest = [event for event in rest if event[0] >= after]
        return [*calls, rest]

    def _call(self, events: Instants, watermark_ms: int, rules: Rules, found: Records) -> None:
        started = [event for event in events if event[1] is Kind.VOICE_STARTED]
        t0 = (started or events)[0][0]
        ended = next((event[0] for event in events if event[1] is Kind.VOICE_ENDED and event[0] >= t0), None)
        te = min(events[-1][0] if ended is None else ended, t0 + rules.call_max_ms)
        inside = [event for event in events if event[0] >= t0]
        who = [_earliest(started, i) or _earliest(inside, i) for i in (2, 3, 4)]
        for k in range(1, max(1, -(-(te - t0) // QUARTER_MS)) + 1):
            start, full = t0 + (k - 1) * QUARTER_MS, t0 + k * QUARTER_MS
            end = full if ended is None else min(full, te)
            if ended is None and watermark_ms <= end:
                self.due_ms = min(self.due_ms, end + 1)
                continue
            ident = ("voice", self.workspace_id, self.app_id, self.call_id, t0, k)
            found[ident] = SessionRecord(
                ident, self.workspace_id, self.app_id, "voice", who[0], who[1], who[2], self.call_id,
                t0, start, end, end - start, 0, "", "V1:full" if end == full else "V1:ended",
            )  # fmt: skip


def _earliest(events: Instants, field: int) -> str:
    """U11 for calls: the value of the earliest event that has one; at one instant the smallest text."""
    value, at = "", FOREVER_MS
    for event in events:
        if event[0] > at:
            break
        text = str(event[field])
        if text and (not value or text < value):
            value, at = text, event[0]
    return value
