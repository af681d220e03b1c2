"""The workspaces of one batches partition whose agents log in and out: fold events in, wake what falls due, let go what is past (SPEC S1-S6, T4). Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from services.events.event import Event
from services.events.outgoing import OutFact
from services.meters.alarms import Alarms
from services.meters.publish import publish
from services.meters.records import Change
from services.meters.rules import FOREVER_MS, Rules
from services.meters.sets import take_but
from services.meters.state import dump_workspace, load_workspace
from services.meters.workspace import Workspace


class Teams:
    """All workspaces of a partition, by page."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._pages: dict[int, dict[str, Workspace]] = {}
        self._alarms = Alarms[tuple[int, str]]()
        """(page, workspace): the least watermark at which it has something to publish."""
        self._changed_pages: set[int] = set()

    def apply(self, events: Iterable[tuple[int, Event]], from_ms: int, to_ms: int, ahead: Collection[int], revision: int) -> list[OutFact]:
        """Put (page, event) into their workspaces while the watermark moves and wake what falls due, but on pages that are `ahead` (E2): facts (F4)."""
        by_workspace: dict[tuple[int, str], list[Event]] = {}
        for page, event in events:
            by_workspace.setdefault((page, event.workspace_id), []).append(event)
        found: list[Change] = []
        for (page, workspace_id), mine in by_workspace.items():
            self._changed_pages.add(page)
            workspaces = self._pages.setdefault(page, {})
            workspace = workspaces.get(workspace_id)
            if workspace is None:
                workspace = workspaces[workspace_id] = Workspace(workspace_id, self._rules)
            found += self._advance(page, workspace, mine, from_ms, to_ms)
        for page, workspace_id in self._alarms.ring(to_ms + 1):
            if page not in ahead:
                found += self._advance(page, self._pages[page][workspace_id], [], from_ms, to_ms)
        return publish(found, revision, revision)

    def sweep(self, least_log_ms: int, watermark_ms: int) -> None:
        """T4: drop what no event can change any more."""
        for page, workspaces in self._pages.items():
            for workspace_id, workspace in list(workspaces.items()):
                if not workspace.forget(least_log_ms, watermark_ms):
                    del workspaces[workspace_id]
                    self._alarms.set((page, workspace_id), FOREVER_MS)
                    self._changed_pages.add(page)

    def take_changed(self, ahead: Collection[int]) -> Iterable[int]:
        """Pages whose records must be written; those that are `ahead` stay for a later call."""
        return take_but(self._changed_pages, ahead)

    def states_of(self, page: int) -> list[bytes]:
        """The workspaces of a page, by id."""
        return [dump_workspace(workspace) for _, workspace in sorted(self._pages.get(page, {}).items())]

    def load(self, page: int, states: list[bytes], published_ms: int) -> None:
        """Take a page's workspaces from its record. Raises `StateCorrupt`."""
        for state in states:
            workspace = load_workspace(state, self._rules)
            workspace.restore(published_ms)
            self._pages.setdefault(page, {})[workspace.workspace_id] = workspace
            self._alarms.set((page, workspace.workspace_id), workspace.due_ms)

    def _advance(self, page: int, workspace: Workspace, events: list[Event], from_ms: int, to_ms: int) -> list[Change]:
        found = workspace.advance(events, from_ms, to_ms)
        self._alarms.set((page, workspace.workspace_id), workspace.due_ms)
        return found
