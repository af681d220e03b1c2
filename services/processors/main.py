"""Start a processor: the body of `runtime.lifecycle.run_service`, and what people and machines see of it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Final, TypeVar

from services.events.topics import BATCHES
from services.processors import metrics
from services.processors.exits import SERVICE, Exit, Fatal, fatal, guard
from services.processors.facts import FactProducer
from services.processors.fold import Fold, MakeFold
from services.processors.line import Effects, EpochLimits
from services.processors.pause import PauseGuard
from services.processors.watchdog import Watchdog
from services.processors.worker import Worker
from services.runtime.garbage import collect_rarely
from services.runtime.kafka import verify_topics
from services.runtime.lifecycle import Service, run_service
from services.runtime.topic_ids import LOOK_EVERY_S, TopicIds, Watch

if TYPE_CHECKING:
    from services.processors.engine import Engine
    from services.runtime.settings import Settings

T = TypeVar("T")

_TELL_S: Final = 1.0


def run() -> int:
    """Work until SIGTERM or SIGINT, with the settings of the environment. Gives the exit code."""
    return run_service(SERVICE, serve)


def serve(settings: Settings, service: Service) -> None:
    """The body of the service, around the meters."""
    serve_fold(settings, service, make_meters(settings))


def serve_fold(settings: Settings, service: Service, make_fold: MakeFold) -> None:
    """The body of the service, around any fold."""
    verify_topics(settings)
    collect_rarely()
    asyncio.run(_serve(settings, service, make_fold))


def build_app(settings: Settings, make_fold: MakeFold) -> tuple[Engine, Worker]:
    """The engine and the worker that it drives, connected. Needs a running event loop."""
    from services.processors.engine import Engine

    producer = FactProducer(settings.kafka)
    engine = Engine(settings, producer.append)
    processors = settings.processors
    pauses = PauseGuard(processors.session_timeout_s / 2)
    pauses.start()
    effects = Effects(
        facts=producer,
        write_state=engine.write_state,
        acknowledge=engine.acknowledge,
        check_pause=pauses.check,
        encoding_turn=asyncio.Lock(),
    )
    limits = EpochLimits(processors.epoch_s, processors.epoch_messages_max, processors.epoch_bytes_max, processors.epoch_state_bytes)
    worker = Worker(make_fold, limits, processors.unacked_messages_max, effects)
    engine.connect(worker)
    return engine, worker


async def _serve(settings: Settings, service: Service, make_fold: MakeFold) -> None:
    with fatal():
        engine, worker = build_app(settings, make_fold)
        loop = asyncio.get_running_loop()

        def stop() -> None:
            loop.call_soon_threadsafe(engine.stop)

        service.on_stop(stop)
        watchdog = Watchdog(settings)
        watchdog.start()
        tasks = [guard(_tell(service, engine, worker, watchdog)), guard(_watch(settings))]
        await engine.run()
        for task in tasks:
            task.cancel()


async def _tell(service: Service, engine: Engine, worker: Worker, watchdog: Watchdog) -> None:
    """The threads of side server and watchdog get copies: the lines and folds belong to this one."""
    while True:
        watchdog.tell(ready=engine.ready(), recovered=engine.recovered(), sources=frozenset(engine.sources()))
        service.ready_when(_always({"reads_messages": engine.ready()}))
        service.tell_status(_always({"partitions": worker.status(), "unacknowledged": worker.unacknowledged()}))
        metrics.UNACKNOWLEDGED.set(worker.unacknowledged())
        metrics.OWNED.set(len(engine.sources()))
        await asyncio.sleep(_TELL_S)


def _always(value: T) -> Callable[[], T]:
    return lambda: value


async def _watch(settings: Settings) -> None:
    """A worker that is at work would read on in the middle of a batches topic that was made anew, without a word."""
    watch = await asyncio.to_thread(Watch, settings.kafka, (BATCHES,))
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        if await asyncio.to_thread(watch.replaced, monotonic()):
            raise Fatal(
                Exit.STATE, f"{BATCHES} was deleted, and made anew since: messages that were not read are gone. Meter everything anew: `quarterhour rebuild`."
            )


def make_meters(settings: Settings) -> MakeFold:
    """The product's fold for each partition. Asks the brokers for the topic's id."""
    from services.meters.fold import PartitionFold
    from services.meters.rules import Rules

    processors, partitions = settings.processors, settings.kafka.batches_partitions
    batches_id = TopicIds(settings.kafka).of((BATCHES,)).get(BATCHES, "")
    rules = Rules(lateness_ms=settings.rules.lateness_ms, out_of_orderness_ms=settings.rules.out_of_orderness_ms)

    def make(partition: int) -> Fold:
        return PartitionFold(rules, partition, processors.pages, partitions, processors.generation, batches_id=batches_id)

    return make


if __name__ == "__main__":
    sys.exit(run())
