"""Every metric of the processors (Prometheus), in one list."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

MESSAGES: Final = Counter("quarterhour_processor_messages", "Batches messages applied.")
MESSAGE_BYTES: Final = Counter("quarterhour_processor_message_bytes", "Bytes of batches messages applied.")
FACTS: Final = Counter("quarterhour_processor_facts", "Facts sent.")
STATE_RECORDS: Final = Counter("quarterhour_processor_state_records", "State records written (pages and positions).")
STATE_BYTES: Final = Counter("quarterhour_processor_state_bytes", "Bytes of state records written.")
EPOCHS: Final = Counter("quarterhour_processor_epochs", "Epochs made durable, over all partitions.")
APPLY_SECONDS: Final = Counter("quarterhour_processor_apply_seconds", "Seconds spent in the fold.")
ENCODE_SECONDS: Final = Counter("quarterhour_processor_encode_seconds", "Seconds spent encoding state.")
EPOCH_SECONDS: Final = Histogram(
    "quarterhour_processor_epoch_seconds", "From the end of an epoch to its acknowledgement (E1-E4).", buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10)
)
UNACKNOWLEDGED: Final = Gauge("quarterhour_processor_unacknowledged_messages", "Messages applied and not yet durable.")
OWNED: Final = Gauge("quarterhour_processor_partitions", "Batches partitions that this worker owns.")
STILL_SECONDS: Final = Gauge("quarterhour_processor_still_seconds", "For how long a partition that holds messages has not moved; at stall_s the worker ends.")
