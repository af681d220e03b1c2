"""`python -m tests.query.january FILE`: every row of a file's trend, as the query service tells it, against the reference model, in four zones.

The facts in ClickHouse are those of `quarterhour meter`, half of their days counted and half not; what is expected comes from the reference model and zones
(tests/query/expected.py). By hour, day, week and month, for the whole workspace and every app. Exit code 1 when a row differs. A `.zst` file is decompressed.
That the pipeline makes the same facts as `meter` is what `make acceptance FILE=…` proves.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from zoneinfo import ZoneInfo

from fastapi.testclient import TestClient

from services.accounts.store import Accounts
from services.cli.meter import final, metered
from services.query.app import create_app
from services.query.counter import count_days
from services.runtime import clickhouse as runtime
from services.runtime.migrations import migrate_all
from services.runtime.settings import Settings
from services.sink.rows import TABLES
from tests.parts.local import local_clickhouse, local_postgres
from tests.pipeline.acceptance import read_lines
from tests.query.expected import DAY_MS, FOREVER_MS, Known, Scope, buckets, local, rows
from tests.query.stage import ClickHouse, processor_line, rested
from tests.reference.model import reference_facts

ZONES: Final = ("UTC", "Asia/Jerusalem", "Asia/Kathmandu", "America/New_York")
INTERVALS: Final = ("hour", "day", "week", "month")
SHOWN_MAX: Final = 10


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.query.january")
    parser.add_argument("file", help="JSON lines of events; .zst is decompressed.")
    with TemporaryDirectory(prefix="quarterhour-january-") as place:
        lines = read_lines(parser.parse_args().file, Path(place))
    reference = reference_facts([line + b"\n" for line in lines], clock_ms=FOREVER_MS)
    print(f"{len(lines):,} events, {len(reference):,} facts by the reference model", flush=True)
    compared, wrong = Counter[str](), list[str]()
    for workspace in sorted({str(fact["workspace_id"]) for fact in reference if str(fact["topic"]).startswith("usage.billing")}):
        known = Known()
        for fact in reference:
            if fact["workspace_id"] == workspace:
                known.take(str(fact["topic"]), fact)
        with served(lines, workspace, end_ms(known)) as ask:
            wrong += differences(ask, known, end_ms(known), compared)
    for problem in wrong[:SHOWN_MAX]:
        print(f"DIFFERS: {problem}")
    told = ", ".join(f"{rows:,} rows {name}" for name, rows in sorted(compared.items()))
    print(f"{told}: {f'{len(wrong)} differ' if wrong else 'all equal'}")
    return 1 if wrong or not compared else 0


def end_ms(known: Known) -> int:
    """A watermark a day after everything."""
    return max(at_ms for at_ms, _, _ in known.sessions) + DAY_MS


class Ask:
    def __init__(self, client: TestClient, key: str) -> None:
        self._client, self._key = client, key

    def __call__(self, **asked: Any) -> dict[str, Any]:
        response = self._client.get("/v1/usage/trends", params=asked, headers={"Authorization": f"Bearer {self._key}"})
        if response.status_code != 200:
            raise RuntimeError(response.text)
        found: dict[str, Any] = response.json()
        return found


def differences(ask: Ask, known: Known, now_ms: int, compared: Counter[str]) -> list[str]:
    """Every row that differs; `compared` counts the rows by zone."""
    wrong = []
    scopes: list[Scope] = [None, *(frozenset([app]) for app in sorted({app for _, app, _ in known.sessions}))]
    for zone in map(ZoneInfo, ZONES):
        first, last = (local(at_ms, zone).date() for at_ms in (known.since_ms(None), now_ms - DAY_MS))
        for interval in INTERVALS:
            from_, to = _whole(first, interval), last + timedelta(days=1)
            parts = buckets(zone, interval, lambda at, a=from_, b=to: a <= at.date() < b, (known.since_ms(None) - 40 * DAY_MS, now_ms + 40 * DAY_MS))  # type: ignore[misc]
            for scope in scopes:
                asked = {"from": from_.isoformat(), "to": to.isoformat(), "timezone": zone.key, "interval": interval}
                answer = ask(**asked, **({} if scope is None else {"app_id": sorted(scope)}))
                expected, found = rows(known, scope, parts, zone, interval, now_ms), [*answer["buckets"], answer["totals"]]
                compared[zone.key] += len(expected)
                wrong += [f"{zone.key} {interval} {scope}: {a} is told, {b} is right" for a, b in zip(found, expected, strict=True) if a != b]
    return wrong


def _whole(first: date, interval: str) -> date:
    """Where its period begins, so that none is cut."""
    return first - timedelta(days=first.weekday()) if interval == "week" else first.replace(day=1) if interval == "month" else first


@contextmanager
def served(lines: Sequence[bytes], workspace: str, now_ms: int) -> Iterator[Ask]:
    """The service over the facts that `meter` makes of the lines; its clock and its watermark stand at `now_ms`."""
    with ExitStack() as stack:
        settings = Settings(clickhouse=stack.enter_context(local_clickhouse()), postgres=stack.enter_context(local_postgres()))
        migrate_all(settings)
        clickhouse = ClickHouse(settings.clickhouse)
        _fill(clickhouse, lines, workspace, now_ms)
        _count_half(settings, workspace)
        accounts = stack.enter_context(Accounts(settings.postgres.dsn.get_secret_value()))
        key, _ = accounts.create_key(workspace, datetime(1990, 1, 1, tzinfo=UTC), scopes=["read"], limits=(1_000_000, 100_000, None))
        yield Ask(stack.enter_context(TestClient(create_app(settings, clock_ms=lambda: now_ms))), key)


def _fill(clickhouse: ClickHouse, lines: Sequence[bytes], workspace: str, now_ms: int) -> None:
    values: dict[str, list[bytes]] = {}
    for fact in final(metered((line + b"\n" for line in lines), name="-", cap_ms=None, lateness_ms=DAY_MS)):
        values.setdefault(TABLES[fact.topic].name, []).append(fact.value)
    for table, facts in values.items():
        clickhouse.run(f"INSERT INTO {table} FORMAT JSONEachRow", b"\n".join(facts), date_time_input_format="best_effort", max_partitions_per_insert_block="0")
    clickhouse.put("ledger", processor_line((datetime(1970, 1, 1) + timedelta(milliseconds=now_ms)).isoformat(timespec="milliseconds"), 1))  # noqa: DTZ001
    rested(clickhouse, workspace)


def _count_half(settings: Settings, workspace: str) -> None:
    client = runtime.connect(settings.clickhouse)
    days = client.query("SELECT DISTINCT toString(day) FROM usage_days WHERE workspace_id = {w:String} ORDER BY 1", {"w": workspace}).result_rows
    count_days(client, workspace, [str(day) for (day,) in days[::2]])
    client.close()


if __name__ == "__main__":
    sys.exit(main())
