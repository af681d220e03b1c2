"""The colours of the page, computed: contrast (WCAG 2.2, 1.4.3 and 1.4.11) and apartness for colour-blind eyes, in both themes."""

from __future__ import annotations

import re
from itertools import combinations, product
from typing import Final

import pytest

from services.query.page.routes import STATIC

Colour = tuple[float, float, float]
"""Linear sRGB."""

THEMES: Final = ("light", "dark")
SLOTS: Final = tuple(f"slot-{number}" for number in range(1, 9))
APART_MIN: Final = 0.075
"""Distance in OKLab; 0.02 is just seen side by side (Ottosson 2020), a legend is read from further away."""

# Machado, Oliveira and Fernandes (2009), severity 1.0, on linear RGB.
EYES: Final = {
    "full": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deutan": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritan": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}


def palette(theme: str) -> dict[str, Colour]:
    text = (STATIC / "tokens.css").read_text()
    [block] = re.findall(rf'\[data-theme="{theme}"\] \{{(.*?)\}}', text, re.DOTALL)
    return {name: linear(code) for name, code in re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block)}


def linear(code: str) -> Colour:
    channels = [int(code[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels)
    return red, green, blue


def contrast(one: Colour, other: Colour) -> float:
    high, low = sorted((0.2126 * red + 0.7152 * green + 0.0722 * blue for red, green, blue in (one, other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def times(matrix: tuple[tuple[float, ...], ...], colour: Colour) -> Colour:
    red, green, blue = (sum(factor * channel for factor, channel in zip(row, colour, strict=True)) for row in matrix)
    return red, green, blue


def oklab(colour: Colour) -> Colour:
    cones = times(
        ((0.4122214708, 0.5363325363, 0.0514459929), (0.2119034982, 0.6806995451, 0.1073969566), (0.0883024619, 0.2817188376, 0.6299787005)),
        colour,
    )
    long, medium, short = (max(0.0, each) ** (1 / 3) for each in cones)
    return times(
        ((0.2104542553, 0.7936177850, -0.0040720468), (1.9779984951, -2.4285922050, 0.4505937099), (0.0259040371, 0.7827717662, -0.8086757660)),
        (long, medium, short),
    )


def apart(one: Colour, other: Colour, eyes: str) -> float:
    first, second = (oklab(times(EYES[eyes], colour)) for colour in (one, other))
    return float(sum((a - b) ** 2 for a, b in zip(first, second, strict=True)) ** 0.5)


@pytest.mark.parametrize("theme", THEMES)
def test_the_themes_have_the_same_colours_by_name(theme: str) -> None:
    assert set(palette(theme)) == set(palette("light"))


@pytest.mark.parametrize(("theme", "text"), [*product(THEMES, ("text", "text-muted", "text-faint", "bad", "accent"))])
def test_texts_are_read_on_every_ground(theme: str, text: str) -> None:
    colours = palette(theme)
    assert {ground: contrast(colours[text], colours[ground]) >= 4.5 for ground in ("page", "panel", "raised", "sunken")} == dict.fromkeys(
        ("page", "panel", "raised", "sunken"), True
    )


@pytest.mark.parametrize("theme", THEMES)
def test_texts_are_read_on_their_own_grounds(theme: str) -> None:
    colours = palette(theme)
    pairs = [("on-accent", "accent"), ("warn", "warn-soft"), ("text", "accent-soft"), ("text-faint", "accent-soft"), ("text", "chosen")]
    assert {pair: contrast(*(colours[name] for name in pair)) >= 4.5 for pair in pairs} == dict.fromkeys(pairs, True)


@pytest.mark.parametrize(("theme", "graphic"), [*product(THEMES, (*SLOTS, "control-line", "focus", "good", "warn"))])
def test_what_is_drawn_is_seen_on_its_panel(theme: str, graphic: str) -> None:
    colours = palette(theme)
    assert contrast(colours[graphic], colours["panel"]) >= 3


@pytest.mark.parametrize(("theme", "eyes"), [*product(THEMES, EYES)])
def test_any_two_slots_are_told_apart_by_every_kind_of_eyes(theme: str, eyes: str) -> None:
    colours = palette(theme)
    close = {(a, b): round(apart(colours[a], colours[b], eyes), 3) for a, b in combinations(SLOTS, 2)}
    assert {pair: distance for pair, distance in close.items() if distance < APART_MIN} == {}


@pytest.mark.parametrize("theme", THEMES)
def test_paper_has_the_colours_of_the_light_theme(theme: str) -> None:
    printed = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", (STATIC / "print.css").read_text()))
    assert {name: linear(code) for name, code in printed.items() if name.startswith(("slot", "level"))}.items() <= palette("light").items()
