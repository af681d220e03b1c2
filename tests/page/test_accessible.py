"""axe-core (WCAG 2.2 A and AA, and its best practices) over every view of the page, in both themes; and what axe cannot see.

axe-core 4.14.1 lies in `axe/` unchanged, with its licence (MPL-2.0); it is used here only and never served.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.page.browser import Browser
from tests.page.conftest import Looking

AXE: Final = (Path(__file__).parent / "axe" / "axe.min.js").read_text()
RUN: Final = """axe.run(document, {resultTypes: ["violations"]}).then(({violations}) =>
    violations.map(({id, nodes}) => `${id}: ${nodes.slice(0, 3).map((node) => node.html.slice(0, 160) + " " + (node.any[0]?.message ?? "")).join(" | ")}`))"""
VIEWS: Final = {
    "graph by type": "?timezone=UTC",
    "graph by app beside the period before": "?timezone=UTC&group_by=app&compare=previous&range=2w",
    "seats by app": "?timezone=UTC&series=concurrent_seats&group_by=app&range=1w",
    "table": "?timezone=UTC&group_by=channel&view=table&range=2w",
    "nothing in the range": "?from=2025-01-01&to=2025-01-08&timezone=UTC",
}


def violations(page: Browser) -> list[str]:
    page.run("""[...document.querySelectorAll("details")].forEach((each) => { each.open = true; })""")
    page.call("Runtime.evaluate", expression=AXE)
    found = page.run(RUN)
    assert isinstance(found, list)
    return found


def in_both_themes(page: Browser) -> dict[str, list[str]]:
    found = {}
    for theme in ("light", "dark"):
        page.media({"prefers-color-scheme": theme, "prefers-reduced-motion": "reduce"})
        page.until(f"document.documentElement.dataset.theme === '{theme}'")
        found[theme] = violations(page)
    return found


@pytest.mark.parametrize("view", list(VIEWS))
def test_axe_finds_nothing(looking: Looking, view: str) -> None:
    assert in_both_themes(looking.at(VIEWS[view])) == {"light": [], "dark": []}


def test_axe_finds_nothing_in_the_view_of_a_session(looking: Looking) -> None:
    page = looking.at("?timezone=UTC&series=billing_sessions")
    page.click("#sessions tbody button")
    page.until("document.querySelector('#session .facts')")
    assert in_both_themes(page) == {"light": [], "dark": []}


def test_axe_finds_nothing_at_the_door_on_a_phone(looking: Looking) -> None:
    page = looking.browser
    page.new_page(390, 844)
    page.open(f"{looking.stage.url}/usage")
    assert violations(page) == []


def test_at_four_times_the_size_nothing_is_lost_and_nothing_scrolls_sideways(looking: Looking) -> None:
    """WCAG 1.4.10: 1280 pixels at 400 % are 320 by 256."""
    page = looking.at("?timezone=UTC", width=320, height=256)
    assert page.run("document.documentElement.scrollWidth") <= 320
    for selector in ("#controls", "#tiles", "#trend-tools", "#chart svg", "#sessions", "#seats"):
        assert page.run(f"document.querySelector('{selector}').getBoundingClientRect().width") > 100


def test_the_tab_key_walks_through_the_page_in_the_order_of_reading(looking: Looking) -> None:
    page = looking.at("?timezone=UTC")
    page.run("document.querySelector('.skip').focus()")
    stops = []
    for _ in range(24):
        page.press("Tab")
        stops.append(page.run("document.activeElement.closest('header.top, #controls, #tiles, #trend, #sessions, #seats')?.id || 'top'"))
    order = list(dict.fromkeys(stops))
    assert order == ["top", "controls", "tiles", "trend", "sessions"]
    assert stops.count("tiles") == 1


def test_what_has_the_focus_is_seen(looking: Looking) -> None:
    page = looking.at("?timezone=UTC")
    page.run("document.querySelector('#csv').focus()")
    page.press("Tab")
    assert page.run("getComputedStyle(document.activeElement.querySelector('.hit')).strokeWidth") == "2px"
    page.run("document.querySelector('#interval').focus()")
    page.press("Tab")
    assert page.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
