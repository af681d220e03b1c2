"""A refused record as a fact of `usage.rejected.v1` (SPEC §3, schemas/README F2): its origin, the reason, and the first 4 KiB of its bytes.

Its id is the origin, and nothing else decides its content, so reading the record again gives the same bytes.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Final

import msgspec

from services.events.event import Refusal
from services.events.ids import rejected_id
from services.events.times import format_ms

PAYLOAD_BYTES_MAX: Final = 4096
GENERATION_SHIFT: Final = 48

_encode = msgspec.json.Encoder().encode


def rejected_fact(topic: str, partition: int, offset: int, log_time_ms: int, refusal: Refusal, value: bytes | None, generation: int) -> tuple[bytes, bytes]:
    """F2, F3: key and value of the fact of one refused record. `value` is the whole record: its size is told, its beginning kept."""
    origin = rejected_id(topic, partition, offset)
    payload = value or b""
    body = {
        "rejected_id": origin, "revision": generation << GENERATION_SHIFT, "status": "closed", "workspace_id": refusal.workspace_id,
        "source_topic": topic, "source_partition": partition, "source_offset": offset, "log_time": format_ms(log_time_ms),
        "reason": refusal.reason, "field": refusal.field, "detail": refusal.detail,
        "size_bytes": len(payload), "payload_base64": b64encode(payload[:PAYLOAD_BYTES_MAX]).decode("ascii"),
    }  # fmt: skip
    return origin.encode(), _encode(body)
