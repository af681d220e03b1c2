"""The whole way on the real parts, as a person takes it: files of events in, facts out, with two processors. `make acceptance` is the large version."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.events import topics
from tests.pipeline.acceptance import api_problems, metered, written
from tests.pipeline.files import DAY, WORKSPACE, in_worse_shape, shifts_and_a_conversation
from tests.pipeline.judge import JUDGED, Facts, judge, stored_facts, without_rejected
from tests.pipeline.stack import LocalStack, local_stack, quarterhour

NOISY, SHUFFLED = "aurora", "shuffled"


@dataclass(frozen=True, slots=True)
class Sent:
    """A stack at rest, and what `quarterhour meter` says of the files as they were before anything was done to their order."""

    stack: LocalStack
    noisy: Facts
    tidy: Facts
    stored: Facts

    def of(self, workspace_id: str) -> Facts:
        return {name: fact for name, fact in self.stored.items() if fact["workspace_id"] == workspace_id}


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sent]:
    """Three files one after the other: three days with noise; two days shuffled within 20 hours, each event up to three times; a day that is known by hand."""
    here = tmp_path_factory.mktemp("files")
    noisy = simulated(here, "2026-03-01", 3, "--noise")
    tidy = [line.replace(f'"workspace_id":"{NOISY}"'.encode(), f'"workspace_id":"{SHUFFLED}"'.encode()) for line in simulated(here, "2026-04-01", 2)]
    with local_stack(tmp_path_factory.mktemp("stack"), processors=2) as stack:
        for lines in (noisy, in_worse_shape(tidy, seed=5), shifts_and_a_conversation()):
            stack.run("emit", str(written(lines, here)))
        stack.run("wait", "--close", "--timeout", "240")
        yield Sent(stack, metered(noisy, here), metered(tidy, here), without_rejected(stored_facts(stack.settings())))


def simulated(here: Path, start: str, days: int, *options: str) -> Sequence[bytes]:
    file = here / f"{start}.jsonl"
    quarterhour("simulate", "--days", str(days), "--seed", "7", "--start", start, *options, "--out", str(file))
    return file.read_bytes().splitlines()


@pytest.mark.timeout(600)
def test_clickhouse_the_topics_the_core_and_the_reference_model_say_the_same(sent: Sent) -> None:
    verdict = judge(sent.stack)
    assert verdict.problems == []
    assert all(verdict.figures[topic] for topic in JUDGED), verdict.figures


def test_clickhouse_holds_what_meter_computes_from_noisy_events(sent: Sent) -> None:
    assert sent.of(NOISY) == sent.noisy
    assert {name[0] for name in sent.noisy} == set(JUDGED) - {topics.REJECTED}


def test_disorder_within_20_hours_and_repetition_change_no_fact(sent: Sent) -> None:
    assert sent.of(SHUFFLED) == sent.tidy
    assert len(sent.tidy) > 3_000


def test_through_the_api_31_minutes_are_3_sessions_and_100_agents_in_three_shifts_100_named_seats(sent: Sent) -> None:
    assert DAY.startswith("2026-05")
    assert sent.of(WORKSPACE)
    assert api_problems(sent.stack) == []
