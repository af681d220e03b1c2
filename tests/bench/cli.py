"""The command of the measurements. A stage prints its figures as JSON; `--keep` writes them to RESULTS.json and RESULTS.md."""

from __future__ import annotations

import json
import pstats
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from services.cli.progress import Display
from tests.bench import core, report, spy
from tests.bench.core import Show
from tests.bench.measure import in_child
from tests.bench.workload import Workload, conversations_only

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Measure the product. Example: python -m tests.bench fold --events 300000 --profile")

Events = Annotated[int, typer.Option(min=1, help="Records of the log.")]
Seed = Annotated[int, typer.Option(help="The same seed and sizes give the same log.")]
Profile = Annotated[bool, typer.Option("--profile", help="Once more under a profiler: where the time goes.")]
Poll = Annotated[int, typer.Option(min=1, help="Records of one poll of ingest: what makes the size of a message.")]
AtOnce = Annotated[int, typer.Option(min=1, help="Conversations under way at one time.")]
Epoch = Annotated[int, typer.Option(min=1, help="Events between two writings of the state.")]
Keep = Annotated[bool, typer.Option("--keep", help="Write the figures to RESULTS.json and RESULTS.md.")]
Home = Annotated[Path | None, typer.Option(help="Directory for brokers and files; default: a temporary one, gone afterwards.")]
PortBase = Annotated[int, typer.Option(min=1024, max=65_000, help="First of the ports to use, some 40 of them.")]
Runs = Annotated[int, typer.Option(min=1, help="How often; the median counts.")]

PORT_BASE: Final = 29_600
PROFILES: Final = Path(__file__).with_name("PROFILES.md")


@app.command()
def ingest(events: Events = 300_000, seed: Seed = 1, poll: Poll = 10_000, at_once: AtOnce = 5_000, profile: Profile = False, keep: Keep = False) -> None:
    """Decode, group and encode, in memory."""
    load = Workload(events, seed, at_once)
    tell("ingest", in_child(_ingest, load, poll, None), keep)
    if profile:
        with _place() as home:
            in_child(_ingest, load, poll, str(home / "profile"))
            tell_profile("ingest, in memory", top(home / "profile", events), keep)


@app.command()
def fold(
    events: Events = 300_000, seed: Seed = 1, poll: Poll = 10_000, epoch: Epoch = 100_000, at_once: AtOnce = 5_000, profile: Profile = False, keep: Keep = False
) -> None:
    """Decode batches and apply them, in memory; the state records, and the closing of the log, apart."""
    load = Workload(events, seed, at_once)
    tell("fold", in_child(_fold, load, poll, epoch, None), keep)
    if profile:
        with _place() as home:
            in_child(_fold, load, poll, epoch, str(home / "profile"))
            for name, file in (("fold", "profile"), ("state records", "profile.state"), ("closing the log", "profile.close")):
                tell_profile(f"{name}, in memory", top(home / file, events), keep)


@app.command()
def state(conversations: Annotated[int, typer.Option(min=1)] = 20_000, messages: Annotated[int, typer.Option(min=1)] = 10, keep: Keep = False) -> None:
    """Bytes of a live conversation in memory and in its record."""
    tell("state", in_child(_state, conversations, messages), keep)


@app.command()
def meter(events: Events = 300_000, seed: Seed = 1, at_once: AtOnce = 5_000, home: Home = None, keep: Keep = False) -> None:
    """`quarterhour meter` on a file; its facts against those of the fold."""
    from tests.bench.file import run_meter

    load = Workload(events, seed, at_once)
    with _place(home) as place, Display("file", events) as display:
        found, facts = run_meter(load, place, _shown(display))
    tell("meter", found | _equal(facts, expected(load)), keep)


@app.command()
def start(home: Home = None, port_base: PortBase = PORT_BASE, keep: Keep = False) -> None:
    """The whole local stack, from nothing to ready, and again."""
    from tests.bench.file import run_start

    with _place(home) as place:
        tell("start", run_start(place / "stack", port_base), keep)


@app.command()
def apart(
    events: Events = 300_000, seed: Seed = 1, at_once: AtOnce = 5_000, home: Home = None, port_base: PortBase = PORT_BASE,
    profile: Profile = False, keep: Keep = False,
) -> None:  # fmt: skip
    """Ingest, processors and sink, one after another on the same log, with Kafka and ClickHouse."""
    from tests.bench.pipeline import run_apart
    from tests.bench.stand import stand

    load = Workload(events, seed, at_once)
    with _place(home) as place, stand(place, port_base) as parts:
        with Display("log", events) as display:
            parts.fill(load, _shown(display))
        found, facts = run_apart(parts, events, "apart")
        tell("apart", {"rooms": [{"room": room, **figures} for room, figures in found.items()]} | _equal(facts, expected(load)), keep)
        if profile:
            parts.spying = True
            run_apart(parts, events, "spied")
            for room in ("ingest", "processor-1", "sink"):
                tell_profile(f"{room}, on Kafka", spy.top(place / f"{room}.spy"), keep)


@app.command()
def together(
    events: Events = 300_000, seed: Seed = 1, at_once: AtOnce = 5_000, processors: Annotated[int, typer.Option(min=1)] = 1, runs: Runs = 1,
    home: Home = None, port_base: PortBase = PORT_BASE, keep: Keep = False,
) -> None:  # fmt: skip
    """End to end: from the first raw record to the last fact in ClickHouse, everything at once."""
    from tests.bench.pipeline import run_together, warm_up
    from tests.bench.stand import stand

    load = Workload(events, seed, at_once)
    wanted = expected(load)
    found = []
    with _place(home) as place, stand(place, port_base) as parts:
        with Display("log", events) as display:
            parts.fill(load, _shown(display))
        warm_up(parts, events, processors)
        for number in range(runs):
            found.append(_told(*run_together(parts, events, f"together{number}", processors), wanted))
    tell("together" if processors == 1 else f"together with {processors} processors", _middle(found) | {"events": events, "runs": found}, keep)


@app.command()
def workers(
    events: Events = 1_000_000, seed: Seed = 1, at_once: AtOnce = 5_000, most: Annotated[int, typer.Option(min=2, help="Processors at once.")] = 4,
    runs: Runs = 3, home: Home = None, port_base: PortBase = PORT_BASE, keep: Keep = False,
) -> None:  # fmt: skip
    """How the cost of an event grows with 1, 2, 4 processors: end to end, in turn on one log."""
    from tests.bench.pipeline import run_together, warm_up
    from tests.bench.stand import stand

    load = Workload(events, seed, at_once)
    wanted = expected(load)
    found: dict[int, list[dict[str, Any]]] = {1 << power: [] for power in range(most.bit_length())}
    with _place(home) as place, stand(place, port_base) as parts:
        with Display("log", events) as display:
            parts.fill(load, _shown(display))
        warm_up(parts, events)
        for number in range(runs):
            for size, of_size in found.items():
                of_size.append(_told(*run_together(parts, events, f"workers{size}x{number}", size), wanted))
    tell("growth of workers", {"on Kafka": _growth("workers", found)}, keep)


@app.command()
def lengths(
    events: Events = 1_000_000, times: Annotated[int, typer.Option(min=2, help="So many times as long is the other log.")] = 10, seed: Seed = 1,
    at_once: AtOnce = 5_000, runs: Runs = 2, home: Home = None, port_base: PortBase = PORT_BASE, keep: Keep = False,
) -> None:  # fmt: skip
    """How the cost of an event grows with the length of the log: end to end, a short one and a long one in turn."""
    from tests.bench.pipeline import run_together, warm_up
    from tests.bench.stand import stand

    loads = [Workload(size, seed, at_once) for size in (events, events * times)]
    wanted = {load.events: expected(load) for load in loads}
    found: dict[int, list[dict[str, Any]]] = {load.events: [] for load in loads}
    with _place(home) as place, stand(place, port_base) as parts:
        for number in range(runs):
            for load in loads:
                with Display("log", load.events) as display:
                    parts.fill(load, _shown(display))
                if not any(found.values()):
                    warm_up(parts, load.events)
                found[load.events].append(_told(*run_together(parts, load.events, f"length{load.events}x{number}"), wanted[load.events]))
    tell("growth of events, end to end", {"on Kafka": _growth("events", found)}, keep)


def _growth(what: str, found: dict[int, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Medians of each size; `ratio` is the median of the rounds, each against the first size in its own round."""
    firsts = [run["cpu_us_per_event"] for run in next(iter(found.values()))]
    rows = []
    for size, of_size in found.items():
        ratios = [run["cpu_us_per_event"] / first for run, first in zip(of_size, firsts, strict=True)]
        rows.append({"grows": what, "size": size, "facts": of_size[0]["facts"], **_middle(of_size), "ratio": round(statistics.median(ratios), 2)})
    return rows


@app.command()
def peers(
    events: Events = 300_000, seed: Seed = 1, at_once: AtOnce = 5_000, runs: Runs = 3,
    faust_events: Annotated[int, typer.Option(min=1, help="Faust used the ordinary way reads so many of them: it is slow.")] = 30_000,
    home: Home = None, port_base: PortBase = PORT_BASE, keep: Keep = False,
) -> None:  # fmt: skip
    """Kafka Streams and ordinary Faust on the same topic, broker and machine, in turn with ours."""
    from tests.bench.peers import compared, has_java, kafka_streams, ordinary_faust, prepare, run_peer
    from tests.bench.pipeline import run_together, warm_up
    from tests.bench.stand import stand

    load = conversations_only(Workload(events, seed, at_once))
    wanted = expected(load)
    found: dict[str, list[dict[str, Any]]] = {}
    with _place(home) as place, stand(place / "stand", port_base) as parts:
        with Display("log", events) as display:
            parts.fill(load, _shown(display))
        prepare(parts)
        others = [ordinary_faust(parts, min(events, faust_events))]
        others += [kafka_streams(parts, events, guarantee) for guarantee in ("exactly_once_v2", "at_least_once")] if has_java() else []
        warm_up(parts, events)
        for peer in others:
            run_peer(parts, peer)
        for number in range(runs):
            figures, facts = run_together(parts, events, f"ours{number}")
            broker = figures["cpu_us_by_process"]["kafka"]
            found.setdefault("Quarterhour", []).append(figures | _equal(facts, wanted) | {"broker_cpu_us_per_event": broker})
            for peer in others:
                found.setdefault(peer.name, []).append(run_peer(parts, peer))
            print(json.dumps({name: each[-1] for name, each in found.items()}), file=sys.stderr)
    result = compared(found, "Quarterhour")
    medians = [{"engine": name, **figures} for name, figures in result["medians"].items()]
    tell("peers", {"events": events, "runs": runs, "ours_to_theirs": result["ours_to_theirs"], "medians": medians, "all": result["runs"]}, keep)


@app.command()
def latency(
    rates: Annotated[str, typer.Option(help="Events a second, comma separated.")] = "1000,10000,50000",
    seconds: Annotated[float, typer.Option(min=5)] = 20.0, home: Home = None, port_base: PortBase = PORT_BASE, keep: Keep = False,
) -> None:  # fmt: skip
    """From the append that makes a session due to its row in ClickHouse."""
    from tests.bench.latency import run_latency
    from tests.bench.stand import stand

    with _place(home) as place, stand(place, port_base) as parts:
        rows = [run_latency(parts, int(rate), seconds, f"latency{rate}") for rate in rates.split(",")]
    tell("latency", {"rates": rows}, keep)


@app.command()
def knobs(
    rate: Annotated[int, typer.Option(min=1)] = 5_000, seconds: Annotated[float, typer.Option(min=5)] = 15.0, home: Home = None,
    port_base: PortBase = PORT_BASE, keep: Keep = False,
) -> None:  # fmt: skip
    """What each setting buys at one rate: latency against processor time."""
    from tests.bench.latency import run_latency
    from tests.bench.stand import stand

    rows = []
    with _place(home) as place, stand(place, port_base) as parts:
        for number, (name, group, field, value) in enumerate(_KNOBS):
            groups = {group: {field: value}} if group else {}
            found = run_latency(parts, rate, seconds, f"knob{number}", **groups)
            rows.append({"knob": name, **{key: found[key] for key in ("p50_ms", "p95_ms", "p99_ms", "fact_p50_ms", "fact_p99_ms", "cpu_us_per_event")}})
            print(json.dumps(rows[-1]), file=sys.stderr)
    tell("knobs", {"events_per_s": rate, "knobs": rows}, keep)


_KNOBS: Final[tuple[tuple[str, str, str, object], ...]] = (
    ("as delivered", "", "", None),
    ("ingest poll 50 ms", "ingest", "poll_ms", 50),
    ("ingest poll 500 ms", "ingest", "poll_ms", 500),
    ("epoch 0.5 s", "processors", "epoch_s", 0.5),
    ("epoch 2 s", "processors", "epoch_s", 2.0),
    ("epoch 10 s", "processors", "epoch_s", 10.0),
    ("sink flush 100 ms", "sink", "flush_ms", 100),
    ("sink flush 2 s", "sink", "flush_ms", 2_000),
)


@app.command()
def growth(
    events: Events = 200_000, seed: Seed = 1, at_once: AtOnce = 5_000,
    largest: Annotated[int, typer.Option(min=1_000_000, help="Most events of one case: 100000000 is a campaign of hours.")] = 10_000_000,
    only: Annotated[str | None, typer.Option(help="What grows: events, live conversations, workspaces, agents of one workspace.")] = None,
    pairs: Annotated[int, typer.Option(min=1, help="How often each size runs, each time between two runs of the smallest.")] = 3, keep: Keep = False,
) -> None:  # fmt: skip
    """How the cost of an event grows with what there is."""
    from tests.bench.growth import run_growth, sizes_of

    if only not in {None, *(kinds := sizes_of(largest))}:
        raise typer.BadParameter(f"{only!r} is none of {', '.join(kinds)}.", param_hint="--only")
    with Display("growth") as display:
        rows = run_growth(Workload(events, seed, at_once), largest, only, pairs, _shown(display))
    tell("growth" if only is None else f"growth of {only}", {"in memory": rows}, keep)


@app.command()
def query(
    sessions: Annotated[int, typer.Option(min=1)] = 10_000_000, workspaces: Annotated[int, typer.Option(min=8)] = 10,
    asked: Annotated[int, typer.Option(min=1, help="Requests of a kind.")] = 50, home: Home = None, port_base: PortBase = PORT_BASE, keep: Keep = False,
) -> None:  # fmt: skip
    """Trends, pages, CSV and the usage page of one workspace among the sessions of many."""
    from tests.bench.questions import run_questions

    with _place(home) as place, Display("sessions", sessions) as display:
        tell(report.query_stage(sessions), run_questions(place / "stack", port_base, sessions, workspaces, asked, _shown(display)), keep)


@app.command(name="all")
def every(events: Events = 300_000, runs: Runs = 3, port_base: PortBase = PORT_BASE, profile: Profile = False) -> None:
    """Every stage but `growth`, `workers`, `lengths` and `knobs`, and the report."""
    ingest(events=events, profile=profile, keep=True)
    fold(events=events, profile=profile, keep=True)
    state(keep=True)
    meter(events=events, keep=True)
    start(port_base=port_base, keep=True)
    apart(events=events, port_base=port_base, profile=profile and spy.found() is not None, keep=True)
    together(events=events, runs=runs, port_base=port_base, keep=True)
    peers(events=events, runs=runs, port_base=port_base, keep=True)
    latency(port_base=port_base, keep=True)
    query(port_base=port_base, keep=True)


def expected(load: Workload) -> dict[str, str]:
    """The facts that the core makes of a log."""
    facts: dict[str, str] = in_child(_fold, load, 10_000, 100_000, None)["facts"]
    return facts


def tell(stage: str, figures: dict[str, Any], keep: bool) -> None:
    print(json.dumps({"stage": stage, **figures}))
    if keep:
        report.keep(stage, figures)


def tell_profile(title: str, text: str, keep: bool) -> None:
    """Printed, and with `keep` put in place of the older one of that title."""
    print(text)
    if keep:
        head, *parts = (PROFILES.read_text() if PROFILES.exists() else "# Where the time goes\n").split("\n## ")
        kept = {part.partition("\n")[0]: part for part in parts} | {title: f"{title}\n```\n{text}\n```\n"}
        PROFILES.write_text("\n## ".join([head.rstrip("\n") + "\n", *kept.values()]))


def top(path: Path, events: int, lines: int = 25) -> str:
    """The functions with the most own time, as microseconds an event."""
    stats = pstats.Stats(str(path), stream=StringIO())
    rows = sorted(stats.stats.items(), key=lambda item: -item[1][2])[:lines]  # type: ignore[attr-defined]
    out = [f"{'own µs':>8} {'all µs':>8} {'calls':>7}  function      (an event, under the profiler)"]
    for (file, line, name), (_, calls, own_s, all_s, _) in rows:
        where = name if file == "~" else f"{Path(file).parent.name}/{Path(file).name}:{line} {name}"
        out.append(f"{own_s * 1e6 / events:8.3f} {all_s * 1e6 / events:8.3f} {calls / events:7.3f}  {where}")
    return "\n".join(out)


def _told(figures: dict[str, Any], facts: dict[str, str], wanted: dict[str, str]) -> dict[str, Any]:
    """What a run end to end came to, printed as soon as it is over. Raises as `_equal` does."""
    found = figures | _equal(facts, wanted)
    print(json.dumps(found), file=sys.stderr)
    return found


def _middle(runs: list[dict[str, Any]]) -> dict[str, float]:
    """The medians of some runs end to end."""
    return {key: statistics.median(run[key] for run in runs) for key in ("events_per_s", "cpu_us_per_event")}


def _equal(facts: dict[str, str], wanted: dict[str, str]) -> dict[str, int]:
    """The number of facts. Raises when they are not those of the core: then the run counts for nothing."""
    if facts != wanted:
        raise RuntimeError(f"the facts differ, so the run does not count: {facts} instead of {wanted}")
    return {"facts": sum(int(summary.partition(":")[0]) for summary in facts.values())}


@contextmanager
def _place(home: Path | None = None) -> Iterator[Path]:
    """Where files of a stage lie; a temporary one is gone afterwards."""
    place = home or Path(tempfile.mkdtemp(prefix="quarterhour-bench-"))
    place.mkdir(parents=True, exist_ok=True)
    try:
        yield place
    finally:
        if home is None:
            shutil.rmtree(place, ignore_errors=True)


def _shown(display: Display) -> Show:
    return lambda done: display.show(done, f"{done:,}")


def _in_display(title: str, total: int, run: Callable[[Show], dict[str, Any]]) -> dict[str, Any]:
    with Display(title, total) as display:
        return run(_shown(display))


def _ingest(load: Workload, poll: int, profile: str | None) -> dict[str, Any]:
    return _in_display("ingest", load.events, lambda show: core.run_ingest(load, poll, profile, show))


def _fold(load: Workload, poll: int, epoch: int, profile: str | None) -> dict[str, Any]:
    return _in_display("fold", load.events, lambda show: core.run_fold(load, poll, epoch, profile, show))


def _state(conversations: int, messages: int) -> dict[str, Any]:
    return _in_display("state", conversations * (2 * messages + 1), lambda show: core.run_state(conversations, messages, show))
