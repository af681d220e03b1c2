"""A rolling restart: a processor of this release and one of a next one, whose state this one cannot read, in one group."""

from __future__ import annotations

import time

from services.meters.state import STATE_VERSION
from services.processors.exits import Exit
from services.runtime.kafka import state_topic
from tests.contract.metering import HISTORY, RELEASE, WAIT_S, Metering
from tests.reference.model import reference_of_events
from tests.simulation.upgrade import format_of

THIRD = len(HISTORY) // 3
NEXT = ("tests.contract.next_release",)


def until_both_write(metering: Metering) -> None:
    """Ticks alone make both write their positions."""
    deadline = time.monotonic() + WAIT_S
    while {format_of(record) for _, _, record in metering.read(state_topic(metering.settings))} != {STATE_VERSION, STATE_VERSION + 1}:
        assert time.monotonic() < deadline, metering.said()[-3000:]
        time.sleep(0.2)


def test_two_releases_work_side_by_side_and_the_old_one_leaves_what_it_cannot_read(metering: Metering) -> None:
    metering.of_generation(1)
    with metering.ingest():
        old = metering.start_processor(*RELEASE)
        metering.write_history(HISTORY[:THIRD])
        metering.until_metered(old)
        new = metering.start_processor(*NEXT)
        until_both_write(metering)
        metering.write_history(HISTORY[THIRD : 2 * THIRD])
        metering.until_metered(old, new)

        metering.kill(new)
        assert old.wait(WAIT_S) == Exit.MESSAGE
        assert "of a newer release" in metering.said()

        metering.write_history(HISTORY[2 * THIRD :])
        metering.close_log()
        new = metering.start_processor(*NEXT)
        metering.until_metered(new)
    facts = [{name: value for name, value in fact.items() if name != "revision"} for fact in metering.newest().values()]
    assert sorted(map(repr, facts)) == sorted(map(repr, reference_of_events(HISTORY)))
