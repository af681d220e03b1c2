"""The same log, broker and machine for others: Kafka Streams in Java, and Faust used the ordinary way.

Rule: runs are interleaved, ours count only with equal facts, and what is compared is the median of each.
Limit: the peers do less than we do: no duplicates, late events, corrections, seats, checks. They read `platform.conversations` alone, so the log is that.
Kafka Streams needs a JDK of 17 and Maven; without them it is left out, and the report says so.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from services.events.topics import CONVERSATIONS
from tests.bench.measure import cpu_s_of
from tests.bench.stand import Stand

RUN_SH: Final = Path(__file__).parent / "kafka_streams" / "run.sh"
ROOT: Final = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Peer:
    name: str
    argv: tuple[str, ...]


def kafka_streams(stand: Stand, events: int, guarantee: str) -> Peer:
    return Peer(f"Kafka Streams, {guarantee}", ("bash", str(RUN_SH), stand.servers, CONVERSATIONS, str(os.cpu_count() or 2), guarantee, str(events)))


def ordinary_faust(stand: Stand, events: int) -> Peer:
    partitions = stand.settings.kafka.raw_partitions
    return Peer("Faust, the ordinary way", (sys.executable, "-m", "tests.bench.ordinary_faust", stand.servers, CONVERSATIONS, str(partitions), str(events)))


def has_java() -> bool:
    return shutil.which("javac") is not None and shutil.which("mvn") is not None


def prepare(stand: Stand) -> None:
    """The topic that peers write to; the yardstick compiled."""
    admin = AdminClient({"bootstrap.servers": stand.servers})
    for future in admin.create_topics([NewTopic("peer.sessions", stand.settings.kafka.facts_partitions, 1)]).values():
        future.result(20)
    if has_java():
        subprocess.run(("bash", str(RUN_SH)), capture_output=True, env=_environment(stand), timeout=600, check=False)


def run_peer(stand: Stand, peer: Peer) -> dict[str, Any]:
    """Its own figures, its peak memory, and what it cost the broker."""
    broker_s = cpu_s_of(stand.parts["kafka"].pid)
    log = stand.home / "peer.log"
    with log.open("ab") as errors:
        process = subprocess.Popen(peer.argv, cwd=ROOT, env=_environment(stand), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors)
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    lines = [line for line in said.decode(errors="replace").splitlines() if line.startswith("{")]
    if not lines:
        raise RuntimeError(f"{peer.name} said nothing (exit code {process.returncode}): {log.read_text(errors='replace')[-2_000:]}")
    found: dict[str, Any] = json.loads(lines[-1])
    broker_us = (cpu_s_of(stand.parts["kafka"].pid) - broker_s) * 1e6 / max(1, found["events"])
    return found | {"peak_rss_mib": round(usage.ru_maxrss / 1024, 1), "broker_cpu_us_per_event": round(broker_us, 2)}


def compared(runs: Mapping[str, Sequence[dict[str, Any]]], ours: str) -> dict[str, Any]:
    """Medians, and how many times as fast and as cheap ours is."""
    medians = {name: {key: _median(found, key) for key in ("events_per_s", "cpu_us_per_event", "broker_cpu_us_per_event")} for name, found in runs.items()}
    mine = medians[ours]
    ratios = {
        name: {
            "events_per_s": round(mine["events_per_s"] / theirs["events_per_s"], 2),
            "cpu_per_event": round(mine["cpu_us_per_event"] / theirs["cpu_us_per_event"], 2),
        }
        for name, theirs in medians.items()
        if name != ours
    }
    return {"medians": medians, "ours_to_theirs": ratios, "runs": runs}


def _median(found: Sequence[dict[str, Any]], key: str) -> float:
    return round(float(statistics.median(run[key] for run in found)), 2)


def _environment(stand: Stand) -> dict[str, str]:
    return {**os.environ, "PEER_BUILD": str(stand.home.parent / "kafka-streams-build"), "PYTHONPATH": str(ROOT)}
