"""How often Python looks for garbage in cycles."""

from __future__ import annotations

import gc
from typing import Final

_THRESHOLDS: Final = (50_000, 20, 1_000)


def collect_rarely() -> None:
    """For processes whose memory is long-lived and without cycles: default thresholds walk it again and again, and a long walk stops heartbeats."""
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
