"""A real ClickHouse (the local engine) and a real PostgreSQL under the application, and facts put straight into the tables.

Times in tests are texts; without an offset they are UTC. Every test has workspaces of its own.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from itertools import count
from typing import Any, Final
from urllib.parse import urlencode

from services.events.ids import fact_id
from services.events.times import format_ms, parse_ms
from services.runtime.settings import ClickHouseSettings

Fact = dict[str, Any]

REVISIONS: Final = count(1)
"""Of lines of the ledger, which is of all workspaces: the last line that was put says how far things are metered."""


def ms(text: str) -> int:
    """`2026-01-31`, `2026-01-31T08:15`, `2026-01-31T08:15:00.001` in UTC, or a whole RFC 3339 instant."""
    text += "T00:00" if len(text) == 10 else ""
    text += ":00" if len(text) == 16 else ""
    return parse_ms(text if text[-1] == "Z" or text[-6] in "+-" else text + "Z")


class ClickHouse:
    """One server."""

    def __init__(self, settings: ClickHouseSettings) -> None:
        self.settings = settings

    def run(self, text: str, body: bytes = b"", **parameters: str) -> bytes:
        query = urlencode({"query": text, "database": self.settings.database} | parameters)
        user = {"X-ClickHouse-User": self.settings.user, "X-ClickHouse-Key": self.settings.password.get_secret_value()}
        request = urllib.request.Request(f"{self.settings.url}/?{query}", body, user)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                answer: bytes = response.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from error
        return answer

    def put(self, table: str, *facts: Fact) -> None:
        lines = "\n".join(json.dumps(fact) for fact in facts)
        self.run(f"INSERT INTO {table} FORMAT JSONEachRow", lines.encode(), date_time_input_format="best_effort")


def rested(clickhouse: ClickHouse, workspace: str, since: str = "2026-01-01") -> None:
    """As if the last insert of every day of the workspace had been then, and no day were counted."""
    clickhouse.run(f"ALTER TABLE usage_days DELETE WHERE workspace_id = '{workspace}'", mutations_sync="1")
    mine = f"WHERE workspace_id = '{workspace}'"
    days = f"SELECT toDate(conversation_start) AS day FROM billing_sessions {mine} UNION DISTINCT SELECT toDate(start) AS day FROM conversations {mine}"
    clickhouse.run(f"INSERT INTO usage_days SELECT '{workspace}', day, toDateTime64('{since}', 6), toDateTime64(0, 6) FROM ({days})")


def session(workspace: str, start: str, **fields: object) -> Fact:
    """A usage session of 15 minutes, alone in its conversation; other fields by name."""
    start_ms = ms(start)
    t0_ms = ms(str(fields.pop("t0", start)))
    end_ms = ms(str(fields.pop("end"))) if "end" in fields else start_ms + 900_000
    fact: Fact = {"revision": 1, "status": "closed", "workspace_id": workspace, "app_id": "app", "type": "usage", "channel": "web"}
    fact |= {"kore_user_id": "", "channel_user_id": "", "conversation_id": f"c{t0_ms}", "message_id": "", "rule": "U7:full"}
    fact |= {"bot_ms": end_ms - start_ms, "human_ms": 0}
    fact |= {"conversation_start": format_ms(t0_ms), "start": format_ms(start_ms), "end": format_ms(end_ms)} | fields
    return {"billing_session_id": fact_id(workspace, fact["app_id"], fact["type"], fact["conversation_id"], t0_ms, start_ms)} | fact


def conversation(workspace: str, start: str, end: str | None = None, **fields: object) -> Fact:
    fact: Fact = {"revision": 1, "status": "closed", "workspace_id": workspace, "app_id": "app", "channel": "web", "kore_user_id": "", "channel_user_id": ""}
    fact |= {"conversation_id": f"c{ms(start)}", "start": format_ms(ms(start)), "end": end and format_ms(ms(end)), "end_reason": "user" if end else ""}
    fact |= {"sessions": 1, "human_ms": 0} | fields
    return {"conversation_episode_id": fact_id(workspace, fact["app_id"], fact["conversation_id"], fact["start"])} | fact


def peak(workspace: str, quarter: str, seats: int, peak_at: str | None = None, **fields: object) -> Fact:
    fact: Fact = {"revision": 1, "status": "closed", "workspace_id": workspace, "app_id": "", "quarter": format_ms(ms(quarter)), "peak": seats, "agents": seats}
    fact |= {"peak_at": format_ms(ms(peak_at or quarter))} | fields
    return {"seat_peak_id": fact_id(workspace, fact["app_id"], quarter)} | fact


def login(workspace: str, agent: str, start: str, end: str | None, apps: tuple[str, ...] = ("app",), **fields: object) -> Fact:
    fact: Fact = {"revision": 1, "status": "closed", "workspace_id": workspace, "login_id": f"l-{agent}-{start}", "agent_id": agent, "app_ids": sorted(apps)}
    fact |= {"start": format_ms(ms(start)), "end": end and format_ms(ms(end))} | fields
    return {"agent_login_id": fact_id(workspace, fact["login_id"], start)} | fact


def rejected(workspace: str, log_time: str, offset: int, **fields: object) -> Fact:
    fact: Fact = {"rejected_id": f"platform.alerts/0/{offset}", "revision": 1, "status": "closed", "workspace_id": workspace, "source_topic": "platform.alerts"}
    fact |= {"source_partition": 0, "source_offset": offset, "log_time": format_ms(ms(log_time)), "reason": "invalid_event", "field": "time", "detail": "no"}
    return fact | {"size_bytes": 2, "payload_base64": "e30="} | fields


def processor_line(watermark: str | None, revision: int, generation: int = 1, partition: int = 0) -> Fact:
    """A line of the ledger, as a processor writes it."""
    fact: Fact = {"ledger_id": f"processor/platform.conversations/0/{partition}", "revision": (generation << 48) + revision, "status": "closed"}
    fact |= {"workspace_id": "", "stage": "processor", "source_topic": "platform.conversations", "source_partition": 0, "batches_partition": partition}
    fact |= dict.fromkeys(("from_offset", "to_offset", "read", "accepted", "control", "applied", "covered"), 0) | {"rejected": {}}
    return fact | {"watermark": watermark and format_ms(ms(watermark))}


def assignment(workspace: str, agent: str, start: str, end: str | None, app: str = "app", **fields: object) -> Fact:
    fact: Fact = {"revision": 1, "status": "closed", "workspace_id": workspace, "app_id": app, "agent_id": agent}
    fact |= {"start": format_ms(ms(start)), "end": end and format_ms(ms(end))} | fields
    return {"agent_assignment_id": fact_id(workspace, app, agent, start)} | fact
