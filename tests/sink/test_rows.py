"""The list of columns against the published models, and what a record must be."""

from __future__ import annotations

import json
import types
from typing import Any, get_args, get_origin

import pyarrow as pa  # type: ignore[import-untyped]
import pytest

from services.events import topics
from services.events.facts import FACT_MODELS
from services.sink.arrow import arrow_stream
from services.sink.rows import CHUNK_ROWS, INSTANT, INSTANT_OR_NULL, TABLES, Unreadable, read_row, to_columns
from tests.sink.made_up import one_of_each

PATTERN = r"\d{4}"


def encoded(fact: dict[str, Any]) -> bytes:
    return json.dumps(fact).encode()


@pytest.mark.parametrize("topic", topics.FACT_TOPICS)
def test_a_table_has_the_fields_of_its_fact_in_their_order(topic: str) -> None:
    assert list(TABLES[topic].columns) == list(FACT_MODELS[topic].model_fields)


@pytest.mark.parametrize("topic", topics.FACT_TOPICS)
def test_a_column_is_an_instant_a_number_a_list_or_null_where_the_field_is(topic: str) -> None:
    for name, info in FACT_MODELS[topic].model_fields.items():
        kind = TABLES[topic].columns[name]
        optional = get_origin(info.annotation) is types.UnionType or type(None) in get_args(info.annotation)
        instant = "pattern='^\\\\d{4}" in repr(info)
        plain = info.annotation if get_origin(info.annotation) is None else get_origin(info.annotation)
        assert optional == (kind == INSTANT_OR_NULL), name
        assert instant == (kind in (INSTANT, INSTANT_OR_NULL)), name
        assert (plain is int) == ("Int" in kind and "Map" not in kind), name
        assert (plain is list) == kind.startswith("Array"), name
        assert (plain is dict) == kind.startswith("Map"), name


@pytest.mark.parametrize("topic", topics.FACT_TOPICS)
def test_a_published_fact_is_read_and_one_with_a_field_less_or_more_is_not(topic: str) -> None:
    fact = FACT_MODELS[topic].model_validate(one_of_each()[topic]).model_dump()
    read_row(topic, encoded(fact))
    for field in fact:
        with pytest.raises(Unreadable, match=field):
            read_row(topic, encoded({name: value for name, value in fact.items() if name != field}))
    with pytest.raises(Unreadable, match="more"):
        read_row(topic, encoded(fact | {"more": 1}))


@pytest.mark.parametrize("value", [None, b"", b"[]", b"{", b"null"])
def test_what_is_no_object_is_no_fact(value: bytes | None) -> None:
    with pytest.raises(Unreadable):
        read_row(topics.PEAKS, value)


@pytest.mark.parametrize("wrong", [{"start": None}, {"start": "2026-01-31T23:50:00Z"}, {"start": 0}, {"revision": -1}, {"revision": "1"}, {"app_id": None}])
def test_a_field_of_another_kind_is_no_fact(wrong: dict[str, object]) -> None:
    with pytest.raises(Unreadable, match=next(iter(wrong))):
        read_row(topics.SESSIONS, encoded(one_of_each()[topics.SESSIONS] | wrong))


def test_columns_hold_the_values_row_by_row_and_null_where_there_is_none() -> None:
    facts = [one_of_each()[topics.LOGINS], one_of_each()[topics.LOGINS] | {"end": None, "start": "1969-12-31T23:59:59.999Z"}]
    (found,) = to_columns(topics.LOGINS, [encoded(fact) for fact in facts])
    columns = dict(zip(TABLES[topics.LOGINS].columns, found, strict=True))
    assert columns["start"] == ("2026-01-31T00:00:00.000Z", "1969-12-31T23:59:59.999Z")
    assert columns["end"] == ("2026-01-31T08:00:00.000Z", None)
    assert columns["app_ids"] == (["a", "b"], ["a", "b"])


@pytest.mark.parametrize("rows", [0, 1, CHUNK_ROWS, CHUNK_ROWS + 1, 3 * CHUNK_ROWS])
def test_no_row_is_lost_between_chunks(rows: int) -> None:
    facts = [encoded(one_of_each()[topics.PEAKS] | {"peak": number + 1}) for number in range(rows)]
    chunks = list(to_columns(topics.PEAKS, facts))
    at = list(TABLES[topics.PEAKS].columns).index("peak")
    assert [peak for columns in chunks for peak in columns[at]] == list(range(1, rows + 1))
    assert all(len(columns[at]) <= CHUNK_ROWS for columns in chunks)


@pytest.mark.parametrize("topic", topics.FACT_TOPICS)
def test_every_table_goes_through_an_arrow_stream(topic: str) -> None:
    table, fact = TABLES[topic], encoded(one_of_each()[topic])
    read = pa.ipc.open_stream(arrow_stream(table, to_columns(topic, [fact] * 600))).read_all()
    assert (read.column_names, read.num_rows) == (list(table.columns), 600)
    assert read.column(0)[599].as_py() == next(iter(one_of_each()[topic].values()))


@pytest.mark.parametrize("wrong", [{"start": "2026-02-30T23:50:00.000Z"}, {"end": "2026-01-31T23:50:00.00xZ"}, {"revision": 2**64}])
def test_a_value_that_its_column_cannot_hold_is_no_fact(wrong: dict[str, object]) -> None:
    fact = encoded(one_of_each()[topics.SESSIONS] | wrong)
    with pytest.raises(Unreadable):
        arrow_stream(TABLES[topics.SESSIONS], to_columns(topics.SESSIONS, [fact]))
