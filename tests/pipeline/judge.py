"""Four independent witnesses of one stack, compared fact by fact: ClickHouse (FINAL), the aggregate topics, the core over the raw log, the reference model.

Rule: every witness but ClickHouse and the topics starts from the raw records with the log times that the broker holds, so no earlier step can hide a loss.
The aggregate topics are folded by the highest revision of an id; an (id, revision) with two contents is a fault of its own (T6).
The ledger is compared with the raw log too. Limit: all is held in memory, about 3 KB an event.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

from confluent_kafka import Consumer, Message, TopicPartition

from services.cli.offsets import Offsets
from services.events import topics
from services.runtime import clickhouse
from services.runtime.kafka import client_config
from services.runtime.settings import Settings
from services.sink.rows import TABLES
from tests.pipeline.stack import LocalStack, quarterhour
from tests.reference.instants import instant_ms
from tests.reference.model import judged_by_time, reference_of_events, rejected_fact
from tests.reference.validate import CONTROL_TYPE, Refusal, read_line

JUDGED: Final = tuple(topic for topic in topics.FACT_TOPICS if topic != topics.LEDGER)
SHOWN_MAX: Final = 5
LEDGER_S_MAX: Final = 20.0


class RawRecord(NamedTuple):
    """A record of a raw topic, as the broker holds it."""

    topic: str
    partition: int
    offset: int
    log_ms: int
    value: bytes | None


Name = tuple[str, str]
"""(topic, id of the fact)."""
Facts = dict[Name, dict[str, Any]]
"""The facts that are not void, without their revisions."""


@dataclass(slots=True)
class Published:
    """What the aggregate topics hold."""

    facts: Facts = field(default_factory=dict)
    ledger: list[dict[str, Any]] = field(default_factory=list)
    records: int = 0
    repeated: int = 0
    """Records that say again what an earlier one said: harmless, counted."""
    conflicts: list[str] = field(default_factory=list)
    """Ids and revisions with two contents."""


@dataclass(slots=True)
class Verdict:
    """What was compared, and every difference in words; `problems` empty: all agree."""

    figures: dict[str, int]
    problems: list[str]


def judge(stack: LocalStack) -> Verdict:
    """Compare the four witnesses of a stack that has come to rest."""
    settings = stack.settings()
    raw = raw_log(settings)
    published = settled(settings, raw)
    core, reference = core_facts(stack), reference_facts(raw)
    stored = stored_facts(settings)
    problems = [
        *differences("the aggregate topics", published.facts, "the core over the raw log", core),
        *differences("ClickHouse", stored, "the aggregate topics", published.facts),
        *differences("the core over the raw log", without_detail(core), "the reference model", reference),
        *published.conflicts,
        *ledger_problems(raw, published.ledger),
    ]
    figures = {"raw records": len(raw), "facts": len(stored), "fact records": published.records, "repeated": published.repeated}
    return Verdict(figures | {topic: sum(name[0] == topic for name in stored) for topic in JUDGED}, problems)


def settled(settings: Settings, raw: Sequence[RawRecord]) -> Published:
    """The aggregate topics once the last ledger lines are out, which follow the facts within seconds."""
    deadline = time.monotonic() + LEDGER_S_MAX
    while True:
        published = published_facts(settings)
        if not ledger_problems(raw, published.ledger) or time.monotonic() > deadline:
            return published
        time.sleep(1.0)


def raw_log(settings: Settings) -> list[RawRecord]:
    """Every record of the raw topics, oldest log time first."""
    records = [
        RawRecord(str(message.topic()), _number(message.partition()), _number(message.offset()), max(0, message.timestamp()[1]), message.value())
        for message in read_topics(settings, topics.RAW_TOPICS)
    ]
    return sorted(records, key=lambda record: (record.log_ms, record.topic, record.partition, record.offset))


def published_facts(settings: Settings) -> Published:
    """The aggregate topics, folded as a consumer should."""
    found = Published()
    last: dict[Name, tuple[int, bytes]] = {}
    said: dict[tuple[Name, int], bytes] = {}
    for message in read_topics(settings, topics.FACT_TOPICS):
        found.records += 1
        topic, value = str(message.topic()), message.value() or b""
        fact = json.loads(value)
        name, revision = (topic, (message.key() or b"").decode()), int(fact["revision"])
        before = said.setdefault((name, revision), value)
        found.repeated += before is not value
        if before != value:
            found.conflicts.append(f"{name} revision {revision} has two contents: {before!r} and {value!r}")
        if revision >= last.get(name, (-1, b""))[0]:
            last[name] = revision, value
    for name, (_, value) in last.items():
        fact = json.loads(value)
        if name[0] == topics.LEDGER:
            found.ledger.append(fact)
        elif fact["status"] != "void":
            found.facts[name] = comparable(fact)
    return found


def stored_facts(settings: Settings) -> Facts:
    """ClickHouse's tables with FINAL, without voids."""
    client = clickhouse.connect(settings.clickhouse)
    found: Facts = {}
    for topic in JUDGED:
        table = TABLES[topic]
        answer = client.query(f"SELECT {', '.join(table.columns)} FROM {table.name} FINAL WHERE status != 'void'")
        for row in answer.result_rows:
            found[topic, str(row[0])] = comparable(dict(zip(table.columns, row, strict=True)))
    return found


def core_facts(stack: LocalStack) -> Facts:
    """What `quarterhour meter` computes from `quarterhour dump`: the raw records with their own origins and log times."""
    with TemporaryDirectory() as place:
        log = Path(place) / "log.jsonl"
        stack.run("dump", "--out", str(log))
        return facts_of_lines(quarterhour("meter", str(log)).splitlines())


def reference_facts(raw: Iterable[RawRecord]) -> Facts:
    """The judge that shares no code with the core. The `detail` of a refusal is not judged."""
    accepted: list[Mapping[str, Any]] = []
    refused = []
    for record in raw:
        value = record.value or b""
        found = read_line(value)
        if isinstance(found, dict) and found["type"] == CONTROL_TYPE:
            continue
        time_ms = instant_ms(found["time"]) if isinstance(found, dict) else None
        found = judged_by_time(found, time_ms, record.log_ms)
        if isinstance(found, Refusal):
            fact = rejected_fact(found, record.topic, record.offset, record.log_ms, value)
            refused.append(fact | {"rejected_id": f"{record.topic}/{record.partition}/{record.offset}", "source_partition": record.partition})
        else:
            accepted.append(found | {"time_ms": time_ms})
    return without_detail({(str(fact["topic"]), str(list(fact.values())[1])): comparable(fact) for fact in [*refused, *reference_of_events(accepted)]})


def facts_of_lines(lines: Iterable[str | bytes]) -> Facts:
    """What `quarterhour meter` printed."""
    found: Facts = {}
    for line in lines:
        fact = json.loads(line)
        found[fact["topic"], str(list(fact.values())[1])] = comparable(fact)
    return found


def without_rejected(facts: Facts) -> Facts:
    """For files that were sent in another order, or more than once: a refusal names its origin."""
    return {name: fact for name, fact in facts.items() if name[0] != topics.REJECTED}


def without_detail(facts: Facts) -> Facts:
    return {name: {key: value for key, value in fact.items() if key != "detail"} for name, fact in facts.items()}


def comparable(fact: Mapping[str, Any]) -> dict[str, Any]:
    """Without topic and revision; instants as their text."""
    return {name: _text(value) for name, value in fact.items() if name not in ("topic", "revision")}


def differences(one: str, mine: Facts, other: str, theirs: Facts) -> list[str]:
    """In words, the first few of each kind in full."""
    lacks = [f"{one} lacks {name}, which {other} has: {theirs[name]}" for name in theirs.keys() - mine.keys()]
    extra = [f"{one} has {name}, which {other} lacks: {mine[name]}" for name in mine.keys() - theirs.keys()]
    unlike = [f"{one} says {mine[name]}, {other} {theirs[name]}" for name in mine.keys() & theirs.keys() if mine[name] != theirs[name]]
    return [line for found in (lacks, extra, unlike) for line in _shortened(found)]


def ledger_problems(raw: Iterable[RawRecord], ledger: Iterable[Mapping[str, Any]]) -> list[str]:
    """SPEC §7: records of the raw log = read + control; read = accepted + rejected; what ingest accepted = what was applied over the batches partitions.

    A processor's own `accepted` also counts rows that came again in another cut: those are its `covered`.
    """
    held: dict[tuple[str, int], int] = {}
    for record in raw:
        where = (record.topic, record.partition)
        held[where] = held.get(where, 0) + 1
    read: dict[tuple[str, int], tuple[int, int]] = {}
    applied: dict[tuple[str, int], int] = {}
    problems = []
    for line in ledger:
        where = (line["source_topic"], line["source_partition"])
        if line["stage"] == "ingest":
            read[where] = line["read"] + line["control"], line["accepted"]
            if line["read"] != line["accepted"] + sum(line["rejected"].values()):
                problems.append(f"the ledger does not balance: {line}")
        else:
            applied[where] = applied.get(where, 0) + line["applied"]
            if line["accepted"] != line["applied"] + line["covered"]:
                problems.append(f"the ledger does not balance: {line}")
    for where, count in held.items():
        if read.get(where, (0, 0))[0] != count:
            problems.append(f"{where} holds {count} records, the ledger's ingest line says {read.get(where)}")
        if applied.get(where, 0) != read.get(where, (0, 0))[1]:
            problems.append(f"{where}: ingest accepted {read.get(where)}, the processors applied {applied.get(where)}")
    return _shortened(problems)


def read_topics(settings: Settings, names: Iterable[str]) -> Iterator[Message]:
    """Every record that the topics hold now."""
    held = {where: offsets for where, offsets in Offsets(settings.kafka).held(names).items() if offsets}
    if not held:
        return
    consumer = Consumer(client_config(settings.kafka) | {"group.id": "quarterhour-judge", "enable.auto.commit": False, "enable.partition.eof": False})
    consumer.assign([TopicPartition(topic, partition, offsets.start) for (topic, partition), offsets in held.items()])
    try:
        while held:
            for message in consumer.consume(10_000, timeout=1.0):
                assert message.error() is None, message.error()
                where = (str(message.topic()), _number(message.partition()))
                if where in held and _number(message.offset()) < held[where].stop:
                    yield message
                if where in held and _number(message.offset()) >= held[where].stop - 1:
                    del held[where]
    finally:
        consumer.close()


def _shortened(found: list[str]) -> list[str]:
    more = [f"... and {len(found) - SHOWN_MAX} more of this kind"] if len(found) > SHOWN_MAX else []
    return [line[:1_500] for line in found[:SHOWN_MAX]] + more


def _text(value: Any) -> Any:
    return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z" if hasattr(value, "strftime") else value


def _number(value: int | None) -> int:
    assert value is not None
    return value
