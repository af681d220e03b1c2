"""Every metric of ingest, in one list."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter

EVENTS: Final = Counter("quarterhour_ingest_events", "Events sent to the batches topic.")
REJECTED: Final = Counter("quarterhour_ingest_rejected", "Records refused and sent to the rejected topic.")
