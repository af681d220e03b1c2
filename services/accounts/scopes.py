"""What a key may do."""

from __future__ import annotations

from typing import Final, Literal, get_args

KeyScope = Literal["read", "export", "admin"]
"""`read`: numbers and lists; `export`: whole files; `admin`: both, and the keys of the workspace."""
KEY_SCOPES: Final[tuple[KeyScope, ...]] = get_args(KeyScope)
DEFAULT_SCOPES: Final[tuple[KeyScope, ...]] = ("read", "export")
