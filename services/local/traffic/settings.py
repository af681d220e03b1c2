"""What a made-up platform is like: the one argument of `traffic`. Frozen; times are UTC milliseconds since 1970."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Final

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class TrafficSettings:
    """Events fall into [start_ms, end_ms)."""

    start_ms: int
    end_ms: int
    seed: int = 1
    workspaces: int = 1
    apps: int = 3
    """Apps of each workspace; the first is the busiest."""
    agents: int = 25
    """Agents of each workspace."""
    conversations_per_day: float = 400.0
    """Conversations that begin in each workspace on an average day; calls and alerts come on top, in proportion."""
    noise: bool = False
    """Duplicates, disorder, a few too-late events and malformed records."""
    steady: bool = False
    """The same load at every hour of every day: for benchmarks and `--live`."""
    lead_in_ms: int = 0
    """How long before the start conversations already began; only their events from the start on come out."""

    def token(self) -> str:
        """What every id of this traffic contains: runs with other settings never share an id. The end and the noise do not count:
        a run can be continued, and noise is the same events in worse shape.
        """
        fields = asdict(self)
        del fields["end_ms"], fields["noise"]
        return sha256(repr(sorted(fields.items())).encode()).hexdigest()[:6]
