"""A campaign's result for people (Markdown) and machines (JSON). Pure."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from statistics import median
from typing import Any, Final

from tests.chaos.campaign import Result, Size
from tests.chaos.faults import Done

TARGETS_S: Final = {"ingest": 3.0, "sink": 3.0, "processor": 10.0}


def as_data(result: Result) -> dict[str, Any]:
    return {
        "seed": result.size.seed,
        "seconds": round(result.seconds),
        "events": result.events,
        "load_average": round(_mean(result.loads), 1),
        "events_sent_again": result.sent_again,
        "kills": result.kills,
        "compared": result.verdict.figures,
        "problems": result.verdict.problems,
        "query_answers": dict(result.answers),
        "recovery": _recoveries(result.done),
        "faults": [asdict(done) for done in result.done],
    }


def as_markdown(result: Result) -> str:
    verdict = result.verdict
    found = "**nothing lost, nothing wrong, nothing doubled**" if not verdict.problems else f"**{len(verdict.problems)} differences**"
    lines = [
        "# Chaos campaign on the real parts",
        "",
        f"`{_command(result.size)}`: {len(result.done)} faults, {result.kills} of the processes killed with -9, "
        f"under {result.events:,} events in {result.seconds / 60:.0f} minutes: {found}.",
        "",
        "ClickHouse (FINAL) = the aggregate topics folded by (id, highest revision) = the core over the raw log = the reference model = "
        "`quarterhour meter` on the file that was sent; no (id, revision) with two contents; the ledger balances. Compared: "
        + ", ".join(f"{count:,} {name}" for name, count in verdict.figures.items() if count)
        + f". Load sent again after failures: {result.sent_again:,} events. Answers of the query service meanwhile: "
        + ", ".join(f"{count:,} times {status}" for status, count in sorted(result.answers.items()))
        + ".",
        *[f"- {problem}" for problem in verdict.problems],
        "",
        "## Seconds until a part worked again after kill -9",
        "From the kill to its first work: ingest has sent events, a processor has applied a batch, the sink has inserted rows, the others answer. "
        f"The supervisor's own pause before a restart is in it. {os.cpu_count()} cores; load average {_mean(result.loads):.1f}, "
        f"at most {max(result.loads, default=0):.1f}.",
        "",
        "| part | kills | median | worst | target |",
        "| --- | --- | --- | --- | --- |",
        *[
            f"| {part} | {figures['count']} | {figures['median_s']:.1f} | {figures['worst_s']:.1f} | {_target(part)} |"
            for part, figures in _recoveries(result.done).items()
        ],
        "",
        "## What was done",
        "| fault | lasted | worked again after it ended |",
        "| --- | --- | --- |",
        *[_row(done) for done in result.done],
        "",
    ]
    return "\n".join(lines)


def _recoveries(done: Iterable[Done]) -> dict[str, dict[str, float]]:
    """Of the parts that were killed one at a time."""
    times: dict[str, list[float]] = {}
    for one in done:
        if one.kills == 1 and one.what == f"kill -9 {next(iter(one.back_s))}":
            for part, seconds in one.back_s.items():
                times.setdefault(part.partition("-")[0], []).append(seconds)
    return {part: {"count": len(found), "median_s": round(median(found), 2), "worst_s": round(max(found), 2)} for part, found in sorted(times.items())}


def _command(size: Size) -> str:
    """`make chaos` runs it with its defaults."""
    only = f" --only '{size.only}'" if size.only else ""
    return (
        f"python -m tests.chaos --seed {size.seed} --kills {size.single_kills} --rate {size.rate:g} --days {size.days}{'' if size.long else ' --short'}{only}"
    )


def _mean(loads: Sequence[float]) -> float:
    return sum(loads) / max(1, len(loads))


def _target(part: str) -> str:
    return f"{TARGETS_S[part]:.0f}" if part in TARGETS_S else "-"


def _row(done: Done) -> str:
    back = ", ".join(f"{part} {seconds:.1f} s" for part, seconds in done.back_s.items())
    return f"| {done.what} | {f'{done.lasted_s:.0f} s' if done.lasted_s else '-'} | {back} |"
