"""Two tenants on every page: what one asks is answered as if the other were not there, whatever names, ids and cursors they share."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import httpx
import pytest

from tests.query.conftest import Api
from tests.query.questions import RANGE, Page, pages_of
from tests.query.stage import ClickHouse, Fact, assignment, conversation, login, peak, rejected, session

APPS: Final = ("a", "b")
_OFFSETS: Final = itertools.count(5_000_000)
MADE: Final = datetime(2026, 3, 1, tzinfo=UTC)


def facts_of(workspace: str, apps: tuple[str, ...], word: str) -> dict[str, list[Fact]]:
    """Facts of every kind, at the same times and with the same ids whoever's they are; only `word` tells whose."""
    facts: dict[str, list[Fact]] = {}
    for app in apps:
        for minute in (0, 15, 30):
            at = {"t0": "2026-03-02T10:00", "conversation_id": "c1", "kore_user_id": "u1", "channel_user_id": "+1", "message_id": word}
            facts.setdefault("billing_sessions", []).append(session(workspace, f"2026-03-02T10:{minute:02}", app_id=app, **at))
        call = {"conversation_id": f"call {word}", "type": "voice", "rule": "V1:ended", "app_id": app}
        facts["billing_sessions"] += [session(workspace, "2026-03-03T10:00", **call), session(workspace, "2026-03-04T10:00", app_id=app, channel=word)]
        talk = {"conversation_id": "c1", "kore_user_id": "u1", "channel_user_id": "+1", "app_id": app}
        talks = [conversation(workspace, "2026-03-02T10:00", "2026-03-02T11:00", **talk), conversation(workspace, "2026-03-05T10:00", app_id=app, channel=word)]
        facts.setdefault("conversations", []).extend(talks)
        facts.setdefault("seat_peaks", []).append(peak(workspace, "2026-03-02T10:00", 1, "2026-03-02T10:05", app_id=app))
        facts.setdefault("agent_logins", []).append(login(workspace, f"agent {word} {app}", "2026-03-02T10:05", "2026-03-02T10:10", (app,)))
        facts.setdefault("agent_assignments", []).append(assignment(workspace, f"agent {word} {app}", "2026-03-01T00:00", None, app))
    return facts


def of_the_workspace(workspace: str, word: str, seats: int) -> dict[str, list[Fact]]:
    """Facts that belong to no app."""
    refusals = [rejected(workspace, "2026-03-02T10:00", next(_OFFSETS), reason="too_late", detail=word) for _ in range(3)]
    return {"seat_peaks": [peak(workspace, "2026-03-02T10:00", seats, "2026-03-02T10:05")], "rejected_events": refusals}


def put(clickhouse: ClickHouse, facts: dict[str, list[Fact]]) -> None:
    for table, rows in facts.items():
        clickhouse.put(table, *rows)


@dataclass
class Stage:
    """`key` of the whole workspace, `key_of_a` of one app of it."""

    api: Api
    clickhouse: ClickHouse
    pages: list[Page]
    key: str
    key_of_a: str

    @property
    def workspace(self) -> str:
        return self.api.workspace

    def ask(self, page: str, question: Mapping[str, str | list[str]] | None = None, key: str | None = None, **headers: str) -> httpx.Response:
        response: httpx.Response = self.api.client.get(page, params=question or {}, headers={"X-API-Key": key or self.key, **headers})
        return response

    def answers(self, key: str, most: int = 100) -> dict[str, Any]:
        """To so many questions of every page."""
        found = {}
        for page in self.pages:
            for question in page.questions()[-most:]:
                response = self.ask(page.address(), question, key)
                found[f"{page.path} {question}"] = (response.status_code, response.text)
        return found


@pytest.fixture
def stage(api: Api, clickhouse: ClickHouse) -> Stage:
    put(clickhouse, facts_of(api.workspace, ("a",), "mine"))
    put(clickhouse, of_the_workspace(api.workspace, "mine", 1))
    return Stage(api, clickhouse, pages_of(api.client), api.new_key(), api.new_key(apps=("a",)))


def test_no_answer_changes_when_another_tenant_has_the_same_names_and_ids(stage: Stage) -> None:
    before = stage.answers(stage.key)
    theirs = f"{stage.workspace}-2"
    put(stage.clickhouse, facts_of(theirs, APPS, "theirs"))
    put(stage.clickhouse, of_the_workspace(theirs, "theirs", 7))
    stage.api.accounts.name_app(theirs, "a", "name of theirs", MADE)
    assert sum("mine" in text for _, text in before.values()) > 20, "the questions do reach the facts"
    assert stage.answers(stage.key) == before


def test_no_answer_to_a_key_of_one_app_changes_when_another_app_has_the_same_ids(stage: Stage) -> None:
    """Refused events belong to no app, and the key may not see them."""
    before = stage.answers(stage.key_of_a, 3)
    assert {status for question, (status, _) in before.items() if "/rejected" in question} <= {403, 422}
    assert {status for question, (status, _) in before.items() if "/rejected" not in question} <= {200, 404}
    put(stage.clickhouse, facts_of(stage.workspace, ("b",), "of b"))
    put(stage.clickhouse, of_the_workspace(stage.workspace, "of b", 2))
    stage.api.accounts.name_app(stage.workspace, "b", "name of b", MADE)
    assert stage.answers(stage.key_of_a, 3) == before


def test_a_key_of_one_app_asks_for_no_other_on_any_page(stage: Stage) -> None:
    pages = [page for page in stage.pages if any(parameter.name == "app_id" for parameter in page.parameters)]
    assert len(pages) >= 6
    for page in pages:
        for apps in (["b"], ["a", "b"]):
            refused = stage.ask(page.address(), {**page.base, "app_id": apps}, stage.key_of_a)
            assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed"), page.path


def cursors(stage: Stage, key: str) -> dict[str, str]:
    """Page → the cursor behind its first row."""
    paged = [page for page in stage.pages if any(parameter.name == "cursor" for parameter in page.parameters)]
    answers = {page.path: stage.ask(page.path, page.base | {"limit": "1"}, key) for page in paged}
    return {path: answer.json()["next_cursor"] for path, answer in answers.items() if answer.status_code == 200}


def test_a_cursor_of_another_tenant_or_another_key_is_refused(stage: Stage) -> None:
    put(stage.clickhouse, facts_of(stage.workspace, ("b",), "of b"))
    theirs = stage.api.new_key(f"{stage.workspace}-2")
    of_b = stage.api.new_key(apps=("b",))
    found = cursors(stage, stage.key)
    assert len(found) >= 3
    for path, cursor in [*found.items(), *cursors(stage, stage.key_of_a).items()]:
        strangers = [theirs, of_b, stage.key_of_a if cursor in found.values() else stage.key]
        for key in strangers:
            refused = stage.ask(path, {**RANGE, "limit": "1", "cursor": cursor}, key)
            assert refused.json()["code"] == ("not_allowed" if path.endswith("rejected") and key != theirs else "invalid_cursor")


def test_a_cursor_that_somebody_wrote_shows_only_what_the_key_may_see(stage: Stage) -> None:
    """A cursor is no secret: who forges a position and the digest of their own filters reads on in their own rows."""
    theirs = f"{stage.workspace}-2"
    put(stage.clickhouse, facts_of(theirs, APPS, "theirs"))
    for path, cursor in cursors(stage, stage.key).items():
        text = stage.ask(path, {**RANGE, "cursor": cursor}).text
        assert ("theirs" in text, theirs in text) == (False, False)


def test_an_id_of_another_tenant_or_app_is_not_found(stage: Stage) -> None:
    facts = {who: facts_of(who, ("b",), "x")["billing_sessions"] for who in (stage.workspace, f"{stage.workspace}-2")}
    for rows in facts.values():
        stage.clickhouse.put("billing_sessions", *rows)
    own, foreign = (rows[0]["billing_session_id"] for rows in facts.values())
    statuses = [stage.ask(f"/v1/usage/sessions/{ident}", key=key).status_code for ident in (own, foreign) for key in (stage.key, stage.key_of_a)]
    assert statuses == [200, 404, 404, 404]


def test_every_file_and_its_manifest_are_of_who_asked(stage: Stage) -> None:
    theirs = stage.api.new_key(f"{stage.workspace}-2")
    put(stage.clickhouse, facts_of(stage.workspace, ("b",), "of b"))
    put(stage.clickhouse, facts_of(f"{stage.workspace}-2", APPS, "theirs"))
    files = [page for page in stage.pages if "csv" in page.path or any("csv" in parameter.values for parameter in page.parameters)]
    assert len(files) >= 3
    for page in files:
        question = page.base | ({} if "csv" in page.path else {"format": "csv"})
        for key, unseen in [(stage.key, ("theirs",)), (stage.key_of_a, ("theirs", "of b", ",b,", '"b"')), (theirs, ("mine", "of b"))]:
            answer = stage.ask(page.path, question, key)
            assert (answer.status_code, answer.headers["content-type"][:8]) == (200, "text/csv") or page.path.endswith("rejected"), answer.text
            assert [word for word in unseen if word in answer.text] == [], page.path
            manifest = answer.headers.get("x-export-id")
            if manifest:
                seen = [stage.ask(f"/v1/usage/exports/{manifest}", key=who).status_code for who in (stage.key, stage.key_of_a, theirs)]
                assert seen == {stage.key: [200, 404, 404], stage.key_of_a: [200, 200, 404], theirs: [404, 404, 200]}[key]


def test_an_etag_of_another_tenant_is_no_answer(stage: Stage) -> None:
    """The same question of another key is answered in full, and not by 304."""
    theirs = stage.api.new_key(f"{stage.workspace}-2")
    tags = {page.path: (page, stage.ask(page.address(), page.base).headers.get("etag")) for page in stage.pages}
    tagged = [(page, tag) for page, tag in tags.values() if tag]
    assert tagged
    for page, tag in tagged:
        assert stage.ask(page.address(), page.base, **{"If-None-Match": tag}).status_code == 304
        for key in (theirs, stage.key_of_a):
            assert stage.ask(page.address(), page.base, key, **{"If-None-Match": tag}).status_code != 304, page.path
