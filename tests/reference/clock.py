"""The bot clock (U2): time elapsed minus human time. Rule: human time is a list of half-open intervals that do not overlap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tests.reference.instants import FOREVER


class Human(NamedTuple):
    """Human time [begin, end); `closed_by` says what ended it: `returned`, `ended`, `idle` (never closes, U1), or nothing yet (``)."""

    begin: int
    end: int
    closed_by: str
    idle_at: int = FOREVER
    """The idle `ended` that gave the conversation back to the bot for later episodes."""


def bot_clock(humans: Sequence[Human], begin: int, end: int) -> int:
    """U2: the bot clock between two instants."""
    human_ms = sum(max(0, min(end, h.end) - max(begin, h.begin)) for h in humans)
    return end - begin - human_ms


def bot_pieces(humans: Sequence[Human], begin: int) -> list[tuple[int, int]]:
    """The intervals from `begin` on in which the bot clock runs."""
    pieces, at = [], begin
    for human in sorted(humans):
        if human.end <= at:
            continue
        if human.begin > at:
            pieces.append((at, human.begin))
        at = human.end
    if at < FOREVER:
        pieces.append((at, FOREVER))
    return pieces


def first_instant(humans: Sequence[Human], t0: int, reading_ms: int) -> int | None:
    """The first instant at which the clock begun at t0 reads that much; None: it stops for good before."""
    if reading_ms == 0:
        return t0
    read_ms = 0
    for begin, end in bot_pieces(humans, t0):
        if read_ms + end - begin >= reading_ms:
            return begin + reading_ms - read_ms
        read_ms += end - begin
    return None


def moves_past(humans: Sequence[Human], t0: int, reading_ms: int) -> int:
    """The first instant from which the clock begun at t0 moves past that reading (it must do so)."""
    read_ms = 0
    for begin, end in bot_pieces(humans, t0):
        if read_ms + end - begin > reading_ms:
            return begin + reading_ms - read_ms
        read_ms += end - begin
    raise AssertionError("the clock never moves past a reading for which there is evidence")


def stops_at(humans: Sequence[Human], t0: int) -> int:
    """The instant at which the clock begun at t0 stops for good (it must do so)."""
    pieces = bot_pieces(humans, t0)
    return pieces[-1][1] if pieces else t0
