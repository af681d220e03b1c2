"""One login id: its set of logins and logouts, and the presences they make (SPEC S1). Pure. Bounded by T4 and `forget`."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from msgspec import Raw

from services.meters.records import LoginRecord, Records
from services.meters.rules import FOREVER_MS, Rules
from services.meters.sets import put_once


class Presence(NamedTuple):
    """An agent in apps over [start, end)."""

    start_ms: int
    end_ms: int
    agent_id: str
    app_ids: tuple[str, ...]
    """As sent."""
    login_id: str


class Login:
    """The logins (time, agent, apps as sent) and logouts (time) of one login id, sorted, without repetition."""

    __slots__ = ("_presences", "_rules", "last_ms", "login_id", "logins", "logouts", "record")

    def __init__(self, login_id: str, rules: Rules) -> None:
        self.login_id, self._rules = login_id, rules
        self._presences: list[Presence] | None = None
        """None: not found out since the sets changed."""
        self.record: Raw | None = None
        """Its bytes in a state record, for `state` to keep here; None: not made since the sets changed."""
        self.logins: list[tuple[int, str, tuple[str, ...]]] = []
        self.logouts: list[int] = []
        self.last_ms = -FOREVER_MS

    def add_login(self, at_ms: int, agent_id: str, app_ids: tuple[str, ...]) -> None:
        """Put a login into the set."""
        put_once(self.logins, (at_ms, agent_id, app_ids))
        self._changed(at_ms)

    def add_logout(self, at_ms: int) -> None:
        """Put a logout into the set; without a login it waits for one."""
        put_once(self.logouts, at_ms)
        self._changed(at_ms)

    def _changed(self, at_ms: int) -> None:
        self._presences = self.record = None
        if at_ms > self.last_ms:
            self.last_ms = at_ms

    def presences(self) -> Sequence[Presence]:
        """S1: of several logins within `login_timeout` of the first that counted, the first; each until its logout or the timeout."""
        if self._presences is None:
            self._presences = self._found()
        return self._presences

    def _found(self) -> list[Presence]:
        login_max_ms = self._rules.login_timeout_ms
        found: list[Presence] = []
        counted = -FOREVER_MS
        for at, agent_id, app_ids in self.logins:
            if at <= counted + login_max_ms:
                continue
            counted = at
            place = bisect_left(self.logouts, at)
            timeout = at + login_max_ms
            end = min(self.logouts[place], timeout) if place < len(self.logouts) else timeout
            found.append(Presence(at, end, agent_id, app_ids, self.login_id))
        return found

    def forget(self, horizon_ms: int) -> None:
        """Drop what no event at or after the horizon can change: all before the last login that counted before it."""
        counted = [presence.start_ms for presence in self.presences() if presence.start_ms < horizon_ms]
        if len(counted) > 1:
            self.logins = [login for login in self.logins if login[0] >= counted[-1]]
            self.logouts = [logout for logout in self.logouts if logout >= counted[-1]]
            self._presences = self.record = None


def login_records(workspace_id: str, presences: Iterable[Presence], watermark_ms: int) -> Records:
    """S6, S7: a login has a fact when the watermark has passed its start, with its end when it has passed that."""
    found: Records = {}
    for presence in presences:
        if watermark_ms > presence.start_ms:
            ident = ("login", workspace_id, presence.login_id, presence.start_ms)
            end = presence.end_ms if watermark_ms > presence.end_ms else None
            found[ident] = LoginRecord(ident, workspace_id, presence.login_id, presence.agent_id, tuple(sorted(set(presence.app_ids))), presence.start_ms, end)
    return found
