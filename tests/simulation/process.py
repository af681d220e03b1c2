"""A process of the simulation: it may end, or fall asleep, at any of its effects; what is dead has no effects any more.

Rule: every port of every process calls `effect` before it does anything. That is where a kill or a sleep comes in.
While a process sleeps inside an effect, the others have their turns (`World.sleep`): it wakes up where it was, as after SIGSTOP and SIGCONT.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from tests.simulation.kafka import Commit, Place, Wire

if TYPE_CHECKING:
    from tests.simulation.world import World


class Gone(BaseException):
    """The process ended here. No `except Exception` catches it, as none catches kill -9."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """`turns` of the others, in which `ms` pass. `put_out`: the group's session runs out meanwhile."""

    turns: int
    ms: int
    put_out: bool


class Process:
    """One operating system process. `kind` names what is started again in its place."""

    kind = ""

    def __init__(self, world: World, number: int) -> None:
        self.world, self.number = world, number
        self.alive = True
        self.stopping = False
        self.busy = False
        """At work right now, or asleep in the middle of it: nobody may give it a turn."""
        self.slept_ms = 0
        self.effects = 0
        self.wire = Wire(world.log, world.random)
        self.commits: deque[dict[Place, Commit]] = deque()
        """Commits on their way to the group, in order."""
        self._armed: tuple[int, Sleep | None, str] | None = None

    def arm(self, after: int, sleep: Sleep | None, at: str = "") -> None:
        """At the effect (`at`: of this name) that comes after so many others: fall asleep, or end (None). Who is to end does not fall asleep instead."""
        if sleep is not None and self._armed is not None and self._armed[1] is None:
            return
        self._armed = (self.effects + 1 + after, sleep, at)

    def disarm(self) -> None:
        self._armed = None

    def effect(self, name: str = "") -> None:
        """Something is about to happen to the world. Raises `Gone`."""
        if not self.alive:
            raise Gone
        self.effects += 1
        if self._armed is not None and self.effects >= self._armed[0] and self._armed[2] in ("", name):
            sleep = self._armed[1]
            self._armed = None
            if sleep is None:
                self.kill()
                raise Gone
            self.world.sleep(self, sleep)
            if not self.alive:
                raise Gone

    def turn(self) -> None:
        """Work a little."""
        if self.alive and not self.busy:
            self.busy = True
            try:
                self.work()
            except Gone:
                pass
            except Exception as error:
                self.leave(error)
            finally:
                self.busy = False
                if not self.alive:
                    self.forget()

    def work(self) -> None:
        raise NotImplementedError

    def commit_arrives(self) -> object:
        """The next of `commits` reaches the group."""
        raise NotImplementedError

    def forget(self) -> None:
        """It is dead, and nothing of it is at work any more."""

    def put_out(self) -> None:
        """The group does not wait for it any longer."""

    def kill(self) -> None:
        """kill -9: nothing is tidied up; the group notices by the session timeout, which has run out by the time somebody else has a turn."""
        if self.alive:
            self.alive = False
            self.wire.cut()
            self.put_out()
            self.world.buried(self)
            if not self.busy:
                self.forget()

    def leave(self, error: BaseException) -> None:
        """Ended by itself, with this reason."""
        if self.alive:
            self.world.left(self, error)
            self.kill()

    def end(self, reason: str) -> NoReturn:
        """The product's `end_now`."""
        self.leave(Ended(reason))
        raise Gone


class Ended(Exception):
    """A process that ended itself at once, with this reason on file descriptor 2."""
