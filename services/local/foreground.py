"""Run one part of the stack alone, in the foreground, until Ctrl-C or SIGTERM: for tests and for a look at it."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from services.local.part import Part, PartError, start, tell


def run_in_foreground(name: str, default_port: int, make: Callable[[Path, int, int | None], Part], *, also_controller: bool = False) -> None:
    """Parse the arguments, start the part, print where it listens, wait for it to end. Exit code: the part's, 0 after a signal, 1 when it does not start."""
    parser = argparse.ArgumentParser(prog=f"python -m services.local.{name}")
    parser.add_argument("--data-dir", type=Path, required=True, help="where it keeps its files")
    parser.add_argument("--port", type=int, default=default_port, help="loopback port (default: %(default)s)")
    if also_controller:
        parser.add_argument("--controller-port", type=int, help="default: --port + 1")
    arguments = parser.parse_args()
    part = make(arguments.data_dir, arguments.port, getattr(arguments, "controller_port", None))
    # A SIGTERM ends the wait below as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        running = start(part, arguments.data_dir / f"{name}.log")
    except PartError as error:
        sys.exit(str(error))
    tell(f"{name} is ready on {part.endpoint} (process {running.pid}); Ctrl-C stops it")
    try:
        sys.exit(running.process.wait())
    except KeyboardInterrupt:
        running.stop()
