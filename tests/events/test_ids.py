"""F1: an id is a hash of an unambiguous encoding."""

from __future__ import annotations

import json
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from services.events.ids import _encode, fact_id, rejected_id


def _by_the_rule(*parts: str | int) -> str:
    return sha256(json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()[:32]


def test_an_id_is_that_of_the_rule() -> None:
    assert fact_id("usage", "acme", "bot", "c-81", 1_769_847_300_000, 1) == _by_the_rule("usage", "acme", "bot", "c-81", 1_769_847_300_000, 1)
    assert fact_id("alert", "/platform", "e-1") == "2c1065c19d9b495979e9654262180982"


def test_every_code_point_is_written_as_the_standard_library_writes_it() -> None:
    every = "".join(chr(point) for point in range(0x110000) if not 0xD800 <= point < 0xE000)
    assert _encode([every]) == json.dumps([every], ensure_ascii=False, separators=(",", ":")).encode()


@given(st.lists(st.text() | st.integers(-(2**62), 2**62), max_size=6))
def test_every_tuple_has_the_id_of_the_rule(parts: list[str | int]) -> None:
    assert fact_id(*parts) == _by_the_rule(*parts)


def test_tuples_that_would_join_to_one_text_have_different_ids() -> None:
    assert len({fact_id("a", "b"), fact_id("ab"), fact_id("a,b"), fact_id('a","b'), fact_id("a", "", "b"), fact_id("a", "b", "")}) == 6
    assert fact_id("a", 1) != fact_id("a", "1")


def test_a_refused_record_is_named_by_its_origin() -> None:
    assert rejected_id("platform.voice", 3, 2**40) == "platform.voice/3/1099511627776"
