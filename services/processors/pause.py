"""Notice that this process stood still (SIGSTOP, a frozen VM): its partitions may have another owner by now (DESIGN §2, guard 3).

A thread of its own, because what matters is the process: while only the event loop is busy, the consumer's heartbeats go on.
Limit: between a check and the write that follows a pause can still begin; the versions in the records make that harmless.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from services.processors.exits import Exit, Fatal, leave

_PULSE_S: Final = 0.25

_clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Where there is one, a clock that counts the time in which the machine slept."""


def _now_s() -> float:
    return time.clock_gettime(_clock)


class PauseGuard:
    """Raises when the process was paused longer than `pause_s_max`: on `check()`, or when its own pulse comes late."""

    def __init__(self, pause_s_max: float, now_s: Callable[[], float] = _now_s) -> None:
        self._pause_s_max = pause_s_max
        self._now_s = now_s
        self._pulse_at_s = self._now_s()

    def start(self) -> None:
        """Let a thread beat; the process ends when a beat comes too late."""
        threading.Thread(target=self._pulse, name="pause-guard", daemon=True).start()

    def check(self) -> None:
        """Raise `Fatal` when the last beat is too long ago. Call it before every write."""
        paused_s = self._now_s() - self._pulse_at_s
        if paused_s > self._pause_s_max:
            raise Fatal(
                Exit.PAUSED,
                f"Paused for {paused_s:.1f} s, more than half the session timeout ({self._pause_s_max:.1f} s): "
                "another worker may own these partitions. Nothing more is written; start again.",
            )

    def beat(self) -> None:
        """The process is alive now. Raises `Fatal` when that comes too late."""
        self.check()
        self._pulse_at_s = self._now_s()

    def _pulse(self) -> None:
        while True:
            time.sleep(_PULSE_S)
            try:
                self.beat()
            except Fatal as error:
                leave(error)
