"""`quarterhour verify`: prove, on a live system, that what is billed is what the raw log says. Reads only."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from services.cli.errors import explained
from services.cli.progress import Display

if TYPE_CHECKING:
    from services.cli.proof.findings import Finding, Findings
    from services.cli.proof.proof import Summary

EXIT_DIFFERENT: Final = 1
EXIT_BEHIND: Final = 3
"""Nothing is wrong as far as can be seen, but a part of the work is behind."""
TEXT_MAX: Final = 300


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("verify")(verify)


def verify(
    *,
    since: Annotated[str | None, typer.Option("--from", help="Only facts that start on or after this day or instant.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Only facts that start before this day or instant.")] = None,
    workspace: Annotated[str | None, typer.Option(help="Only the facts of this workspace. The ledger is of all.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Print every difference, not the first ones of each kind.")] = False,
    first: Annotated[int, typer.Option(min=1, help="How many differences of each kind are printed.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
    ignore: Annotated[list[str] | None, typer.Option(help="A kind of difference that does not count, such as two_events; may be repeated.")] = None,
    patience: Annotated[float, typer.Option(min=0.0, help="Seconds to wait at most for parts of the work that are behind.")] = 60.0,
    passes: Annotated[int, typer.Option(min=1, help="Passes over the raw log, each with its share of the facts; each pass reads all of it.")] = 1,
    data_dir: Annotated[Path | None, typer.Option(help="Data directory of the local stack to ask.")] = None,
) -> None:
    """Prove that ledger, facts and ClickHouse are what the raw log says: count it, meter it again, compare fact by fact.

    Exit code 0: proven. 1: differences, each with its name. 3: no difference, but a part of the work is behind.

    Example: quarterhour verify --workspace acme --from 2026-01-01 --to 2026-02-01
    """
    from services.cli.instants import instant_ms
    from services.cli.proof.facts import Scope
    from services.cli.proof.findings import Findings
    from services.cli.proof.proof import Proof
    from services.local.find import stack_settings

    from_ms = None if since is None else instant_ms(since, "--from")
    to_ms = None if until is None else instant_ms(until, "--to")
    ignored = _kinds(ignore or [])
    findings = Findings(None if every else first)
    with explained(), Display("verify") as display:
        summary = Proof(stack_settings(data_dir), Scope(workspace, from_ms, to_ms, passes), patience, findings, display).run()
    code = exit_code(findings, ignored)
    if as_json:
        typer.echo(json.dumps(_as_json(summary, findings, code), ensure_ascii=False))
    else:
        _print(summary, findings, code)
    raise typer.Exit(code)


def exit_code(findings: Findings, ignored: set[str]) -> int:
    """0, or what the findings that count say."""
    from services.cli.proof.findings import Kind

    kinds = {kind for kind in findings.counts if kind not in ignored}
    if kinds - {Kind.BEHIND}:
        return EXIT_DIFFERENT
    return EXIT_BEHIND if kinds else 0


def _kinds(names: list[str]) -> set[str]:
    from services.cli.proof.findings import Kind

    unknown = sorted(set(names) - set(Kind))
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}: no such kind. There are {', '.join(Kind)}.", param_hint="--ignore")
    return set(names)


def _as_json(summary: Summary, findings: Findings, code: int) -> dict[str, object]:
    return {"proven": code == 0, **summary.as_dict(), "differences": findings.counts, "first": [asdict(found) for found in findings.kept]}


def _print(summary: Summary, findings: Findings, code: int) -> None:
    from services.cli.proof.findings import MEANING

    s = summary
    typer.echo(f"raw log     {s.records:,} records: {s.accepted:,} accepted, {s.refused:,} refused, {s.control:,} control; {s.duplicates:,} duplicates")
    typer.echo(f"ledger      {s.lines:,} lines held against the raw log; {s.behind_lines:,} records are younger than the lines")
    for topic, counts in s.facts.items():
        typer.echo(f"facts       {topic}: {counts['metered']:,} metered again, {counts['topic']:,} in the topic, {counts['clickhouse']:,} in ClickHouse")
    typer.echo(f"seats       {s.seat_quarters:,} peaks held against maxIntersections")
    for found in findings.kept:
        typer.echo(_text(found))
    for kind, count in findings.counts.items():
        typer.echo(f"{kind}: {count:,} {MEANING[kind]}")
    typer.echo(f"{'PROVEN' if code == 0 else 'NOT PROVEN'} ({s.seconds:.1f} s)")


def _text(found: Finding) -> str:
    from services.cli.proof.findings import differences

    parts = [f"{found.kind}  {found.where}  {found.id}", found.note]
    if found.expected is not None and found.found is not None:
        unequal = differences(found.expected, found.found)
        parts.append("; ".join(f"{name}: expected {_short(sides[0])}, found {_short(sides[1])}" for name, sides in unequal.items()))
    else:
        parts.append(_short(found.expected or found.found or ""))
    return "  ".join(part for part in parts if part)


def _short(value: object) -> str:
    text = value if isinstance(value, str) and not value else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= TEXT_MAX else f"{text[:TEXT_MAX]}…"
