"""Wait, for a while, until the parts have come as far as what was there when the proof began; what has not, is a finding."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

from services.cli.offsets import Offsets, Where
from services.cli.progress import Display
from services.cli.proof.cut import Cut, Lines
from services.cli.proof.findings import Finding, Findings, Kind
from services.cli.proof.reading import every
from services.cli.wait import Behind, Stage, wait_for
from services.events import topics
from services.runtime.settings import Settings
from services.sink.rows import read_row

_ASK_EVERY_S: Final = 0.3


class CatchUp:
    """`deadline`: of time.monotonic, for all waiting together."""

    def __init__(self, settings: Settings, offsets: Offsets, deadline: float, findings: Findings, display: Display) -> None:
        self._settings, self._offsets, self._deadline, self._findings, self._display = settings, offsets, deadline, findings, display
        self.lines = Lines()
        self._read: dict[Where, int] = {}

    def cut(self) -> Cut:
        """A cut that holds all that ingest had committed when this was called, with every fact of it in the topics; else, when time is up, the newest one."""
        goal = self._offsets.committed(self._settings.ingest_group, self._offsets.held(topics.RAW_TOPICS))
        while True:
            self.read_lines()
            cut = self.lines.cut()
            behind = self._behind(cut, goal)
            if not behind:
                return cut
            if time.monotonic() >= self._deadline:
                for part, note in behind.items():
                    self._findings.say(Finding(Kind.BEHIND, topics.LEDGER, part, note))
                return cut
            self._display.show(0, f"waiting for {len(behind)} parts of the work to write their ledger")
            time.sleep(_ASK_EVERY_S)

    def read_lines(self) -> None:
        """What the ledger topic has more than at the last call."""
        ends = self._offsets.held((topics.LEDGER,))
        news = {where: range(max(self._read.get(where, 0), offsets.start), offsets.stop) for where, offsets in ends.items()}
        for record in every(self._settings.kafka, news):
            self.lines.add(read_row(topics.LEDGER, record.value))
        self._read = {where: offsets.stop for where, offsets in ends.items()}

    def sink(self) -> None:
        """Until the sink has committed what the aggregate topics hold now."""
        try:
            wait_for([Stage("sink", self._settings.sink.group_id, topics.FACT_TOPICS)], self._offsets, self._deadline, self._display)
        except Behind as behind:
            self._findings.say(Finding(Kind.BEHIND, "ClickHouse", "sink", str(behind)))

    def _behind(self, cut: Cut, goal: Mapping[Where, int]) -> dict[str, str]:
        found = {}
        for where, offset in goal.items():
            line = cut.ingest.get(where)
            if line is None or line.to_offset < offset:
                found[f"ingest/{where[0]}/{where[1]}"] = f"ingest committed offset {offset}, its line says {line.to_offset if line else 'nothing'}"
        committed = self._offsets.committed(self._settings.processors_group, self._offsets.held((topics.BATCHES,)))
        for partition in range(self._settings.kafka.batches_partitions):
            lines = cut.processors.get(partition, {})
            least = [where for where, offset in goal.items() if where not in lines or lines[where].to_offset < offset]
            if least:
                first = f"{least[0][0]}/{least[0][1]}"
                found[f"processor/{partition}"] = f"its lines are behind what ingest committed in {len(least)} raw partitions, first {first}"
            elif committed.get((topics.BATCHES, partition), 0) < cut.next_batch(partition):
                found[f"processor/{partition}"] = "its last lines belong to work that is not committed yet"
        return found
