"""Take the README's pictures anew: `python -m tests.page.pictures`. They show what the tests look at, on any machine with Chromium."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.page.browser import chromium
from tests.page.conftest import Looking
from tests.page.stage import page_stage

PICTURES: Final = Path(__file__).parent / "pictures"


def take(looking: Looking) -> None:
    """Light with a bar under the pointer, dark by app, a table, a phone."""
    page = looking.at("?timezone=Asia%2FKolkata", height=1120)
    page.picture(PICTURES / "light.png")
    page = looking.at("?timezone=Asia%2FKolkata&group_by=app&compare=previous", height=860)
    page.click("#theme")
    page.point(*page.middle(".column:nth-child(17) .hit"))
    page.until("document.querySelector('.card:not([hidden])')")
    page.picture(PICTURES / "dark.png")
    page = looking.at("?timezone=Asia%2FKolkata&range=2w&group_by=app&view=table", height=920)
    page.picture(PICTURES / "table.png")
    page = looking.at("?timezone=Asia%2FKolkata&range=2w", width=390, height=1000)
    page.picture(PICTURES / "phone.png")


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    with page_stage() as stage, chromium() as browser:
        take(Looking(browser, stage))
