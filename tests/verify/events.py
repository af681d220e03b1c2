"""A few hours of two workspaces: conversations, a call, alerts, two agents of which one has two devices, refusals, duplicates."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

from services.events.times import format_ms
from tests.spec.timeline import MINUTE_MS, T0_MS, cloud_events

CLOSED_MS: Final = T0_MS + 60 * 60 * MINUTE_MS
DAY_MS: Final = 24 * 60 * MINUTE_MS


@dataclass(frozen=True)
class Event:
    """One CloudEvent by its type."""

    type: str
    time_ms: int
    id: str = "closed"
    subject: str = ""
    data: dict[str, Any] = field(default_factory=dict)

    def line(self) -> bytes:
        event = {"specversion": "1.0", "type": self.type, "source": "quarterhour" if self.type == "log.closed" else "platform"}
        event |= {"id": self.id, "time": format_ms(self.time_ms), "subject": self.subject}
        return json.dumps(event | {"data": self.data}).encode()


def talk(subject: str, timeline: str, workspace: str = "acme", day: int = 0) -> list[bytes]:
    """A timeline of SPEC §8's notation."""
    events = cloud_events(timeline, subject=subject, workspace_id=workspace, t0_ms=T0_MS + day * DAY_MS)
    return [json.dumps(event).encode() for event in events]


def login(agent: str, device: str, from_minute: int, to_minute: int | None, apps: tuple[str, ...] = ("shop",)) -> list[bytes]:
    """A presence, in minutes from t0."""
    data = {"workspace_id": "acme", "agent_id": agent, "app_ids": list(apps)}
    found = [Event("agent.logged_in", T0_MS + from_minute * MINUTE_MS, f"in-{device}", device, data).line()]
    if to_minute is not None:
        found.append(Event("agent.logged_out", T0_MS + to_minute * MINUTE_MS, f"out-{device}", device, data).line())
    return found


def history() -> list[bytes]:
    """All of it, in the order of time."""
    assigned = Event("agent.assigned", T0_MS, "assigned", "ann", {"workspace_id": "acme", "app_id": "shop", "agent_id": "ann"}).line()
    events = [
        *talk("long", "started 0, user message 14, 31, 58, ended 70"),
        *talk("human", "started 0, transferred 5, returned 40, user message 41, ended 50"),
        *talk("other", "user message 3, 20", workspace="zeta"),
        *talk("next-day", "started 0, user message 20, ended 31", day=1),
        *talk("call", "voice started 0, voice progress 12, voice ended 20"),
        *talk("report", "alert 8"),
        *login("ann", "phone", 0, 50, ("shop", "help")),
        *login("ann", "laptop", 10, 70),
        *login("ben", "desk", 20, 50),
        *login("cid", "tablet", 50, 65, ("help",)),
        *login("dot", "radio", 65, None),
        assigned,
    ]
    events.sort(key=lambda line: str(json.loads(line)["time"]))
    again = [line for line in events if b"long" in line][1:3]
    return [*events[:6], b"no event", *events[6:12], *again, *events[12:], b'{"type":"conversation.paused"}']
