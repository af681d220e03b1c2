"""The page of the API comes whole from this process: its files are in an installed package, and nothing is fetched from elsewhere."""

from __future__ import annotations

import re

from tests.query.conftest import Api


def test_the_page_and_every_file_that_it_names_are_served_here(api: Api) -> None:
    page = api.client.get("/docs")
    assert page.status_code == 200
    named = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert named
    assert [name for name in named if name.startswith(("http", "//"))] == []
    assert [api.client.get(name).status_code for name in named] == [200] * len(named)
