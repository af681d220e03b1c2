"""One poll on its way: what was sent of it, what is acknowledged, and the offsets that may be committed then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn

from services.ingest.batcher import RawPartition


@dataclass(slots=True)
class Pending:
    """The messages made from one poll."""

    positions: Mapping[RawPartition, int]
    metadata: Mapping[RawPartition, str]
    end: Callable[[str], NoReturn]
    sent: int = 0
    delivered_count: int = 0

    def delivered(self, failure: str | None) -> None:
        """Delivery report. A message that failed ends the process: a later one may have been taken, and only a re-read puts that right."""
        if failure is not None:
            self.end(f"{failure} The next start reads it again.")
        self.delivered_count += 1

    def acknowledged(self) -> bool:
        """Has the broker everything of this poll?"""
        return self.delivered_count == self.sent
