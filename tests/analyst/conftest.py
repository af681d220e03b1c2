"""A database with two made-up workspaces in it, each fact with the revisions that it had, and the same facts as Python sees them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest

from services.events.times import format_ms, parse_ms
from services.runtime.migrations import read_migrations, split_statements
from services.runtime.settings import ClickHouseSettings
from tests.parts.own import own_clickhouse
from tests.query.stage import ClickHouse, Fact, conversation, ms, peak, processor_line, rejected, session

ACME, OTHER = "acme 'n' sons", "other"
HOUR_MS: Final = 3_600_000
FIRST_MS: Final = ms("2026-02-20T00:00")
DAYS: Final = 45
"""Both clock changes of March lie in it."""


@dataclass(frozen=True)
class Facts:
    """As they are now: table → its facts of `ACME`, and which were taken back."""

    sessions: list[Fact]
    taken_back: list[Fact]
    conversations: list[Fact]
    peaks: list[Fact]
    rejected: list[Fact]
    ledger: list[Fact]


@dataclass(frozen=True)
class Range:
    """Dates of a zone, as the queries take them."""

    first: date
    end: date
    zone: ZoneInfo

    def local(self, instant: str) -> datetime:
        return datetime.fromtimestamp(parse_ms(instant) / 1000, UTC).astimezone(self.zone)

    def holds(self, instant: str) -> bool:
        return self.first <= self.local(instant).date() < self.end

    def day(self, instant: str) -> str:
        return self.local(instant).date().isoformat()

    def month(self, instant: str) -> str:
        return self.local(instant).date().replace(day=1).isoformat()


@pytest.fixture(scope="session")
def analysed(clickhouse: ClickHouseSettings) -> Iterator[tuple[ClickHouse, Facts]]:
    with own_clickhouse(clickhouse) as own:
        server = ClickHouse(own)
        for migration in read_migrations("clickhouse"):
            for statement in split_statements(migration.sql):
                server.run(statement)
        yield server, _fill(server, random.Random(7))


def _fill(server: ClickHouse, dice: random.Random) -> Facts:
    facts = Facts(*([] for _ in range(6)))
    _conversations(server, dice, facts)
    _calls_and_alerts(server, dice, facts)
    _seats(server, dice, facts)
    _refusals(server, dice, facts)
    facts.ledger.extend(_lines())
    server.put("ledger", *facts.ledger)
    server.put("billing_sessions", *(session(OTHER, format_ms(_instant(dice)), app_id="a") for _ in range(50)))
    return facts


def _conversations(server: ClickHouse, dice: random.Random, facts: Facts) -> None:
    """Some were longer before a late event: their last session is taken back in a second insert."""
    early, late, talks = [], [], []
    for number in range(300):
        t0_ms, parts = _instant(dice), dice.choice((1, 1, 1, 2, 3, 5))
        who = {"kore_user_id": dice.choice(("", f"u{number % 9}")), "channel_user_id": dice.choice(("", f"+{number % 7}")), "app_id": dice.choice("abc")}
        human_ms = [dice.choice((0, 0, dice.randrange(HOUR_MS))) for _ in range(parts)]
        lost = parts > 1 and dice.random() < 0.4
        for part in range(parts):
            start_ms = t0_ms + part * 900_000
            at = {"t0": format_ms(t0_ms), "end": format_ms(start_ms + 900_000), "conversation_id": f"c{number}", "human_ms": human_ms[part]}
            fact = session(ACME, format_ms(start_ms), **who, **at)
            early.append(fact | {"human_ms": 77, "channel": "sms"})
            taken_back = lost and part == parts - 1
            late.append(fact | {"revision": 2, "status": "void" if taken_back else "closed"})
            (facts.taken_back if taken_back else facts.sessions).append(late[-1])
        end = None if dice.random() < 0.1 else format_ms(t0_ms + dice.randrange(1, 4 * HOUR_MS))
        reason = dice.choice(("user", "bot", "agent", "idle", "silence")) if end else ""
        talks.append(conversation(ACME, format_ms(t0_ms), end, **who, conversation_id=f"c{number}", end_reason=reason, sessions=parts - lost, revision=2))
    facts.conversations.extend(talks)
    server.put("billing_sessions", *early)
    server.put("billing_sessions", *late)
    server.put("conversations", *(talk | {"revision": 1, "end": None, "end_reason": ""} for talk in talks))
    server.put("conversations", *talks)


def _calls_and_alerts(server: ClickHouse, dice: random.Random, facts: Facts) -> None:
    for number in range(80):
        t0_ms = _instant(dice)
        for part in range(dice.choice((1, 2, 4))):
            start_ms = t0_ms + part * 900_000
            at = {"t0": format_ms(t0_ms), "end": format_ms(start_ms + dice.randrange(1, 900_001)), "conversation_id": f"call{number}"}
            facts.sessions.append(session(ACME, format_ms(start_ms), type="voice", app_id=dice.choice("ab"), **at))
    for number in range(60):
        at_ms = format_ms(_instant(dice))
        facts.sessions.append(session(ACME, at_ms, type="alert", end=at_ms, app_id="c", conversation_id="", message_id=f"m{number}"))
    server.put("billing_sessions", *(fact for fact in facts.sessions if fact["type"] != "usage"))


def _seats(server: ClickHouse, dice: random.Random, facts: Facts) -> None:
    for app in ("", "a", "b"):
        for quarter in dice.sample(range(DAYS * 96), 200):
            start = format_ms(FIRST_MS + quarter * 900_000)
            at = format_ms(FIRST_MS + quarter * 900_000 + dice.randrange(900_000))
            facts.peaks.append(peak(ACME, start, dice.randrange(1, 9), at, app_id=app))
    server.put("seat_peaks", *facts.peaks, *(fact | {"seat_peak_id": "0" * 32, "peak": 99, "workspace_id": OTHER} for fact in facts.peaks[:9]))


def _refusals(server: ClickHouse, dice: random.Random, facts: Facts) -> None:
    for offset in range(150):
        why = dice.choice((("invalid_event", "time"), ("invalid_event", "id"), ("too_late", ""), ("future", "")))
        workspace = dice.choice((ACME, OTHER))
        fact = rejected(workspace, format_ms(_instant(dice)), offset, reason=why[0], field=why[1])
        facts.rejected.append(fact)
    server.put("rejected_events", *facts.rejected)
    facts.rejected[:] = [fact for fact in facts.rejected if fact["workspace_id"] == ACME]


def _lines() -> list[dict[str, Any]]:
    """Ingest of two partitions, with an older revision of one, and two processors."""
    line = processor_line("2026-03-01", 1)
    ingest = [
        line | {"ledger_id": f"ingest/platform.conversations/{number}", "stage": "ingest", "source_partition": number, "batches_partition": -1} | counts
        for number, counts in enumerate(
            [
                {"read": 100, "accepted": 93, "control": 1, "rejected": {"too_late": 4, "invalid_event": 3}},
                {"read": 50, "accepted": 50, "control": 0, "rejected": {}},
            ]
        )
    ]
    processors = [processor_line("2026-03-01", 2, partition=number) | {"accepted": 80, "applied": 80 - number, "covered": number} for number in (3, 4)]
    return [ingest[0] | {"revision": 0, "read": 5}, *ingest, *processors]


def _instant(dice: random.Random) -> int:
    return FIRST_MS + dice.randrange(DAYS * 24 * HOUR_MS)


def march(zone: str) -> Range:
    """A range with parts of three months and both clock changes, in a zone."""
    first = date(2026, 2, 27)
    return Range(first, first + timedelta(days=33), ZoneInfo(zone))
