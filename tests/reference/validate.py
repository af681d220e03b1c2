"""What is an event and what is refused (SPEC §3; E1-E4, E6). Rule: one list of checks for each type, in the order of SPEC §3.

Limit: the text of a refusal (`detail`) is not ours to judge; reason and field are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, NoReturn

from tests.reference.instants import instant_ms
from tests.reference.record import FIELDS

SIZE_BYTES_MAX: Final = 1024 * 1024
DEPTH_MAX: Final = 64
APP_IDS_MAX: Final = 256
CONTROL_TYPE: Final = "log.closed"
SURROGATE: Final = re.compile("[\ud800-\udfff]")


class Refusal(NamedTuple):
    reason: str
    field: str = ""
    """As a path; of an `invalid_event` alone."""
    workspace_id: str = ""


class NotJsonError(Exception):
    """The bytes are not one JSON object by E2."""


Check = Callable[[Any], bool]


class Pairs(list[tuple[str, Any]]):
    """An object as its pairs, repeated keys included, so that all of it can be checked."""


def text(least: int, most: int) -> Check:
    """E1: a text of so many code points."""
    return lambda value: isinstance(value, str) and least <= len(value) <= most


def maybe_text(value: Any) -> bool:
    """E1: 0-256 code points, or null."""
    return value is None or text(0, 256)(value)


def one_of(*words: str) -> Check:
    return lambda value: isinstance(value, str) and value in words


def list_of_apps(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= APP_IDS_MAX and all(text(1, 128)(entry) for entry in value)


ENVELOPE: Final[tuple[tuple[str, Check], ...]] = (
    ("specversion", one_of("1.0")),
    ("id", text(1, 256)),
    ("source", text(1, 512)),
    ("time", lambda value: isinstance(value, str) and instant_ms(value) is not None),
    ("subject", text(1, 256)),
    ("data", lambda value: isinstance(value, dict)),
)

CONTROL: Final = tuple((name, one_of("quarterhour") if name == "source" else check) for name, check in ENVELOPE if name not in ("subject", "data"))
"""E8: what a control record has."""

CHECKS: Final[dict[str, Check]] = {
    "channel": text(1, 128),
    "kore_user_id": maybe_text,
    "channel_user_id": maybe_text,
    "conversation_id": maybe_text,
    "initiator": one_of("user", "bot"),
    "sender": one_of("user", "bot", "agent"),
    "reason": one_of("user", "bot", "agent", "idle"),
    "message_id": text(1, 256),
    "agent_id": text(1, 128),
    "app_ids": list_of_apps,
}
MAY_BE_ABSENT: Final = {"kore_user_id", "channel_user_id", "conversation_id", "initiator", "app_ids"}


def refuse_constant(name: str) -> NoReturn:
    raise NotJsonError(name)


def parse_json(line: bytes) -> dict[str, Any]:
    """E2, or NotJsonError."""
    try:
        # Numbers are never looked at; as floats, an integer of any length is read.
        value = json.loads(line.decode("utf-8"), object_pairs_hook=Pairs, parse_constant=refuse_constant, parse_int=float)
    except (ValueError, RecursionError) as error:
        raise NotJsonError(str(error)) from error
    if not isinstance(value, Pairs):
        raise NotJsonError("not an object")
    plain = plain_value(value, 1)
    assert isinstance(plain, dict)
    return plain


def plain_value(value: Any, depth: int) -> Any:
    """The value with its objects as dicts (the last of a repeated key counts); NotJsonError when too deep or not Unicode."""
    if isinstance(value, str):
        if SURROGATE.search(value):
            raise NotJsonError("a lone surrogate")
        return value
    if not isinstance(value, list):
        return value
    if depth > DEPTH_MAX:
        raise NotJsonError("too deep")
    if isinstance(value, Pairs):
        return {plain_value(key, depth): plain_value(inner, depth + 1) for key, inner in value}
    return [plain_value(inner, depth + 1) for inner in value]


def read_line(line: bytes) -> dict[str, Any] | Refusal:
    """E4 up to, and without, `future` and `too_late`: the CloudEvent, or why it is none."""
    if len(line) > SIZE_BYTES_MAX:
        return Refusal("too_large")
    try:
        event = parse_json(line)
    except NotJsonError:
        return Refusal("malformed_json")
    kind = event.get("type")
    workspace_id = readable_workspace(event)
    if not isinstance(kind, str):
        return Refusal("invalid_event", "type", workspace_id)
    if kind == CONTROL_TYPE:
        wrong = next((name for name, check in CONTROL if not check(event.get(name))), None)
        return event if wrong is None else Refusal("invalid_event", wrong, workspace_id)
    if kind not in FIELDS:
        return Refusal("unknown_type", "", workspace_id)
    field = first_wrong_field(kind, event)
    return event if field is None else Refusal("invalid_event", field, workspace_id)


def readable_workspace(event: Mapping[str, Any]) -> str:
    """F2: the workspace, when it could be read."""
    data = event.get("data")
    found = data.get("workspace_id") if isinstance(data, dict) else None
    return found if isinstance(found, str) and text(1, 128)(found) else ""


def readable_time_ms(line: bytes) -> int | None:
    """E7: the event time of a record, accepted or not; None where it tells none."""
    try:
        found = parse_json(line).get("time")
    except NotJsonError:
        return None
    return instant_ms(found) if isinstance(found, str) else None


def first_wrong_field(kind: str, event: Mapping[str, Any]) -> str | None:
    """The first wrong field, as a path."""
    for name, check in ENVELOPE:
        if not check(event.get(name)):
            return name
    data = event["data"]
    if not text(1, 128)(data.get("workspace_id")):
        return "data.workspace_id"
    is_login = kind in ("agent.logged_in", "agent.logged_out")
    if not (text(1, 128)(data.get("app_id")) or (is_login and "app_id" not in data)):
        return "data.app_id"
    for name in FIELDS[kind]:
        if not is_right(kind, name, data):
            return f"data.{name}"
    if is_login and not (data.get("app_ids") or "app_id" in data):
        return "data.app_ids"
    return None


def is_right(kind: str, name: str, data: Mapping[str, Any]) -> bool:
    """One further field of `data`."""
    if name == "message_id" and kind.startswith("alert."):
        return maybe_text(data.get(name))
    if name not in data:
        return name in MAY_BE_ABSENT
    return CHECKS[name](data[name])
