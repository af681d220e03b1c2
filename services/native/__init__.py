"""The compiled twin of the hot path: a Rust crate that `make native` builds. Optional; nothing but speed depends on it.

What is compiled has a Python twin that says the same, byte for byte, and is the one to read: `meters.talks`, `meters.teams` and what is below them,
`ingest.columns` with `events.decode`, `sink.rows` with `arrow`, `cli.heads`.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Final

_NAME: Final = f"{__name__}.quarterhour_native"
_loaded: list[ModuleType | None] = []


def load() -> ModuleType | None:
    """The compiled module; None where it was not built, or is left out. One that was built and cannot be loaded raises ImportError."""
    if not _loaded:
        _loaded.append(import_module(_NAME) if find_spec(_NAME) else None)
    return _loaded[0]


def required() -> ModuleType:
    """The compiled module. Raises ImportError where it was not built, or is left out."""
    native = load()
    if native is None:
        raise ImportError("The compiled part is not built: `make native`.")
    return native


def leave_out() -> None:
    """From here on this process works in Python alone (`QUARTERHOUR_NATIVE=false`)."""
    _loaded[:] = [None]
