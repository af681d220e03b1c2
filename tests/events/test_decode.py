"""E1-E8 at their boundaries. That both ways of decoding agree is in test_decode_twins."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from services.events.decode import decode
from services.events.event import Accepted, Event, Kind, Refusal, TalkEvent
from services.events.explain import EVENT_BYTES_MAX
from services.events.keys import USAGE, split_key, talk_key, who_text
from services.events.times import parse_ms
from tests.events.corpus import valid_examples

TIME_MS = parse_ms("2026-01-31T08:16:12.480Z")
MESSAGE = json.loads(valid_examples()["conversation.message"])
LOGIN = json.loads(valid_examples()["agent.logged_in"])


def _changed(event: dict[str, Any], data: dict[str, Any] | None = None, /, **envelope: object) -> bytes:
    return json.dumps({**event, **envelope, "data": {**event["data"], **(data or {})}}).encode()


def _accepted(value: bytes, log_time_ms: int = TIME_MS) -> Accepted:
    event = decode(value, log_time_ms)
    assert isinstance(event, Accepted), event
    return event


def _login(value: bytes) -> Event:
    event = decode(value, parse_ms(LOGIN["time"]))
    assert isinstance(event, Event), event
    return event


def _refused(value: bytes | None, log_time_ms: int = TIME_MS, lateness_ms: int = 86_400_000) -> tuple[str, str]:
    refusal = decode(value, log_time_ms, lateness_ms)
    assert isinstance(refusal, Refusal), refusal
    return refusal.reason, refusal.field


def test_a_message_is_read_with_all_it_says() -> None:
    assert _accepted(valid_examples()["conversation.message"]) == TalkEvent(
        Kind.MESSAGE_BY_USER, TIME_MS, talk_key(USAGE, "acme", "support-bot", "c-81"), who_text("whatsapp", "u-4711", "+4915112345678"), "m-1"
    )


def test_what_another_type_would_say_is_ignored_even_when_it_is_wrong() -> None:
    assert _accepted(_changed(MESSAGE, {"initiator": 7, "reason": "x", "agent_id": "ada", "app_ids": ["a"]})) == _accepted(_changed(MESSAGE))


def test_null_absent_and_empty_users_are_one() -> None:
    absent = {name: text for name, text in MESSAGE["data"].items() if name != "kore_user_id"}
    assert _accepted(_changed({**MESSAGE, "data": absent})) == _accepted(_changed(MESSAGE, {"kore_user_id": None}))
    assert _accepted(_changed(MESSAGE, {"kore_user_id": ""})) == _accepted(_changed(MESSAGE, {"kore_user_id": None}))


def test_a_start_without_initiator_is_the_users() -> None:
    value = valid_examples()["conversation.started.minimal"]
    assert _accepted(value).kind == Kind.STARTED_BY_USER
    assert _accepted(value.replace(b'"channel"', b'"initiator":"bot","channel"')).kind == Kind.STARTED_BY_BOT


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [("id", 1, 256), ("source", 1, 512), ("subject", 1, 256), ("data.workspace_id", 1, 128), ("data.app_id", 1, 128), ("data.channel", 1, 128),
     ("data.message_id", 1, 256), ("data.kore_user_id", 0, 256), ("data.channel_user_id", 0, 256)],
)  # fmt: skip
@pytest.mark.parametrize("character", ["a", "é", "👋", "\u0000"])
def test_lengths_count_code_points(name: str, least: int, most: int, character: str) -> None:
    def value(length: int) -> bytes:
        text = character * length
        return _changed(MESSAGE, {name.removeprefix("data."): text}) if name.startswith("data.") else _changed(MESSAGE, **{name: text})

    _accepted(value(least))
    _accepted(value(most))
    assert _refused(value(most + 1)) == ("invalid_event", name)
    if least:
        assert _refused(value(0)) == ("invalid_event", name)


def test_the_apps_of_a_login_are_kept_as_sent() -> None:
    event = _login(_changed(LOGIN, {"app_ids": ["b", "a", "b"], "app_id": "c"}))
    assert (event.app_ids, event.app_id) == (("b", "a", "b"), "")


def test_one_app_id_stands_for_an_empty_or_absent_list() -> None:
    assert _login(_changed(LOGIN, {"app_ids": [], "app_id": "c"})).app_ids == ("c",)
    assert _login(valid_examples()["agent.logged_in.one-app"]).app_ids == ("support-bot",)


def test_a_login_serves_256_apps_and_not_257() -> None:
    log_time_ms = parse_ms(LOGIN["time"])
    assert len(_login(_changed(LOGIN, {"app_ids": [f"a{i}" for i in range(256)]})).app_ids) == 256
    assert _refused(_changed(LOGIN, {"app_ids": [f"a{i}" for i in range(257)]}), log_time_ms) == ("invalid_event", "data.app_ids")


def test_1_mib_is_accepted_and_one_byte_more_is_too_large() -> None:
    value = _changed(MESSAGE)
    _accepted(value + b" " * (EVENT_BYTES_MAX - len(value)))
    assert _refused(value + b" " * (EVENT_BYTES_MAX - len(value) + 1)) == ("too_large", "")
    assert _refused(b"{" * 5_000_000) == ("too_large", "")


@pytest.mark.parametrize("value", [None, b"", b" ", b"{}{}", b"[]", b"null", b"7", b'"x"', b"\xef\xbb\xbf{}", b"{}\x00", b"{" * 1_000_000])
def test_what_is_not_one_json_object_is_malformed(value: bytes | None) -> None:
    assert _refused(value) == ("malformed_json", "")


@pytest.mark.parametrize(
    "ignored",
    [b'"\xff"', b'"\xed\xa0\x80"', b'"\\ud800"', b'"\\udc00x"', b"NaN", b"Infinity", b"01", b"1.", b'"\n"', b'"\\x"', b"[1,]", b'{"a":1,}', b"tru", b"'a'",
     b'{"\xff":1}', b'{"\\ud800":1}'],
)  # fmt: skip
def test_broken_json_in_an_ignored_field_is_malformed_all_the_same(ignored: bytes) -> None:
    assert _refused(_changed(MESSAGE).replace(b'"sender"', b'"ignored":' + ignored + b',"sender"')) == ("malformed_json", "")


@pytest.mark.parametrize("ignored", [b"9" * 10_000, b"-1e-999", b"1E+999", b'"\\u0000\\ud83d\\ude00"', b'" {[ \\" "', b"[" * 62 + b"]" * 62])
def test_odd_but_sound_json_in_an_ignored_field_is_ignored(ignored: bytes) -> None:
    assert _accepted(_changed(MESSAGE).replace(b'"sender"', b'"ignored":' + ignored + b',"sender"')) == _accepted(_changed(MESSAGE))


@pytest.mark.parametrize("frames", [0, 800])
def test_64_levels_are_accepted_and_65_are_not_however_deep_the_caller_stands(frames: int) -> None:
    def below(count: int, depth: int) -> Accepted | Refusal:
        return below(count - 1, depth) if count else decode(b'{"x":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"," + _changed(MESSAGE)[1:], TIME_MS)

    assert sys.getrecursionlimit() >= 1000
    assert isinstance(below(frames, 64), TalkEvent)
    assert below(frames, 65) == Refusal("malformed_json", "", "nested more than 64 deep")


def test_of_a_repeated_field_the_last_one_counts() -> None:
    value = _changed(MESSAGE)
    event = _accepted(value[:-1] + b',"subject":"c-82"}')
    assert isinstance(event, TalkEvent)
    assert split_key(event.key)[2] == "c-82"
    assert _accepted(b'{"subject":7,"type":"voice.ended","data":[],' + value[1:]) == _accepted(value)
    assert _refused(value[:-1] + b',"type":"voice.typing"}') == ("unknown_type", "")
    assert _refused(value[:-1] + b',"data":{"workspace_id":"acme"}}') == ("invalid_event", "data.app_id")


def test_the_checks_come_in_their_order() -> None:
    late, wrong = TIME_MS + 10**9, {"id": "", "specversion": "0.3"}
    assert _refused(_changed(MESSAGE, type=7, **wrong), late) == ("invalid_event", "type")
    assert _refused(_changed(MESSAGE, type="", **wrong), late) == ("unknown_type", "")
    assert _refused(_changed(MESSAGE, {"channel": 7}, **wrong), late) == ("invalid_event", "specversion")
    assert _refused(_changed(MESSAGE, {"channel": 7, "app_id": 7}, id=7), late) == ("invalid_event", "id")
    assert _refused(_changed(MESSAGE, {"channel": 7, "app_id": 7}), late) == ("invalid_event", "data.app_id")
    assert _refused(_changed(MESSAGE, {"message_id": 7, "sender": 7}), late) == ("invalid_event", "data.sender")
    assert _refused(_changed(MESSAGE), late) == ("too_late", "")


def test_5_minutes_ahead_of_the_log_time_is_accepted_and_a_millisecond_more_is_future() -> None:
    _accepted(_changed(MESSAGE), TIME_MS - 300_000)
    assert _refused(_changed(MESSAGE), TIME_MS - 300_001) == ("future", "")


def test_24_hours_behind_the_log_time_is_accepted_and_a_millisecond_more_is_too_late() -> None:
    _accepted(_changed(MESSAGE), TIME_MS + 86_400_000)
    assert _refused(_changed(MESSAGE), TIME_MS + 86_400_001) == ("too_late", "")
    assert isinstance(decode(_changed(MESSAGE), TIME_MS + 86_400_001, lateness_ms=86_400_001), TalkEvent)


def test_an_instant_outside_the_years_is_judged_by_time_like_any_other() -> None:
    assert _refused(_changed(MESSAGE, time="9999-12-31T23:59:59-23:59")) == ("future", "")
    assert _refused(_changed(MESSAGE, time="0001-01-01T00:00:00+23:59")) == ("too_late", "")


@pytest.mark.parametrize("log_time_ms", [0, TIME_MS, 2**62])
def test_a_control_record_is_never_too_early_or_too_late(log_time_ms: int) -> None:
    event = _accepted(valid_examples()["log.closed"], log_time_ms)
    assert event == Event(Kind.LOG_CLOSED, parse_ms("2026-02-02T00:00:00Z"), "", "", "", "quarterhour", "close-1")


def test_the_workspace_of_a_refusal_is_told_when_it_could_be_read() -> None:
    def workspace_of(value: bytes) -> str:
        refusal = decode(value, TIME_MS)
        assert isinstance(refusal, Refusal)
        return refusal.workspace_id

    assert workspace_of(_changed(MESSAGE, id="")) == "acme"
    assert workspace_of(_changed(MESSAGE, type="typing")) == "acme"
    assert workspace_of(_changed(MESSAGE, time="2020-01-01T00:00:00Z")) == "acme"
    assert workspace_of(_changed(MESSAGE, {"workspace_id": "w" * 129})) == ""
    assert workspace_of(_changed(MESSAGE, {"workspace_id": 7})) == ""
    assert workspace_of(_changed(MESSAGE)[:-1]) == ""


@pytest.mark.parametrize("name", ["id", "source", "type", "time", "subject", "specversion"])
def test_a_detail_names_the_field_and_repeats_little_of_the_value(name: str) -> None:
    refusal = decode(_changed(MESSAGE, **{name: "Q" * 10_000}), TIME_MS)
    assert isinstance(refusal, Refusal)
    assert refusal.detail.startswith(f"{name}: ")
    assert refusal.detail.count("Q") <= 100
    assert len(refusal.detail) < 250
