"""The page for tests: served by the real service, looked at by a real Chromium where there is one."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any

import pytest

from services.query.page.routes import STATIC
from tests.page.browser import Browser, chromium, find_chromium
from tests.page.stage import Stage, page_stage

NO_CHROMIUM = "no Chromium on this machine (Debian: apt-get install chromium): the page was not looked at in a browser"
READY = """(() => {
    const done = (id) => document.querySelector(id)?.children.length > 0;
    return !document.getElementById("trend-body").ariaBusy && done("#sessions-body") && done("#seats-body") && done("#freshness")
        && document.querySelector(".column, .numbers tbody, #trend-state .state");
})()"""


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    with page_stage() as stage:
        yield stage


@pytest.fixture(scope="session")
def one_browser() -> Iterator[Browser]:
    if find_chromium() is None:
        pytest.skip(NO_CHROMIUM)
    with chromium() as browser:
        yield browser


class Looking:
    """A person with a key before the page."""

    def __init__(self, browser: Browser, stage: Stage) -> None:
        self.browser, self.stage = browser, stage

    def at(self, query: str = "", *, key: str | None = None, width: int = 1280, height: int = 900) -> Browser:
        """A new tab, the page of this URL, the key entered, everything drawn."""
        self.browser.new_page(width, height)
        self.browser.open(f"{self.stage.url}/usage{query}")
        self.enter(key or self.stage.key)
        self.browser.until(READY)
        return self.browser

    def enter(self, key: str) -> None:
        self.browser.until("document.activeElement.id === 'key'")
        self.browser.write(key)
        self.browser.press("Enter")

    def download(self, selector: str) -> tuple[str, bytes]:
        """Name and bytes of what a click saves."""
        before = set(self.browser.downloads.iterdir())
        self.browser.click(selector)

        def saved() -> list[Path]:
            return [path for path in set(self.browser.downloads.iterdir()) - before if not path.name.endswith(".crdownload")]

        while not saved():
            self.browser.run("new Promise((done) => setTimeout(done, 20))")
        [file] = saved()
        return file.name, file.read_bytes()


def interactive_ms(browser: Browser, url: str, key: str, query: str = "?range=4w") -> float:
    """From the call of the page until everything in it is drawn and can be used, with the key in its tab already."""
    browser.new_page(1280, 900)
    browser.open(f"{url}/usage")
    browser.until("document.activeElement.id === 'key'")
    browser.write(key)
    browser.press("Enter")
    browser.until(READY)
    browser.open(f"{url}/usage{query}")
    browser.until(READY)
    return float(browser.run("performance.now()"))


@pytest.fixture
def looking(one_browser: Browser, stage: Stage) -> Iterator[Looking]:
    """Whatever a test does, the page must not throw, log an error, or break its security policy."""
    yield Looking(one_browser, stage)
    assert one_browser.troubles == []


Modules = str | tuple[str, ...]
Evaluate = Callable[[Modules, str], Any]
"""(module or modules, expression in which `m` is all that they export) → its value."""


_EVALUATE_LINES = """
import { createInterface } from "node:readline";
for await (const line of createInterface({ input: process.stdin })) {
  const [urls, expression] = JSON.parse(line);
  try {
    const m = Object.assign({}, ...(await Promise.all(urls.map((url) => import(url)))));
    console.log(JSON.stringify({ value: new Function("m", `return ${expression}`)(m) }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error.stack) }));
  }
}
"""


@pytest.fixture(scope="session")
def javascript(request: pytest.FixtureRequest) -> Iterator[Evaluate]:
    """The pure modules of the page, run by one Node where there is one, else in Chromium."""
    node = shutil.which("node")
    if node is None:
        yield _by_chromium(request.getfixturevalue("stage"), request.getfixturevalue("one_browser"))
        return
    command = [node, "--no-warnings", "--input-type=module", "-e", _EVALUATE_LINES]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield partial(_by_node, process.stdin, process.stdout)
        process.stdin.close()


def _by_node(to_node: IO[str], from_node: IO[str], modules: Modules, expression: str) -> Any:
    to_node.write(json.dumps([[(STATIC / name).as_uri() for name in _listed(modules)], expression]) + "\n")
    to_node.flush()
    answer = json.loads(from_node.readline())
    assert "error" not in answer, answer["error"]
    return answer.get("value")


def _by_chromium(stage: Stage, browser: Browser) -> Evaluate:
    def evaluate(modules: Modules, expression: str) -> Any:
        browser.new_page()
        browser.open(f"{stage.url}/usage")
        urls = json.dumps([f"/usage/{name}" for name in _listed(modules)])
        script = (
            f"Promise.all({urls}.map((url) => import(url))).then((all) => {{ const m = Object.assign({{}}, ...all); return JSON.stringify({expression}); }})"
        )
        return json.loads(browser.run(script))

    return evaluate


def _listed(modules: Modules) -> tuple[str, ...]:
    return (modules,) if isinstance(modules, str) else modules
