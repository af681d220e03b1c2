# ruff: noqa: RUF001 - the page writes real dashes and minus signs
"""The page as a person sees it, in a real Chromium over the real service. Skipped, and said so, where there is no Chromium."""

from __future__ import annotations

import re

import pytest

from tests.page.asking import KOLKATA, api, asked, bodies, numbers
from tests.page.conftest import READY, Looking

COLUMNS = "document.querySelectorAll('.column').length"
CARD = "document.querySelector('.card:not([hidden])')"


# The key


def test_a_key_opens_the_page_and_stays_out_of_the_url_and_of_what_lasts(looking: Looking) -> None:
    page = looking.at()
    assert looking.stage.key not in page.run(
        "location.href + document.title + document.documentElement.outerHTML + JSON.stringify(localStorage) + document.cookie"
    )
    page.open(f"{looking.stage.url}/usage")
    page.until(READY)
    page.click("#leave")
    page.until("!document.querySelector('#door').hidden && sessionStorage.length === 0")


def test_a_wrong_key_is_told_with_what_to_do(looking: Looking) -> None:
    page = looking.browser
    page.new_page()
    page.open(f"{looking.stage.url}/usage")
    looking.enter("qh_000000000000_wrong")
    page.until("document.querySelector('#door-trouble').innerText.includes('quarterhour keys create')")
    page.until("document.activeElement.id === 'key'")
    # Chromium itself logs every 401.
    assert all("401" in trouble for trouble in page.troubles)
    page.troubles.clear()


# One state, one URL


def test_a_link_shows_to_another_person_what_it_showed_to_the_first(looking: Looking) -> None:
    first = looking.at("?range=2w&series=billing_sessions&group_by=channel&view=table&timezone=Asia%2FKathmandu&app_id=aurora-support&compare=previous")
    url, seen = first.run("location.href"), numbers(first)
    second = looking.at(url.partition("/usage")[2])
    assert numbers(second) == seen
    assert second.run("document.querySelector('#zone').value") == "Asia/Kathmandu"


def test_the_zone_of_the_browser_stands_in_the_url_from_the_first_moment(looking: Looking) -> None:
    assert asked(looking.at()) == {"timezone": ["Asia/Kolkata"]}


def test_every_choice_is_in_the_url_and_the_back_button_takes_it_back(looking: Looking) -> None:
    page = looking.at(KOLKATA)
    page.click("#tiles input[value=voice_sessions]")
    page.until("document.querySelector('#trend-title').innerText.startsWith('Voice sessions')")
    page.click("#controls input[value='1w']")
    page.until(f"{COLUMNS} === 7")
    page.click("#trend-tools input[value=table]")
    page.until("document.querySelectorAll('.numbers tbody tr').length === 7")
    assert asked(page) == {"timezone": ["Asia/Kolkata"], "range": ["1w"], "series": ["voice_sessions"], "view": ["table"]}
    page.run("history.go(-2)")
    page.until(f"{COLUMNS} === 28 && document.querySelector('#tiles :checked').value === 'voice_sessions'")
    page.run("history.back()")
    page.until("document.querySelector('#tiles :checked').value === 'sessions'")


def test_what_a_link_asks_in_vain_is_told(looking: Looking) -> None:
    page = looking.at("?range=9w&timezone=UTC")
    assert "range=9w" in page.text("#notices")


def test_the_apps_are_chosen_by_name(looking: Looking) -> None:
    page = looking.at(KOLKATA)
    page.click(".picker summary")
    page.click(".picker input[value=aurora-support]")
    page.until("document.querySelector('.picker summary').innerText === 'aurora-support'")
    page.until(READY)
    one = page.text(".tile-value")
    page.click(".picker input[value='']")
    page.until(f"document.querySelector('.tile-value').innerText !== {one!r}")
    assert int(page.text(".tile-value").replace(",", "")) > int(one.replace(",", ""))


def test_a_custom_range_says_its_last_day(looking: Looking) -> None:
    page = looking.at("?from=2026-10-01&to=2026-11-01&timezone=Asia%2FKolkata")
    assert page.run("document.querySelector('#last-day').value") == "2026-10-31"
    assert page.run(COLUMNS) == 31
    assert page.text("#range-words").startswith("1–31 Oct 2026")


# The bars


def test_the_bars_and_the_table_and_the_api_say_the_same(looking: Looking) -> None:
    page = looking.at("?range=2w&view=table&group_by=app&timezone=Asia%2FKolkata")
    answer = api(looking, "/v1/usage/trends?range=2w&group_by=app&timezone=Asia/Kolkata")
    buckets, groups = answer["buckets"], answer["groups"]
    assert isinstance(buckets, list)
    assert isinstance(groups, list)
    wanted = [[*(f"{group['buckets'][at]['sessions']:,}" for group in groups), f"{bucket['sessions']:,}"] for at, bucket in enumerate(buckets)]
    assert [row[1:-2] for row in bodies(page)] == wanted


def test_a_point_tells_the_day_its_zone_sessions_voice_agents_and_the_change(looking: Looking) -> None:
    page = looking.at(KOLKATA + "&group_by=none")
    answer = api(looking, "/v1/usage/trends?range=4w&timezone=Asia/Kolkata&compare=previous")
    now, before = answer["buckets"][8], answer["previous"]["buckets"][8]  # type: ignore[index]
    page.point(*page.middle(".column:nth-child(9) .hit"))
    text = page.until(f"{CARD}?.innerText")
    assert "Monday, 2 November 2026" in text
    assert "Asia/Kolkata · UTC+05:30" in text
    assert re.search(rf"All sessions\s+{now['sessions']}\s", text)
    assert re.search(rf"Voice sessions\s+{now['voice_sessions']}\s", text)
    assert re.search(rf"Agents\s+{now['agent_count']}\s", text)
    assert re.search(rf"Peak seats\s+{now['concurrent_seats']} at {now['peak_at'][11:19]}", text)
    assert re.search(rf"[+−][\d.]+% from {before['sessions']} on 5 Oct 2026", text)


def test_the_card_stays_while_the_pointer_is_on_it_and_goes_with_escape(looking: Looking) -> None:
    page = looking.at(KOLKATA)
    page.point(*page.middle(".column:nth-child(9) .hit"))
    page.until(CARD)
    page.point(*page.middle(".card"))
    page.run("new Promise((done) => setTimeout(done, 400))")
    assert page.run(f"Boolean({CARD})")
    page.press("Escape")
    page.until(f"!{CARD}")


def test_the_keyboard_reads_every_bar_and_opens_its_sessions(looking: Looking) -> None:
    page = looking.at(KOLKATA)
    page.run("document.querySelector('#csv').focus()")
    page.press("Tab")
    label = "document.activeElement.getAttribute('aria-label')"
    assert page.run(label).startswith("Saturday, 21 November 2026, not over yet: ")
    page.press("ArrowLeft")
    assert page.run(label).startswith("Friday, 20 November 2026: ")
    assert re.search(r": \d+ sessions\. Usage \d+, Voice \d+, Alerts \d+\. .+ on 23 Oct 2026\. Agents \d+, Peak seats \d+", page.run(label))
    assert page.run(f"{CARD}.innerText").startswith("Friday, 20 November 2026")
    page.press("Home")
    assert page.run(label).startswith("Sunday, 25 October 2026")
    page.press("End", "PageUp")
    assert page.run(label).startswith("Saturday, 14 November 2026")
    page.press("Enter")
    page.until("document.querySelector('#sessions-title').innerText === 'Sessions of Saturday, 14 November 2026'")
    assert page.run("document.activeElement.getAttribute('aria-selected')") == "true"
    assert page.run("document.querySelectorAll('.column[tabindex=\"0\"]').length") == 1


def test_the_open_day_is_hatched_and_no_data_is_no_zero(looking: Looking) -> None:
    page = looking.at("?from=2026-09-18&to=2026-11-24&timezone=UTC&series=alert_sessions&interval=day")
    kinds = page.run("[...document.querySelectorAll('.column')].map((column) => column.querySelector('.nothing, .hatched, .zero')?.classList[0] ?? '')")
    assert kinds[:2] == ["nothing", "nothing"]
    assert kinds[-2:] == ["nothing", "nothing"]
    assert kinds[-3] in ("hatched", "zero")
    assert "nothing" not in kinds[2:-2]
    assert "No data" in page.text("#legend")


def test_a_day_of_25_hours_is_one_bar_and_its_hours_are_25(looking: Looking) -> None:
    page = looking.at("?from=2026-10-31&to=2026-11-03&timezone=America%2FNew_York&view=table")
    assert [row[0] for row in bodies(page)] == ["Sat, 31 Oct 2026", "Sun, 1 Nov 2026", "Mon, 2 Nov 2026"]
    assert "UTC−04:00, then UTC−05:00" in page.text("#trend-stamp")
    page = looking.at("?from=2026-11-01&to=2026-11-02&timezone=America%2FNew_York&interval=hour")
    assert page.run(COLUMNS) == 25
    page.point(*page.middle(".column:nth-child(2) .hit"))
    assert "UTC−04:00" in page.until(f"{CARD}?.innerText")
    page.point(*page.middle(".column:nth-child(3) .hit"))
    page.until(f"{CARD}?.innerText.includes('01:00–02:00') && {CARD}.innerText.includes('UTC−05:00')")


def test_the_period_before_is_drawn_as_outlines(looking: Looking) -> None:
    page = looking.at("?range=2w&timezone=UTC")
    assert page.run("document.querySelectorAll('.ghost').length") == 0
    page.click("#compare")
    page.until("document.querySelectorAll('.ghost').length === 14")


def test_seats_of_apps_are_marks_on_the_bar_of_the_whole_and_not_a_stack(looking: Looking) -> None:
    page = looking.at("?range=1w&series=concurrent_seats&group_by=app&timezone=UTC")
    assert page.run("document.querySelectorAll('.column .level').length") == 7
    assert "do not add up" in page.text("#legend")


# States


def test_a_workspace_without_data_is_told_how_to_send_some(looking: Looking) -> None:
    page = looking.at(key=looking.stage.empty_key)
    assert "quarterhour emit events.jsonl" in page.text("#trend-state")
    assert set(page.run("[...document.querySelectorAll('.tile-value')].map((each) => each.innerText)")) == {"–"}


def test_a_range_without_data_leads_to_one_that_has_some(looking: Looking) -> None:
    page = looking.at("?from=2025-01-01&to=2025-01-08&timezone=UTC")
    assert "The first data is of 20 Sept 2026" in page.text("#trend-state")
    page.click("#trend-state button")
    page.until(f"{COLUMNS} === 6")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?timezone=Mars%2FBase", "Not a time zone"),
        ("?from=2026-01-01&to=2025-01-01&timezone=UTC", "Must be later"),
        ("?range=6m&interval=15m&timezone=UTC", "buckets"),
    ],
)
def test_a_question_that_is_refused_says_why_and_leaves_the_way_back(looking: Looking, query: str, words: str) -> None:
    page = looking.at(query)
    assert words in page.text("#trend-state")
    assert "Try again" in page.text("#trend-state")
    page.click("#controls input[value='1w']")
    page.troubles.clear()


def test_a_service_that_is_gone_is_told_and_asked_again(looking: Looking) -> None:
    page = looking.at(KOLKATA)
    page.call("Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=-1, uploadThroughput=-1)
    page.click("#controls input[value='1w']")
    page.until("document.querySelector('#trend-state').innerText.includes('does not answer')")
    page.call("Network.emulateNetworkConditions", offline=False, latency=0, downloadThroughput=-1, uploadThroughput=-1)
    page.click("#trend-state button")
    page.until(f"{COLUMNS} === 7")
    page.troubles.clear()


def test_the_newest_question_wins(looking: Looking) -> None:
    """An answer that comes late is never drawn over a newer one."""
    page = looking.at(KOLKATA)
    page.run("""(() => {
        const real = window.fetch;
        window.fetch = async (url, options) => {
            const answer = await real(url, { ...options, signal: undefined });
            if (url.includes("range=2w")) await new Promise((done) => setTimeout(done, 600));
            return answer;
        };
    })()""")
    page.click("#controls input[value='2w']")
    page.click("#controls input[value='1w']")
    page.until(f"{COLUMNS} === 7")
    page.run("new Promise((done) => setTimeout(done, 900))")
    assert page.run(COLUMNS) == 7


# Screen, paper, motion


def test_no_width_makes_the_page_scroll_sideways(looking: Looking) -> None:
    page = looking.at("?group_by=channel&compare=previous&timezone=America%2FArgentina%2FComodRivadavia", width=320)
    for width in (320, 390, 641, 768, 1079, 1280, 1920):
        page.size(width, 900)
        page.until(f"innerWidth === {width} && document.querySelector('.bars').getBoundingClientRect().width <= {width}")
        assert page.run("document.documentElement.scrollWidth") <= width


def test_the_theme_follows_the_system_until_somebody_chooses(looking: Looking) -> None:
    page = looking.at(KOLKATA)
    theme = "document.documentElement.dataset.theme"
    page.media({"prefers-color-scheme": "dark"})
    page.until(f"{theme} === 'dark'")
    page.click("#theme")
    page.until(f"{theme} === 'light'")
    page.open(f"{looking.stage.url}/usage")
    assert page.run(theme) == "light"


def test_nothing_moves_for_those_who_asked_for_less_motion(looking: Looking) -> None:
    page = looking.at(KOLKATA)
    moves = "((style) => parseFloat(style.transitionDuration) > 0 || style.animationName !== 'none')(getComputedStyle(each))"
    assert page.run(f"[...document.querySelectorAll('*')].filter((each) => {moves}).length") == 0


def test_paper_gets_the_numbers_and_nothing_to_click(looking: Looking) -> None:
    page = looking.at(KOLKATA + "&view=table")
    page.media({}, "print")
    assert page.run("[...document.querySelectorAll('#controls, .tools, #leave')].every((each) => each.getClientRects().length === 0)")
    assert page.run("document.querySelector('#table').scrollHeight === document.querySelector('#table').clientHeight")
    assert page.paper().startswith(b"%PDF-")
