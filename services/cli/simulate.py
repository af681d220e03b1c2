"""`quarterhour simulate`: made-up traffic of a platform, to a file or straight to Kafka.

Rule: the traffic is a function of the options (`services.local.traffic`); the clock is read here, once, for what the options leave open.
Limit: what goes to Kafka is history or now: events from the future would be refused.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Final

import typer

from services.cli.emit import INTERRUPTED, emit_lines, emitter, finish_with, look_every, paced
from services.cli.instants import instant_ms
from services.cli.progress import Display, Pace

if TYPE_CHECKING:
    from services.local.traffic import TrafficSettings

_DAY_MS: Final = 86_400_000
_LIVE_FOR_MS: Final = 3650 * _DAY_MS
_LIVE_LEAD_IN_MS: Final = 3_600_000
"""Conversations of the last hour are under way when live traffic begins, so that its rate is there from the first second."""


def register(app: typer.Typer) -> None:
    """Add `simulate`."""
    app.command("simulate")(simulate)


def simulate(
    *,
    days: Annotated[int, typer.Option(min=1, help="Whole days of history.")] = 90,
    start: Annotated[str | None, typer.Option(help="First day or instant, such as 2026-01-01. Default: so many days before today, and on until now.")] = None,
    workspaces: Annotated[int, typer.Option(min=1, help="Customers of the platform, each with its own apps and agents.")] = 1,
    apps: Annotated[int, typer.Option(min=1, help="Apps of each workspace.")] = 3,
    agents: Annotated[int, typer.Option(min=0, help="Human agents of each workspace.")] = 25,
    conversations_per_day: Annotated[float, typer.Option(min=0.0, help="Conversations of each workspace on an average day; calls and alerts on top.")] = 400.0,
    seed: Annotated[int, typer.Option(help="The same seed and options give the same bytes.")] = 1,
    noise: Annotated[bool, typer.Option("--noise", help="Duplicates, disorder, some too-late events and malformed records.")] = False,
    live: Annotated[bool, typer.Option("--live", help="From now on and in real time, until Ctrl-C.")] = False,
    rate: Annotated[float | None, typer.Option(min=0.01, help="Events a second: with --live about so many, else at most so many.")] = None,
    out: Annotated[str | None, typer.Option(metavar="FILE|-", help="Write JSON lines there instead of Kafka.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Data directory of the local stack to write to.")] = None,
) -> None:
    """Make up the traffic of a conversational-AI platform: conversations, calls, alerts, agents in shifts.

    Example: quarterhour simulate --days 90
    Example: quarterhour simulate --start 2026-01-01 --days 7 --seed 7 --noise --out events.jsonl
    Example: quarterhour simulate --live --rate 50
    """
    from services.local.traffic import TrafficSettings, traffic
    from services.runtime.clock import wall_ms

    start_ms, end_ms = _range_ms(start, days, wall_ms())
    settings = TrafficSettings(start_ms, end_ms, seed, workspaces, apps, agents, conversations_per_day, noise)
    if live:
        _simulate_live(_live(settings, wall_ms(), rate), rate, out, data_dir)
        return
    lines = traffic(settings if out else _until(settings, wall_ms()))
    lines = lines if rate is None else paced(lines, rate)
    if out:
        _write(lines, out, look_every(rate))
    else:
        finish_with(emit_lines(lines, emitter(data_dir), Display("simulate"), look_every(rate)))


def in_real_time(timed: Iterable[tuple[int, bytes]], clock_ms: Callable[[], int]) -> Iterator[bytes]:
    """Each line when the clock reaches its instant."""
    for arrives_ms, line in timed:
        wait_ms = arrives_ms - clock_ms()
        if wait_ms > 0:
            time.sleep(wait_ms / 1000)
        yield line


def _simulate_live(settings: TrafficSettings, rate: float | None, out: str | None, data_dir: Path | None) -> None:
    """Until Ctrl-C, which is how it is meant to end."""
    from services.local.traffic import timed_traffic
    from services.runtime.clock import wall_ms

    lines = in_real_time(timed_traffic(settings), wall_ms)
    if out:
        _write(lines, out, 1)
        return
    outcome = emit_lines(lines, emitter(data_dir), Display("simulate --live"), look_every(rate or 1.0))
    if outcome.stopped == INTERRUPTED:
        outcome.stopped = ""
    finish_with(outcome)


def _range_ms(start: str | None, days: int, now_ms: int) -> tuple[int, int]:
    if start is None:
        return (now_ms // _DAY_MS - days) * _DAY_MS, now_ms
    start_ms = instant_ms(start, "--start")
    return start_ms, start_ms + days * _DAY_MS


def _until(settings: TrafficSettings, now_ms: int) -> TrafficSettings:
    if settings.start_ms >= now_ms:
        raise typer.BadParameter("it lies in the future, and events from the future would be refused; write them to a file with --out", param_hint="--start")
    if settings.end_ms > now_ms:
        typer.echo("Events after now would be refused: the traffic ends now.", err=True)
    return replace(settings, end_ms=min(settings.end_ms, now_ms))


def _live(settings: TrafficSettings, now_ms: int, rate: float | None) -> TrafficSettings:
    """The same platform from now on; with a rate, of that load at any hour."""
    from services.local.traffic.stream import EVENTS_PER_CONVERSATION

    settings = replace(settings, start_ms=now_ms, end_ms=now_ms + _LIVE_FOR_MS, lead_in_ms=_LIVE_LEAD_IN_MS)
    if rate is None:
        return settings
    conversations = rate * _DAY_MS / 1000 / EVENTS_PER_CONVERSATION / settings.workspaces
    return replace(settings, steady=True, conversations_per_day=conversations)


def _write(lines: Iterable[bytes], out: str, show_every: int) -> None:
    pace, number = Pace(), 0
    try:
        with Display("simulate") as display, _opened(out) as file:
            for number, line in enumerate(lines, 1):
                file.write(line + b"\n")
                if number % show_every == 0:
                    file.flush()
                    display.show(number, pace.note(number))
    except BrokenPipeError:
        # The reader (`head`) has had enough; Python must not find out again when it closes standard output.
        sys.stdout = None
    except KeyboardInterrupt:
        typer.echo("Interrupted.", err=True)
    typer.echo(pace.note(number), err=True)


def _opened(out: str) -> IO[bytes] | nullcontext[IO[bytes]]:
    return nullcontext(sys.stdout.buffer) if out == "-" else Path(out).open("wb")
