"""`make acceptance [FILE=events.jsonl]`: a file of events through the real stack, in the ways in which it may arrive. About ten minutes for 150,000 events.

Every run has a stack of its own and ends with the judge's comparison of all four witnesses, and of ClickHouse with `quarterhour meter` on the file as given.
Exit code 1 when anything differs. Without a file: 30 made-up days. A `.zst` file is decompressed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import zstandard

from tests.pipeline.files import DAY, WORKSPACE, halves, in_worse_shape, shifts_and_a_conversation
from tests.pipeline.judge import Facts, differences, facts_of_lines, judge, stored_facts, without_rejected
from tests.pipeline.stack import LocalStack, local_stack, quarterhour

SEED: Final = 20
IDLE_S: Final = 120.0
WAIT_S: Final = 900


@dataclass(frozen=True, slots=True)
class Run:
    """One way for the file to arrive. `parts` are emitted one after the other with `idle_s` in between."""

    name: str
    parts: Callable[[Sequence[bytes]], Sequence[Sequence[bytes]]]
    processors: int = 1
    idle_s: float = 0.0


RUNS: Final = (
    Run("as it is", lambda lines: [lines]),
    Run("within 20 h in any order, each event up to three times", lambda lines: [in_worse_shape(lines, SEED)]),
    Run("two minutes idle between two halves", halves, idle_s=IDLE_S),
    Run("two processors", lambda lines: [lines], processors=2),
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.pipeline.acceptance")
    parser.add_argument("file", nargs="?", default="", help="JSON lines of events; .zst is decompressed. Default: 30 simulated days.")
    parser.add_argument("--only", type=int, help="number of the one run to do, from 1")
    parser.add_argument("--idle", type=float, default=IDLE_S, help="seconds between the two halves (default: %(default)s)")
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="quarterhour-acceptance-") as place:
        here = Path(place)
        lines = read_lines(arguments.file, here)
        expected = metered(lines, here)
        print(f"{len(lines):,} events, {len(expected):,} facts by `quarterhour meter`", flush=True)
        chosen = [run for number, run in enumerate(RUNS, 1) if arguments.only in (None, number)]
        problems = [problem for run in chosen for problem in tried(run, lines, expected, here, arguments.idle)]
    for problem in problems:
        print(f"DIFFERS: {problem}")
    print("FAILED" if problems else "all agree")
    return 1 if problems else 0


def tried(run: Run, lines: Sequence[bytes], expected: Facts, here: Path, idle_s: float) -> list[str]:
    """Every difference of one run."""
    began_at = time.monotonic()
    with local_stack(here / f"run-{RUNS.index(run) + 1}", processors=run.processors) as stack:
        for number, part in enumerate(run.parts(lines)):
            if number:
                time.sleep(idle_s)
            emit(stack, part, here)
        emit(stack, shifts_and_a_conversation(), here)
        stack.run("wait", "--close", "--timeout", str(WAIT_S), timeout_s=WAIT_S + 60)
        done_s = time.monotonic() - began_at
        verdict = judge(stack)
        stored = {name: fact for name, fact in without_rejected(stored_facts(stack.settings())).items() if fact["workspace_id"] != WORKSPACE}
        problems = [
            *verdict.problems,
            *differences("ClickHouse", stored, "`quarterhour meter` on the file", expected),
            *api_problems(stack),
        ]
    print(f"{run.name}: {done_s:.0f} s, {verdict.figures}, {len(problems)} problems", flush=True)
    return [f"{run.name}: {problem}" for problem in problems]


def api_problems(stack: LocalStack) -> list[str]:
    """Through the query service: 31 minutes are 3 sessions, 100 agents in three shifts are 100 named seats, and 67 at one time."""
    asked = {"from": DAY, "to": f"{DAY[:-1]}{int(DAY[-1]) + 2}"}
    key = stack.key(WORKSPACE)
    seats = stack.ask("/v1/usage/seats", key, **asked)["together"]
    trend = stack.ask("/v1/usage/trends", key, **asked)["buckets"]
    found = {
        "billing_sessions": sum(bucket["billing_sessions"] for bucket in trend),
        "conversations": sum(bucket["conversations"] for bucket in trend),
        "named_seats": seats["named_seats"],
        "concurrent_seats": seats["concurrent_seats"],
    }
    wanted = {"billing_sessions": 3, "conversations": 1, "named_seats": 100, "concurrent_seats": 67}
    return [] if found == wanted else [f"the API says {found}, by hand it is {wanted}"]


def metered(lines: Sequence[bytes], here: Path) -> Facts:
    """What `quarterhour meter` prints for the file as it was given."""
    return without_rejected(facts_of_lines(quarterhour("meter", str(written(lines, here))).splitlines()))


def emit(stack: LocalStack, lines: Sequence[bytes], here: Path) -> None:
    stack.run("emit", str(written(lines, here)))


def written(lines: Sequence[bytes], here: Path) -> Path:
    file = here / "part.jsonl"
    file.write_bytes(b"".join(line + b"\n" for line in lines))
    return file


def read_lines(name: str, here: Path) -> list[bytes]:
    """The lines of the file, without their ends."""
    if not name:
        made = here / "made-up.jsonl"
        quarterhour("simulate", "--start", "2026-03-01", "--days", "30", "--seed", str(SEED), "--out", str(made))
        return made.read_bytes().splitlines()
    if name.endswith(".zst"):
        with Path(name).open("rb") as packed:
            return zstandard.ZstdDecompressor().stream_reader(packed).read().splitlines()
    return Path(name).read_bytes().splitlines()


if __name__ == "__main__":
    sys.exit(main())
