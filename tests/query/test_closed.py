"""ETags: an answer about a range that is over has one, and it changes with every correction and with nothing else."""

from __future__ import annotations

from itertools import count
from typing import Any

import httpx
import pytest

from tests.query.conftest import Api
from tests.query.stage import ClickHouse, Fact, assignment, conversation, login, peak, rejected, rested, session

JANUARY: dict[str, Any] = {"from_": "2026-01-01", "to": "2026-02-01"}
DAY = "2026-01-20T10:"
COUNTS = ("/v1/usage/trends", "/v1/usage/seats")
NAMES = ("/v1/usage/sessions", "/v1/usage/conversations", "/v1/usage/rejected", "/v1/usage/agents", "/v1/usage/sessions.csv")
_OFFSETS = count(1_000_000)


def tagged(api: Api, page: str, tag: str = "", **parameters: Any) -> httpx.Response:
    query = {name.removesuffix("_"): value for name, value in (JANUARY | parameters).items()}
    headers = {"Authorization": f"Bearer {api.key}"} | ({"If-None-Match": tag} if tag else {})
    response: httpx.Response = api.client.get(page, params=query, headers=headers)
    return response


def tag_of(api: Api, page: str, **parameters: Any) -> str:
    tag = tagged(api, page, **parameters).headers["etag"]
    assert tag.startswith('W/"')
    return str(tag)


def facts(workspace: str) -> dict[str, Fact]:
    """One of each table."""
    return {
        "billing_sessions": session(workspace, f"{DAY}00"),
        "conversations": conversation(workspace, f"{DAY}00", f"{DAY}05"),
        "seat_peaks": peak(workspace, f"{DAY}00", 2),
        "agent_logins": login(workspace, "ann", f"{DAY}01", f"{DAY}09"),
        "agent_assignments": assignment(workspace, "ann", f"{DAY}01", None),
        "rejected_events": rejected(workspace, f"{DAY}00", next(_OFFSETS)),
    }


def put_all(api: Api, clickhouse: ClickHouse) -> dict[str, Fact]:
    found = facts(api.workspace)
    for table, fact in found.items():
        clickhouse.put(table, fact)
    rested(clickhouse, api.workspace)
    return found


@pytest.mark.parametrize("page", [*COUNTS, *NAMES])
def test_who_has_the_answer_about_a_range_that_is_over_gets_no_other(api: Api, clickhouse: ClickHouse, page: str) -> None:
    put_all(api, clickhouse)
    tag = tag_of(api, page)
    again = tagged(api, page, f'"of another page", {tag}')
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert again.headers["cache-control"] == ("private, no-cache" if page in COUNTS else "no-store")
    assert tagged(api, page, '"of another page"').status_code == 200


@pytest.mark.parametrize("page", [*COUNTS, *NAMES])
def test_a_range_that_is_not_over_has_no_tag_and_is_not_kept(api: Api, clickhouse: ClickHouse, page: str) -> None:
    put_all(api, clickhouse)
    api.metered_until("2026-02-01")
    for parameters in ({}, {"to": "2026-03-01"}):
        response = tagged(api, page, "*", **parameters)
        assert (response.status_code, response.headers.get("etag"), response.headers["cache-control"]) == (200, None, "no-store")
    api.metered_until("2026-02-01T00:00:00.001")
    assert tagged(api, page, "*").status_code == 304


@pytest.mark.parametrize(
    ("table", "pages"),
    [
        ("billing_sessions", ("/v1/usage/trends", "/v1/usage/sessions", "/v1/usage/sessions.csv")),
        ("conversations", ("/v1/usage/trends", "/v1/usage/conversations", "/v1/usage/sessions")),
        ("seat_peaks", COUNTS),
        ("agent_logins", (*COUNTS, "/v1/usage/agents")),
        ("agent_assignments", COUNTS),
        ("rejected_events", ("/v1/usage/rejected",)),
    ],
)
def test_a_late_correction_changes_the_tag(api: Api, clickhouse: ClickHouse, table: str, pages: tuple[str, ...]) -> None:
    fact = put_all(api, clickhouse)[table]
    before = {page: tag_of(api, page) for page in pages}
    clickhouse.put(table, fact | {"revision": 2, "status": "void"})
    if table in ("billing_sessions", "conversations"):
        assert [tagged(api, page, "*").headers.get("etag") for page in pages] == [None] * len(pages), "what is seen of a new insert may be half"
        rested(clickhouse, api.workspace, "2026-01-02")
    after = {page: tag_of(api, page) for page in pages}
    assert [page for page in pages if after[page] == before[page]] == []
    assert [tagged(api, page, before[page]).status_code for page in pages] == [200] * len(pages)


def test_facts_metered_anew_in_another_generation_change_the_tag_however_many_they_are(api: Api, clickhouse: ClickHouse) -> None:
    """65,536 revisions that grow by 2^48 each are 2^64 together."""
    fact = peak(api.workspace, f"{DAY}00", 2)
    columns = ", ".join(fact)
    many = "SELECT " + columns.replace("seat_peak_id", "toString(number)").replace("quarter", "quarter + number % 1000", 1)
    clickhouse.put("seat_peaks", fact)
    clickhouse.run(f"INSERT INTO seat_peaks ({columns}) {many} FROM seat_peaks, numbers(65535) AS many WHERE workspace_id = '{api.workspace}'")
    before = tag_of(api, "/v1/usage/seats")
    raised = "SELECT " + columns.replace("revision", "revision + bitShiftLeft(1::UInt64, 48)")
    clickhouse.run(f"INSERT INTO seat_peaks ({columns}) {raised} FROM seat_peaks WHERE workspace_id = '{api.workspace}'")
    assert tag_of(api, "/v1/usage/seats") != before


@pytest.mark.parametrize("page", [*COUNTS, *NAMES])
def test_the_tag_stays_while_the_watermark_goes_on_and_others_change(api: Api, clickhouse: ClickHouse, page: str) -> None:
    put_all(api, clickhouse)
    before = tag_of(api, page)
    api.metered_until("2026-03-15T12:01")
    api.now = "2026-03-15T12:02"
    clickhouse.put("billing_sessions", session(api.workspace, "2026-03-02T10:00"), session("w-of-others", f"{DAY}00"))
    clickhouse.put("agent_logins", login(api.workspace, "bob", "2026-03-02T10:00", None))
    assert tag_of(api, page) == before


def test_another_question_has_another_tag(api: Api, clickhouse: ClickHouse) -> None:
    put_all(api, clickhouse)
    asked: list[dict[str, Any]] = [{}, {"timezone": "Asia/Kolkata"}, {"format": "csv"}, {"group_by": "app"}, {"app_id": "app"}, {"to": "2026-01-31"}]
    assert len({tag_of(api, "/v1/usage/trends", **each) for each in asked}) == len(asked)


def test_a_tag_opens_nothing(api: Api, clickhouse: ClickHouse) -> None:
    put_all(api, clickhouse)
    tag = tag_of(api, "/v1/usage/trends")
    of_others, api.key = api.key, api.new_key("w-of-others")
    assert tagged(api, "/v1/usage/trends", tag).status_code == 200
    api.key = of_others[:-1]
    assert tagged(api, "/v1/usage/trends", tag).status_code == 401
