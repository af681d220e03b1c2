"""What no tool asks: purity of the core, one place for clocks and environment, small files with a head, no traces of a workplace."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.tidy.tree import Module, modules, texts

LINES_MAX = 400
IMPURE = {
    "asyncio", "io", "logging", "multiprocessing", "os", "pathlib", "platform", "random", "secrets", "shutil", "socket", "subprocess", "tempfile",
    "threading", "time", "urllib", "uuid",
}  # fmt: skip
WALL_CLOCKS = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "datetime.datetime.now"}
ENVIRONMENT = {"os.environ", "os.getenv", "os.putenv", "os.environb"}


def names(found: Iterable[Path]) -> list[str]:
    return sorted(map(str, found))


@pytest.mark.parametrize("module", modules("services/events", "services/meters"), ids=lambda module: module.name)
def test_the_words_and_the_meters_are_pure(module: Module) -> None:
    assert {name.split(".")[0] for name in module.imports()} & IMPURE == set()
    assert module.attributes() & (WALL_CLOCKS | ENVIRONMENT) == set()
    calls = {node.func.id for node in ast.walk(module.tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert calls & {"open", "print", "input", "exec", "eval"} == set()


def test_one_file_imports_faust() -> None:
    assert names(module.path for module in modules("services") if any(name.split(".")[0] in ("faust", "mode") for name in module.imports())) == [
        "services/processors/engine.py"
    ]


def test_the_environment_is_read_in_one_file() -> None:
    readers = [module.path for module in modules("services") if module.attributes() & ENVIRONMENT or {"os.environ", "os.getenv"} & module.imports()]
    assert names(readers) == ["services/runtime/settings.py"]


def test_the_wall_clock_is_read_in_one_file() -> None:
    assert names(module.path for module in modules("services") if module.attributes() & WALL_CLOCKS) == ["services/runtime/clock.py"]


def test_nothing_random_decides_anything() -> None:
    """Keys and passwords are made by `secrets`; made-up traffic has a generator with a seed."""
    loose = {f"random.{name}" for name in ("random", "randint", "randrange", "choice", "choices", "shuffle", "uniform", "sample", "getrandbits")}
    assert names(module.path for module in modules("services") if module.attributes() & loose) == []


def test_committed_offsets_are_not_asked_of_the_admin_client() -> None:
    """It ends the process by a segmentation fault on a new broker: services/runtime/committed.py."""
    asked = "list_consumer_group_" + "offsets"
    assert names(module.path for module in modules("services", "tests") if f".{asked}(" in module.text) == []


def test_no_file_of_code_is_long() -> None:
    lengths = {path: len(text.splitlines()) for path, text in texts().items() if path.suffix in (".py", ".js", ".sql") and ".min." not in path.name}
    assert {str(path): length for path, length in lengths.items() if length > LINES_MAX} == {}


def test_every_module_opens_with_its_job() -> None:
    assert names(module.path for module in modules("services", "tests") if module.text.strip() and not ast.get_docstring(module.tree)) == []


def test_nothing_is_left_to_do() -> None:
    left = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")
    assert names(path for path, text in texts().items() if path.suffix in (".py", ".js", ".css", ".md", ".sql") and left.search(text)) == []


def test_there_is_one_version_of_everything() -> None:
    versioned = re.compile(r"(?i)^\w+_?(v[2-9]|_old|_new|_legacy)$")
    found = {
        f"{module.path}: {node.name}"
        for module in modules("services")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and versioned.match(node.name)
    }
    assert found == set()


def test_no_file_names_a_machine_or_a_registry() -> None:
    places = r"/(?:wor" + r"k|root|home|Users)/\w|/tmp/\w+/"
    registries = r"(?:pypi|pythonhosted|npmjs|docker|ghcr|quay|maven|apache|golang)\.(?:org|com|io)\b"
    ours = [(path, text) for path, text in texts().items() if path.name != "LICENSE" and not path.is_relative_to("tests/page/axe")]
    assert sorted(f"{path}: {hit}" for path, text in ours for hit in re.findall(f"{places}|{registries}", text)) == []
