"""What the platform does in one simulated world: a few conversations, calls, alerts, logins and assignments, out of order, repeated, late, broken.

Rule: a function of its generator alone, so that a seed names it. Times lie where the rules turn; names are few, so that pages and workspaces are shared.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any, Final, NamedTuple

from services.events.topics import AGENTS, ALERTS, CONVERSATIONS, VOICE
from tests.reference.instants import DAY_MS, HOUR_MS, MINUTE_MS, instant_ms
from tests.reference.strategies import BASE_MS, GRACE, GRID, LOGIN_GRID, LONG, QUARTERS, REFUSED_LINES, SAYS, SHORT, SILENCE, SLEEP, cloud_event, line

_BROKEN: Final = tuple(text for text in REFUSED_LINES if len(text) < 2_000)
_GAPS: Final = (SHORT, SHORT, SHORT, QUARTERS, QUARTERS, GRACE, SILENCE, LONG, SLEEP)
_LETTERS: Final = ["U", "U", "U", "U", "S", "d", "s", "B", "B", "A", "T", "T", "R", "R", "eu", "eb", "ea", "ei"]
_CALLS: Final = ["vs", "vp", "vp", "ve"]
_BEGINS: Final = (0, 0, -1, 1, 7 * MINUTE_MS, 15 * MINUTE_MS, 16 * HOUR_MS - 1)


class Happening(NamedTuple):
    """One record of a raw topic: when it is written (the event's time, or a later one), what, and into which partition (`pick`, of all)."""

    at_ms: int
    topic: str
    value: bytes
    pick: float = 0.0


def happenings(random: Random) -> list[Happening]:
    """In the order in which they are written."""
    events: list[dict[str, Any]] = []
    for _ in range(random.randint(1, 4)):
        events += _spoken(random, _LETTERS, ("c1", "c1", "c2", "c3"), random.randint(2, 12))
    for _ in range(random.choice((0, 1, 1))):
        events += _spoken(random, _CALLS, ("v1", "c1"), random.randint(1, 5))
    events += [_alert(random) for _ in range(random.choice((0, 1, 2)))]
    for _ in range(random.choice((0, 1, 3))):
        events += _login(random)
    events += [_assignment(random) for _ in range(random.choice((0, 0, 3)))]
    return _disordered(random, _written(events))


def _spoken(random: Random, letters: Sequence[str], subjects: Sequence[str], count: int) -> list[dict[str, Any]]:
    where = _where(random)
    subject, at_ms = random.choice(subjects), BASE_MS + random.choice(_BEGINS)
    people = [_who(random) for _ in range(2)]
    found = []
    for _ in range(count):
        kind, more = SAYS[random.choice(letters)]
        full = kind in ("conversation.started", "conversation.message") or kind.startswith("voice.")
        person = random.choice(people)
        data = where | (person if full else {"channel": person["channel"]}) | more
        if kind == "conversation.message":
            data["message_id"] = random.choice(("m1", "m2", "µ"))
        found.append(cloud_event(kind, at_ms, subject, data))
        at_ms += random.choice(random.choice(_GAPS))
    return found


def _alert(random: Random) -> dict[str, Any]:
    kind = random.choice(("alert.delivered", "alert.delivered", "alert.failed"))
    return cloud_event(kind, BASE_MS + random.choice(GRID), random.choice(("a1", "a2")), _where(random) | _who(random))


def _login(random: Random) -> list[dict[str, Any]]:
    """A presence, mostly short: each quarter of it makes facts. Now and then one without a logout lasts a day."""
    begin_ms, login_id = BASE_MS + random.choice(LOGIN_GRID), random.choice(("l1", "l2"))
    data: dict[str, Any] = {"workspace_id": "acme", "agent_id": random.choice(("ann", "bob")), "app_ids": random.sample(("shop", "bänk"), random.randint(1, 2))}
    begin = cloud_event("agent.logged_in", begin_ms, login_id, data)
    if random.random() < 0.05:
        return [begin]
    return [begin, cloud_event("agent.logged_out", begin_ms + random.choice((0, 1, 15 * MINUTE_MS, HOUR_MS - 1)), login_id, data)]


def _assignment(random: Random) -> dict[str, Any]:
    kind = random.choice(("agent.assigned", "agent.unassigned"))
    return cloud_event(kind, BASE_MS + random.choice(LOGIN_GRID), "x", _where(random) | {"agent_id": random.choice(("ann", "bob"))})


def _where(random: Random) -> dict[str, Any]:
    return {"workspace_id": random.choice(("acme", "acme", "zed")), "app_id": random.choice(("shop", "shop", "bänk"))}


def _who(random: Random) -> dict[str, Any]:
    return {"channel": random.choice(("web", "sms"))} | random.choice(({}, {"kore_user_id": "k1"}, {"kore_user_id": "k2", "channel_user_id": "ü1"}))


def _written(events: list[dict[str, Any]]) -> list[Happening]:
    found = []
    for number, event in enumerate(events):
        at_ms = instant_ms(event["time"])
        assert at_ms is not None
        found.append(Happening(at_ms, _topic(event["type"]), line(event | {"id": f"e{number}"}).removesuffix(b"\n")))
    return sorted(found)


def _topic(kind: str) -> str:
    first = kind.split(".", maxsplit=1)[0]
    return {"conversation": CONVERSATIONS, "voice": VOICE, "alert": ALERTS, "agent": AGENTS}[first]


def _disordered(random: Random, found: list[Happening]) -> list[Happening]:
    """Some are written later than they happened, some twice, and some are no events."""
    late = [(event, event.at_ms + _delay(random)) for event in found]
    late += [(event, event.at_ms + _delay(random) + random.choice((1, HOUR_MS, DAY_MS))) for event in found if random.random() < 0.08]
    late += [(Happening(0, CONVERSATIONS, random.choice(_BROKEN).removesuffix(b"\n")), random.choice(late)[1]) for _ in range(random.choice((0, 0, 1, 3)))]
    written = sorted(late, key=lambda pair: pair[1])
    return [event._replace(at_ms=at_ms, pick=random.random()) for event, at_ms in written]


def _delay(random: Random) -> int:
    return random.choice((0, 0, 0, 0, 0, 30_000, 90_000, HOUR_MS, 23 * HOUR_MS, DAY_MS, DAY_MS + 1)) if random.random() < 0.5 else 0
