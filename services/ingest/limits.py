"""Stop rather than be wrong: how many records of a raw partition may be refused before a human must look (SPEC §3). Pure.

Two limits, each may be off: so many refused records in a row, and a share of the last `window` to 2·`window` records. The counts are a function of the
log up to an offset and travel with it (`ledger.Metadata`), so a restart neither forgets nor forgives. Records before the log's first one count as good: a
handful of bad ones at the start stops nothing. Costs nothing but where a record is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from services.runtime.errors import ServiceError
from services.runtime.settings import IngestSettings


class TooManyRefused(ServiceError):
    """A limit is passed: the line has stopped in front of the record, which is not committed."""

    exit_code = 76


class Refused(msgspec.Struct, array_like=True, gc=False):
    """What of the last records of one raw partition was refused."""

    run: int = 0
    """Refused records in a row."""
    accepted_then: int = 0
    """Accepted records when the last one was refused: equal now, and the run goes on."""
    block: int = 0
    """Number of the block of `window` records that the last refused one lies in."""
    of_block: int = 0
    of_block_before: int = 0

    def add(self, accepted: int, read: int, window: int) -> None:
        """One more refused record; so many records were accepted and read before it."""
        self.run = self.run + 1 if accepted == self.accepted_then else 1
        self.accepted_then = accepted
        block = read // window
        if block != self.block:
            self.of_block_before = self.of_block if block == self.block + 1 else 0
            self.block, self.of_block = block, 0
        self.of_block += 1

    def share(self, read: int, window: int) -> float:
        """Of the last `window` to 2·`window` records, with the one just added."""
        return (self.of_block_before + self.of_block) / (window + read % window + 1)


@dataclass(frozen=True, slots=True)
class RefusalLimits:
    """`run_max` 0 and `share_max` 1: off."""

    run_max: int = 0
    share_max: float = 1.0
    window: int = 10_000

    @classmethod
    def of(cls, settings: IngestSettings) -> RefusalLimits:
        """As they are set."""
        return cls(settings.rejected_run_max, settings.rejected_share_max, settings.rejected_window)

    def count(self, refused: Refused, accepted: int, read: int) -> str | None:
        """Count one more refused record after so many accepted and read ones; the limit that it passes, as a sentence's beginning."""
        refused.add(accepted, read, self.window)
        if 0 < self.run_max < refused.run:
            return f"{refused.run:,} records in a row are no events (QUARTERHOUR_INGEST__REJECTED_RUN_MAX={self.run_max})"
        share = refused.share(read, self.window)
        if self.share_max < 1.0 and share > self.share_max:
            looked = self.window + read % self.window + 1
            return f"{share:.0%} of the last {looked:,} records are no events (QUARTERHOUR_INGEST__REJECTED_SHARE_MAX={self.share_max:g})"
        return None


NO_LIMITS: Final = RefusalLimits()


def stopped(origin: str, limit: str, reason: str, detail: str) -> TooManyRefused:
    """The error of a record at which a limit is passed."""
    return TooManyRefused(
        f"{limit}, the last one {origin}: {reason}{': ' if detail else ''}{detail}. The line has stopped in front of it, and nothing is lost. "
        "Look at usage.rejected.v1 (in ClickHouse v_rejected_events) and mend the sender or the settings. "
        "To refuse these all the same, start with the limit off (run 0, share 1) until they are read."
    )
