"""Where facts go must never change."""

from __future__ import annotations

from services.events.partitioning import fact_partition


def test_the_partition_is_the_crc_32_of_the_workspace() -> None:
    """0xCBF43926 is the published check value of CRC-32 for these digits."""
    assert fact_partition("123456789", 1000) == 0xCBF43926 % 1000


def test_the_partition_of_a_workspace_is_fixed_for_good() -> None:
    assert [fact_partition(workspace, 4) for workspace in ("", "acme", "wörk", "workspace-7")] == [0, 2, 0, 3]
