"""The files of the checkout, and Python's imports and calls as facts: what the rules of this folder are asked about."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
_NOT_TEXT: Final = {".png", ".woff2", ".ico", ".gz", ".zst"}


@cache
def tracked() -> list[Path]:
    """Every tracked file that is there, relative to the checkout."""
    names = subprocess.run(("git", "ls-files", "-z"), cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return [Path(name) for name in names if name and (ROOT / name).is_file()]


def texts() -> Iterator[tuple[Path, str]]:
    """Every tracked file of text."""
    for path in tracked():
        if path.suffix not in _NOT_TEXT:
            yield path, (ROOT / path).read_text(errors="replace")


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
        return {ast.unparse(node) for node in ast.walk(self.tree) if isinstance(node, ast.Attribute)}


@cache
def modules(*rooms: str) -> tuple[Module, ...]:
    """The Python modules below these folders."""
    paths = [path for path in tracked() if path.suffix == ".py" and any(path.is_relative_to(room) for room in rooms)]
    return tuple(Module(path, text := (ROOT / path).read_text(), ast.parse(text)) for path in paths)
