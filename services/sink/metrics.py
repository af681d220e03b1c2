"""Every metric of the sink (Prometheus), in one list."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

ROWS: Final = Counter("quarterhour_sink_rows", "Rows inserted.", ["table"])
INSERT_SECONDS: Final = Histogram("quarterhour_sink_insert_seconds", "One insert.", buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30))
FAILED_INSERTS: Final = Counter("quarterhour_sink_failed_inserts", "Inserts that ClickHouse did not take; each is tried again.")
FAILED_COMMITS: Final = Counter("quarterhour_sink_failed_commits", "Offset commits that Kafka did not take; each is tried again, or its rows are read again.")
WAITING_ROWS: Final = Gauge("quarterhour_sink_waiting_rows", "Rows read and not yet inserted.")
STORE_AWAY: Final = Gauge("quarterhour_sink_store_away", "1 while ClickHouse does not take rows.")
