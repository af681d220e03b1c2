"""What counts as standing still, and what does not. (That it ends the process: tests/contract/test_endings.)"""

from __future__ import annotations

from services.processors.watchdog import LOOP, RECOVERY, View, Waiting, work

READY = View(told=0, ready=True, recovered=0, sources=frozenset({0, 1}))
RECOVERING = READY._replace(ready=False)


class Looks(Waiting):
    """Looks at a worker whose event loop goes round."""

    told = 0

    def at(self, now_s: float, view: View, lag: dict[int, int]) -> tuple[float, object]:
        self.told += 1
        return self.look(now_s, work(view._replace(told=self.told), lag))


def test_a_partition_stands_still_from_the_first_look_that_found_it_so() -> None:
    waiting = Looks()

    assert [waiting.at(now_s, READY, {1: 40}) for now_s in (100.0, 110.0, 130.0)] == [(0.0, None), (10.0, 1), (30.0, 1)]


def test_one_message_more_is_a_new_beginning() -> None:
    waiting = Looks()
    waiting.at(100.0, READY, {1: 40})

    assert waiting.at(110.0, READY, {1: 41}) == (0.0, None)


def test_a_partition_that_moves_does_not_hide_one_that_does_not() -> None:
    waiting = Looks()
    waiting.at(100.0, READY, {0: 7, 1: 40})

    assert waiting.at(110.0, READY, {0: 9, 1: 40}) == (10.0, 1)


def test_a_worker_without_work_does_not_stand_still() -> None:
    waiting = Looks()
    waiting.at(100.0, READY, {1: 40})
    waiting.at(110.0, READY, {})

    assert waiting.at(120.0, READY, {1: 40}) == (0.0, None)


def test_while_state_is_recovered_messages_may_wait() -> None:
    waiting = Looks()
    waiting.at(100.0, RECOVERING, {1: 40})

    assert waiting.at(900.0, RECOVERING._replace(recovered=1), {1: 40}) == (0.0, None)


def test_a_recovery_that_reads_nothing_stands_still() -> None:
    waiting = Looks()
    waiting.at(100.0, RECOVERING, {})

    assert waiting.at(220.0, RECOVERING, {}) == (120.0, RECOVERY)


def test_an_event_loop_that_tells_nothing_stands_still() -> None:
    waiting = Waiting()
    waiting.look(100.0, work(READY, {}))

    assert waiting.look(220.0, work(READY, {})) == (120.0, LOOP)
