# ruff: noqa: RUF001 - the page writes real dashes and minus signs
"""The pure modules of the page: state and URL, words, scale, what is shown, CSV."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from tests.page.conftest import Evaluate

SHOWN = ("usage.js", "read.js", "state.js", "csv.js")
COUNTS: dict[str, Any] = {"sessions": 6, "billing_sessions": 3, "voice_sessions": 2, "alert_sessions": 1, "conversations": 3}
SEATS: dict[str, Any] = {"concurrent_seats": 5, "peak_at": "2026-03-02T10:07:09.000+05:30", "named_seats": 8, "agent_count": 7}


def bucket(day: int, state: str = "closed", **values: int) -> dict[str, Any]:
    return {"start": f"2026-03-{day:02}T00:00:00.000+05:30", "end": f"2026-03-{day + 1:02}T00:00:00.000+05:30", "state": state} | COUNTS | SEATS | values


def trends(*buckets: dict[str, Any], groups: dict[str, int] | None = None, before: list[dict[str, Any]] | None = None) -> str:
    """An answer of the API, as a JavaScript literal."""
    period = {"from": buckets[0]["start"], "to": buckets[-1]["end"], "timezone": "Asia/Kolkata", "range": None, "interval": "day"}
    grouped = [
        {"key": key, "totals": COUNTS | SEATS, "buckets": [COUNTS | SEATS | {"sessions": value} for _ in buckets]} for key, value in (groups or {}).items()
    ]
    part = {"range": period, "totals": COUNTS | SEATS | {"sessions": sum(each["sessions"] for each in buckets)}, "buckets": list(buckets), "groups": grouped}
    previous = {**part, "totals": COUNTS | SEATS, "buckets": before, "groups": []} if before else None
    return json.dumps({"workspace_id": "w", "as_of": buckets[0]["start"], "data_since": buckets[0]["start"], "previous": previous} | part)


@pytest.fixture(scope="session")
def shown(javascript: Evaluate) -> Any:
    """(answer, state as a JavaScript literal) → what is shown."""
    return lambda answer, state="{}": javascript(SHOWN, f"m.shownOf(m.usageOf({answer}), {{...m.DEFAULT_STATE, ...{state}}})")


# State and URL


@pytest.mark.parametrize(
    "url",
    [
        "",
        "?range=24h&timezone=Asia%2FKolkata",
        "?from=2026-01-01&to=2026-02-01&timezone=Asia%2FKathmandu",
        "?series=voice_sessions&group_by=app&interval=week&view=table&app_id=a&app_id=b&compare=previous",
        "?bucket=2026-03-02T00%3A00%3A00.000%2B05%3A30&session=002801b1daa9bf6b0b6180f687fb88d8",
    ],
)
def test_a_url_read_and_written_is_the_same_url(javascript: Evaluate, url: str) -> None:
    assert javascript("state.js", f"m.writeState(m.readState({url!r}).state)") == url


@pytest.mark.parametrize(
    ("url", "ignored"),
    [
        ("?range=9w&view=pie", ["range=9w", "view=pie"]),
        ("?from=2026-01-01", ["from=2026-01-01"]),
        ("?to=2026-01-01", ["to=2026-01-01"]),
        ("?series=__proto__", ["series=__proto__"]),
        ("?utm_source=mail", []),
    ],
)
def test_what_a_url_asks_in_vain_is_told(javascript: Evaluate, url: str, ignored: list[str]) -> None:
    assert javascript("state.js", f"m.readState({url!r}).ignored") == ignored


def test_a_series_that_cannot_be_split_so_is_shown_whole(javascript: Evaluate) -> None:
    assert javascript("state.js", "m.groupOf({...m.DEFAULT_STATE, series: 'named_seats', group: 'channel'})") == "none"
    assert javascript("state.js", "m.groupOf({...m.DEFAULT_STATE, series: 'sessions', group: 'channel'})") == "channel"


# Words


@pytest.mark.parametrize(
    ("start", "end", "interval", "words"),
    [
        ("2026-11-18T00:00:00.000+05:30", "2026-11-19T00:00:00.000+05:30", "day", "Wednesday, 18 November 2026"),
        ("2026-11-01T00:00:00.000-04:00", "2026-11-02T00:00:00.000-05:00", "day", "Sunday, 1 November 2026"),
        ("2026-11-18T23:00:00.000+05:45", "2026-11-19T00:00:00.000+05:45", "hour", "Wed, 18 Nov 2026, 23:00–24:00"),
        ("2026-11-01T01:00:00.000-04:00", "2026-11-01T01:00:00.000-05:00", "hour", "Sun, 1 Nov 2026, 01:00–02:00"),
        ("2026-03-08T01:00:00.000-05:00", "2026-03-08T03:00:00.000-04:00", "hour", "Sun, 8 Mar 2026, 01:00–02:00"),
        ("2026-11-18T10:15:00.000+00:00", "2026-11-18T10:30:00.000+00:00", "15m", "Wed, 18 Nov 2026, 10:15–10:30"),
        ("2026-11-16T00:00:00.000+00:00", "2026-11-23T00:00:00.000+00:00", "week", "Week 47, 16–22 Nov 2026"),
        ("2026-12-28T00:00:00.000+00:00", "2027-01-04T00:00:00.000+00:00", "week", "Week 53, 28 Dec 2026 – 3 Jan 2027"),
        ("2026-11-18T00:00:00.000+00:00", "2026-11-21T00:00:00.000+00:00", "week", "18–20 Nov 2026"),
        ("2026-10-01T00:00:00.000+00:00", "2026-11-01T00:00:00.000+00:00", "month", "October 2026"),
        ("2026-10-05T00:00:00.000+00:00", "2026-11-01T00:00:00.000+00:00", "month", "5–31 Oct 2026"),
        ("2026-11-18T10:40:00.000+00:00", "2026-11-19T00:00:00.000+00:00", "day", "18 Nov 2026, 10:40–24:00"),
    ],
)
def test_a_period_is_called_by_the_days_it_holds_on_its_own_wall(javascript: Evaluate, start: str, end: str, interval: str, words: str) -> None:
    assert javascript("words.js", f"m.bucket({start!r}, {end!r}, {interval!r})") == words


@pytest.mark.parametrize(
    ("now", "before", "text"), [(5, 4, "+25%"), (3, 4, "−25%"), (4, 4, "no change"), (1, 0, "new"), (0, 0, "no change"), (1000001, 1000000, "+<0.1%")]
)
def test_a_change_is_told_without_judging_it(javascript: Evaluate, now: int, before: int, text: str) -> None:
    assert javascript("words.js", f"m.change({now}, {before})") == text


@pytest.mark.parametrize(("ms", "text"), [(0, "0 s"), (1, "1 ms"), (1000, "1 s"), (900_000, "15 min"), (905_999, "15 min 5 s"), (3_660_000, "1 h 1 min")])
def test_a_duration_is_told_in_full(javascript: Evaluate, ms: int, text: str) -> None:
    assert javascript("words.js", f"m.duration({ms})") == text


@pytest.mark.parametrize(
    ("written", "zone"), [("asia/kolkata", "Asia/Kolkata"), ("kathmandu", "Asia/Kathmandu"), ("New York", "America/New_York"), ("Atlantis", None)]
)
def test_a_zone_is_found_as_people_write_it(javascript: Evaluate, written: str, zone: str | None) -> None:
    assert javascript("zones.js", f"m.readZone({written!r}) ?? null") == zone


def test_every_zone_that_is_offered_is_one_that_the_service_knows(javascript: Evaluate) -> None:
    from services.query.periods import read_zone

    names = javascript("zones.js", "m.zoneNames()")
    assert len(names) > 400
    assert [read_zone(name).key for name in names] == names


# Scale


@pytest.mark.parametrize(
    ("most", "lines"), [(0, [0, 1]), (1, [0, 1]), (3, [0, 1, 2, 3]), (7, [0, 2, 4, 6, 8]), (462, [0, 100, 200, 300, 400, 500]), (23, [0, 5, 10, 15, 20, 25])]
)
def test_gridlines_are_round_whole_numbers(javascript: Evaluate, most: int, lines: list[int]) -> None:
    assert javascript("scale.js", f"m.gridlines({most})") == lines


def test_gridlines_hold_every_maximum(javascript: Evaluate) -> None:
    wrong = javascript(
        "scale.js",
        "Array.from({length: 3000}, (_, at) => at * at).filter((most) => { const lines = m.gridlines(most);"
        " return lines.at(-1) < most || lines.length > 7 || lines.some((line) => !Number.isInteger(line)); })",
    )
    assert wrong == []


def test_labels_of_hours_are_round_hours_with_midnight_among_them(javascript: Evaluate) -> None:
    rows = [{"start": f"2026-03-0{1 + hour // 24}T{hour % 24:02}:00:00.000+05:30"} for hour in range(5, 53)]
    chosen = javascript("scale.js", f"m.labelled({json.dumps(rows)}, 'hour', 20, 62)")
    hours = [int(rows[index]["start"][11:13]) for index in chosen]
    assert {hour % 4 for hour in hours} == {0}
    assert hours.count(0) == 2


# What is shown


def test_what_is_not_known_is_null_and_what_was_nothing_is_zero(shown: Any) -> None:
    rows = shown(trends(bucket(1, "no_data", sessions=0), bucket(2, sessions=0), bucket(3, "ahead", sessions=0)))["rows"]
    assert [row["total"] for row in rows] == [None, 0, None]


def test_the_ninth_app_and_those_after_it_are_other_and_the_rest_keeps_its_sum(shown: Any) -> None:
    groups = {f"app-{number:02}": 100 - number for number in range(12)}
    answer = shown(trends(bucket(1, sessions=sum(groups.values())), groups=groups), "{group: 'app'}")
    assert [column["slot"] for column in answer["columns"]] == list(range(1, 9))
    assert answer["columns"][-1]["label"] == "Other (5 apps)"
    assert sum(answer["rows"][0]["values"]) == sum(groups.values())


def test_eight_apps_need_no_other(shown: Any) -> None:
    columns = shown(trends(bucket(1), groups={f"app-{number}": number for number in range(8)}), "{group: 'app'}")["columns"]
    assert [column["label"] for column in columns] == [f"app-{number}" for number in range(8)]


def test_a_colour_stays_with_its_app_when_the_numbers_change(shown: Any) -> None:
    first, second = (shown(trends(bucket(1), groups=groups), "{group: 'app'}")["columns"] for groups in ({"a": 1, "b": 9}, {"a": 9, "b": 1}))
    assert first == second


def test_seats_of_apps_are_never_summed(shown: Any) -> None:
    answer = shown(trends(bucket(1), groups={"a": 1, "b": 2}), "{group: 'app', series: 'concurrent_seats'}")
    assert (answer["rows"][0]["values"], answer["rows"][0]["total"]) == ([5, 5], 5)
    assert "do not add up" in answer["note"]


def test_a_day_that_has_begun_does_not_look_like_a_fall(shown: Any) -> None:
    now = [bucket(3, sessions=10), bucket(4, "open", sessions=1)]
    before = [bucket(1, sessions=8), bucket(2, sessions=9)]
    assert shown(trends(*now, before=before))["fair"] == {"now": 10, "before": 8, "of": 1}


def test_what_cannot_be_compared_fairly_is_not_compared(shown: Any) -> None:
    before = [bucket(1), bucket(2)]
    assert shown(trends(bucket(3), bucket(4, "open"), before=before), "{series: 'named_seats'}")["fair"] is None
    assert shown(trends(bucket(3, "open"), before=before[:1]))["fair"] is None
    assert shown(trends(bucket(3)))["fair"] is None


def test_a_range_that_is_over_is_compared_whole(shown: Any) -> None:
    assert shown(trends(bucket(3), before=[bucket(1)]), "{series: 'named_seats'}")["fair"] == {"now": 8, "before": 8, "of": None}


# CSV


def csv_of(javascript: Evaluate, answer: str, state: str) -> list[list[str]]:
    text = javascript(SHOWN, f"m.csvOf(m.shownOf(m.usageOf({answer}), {{...m.DEFAULT_STATE, ...{state}}}))")
    return list(csv.reader(io.StringIO(text, newline="")))


def test_the_csv_tells_no_data_from_zero_and_carries_the_offset(javascript: Evaluate) -> None:
    answer = trends(bucket(1, "no_data"), bucket(2, sessions=0), before=[bucket(1, sessions=4), bucket(2, "no_data")])
    assert csv_of(javascript, answer, "{group: 'none'}") == [
        ["Period Start", "Period End", "Time Zone", "State", "All sessions", "Period Before"],
        ["2026-03-01T00:00:00.000+05:30", "2026-03-02T00:00:00.000+05:30", "Asia/Kolkata", "no_data", "", "4"],
        ["2026-03-02T00:00:00.000+05:30", "2026-03-03T00:00:00.000+05:30", "Asia/Kolkata", "closed", "0", ""],
    ]


@pytest.mark.parametrize("name", ['=HYPERLINK("x")', "+1", "-1", "@x", "\tx", "a,b", 'say "hi"', "two\r\nlines", "-"])
def test_no_name_of_an_app_is_run_by_a_spreadsheet_or_breaks_a_row(javascript: Evaluate, name: str) -> None:
    head, row = csv_of(javascript, trends(bucket(1), groups={name: 1}), "{group: 'app'}")
    assert len(head) == len(row)
    assert head[4] == (f"'{name}" if name[0] in "=+-@\t\r" else name)


def test_the_name_of_a_file_says_what_is_in_it(javascript: Evaluate) -> None:
    name = javascript(SHOWN, f"m.csvName(m.shownOf(m.usageOf({trends(bucket(1))}), {{...m.DEFAULT_STATE, group: 'type'}}))")
    assert name == "usage_sessions-by-type_day_2026-03-01_2026-03-02_Asia-Kolkata.csv"
