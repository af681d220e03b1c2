"""What a key may use: requests and reading time a minute, exports at one time. Pure.

Rule: minutes are those of the clock, counted for all processes together in PostgreSQL; what a question costs is known after it, so a minute may be
overdrawn by the questions that were under way. Exports are bounded by their number instead, for one of them may last longer than a minute.
Limit: at the edge of two minutes a key may send twice its number in a few seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, get_args

from services.runtime.errors import ServiceError

WorkspaceKind = Literal["standard", "enterprise"]
WORKSPACE_KINDS: Final[tuple[WorkspaceKind, ...]] = get_args(WorkspaceKind)
Policy = Literal["requests", "read-time", "exports"]

MINUTE: Final = timedelta(minutes=1)
MINUTE_S: Final = 60
EXPORT_RETRY_S: Final = 30


@dataclass(frozen=True, slots=True)
class Limits:
    requests_per_minute: int = 600
    read_s_per_minute: int = 60
    exports_at_once: int = 2

    def but(self, requests_per_minute: int | None, read_s_per_minute: int | None, exports_at_once: int | None) -> Limits:
        """With what a key has of its own."""
        return Limits(requests_per_minute or self.requests_per_minute, read_s_per_minute or self.read_s_per_minute, exports_at_once or self.exports_at_once)


LIMITS: Final[Mapping[WorkspaceKind, Limits]] = {"standard": Limits(), "enterprise": Limits(3_000, 300, 8)}


@dataclass(frozen=True, slots=True)
class Use:
    """What a key has used of its minute, this request counted."""

    minute: datetime
    requests: int
    read_ms: int


class QuotaExceeded(ServiceError):
    """The key has used what it may; `retry_s` from now there is some again."""

    def __init__(self, policy: Policy, retry_s: int, detail: str) -> None:
        super().__init__(detail)
        self.policy, self.retry_s = policy, retry_s


def minute_of(now: datetime) -> datetime:
    return now.replace(second=0, microsecond=0)


def left_s(use: Use, now: datetime) -> int:
    """Whole seconds until the minute is over, at least one."""
    return max(1, -(-(use.minute + MINUTE - now) // timedelta(seconds=1)))


def check(limits: Limits, use: Use, now: datetime) -> None:
    """Raises QuotaExceeded."""
    retry_s = left_s(use, now)
    if use.requests > limits.requests_per_minute:
        raise QuotaExceeded("requests", retry_s, f"This API key may ask {limits.requests_per_minute} times a minute. Try again in {retry_s} s.")
    if use.read_ms >= limits.read_s_per_minute * 1000:
        raise QuotaExceeded(
            "read-time",
            retry_s,
            f"The questions of this API key may take {limits.read_s_per_minute} s of reading a minute. Try again in {retry_s} s, or ask for shorter ranges.",
        )


def headers(limits: Limits, use: Use, now: datetime) -> dict[str, str]:
    """RateLimit fields (draft-ietf-httpapi-ratelimit-headers, since version 8): what the policies are, and what is left of them."""
    read_ms, reset_s = limits.read_s_per_minute * 1000, left_s(use, now)
    requests_left, read_ms_left = max(0, limits.requests_per_minute - use.requests), max(0, read_ms - use.read_ms)
    return {
        "RateLimit-Policy": f'"requests";q={limits.requests_per_minute};w={MINUTE_S}, "read-time";q={read_ms};qu="milliseconds";w={MINUTE_S}',
        "RateLimit": f'"requests";r={requests_left};t={reset_s}, "read-time";r={read_ms_left};t={reset_s}',
    }
