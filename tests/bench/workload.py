"""A seeded log of a platform, made fast: millions of raw records in order of arrival, with duplicates, disorder, hand-offs and refusals.

Rule: a function of `Workload` alone, block by block. The log time of a record is the greatest event time so far (E7), so a file of it, a topic of it and
the in-memory stages see the same log. Ids are 16 hexadecimal digits that do not compress.
Limit: plausible in shape and size, not pretty: `quarterhour simulate` is for people to look at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import numpy as np

from services.events import topics
from services.events.times import format_ms

Array = np.ndarray[Any, np.dtype[Any]]

START_MS: Final = 1_772_323_200_000
"""2026-03-01T00:00:00Z."""
SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
BLOCK_THREADS: Final = 20_000

_APPS: Final = 3
_CHANNELS: Final = ("web", "whatsapp", "ios", "android", "msteams")

STARTED, USER, BOT, AGENT, TRANSFERRED, RETURNED, ENDED, CALL_STARTED, CALL_PROGRESS, CALL_ENDED, ALERT, LOGIN, LOGOUT = range(13)

_TYPES: Final = (
    ("conversation.started", ',"initiator":"user"', True, False),
    ("conversation.message", ',"sender":"user"', True, True),
    ("conversation.message", ',"sender":"bot"', True, True),
    ("conversation.message", ',"sender":"agent"', True, True),
    ("conversation.transferred", "", False, False),
    ("conversation.returned", "", False, False),
    ("conversation.ended", ',"reason":"user"', False, False),
    ("voice.started", "", True, False),
    ("voice.progress", "", True, False),
    ("voice.ended", "", True, False),
    ("alert.delivered", "", True, True),
    ("agent.logged_in", "", False, False),
    ("agent.logged_out", "", False, False),
)
"""(type, data of its own, says who the user is, has a message id), by verb."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What the log is like."""

    events: int
    """Records to make; exactly so many come out."""
    seed: int = 1
    at_once: int = 5_000
    """Threads (conversations, calls) under way at one time: with some 20 minutes each, it sets how fast the log's time goes."""
    workspaces: int = 50
    agents: int = 1_000
    """Agents over all workspaces, when agents are in the mix."""
    mixed: bool = True
    """Calls, alerts and logins beside the conversations; without: conversations alone, as the peers can read."""
    duplicates: float = 0.03
    disorder: float = 0.05
    refused: float = 0.0008
    """Share of records that are no events: half malformed, half too late."""


class Records(NamedTuple):
    """A stretch of the log, in order of arrival."""

    topics: list[int]
    """Index in RAW_TOPICS."""
    keys: list[bytes]
    log_ms: list[int]
    values: list[bytes]


class _Block(NamedTuple):
    """Events as columns."""

    arrives_ms: Array
    time_ms: Array
    verb: Array
    thread: Array
    step: Array

    def take(self, index: Array) -> _Block:
        return _Block(*(column[index] for column in self))


def records(load: Workload) -> Iterator[Records]:
    """The log, in stretches of varying length."""
    made, newest_ms = 0, 0
    for block in _blocks(load):
        left = load.events - made
        part = block if len(block.time_ms) <= left else block.take(np.arange(left))
        made += len(part.time_ms)
        log_ms = np.maximum(np.maximum.accumulate(part.time_ms), newest_ms)
        newest_ms = int(log_ms[-1])
        yield _render(load, part, log_ms)
        if made >= load.events:
            return


def lines(load: Workload) -> Iterator[bytes]:
    """The log as JSON lines, without the line ends."""
    for some in records(load):
        yield from some.values


def conversations_only(load: Workload) -> Workload:
    """The same without what the peers cannot read: one topic, nothing to refuse."""
    return replace(load, mixed=False, refused=0.0)


def _blocks(load: Workload) -> Iterator[_Block]:
    """Events in order of arrival: what arrives after a block's threads have begun waits for the next block."""
    span_ms = BLOCK_THREADS * 20 * MINUTE_MS // load.at_once
    held: list[_Block] = []
    block = 0
    while True:
        begins_ms = START_MS + block * span_ms
        found = _joined([*held, _made(load, block, begins_ms, span_ms)])
        found = found.take(np.argsort(found.arrives_ms, kind="stable"))
        cut = int(np.searchsorted(found.arrives_ms, begins_ms + span_ms))
        yield found.take(np.arange(cut))
        held = [found.take(np.arange(cut, len(found.arrives_ms)))]
        block += 1


def _joined(blocks: list[_Block]) -> _Block:
    return _Block(*(np.concatenate(columns) for columns in zip(*blocks, strict=True)))


def _made(load: Workload, block: int, begins_ms: int, span_ms: int) -> _Block:
    """Everything that begins in one block, with what the way to the log does to it."""
    rng = np.random.default_rng((load.seed, block))
    begins = begins_ms + (rng.random(BLOCK_THREADS) * span_ms).astype(np.int64)
    threads = np.arange(BLOCK_THREADS, dtype=np.int64) + block * BLOCK_THREADS
    kinds = rng.random(BLOCK_THREADS) if load.mixed else np.ones(BLOCK_THREADS)
    talks = kinds >= 0.12
    parts = [_conversations(rng, threads[talks], begins[talks])]
    if load.mixed:
        calls, alerts, shifts = kinds < 0.06, (kinds >= 0.06) & (kinds < 0.10), (kinds >= 0.10) & (kinds < 0.12)
        parts += [_calls(rng, threads[calls], begins[calls]), _alerts(threads[alerts], begins[alerts]), _shifts(rng, threads[shifts], begins[shifts])]
    return _worn(rng, load, _joined(parts))


def _steps(threads: Array, counts: Array) -> tuple[Array, Array]:
    """(thread, number of the step in it) of every event."""
    first = np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(np.arange(len(threads)), counts), np.arange(int(counts.sum())) - first


def _conversations(rng: np.random.Generator, threads: Array, begins: Array) -> _Block:
    """started, turns of user and bot (after a hand-off: user and agent), and an end in four of five."""
    turns = 2 + rng.geometric(0.19, len(threads))
    handed = np.where(rng.random(len(threads)) < 0.16, (rng.random(len(threads)) * turns).astype(np.int64), 1 << 30)
    back = np.where(rng.random(len(threads)) < 0.6, handed + 1 + rng.integers(0, 4, len(threads)), 1 << 30)
    thread, turn = _steps(threads, turns)
    gap = np.minimum(40 * MINUTE_MS, rng.exponential(1.0, len(turn)) * np.repeat(rng.choice((40_000, 120_000, 300_000), len(threads)), turns)) + 2 * SECOND_MS
    total = np.cumsum(gap)
    before = np.repeat(np.concatenate(([0], total[np.cumsum(turns) - 1]))[:-1], turns)
    asks = begins[thread] + (total - before).astype(np.int64)
    answers = asks + 500 + (rng.random(len(turn)) * 1_400).astype(np.int64)
    human = (turn > handed[thread]) & (turn < back[thread])
    last = asks[np.cumsum(turns) - 1]
    given, returned, ended = turn == handed[thread], turn == back[thread], rng.random(len(threads)) < 0.82
    number = np.arange(len(threads))
    pieces = (
        (begins, STARTED, number, 0 * number),
        (asks, USER, thread, 2 + 4 * turn),
        (answers, np.where(human, AGENT, BOT), thread, 3 + 4 * turn),
        (answers[given] + 40, TRANSFERRED, thread[given], 4 + 4 * turn[given]),
        (asks[returned] - 300, RETURNED, thread[returned], 1 + 4 * turn[returned]),
        (last[ended] + 30 * SECOND_MS, ENDED, number[ended], 4 + 4 * turns[ended]),
    )
    return _joined([_Block(at, at, np.zeros(len(at), np.int64) + verb, threads[who], step) for at, verb, who, step in pieces])


def _calls(rng: np.random.Generator, threads: Array, begins: Array) -> _Block:
    """started, a sign of life a minute, ended in most."""
    minutes = 1 + rng.geometric(0.12, len(threads))
    call, minute = _steps(threads, minutes)
    at = begins[call] + minute * MINUTE_MS
    ended = rng.random(len(threads)) < 0.9
    end = (begins + minutes * MINUTE_MS + 9 * SECOND_MS)[ended]
    return _joined([
        _Block(at, at, np.where(minute == 0, CALL_STARTED, CALL_PROGRESS), threads[call], minute),
        _Block(end, end, np.full(len(end), CALL_ENDED), threads[ended], minutes[ended]),
    ])  # fmt: skip


def _alerts(threads: Array, begins: Array) -> _Block:
    return _Block(begins, begins, np.full(len(threads), ALERT), threads, 0 * threads)


def _shifts(rng: np.random.Generator, threads: Array, begins: Array) -> _Block:
    """An agent comes, and goes after some hours; a few forget to."""
    goes = begins + (2 * HOUR_MS + rng.random(len(threads)) * 6 * HOUR_MS).astype(np.int64)
    kept = rng.random(len(threads)) < 0.97
    return _joined([
        _Block(begins, begins, np.full(len(threads), LOGIN), threads, 0 * threads),
        _Block(goes[kept], goes[kept], np.full(int(kept.sum()), LOGOUT), threads[kept], 0 * threads[kept] + 1),
    ])  # fmt: skip


def _worn(rng: np.random.Generator, load: Workload, clean: _Block) -> _Block:
    """Disorder (mostly within a minute, some of hours), repetitions, and what will be refused (a negative step: malformed)."""
    count = len(clean.time_ms)
    chance = rng.random(count)
    late = np.where(chance < load.disorder, rng.exponential(40 * SECOND_MS, count), 0.0)
    late = np.where(chance < load.disorder * 0.06, rng.random(count) * 12 * HOUR_MS, late)
    refused = rng.random(count)
    late = np.where(refused < load.refused / 2, (26 + 10 * rng.random(count)) * HOUR_MS, late)
    spoiled = (refused >= load.refused / 2) & (refused < load.refused)
    first = clean._replace(arrives_ms=clean.time_ms + late.astype(np.int64), step=np.where(spoiled, -1 - clean.step, clean.step))
    again = first.take(np.flatnonzero(rng.random(count) < load.duplicates))
    wait = rng.random(len(again.time_ms)) * np.where(rng.random(len(again.time_ms)) < 0.05, 6 * HOUR_MS, 3 * MINUTE_MS)
    return _joined([first, again._replace(arrives_ms=again.arrives_ms + wait.astype(np.int64))])


def _mixed_bits(number: Array, salt: int) -> Array:
    """splitmix64: different numbers, different 64 bits without a pattern."""
    with np.errstate(over="ignore"):
        z = number.astype(np.uint64) + np.uint64((salt * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def _render(load: Workload, block: _Block, log_ms: Array) -> Records:
    verbs = block.verb.tolist()
    thread_bits = _mixed_bits(block.thread, load.seed)
    with np.errstate(over="ignore"):
        event_bits = _mixed_bits(thread_bits + np.abs(block.step).astype(np.uint64), load.seed + 1)
    seconds, millis = np.divmod(block.time_ms, SECOND_MS)
    texts = {second: format_ms(second * SECOND_MS)[:20].encode() for second in np.unique(seconds).tolist()}
    heads, tails, subjects = _heads(load), _Tails(load), thread_bits.tolist()
    values = [
        heads[verb] % (event, texts[second], milli, subject) + tails[verb, subject] + (_MESSAGE_ID % event if _TYPES[verb][3] else b"}}")
        for event, second, milli, verb, subject in zip(event_bits.tolist(), seconds.tolist(), millis.tolist(), verbs, subjects, strict=True)
    ]
    for index in np.flatnonzero(block.step < 0).tolist():
        values[index] = values[index][:100]
    return Records([_TOPICS[verb] for verb in verbs], [b"%016x" % bits for bits in subjects], log_ms.tolist(), values)


_MESSAGE_ID: Final = b',"message_id":"%016x"}}'
_TOPICS: Final = tuple(
    topics.RAW_TOPICS.index(
        {"conversation": topics.CONVERSATIONS, "voice": topics.VOICE, "alert": topics.ALERTS, "agent": topics.AGENTS}[type_.partition(".")[0]]
    )
    for type_, *_ in _TYPES
)


def _heads(load: Workload) -> list[bytes]:
    return [
        b'{"specversion":"1.0","id":"%%016x","source":"/platform/%d","type":"%s","time":"%%s%%03dZ","subject":"%%016x","data":{' % (load.seed, type_.encode())
        for type_, *_ in _TYPES
    ]


class _Tails(dict[tuple[int, int], bytes]):
    """The data of a line by (verb, subject), made when it is first asked for; a message id follows, or the end."""

    def __init__(self, load: Workload) -> None:
        super().__init__()
        self._load = load

    def __missing__(self, at: tuple[int, int]) -> bytes:
        verb, bits = at
        _, own, user, _ = _TYPES[verb]
        workspace = bits // 8 % self._load.workspaces
        data = f'"workspace_id":"workspace-{workspace:05d}"'
        if verb in (LOGIN, LOGOUT):
            agent = bits // 1024 % max(1, self._load.agents // self._load.workspaces)
            data += f',"agent_id":"agent-{workspace:05d}-{agent:06d}","app_ids":["app-{bits % _APPS}","app-{_APPS}"]'
        else:
            data += f',"app_id":"app-{bits % _APPS}","channel":"{_CHANNELS[bits % len(_CHANNELS)]}"{own}'
        if user:
            data += f',"kore_user_id":"u-{bits % 1_000_003:014d}","channel_user_id":"c-{bits % 1_000_003:014d}"'
        self[at] = found = data.encode()
        return found
