"""Where the parts of a test run come from.

Rule: an address in the environment wins; else a container, when a Docker daemon answers and has the image or can pull it; else `services.local`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol

PartName = Literal["kafka", "clickhouse", "postgres"]
Source = Literal["given", "container", "local"]

NAMED_BY: Final[dict[PartName, str]] = {
    "kafka": "QUARTERHOUR_KAFKA__BOOTSTRAP_SERVERS",
    "clickhouse": "QUARTERHOUR_CLICKHOUSE__URL",
    "postgres": "QUARTERHOUR_POSTGRES__DSN",
}
IMAGES: Final[dict[PartName, str]] = {"kafka": "apache/kafka:4.1.1", "clickhouse": "clickhouse/clickhouse-server:26.9", "postgres": "postgres:18"}
"""Those of `deploy/compose.yaml`; the versions are those of the local parts."""


class Images(Protocol):
    """A Docker daemon, as far as the choice asks it."""

    def why_not(self, image: str) -> str:
        """Why a container of this image cannot be started; empty: it can."""


@dataclass(frozen=True, slots=True)
class Choice:
    source: Source
    why: str

    def __str__(self) -> str:
        return f"{self.source} ({self.why})"


def choose(part: PartName, environ: Mapping[str, str], docker: Images) -> Choice:
    """Where this part comes from, and why."""
    if NAMED_BY[part] in environ:
        return Choice("given", NAMED_BY[part])
    why_not = docker.why_not(IMAGES[part])
    return Choice("local", why_not) if why_not else Choice("container", IMAGES[part])
