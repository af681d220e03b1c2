"""Settled talks (`meters.state`): a page's record copies them as long as little changes, and a restart from it holds what a run without one holds."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.meters.state import open_page
from services.meters.talk import decode_head
from tests.meters.driver import DAY_MS, Pipeline, folded
from tests.parts.examples import examples
from tests.reference import strategies as made
from tests.reference.model import reference_of_events

TALKS = 20


def said(number: int, day: int = 0, message_id: str = "m") -> bytes:
    """A user's message in conversation `number`."""
    data = {"workspace_id": "acme", "app_id": "shop", "channel": "web", "sender": "user", "message_id": message_id}
    return made.line(made.cloud_event("conversation.message", made.BASE_MS + day * DAY_MS, f"c{number}", data) | {"id": f"{number}-{day}-{message_id}"})


@pytest.fixture
def pipeline() -> Pipeline:
    """One page, with its talks written once."""
    found = Pipeline(pages=1, lateness_ms=DAY_MS)
    found.send([said(number) for number in range(TALKS)])
    found.save()
    return found


def change(pipeline: Pipeline, number: int, message_id: str = "n") -> None:
    """One talk, and write."""
    pipeline.send([said(number, message_id=message_id)])
    pipeline.save()


def record(pipeline: Pipeline) -> bytes:
    return pipeline.state[0][1][0]


def open_talks(pipeline: Pipeline) -> object:
    return pipeline.folds[0].status()["open"]


def names(talks: list[bytes]) -> list[str]:
    return [decode_head(talk).key.rpartition("c")[2] for talk in talks]


def test_what_did_not_change_is_copied(pipeline: Pipeline) -> None:
    whole = bytes(open_page(0, record(pipeline)).settled.frames)
    change(pipeline, 7)
    once = open_page(0, record(pipeline))
    change(pipeline, 8)
    twice = open_page(0, record(pipeline))

    assert names(once.settled_talks) == ["7", *map(str, range(TALKS))]
    assert names(twice.settled_talks) == ["8", "7", *map(str, range(TALKS))]
    assert bytes(once.settled.frames).endswith(whole)
    assert bytes(twice.settled.frames).endswith(bytes(once.settled.frames))


def test_a_page_of_which_only_the_seats_changed_gets_no_further_frame(pipeline: Pipeline) -> None:
    whole = open_page(0, record(pipeline)).settled.sizes
    login = made.cloud_event("agent.logged_in", made.BASE_MS, "s", {"workspace_id": "acme", "agent_id": "ann", "app_ids": ["shop"]})
    pipeline.send([made.line(login | {"id": "login"})])
    pipeline.save()

    page = open_page(0, record(pipeline))
    assert len(page.state.workspaces) == 1
    assert page.settled.sizes == whole


@pytest.mark.parametrize("restarts", [False, True])
def test_all_is_packed_anew_once_what_came_later_is_as_long(pipeline: Pipeline, restarts: bool) -> None:
    written = []
    for number in range(30):
        change(pipeline, number % TALKS, f"{number}")
        if restarts:
            pipeline.restart()
        settled = open_page(0, record(pipeline)).settled
        written.append((sum(settled.sizes[:-1]), settled.sizes[-1]))
    assert [later for later, _ in written].count(0) > 2
    for (was_later, was_whole), (later, _) in pairwise(written):
        assert (later == 0) == (was_later >= was_whole)
        assert later == 0 or later > was_later


def test_talks_that_were_let_go_do_not_come_back() -> None:
    """A record is made anew once they are half as many as the others; until then it holds them, and is not written for their sake."""
    pipeline = Pipeline(pages=1, lateness_ms=DAY_MS)
    pipeline.send([said(number, day=0) for number in range(TALKS)])
    pipeline.send([said(number, day=2) for number in range(TALKS, 4 * TALKS)])
    pipeline.save()
    whole = record(pipeline)
    let_go, others = list(map(str, range(TALKS))), list(map(str, range(TALKS, 4 * TALKS)))

    # The first message sweeps, the second one finds c0 gone: it begins anew.
    pipeline.send([said(TALKS, day=4)])
    assert open_talks(pipeline) == 3 * TALKS
    pipeline.save()
    assert names(open_page(0, record(pipeline)).settled_talks) == [others[0], *let_go, *others]
    pipeline.restart()
    assert open_talks(pipeline) == 3 * TALKS
    assert pipeline.folds[0].take_dirty() == []
    pipeline.send([said(0, day=4)])
    pipeline.save()
    pipeline.restart()
    assert open_talks(pipeline) == 3 * TALKS + 1
    assert bytes(open_page(0, record(pipeline)).settled.frames).endswith(bytes(open_page(0, whole).settled.frames))

    pipeline.send([said(TALKS, day=8)])
    pipeline.save()
    assert sorted(names(open_page(0, record(pipeline)).settled_talks), key=int) == ["20"]


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["U", "T", "R", "eu", "ei"]), st.integers(1, 200)), max_size=30), st.data())
def test_a_restart_changes_nothing(steps: list[tuple[int, str, int]], data: st.DataObject) -> None:
    started = [event_of(number, "S", 0) for number in range(6)]
    history = made.numbered([started, *([event_of(*step)] for step in steps)])
    pipeline = Pipeline(pages=1)
    pipeline.send([made.line(event) for event in history[:6]])
    pipeline.save()
    for event in history[6:]:
        pipeline.send([made.line(event)])
        fate = data.draw(st.sampled_from(["on", "save", "save and restart"]))
        if fate != "on":
            pipeline.save()
        if fate == "save and restart":
            pipeline.restart()
            assert pipeline.folds[0].status()["open"] == len({event["subject"] for event in history[: pipeline.read]})
    pipeline.close()
    assert folded(pipeline.published) == reference_of_events(history)


def event_of(number: int, letter: str, minute: int) -> made.CloudEvent:
    """A step of conversation `number`, after so many minutes."""
    kind, more = made.SAYS[letter]
    data = {"workspace_id": "acme", "app_id": "shop", "channel": "web"} | more | ({"message_id": f"{minute}"} if letter == "U" else {})
    return made.cloud_event(kind, made.BASE_MS + minute * 60_000, f"c{number}", data)
