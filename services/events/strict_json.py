"""Read JSON exactly as E2 says: UTF-8, RFC 8259, no lone surrogates, at most 64 deep. The slow way, on which every refusal rests.

Linear in the size of the value, and independent of the call stack: depth is judged before anything recurses.
"""

from __future__ import annotations

import json
import re
from itertools import accumulate
from typing import Final, NoReturn

DEPTH_MAX: Final = 64

_SQUARE: Final = ord("[")
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_STEPS: Final = bytes.maketrans(b"{[}]", b"\x01\x01\xff\xff")
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"{[}]"))
_SOUND_ESCAPE = re.compile(r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u(?![dD][89a-fA-F])|[^u])")


def parse(value: bytes) -> object:
    """E2: the JSON value, a repeated key's last value counting. Numbers come as floats: no rule reads one.

    Raises ValueError with a short sentence (a position, never the text) for everything else.
    """
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start}") from None
    if is_too_deep(value):
        raise ValueError(f"nested more than {DEPTH_MAX} deep")
    try:
        parsed: object = json.loads(text, parse_constant=_refuse_constant, parse_int=float)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at character {error.pos}") from None
    if "\\u" in text and "\\" in _SOUND_ESCAPE.sub("", text):
        raise ValueError("a lone surrogate (\\ud800 to \\udfff) is no character")
    return parsed


def is_too_deep(value: bytes) -> bool:
    """Whether objects and arrays nest more than 64 deep; exact for what is JSON at all. Counting is enough for almost every value."""
    # Most events hold no array, and looking for one byte costs a sixth of counting it.
    if value.count(b"{") + (value.count(b"[") if _SQUARE in value else 0) <= DEPTH_MAX:
        return False
    steps = memoryview(_STRING.sub(b"", value).translate(_STEPS, _NO_BRACKETS)).cast("b")
    return max(accumulate(steps), default=0) > DEPTH_MAX


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
