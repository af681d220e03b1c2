"""The tests of a room once with the Python twin of the hot path and once with the compiled one: import `twin` into the room's conftest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest

from services.native import load

USERS: Final = ("services.meters.twins", "services.ingest.columns", "services.cli.heads")
"""Modules that ask which twin there is."""


@pytest.fixture(scope="module", autouse=True, params=["python", "native"])
def twin(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "native":
        if load() is None:
            pytest.skip("the compiled twin is not built: `make native`")
        yield "native"
        return
    with pytest.MonkeyPatch.context() as patch:
        for user in USERS:
            patch.setattr(f"{user}.load", lambda: None)
        yield "python"
