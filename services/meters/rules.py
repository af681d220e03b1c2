"""The constants of billing, in milliseconds (SPEC §4-§6). Frozen: a fold is told its rules once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
QUARTER_MS: Final = 15 * MINUTE_MS
"""Length of a billing session on the bot clock, and of a quarter of the day."""

SLEEP_HOURS_MAX: Final = 49
"""P2: neighbouring hours with events that lie further apart than this belong to two conversations."""

FOREVER_MS: Final = 2**62
"""Later than every instant: the watermark when nothing more can come."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What SPEC fixes, with its defaults; only `lateness_ms` and `out_of_orderness_ms` are meant to be set."""

    silence_max_ms: int = 60 * MINUTE_MS
    """U3: more bot clock than this between two signs begins a new episode."""
    end_grace_ms: int = MINUTE_MS
    """U3: a sign so soon after the `ended` that closed its episode adds nothing."""
    human_timeout_ms: int = 24 * HOUR_MS
    """U8: open human time is taken to last for good when the watermark is so far past the last event."""
    call_max_ms: int = 24 * HOUR_MS
    """V1: the longest call."""
    login_timeout_ms: int = 24 * HOUR_MS
    """S1: the longest login."""
    lateness_ms: int = 24 * HOUR_MS
    """T4: how much older than its log time an event may be."""
    out_of_orderness_ms: int = MINUTE_MS
    """T2: how far the watermark stays behind the newest event."""
