"""What tests ask the page and the API beside it."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

from tests.page.browser import Browser
from tests.page.conftest import Looking

KOLKATA = "?timezone=Asia%2FKolkata"


def asked(browser: Browser) -> dict[str, list[str]]:
    return parse_qs(urlsplit(browser.run("location.href")).query)


def numbers(browser: Browser) -> list[list[str]]:
    """The table as it is seen: head, rows, foot."""
    rows = browser.run("[...document.querySelectorAll('.numbers tr')].map((row) => [...row.cells].map((cell) => cell.innerText.trim()))")
    assert isinstance(rows, list)
    return rows


def bodies(browser: Browser) -> list[list[str]]:
    cells = "[...row.cells].map((cell) => cell.querySelector('button')?.innerText ?? cell.innerText)"
    rows = browser.run(f"[...document.querySelectorAll('.numbers tbody tr')].map((row) => {cells})")
    assert isinstance(rows, list)
    return rows


def api(looking: Looking, path: str) -> dict[str, object]:
    key = json.dumps(looking.stage.key)
    answer = looking.browser.run(f"fetch({json.dumps(path)}, {{headers: {{Authorization: `Bearer ${{{key}}}`}}}}).then((answer) => answer.json())")
    assert isinstance(answer, dict)
    return answer
