"""What the service hands out: the document and its files, and nothing that the policy or a lonely network would refuse."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from services.query.page.routes import HEADERS, MEDIA_TYPES, POLICY, STATIC, page_routes

FILES = sorted(path.name for path in STATIC.iterdir())
MODULES = [name for name in FILES if name.endswith(".js") and name not in ("theme.js", "page.js")]
DOCUMENT = (STATIC / "index.html").read_text()


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    app = FastAPI()
    app.include_router(page_routes)
    with TestClient(app) as client:
        yield client


def test_the_page_is_at_usage_and_the_root_leads_there(client: TestClient) -> None:
    assert client.get("/", follow_redirects=False).headers["location"] == "/usage"
    assert client.get("/usage").text == DOCUMENT


@pytest.mark.parametrize("path", ["/usage", *(f"/usage/{name}" for name in FILES)])
def test_every_file_has_its_type_and_the_policy(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == MEDIA_TYPES[f".{path.rpartition('.')[2]}" if "." in path else ".html"]
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS


def test_the_policy_lets_in_nothing_inline_and_nothing_from_elsewhere() -> None:
    rules = dict(rule.split(" ", 1) for rule in POLICY.split("; "))
    assert rules["default-src"] == "'none'"
    assert {name: source for name, source in rules.items() if name.endswith("-src") and name != "default-src"} == dict.fromkeys(
        ("script-src", "style-src", "img-src", "connect-src"), "'self'"
    )


def test_the_document_has_nothing_inline() -> None:
    assert re.findall(r"<style|\bstyle=|\son\w+=|<script(?![^>]* src=)", DOCUMENT) == []


@pytest.mark.parametrize("name", FILES)
def test_no_file_speaks_of_another_host(name: str) -> None:
    text = (STATIC / name).read_text().replace("http://www.w3.org/2000/svg", "")
    assert re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}|@import|url\((?!\"/usage/|#)", text) == []


def test_every_file_that_is_named_exists_and_every_module_is_loaded_at_once() -> None:
    named = re.findall(r'(?:href|src)="/usage/([^"#]+)', DOCUMENT)
    assert set(named) <= set(FILES)
    assert sorted(re.findall(r'modulepreload" href="/usage/([^"]+)"', DOCUMENT)) == MODULES
    imported = {name for file in FILES if file.endswith(".js") for name in re.findall(r'from "\./([^"]+)"', (STATIC / file).read_text())}
    assert imported == set(MODULES)


def test_no_module_parses_html_or_text_as_code() -> None:
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setAttribute\(\"style\""
    assert {name for name in FILES if re.search(forbidden, (STATIC / name).read_text())} == set()


def test_a_file_that_the_browser_has_is_not_sent_again(client: TestClient) -> None:
    tag = client.get("/usage/page.js").headers["etag"]
    again = client.get("/usage/page.js", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/usage/page.js", headers={"If-None-Match": '"another"'}).status_code == 200


@pytest.mark.parametrize("name", ["nothing.js", "..%2froutes.py", "%2e%2e/routes.py", "..", "index.html%00", "page.js/"])
def test_only_the_files_of_the_page_are_served(client: TestClient, name: str) -> None:
    assert client.get(f"/usage/{name}", follow_redirects=False).status_code in (404, 307)
    assert "APIRouter" not in client.get(f"/usage/{name}").text


def test_the_whole_page_is_small() -> None:
    assert sum((STATIC / name).stat().st_size for name in FILES) < 160_000
