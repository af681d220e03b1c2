"""Phone calls and alerts of the made-up platform."""

from __future__ import annotations

from random import Random
from typing import Final

from services.local.traffic import lines
from services.local.traffic.lines import Script
from services.local.traffic.rhythm import around
from services.local.traffic.settings import HOUR_MS, MINUTE_MS, SECOND_MS

REPORT_EVERY_MS: Final = 8 * HOUR_MS
REPORT_SPREAD_MS: Final = 4 * MINUTE_MS
_PROGRESS_EVERY_MS = MINUTE_MS
_FAILS = 0.03


def call(rng: Random, begins_ms: int) -> Script:
    """A call: its start, a sign of life every minute, and (nearly always) its end."""
    length_ms = around(rng, 9 * MINUTE_MS, 20 * SECOND_MS, 70 * MINUTE_MS)
    script: Script = [(at_ms, lines.CALL_PROGRESS) for at_ms in range(begins_ms + _PROGRESS_EVERY_MS, begins_ms + length_ms, _PROGRESS_EVERY_MS)]
    if not script or rng.random() < 0.99:
        script.insert(0, (begins_ms, lines.CALL_STARTED))
    if rng.random() < 0.95:
        script.append((begins_ms + length_ms, lines.CALL_ENDED))
    return script


def call_with_bot(rng: Random, call_script: Script) -> Script:
    """The conversation of a call with the bot, which some platforms send beside the call: its two ends, and what the user says between them."""
    first_ms, last_ms = call_script[0][0] + 50, call_script[-1][0] + 40
    script: Script = [(first_ms, lines.STARTED)]
    at_ms = first_ms + around(rng, 40_000, 3_000, 5 * MINUTE_MS)
    while at_ms < last_ms:
        script.append((at_ms, lines.USER))
        at_ms += around(rng, 80_000, 3_000, 10 * MINUTE_MS)
    script.append((last_ms, lines.ENDED_BY_USER))
    return script


def report(rng: Random, due_ms: int) -> Script:
    """One user's report that is due now: delivered a little later, or failed."""
    return [(due_ms + int(rng.random() * REPORT_SPREAD_MS), lines.FAILED if rng.random() < _FAILS else lines.DELIVERED)]
