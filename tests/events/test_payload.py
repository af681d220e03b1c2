"""F2, F3: a refused record as a fact."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

import pytest

from services.events.decode import decode
from services.events.event import REASONS, Refusal
from services.events.facts import RejectedEvent
from services.events.payload import rejected_fact
from tests.events.corpus import LOG_TIME_MS, invalid_examples

REFUSAL = Refusal("invalid_event", "data.channel", "data.channel: missing", "acme")


def _fact(value: bytes | None, refusal: Refusal = REFUSAL, generation: int = 0, log_time_ms: int = LOG_TIME_MS) -> dict[str, Any]:
    key, fact = rejected_fact("platform.voice", 3, 17, log_time_ms, refusal, value, generation)
    assert key == b"platform.voice/3/17"
    RejectedEvent.model_validate_json(fact, strict=True)
    parsed: dict[str, Any] = json.loads(fact)
    assert fact == json.dumps(parsed, ensure_ascii=False, separators=(",", ":")).encode()
    return parsed


def test_a_fact_has_the_fields_of_the_contract_in_their_order() -> None:
    fact = _fact(b"{}")
    assert list(fact) == list(RejectedEvent.model_fields)
    assert fact == {
        "rejected_id": "platform.voice/3/17", "revision": 0, "status": "closed", "workspace_id": "acme", "source_topic": "platform.voice",
        "source_partition": 3, "source_offset": 17, "log_time": "2026-01-31T12:00:00.000Z", "reason": "invalid_event", "field": "data.channel",
        "detail": "data.channel: missing", "size_bytes": 2, "payload_base64": "e30=",
    }  # fmt: skip


@pytest.mark.parametrize(("size", "kept"), [(0, 0), (1, 1), (4095, 4095), (4096, 4096), (4097, 4096), (5_000_000, 4096)])
def test_the_first_4_kib_are_kept_and_the_whole_size_is_told(size: int, kept: int) -> None:
    value = bytes(i % 251 for i in range(size))
    fact = _fact(value)
    assert fact["size_bytes"] == size
    assert b64decode(fact["payload_base64"], validate=True) == value[:kept]


def test_a_tombstone_is_an_empty_payload() -> None:
    assert (_fact(None)["size_bytes"], _fact(None)["payload_base64"]) == (0, "")


def test_the_revision_is_the_generation_alone() -> None:
    assert _fact(b"", generation=5)["revision"] == 5 * 2**48


@pytest.mark.parametrize("log_time_ms", [-1, 0, -(2**63), 2**63 - 1])
def test_any_log_time_can_be_told(log_time_ms: int) -> None:
    assert _fact(b"", log_time_ms=log_time_ms)["log_time"].endswith("Z")


def test_every_reason_makes_a_fact_that_the_contract_accepts() -> None:
    refusals = [decode(example.value, example.log_time_ms) for example in invalid_examples().values()] + [decode(b" " * 1_048_577, 0)]
    assert {refusal.reason for refusal in refusals if isinstance(refusal, Refusal)} == set(REASONS)
    for refusal in refusals:
        assert isinstance(refusal, Refusal)
        assert _fact(b"x", refusal)["reason"] == refusal.reason
