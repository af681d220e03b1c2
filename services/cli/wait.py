"""`quarterhour wait`: return when everything that the raw topics hold now is metered and its facts are stored.

Rule: each room commits what it has read after its own output is safe, so that three questions, asked in the order of the data's way, are the whole answer:
has ingest committed the raw records; have the processors committed the batches that there are then; has the sink committed the facts that there are then.
`--close` says first, by a `log.closed` record (E8), that no older event will come: then what waits for time to pass is published too.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from services.cli.errors import explained
from services.cli.progress import Display

if TYPE_CHECKING:
    from services.cli.offsets import Offsets, Where
    from services.runtime.settings import KafkaSettings, Settings

CLOSE_AFTER_MS: Final = 26 * 3_600_000
"""Past the longest wait of any rule: 24 h for a login, a call or human time (S1, V1, U8), then an hour of silence (U3) and a quarter."""
_ASK_EVERY_S: Final = 0.2


def register(app: typer.Typer) -> None:
    """Add `wait`."""
    app.command("wait")(wait)


def wait(
    close: Annotated[bool, typer.Option("--close", help="First tell that the log ends here: what is open is closed as if a day had passed.")] = False,
    until: Annotated[str | None, typer.Option(help="With --close: nothing older than this instant will come. Default: the newest log time and 26 h.")] = None,
    timeout: Annotated[float, typer.Option(min=0.0, help="Seconds to wait at most; then the exit code is 1.")] = 300.0,
    data_dir: Annotated[Path | None, typer.Option(help="Data directory of the local stack to ask.")] = None,
) -> None:
    """Wait until all events written so far are metered and their facts are stored.

    Example: quarterhour emit events.jsonl && quarterhour wait --close
    """
    from services.cli.instants import instant_ms
    from services.cli.offsets import Offsets
    from services.local.find import stack_settings
    from services.runtime.clock import wall_ms

    if until is not None and not close:
        raise typer.BadParameter("it says when the log is closed, so it needs --close", param_hint="--until")
    until_ms = None if until is None else instant_ms(until, "--until")
    began_at = time.monotonic()
    try:
        with explained(), Display("wait") as display:
            settings = stack_settings(data_dir)
            offsets = Offsets(settings.kafka)
            if close:
                close_log(settings.kafka, offsets, until_ms, wall_ms())
            wait_for(stages_of(settings), offsets, began_at + timeout, display)
    except Behind as behind:
        typer.echo(f"Not all is stored after {timeout:g} s. {behind}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"Everything is metered and stored ({time.monotonic() - began_at:.1f} s).", err=True)


@dataclass(frozen=True, slots=True)
class Stage:
    """A room and what it reads."""

    room: str
    group: str
    topics: tuple[str, ...]


class Behind(Exception):
    """A room has not read everything in time. `str()` says how much is left, and what to do."""


def stages_of(settings: Settings) -> list[Stage]:
    """In the order of the data's way."""
    from services.events import topics

    return [
        Stage("ingest", settings.ingest_group, topics.RAW_TOPICS),
        Stage("processor", settings.processors_group, (topics.BATCHES,)),
        Stage("sink", settings.sink.group_id, topics.FACT_TOPICS),
    ]


def wait_for(stages: list[Stage], offsets: Offsets, deadline: float, display: Display) -> None:
    """Return when each room has committed what its topics held when the room before it was done.

    Raises `Behind` when the deadline (of time.monotonic) passes first.
    """
    for stage in stages:
        goal = offsets.held(stage.topics)
        while left := _left(goal, offsets.committed(stage.group, goal)):
            display.show(0, f"{stage.room} has {sum(left.values()):,} records to go")
            if time.monotonic() >= deadline:
                raise Behind(_explain(stage, left, offsets.members(stage.group)))
            time.sleep(_ASK_EVERY_S)


def _left(goal: Mapping[Where, range], committed: Mapping[Where, int]) -> dict[Where, int]:
    """How many records of the goal are not committed, where there are any."""
    left = {where: len(range(max(held.start, committed.get(where, 0)), held.stop)) for where, held in goal.items()}
    return {where: count for where, count in left.items() if count}


def _explain(stage: Stage, left: Mapping[Where, int], members: int) -> str:
    where = ", ".join(f"{topic}/{partition}: {count:,}" for (topic, partition), count in sorted(left.items())[:8])
    more = f" and {len(left) - 8} more partitions" if len(left) > 8 else ""
    if members:
        advice = f"Its group {stage.group} has {members} members: wait longer, and see whether the number falls."
    else:
        advice = f"Its group {stage.group} has no member: nobody is at work. Start it: `quarterhour serve {stage.room}`, or the stack with `quarterhour up`."
    return f"The {stage.room} room has {sum(left.values()):,} records to go ({where}{more}). {advice}"


def close_log(kafka: KafkaSettings, offsets: Offsets, until_ms: int | None, clock_ms: int) -> int:
    """Write `log.closed` into every partition of every raw topic (E8); the instant it names.

    Its log time is its partition's newest one: the log does not get newer by being closed.
    """
    from services.events.topics import RAW_TOPICS

    newest_ms = offsets.newest_log_ms(RAW_TOPICS)
    last_ms = max((log_ms for log_ms in newest_ms.values() if log_ms is not None), default=clock_ms)
    closed_ms = last_ms + CLOSE_AFTER_MS if until_ms is None else until_ms
    _write_closed(kafka, closed_ms, {where: last_ms if log_ms is None else log_ms for where, log_ms in newest_ms.items()})
    return closed_ms


def _write_closed(kafka: KafkaSettings, closed_ms: int, log_times_ms: Mapping[Where, int]) -> None:
    """Raises `Unavailable` when one of them was not written."""
    from confluent_kafka import KafkaError, Message, Producer

    from services.runtime.errors import Unavailable
    from services.runtime.kafka import client_config

    failures: list[str] = []

    def report(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            failures.append(f"{message.topic()}/{message.partition()}: {error.str()}")

    producer = Producer(client_config(kafka, "ERROR") | {"enable.idempotence": True, "message.timeout.ms": 30_000})
    for (topic, partition), log_ms in log_times_ms.items():
        producer.produce(topic, closed_record(closed_ms, f"{topic}/{partition}"), partition=partition, timestamp=log_ms, on_delivery=report)
    producer.flush()
    if failures:
        raise Unavailable(f"The log could not be closed ({failures[0]}). Nothing is lost: run the command again.")


def closed_record(closed_ms: int, where: str) -> bytes:
    """The control record of E8 for one partition."""
    from services.events.times import format_ms

    instant = format_ms(closed_ms)
    return f'{{"specversion":"1.0","type":"log.closed","source":"quarterhour","id":"{where}/{instant}","time":"{instant}"}}'.encode()
