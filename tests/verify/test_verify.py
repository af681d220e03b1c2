"""`quarterhour verify` on a real broker and ClickHouse: a whole system is proven, and each planted fault is named, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import msgspec
import pytest
import typer
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from typer.testing import CliRunner, Result

from services.cli import verify
from services.cli.proof.facts import Scope
from services.events import topics
from services.events.outgoing import OutFact
from services.events.times import parse_ms
from services.runtime.kafka import client_config
from services.runtime.settings import environment_of
from tests.spec.timeline import MINUTE_MS, T0_MS
from tests.verify.events import DAY_MS, history, talk
from tests.verify.stage import Stage

Planted = list[tuple[str, str]]


@pytest.fixture(scope="module")
def whole(stage: Stage) -> Stage:
    stage.build(history())
    return stage


@pytest.fixture
def mended(whole: Stage) -> Iterator[Stage]:
    """The whole system; what the test does to ClickHouse is undone."""
    yield whole
    whole.mend()


def one(stage: Stage, topic: str, **fields: Any) -> dict[str, Any]:
    """The newest revision of the first fact with these fields."""
    found = [json.loads(fact.value) for fact in stage.stored if fact.topic == topic]
    ids = [fact[next(iter(fact))] for fact in found if fields.items() <= fact.items()]
    return max((fact for fact in found if fact[next(iter(fact))] == ids[0]), key=lambda fact: int(fact["revision"]))


def test_a_whole_system_is_proven_with_its_figures(whole: Stage) -> None:
    summary, found = whole.verify()
    assert found == []
    assert (summary.records, summary.accepted, summary.refused, summary.control, summary.duplicates) == (len(history()) + 8, len(history()) - 2, 2, 8, 2)
    assert (summary.lines, summary.behind_lines) == (8 * 3, 0)
    assert {topic: set(counts.values()) for topic, counts in summary.facts.items()} == {
        topics.SESSIONS: {14}, topics.EPISODES: {4}, topics.PEAKS: {207}, topics.LOGINS: {5}, topics.ASSIGNMENTS: {1}, topics.REJECTED: {2},
    }  # fmt: skip
    assert summary.seat_quarters == 207


@pytest.mark.parametrize(
    ("scope", "sessions"),
    [
        (Scope(from_ms=T0_MS + DAY_MS), 3),
        (Scope(to_ms=T0_MS + DAY_MS), 11),
        (Scope(from_ms=T0_MS + 20 * MINUTE_MS, to_ms=T0_MS + 60 * MINUTE_MS), 2),  # Sessions of conversations that began before.
        (Scope(workspace="zeta"), 2),
        (Scope(workspace="acme", from_ms=T0_MS, to_ms=T0_MS + 1), 3),
        (Scope(workspace="nobody"), 0),
    ],
)
def test_a_range_or_a_workspace_is_proven_apart(whole: Stage, scope: Scope, sessions: int) -> None:
    summary, found = whole.verify(scope)
    assert found == []
    assert set(summary.facts[topics.SESSIONS].values()) == {sessions}
    assert summary.records == len(history()) + 8


@pytest.mark.parametrize("scope", [Scope(), Scope(from_ms=T0_MS + 20 * MINUTE_MS, to_ms=T0_MS + 2 * DAY_MS)])
def test_two_passes_prove_the_same_with_the_same_figures(whole: Stage, scope: Scope) -> None:
    once, _ = whole.verify(scope)
    summary, found = whole.verify(replace(scope, passes=2))
    assert found == []
    assert replace(summary, seconds=0) == replace(once, seconds=0)


def test_a_row_that_clickhouse_lost_is_named(mended: Stage) -> None:
    ident = one(mended, topics.SESSIONS, conversation_id="long")["billing_session_id"]
    mended.client.command(f"DELETE FROM billing_sessions WHERE billing_session_id = '{ident}'")
    assert mended.verify()[1] == [("store_lost", ident)]


@pytest.mark.parametrize("change", ["bot_ms = bot_ms + 1", "status = 'void'", "message_id = ''"])
def test_a_row_that_was_changed_in_clickhouse_is_named(mended: Stage, change: str) -> None:
    ident = one(mended, topics.SESSIONS, conversation_id="long")["billing_session_id"]
    mended.client.command(f"ALTER TABLE billing_sessions UPDATE {change} WHERE billing_session_id = '{ident}' SETTINGS mutations_sync = 2")
    assert mended.verify()[1] == [("store_changed", ident)]


def test_a_row_that_is_in_no_topic_is_named(mended: Stage) -> None:
    row = one(mended, topics.SESSIONS, conversation_id="long") | {"billing_session_id": "f" * 32}
    mended.store([OutFact(topics.SESSIONS, b"", "", json.dumps(row).encode())])
    mended.stored.pop()
    assert mended.verify()[1] == [("store_extra", "f" * 32)]


def test_only_what_was_asked_for_is_compared(mended: Stage) -> None:
    ident = one(mended, topics.SESSIONS, conversation_id="long")["billing_session_id"]
    mended.client.command(f"DELETE FROM billing_sessions WHERE billing_session_id = '{ident}'")
    assert mended.verify(Scope(workspace="zeta"))[1] == []
    assert mended.verify(Scope(from_ms=T0_MS + DAY_MS))[1] == []
    assert mended.verify(Scope(to_ms=T0_MS + DAY_MS))[1] == [("store_lost", ident)]


def test_a_ledger_line_and_a_refusal_that_clickhouse_lost_are_named(mended: Stage) -> None:
    refused = one(mended, topics.REJECTED)["rejected_id"]
    mended.client.command("DELETE FROM rejected_events WHERE reason = 'malformed_json'")
    mended.client.command("DELETE FROM ledger WHERE ledger_id = 'ingest/platform.voice/1'")
    assert mended.verify()[1] == [("store_lost", "ingest/platform.voice/1"), ("store_lost", refused)]


def test_a_wrong_peak_is_not_what_clickhouse_counts_itself(mended: Stage) -> None:
    peak = one(mended, topics.PEAKS, app_id="", peak=2)
    mended.client.command(f"ALTER TABLE seat_peaks UPDATE peak = 3 WHERE seat_peak_id = '{peak['seat_peak_id']}' SETTINGS mutations_sync = 2")
    assert mended.verify()[1] == [("seats", f"acme/(the whole workspace)/{peak['quarter']}"), ("store_changed", peak["seat_peak_id"])]


def test_a_missing_peak_and_one_too_many_are_not_what_clickhouse_counts_itself(mended: Stage) -> None:
    peak = one(mended, topics.PEAKS, app_id="help")
    mended.client.command(f"DELETE FROM seat_peaks WHERE seat_peak_id = '{peak['seat_peak_id']}'")
    later = peak | {"seat_peak_id": "e" * 32, "quarter": "2026-01-30T00:00:00.000Z", "peak_at": "2026-01-30T00:00:00.000Z"}
    mended.store([OutFact(topics.PEAKS, b"", "", json.dumps(later).encode())])
    mended.stored.pop()
    seats = [("seats", f"acme/help/{peak['quarter']}")]
    assert mended.verify()[1] == [*seats, ("store_extra", "e" * 32), ("store_lost", peak["seat_peak_id"])]


def of_line(fact: OutFact, **changes: Any) -> OutFact:
    return msgspec.structs.replace(fact, value=json.dumps(json.loads(fact.value) | changes).encode())


def test_what_the_topics_lack_have_too_much_or_otherwise_is_named(stage: Stage) -> None:
    planted: Planted = []

    def spoil(facts: list[OutFact]) -> Iterable[OutFact]:
        sessions = [fact for fact in facts if fact.topic == topics.SESSIONS and b'"long"' in fact.value]
        lost, changed, twice, copied = sessions[:4]
        yield from (fact for fact in facts if fact not in (lost, changed))
        yield of_line(changed, bot_ms=1)
        yield of_line(twice, bot_ms=2)
        yield of_line(copied, billing_session_id="d" * 32)
        planted.extend([("lost", lost.key.decode()), ("changed", changed.key.decode()), ("two_revisions", twice.key.decode()), ("extra", "d" * 32)])

    stage.build(history(), spoil=spoil)
    twice = dict(planted)["two_revisions"]
    for passes in (1, 2):
        found = stage.verify(Scope(passes=passes))[1]
        # Which of two contents ClickHouse kept, and which the fold of the topic, is anybody's guess.
        assert [what for what in found if what[1] != twice] == sorted(what for what in planted if what[1] != twice)
        assert ("two_revisions", twice) in found


def test_a_peak_that_is_wrong_everywhere_is_found_twice(stage: Stage) -> None:
    planted: Planted = []

    def spoil(facts: list[OutFact]) -> Iterable[OutFact]:
        for fact in facts:
            if fact.topic == topics.PEAKS and not planted:
                planted.append((fact.key.decode(), json.loads(fact.value)["quarter"]))
                yield of_line(fact, peak=9)
            else:
                yield fact

    stage.build(history(), spoil=spoil)
    (ident, quarter) = planted[0]
    assert [(kind, name.split("/")[-1]) for kind, name in stage.verify()[1]] == [("changed", ident), ("seats", quarter)]


def test_a_ledger_that_lacks_a_line_or_counts_otherwise_is_named_line_by_line(stage: Stage) -> None:
    def spoil(facts: list[OutFact]) -> Iterable[OutFact]:
        for fact in facts:
            if fact.topic == topics.LEDGER:
                line = json.loads(fact.value)
                ident = line["ledger_id"]
                if ident in ("ingest/platform.alerts/1", "processor/platform.agents/0/1"):
                    continue
                if ident == "ingest/platform.conversations/0":
                    fact = of_line(fact, read=line["read"] + 1)  # noqa: PLW2901
                if ident == "processor/platform.conversations/1/0":
                    fact = of_line(fact, applied=line["applied"] + 1, accepted=line["accepted"] + 1)  # noqa: PLW2901
                if ident == "processor/platform.voice/0/0":
                    fact = of_line(fact, covered=3)  # noqa: PLW2901
            yield fact

    stage.build(history(), spoil=spoil)
    missing = [("line_missing", "ingest/platform.alerts/1"), ("line_missing", "processor/platform.agents/0/1")]
    wrong = ["ingest/platform.conversations/0", "processor/platform.conversations/1/0", "processor/platform.voice/0/0"]
    behind = [("behind", "ingest/platform.alerts/1"), ("behind", "processor/1")]
    facts_of_a_cut_without_it = [what for what in stage.verify()[1] if what[0] == "extra"]
    found = [what for what in stage.verify()[1] if what not in facts_of_a_cut_without_it]
    assert found == sorted([*behind, *missing, *(("line_wrong", line) for line in wrong)])


def test_an_event_again_with_other_content_is_named_with_both_origins(stage: Stage) -> None:
    events = history()
    other = json.loads(events[0]) | {"time": "2026-01-31T08:00:01Z"}
    stage.build([events[0], json.dumps(other).encode(), *events[1:]])
    assert stage.verify()[1] == [("two_events", f"({other['source']}, {other['id']})")]


def test_a_system_at_work_is_proven_up_to_its_lines_whatever_came_since(stage: Stage) -> None:
    stage.build(history(), close=False)
    before, found = stage.verify()
    assert found == []

    more = [*talk("more", "started 0, ended 31", day=2), *talk("report-2", "alert 1", day=2)]
    stage.write(more)
    summary, found = stage.verify()
    assert (found, summary.behind_lines) == ([], len(more))

    facts = stage.work(more)
    stage.publish(fact for fact in facts if fact.topic != topics.LEDGER)
    assert {kind for kind, _ in stage.verify()[1]} == {"behind"}

    stage.publish((fact for fact in facts if fact.topic == topics.LEDGER), stored=False)
    assert {kind for kind, _ in stage.verify()[1]} == {"behind", "store_changed"}

    stage.store(fact for fact in facts if fact.topic == topics.LEDGER)
    stage.commit(stage.settings.sink.group_id, topics.FACT_TOPICS)
    summary, found = stage.verify()
    assert (found, summary.behind_lines) == ([], 0)
    sessions = topics.SESSIONS
    assert summary.facts[sessions] == {name: count + 4 for name, count in before.facts[sessions].items()}


def test_records_that_are_gone_from_the_raw_log_are_told(stage: Stage) -> None:
    stage.build(history())
    admin = AdminClient(client_config(stage.settings.kafka, "ERROR"))
    (gone,) = admin.delete_records([TopicPartition(topics.AGENTS, 0, 2)]).values()
    gone.result()
    assert ("log_cut", "ingest/platform.agents/0") in stage.verify()[1]


def test_the_command_tells_by_its_exit_code_and_in_words_and_as_json(mended: Stage) -> None:
    mended.build(history())
    app = typer.Typer()
    verify.register(app)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["--patience", "0", *arguments], env=environment_of(mended.settings))

    whole = run()
    assert (whole.exit_code, whole.stdout.splitlines()[-1].split()[0]) == (0, "PROVEN")
    ident = one(mended, topics.SESSIONS, conversation_id="long")["billing_session_id"]
    mended.client.command(f"ALTER TABLE billing_sessions UPDATE bot_ms = 7 WHERE billing_session_id = '{ident}' SETTINGS mutations_sync = 2")
    mended.client.command("DELETE FROM billing_sessions WHERE conversation_id = 'other'")
    different = run("--first", "1")
    assert different.exit_code == 1
    assert "bot_ms: expected 900000, found 7" in different.stdout
    assert different.stdout.count("store_lost  ") == 1
    assert "store_lost: 2 facts of the topic are not in ClickHouse" in different.stdout
    told = json.loads(run("--json", "--all").stdout)
    assert (told["proven"], told["differences"], len(told["first"])) == (False, {"store_changed": 1, "store_lost": 2}, 3)
    assert run("--ignore", "store_lost", "--ignore", "store_changed").exit_code == 0
    assert run("--ignore", "everything").exit_code == 2
    day = ("--from", "2026-02-01", "--to", "2026-02-02")
    assert parse_ms("2026-02-01T00:00:00Z") < T0_MS + DAY_MS
    assert run(*day).exit_code == 0
