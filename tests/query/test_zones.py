"""Every range of SPEC §1 in twenty zones, around both clock changes, for one app, several and the whole workspace: what the service says is what zoneinfo
and the facts of `quarterhour meter` say (tests/query/expected.py)."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from fastapi.testclient import TestClient

from services.accounts.store import Accounts
from services.cli.meter import final, metered
from services.events.times import format_ms
from services.query.counter import count_due
from services.runtime import clickhouse as runtime
from services.runtime.settings import Settings
from services.sink.rows import TABLES
from tests.parts.examples import LONG
from tests.query.conftest import Api
from tests.query.expected import DAY_MS, QUARTER_MS, Bucket, Known, Scope, custom_days, known_of, local, named_range, rows
from tests.query.stage import ClickHouse, ms, rested

ZONES: Final = (
    "UTC", "Asia/Kolkata", "Asia/Kathmandu", "Asia/Kabul", "Australia/Adelaide", "Australia/Eucla", "Australia/Lord_Howe", "Pacific/Chatham",
    "America/St_Johns", "Pacific/Marquesas", "America/New_York", "America/Santiago", "America/Havana", "Europe/London", "Africa/Cairo",
    "Africa/Casablanca", "Asia/Beirut",
    "Antarctica/Troll", "Pacific/Kiritimati", "America/Sao_Paulo",
)  # fmt: skip
"""Offsets with :30 and :45, clock changes of half an hour, one and two hours, at midnight, at other times of the year; north and south."""
SPAN: Final = (ms("2024-09-01"), ms("2025-12-31"))
"""In the past, for `meter` refuses the future; long enough for six months before every change."""
WORKSPACE: Final = "w-zones"
RANGES: Final = ("24h", "7d", "1w", "2w", "4w", "1m", "2m", "3m", "6m", "custom", "3m by day")
SCOPES: Final[tuple[Scope, ...]] = (frozenset(["a"]), frozenset(["a", "b"]), None)
Line = dict[str, Any]


@cache
def changes(name: str) -> tuple[int, ...]:
    """The first quarters with another offset, one of each kind, of 2025; of a zone without: two dates of no meaning."""
    zone = ZoneInfo(name)
    edges = range(ms("2025-02-01"), ms("2025-11-15"), QUARTER_MS)
    found: dict[bool, int] = {}
    for at_ms in edges:
        before, after = local(at_ms - QUARTER_MS, zone).utcoffset(), local(at_ms, zone).utcoffset()
        assert before is not None
        assert after is not None
        if before != after:
            found.setdefault(before < after, at_ms)
    return tuple(sorted(found.values())) if len(found) == 2 else (ms("2025-03-31T18:15"), ms("2025-10-31T23:45"))


def instants() -> list[int]:
    """Where sessions start: at, before and after changes and midnights of every zone, and anywhere."""
    random_, found = random.Random(6), list[int]()
    for name in ZONES:
        for change_ms in changes(name):
            found += [change_ms + shift for shift in (-1, 0, 1, -QUARTER_MS, QUARTER_MS - 1)]
            day_ms = change_ms - (change_ms % QUARTER_MS) - 2 * DAY_MS
            midnights = [at for at in range(day_ms, day_ms + 4 * DAY_MS, QUARTER_MS) if _is_new_day(at, ZoneInfo(name))]
            found += [midnight + shift for midnight in midnights for shift in (-1, 0)]
    return sorted(found + [random_.randrange(*SPAN) for _ in range(900)])


def _is_new_day(at_ms: int, zone: ZoneInfo) -> bool:
    return local(at_ms, zone).date() != local(at_ms - 1, zone).date()


def event(at_ms: int, kind: str, subject: str, **data: object) -> Line:
    return {"time_ms": at_ms, "type": kind, "subject": subject, "data": {"workspace_id": WORKSPACE, **data}}


def log() -> Iterator[bytes]:
    """JSON lines of events by time."""
    random_, events = random.Random(7), list[Line]()
    for number, at_ms in enumerate(instants()):
        app, channel = {"app_id": random_.choice("abc")}, {"channel": random_.choice(["web", "sms"])}
        long_ms = random_.choice([1, 16, 31]) * 60_000
        match random_.randrange(6):
            case 0:
                events.append(event(at_ms, "alert.delivered", f"alert-{number}", **app, **channel))
            case 1:
                events += [event(at_ms + late, kind, f"call-{number}", **app, **channel) for late, kind in ((0, "voice.started"), (long_ms, "voice.ended"))]
            case _:
                events.append(event(at_ms, "conversation.started", f"c-{number}", **app, **channel))
                events.append(event(at_ms + long_ms, "conversation.ended", f"c-{number}", **app, **channel, reason="user"))
    for number in range(260):
        at_ms, apps = random_.randrange(*SPAN), random_.sample("abc", random_.randint(1, 2))
        who = {"agent_id": f"agent-{random_.randrange(12)}", "app_ids": apps}
        events.append(event(at_ms, "agent.logged_in", f"login-{number}", **who))
        events.append(event(at_ms + random_.randrange(1, 20 * 3_600_000), "agent.logged_out", f"login-{number}", **who))
    for number in range(9):
        assigned = {"agent_id": f"agent-{number + 5}", "app_id": "ab"[number % 2]}
        at_ms = SPAN[0] + 40 * number * DAY_MS
        events.append(event(at_ms, "agent.assigned", assigned["agent_id"], **assigned))
        if number % 3:
            events.append(event(at_ms + 30 * DAY_MS, "agent.unassigned", assigned["agent_id"], **assigned))
    for number, each in enumerate(sorted(events, key=lambda each: each["time_ms"])):
        head = {"specversion": "1.0", "id": str(number), "source": "zones", "time": format_ms(each.pop("time_ms"))}
        yield json.dumps(head | each).encode()


@pytest.fixture(scope="module")
def known(settings: Settings, clickhouse: ClickHouse) -> Known:
    """The facts of the log, which are in ClickHouse too: most days counted, the rest not."""
    facts = list(final(metered(log(), name="zones", cap_ms=None, lateness_ms=DAY_MS)))
    for topic, table in TABLES.items():
        if lines := [fact.value for fact in facts if fact.topic == topic]:
            clickhouse.run(f"INSERT INTO {table.name} FORMAT JSONEachRow", b"\n".join(lines), date_time_input_format="best_effort")
    rested(clickhouse, WORKSPACE)
    writer = runtime.connect(settings.clickhouse)
    assert sum(days for workspace, days in count_due(writer) if workspace == WORKSPACE) > 300
    writer.close()
    late = f"INSERT INTO usage_days SELECT '{WORKSPACE}', toDate('2025-03-01') + 7 * number, now64(6), toDateTime64(0, 6) FROM numbers(30)"
    clickhouse.run(late)
    return known_of(b'{"topic":"' + fact.topic.encode() + b'",' + fact.value[1:] for fact in facts)


@pytest.fixture
def zones_api(client: tuple[TestClient, Callable[[Callable[[], int]], None]], accounts: Accounts, clickhouse: ClickHouse) -> Iterator[tuple[Api, list[int]]]:
    """The service as the workspace sees it, and the clock."""
    test_client, set_clock = client
    now_ms = [0]
    set_clock(lambda: now_ms[0])
    yield Api(test_client, accounts, clickhouse, WORKSPACE), now_ms
    set_clock(lambda: 0)


def asked_of(name: str) -> Iterator[tuple[str, Scope, int]]:
    """Every range: with one of the scopes and around one of the changes, in turn from zone to zone; `make test-long` asks all of them."""
    for turn, range_name in enumerate(RANGES, ZONES.index(name)):
        for number, scope in enumerate(SCOPES):
            for which, change_ms in enumerate(changes(name)):
                if LONG or (turn % 3, turn // 3 % 2) == (number, which):
                    yield range_name, scope, change_ms


def parts_of(name: str, now_ms: int, zone: ZoneInfo) -> tuple[list[Bucket], str, dict[str, str]]:
    """Buckets, their interval, and how the service is asked for them."""
    days_back = {"m": 215, "h": 3}.get(name[-1], 110 if name == "3m by day" else 40)
    around = (now_ms - days_back * DAY_MS, now_ms + 35 * DAY_MS)
    if name == "custom":
        today = local(now_ms, zone).date()
        first, last = today - timedelta(days=9), today + timedelta(days=2)
        return custom_days(first, last, zone, around), "day", {"from_": first.isoformat(), "to": (last + timedelta(days=1)).isoformat()}
    if name == "3m by day":
        months = named_range("3m", now_ms, zone, around)
        first, last = local(months[0].start_ms, zone).date(), local(months[-1].end_ms - 1, zone).date()
        return custom_days(first, last, zone, around), "day", {"range": "3m", "interval": "day"}
    interval = "hour" if name == "24h" else "month" if name.endswith("m") else "day"
    return named_range(name, now_ms, zone, around), interval, {"range": name}


@pytest.mark.parametrize("name", ZONES)
def test_every_range_says_what_the_facts_say(zones_api: tuple[Api, list[int]], known: Known, name: str) -> None:
    (api, clock), zone = zones_api, ZoneInfo(name)
    for range_name, scope, change_ms in asked_of(name):
        # The hours of a day hold the change; whole days come after it.
        clock[0] = change_ms + (5 if range_name == "24h" else 30) * 3_600_000
        api.metered_until(format_ms(clock[0]))
        parts, interval, asked = parts_of(range_name, clock[0], zone)
        answer = api.ok("/v1/usage/trends", **asked, timezone=name, **({} if scope is None else {"app_id": sorted(scope)}))
        expected = rows(known, scope, parts, zone, interval, clock[0])
        assert [*answer["buckets"], answer["totals"]] == expected, (range_name, scope, expected[0]["start"])


def test_the_log_has_something_to_tell(known: Known) -> None:
    """Both kinds of change in the zones that have them, sessions of every kind, agents in several places."""
    changing = [name for name in ZONES if local(changes(name)[0] - 1, zone := ZoneInfo(name)).utcoffset() != local(changes(name)[0], zone).utcoffset()]
    assert len(changing) >= 12
    assert {kind for _, _, kind in known.sessions} == {"usage", "voice", "alert", "conversations"}
    assert len(known.sessions) > 2_000
    assert len(known.logins) > 200
    assert len(known.assignments) == 9
