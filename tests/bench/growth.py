"""How the cost of an event grows: with the length of the log, with live conversations, with workspaces, with agents of one workspace. In memory.

`per_event` is ingest, fold, state records and closing together, in processor time; `ratio` is against the smallest of the same kind. Each run of a size lies
between two of the smallest and is compared with both, as often as `pairs` says, and the ratio is the median: one machine is a third slower in one minute than
in the next. State is written as a processor writes it at 50,000 events a second: in epochs of 5 s, and where there is much of it, pages take turns.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from statistics import mean, median
from typing import Any, Final

from services.events.times import format_ms
from services.runtime.garbage import collect_rarely
from services.runtime.settings import ProcessorSettings
from tests.bench.core import Ingest, Processor, Raw, Show, live_raws, polls, raws_of
from tests.bench.measure import Watch, in_child, peak_rss_mib
from tests.bench.workload import HOUR_MS, START_MS, Workload

_POLL: Final = 10_000
_POLL_LIVE: Final = 200
"""As messages are when nothing is behind."""
_EPOCH: Final = 250_000
_PRELOADED_MESSAGES: Final = 1
_AGENTS: Final = 20_000
_TEAMS: Final = "agents of one workspace"
_TEAMS_LIVE: Final = "agents of one workspace, small messages"


def run_growth(load: Workload, largest: int, only: str | None = None, pairs: int = 3, show: Show = lambda done: None) -> list[dict[str, Any]]:
    """All kinds, or one, each from small to as large as `largest` events allow."""
    rows: list[dict[str, Any]] = []
    for kind, (smallest, *sizes) in sizes_of(largest, only).items():
        firsts = [] if sizes else [in_child(_case, kind, smallest, load)]
        of_kind = []
        for size in sizes:
            found, ratios = [], []
            for _ in range(pairs):
                before, middle, after = (in_child(_case, kind, each, load) for each in (smallest, size, smallest))
                found.append(middle)
                firsts += [before, after]
                ratios.append(middle["per_event"] / mean((before["per_event"], after["per_event"])))
                show(len(firsts) + len(found))
            of_kind.append({"grows": kind, "size": size, **_middle(found), "ratio": round(median(ratios), 2)})
        rows += [{"grows": kind, "size": smallest, **_middle(firsts), "ratio": 1.0}, *of_kind]
    return rows


def _middle(found: list[dict[str, Any]]) -> dict[str, Any]:
    """The run with the median of costs, of an even number the lower one."""
    return sorted(found, key=lambda each: each["per_event"])[(len(found) - 1) // 2]


def sizes_of(largest: int, only: str | None = None) -> dict[str, list[int]]:
    """By what grows, or that one alone. Raises KeyError for a kind that there is not."""
    kinds = {
        "events": [size for size in (1_000_000, 10_000_000, 100_000_000) if size <= largest],
        "live conversations": [size for size in (10_000, 100_000, 1_000_000, 5_000_000) if size * 3 <= largest],
        "workspaces": [1, 100, 10_000],
        _TEAMS: [200, 2_000, 20_000],
        _TEAMS_LIVE: [200, 2_000, 20_000],
    }
    return kinds if only is None else {only: kinds[only]}


def _case(kind: str, size: int, load: Workload) -> dict[str, Any]:
    collect_rarely()
    ingest, processor, watch, aside = Ingest(), Processor(), Watch(), Watch()
    state_bytes = ProcessorSettings().epoch_state_bytes
    if kind == "live conversations":
        # Two hours before: what their sessions cost is theirs, and paid when the log begins. They are kept for 49 h (T4).
        for raws in polls(live_raws(size, _PRELOADED_MESSAGES, "before", 2 * HOUR_MS), _POLL):
            processor.apply(ingest.poll(raws, aside), aside)
        for raws in polls(raws_of(replace(load, events=_POLL)), _POLL):
            processor.apply(ingest.poll(raws, aside), aside)
        # The first epoch writes them, the second lays to rest those that nothing came of: that too is a cost of theirs, half a second for five million.
        processor.end_epoch(aside)
        processor.end_epoch(aside)
    done = since = log_ms = 0
    before = processor.published
    for raws in polls(_raws(kind, size, load), _POLL_LIVE if kind == _TEAMS_LIVE else _POLL):
        processor.apply(ingest.poll(raws, watch), watch)
        done, since, log_ms = done + len(raws), since + len(raws), raws[-1][1]
        if since >= _EPOCH:
            processor.end_epoch(watch, state_bytes)
            since = 0
    processor.end_epoch(watch, state_bytes)
    live = processor.open()
    if kind != "live conversations":
        processor.apply(ingest.close(log_ms), watch)
    facts = processor.published - before
    return {
        "events": done,
        "live": live,
        "facts_per_event": round(facts / done, 2),
        "per_event": round(watch.cpu_s * 1e6 / done, 2),
        "peak_rss_mib": peak_rss_mib(),
    }


def _raws(kind: str, size: int, load: Workload) -> Iterator[Raw]:
    if kind == "events":
        return raws_of(replace(load, events=size))
    if kind == "workspaces":
        return raws_of(replace(load, workspaces=size))
    if kind in (_TEAMS, _TEAMS_LIVE):
        return _shifts(size, load.events)
    return raws_of(load)


def _shifts(agents: int, events: int) -> Iterator[Raw]:
    """20,000 agents, so many of them in one workspace, come and go all day, each several times: half of them are there at any time.

    Calls, alerts and bot messages, three of a hundred events, let the watermark come along.
    """
    for number in range(events):
        at_ms = START_MS + number * 20 * HOUR_MS // events
        if number % 100 < 3:
            yield number % 100, at_ms, _aside(number, at_ms)
            continue
        agent, turn = number % _AGENTS, number // _AGENTS
        kind = "logged_in" if turn % 2 == 0 else "logged_out"
        data = f'"workspace_id":"workspace-{agent // agents:05d}","agent_id":"agent-{agent:06d}","app_ids":["app-{agent % 3}"]'
        yield 3, at_ms, _event(number, at_ms, f"agent.{kind}", f"login-{agent:06d}-{turn // 2:04d}", data)


def _aside(number: int, at_ms: int) -> bytes:
    """An event of one of the other topics."""
    kind, more = (("conversation.message", ',"sender":"bot","message_id":"m"'), ("voice.ended", ""), ("alert.failed", ""))[number % 100]
    return _event(number, at_ms, kind, f"aside-{number:016x}", f'"workspace_id":"workspace-00000","app_id":"app-0","channel":"web"{more}')


def _event(number: int, at_ms: int, kind: str, subject: str, data: str) -> bytes:
    head = f'"specversion":"1.0","id":"{number:016x}","source":"/p","type":"{kind}","time":"{format_ms(at_ms)}"'
    return f'{{{head},"subject":"{subject}","data":{{{data}}}}}'.encode()
