"""What every long-running process needs: a stop flag, exit codes with a reason, and a side server that tells how it is.

Rule: a signal asks once and politely, a second one ends at once; whatever ends the process otherwise is written to file descriptor 2 first.
Limit: one service a process; the side server is plain HTTP for machines on the same network as `metrics.host` says.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Final, NoReturn

from services.native import leave_out
from services.runtime.errors import ServiceError
from services.runtime.logs import set_up_logging
from services.runtime.settings import Settings, SettingsError, read_settings
from services.runtime.side_server import Checks, SideServer, Status

EXIT_SETTINGS: Final = 2
"""The settings cannot be used: starting again changes nothing."""
EXIT_UNAVAILABLE: Final = 69
"""Something it needs is not there (a broker, a topic, a table): worth trying again."""
EXIT_UNEXPECTED: Final = 70
"""An error that nobody expected; the reason is on file descriptor 2."""
EXIT_SIGNAL_AGAIN: Final = 130

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Service:
    """The handle that a running service is given: when to stop, and where to say how it is."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stopping = threading.Event()
        self.checks: Checks = dict
        self.status: Status = dict
        self._on_stop: list[Callable[[], None]] = []

    def ready_when(self, checks: Callable[[], Mapping[str, bool]]) -> None:
        """`/readyz` answers 200 when all of these are true."""
        self.checks = checks

    def tell_status(self, status: Callable[[], Mapping[str, object]]) -> None:
        """`/status.json` answers with this."""
        self.status = status

    def on_stop(self, callback: Callable[[], None]) -> None:
        """Called once, in the main thread, when the stop begins; for loops that do not look at `stopping` (asyncio: `loop.call_soon_threadsafe`)."""
        self._on_stop.append(callback)
        if self.stopping.is_set():
            callback()

    def stop(self) -> None:
        """Begin the stop, as a signal does."""
        if self.stopping.is_set():
            return
        self.stopping.set()
        for callback in self._on_stop:
            callback()


def run_service(name: str, body: Callable[[Settings, Service], None], *, take_signals: bool = True) -> int:
    """Run `body` to its end and give the exit code: 0 after a stop, else one of this module's.

    `body` returns soon after `service.stopping` is set. `take_signals=False`: the body's own loop handles signals (and calls `service.stop`).
    """
    try:
        settings = read_settings()
    except SettingsError as error:
        return _give_up(name, EXIT_SETTINGS, str(error))
    set_up_logging(settings, name)
    if not settings.native:
        leave_out()
    service = Service(name)
    if take_signals:
        _take_signals(service)
    try:
        with SideServer(settings.metrics, service):
            body(settings, service)
    except ServiceError as error:
        return _give_up(name, error.exit_code, str(error))
    except Exception as error:  # the outermost frame: nothing may end without its reason
        traceback.print_exc()
        return _give_up(name, EXIT_UNEXPECTED, f"{type(error).__name__}: {error}")
    return 0


def end_now(name: str, reason: str, exit_code: int = EXIT_UNEXPECTED) -> NoReturn:
    """End the process at once from any thread, with the reason on file descriptor 2: for what must not go on (a failed delivery, a hole in the log)."""
    _give_up(name, exit_code, reason)
    os._exit(exit_code)


def _give_up(name: str, exit_code: int, reason: str) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    os.write(2, f"{name} ends with exit code {exit_code}: {reason}\n".encode())
    return exit_code


def _take_signals(service: Service) -> None:
    def handle(number: int, _frame: FrameType | None) -> None:
        if service.stopping.is_set():
            end_now(service.name, f"a second {signal.Signals(number).name} while it was stopping", EXIT_SIGNAL_AGAIN)
        service.stop()

    for number in _SIGNALS:
        signal.signal(number, handle)
