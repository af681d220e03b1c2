"""The real query service over real databases, filled with nine weeks of a made-up platform that went through the real meter.

`python -m tests.page.stage [port]` serves it for a person: the page, and a key for it. The clock stands still at `NOW`.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import uvicorn

from services.accounts.scopes import DEFAULT_SCOPES
from services.accounts.store import Accounts
from services.cli.meter import final, metered
from services.events import topics
from services.local.traffic import TrafficSettings, traffic
from services.query.app import create_app
from services.runtime.migrations import migrate_all
from services.runtime.settings import AccountsSettings, Settings
from tests.parts.local import local_clickhouse, local_postgres
from tests.parts.ports import free_port
from tests.query.stage import ClickHouse, ms

WORKSPACE: Final = "aurora"
NOW: Final = "2026-11-21T10:40:00Z"
WATERMARK: Final = "2026-11-21T10:39:00Z"
FIRST_DAY: Final = "2026-09-20"
_TABLES: Final = {
    topics.SESSIONS: "billing_sessions",
    topics.EPISODES: "conversations",
    topics.PEAKS: "seat_peaks",
    topics.LOGINS: "agent_logins",
    topics.ASSIGNMENTS: "agent_assignments",
    topics.REJECTED: "rejected_events",
}


@dataclass(frozen=True, slots=True)
class Stage:
    url: str
    key: str
    empty_key: str
    """Of a workspace in which nothing happened yet."""
    clickhouse: ClickHouse
    accounts: Accounts


@contextmanager
def page_stage(port: int | None = None) -> Iterator[Stage]:
    with ExitStack() as stack:
        accounts_settings = AccountsSettings(standard_requests_per_minute=10**6, standard_read_s_per_minute=10**6)
        settings = Settings(clickhouse=stack.enter_context(local_clickhouse()), postgres=stack.enter_context(local_postgres()), accounts=accounts_settings)
        migrate_all(settings)
        clickhouse = ClickHouse(settings.clickhouse)
        fill(clickhouse)
        accounts = stack.enter_context(Accounts(settings.postgres.dsn.get_secret_value()))
        made = datetime(2026, 1, 1, tzinfo=UTC)
        key, empty_key = (accounts.create_key(workspace, made, scopes=DEFAULT_SCOPES)[0] for workspace in (WORKSPACE, "newcomer"))
        url = stack.enter_context(_served(settings, port or free_port()))
        yield Stage(url, key, empty_key, clickhouse, accounts)


def fill(clickhouse: ClickHouse) -> None:
    """Facts as the aggregate topics carry them: the last revision of each, at the watermark."""
    lines = traffic(TrafficSettings(ms(FIRST_DAY), ms(NOW), seed=7, workspaces=1, apps=4, agents=45, conversations_per_day=110))
    rows: dict[str, list[bytes]] = {}
    for fact in final(metered(lines, name="traffic", cap_ms=ms(WATERMARK), lateness_ms=86_400_000)):
        rows.setdefault(_TABLES[fact.topic], []).append(fact.value)
    rows["ledger"] = [json.dumps(ledger_line()).encode()]
    for table, values in rows.items():
        clickhouse.run(f"INSERT INTO {table} FORMAT JSONEachRow", b"\n".join(values), date_time_input_format="best_effort")


def ledger_line(watermark: str = WATERMARK) -> dict[str, object]:
    """What the page's freshness rests on: a line of the processors with their watermark."""
    counts = dict.fromkeys(("from_offset", "to_offset", "read", "accepted", "control", "applied", "covered"), 0)
    line: dict[str, object] = {"ledger_id": "processor/0/0", "revision": 1 << 48, "status": "closed", "workspace_id": "", "stage": "processor"}
    return line | counts | {"source_topic": topics.CONVERSATIONS, "source_partition": 0, "batches_partition": 0, "rejected": {}, "watermark": watermark}


@contextmanager
def _served(settings: Settings, port: int) -> Iterator[str]:
    app = create_app(settings, clock_ms=lambda: ms(NOW))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, name="page-stage", daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the query service does not start"
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


if __name__ == "__main__":
    # So that the databases stop with us, however we are asked.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt), page_stage(int(sys.argv[1]) if len(sys.argv) > 1 else None) as stage:
        print(f"{stage.url}/usage\n{stage.key}\n{stage.empty_key}", flush=True)
        threading.Event().wait()
