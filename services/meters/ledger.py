"""The processor's half of the ledger (SPEC §7): accepted = applied + covered, per source partition. Pure; from counters that travel with the state."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from services.events import topics
from services.events.outgoing import OutFact
from services.events.times import format_ms
from services.meters.rules import FOREVER_MS
from services.meters.watermark import Clock


def processor_lines(partition: int, clock: Clock, version: int, raw_topics: Sequence[str]) -> list[OutFact]:
    """One line for every source partition that this batches partition has heard of: totals since its first range."""
    watermark = format_ms(clock.watermark_ms) if -FOREVER_MS < clock.watermark_ms < FOREVER_MS else None
    facts = []
    for name, source in sorted(clock.sources.items()):
        if source.covered is None:
            continue
        topic, source_partition = name.split("/")
        ledger_id = f"processor/{raw_topics[int(topic)]}/{source_partition}/{partition}"
        line = {
            "ledger_id": ledger_id, "revision": version, "status": "closed", "workspace_id": "", "stage": "processor",
            "source_topic": raw_topics[int(topic)], "source_partition": int(source_partition), "batches_partition": partition,
            "from_offset": source.first, "to_offset": source.covered, "read": 0, "accepted": source.accepted, "control": 0, "rejected": {},
            "applied": source.applied, "covered": source.accepted - source.applied, "watermark": watermark,
        }  # fmt: skip
        facts.append(OutFact(topics.LEDGER, ledger_id.encode(), "", msgspec.json.encode(line)))
    return facts
