"""A rule as a table: one line for each thing that happens, and behind `->` what the core publishes because of it. No arrow: it publishes nothing.

A line is `when what -> fact, fact`. When: as in `tests.spec.timeline`, from t0. What: a timeline's words; `in|out|assigned|unassigned agent [app+app]`;
`watermark` (nothing older comes); `restart` (saved, and loaded again). Further words: `by user`, `as id` (conversation, call or login), `of zed` (workspace).
Lines happen in the order written, so a late event is a line out of order. Facts are written as the reader in `READERS` gives them; `void` goes before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from services.events.outgoing import OutFact
from tests.meters.driver import Pipeline
from tests.spec import reading
from tests.spec.timeline import T0_MS, WHAT, cloud_event, instant, offset_ms, span

LINE: Final = re.compile(
    r"(?P<when>\S+) (?P<what>[a-z ]+?)(?: by (?P<who>[a-z][0-9]))?(?: as (?P<subject>\w+))?(?: of (?P<workspace>\w+))?(?: -> (?P<facts>.+))?"
)
AGENT: Final = re.compile(r"(?P<kind>in|out|assigned|unassigned) (?P<agent>[a-z]+)(?: (?P<apps>[a-z ]+))?")
AGENT_KINDS: Final = {"in": "agent.logged_in", "out": "agent.logged_out", "assigned": "agent.assigned", "unassigned": "agent.unassigned"}

Row = tuple[Any, ...]


class Reader(NamedTuple):
    """How facts of one topic are written in a table, and read from what was published."""

    topic: str
    written: Callable[[str], Row]
    found: Callable[[dict[str, Any]], Row]


def _window(text: str) -> tuple[int, int | None]:
    """`0-15`; `0-`: open."""
    return (offset_ms(text[:-1]), None) if text.endswith("-") else span(text)


def _found_window(fact: dict[str, Any]) -> tuple[int, int | None]:
    return reading.offset(fact["start"]), None if fact["end"] is None else reading.offset(fact["end"])


def _session(text: str) -> Row:
    window, *rest = text.split()
    return *span(window), *rest


def _conversation(text: str) -> Row:
    window, *rest = text.split()
    reason, human, sessions = rest if len(rest) == 3 else ("", *rest)
    return *_window(window), reason, offset_ms(human), int(sessions)


def _peak(text: str) -> Row:
    quarter, peak, peak_at, agents, *app = re.split("[:@/ ]+", text)
    return offset_ms(quarter), int(peak), offset_ms(peak_at), int(agents), *app


READERS: Final = {
    "sessions": Reader(reading.SESSIONS, _session, lambda f: (reading.offset(f["start"]), reading.offset(f["end"]))),
    "rules": Reader(reading.SESSIONS, _session, lambda f: (reading.offset(f["start"]), reading.offset(f["end"]), f["rule"])),
    "messages": Reader(reading.SESSIONS, _session, lambda f: (reading.offset(f["start"]), reading.offset(f["end"]), f["message_id"] or "-")),
    "users": Reader(reading.SESSIONS, _session, lambda f: (reading.offset(f["start"]), reading.offset(f["end"]), f["channel_user_id"] or "-")),
    # `0-20 user 10 2`: from t0 to te, why it ended, minutes of human time, sessions; while it is open `0- 10 2`.
    "conversations": Reader(reading.EPISODES, _conversation, lambda f: (*_found_window(f), f["end_reason"], f["human_ms"], f["sessions"])),
    # `15:2@20/3`: the quarter, its peak, since when, agents; of the whole workspace.
    "peaks": Reader(reading.PEAKS, _peak, lambda f: (reading.offset(f["quarter"]), f["peak"], reading.offset(f["peak_at"]), f["agents"])),
    "peaks of apps": Reader(
        reading.PEAKS, _peak, lambda f: (reading.offset(f["quarter"]), f["peak"], reading.offset(f["peak_at"]), f["agents"], f["app_id"] or "all")
    ),
    # `ann 0-5`; open: `ann 0-`.
    "logins": Reader(reading.LOGINS, lambda t: (t.split()[0], *_window(t.split()[1])), lambda f: (f["agent_id"], *_found_window(f))),
    "assignments": Reader(reading.ASSIGNMENTS, lambda t: (t.split()[0], *_window(t.split()[1])), lambda f: (f["agent_id"], *_found_window(f))),
}


def check(kind: str, table: str, **options: Any) -> None:
    """Play a table; what each line publishes is what stands behind its arrow. Options are those of `Pipeline`."""
    reader = READERS[kind]
    pipeline = Pipeline(**options)
    said: list[tuple[str, list[Row]]] = []
    told: list[tuple[str, list[Row]]] = []
    for place, text in enumerate(line.strip() for line in table.strip().splitlines()):
        match = LINE.fullmatch(" ".join(text.split()))
        assert match is not None, f"no line of a table: {text!r}"
        published = len(pipeline.published)
        _play(pipeline, match, place)
        said.append((text, [_written(reader, part) for part in re.split(", ", match["facts"])] if match["facts"] else []))
        told.append((text, _told(reader, pipeline.published[published:])))
    assert told == said


def _written(reader: Reader, text: str) -> Row:
    return ("void", *reader.written(text.removeprefix("void "))) if text.startswith("void ") else reader.written(text)


def _told(reader: Reader, published: Iterable[OutFact]) -> list[Row]:
    facts = [json.loads(fact.value) for fact in published if fact.topic == reader.topic]
    if reader is READERS["peaks"]:
        facts = [fact for fact in facts if fact["app_id"] == ""]
    rows = [(("void",) if fact["status"] == "void" else ()) + reader.found(fact) for fact in facts]
    return sorted(rows, key=lambda row: (row[0] == "void", str(row[0]) if isinstance(row[0], str) else row))


def _play(pipeline: Pipeline, match: re.Match[str], place: int) -> None:
    at_ms = T0_MS + offset_ms(match["when"])
    if match["what"] == "restart":
        pipeline.save()
        pipeline.restart()
    else:
        pipeline.send([json.dumps(_event(match, at_ms, place)).encode()])


def _event(match: re.Match[str], at_ms: int, place: int) -> dict[str, Any]:
    what, workspace_id = match["what"], match["workspace"] or "acme"
    if what == "watermark":
        return {"specversion": "1.0", "type": "log.closed", "source": "quarterhour", "id": f"closed-{place}", "time": instant(at_ms)}
    if what in WHAT:
        subject, who = match["subject"] or "c1", match["who"]
        event = cloud_event(what, at_ms, event_id=f"e{place}", subject=subject, scope={"workspace_id": workspace_id, "app_id": "shop"}, message_id=f"m{place}")
        event["data"] |= {"channel_user_id": who} if who else {}
        return event
    agent = AGENT.fullmatch(what)
    assert agent is not None, f"nothing is called {what!r}"
    data: dict[str, Any] = {"workspace_id": workspace_id, "agent_id": agent["agent"]}
    apps = (agent["apps"] or "shop").split()
    data |= {"app_ids": apps} if agent["kind"] in ("in", "out") else {"app_id": apps[0]}
    subject = match["subject"] or f"login-of-{agent['agent']}"
    return {
        "specversion": "1.0", "id": f"e{place}", "source": "tables", "type": AGENT_KINDS[agent["kind"]], "time": instant(at_ms), "subject": subject,
        "data": data,
    }  # fmt: skip
