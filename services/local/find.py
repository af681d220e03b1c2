"""Find the running stack, so that other commands need no settings on this machine.

Rule: the environment wins over the stack; without a running stack the settings are the environment's alone.
"""

from __future__ import annotations

from pathlib import Path

from services.local.state import default_data_dir, is_running, read_environment
from services.runtime.settings import Settings, read_settings


def stack_settings(data_dir: Path | None = None) -> Settings:
    """The settings of this process over the addresses of the stack that runs on `data_dir` (default: the user's data directory).

    Raises `SettingsError`.
    """
    home = data_dir or default_data_dir()
    return read_settings(beneath=read_environment(home) if is_running(home) else None)
