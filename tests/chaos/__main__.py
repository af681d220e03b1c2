"""`make chaos`: the whole campaign, 20 to 35 minutes. Writes REPORT.md and REPORT.json beside this file; exit code 1 when anything differs.

`python -m tests.chaos --seed 7 --keep DIR` keeps the stack's logs.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

from tests.chaos.campaign import Size, run_campaign, tell
from tests.chaos.report import as_data, as_markdown

HERE = Path(__file__).parent


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=42, help="single kills, beside those of the other faults (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=100.0, help="events a second (default: %(default)s)")
    parser.add_argument("--days", type=int, default=7, help="days of traffic (default: %(default)s)")
    parser.add_argument("--short", action="store_true", help="kills alone")
    parser.add_argument("--only", default="", help="only faults whose name holds this text, such as 'network kafka'")
    parser.add_argument("--keep", type=Path, help="run here and leave the logs")
    parser.add_argument("--report", type=Path, default=HERE / "REPORT.md")
    arguments = parser.parse_args()
    home = arguments.keep or Path(tempfile.mkdtemp(prefix="quarterhour-chaos-"))
    home.mkdir(parents=True, exist_ok=True)
    size = Size(arguments.seed, arguments.days, 400, arguments.rate, arguments.kills, not arguments.short, arguments.only)
    result = run_campaign(size, home, tell)
    if not arguments.keep:
        shutil.rmtree(home, ignore_errors=True)
    arguments.report.write_text(as_markdown(result))
    arguments.report.with_suffix(".json").write_text(json.dumps(as_data(result), indent=1) + "\n")
    print(as_markdown(result))
    return 1 if result.verdict.problems else 0


if __name__ == "__main__":
    sys.exit(main())
