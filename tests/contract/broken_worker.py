"""A processor around the counting fold in which one thing of the engine breaks, in a way that neither Faust nor aiokafka ends a process for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NoReturn

from aiokafka.consumer import fetcher  # type: ignore[import-untyped]
from faust.transport.consumer import Consumer
from mode.utils.queues import FlowControlQueue

from services.events.topics import BATCHES
from tests.processors.worker_process import main

FETCHES_UNTIL_IT_DIES = 100


class PlantedError(Exception):
    """What broke."""


def plant(where: type, function: Callable[..., Any]) -> None:
    """In place of the method of the same name."""
    setattr(where, function.__name__, function)


def reading_a_message_raises() -> None:
    """As for a compression whose library is missing."""
    real = fetcher.FetchResult.getall

    def getall(self: Any, *arguments: Any) -> Any:
        if self._topic_partition.topic == BATCHES:
            raise PlantedError("in a message")
        return real(self, *arguments)

    plant(fetcher.FetchResult, getall)


def the_fetching_task_dies() -> None:
    real = fetcher.Fetcher._get_actions_per_node
    left = iter(range(FETCHES_UNTIL_IT_DIES))

    def _get_actions_per_node(self: Any, assignment: Any) -> Any:
        if next(left, None) is None:
            raise PlantedError("in the task")
        return real(self, assignment)

    plant(fetcher.Fetcher, _get_actions_per_node)


def nothing_is_committed() -> None:
    async def commit(_self: Any, *_: Any, **__: Any) -> bool:
        return True

    plant(Consumer, commit)


def messages_never_arrive() -> None:
    def put_nowait_enhanced(_self: Any, *_: Any, **__: Any) -> bool:
        return False

    plant(FlowControlQueue, put_nowait_enhanced)


FAULTS: dict[str, Callable[[], None]] = {
    fault.__name__: fault for fault in (reading_a_message_raises, the_fetching_task_dies, nothing_is_committed, messages_never_arrive)
}


def run(name: str) -> NoReturn:
    FAULTS[name]()
    sys.exit(main(0, 0.0, 0.0))


if __name__ == "__main__":
    run(sys.argv[1])
