"""The compiled twin of the hot path: a Rust crate that `make native` builds. Optional; nothing but speed depends on it."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType


@cache
def load() -> ModuleType | None:
    """The compiled module; None where it was not built. A module that was built and cannot be loaded raises ImportError."""
    name = f"{__name__}.quarterhour_native"
    return None if find_spec(name) is None else import_module(name)
