"""Start a processor: settings in, exit code out (`processors.exits`)."""

from __future__ import annotations

import asyncio
import gc
import signal
from typing import TYPE_CHECKING, Final

from services.processors.exits import Exit, Fatal, leave
from services.processors.facts import FactProducer
from services.processors.fold import Fold, MakeFold
from services.processors.line import Effects, EpochLimits
from services.processors.pause import PauseGuard
from services.processors.worker import Worker

if TYPE_CHECKING:
    from services.processors.engine import Engine
    from services.runtime.settings import Settings

_GC_THRESHOLDS: Final = (50_000, 20, 100)
"""State is long-lived and has no cycles: the default thresholds would walk it again and again."""


def run(settings: Settings) -> int:
    """Work until SIGTERM or SIGINT. What is unexpected ends the process with a code of `Exit` and its reason on fd 2."""
    return run_with(settings, _meters(settings))


def run_with(settings: Settings, make_fold: MakeFold) -> int:
    """`run` with another fold (tests, benches)."""
    gc.set_threshold(*_GC_THRESHOLDS)
    try:
        asyncio.run(_serve(settings, make_fold))
    except (Fatal, OSError) as error:
        leave(error)
    return Exit.DONE


def build_app(settings: Settings, make_fold: MakeFold) -> tuple[Engine, Worker]:
    """The engine and the worker that it drives, connected. Needs a running event loop."""
    from services.processors.engine import Engine

    engine = Engine(settings)
    processors = settings.processors
    effects = Effects(
        facts=FactProducer(settings.kafka),
        write_state=engine.write_state,
        acknowledge=engine.acknowledge,
        check_pause=PauseGuard(processors.session_timeout_s / 2).check,
        encoding_turn=asyncio.Lock(),
    )
    limits = EpochLimits(processors.epoch_s, processors.epoch_messages_max, processors.epoch_bytes_max)
    worker = Worker(make_fold, limits, processors.unacked_messages_max, effects)
    engine.connect(worker)
    return engine, worker


async def _serve(settings: Settings, make_fold: MakeFold) -> None:
    engine, _ = build_app(settings, make_fold)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, engine.stop)
    await engine.run()


def _meters(settings: Settings) -> MakeFold:
    from services.meters.fold import PartitionFold
    from services.meters.rules import Rules

    rules = Rules(lateness_ms=settings.rules.lateness_ms, out_of_orderness_ms=settings.rules.out_of_orderness_ms)

    def make(partition: int) -> Fold:
        return PartitionFold(rules, partition, settings.processors.pages, settings.kafka.batches_partitions, settings.processors.generation)

    return make
