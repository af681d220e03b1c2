"""U9: an id derives from (type, workspace, app, conversation, t0, k) alone, encoded unambiguously (F1)."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from tests.meters.driver import run
from tests.spec import reading
from tests.spec.timeline import T0_MS, cloud_events


def _ids(timeline: str, *, t0_ms: int = T0_MS, **names: str) -> list[str]:
    events = cloud_events(timeline, subject=names.pop("subject", "c1"), t0_ms=t0_ms, **names)
    return [fact["billing_session_id"] for fact in reading.sessions(run([[json.dumps(event).encode() for event in events]]))]


def _hash(*parts: Any) -> str:
    return sha256(json.dumps(parts, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()[:32]


def test_an_id_is_the_hash_of_what_it_derives_from() -> None:
    assert _ids("started 0, ended 31") == [_hash("usage", "examples", "shop", "c1", T0_MS, k) for k in (1, 2, 3)]
    assert _ids("voice started 0, voice ended 5") == [_hash("voice", "examples", "shop", "c1", T0_MS, 1)]


def test_how_long_it_lasted_and_who_spoke_do_not_matter() -> None:
    assert _ids("started 0, ended 10") == _ids("user message 0, user message 3") == _ids("started 0, transferred 5, ended idle 9")


def test_a_millisecond_of_t0_matters() -> None:
    assert _ids("started 0, ended 10") != _ids("started 0, ended 10", t0_ms=T0_MS + 1)


def test_names_that_would_join_alike_have_different_ids() -> None:
    names = (("ab", "c", "d"), ("a", "bc", "d"), ("a", "b", "cd"), ('a","b', "c", "d"))
    ids = [_ids("started 0, ended 1", workspace_id=workspace, app_id=app, subject=subject) for workspace, app, subject in names]

    assert len({found for (found,) in ids}) == 4
