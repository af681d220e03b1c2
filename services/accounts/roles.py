"""What people may do and see in a workspace. Pure.

Rule: a person's key can never do or see more than the person can now: whoever is made a collaborator today loses the export with the next request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from services.accounts.scopes import KeyScope

Role = Literal["workspace_owner", "app_owner", "collaborator"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
ROLE_SCOPES: Final[Mapping[Role, frozenset[KeyScope]]] = {
    "workspace_owner": frozenset({"read", "export", "admin"}),
    "app_owner": frozenset({"read", "export"}),
    "collaborator": frozenset({"read"}),
}


@dataclass(frozen=True, slots=True)
class Member:
    """A person in one workspace; `app_ids` none: all apps."""

    role: Role
    app_ids: tuple[str, ...] | None

    @property
    def scopes(self) -> frozenset[KeyScope]:
        return ROLE_SCOPES[self.role]

    def sees(self, app_ids: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """The apps of a key of these that the person may see; none: all; empty: not one of them."""
        if self.app_ids is None or app_ids is None:
            return self.app_ids if app_ids is None else app_ids
        return tuple(app_id for app_id in app_ids if app_id in self.app_ids)
