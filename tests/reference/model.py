"""The judge's door: final facts of a file (`reference_facts`) or of parsed events (`reference_of_events`).

Rule: everything is computed anew from the whole set of events; the watermark only decides what is published (P1, U8, S6, C1).
Limit: no revisions, no void facts, no ledger lines; `detail` of a rejected event is left empty (not judged).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from tests.reference.alerts import alert_facts
from tests.reference.facts import REJECTED, Fact
from tests.reference.instants import DAY_MS, FOREVER, MINUTE_MS, instant_text
from tests.reference.record import Record, record_of
from tests.reference.seats import assignment_facts, login_facts
from tests.reference.usage import usage_facts
from tests.reference.validate import CONTROL_TYPE, Refusal, read_line, readable_time_ms
from tests.reference.voice import voice_facts

FUTURE_MS: Final = 5 * MINUTE_MS
LATENESS_MS: Final = DAY_MS
PAYLOAD_BYTES_MAX: Final = 4096


def reference_facts(lines: Iterable[bytes], *, watermark_ms: int | None = None, clock_ms: int, source: str = "-") -> list[Fact]:
    """The final facts of a file of JSON lines, by topic and id. `watermark_ms` None: it has passed everything."""
    accepted: list[Mapping[str, Any]] = []
    facts: list[Fact] = []
    greatest_ms = 0
    for offset, line in enumerate(records_of(lines)):
        found = read_line(line)
        time_ms = readable_time_ms(line)
        if time_ms is not None and time_ms <= clock_ms + FUTURE_MS:
            greatest_ms = max(greatest_ms, time_ms)
        log_ms = min(greatest_ms, clock_ms)
        if isinstance(found, dict) and found["type"] == CONTROL_TYPE:
            continue
        found = judged_by_time(found, time_ms, log_ms)
        if isinstance(found, Refusal):
            facts.append(rejected_fact(found, source, offset, log_ms, line))
        else:
            # Set here, so that an unknown extra field of that name is not taken for it.
            accepted.append(found | {"time_ms": time_ms})
    return ordered(facts + reference_of_events(accepted, watermark_ms))


def records_of(lines: Iterable[bytes]) -> list[bytes]:
    """The lines without their ends; blank lines at the end of the file are no records."""
    records = [line.removesuffix(b"\n") for line in lines]
    while records and not records[-1].strip():
        records.pop()
    return records


def judged_by_time(found: dict[str, Any] | Refusal, time_ms: int | None, log_ms: int) -> dict[str, Any] | Refusal:
    """E4: `future` and `too_late`, which come last."""
    if isinstance(found, Refusal) or time_ms is None:
        return found
    workspace_id = found["data"]["workspace_id"]
    if time_ms > log_ms + FUTURE_MS:
        return Refusal("future", "", workspace_id)
    return Refusal("too_late", "", workspace_id) if time_ms < log_ms - LATENESS_MS else found


def rejected_fact(refusal: Refusal, source: str, offset: int, log_ms: int, line: bytes) -> Fact:
    return {
        "topic": REJECTED,
        "rejected_id": f"{source}/0/{offset}",
        "status": "closed",
        "workspace_id": refusal.workspace_id,
        "source_topic": source,
        "source_partition": 0,
        "source_offset": offset,
        "log_time": instant_text(log_ms),
        "reason": refusal.reason,
        "field": refusal.field,
        "detail": "",
        "size_bytes": len(line),
        "payload_base64": base64.b64encode(line[:PAYLOAD_BYTES_MAX]).decode(),
    }


def reference_of_events(events: Iterable[Mapping[str, Any]], watermark_ms: int | None = None) -> list[Fact]:
    """The facts of accepted events (CloudEvent dicts; `time_ms` may stand for `time`), by topic and id."""
    passed_ms = FOREVER if watermark_ms is None else watermark_ms
    records = {record_of(event) for event in events}
    facts = alert_facts(records)
    for name, of_name in grouped(records, "conversation.", lambda r: (r.workspace_id, r.app_id, r.subject)).items():
        facts += usage_facts(name[0], name[1], name[2], of_name, passed_ms)
    for name, of_name in grouped(records, "voice.", lambda r: (r.workspace_id, r.app_id, r.subject)).items():
        facts += voice_facts(name[0], name[1], name[2], of_name, passed_ms)
    for name, of_name in grouped(records, "agent.logged_", lambda r: (r.workspace_id,)).items():
        facts += login_facts(name[0], of_name, passed_ms)
    for name, of_name in grouped(records, ("agent.assigned", "agent.unassigned"), lambda r: (r.workspace_id, r.app_id, r.agent_id)).items():
        facts += assignment_facts(name[0], name[1], name[2], of_name, passed_ms)
    return ordered(facts)


def grouped(records: Iterable[Record], prefix: str | tuple[str, ...], key: Callable[[Record], tuple[str, ...]]) -> dict[tuple[str, ...], list[Record]]:
    """The records of these types, by what they belong to."""
    groups: dict[tuple[str, ...], list[Record]] = {}
    for record in records:
        if record.type.startswith(prefix):
            groups.setdefault(key(record), []).append(record)
    return groups


def ordered(facts: list[Fact]) -> list[Fact]:
    """By topic, then by id (the second field)."""
    return sorted(facts, key=lambda fact: [str(value) for value in list(fact.values())[:2]])
