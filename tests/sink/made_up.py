"""One fact of every topic, as the topics carry it."""

from __future__ import annotations

from services.events import topics
from tests.query.stage import Fact, assignment, conversation, login, peak, session


def rejected(offset: int = 7, **fields: object) -> Fact:
    fact: Fact = {"rejected_id": f"platform.voice/3/{offset}", "revision": 2**48, "status": "closed", "workspace_id": "", "source_topic": "platform.voice"}
    fact |= {"source_partition": 3, "source_offset": offset, "log_time": "2026-02-01T00:00:00.000Z", "reason": "malformed_json", "field": ""}
    return fact | {"detail": "not JSON: 'é'", "size_bytes": 5, "payload_base64": "e30xCg=="} | fields


def ledger_line(**fields: object) -> Fact:
    fact: Fact = {"ledger_id": "ingest/platform.voice/3", "revision": 2**48 + 9, "status": "closed", "workspace_id": "", "stage": "ingest"}
    fact |= {"source_topic": "platform.voice", "source_partition": 3, "batches_partition": -1, "from_offset": 0, "to_offset": 12, "read": 10, "accepted": 7}
    return fact | {"control": 2, "rejected": {"future": 1, "too_late": 2}, "applied": 0, "covered": 0, "watermark": None} | fields


def one_of_each(workspace: str = "w") -> dict[str, Fact]:
    return {
        topics.SESSIONS: session(workspace, "2026-01-31T23:50:00.123Z", channel="wéb", message_id="m-1", human_ms=5),
        topics.EPISODES: conversation(workspace, "2026-01-31T23:50", None, sessions=3),
        topics.PEAKS: peak(workspace, "2026-01-31T10:15", 12, "2026-01-31T10:17:00.001Z"),
        topics.LOGINS: login(workspace, "agent-1", "2026-01-31", "2026-01-31T08:00", ("a", "b")),
        topics.ASSIGNMENTS: assignment(workspace, "agent-1", "2026-01-01", None),
        topics.REJECTED: rejected(),
        topics.LEDGER: ledger_line(),
    }
