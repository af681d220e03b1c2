"""The ids of facts (SPEC U9, A1; schemas/README F1): a hash of the tuple that names the thing, and of nothing else.

Tuples are hashed as compact JSON arrays, so that no two tuples share an encoding. `msgspec` writes the same bytes as
`json.dumps(..., ensure_ascii=False, separators=(",", ":"))` (a test compares every code point), four times as fast.
"""

from __future__ import annotations

from hashlib import sha256

import msgspec

_encode = msgspec.json.Encoder().encode


def fact_id(*parts: str | int) -> str:
    """F1: the first 32 hex digits of SHA-256 over the parts as a compact JSON array. F1 lists the parts of each kind of fact."""
    return sha256(_encode(parts)).hexdigest()[:32]


def rejected_id(topic: str, partition: int, offset: int) -> str:
    """A refused record is named by where it came from (SPEC §3)."""
    return f"{topic}/{partition}/{offset}"
