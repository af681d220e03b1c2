"""Questions for every page of the OpenAPI description: what is new there has its questions at once, or fails for want of a value here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastapi.testclient import TestClient

RANGE: Final = {"from": "2026-03-01", "to": "2026-03-08"}
VALUES: Final[Mapping[str, str]] = {
    "timezone": "Asia/Kathmandu",
    "app_id": "a",
    "channel": "web",
    "conversation_id": "c1",
    "kore_user_id": "u1",
    "channel_user_id": "+1",
    "reason": "too_late",
    "at": "2026-03-02T10:05:00Z",
    "interval": "15m",
    "order": "desc",
    "limit": "2",
    "open": "true",
    "range": "2w",
    "cursor": "none",
    "billing_session_id": "0" * 32,
    "export_id": "0" * 32,
}
"""What a test asks for; every value of the description's list, where it has one and there is none here."""
_OWN_TESTS: Final = {"range", "cursor"}
"""The one stands instead of `from` and `to`, the other belongs to an answer."""


@dataclass(frozen=True)
class Parameter:
    name: str
    place: str
    values: tuple[str, ...]
    """A few that are right."""
    is_text: bool
    is_list: bool


@dataclass(frozen=True)
class Page:
    path: str
    parameters: tuple[Parameter, ...]

    @property
    def base(self) -> dict[str, str]:
        """The range, where it takes one."""
        names = {parameter.name for parameter in self.parameters}
        return RANGE if names.issuperset(RANGE) else {}

    def questions(self) -> list[dict[str, str]]:
        """The page alone; with each value where there is a choice, and of one app; and with all the rest together."""
        asked = [each for each in self.parameters if each.place == "query" and each.name not in RANGE and each.name not in _OWN_TESTS]
        apart = [each for each in asked if len(each.values) > 1 or each.name == "app_id"]
        together = {each.name: each.values[0] for each in asked if each not in apart}
        found = [{**self.base, each.name: value} for each in apart for value in each.values]
        return [dict(self.base), *found, *([self.base | together] if together else [])]

    def address(self, **ids: str) -> str:
        return self.path.format(**{**VALUES, **ids})


def pages_of(client: TestClient) -> list[Page]:
    """Those of usage that need a key."""
    paths = client.get("/openapi.json").json()["paths"]
    return [Page(path, tuple(map(_parameter, methods["get"].get("parameters", [])))) for path, methods in paths.items() if path.startswith("/v1/usage/")]


def _parameter(described: dict[str, Any]) -> Parameter:
    name, schema = described["name"], described["schema"]
    kinds = [kind for kind in schema.get("anyOf", [schema]) if kind.get("type") != "null"]
    inner = kinds[0].get("items", kinds[0])
    listed = tuple(inner.get("enum", [])) or ((inner["const"],) if "const" in inner else ())
    values = (VALUES[name],) if name in VALUES else RANGE.get(name, "").split() or listed
    assert values, f"{name}: VALUES has nothing to ask for"
    return Parameter(name, described["in"], tuple(values), inner.get("type") == "string", "items" in kinds[0])
