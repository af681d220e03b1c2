"""Pages take turns (DESIGN §2): whatever is written when, a restart from what is durable gives the facts of a run without one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.events.outgoing import OutFact
from services.meters.fold import TURNS_MAX
from tests.meters.driver import Pipeline, folded
from tests.reference import strategies as made
from tests.reference.model import reference_of_events


class InTurns(Pipeline):
    """Every epoch writes one page; the position follows when all that changed before it is written. A restart replays from there."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.log: list[list[tuple[int, bytes]]] = [[] for _ in self.folds]

    def apply(self, number: int, value: bytes) -> Iterable[OutFact]:
        self.log[number].append((self.sent, value))
        return super().apply(number, value)

    def save(self, *, position: bool = True) -> None:
        for number, fold in enumerate(self.folds):
            held, pages = self.state[number]
            before = fold.durable_to()
            pages = pages | dict(fold.take_dirty(1))
            self.state[number] = (fold.position() if position and fold.durable_to() != before else held, pages)

    def restart(self) -> None:
        super().restart()
        for number, fold in enumerate(self.folds):
            for offset, value in self.log[number]:
                if offset >= (fold.next_offset() or 0):
                    self.published += fold.apply(value, offset)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_restart_between_any_two_messages_changes_nothing(data: st.DataObject) -> None:
    history = data.draw(made.histories)
    watermark_ms = data.draw(made.watermarks(history))
    pipeline = InTurns(partitions=2, pages=12, cap_ms=watermark_ms)
    for message in data.draw(made.delivered(history)):
        pipeline.send([made.line(event) for event in message])
        fate = data.draw(st.sampled_from(["on", "save", "save without position", "save and restart", "restart"]))
        if fate.startswith("save"):
            pipeline.save(position="without" not in fate)
        if fate.endswith("restart"):
            pipeline.restart()
    pipeline.close()

    assert folded(pipeline.published) == reference_of_events(history, watermark_ms)


@settings(max_examples=20, deadline=None)
@given(made.histories.filter(bool))
def test_every_changed_page_is_written_soon_and_then_all_is_durable(history: list[dict[str, Any]]) -> None:
    pipeline = InTurns(pages=64)
    for event in history:
        pipeline.send([made.line(event)])
    (fold,) = pipeline.folds
    while fold.take_dirty(1):
        pass
    assert fold.durable_to() == pipeline.sent


def test_a_turn_is_a_sixteenth_at_the_least() -> None:
    pipeline = InTurns(pages=4096)
    event = {"specversion": "1.0", "source": "tests", "type": "conversation.started", "time": "2026-01-31T08:00:00Z"}
    data = {"workspace_id": "acme", "app_id": "shop", "channel": "web"}
    pipeline.send([made.line(event | {"id": str(number), "subject": f"c{number}", "data": data}) for number in range(1000)])
    (fold,) = pipeline.folds
    turns = 1
    while fold.take_dirty(1):
        turns += 1
    assert turns == TURNS_MAX + 1
