"""The ids of facts (SPEC U9, A1; schemas/README F1): a hash of the tuple that names the thing, and of nothing else.

Tuples are hashed as compact JSON arrays, so that no two tuples share an encoding. `msgspec` writes the same bytes as
`json.dumps(..., ensure_ascii=False, separators=(",", ":"))` (a test compares every code point), four times as fast.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Literal

import msgspec

_encode = msgspec.json.Encoder().encode


def fact_id(*parts: str | int) -> str:
    """F1: the first 32 hex digits of SHA-256 over the parts as a compact JSON array."""
    return sha256(_encode(parts)).hexdigest()[:32]


def session_id(type_: Literal["usage", "voice"], workspace_id: str, app_id: str, conversation_id: str, t0_ms: int, k: int) -> str:
    """U9: session k (from 1) of the episode, or of the call, that begins at t0."""
    return fact_id(type_, workspace_id, app_id, conversation_id, t0_ms, k)


def alert_id(source: str, event_id: str) -> str:
    """A1: the session of one delivered alert."""
    return fact_id("alert", source, event_id)


def episode_id(workspace_id: str, app_id: str, conversation_id: str, t0_ms: int) -> str:
    """The conversation fact of the episode that begins at t0 (C1)."""
    return fact_id("conversation", workspace_id, app_id, conversation_id, t0_ms)


def peak_id(workspace_id: str, app_id: str, quarter_ms: int) -> str:
    """S3: the peak of a quarter; `app_id` is empty for the whole workspace."""
    return fact_id("peak", workspace_id, app_id, quarter_ms)


def login_fact_id(workspace_id: str, login_id: str, start_ms: int) -> str:
    """S1: the presence of a login id that begins at `start_ms`."""
    return fact_id("login", workspace_id, login_id, start_ms)


def assignment_id(workspace_id: str, app_id: str, agent_id: str, start_ms: int) -> str:
    """S5: the assignment of an agent to an app that begins at `start_ms`."""
    return fact_id("assignment", workspace_id, app_id, agent_id, start_ms)


def rejected_id(topic: str, partition: int, offset: int) -> str:
    """A refused record is named by where it came from (SPEC §3)."""
    return f"{topic}/{partition}/{offset}"
