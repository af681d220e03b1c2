"""The traffic as one stream in time order: a calendar queue of slots, filled as its conversations begin and emptied as they come due.

What is held is what has begun and is still to come: an event costs a tuple until it is written, and a day's end holds no more than any other hour.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import count
from random import Random
from typing import Final

from services.local.traffic import calls, shifts
from services.local.traffic.conversations import CHANNELS, conversation
from services.local.traffic.lines import Script, Thread, Verb, render
from services.local.traffic.noise import noisy
from services.local.traffic.platform import places_of, platform_of
from services.local.traffic.rhythm import SLOT_MS, load, poisson
from services.local.traffic.settings import DAY_MS, TrafficSettings

_CALLS = 0.15  # of the number of conversations
_READERS = 0.03  # of a day's conversations: users who have a report sent to them
_ANONYMOUS = 0.25
_CALLS_WITH_BOT = 0.2
EVENTS_PER_CONVERSATION: Final = 14.3
"""All events of a long steady run, by the number of its conversations; a test measures it."""


def traffic(settings: TrafficSettings) -> Iterator[bytes]:
    """CloudEvents as JSON lines without the line end, in order of arrival: the order of time, but for noise."""
    return (line for _, line in timed_traffic(settings))


def timed_traffic(settings: TrafficSettings) -> Iterator[tuple[int, bytes]]:
    """`traffic` with the instant (UTC milliseconds) at which each line arrives; instants never go back."""
    stream = _Stream(settings).events()
    return noisy(stream, Random(f"{settings.token()}/noise")) if settings.noise else stream


class _Calendar:
    """Events to come, by slot. Within a slot they are sorted only when it is due."""

    def __init__(self, end_ms: int) -> None:
        self._end_ms = end_ms
        self._slots: defaultdict[int, list[tuple[int, int, Thread, Verb]]] = defaultdict(list)
        self._order = count()  # Of events at one instant the one planned first comes first, and threads are never compared.

    def add(self, thread: Thread, script: Script) -> None:
        slots, order, end_ms = self._slots, self._order, self._end_ms
        for at_ms, verb in script:
            if at_ms < end_ms:
                slots[at_ms // SLOT_MS].append((at_ms, next(order), thread, verb))

    def take(self, slot: int) -> list[tuple[int, int, Thread, Verb]]:
        due = self._slots.pop(slot, [])
        due.sort()
        return due


class _Stream:
    def __init__(self, settings: TrafficSettings) -> None:
        self._settings = settings
        self._token = settings.token()
        self._workspaces = platform_of(settings)
        self._places = places_of(self._workspaces)
        self._per_day = settings.conversations_per_day * settings.workspaces
        self._users = max(10, int(settings.conversations_per_day))
        self._first_ms = settings.start_ms - settings.lead_in_ms
        self._calendar = _Calendar(settings.end_ms)

    def events(self) -> Iterator[tuple[int, bytes]]:
        start_ms, take = self._settings.start_ms, self._calendar.take
        self._subscribe()
        self._work_already()
        for slot in range(self._first_ms // SLOT_MS, -(-self._settings.end_ms // SLOT_MS)):
            self._plan(slot)
            for at_ms, _, thread, verb in take(slot):
                line = render(at_ms, thread, verb)
                if at_ms >= start_ms:
                    yield at_ms, line

    def _subscribe(self) -> None:
        rng = Random(f"{self._token}/plans")
        for workspace in self._workspaces:
            for thread, script in shifts.assignments(rng, self._token, workspace, self._settings.start_ms):
                self._calendar.add(thread, script)

    def _plan(self, slot: int) -> None:
        """Put everything that begins in this slot into the calendar."""
        slot_ms = slot * SLOT_MS
        rng = Random(f"{self._token}/{slot}")
        mean = self._per_day * SLOT_MS / DAY_MS * load(slot_ms, self._settings.steady)
        for index in range(poisson(rng, mean)):
            self._converse(rng, f"{slot:x}-{index:x}", self._begins_ms(rng, slot_ms))
        for index in range(poisson(rng, mean * _CALLS)):
            self._call(rng, f"{slot:x}-{index:x}", self._begins_ms(rng, slot_ms))
        if slot_ms % calls.REPORT_EVERY_MS == 0:
            self._report(rng, slot_ms)
        if slot_ms % DAY_MS in shifts.SHIFTS_MS:
            self._work(rng, shifts.SHIFTS_MS.index(slot_ms % DAY_MS), slot_ms)

    def _begins_ms(self, rng: Random, slot_ms: int) -> int:
        return max(self._first_ms, slot_ms + int(rng.random() * SLOT_MS))

    def _converse(self, rng: Random, number: str, begins_ms: int) -> None:
        name = f"c{self._token}-{number}"
        workspace, app = self._places.draw(rng.random())
        channel = rng.choice(CHANNELS)
        self._calendar.add(self._thread(name, workspace, app, channel, self._user(rng, channel)), conversation(rng, begins_ms))

    def _call(self, rng: Random, number: str, begins_ms: int) -> None:
        name = f"v{self._token}-{number}"
        workspace, app = self._places.draw(rng.random())
        user = self._user(rng, "phone")
        script = calls.call(rng, begins_ms)
        if rng.random() < _CALLS_WITH_BOT:
            self._calendar.add(self._thread(f"{name}-bot", workspace, app, "voice", user), calls.call_with_bot(rng, script))
            user += f',"conversation_id":"{name}-bot"'
        self._calendar.add(self._thread(name, workspace, app, "voice", user), script)

    def _report(self, rng: Random, due_ms: int) -> None:
        for reader in range(max(1, int(self._per_day * _READERS))):
            workspace, app = self._places.pairs[reader % len(self._places.pairs)]
            thread = self._thread(f"a{self._token}-{due_ms // SLOT_MS:x}-{reader:x}", workspace, app, "email", f',"kore_user_id":"u-{reader:06d}"')
            self._calendar.add(thread, calls.report(rng, due_ms))

    def _work_already(self) -> None:
        """The shift that runs when the traffic starts: its agents log in at the start."""
        for day_ms in (self._first_ms // DAY_MS * DAY_MS - DAY_MS, self._first_ms // DAY_MS * DAY_MS):
            for number, from_midnight_ms in enumerate(shifts.SHIFTS_MS):
                begins_ms = day_ms + from_midnight_ms
                if begins_ms < self._first_ms < begins_ms + shifts.LENGTH_MS:
                    self._work(Random(f"{self._token}/shift"), number, begins_ms)

    def _work(self, rng: Random, number: int, begins_ms: int) -> None:
        start_ms = self._settings.start_ms
        day = max(0, (begins_ms - start_ms) // DAY_MS)
        for workspace in self._workspaces:
            for agent in workspace.agents:
                if agent.shift == number:
                    for thread, script in shifts.shift(rng, self._token, agent, day, begins_ms):
                        if len(script) == 1 or script[-1][0] > start_ms:  # A logout before the start is of nobody's login.
                            self._calendar.add(thread, [(max(at_ms, start_ms), verb) for at_ms, verb in script])

    def _user(self, rng: Random, channel: str) -> str:
        """Some users write often, most of them rarely; on some channels nobody logs in."""
        user = int(self._users * rng.random() ** 2)
        known = "" if rng.random() < _ANONYMOUS else f',"kore_user_id":"u-{user:06d}"'
        return f'{known},"channel_user_id":"{channel}-{user:06d}"'

    @staticmethod
    def _thread(name: str, workspace: str, app: str, channel: str, user: str) -> Thread:
        return Thread(name, name, f"/platform/{workspace}", f'"workspace_id":"{workspace}","app_id":"{app}","channel":"{channel}"', user)
