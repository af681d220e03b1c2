"""The compiled decoder gives the rows that Python gives, for everything that may stand in a record; what it leaves to Python it leaves whole."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.events.batches import Rows
from services.events.event import Accepted, Refusal
from services.events.times import parse_ms
from services.ingest.columns import Columns, NativeColumns, PythonColumns, RawValue
from services.native import load
from tests.events.corpus import LOG_TIME_MS, mutations, valid_examples
from tests.parts.examples import examples

pytestmark = pytest.mark.skipif(load() is None, reason="the compiled twin is not built: `make native`")

PARTITIONS, PAGES, LATENESS_MS = 3, 7, 86_400_000
TALKS = [value for name, value in valid_examples().items() if name.startswith(("conversation", "voice"))]


class Asked:
    """A judge that keeps what it was asked."""

    def __init__(self) -> None:
        self.refused: list[tuple[int, int, bytes | None, Refusal, int]] = []

    def __call__(self, offset: int, log_ms: int, value: bytes | None, outcome: Accepted | Refusal, accepted: int) -> Accepted | None:
        if isinstance(outcome, Refusal):
            self.refused.append((offset, log_ms, value, outcome, accepted))
            return None
        return outcome


def said(twin: Columns, runs: Iterable[list[RawValue]]) -> tuple[object, list[list[int]], list[Rows], list[object]]:
    asked = Asked()
    found = [twin.add_run(records, asked) for records in runs]
    counts = twin.counts()
    rows = twin.take([[(0, count)] for count in counts])
    assert twin.counts() == [0] * PARTITIONS
    return found, [counts], rows, list(asked.refused)


def check(runs: list[list[RawValue]]) -> int:
    """Both say the same; how many rows came of it."""
    python = said(PythonColumns(PARTITIONS, PAGES, LATENESS_MS), runs)
    assert said(NativeColumns(PARTITIONS, PAGES, LATENESS_MS), runs) == python
    return sum(python[1][0])


def test_every_field_removed_replaced_and_repeated_and_random_damage() -> None:
    values = list(mutations(seed=5, bytes_per_example=150))
    assert check([[(offset, LOG_TIME_MS, value)] for offset, value in enumerate(values)]) > 5_000


def test_a_run_of_everything_in_its_order() -> None:
    run: list[RawValue] = [(7 * number, LOG_TIME_MS, value) for number, value in enumerate([*valid_examples().values(), b"", b"{}", *TALKS])]
    assert check([[*run, (10_000, 0, None)], [], run]) >= 2 * len(TALKS)


@settings(max_examples=examples(300))
@given(
    st.sampled_from(TALKS), st.text(max_size=130), st.text(max_size=20), st.text(max_size=260),
    st.datetimes().map(lambda time: time.isoformat()), st.sampled_from(["", ".1", ".12", ".123", ".123456789"]),
    st.sampled_from(["Z", "z", "+05:45", "-23:59", "+24:00", ""]),
    st.booleans(),
)  # fmt: skip
def test_any_text_and_any_time(example: bytes, workspace: str, who: str, subject: str, time: str, fraction: str, zone: str, escaped: bool) -> None:
    event = json.loads(example)
    event["data"] |= {"workspace_id": workspace, "channel": who, "kore_user_id": who + "é", "channel_user_id": None}
    event |= {"subject": subject, "time": time.partition(".")[0] + fraction + zone}
    value = json.dumps(event, ensure_ascii=escaped).encode(errors="surrogatepass")
    check([[(1, LOG_TIME_MS, value)]])
    plain_time = PythonColumns(PARTITIONS, PAGES, 10**18)
    native_time = NativeColumns(PARTITIONS, PAGES, 10**18)
    assert said(plain_time, [[(1, LOG_TIME_MS, value)]]) == said(native_time, [[(1, LOG_TIME_MS, value)]])


@pytest.mark.parametrize("behind_ms", [LATENESS_MS, LATENESS_MS + 1, -300_000, -300_001])
def test_both_limits_of_time(behind_ms: int) -> None:
    for value in TALKS:
        time_ms = parse_ms(json.loads(value)["time"])
        assert check([[(0, time_ms + behind_ms, value)]]) == (behind_ms in (LATENESS_MS, -300_000))


def test_what_is_plain_does_not_come_to_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.ingest.columns.decode", _never)
    accepted, _ = NativeColumns(PARTITIONS, PAGES, LATENESS_MS).add_run([(number, LOG_TIME_MS, value) for number, value in enumerate(TALKS)], Asked())
    assert accepted == len(TALKS)


def _never(*_: object) -> None:
    raise AssertionError("asked Python about a plain record")
