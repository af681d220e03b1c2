"""The ingest half of the ledger: totals of a raw partition as a ledger line, and as the metadata of a committed offset (SPEC §7). Pure.

Totals travel with the offset that they belong to, so a restart goes on from exact counts; a line is a function of the log up to its offset.
"""

from __future__ import annotations

from typing import Final

import msgspec

from services.events import topics
from services.events.outgoing import OutFact
from services.ingest.batcher import RawPartition, Totals
from services.ingest.limits import Refused


class Metadata(msgspec.Struct, array_like=True, gc=False):
    """What is committed beside an offset: the totals up to it and the newest log time seen (T1)."""

    first: int
    read: int
    accepted: int
    control: int
    rejected: dict[str, int]
    log_ms: int | None
    refused: Refused = msgspec.field(default_factory=Refused)
    log_id: str = ""
    """The raw topic's id when the offset was read: a topic that was deleted and made anew has another."""


METADATA_BYTES_MAX: Final = 4096
"""What brokers take by default (offset.metadata.max.bytes)."""


def dump_metadata(totals: Totals, log_ms: int | None, log_id: str) -> str:
    """The text that is committed beside an offset."""
    metadata = Metadata(totals.first, totals.read, totals.accepted, totals.control, totals.rejected, log_ms, totals.refused, log_id)
    text = msgspec.json.encode(metadata).decode()
    assert len(text) < METADATA_BYTES_MAX, "a closed list of reasons fits"
    return text


def load_metadata(text: str) -> tuple[Totals, int | None, str]:
    """Totals, newest log time, and the topic's id. Raises ValueError for a text that is not ours."""
    found = msgspec.json.decode(text, type=Metadata)
    totals = Totals(found.first, found.read, found.accepted, found.control, found.rejected, found.refused)
    return totals, found.log_ms, found.log_id


def ingest_line(raw: RawPartition, totals: Totals, to_offset: int, generation: int) -> OutFact:
    """The line of one raw partition up to an offset: read = accepted + rejected by reason; control records apart (E8)."""
    topic = topics.RAW_TOPICS[raw[0]]
    ledger_id = f"ingest/{topic}/{raw[1]}"
    line = {
        "ledger_id": ledger_id, "revision": (generation << 48) + to_offset, "status": "closed", "workspace_id": "", "stage": "ingest",
        "source_topic": topic, "source_partition": raw[1], "batches_partition": -1, "from_offset": totals.first, "to_offset": to_offset,
        "read": totals.read, "accepted": totals.accepted, "control": totals.control, "rejected": totals.rejected,
        "applied": 0, "covered": 0, "watermark": None,
    }  # fmt: skip
    return OutFact(topics.LEDGER, ledger_id.encode(), "", msgspec.json.encode(line))
