"""One page of state: the conversations, calls and workspaces that hash to it, folded message by message (DESIGN §2). Pure.

`fold` gives what is to be published: the difference between what was true before (old set, old watermark) and what is true now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from services.events.event import FIRST_AGENT, FIRST_ALERT, FIRST_VOICE, Event, Kind
from services.meters.alerts import alert_session
from services.meters.records import NONE_SHOWN, Change, changes
from services.meters.rules import FOREVER_MS, Rules
from services.meters.state import (
    STATE_VERSION,
    PageState,
    dump_call,
    dump_conversation,
    dump_workspace,
    load_call,
    load_conversation,
    load_workspace,
)
from services.meters.usage import Conversation
from services.meters.voice import Call
from services.meters.workspace import Workspace

Key = tuple[str, ...]
"""("usage"|"voice", workspace, app, subject) or ("seats", workspace)."""


class Move(NamedTuple):
    """One message's move of the watermark, the rules, and where a page says at which watermark to `wake` which key."""

    from_ms: int
    to_ms: int
    rules: Rules
    look_again: Callable[[int, Key], None]


class Page:
    """The live form of a page. `version` is that of the record it came from: messages up to there are in it already (E2)."""

    __slots__ = ("dirty", "meters", "version", "workspaces")

    def __init__(self, version: int = -1) -> None:
        self.version = version
        self.dirty = False
        self.meters: dict[Key, Conversation | Call] = {}
        self.workspaces: dict[Key, Workspace] = {}

    def fold(self, events: Iterable[Event], move: Move) -> list[Change]:
        """Put events into the page while the watermark moves."""
        by_key: dict[Key, list[Event]] = {}
        found: list[Change] = []
        for event in events:
            kind = event.kind
            if kind is Kind.ALERT_DELIVERED:
                found.append(Change(alert_session(event), void=False))
            elif kind >= FIRST_AGENT:
                by_key.setdefault(("seats", event.workspace_id), []).append(event)
            elif kind < FIRST_ALERT:
                by_key.setdefault(("voice" if kind >= FIRST_VOICE else "usage", event.workspace_id, event.app_id, event.subject), []).append(event)
        for key, mine in by_key.items():
            self.dirty = True
            found += self._seats(key, mine, move) if key[0] == "seats" else self._meter(key, mine, move)
        return found

    def wake(self, key: Key, move: Move) -> list[Change]:
        """An alarm went off: publish what is due. The set does not change, so the page does not become dirty."""
        if (workspace := self.workspaces.get(key)) is not None:
            return self._seats(key, [], move) if workspace.due_ms <= move.to_ms else []
        meter = self.meters.get(key)
        if meter is None or meter.due_ms > move.to_ms:
            return []
        before = meter.records(move.from_ms, move.rules) if meter.shown else NONE_SHOWN
        found = changes(before, meter.records(move.to_ms, move.rules))
        move.look_again(meter.due_ms, key)
        return found

    def keys(self) -> list[tuple[int, Key]]:
        """When to look at what again: the alarms of a page that was just restored."""
        meters: list[tuple[int, Key]] = [(meter.due_ms, key) for key, meter in self.meters.items()]
        return meters + [(workspace.due_ms, key) for key, workspace in self.workspaces.items()]

    def evict(self, least_log_ms: int, watermark_ms: int, rules: Rules) -> None:
        """T4: drop what no event can reach any more and from which nothing is due."""
        gone = [key for key, m in self.meters.items() if m.due_ms == FOREVER_MS and m.evictable_after_ms(rules) < least_log_ms]
        for key in gone:
            del self.meters[key]
        for key, workspace in list(self.workspaces.items()):
            if not workspace.forget(least_log_ms, watermark_ms, rules):
                del self.workspaces[key]
        self.dirty = self.dirty or bool(gone)

    def dump(self, watermark_ms: int) -> PageState:
        """The page as a record's content."""
        conversations = [dump_conversation(m) for m in self.meters.values() if isinstance(m, Conversation)]
        calls = [dump_call(m) for m in self.meters.values() if isinstance(m, Call)]
        return PageState(STATE_VERSION, watermark_ms, conversations, calls, [dump_workspace(w) for w in self.workspaces.values()])

    @classmethod
    def load(cls, state: PageState, version: int, watermark_ms: int, rules: Rules) -> Page:
        """A page as it was; `watermark_ms` is the position record's: what fell due until then was published, though the page was not written again."""
        page = cls(version)
        published_ms = max(state.watermark_ms, watermark_ms)
        for conversation in state.conversations:
            page.meters["usage", conversation.workspace_id, conversation.app_id, conversation.conversation_id] = load_conversation(conversation)
        for call in state.calls:
            page.meters["voice", call.workspace_id, call.app_id, call.call_id] = load_call(call)
        for seats in state.workspaces:
            workspace = page.workspaces["seats", seats.workspace_id] = load_workspace(seats)
            workspace.restore(published_ms, rules)
        for meter in page.meters.values():
            if meter.due_ms <= published_ms:
                meter.records(published_ms, rules)
        return page

    def _meter(self, key: Key, events: list[Event], move: Move) -> list[Change]:
        meter = self.meters.get(key)
        if meter is None:
            meter = self.meters[key] = (Conversation if key[0] == "usage" else Call)(*key[1:])
        before = NONE_SHOWN
        looked = False
        for event in events:
            if not looked and meter.would_change(event):
                before = meter.records(move.from_ms, move.rules) if meter.shown else NONE_SHOWN
                looked = True
            meter.add(event)
        if not looked:
            return []
        found = changes(before, meter.records(move.to_ms, move.rules))
        move.look_again(meter.due_ms, key)
        return found

    def _seats(self, key: Key, events: list[Event], move: Move) -> list[Change]:
        workspace = self.workspaces.get(key)
        if workspace is None:
            workspace = self.workspaces[key] = Workspace(key[1])
        found = workspace.advance(events, move.from_ms, move.to_ms, move.rules)
        move.look_again(workspace.due_ms, key)
        return found
