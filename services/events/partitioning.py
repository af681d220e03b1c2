"""Where a fact goes: one workspace, one partition, for every producer and every language (SPEC §7).

CRC-32 as in zlib and in librdkafka's `consistent` partitioner. Changing it would let two revisions of a fact sit on two partitions,
where compaction keeps both.
"""

from __future__ import annotations

from zlib import crc32


def fact_partition(workspace_id: str, partitions: int) -> int:
    """The partition of a workspace's facts, of `partitions` in all."""
    return crc32(workspace_id.encode()) % partitions
