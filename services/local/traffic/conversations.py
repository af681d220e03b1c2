"""What one user and one app say to each other: the script of a conversation, from its first event on.

Most visits take one billing session, the longest four and more. Some conversations begin with the bot, some are handed to an agent (who gives them back,
ends them, or neither), some have no end, and in some the user comes back hours later: an episode of its own (SPEC U3).
"""

from __future__ import annotations

from random import Random
from typing import Final

from services.local.traffic import lines
from services.local.traffic.lines import Script
from services.local.traffic.rhythm import around
from services.local.traffic.settings import HOUR_MS, MINUTE_MS, SECOND_MS

CHANNELS: Final = ("web",) * 9 + ("whatsapp",) * 6 + ("ios", "ios", "android", "msteams", "email")
"""Drawn from with equal chances."""

_COMES_BACK = 0.08
_LEAST_GAP_MS = 2 * SECOND_MS
_MOST_GAP_MS = 50 * MINUTE_MS  # Below `silence_max`: a longer one would begin an episode.


def conversation(rng: Random, begins_ms: int) -> Script:
    """Everything that happens in one conversation, in time order."""
    script: Script = []
    at_ms = _opening(rng, script, begins_ms)
    if at_ms is None:
        return script
    at_ms = _visit(rng, script, at_ms)
    while rng.random() < _COMES_BACK:
        at_ms = _visit(rng, script, at_ms + 61 * MINUTE_MS + int(rng.random() * 8 * HOUR_MS))
    return script


def _opening(rng: Random, script: Script, at_ms: int) -> int | None:
    """The first event; the instant of the user's first message, or none when the user never answers."""
    chance = rng.random()
    if chance < 0.86:
        script.append((at_ms, lines.STARTED))
        return at_ms + around(rng, 8_000, 400, MINUTE_MS)
    if chance < 0.92:
        return at_ms  # Platforms lose a `started` now and then.
    script += ((at_ms, lines.STARTED_BY_BOT), (at_ms + 300, lines.BOT))
    if rng.random() < 0.45:
        return at_ms + around(rng, 8 * MINUTE_MS, SECOND_MS, 40 * MINUTE_MS)
    if rng.random() < 0.5:
        script.append((at_ms + 30 * MINUTE_MS, lines.ENDED_IDLE))
    return None


def _visit_ms(rng: Random) -> int:
    """How long the user means to stay with the bot."""
    chance = rng.random()
    if chance < 0.64:
        return around(rng, 4 * MINUTE_MS, 10 * SECOND_MS, 14 * MINUTE_MS)
    if chance < 0.85:
        return int((15 + 15 * rng.random()) * MINUTE_MS)
    if chance < 0.95:
        return int((30 + 15 * rng.random()) * MINUTE_MS)
    return int((45 + 30 * rng.random()) * MINUTE_MS)


def _visit(rng: Random, script: Script, at_ms: int) -> int:
    """One episode from the user's first message to its end, if it has one; the instant of the last event."""
    turns = 2 + int(rng.expovariate(0.3))
    gap_ms = _visit_ms(rng) / turns
    handed_over = rng.randrange(turns) if rng.random() < 0.16 else -1
    for turn in range(turns):
        answer_ms = at_ms + 500 + int(rng.random() * 2_500)
        script += ((at_ms, lines.USER), (answer_ms, lines.BOT))
        if turn == handed_over:
            answer_ms, given_back = _hand_over(rng, script, answer_ms)
            if not given_back:
                return answer_ms
        at_ms = answer_ms + around(rng, gap_ms, _LEAST_GAP_MS, _MOST_GAP_MS)
    return _ending(rng, script, answer_ms)


def _hand_over(rng: Random, script: Script, at_ms: int) -> tuple[int, bool]:
    """A human agent's part: the instant of its last event, and whether the bot has the conversation again."""
    at_ms += SECOND_MS
    script.append((at_ms, lines.TRANSFERRED))
    at_ms += around(rng, 45_000, 5_000, 10 * MINUTE_MS)
    for _ in range(1 + int(rng.expovariate(0.4))):
        script.append((at_ms, lines.AGENT))
        at_ms += around(rng, 60_000, _LEAST_GAP_MS, 20 * MINUTE_MS)
        script.append((at_ms, lines.USER))
        at_ms += around(rng, 45_000, _LEAST_GAP_MS, 20 * MINUTE_MS)
    chance = rng.random()
    if chance < 0.55:
        script += ((at_ms, lines.RETURNED), (at_ms + 700, lines.BOT))
        return at_ms + 700, True
    if chance < 0.85:
        script.append((at_ms, lines.ENDED_BY_AGENT))
    return at_ms, False


def _ending(rng: Random, script: Script, at_ms: int) -> int:
    """How the episode ends, if it does; sometimes with a good-bye after the end."""
    chance = rng.random()
    if chance < 0.18:
        return at_ms
    if chance < 0.40:
        at_ms += 15 * MINUTE_MS
        script.append((at_ms, lines.ENDED_IDLE))
        return at_ms
    at_ms += around(rng, 20_000, SECOND_MS, 5 * MINUTE_MS)
    script.append((at_ms, lines.ENDED_BY_BOT if chance < 0.78 else lines.ENDED_BY_USER))
    if rng.random() < 0.06:
        at_ms += int((5 + 50 * rng.random()) * SECOND_MS)
        script.append((at_ms, lines.USER))
    return at_ms
