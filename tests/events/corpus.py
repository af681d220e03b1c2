"""The examples of schemas/examples, and what becomes of them when they are damaged: one corpus for every judge of an event.

Rule: seeded, so that a failure can be run again. A mutation is bytes; what it should become is nobody's opinion but the judges', who must agree.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from services.events.times import parse_ms

EXAMPLES: Final = Path(__file__).parents[2] / "schemas" / "examples"
LOG_TIME_MS: Final = parse_ms("2026-01-31T12:00:00Z")

_HOLE: Final = '"@hole@"'
_DATA: Final = '"@data@"'

VALUES: Final = (
    "null", "true", "5", "1e999", "9" * 5000, "-0", "[]", "{}", '""', '"x"', '"1.0"', '"user"', '"bot"', '"agent"', '"idle"', '"quarterhour"',
    '"\\u0000"', '"\\ud83d\\ude00"', '"\\ud83d"', '"\\ude00\\ud83d"', '"\\u00e9"', '"é👋"', "NaN", "-Infinity", "01", "nul", "'x'", '["a"]', '["a","a",""]',
    '["a",7]', '[null]', '"conversation.started"', '"voice.ended"', '"agent.logged_in"', '"log.closed"', '"no.such.type"',
    *(f'"{"a" * length}"' for length in (128, 129, 256, 257, 512, 513, 10_000)),
    *(f'"{"👋" * length}"' for length in (128, 129, 256, 257)),
    *(json.dumps(["a"] * length) for length in (256, 257)),
    *('"' + time + '"' for time in (
        "2026-01-31T08:15:00Z", "2026-01-31t08:15:00.9999z", "2026-01-31T23:59:59.123456789-23:59", "2026-01-31T08:15:60Z", "2026-02-29T08:15:00Z",
        "2024-02-29T08:15:00Z", "2026-01-31T24:00:00Z", "2026-01-31 08:15:00Z", "2026-01-31T08:15:00", "2026-01-31T08:15:00+24:00", "2026-01-31T08:15:00.Z",
        "٢٠٢٦-01-31T08:15:00Z",
        "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "0000-01-01T00:00:00Z", "2026-01-31T08:15:00Z\\n", "2026-01-31T0_:15:00Z",
    )),
)  # fmt: skip
"""JSON texts (some of them none) that may stand where a value stands."""

SNIPPETS: Final = (
    b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf0\x9f\x91\x8b", b"\xef\xbb\xbf", b"\x00", b"\x0c", b"\x1f", b"\x7f", b"\n", b"\\", b'"', b"{", b"}", b"[", b"]",
    b",", b":", b"\\ud800", b"\\udc00", b"\\ud83d\\ude00", b"\\ud83d\\u0041", b"\\u12", b"\\x", b"NaN", b"0", b"-", b".", b"e", b" ", b"null,",
    b'"id":"again",',
)  # fmt: skip


class Invalid(NamedTuple):
    """An example of schemas/examples/invalid."""

    reason: str
    field: str
    log_time_ms: int
    value: bytes


def valid_examples() -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in sorted((EXAMPLES / "valid").glob("*.json"))}


def invalid_examples() -> dict[str, Invalid]:
    return {path.stem: _invalid(json.loads(path.read_text("utf-8"))) for path in sorted((EXAMPLES / "invalid").glob("*.json"))}


def mutations(seed: int, bytes_per_example: int) -> Iterator[bytes]:
    """Every field of every example removed, repeated and given every value; then random damage to the bytes."""
    for value in valid_examples().values():
        event = json.loads(value)
        for path in [(name,) for name in event] + [("data", name) for name in event.get("data", ())] + [("unknown",), ("data", "unknown")]:
            yield from _of_field(event, path)
        yield from _of_nesting(event)
    yield from random_damage(seed, bytes_per_example)


def random_damage(seed: int, per_example: int) -> Iterator[bytes]:
    """Bytes flipped, cut, moved in, taken out and repeated: one to three of these each."""
    dice = random.Random(seed)
    for value in valid_examples().values():
        compact = _bytes(json.loads(value))
        for _ in range(per_example):
            damaged = compact if dice.random() < 0.7 else value
            for _ in range(dice.randint(1, 3)):
                damaged = _damage(dice, damaged)
            yield damaged


def _of_field(event: dict[str, Any], path: tuple[str, ...]) -> Iterator[bytes]:
    yield _bytes(_without(event, path))
    replaced = _text(_with_hole(event, path))
    for new in VALUES:
        yield replaced.replace(_HOLE, new).encode()
    for new in VALUES[::4]:
        yield from _repeated(event, path, new)


def _repeated(event: dict[str, Any], path: tuple[str, ...], new: str) -> Iterator[bytes]:
    """The field twice: the other value first, and the other value last."""
    whole = _text(event if len(path) == 1 else {**event, "data": "@data@"})
    owner = _text(event if len(path) == 1 else event.get("data", {}))
    member = f'"{path[-1]}":{new}'
    for twice in (owner.replace("{", "{" + member + ",", 1), owner[:-1] + "," + member + "}"):
        yield (twice if len(path) == 1 else whole.replace(_DATA, twice)).encode()


def _of_nesting(event: dict[str, Any]) -> Iterator[bytes]:
    text = _text(_with_hole(event, ("unknown",)))
    for depth in (62, 63, 64, 65, 500, 20_000):
        for opening, closing in (("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")):
            times = depth // len(closing)
            yield text.replace(_HOLE, opening * times + "1" + closing * times).encode()
    yield text.replace(_HOLE, '"' + '[{\\"' * 100 + '"').encode()
    yield text.replace(_HOLE, "[" + "[1]," * 100 + "{}]").encode()


def _with_hole(event: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    if len(path) == 1:
        return {**event, path[0]: "@hole@"}
    return {**event, "data": {**event.get("data", {}), path[1]: "@hole@"}}


def _without(event: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    if len(path) == 1:
        return {name: value for name, value in event.items() if name != path[0]}
    return {**event, "data": _without(event.get("data", {}), path[1:])}


def _damage(dice: random.Random, value: bytes) -> bytes:
    start = dice.randrange(len(value) + 1)
    stop = min(len(value), start + dice.randint(1, 12))
    match dice.randrange(5):
        case 0:
            return value[:start]
        case 1:
            return value[:start] + bytes([dice.randrange(256)]) + value[start + 1 :]
        case 2:
            return value[:start] + value[stop:]
        case 3:
            return value[:start] + value[start:stop] * 2 + value[stop:]
        case _:
            return value[:start] + dice.choice(SNIPPETS) + value[start:]


def _text(event: object) -> str:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"))


def _bytes(event: object) -> bytes:
    return _text(event).encode()


def _invalid(example: dict[str, Any]) -> Invalid:
    return Invalid(example["reason"], example["field"], parse_ms(example["log_time"]), _value(example))


def _value(example: dict[str, Any]) -> bytes:
    """What is no JSON stands there as text, and what is no text as base64."""
    if "event" in example:
        return _bytes(example["event"])
    text: str | None = example.get("text")
    return base64.b64decode(example["base64"]) if text is None else text.encode()
