"""The files of the checkout, and Python's imports and calls as facts: what the rules of this folder are asked about."""

from __future__ import annotations

import ast
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
_MADE: Final = {"__pycache__", "build", "dist"}
_NOT_TEXT: Final = {".png", ".woff2", ".ico", ".gz", ".zst"}


@cache
def tracked() -> list[Path]:
    """Every tracked file that is there, relative to the checkout; without git every file but what is made by running things."""
    try:
        listed = subprocess.run(("git", "ls-files", "-z"), cwd=ROOT, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        found = [path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file()]
        return [path for path in found if not any(part in _MADE or part.startswith(".") for part in path.parts)]
    return [Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file()]


@cache
def texts() -> dict[Path, str]:
    """Every tracked file of text, and what it says."""
    return {path: (ROOT / path).read_text(errors="replace") for path in tracked() if path.suffix not in _NOT_TEXT}


@dataclass(frozen=True, slots=True)
class Module:
    path: Path
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """As it is imported."""
        return ".".join(self.path.with_suffix("").parts).removesuffix(".__init__")

    def imports(self) -> set[str]:
        """Names of modules and of what is taken from them: `datetime`, `datetime.datetime`."""
        found: set[str] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
        return found

    def attributes(self) -> set[str]:
        """Every dotted name that is looked up: `os.environ`, `time.time`."""
        return {dotted for node in ast.walk(self.tree) if isinstance(node, ast.Attribute) and (dotted := _dotted(node))}


def _dotted(node: ast.expr) -> str:
    """Empty: it begins with something else than a name."""
    if isinstance(node, ast.Name):
        return node.id
    before = _dotted(node.value) if isinstance(node, ast.Attribute) else ""
    return f"{before}.{node.attr}" if before and isinstance(node, ast.Attribute) else ""


def modules(*rooms: str) -> list[Module]:
    """The Python modules below these folders."""
    return [module for module in _modules() if any(module.path.is_relative_to(room) for room in rooms)]


@cache
def _modules() -> list[Module]:
    return [Module(path, text, ast.parse(text)) for path, text in texts().items() if path.suffix == ".py"]
