"""Write the golden files of this release: `python -m tests.golden`. Only for new versions of a format; files that were released never change."""

from __future__ import annotations

from services.cli.heads import read_time
from services.events.times import parse_ms
from services.local.traffic import TrafficSettings, traffic
from services.runtime.logtime import LogTime
from tests.golden.scenario import THIS_RELEASE, run, write

START_MS = parse_ms("2026-03-02T08:00:00Z")
SETTINGS = TrafficSettings(start_ms=START_MS, end_ms=START_MS + 30 * 3_600_000, conversations_per_day=12, agents=4, workspaces=2, noise=True, seed=26)


def main() -> None:
    """Make up traffic, run it, keep it."""
    log_time = LogTime(lambda: SETTINGS.end_ms)
    lines = (line for line in traffic(SETTINGS) if line.isascii() and b"\\n" not in line)
    write(THIS_RELEASE, run([(log_time.of(read_time(line)), line.decode()) for line in lines]))


if __name__ == "__main__":
    main()
