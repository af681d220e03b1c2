"""`python -m tests.chaos.recovery`: how long a processor takes to work again after kill -9, with a million live conversations in its state.

Prints the seconds from the kill to the first new batch, the processor time that the new process used until then (which other people's load
does not lengthen), the bytes of the state topic that it read, and its memory. Exit code 1 when the target of 10 s is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import psutil  # type: ignore[import-untyped]

from services.events.times import format_ms
from services.local.plan import Ports
from services.local.state import StackState, read_state
from services.runtime.clock import wall_ms
from services.runtime.kafka import state_topic
from tests.chaos.stage import WORK, counted
from tests.pipeline.stack import LocalStack, local_stack

TARGET_S: Final = 10.0
BACK_S: Final = 300.0
WAIT_S: Final = 1_800
WORKSPACES: Final = 50
SPREAD_MS: Final = 20 * 60_000
NAME: Final = "processor-1"


@dataclass(frozen=True, slots=True)
class Recovery:
    """One kill."""

    back_s: float
    used_s: float
    """Processor time, user and system, of the new process."""
    memory_mb: int


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.recovery")
    parser.add_argument("--conversations", type=int, default=1_000_000)
    parser.add_argument("--kills", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="quarterhour-recovery-") as place:
        home = Path(place)
        events = home / "events.jsonl"
        with events.open("wb") as file:
            file.writelines(live_conversations(arguments.conversations, wall_ms()))
        with local_stack(home / "stack") as stack:
            stack.run("emit", str(events), timeout_s=WAIT_S)
            stack.run("wait", "--timeout", str(WAIT_S), timeout_s=WAIT_S + 60)
            found = [killed(stack) for _ in range(arguments.kills)]
            read_bytes = state_bytes(stack)
    worst_s = max(each.back_s for each in found)
    print(json.dumps({"conversations": arguments.conversations, "state_topic_bytes": read_bytes, "kills": [asdict(each) for each in found]}))
    print(f"first new batch after {worst_s:.1f} s at worst (target {TARGET_S:.0f} s); {read_bytes / 1e6:,.0f} MB of state read (target 1,000 MB)")
    return 0 if worst_s <= TARGET_S and read_bytes < 1e9 else 1


def live_conversations(count: int, now_ms: int) -> Iterator[bytes]:
    """One started conversation after the other, all in the last 20 minutes: none of them can be let go."""
    for number in range(count):
        time_ms = now_ms - SPREAD_MS + number * SPREAD_MS // count
        data = {"workspace_id": f"w-{number % WORKSPACES}", "app_id": f"app-{number % 7}", "channel": "web", "kore_user_id": f"u-{number}", "initiator": "user"}
        event = {"specversion": "1.0", "id": str(number), "source": "recovery", "type": "conversation.started", "time": format_ms(time_ms)}
        yield json.dumps(event | {"subject": f"conversation-{number:08d}", "data": data}).encode() + b"\n"


def killed(stack: LocalStack) -> Recovery:
    before = _state(stack)
    (pid,) = [part.pid for part in before.parts if part.name == NAME]
    port = Ports(before.port_base).metrics(3)
    os.kill(pid, signal.SIGKILL)
    began_at = time.monotonic()
    while _pid(stack) in (0, pid) or counted(port, WORK["processor"]) == 0:
        assert time.monotonic() < began_at + BACK_S, f"no new batch after {BACK_S:.0f} s"
        time.sleep(0.05)
    back_s = time.monotonic() - began_at
    process = psutil.Process(_pid(stack))
    times = process.cpu_times()
    found = Recovery(round(back_s, 2), round(times.user + times.system, 2), process.memory_info().rss >> 20)
    time.sleep(5.0)
    return found


def state_bytes(stack: LocalStack) -> int:
    """What a recovery of all partitions reads: the state topic as it lies on the broker's disk."""
    logs = stack.home / "kafka" / "logs"
    return sum(segment.stat().st_size for segment in logs.glob(f"{state_topic(stack.settings())}-*/*.log"))


def _pid(stack: LocalStack) -> int:
    return next((part.pid for part in _state(stack).parts if part.name == NAME), 0)


def _state(stack: LocalStack) -> StackState:
    state = read_state(stack.home)
    assert state is not None
    return state


if __name__ == "__main__":
    sys.exit(main())
