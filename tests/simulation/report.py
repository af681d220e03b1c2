"""What a campaign of worlds came to, for people (Markdown). Pure."""

from __future__ import annotations

from typing import Final

from tests.simulation.run import Report

_FAULT: Final = "fault: "
_SHOWN_MAX: Final = 20


def as_markdown(report: Report, seeds: range) -> str:
    """The text of REPORT.md."""
    failed = f"**{len(report.failures)} failed**" if report.failures else "**0 failed**"
    faults = {name.removeprefix(_FAULT): count for name, count in report.counted.items() if name.startswith(_FAULT)}
    others = {name: count for name, count in report.counted.items() if not name.startswith(_FAULT)}
    lines = [
        "# Deterministic simulation",
        "",
        f"`make sim SEEDS={len(seeds)} FIRST={seeds.start}`: seeds {seeds.start:,} to {seeds.stop - 1:,}. {report.worlds:,} worlds, {failed}.",
        "",
        f"{report.turns:,} turns, {report.events:,} events, {report.facts:,} facts judged when they were published, {sum(faults.values()):,} faults, "
        f"{report.cpu_s:,.0f} s of processor time. In each world: no fact that the log does not give, no (id, revision) with two contents; after the faults "
        "the final facts are those of one fold of all events, those of the reference model, and what the store and a consumer hold; the ledger balances.",
        *[f"- `python -m tests.simulation {case}`: {failure[:300]}" for case, failure in report.failures[:_SHOWN_MAX]],
        "",
        "| fault | times |",
        "| --- | --- |",
        *[f"| {name} | {count:,} |" for name, count in sorted(faults.items())],
        "",
        "| what came of them | times |",
        "| --- | --- |",
        *[f"| {name} | {count:,} |" for name, count in sorted(others.items())],
        "",
    ]
    return "\n".join(lines)
