"""What trends must say, computed from facts of `quarterhour meter` (or of the reference model) with zoneinfo alone: no SQL, nothing of `services.query`.

Rule: nothing is cut by edges. Every quarter of an hour, and every session, is asked for its local day, month or hour; what has one label is one bucket. Seats
are counted agent by agent from presences.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo

QUARTER_MS: Final = 900_000
DAY_MS: Final = 86_400_000
FOREVER_MS: Final = 1 << 60
_BLOCK_MS: Final = 16 * DAY_MS
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Label = tuple[object, ...]
Scope = frozenset[str] | None
"""Apps together; None: the whole workspace."""
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Presence:
    """[since, until) of an agent; `until_ms` FOREVER_MS: it lasts."""

    agent: str
    apps: frozenset[str]
    since_ms: int
    until_ms: int


@dataclass(slots=True)
class Known:
    """The facts of one workspace that trends rest on."""

    sessions: list[tuple[int, str, str]] = field(default_factory=list)
    """(start, app, kind); a conversation's kind is `conversations`."""
    logins: list[Presence] = field(default_factory=list)
    assignments: list[Presence] = field(default_factory=list)
    firsts: dict[frozenset[str], int] = field(default_factory=dict)
    """Apps together → the first fact of theirs."""

    def since_ms(self, scope: Scope) -> int:
        """The first fact of the scope."""
        return min((at_ms for apps, at_ms in self.firsts.items() if scope is None or apps & scope), default=FOREVER_MS)

    def take(self, topic: str, fact: Row) -> None:
        match topic.removeprefix("usage.").removesuffix(".v1"):
            case "billing-sessions":
                self.sessions.append((instant_ms(fact["start"]), fact["app_id"], fact["type"]))
                self._first(fact["conversation_start"], [fact["app_id"]])
            case "conversations":
                self.sessions.append((instant_ms(fact["start"]), fact["app_id"], "conversations"))
                self._first(fact["start"], [fact["app_id"]])
            case "agent-logins":
                self.logins.append(_presence(fact, fact["app_ids"]))
                self._first(fact["start"], fact["app_ids"])
            case "agent-assignments":
                self.assignments.append(_presence(fact, [fact["app_id"]]))
                self._first(fact["start"], [fact["app_id"]])
            case _:
                return

    def _first(self, text: str, apps: Sequence[str]) -> None:
        of_apps = frozenset(apps)
        self.firsts[of_apps] = min(self.firsts.get(of_apps, FOREVER_MS), instant_ms(text))


@dataclass(frozen=True, slots=True)
class Bucket:
    start_ms: int
    end_ms: int
    label: Label


def instant_ms(text: str) -> int:
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(milliseconds=1)


def _presence(fact: Row, apps: Sequence[str]) -> Presence:
    return Presence(fact["agent_id"], frozenset(apps), instant_ms(fact["start"]), instant_ms(fact["end"]) if fact["end"] else FOREVER_MS)


def known_of(lines: Iterable[bytes]) -> Known:
    """Of lines as `quarterhour meter` prints them."""
    known = Known()
    for line in lines:
        fact = json.loads(line)
        known.take(fact.pop("topic"), fact)
    return known


def local(at_ms: int, zone: ZoneInfo) -> datetime:
    return (_EPOCH + timedelta(milliseconds=at_ms)).astimezone(zone)


def _by_day(at: datetime) -> Label:
    return (at.date(),)


def _by_month(at: datetime) -> Label:
    return (at.year, at.month)


def _by_hour(at: datetime) -> Label:
    return (at.date(), at.hour, at.utcoffset())


def _by_week(at: datetime) -> Label:
    return tuple(at.isocalendar()[:2])


LABELS: Final[dict[str, Callable[[datetime], Label]]] = {"hour": _by_hour, "day": _by_day, "week": _by_week, "month": _by_month}


def _quarters(zone: ZoneInfo, from_ms: int, to_ms: int) -> Iterator[tuple[int, datetime]]:
    for block in range(from_ms // _BLOCK_MS, to_ms // _BLOCK_MS + 1):
        for at_ms, at in _block(zone, block):
            if from_ms <= at_ms < to_ms:
                yield at_ms, at


@cache
def _block(zone: ZoneInfo, block: int) -> list[tuple[int, datetime]]:
    return [(at_ms, local(at_ms, zone)) for at_ms in range(block * _BLOCK_MS, (block + 1) * _BLOCK_MS, QUARTER_MS)]


def buckets(zone: ZoneInfo, interval: str, wanted: Callable[[datetime], bool], around: tuple[int, int]) -> list[Bucket]:
    """The periods of the zone in order: the quarters that are `wanted`, by their labels. `around` holds all of them."""
    label, found = LABELS[interval], list[Bucket]()
    for at_ms, at in _quarters(zone, *around):
        if not wanted(at):
            continue
        if found and found[-1].label == label(at):
            found[-1] = Bucket(found[-1].start_ms, at_ms + QUARTER_MS, found[-1].label)
        else:
            found.append(Bucket(at_ms, at_ms + QUARTER_MS, label(at)))
    return found


def named_range(name: str, now_ms: int, zone: ZoneInfo, around: tuple[int, int]) -> list[Bucket]:
    """SPEC §1: days and months of the zone that end with the current one; of 24h the hours up to the end of this one."""
    today = local(now_ms, zone).date()
    if name in ("7d", "1w", "2w", "4w"):
        days = 7 if name == "7d" else 7 * int(name[0])
        return buckets(zone, "day", lambda at: today - timedelta(days=days) < at.date() <= today, around)
    if name == "24h":
        hour = _by_hour(local(now_ms, zone))
        end_ms = next(at_ms for at_ms, at in _quarters(zone, *around) if at_ms > now_ms and _by_hour(at) != hour)
        first, end = local(end_ms - DAY_MS, zone), local(end_ms, zone)
        return buckets(zone, "hour", lambda at: first.astimezone(UTC) <= at.astimezone(UTC) < end.astimezone(UTC), around)
    months, last = int(name[0]), today.year * 12 + today.month
    return buckets(zone, "month", lambda at: last - months < at.year * 12 + at.month <= last, around)


def custom_days(first: date, last: date, zone: ZoneInfo, around: tuple[int, int]) -> list[Bucket]:
    return buckets(zone, "day", lambda at: first <= at.date() <= last, around)


def rows(known: Known, scope: Scope, parts: Sequence[Bucket], zone: ZoneInfo, interval: str, now_ms: int) -> list[Row]:
    """The buckets of the answer and, last, its totals. `now_ms`: the watermark, up to which a presence that lasts is known."""
    counted: defaultdict[Label, Counter[str]] = defaultdict(Counter)
    label, whole = LABELS[interval], Bucket(parts[0].start_ms, parts[-1].end_ms, ())
    for start_ms, app, kind in known.sessions:
        if (scope is None or app in scope) and whole.start_ms <= start_ms < whole.end_ms:
            counted[label(local(start_ms, zone))][kind] += 1
            counted[()][kind] += 1
    logins, assignments = (_clipped(each, scope, whole, now_ms) for each in (known.logins, known.assignments))
    is_assigned = any(scope is None or each.apps & scope for each in known.assignments)
    found, since_ms = [], known.since_ms(scope)
    for part in (*parts, whole):
        row = _counts(counted[part.label]) | _seats(_within(logins, part), _within(assignments, part), part, zone, is_assigned=is_assigned)
        head = {"start": _text(part.start_ms, zone), "end": _text(part.end_ms, zone), "state": _state(part, since_ms, now_ms)}
        found.append(row if part is whole else head | row)
    return found


def _counts(kinds: Counter[str]) -> Row:
    usage, voice, alert = kinds["usage"], kinds["voice"], kinds["alert"]
    counts = {"sessions": usage + voice + alert, "billing_sessions": usage, "voice_sessions": voice, "alert_sessions": alert}
    return counts | {"conversations": kinds["conversations"]}


def _seats(logins: Sequence[Presence], assignments: Sequence[Presence], part: Bucket, zone: ZoneInfo, *, is_assigned: bool) -> Row:
    """S3-S5. The most agents are there at the bucket's start or where one of them comes."""
    instants = sorted({part.start_ms, *(each.since_ms for each in logins)})
    present = [(len({each.agent for each in logins if each.since_ms <= at_ms < each.until_ms}), at_ms) for at_ms in instants]
    seats = max(number for number, _ in present)
    assigned = {each.agent for each in assignments}
    named = assigned | {each.agent for each in logins}
    return {
        "concurrent_seats": seats,
        "peak_at": _text(next(at_ms for number, at_ms in present if number == seats), zone) if seats else None,
        "named_seats": len(named),
        "agent_count": len(assigned) if is_assigned else len(named),
    }


def _clipped(presences: Sequence[Presence], scope: Scope, whole: Bucket, now_ms: int) -> list[Presence]:
    """Those of the scope that lie in the range at some instant, cut to it, by their start."""
    mine = (each for each in presences if scope is None or each.apps & scope)
    return sorted((cut for each in mine if (cut := _cut(each, whole, now_ms))), key=lambda each: each.since_ms)


def _within(presences: Sequence[Presence], part: Bucket) -> list[Presence]:
    return [cut for each in presences if (cut := _cut(each, part, FOREVER_MS))]


def _cut(each: Presence, part: Bucket, now_ms: int) -> Presence | None:
    until_ms = now_ms if each.until_ms == FOREVER_MS else each.until_ms
    since_ms, until_ms = max(each.since_ms, part.start_ms), min(until_ms, part.end_ms)
    return Presence(each.agent, each.apps, since_ms, until_ms) if since_ms < until_ms else None


def _state(part: Bucket, since_ms: int, as_of_ms: int) -> str:
    if part.end_ms <= since_ms:
        return "no_data"
    if part.end_ms < as_of_ms:
        return "closed"
    return "open" if part.start_ms <= as_of_ms else "ahead"


def _text(at_ms: int, zone: ZoneInfo) -> str:
    return local(at_ms, zone).isoformat(timespec="milliseconds")
