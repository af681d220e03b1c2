"""Files, sessions and seats on the page, in a real Chromium over the real service."""

from __future__ import annotations

import csv
import io
import re
from hashlib import sha256

from tests.page.asking import KOLKATA, api, asked, bodies
from tests.page.conftest import Looking

# Files


def test_the_csv_is_what_is_shown_in_the_zone_of_the_page(looking: Looking) -> None:
    page = looking.at("?range=2w&view=table&group_by=app&timezone=Asia%2FKolkata")
    name, content = looking.download("#csv")
    assert name == "usage_sessions-by-app_day_2026-11-08_2026-11-22_Asia-Kolkata.csv"
    head, *rows = csv.reader(io.StringIO(content.decode()))
    assert head[4:-1] == ["aurora-banking", "aurora-orders", "aurora-support", "aurora-travel", "All sessions Together"]
    assert {row[0][10:] for row in rows} == {"T00:00:00.000+05:30"}
    assert [[f"{int(cell):,}" for cell in row[4:]] for row in rows] == [row[1:-1] for row in bodies(page)]


def test_the_csv_of_the_sessions_holds_all_of_them_and_not_the_page_of_the_list(looking: Looking) -> None:
    page = looking.at("?range=2w&series=voice_sessions&timezone=Asia%2FKolkata")
    total = int(page.run("document.querySelector('.tile:has(:checked) .tile-value').innerText").replace(",", ""))
    assert page.run("document.querySelectorAll('#sessions tbody tr').length") == 25
    _, content = looking.download("#sessions-tools button:last-child")
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    assert len(rows) == total
    assert {row["Billing Session Type"] for row in rows} == {"voice"}
    assert {row["Billing Session Start Date Time"][-6:] for row in rows} == {"+05:30"}
    page.until(f"document.querySelector('#notices').innerText.includes(': {total:,} rows, SHA-256 {sha256(content).hexdigest()}')")


def test_a_file_that_breaks_off_is_not_saved_and_told(looking: Looking) -> None:
    page = looking.at(KOLKATA)
    page.run("""(() => {
        const whole = window.fetch;
        window.fetch = (url, options) => url.includes(".csv")
            ? Promise.resolve(new Response(new ReadableStream({ start(stream) { stream.enqueue(new Uint8Array(9)); stream.error(new TypeError("cut")); } })))
            : whole(url, options);
    })()""")
    before = set(looking.browser.downloads.iterdir())
    page.click("#sessions-tools button:last-child")
    page.until("document.querySelector('#notices').innerText.includes('was not saved')")
    assert set(looking.browser.downloads.iterdir()) == before
    page.until("!document.querySelector('#sessions-tools button:last-child').disabled")


# Sessions and seats


def test_the_sessions_of_a_bar_are_as_many_as_the_bar_says(looking: Looking) -> None:
    page = looking.at("?range=1w&series=alert_sessions&timezone=Asia%2FKathmandu")
    page.run("document.querySelectorAll('.column')[3].focus()")
    count = int(re.findall(r": (\d+) alert sessions?", page.run("document.activeElement.getAttribute('aria-label')"))[0])
    page.press("Enter")
    page.until("document.querySelector('#sessions-title').innerText.startsWith('Sessions of ')")
    page.until(f"document.querySelectorAll('#sessions tbody tr').length === {min(count, 25)}")
    assert count > 0


def test_more_sessions_come_after_the_first_page_without_one_twice(looking: Looking) -> None:
    page = looking.at("?range=1w&timezone=UTC")
    page.click("#sessions .more button")
    page.until("document.querySelectorAll('#sessions tbody tr').length === 50")
    starts = page.run("[...document.querySelectorAll('#sessions tbody tr')].map((row) => row.innerText)")
    assert len(set(starts)) == 50


def test_a_session_says_why_it_was_billed_and_has_a_link_of_its_own(looking: Looking) -> None:
    looking.at("?range=1w&timezone=Asia%2FKolkata")
    listed = api(looking, "/v1/usage/sessions?range=1w&type=usage&order=desc&limit=1000&timezone=Asia/Kolkata")["sessions"]
    assert isinstance(listed, list)
    with_human = next(each for each in listed if each["human_ms"] > 120_000 and each["rule"] == "U7:ended")
    page = looking.at(f"?timezone=Asia%2FKolkata&session={with_human['billing_session_id']}")
    page.until("document.querySelector('#session').open && document.querySelector('#session .facts')")
    text = page.text("#session")
    assert "The conversation ended before the bot clock read " in text
    assert "time with a human agent stops the clock and is not billed" in text
    assert "rule U7:ended" in text
    assert f"{with_human['human_ms'] // 60_000} min" in text
    assert "with a human agent, not billed" in text
    assert with_human["billing_session_id"] in text


def test_a_session_opens_from_the_list_and_closes_with_back_and_escape(looking: Looking) -> None:
    page = looking.at("?range=1w&timezone=UTC")
    for close in ("history.back()", None):
        page.click("#sessions tbody button")
        page.until("document.querySelector('#session').open && document.activeElement.id === 'session-title'")
        assert "session" in asked(page)
        if close:
            page.run(close)
        else:
            page.press("Escape")
        page.until("!document.querySelector('#session').open")
        assert "session" not in asked(page)


def test_a_session_that_is_not_there_says_so(looking: Looking) -> None:
    page = looking.at(f"?timezone=UTC&session={'0' * 32}")
    page.until("document.querySelector('#session').open")
    assert "There is no session" in page.text("#session")
    assert all("404" in trouble for trouble in page.troubles)
    page.troubles.clear()


def test_the_peak_names_as_many_agents_as_it_has_seats(looking: Looking) -> None:
    page = looking.at("?range=4w&timezone=Asia%2FKathmandu")
    seats = int(page.text(".peak-value").split()[0])
    assert page.run("document.querySelectorAll('.who li').length") == seats
    assert "UTC+05:45" in page.text(".peak-when")
