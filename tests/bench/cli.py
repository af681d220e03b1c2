"""The command of the measurements. Each stage prints its figures as JSON and, unless told otherwise, writes them to RESULTS.json and RESULTS.md."""

from __future__ import annotations

import json
import pstats
import sys
import tempfile
from io import StringIO
from pathlib import Path
from typing import Annotated, Any

import typer

from services.cli.progress import Display
from tests.bench import core
from tests.bench.measure import in_child
from tests.bench.workload import Workload

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Measure the product. Example: python -m tests.bench fold --events 300000")

Events = Annotated[int, typer.Option(min=1, help="Records of the log.")]
Seed = Annotated[int, typer.Option(help="The same seed and sizes give the same log.")]
Profile = Annotated[bool, typer.Option("--profile", help="Run once more under cProfile and print where the time goes.")]
Poll = Annotated[int, typer.Option(min=1, help="Records of one poll of ingest: what makes the size of a message.")]
AtOnce = Annotated[int, typer.Option(min=1, help="Conversations under way at one time.")]
Epoch = Annotated[int, typer.Option(min=1, help="Events between two writings of the state.")]


@app.command()
def ingest(events: Events = 300_000, seed: Seed = 1, poll: Poll = 10_000, at_once: AtOnce = 5_000, profile: Profile = False) -> None:
    """Decode, group and encode, in memory."""
    load = Workload(events, seed, at_once)
    tell("ingest", in_child(_ingest, load, poll, None))
    if profile:
        with profiled() as path:
            in_child(_ingest, load, poll, path)
            print(top(path, events))


@app.command()
def fold(events: Events = 300_000, seed: Seed = 1, poll: Poll = 10_000, epoch: Epoch = 100_000, at_once: AtOnce = 5_000, profile: Profile = False) -> None:
    """Decode batches and apply them, in memory; the state records apart."""
    load = Workload(events, seed, at_once)
    tell("fold", in_child(_fold, load, poll, epoch, None))
    if profile:
        with profiled() as path:
            in_child(_fold, load, poll, epoch, path)
            print(top(path, events), "state records:", top(path + ".state", events), "closing the log:", top(path + ".close", events), sep="\n")


@app.command()
def state(conversations: Annotated[int, typer.Option(min=1)] = 20_000, messages: Annotated[int, typer.Option(min=1)] = 10) -> None:
    """Bytes of a live conversation in memory and in its record."""
    tell("state", in_child(_state, conversations, messages))


def tell(stage: str, figures: dict[str, Any]) -> None:
    print(json.dumps({"stage": stage, **figures}))


def top(path: str, events: int, lines: int = 30) -> str:
    """The functions with the most own time, as microseconds an event."""
    text = StringIO()
    stats = pstats.Stats(path, stream=text)
    rows = sorted(stats.stats.items(), key=lambda item: -item[1][2])[:lines]  # type: ignore[attr-defined]
    out = [f"{'own µs':>8} {'all µs':>8} {'calls':>7}  function      (an event, under the profiler)"]
    for (file, line, name), (_, calls, own_s, all_s, _) in rows:
        where = name if file == "~" else f"{Path(file).parent.name}/{Path(file).name}:{line} {name}"
        out.append(f"{own_s * 1e6 / events:8.3f} {all_s * 1e6 / events:8.3f} {calls / events:7.3f}  {where}")
    return "\n".join(out)


def profiled() -> Any:
    """A place for a profile, gone afterwards."""
    from contextlib import contextmanager

    @contextmanager
    def place() -> Any:
        with tempfile.TemporaryDirectory() as home:
            yield str(Path(home) / "profile")

    return place()


def _ingest(load: Workload, poll: int, profile: str | None) -> dict[str, Any]:
    with Display("ingest", load.events) as display:
        return core.run_ingest(load, poll, profile, lambda done: display.show(done, ""))


def _fold(load: Workload, poll: int, epoch: int, profile: str | None) -> dict[str, Any]:
    with Display("fold", load.events) as display:
        return core.run_fold(load, poll, epoch, profile, lambda done: display.show(done, ""))


def _state(conversations: int, messages: int) -> dict[str, Any]:
    with Display("state", conversations * (2 * messages + 1)) as display:
        return core.run_state(conversations, messages, lambda done: display.show(done, ""))


if __name__ == "__main__":
    sys.exit("python -m tests.bench")
