"""RESULTS.json, which holds the newest figures of every stage with commit and day, and RESULTS.md, which is written from it alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from tests.bench.measure import commit, machine

HERE: Final = Path(__file__).parent
JSON: Final = HERE / "RESULTS.json"
MARKDOWN: Final = HERE / "RESULTS.md"

Figures = dict[str, Any]

HEAD: Final = """\
# Measurements

Written by `python -m tests.bench` from RESULTS.json; `--help` lists the stages. One machine, figures as they came: where it was shared with other work,
processor time says more than events a second. A figure of the pipeline is kept only when ClickHouse ended with exactly the facts that the core makes of
the same log in memory. Where the time goes: PROFILES.md.
"""


def keep(stage: str, figures: Figures) -> None:
    """Put a stage's figures in place of older ones, and write both files."""
    found = json.loads(JSON.read_text()) if JSON.exists() else {"stages": {}}
    found["machine"] = machine()
    found["stages"][stage] = {"commit": commit(), "day": datetime.now(UTC).date().isoformat(), "figures": figures}
    JSON.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    MARKDOWN.write_text(as_markdown(found))


def as_markdown(found: Figures) -> str:
    """The report of what is in RESULTS.json."""
    parts = [HEAD, "Machine: " + ", ".join(f"{name} {value}" for name, value in found["machine"].items()) + ".\n"]
    parts.append("## Against the figures to reach\n")
    parts.append(_table(("what", "reach", "and then", "measured"), list(_reached(found["stages"]))))
    for stage, kept in sorted(found["stages"].items()):
        parts.append(f"## {stage}\n\nCommit {kept['commit']}, {kept['day']}.\n")
        parts += list(_told(kept["figures"]))
    return "\n".join(parts)


def _told(figures: Figures) -> Iterator[str]:
    """Rows of equal shape as one table, everything else as a list of names and values."""
    plain = [(name, value) for name, value in figures.items() if not _is_rows(value)]
    if plain:
        yield _table(("what", "figure"), [(name, _text(value)) for name, value in plain])
    for name, rows in figures.items():
        if _is_rows(rows):
            columns = list(dict.fromkeys(column for row in rows for column in row))
            yield f"### {name}\n"
            yield _table(tuple(columns), [tuple(_text(row.get(column, "")) for column in columns) for row in rows])


def _is_rows(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _text(value: object) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{name} {_text(inner)}" for name, inner in value.items())
    if isinstance(value, float):
        return f"{value:,.2f}" if abs(value) < 1_000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in (head, ("---",) * len(head), *rows)]
    return "\n".join(lines) + "\n"


def _reached(stages: Figures) -> Iterator[tuple[str, ...]]:
    for what, reach, then, look in _WANTED:
        try:
            yield what, reach, then, look({stage: kept["figures"] for stage, kept in stages.items()})
        except (KeyError, StopIteration):
            yield what, reach, then, "not measured"


def query_stage(sessions: int) -> str:
    """The stage `query` is the largest; one of fewer sessions does not take its place."""
    return "query" if sessions >= 100_000_000 else f"query of {sessions:,} sessions"


def _against(name: str, key: str) -> Callable[[Figures], str]:
    return lambda stages: f"{stages['peers']['ours_to_theirs'][name][key]}×"


def _grown(what: str) -> Callable[[Figures], str]:
    """From the smallest to the largest that was measured."""

    def look(stages: Figures) -> str:
        (rows,) = filter(_is_rows, stages[f"growth of {what}"].values())
        return f"{rows[-1]['ratio']}× from {rows[0]['size']:,} to {rows[-1]['size']:,}"

    return look


_FEWER: Final = query_stage(10_000_000)
_WANTED: Final[tuple[tuple[str, str, str, Callable[[Figures], str]], ...]] = (
    ("end to end, all guarantees on: conversations, in the run with the peers", "≥ 110,000 events/s", "", lambda f: f"{_ours(f)['events_per_s']:,.0f}"),
    ("the same with seats, calls and alerts", "", "", lambda f: f"{f['together']['events_per_s']:,}, {f['together']['cpu_us_per_event']} µs"),
    ("against Kafka Streams exactly_once_v2, same run", "≥ 1.5×", "≥ 2.5×", _against("Kafka Streams, exactly_once_v2", "events_per_s")),
    ("CPU per event against Kafka Streams, same run", "≤ ½", "≤ ¼", _against("Kafka Streams, exactly_once_v2", "cpu_per_event")),
    ("against Faust used the ordinary way", "≥ 10×", "≥ 25×", _against("Faust, the ordinary way", "events_per_s")),
    ("CPU per event, ingest + processors + sink, same run", "≤ 12 µs", "≤ 7 µs", lambda f: f"{_ours(f)['cpu_us_per_event']} µs"),
    ("RAM per live conversation, 10 user messages", "≤ 800 B", "≤ 400 B", lambda f: f"{f['state']['ram_bytes_per_live']:,.0f} B"),
    ("its record", "≤ 400 B", "≤ 250 B", lambda f: f"{f['state']['record_bytes_per_live']:,.0f} B"),
    *(
        (f"cost of an event, growth of {what}", "≤ 1.15×", "", _grown(what))
        for what in ("events", "events, end to end", "live conversations", "workspaces", "agents of one workspace", "agents of one workspace, small messages")
    ),
    ("cost of an event, growth of workers from 1, end to end (4: reported only)", "≤ 1.15×", "", lambda f: _of_workers(f["growth of workers"]["on Kafka"])),
    ("append → ClickHouse at 10,000 events/s", "p99 ≤ 1.5 s", "≤ 700 ms", lambda f: f"p99 {_at(f['latency']['rates'], 'events_per_s', 10_000)['p99_ms']} ms"),
    ("trend of six months of one workspace among 100 million sessions, p99", "≤ 100 ms", "≤ 40 ms", lambda f: f"{f['query']['trends_together_p99_ms']} ms"),
    ("the same by app", "≤ 100 ms", "≤ 40 ms", lambda f: f"{f['query']['trends_p99_ms']} ms"),
    ("the same among 10 million, together and by app", "≤ 100 ms", "", lambda f: f"{f[_FEWER]['trends_together_p99_ms']} ms, {f[_FEWER]['trends_p99_ms']} ms"),
    ("first page of sessions among 10 million, p50", "≤ 50 ms", "", lambda f: f"{f[_FEWER]['page_p50_ms']} ms"),
    ("the same among 100 million", "", "", lambda f: f"{f['query']['page_p50_ms']} ms"),
    ("usage page interactive, p50", "≤ 1 s", "", lambda f: f"{f['query']['page_interactive_p50_ms']} ms"),
    ("CSV export", "≥ 200,000 rows/s", "≥ 500,000", lambda f: f"{f['query']['csv_rows_per_s']:,}"),
    ("`quarterhour meter` on a file", "≥ 150,000 events/s", "≥ 300,000", lambda f: f"{f['meter']['events_per_s']:,}"),
    ("cold start of the whole local stack", "≤ 20 s", "≤ 10 s", lambda f: f"{f['start']['cold_s']} s"),
)


def _of_workers(rows: list[Figures]) -> str:
    return ", ".join(f"{row['ratio']}× with {row['size']}" for row in rows[1:])


def _ours(stages: Figures) -> Figures:
    return _at(stages["peers"]["medians"], "engine", "Quarterhour")


def _at(rows: list[Figures], key: str, value: object) -> Figures:
    return next(row for row in rows if row[key] == value)
