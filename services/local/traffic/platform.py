"""Who is on the made-up platform: workspaces, their apps, and their agents with shifts and assignments. Decided once, from the seed."""

from __future__ import annotations

from bisect import bisect
from dataclasses import dataclass
from itertools import accumulate
from random import Random

from services.local.traffic.settings import TrafficSettings

_WORKSPACE_NAMES = ("aurora", "borealis", "cascade", "dynamo", "evergreen", "fjord")
_APP_NAMES = ("support", "orders", "banking", "travel", "helpdesk", "claims")


@dataclass(frozen=True, slots=True)
class Agent:
    """A human agent. Days count from the start of the traffic; `leaves_day` is none for those who stay."""

    workspace_id: str
    agent_id: str
    apps: tuple[str, ...]
    shift: int
    """0 early, 1 late, 2 night."""
    rest_days: int
    """Which two of seven days are free."""
    joins_day: int
    leaves_day: int | None
    moves_day: int | None
    """From this day on the agent serves one app only, `moves_to`."""
    moves_to: str

    def works(self, day: int) -> bool:
        return day >= self.joins_day and (self.leaves_day is None or day < self.leaves_day)

    def apps_on(self, day: int) -> tuple[str, ...]:
        return (self.moves_to,) if self.moves_day is not None and day >= self.moves_day else self.apps


@dataclass(frozen=True, slots=True)
class Workspace:
    """A tenant with its apps and agents."""

    workspace_id: str
    apps: tuple[str, ...]
    agents: tuple[Agent, ...]


@dataclass(frozen=True, slots=True)
class Places:
    """Every (workspace, app) with its share of the conversations, accumulated for drawing."""

    pairs: tuple[tuple[str, str], ...]
    shares: tuple[float, ...]

    def draw(self, chance: float) -> tuple[str, str]:
        """The (workspace, app) at this chance, 0 <= chance < 1."""
        return self.pairs[bisect(self.shares, chance * self.shares[-1])]


def platform_of(settings: TrafficSettings) -> tuple[Workspace, ...]:
    """The workspaces of this traffic."""
    rng = Random(f"{settings.token()}/platform")
    return tuple(_workspace(rng, settings, index) for index in range(settings.workspaces))


def places_of(workspaces: tuple[Workspace, ...]) -> Places:
    """App i of a workspace is busier than app i + 1."""
    pairs = tuple((workspace.workspace_id, app) for workspace in workspaces for app in workspace.apps)
    weights = (1.0 / (1 + index) for workspace in workspaces for index in range(len(workspace.apps)))
    return Places(pairs, tuple(accumulate(weights)))


def _name(names: tuple[str, ...], kind: str, index: int) -> str:
    return names[index] if index < len(names) else f"{kind}-{index + 1:04d}"


def _workspace(rng: Random, settings: TrafficSettings, index: int) -> Workspace:
    name = _name(_WORKSPACE_NAMES, "workspace", index)
    apps = tuple(f"{name}-{_name(_APP_NAMES, 'app', app)}" for app in range(settings.apps))
    return Workspace(name, apps, tuple(_agent(rng, name, apps, number) for number in range(settings.agents)))


def _agent(rng: Random, workspace: str, apps: tuple[str, ...], number: int) -> Agent:
    own = tuple(sorted(rng.sample(apps, min(len(apps), 2 if rng.random() < 0.3 else 1))))
    joins = 0 if rng.random() < 0.8 else rng.randint(1, 60)
    return Agent(
        workspace_id=workspace,
        agent_id=f"{workspace}-agent-{number + 1:04d}",
        apps=own,
        shift=(0, 1, 0, 1, 2)[number % 5],
        rest_days=rng.randrange(7),
        joins_day=joins,
        leaves_day=joins + rng.randint(10, 80) if rng.random() < 0.1 else None,
        moves_day=joins + rng.randint(5, 60) if rng.random() < 0.1 else None,
        moves_to=rng.choice(apps),
    )
