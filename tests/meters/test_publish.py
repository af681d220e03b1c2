"""What the meters spell as JSON is what the published models say: the same fields, in the same order."""

from __future__ import annotations

import msgspec
import pytest

from services.events import facts
from services.meters.publish import publish
from services.meters.records import AssignmentRecord, Change, EpisodeRecord, LoginRecord, PeakRecord, Record, SessionRecord

RECORDS: list[tuple[Record, type]] = [
    (SessionRecord(("usage", "w", "a", "c", 0, 1), "w", "a", "usage", "web", "k", "u", "c", 0, 0, 900_000, 900_000, 0, "m", "U7:full"), facts.BillingSession),
    (EpisodeRecord(("conversation", "w", "a", "c", 0), "w", "a", "web", "k", "u", "c", 0, None, "", 1, 0), facts.ConversationEpisode),
    (PeakRecord(("peak", "w", "", 0), "w", "", 0, 2, 1, 2), facts.SeatPeak),
    (LoginRecord(("login", "w", "l", 0), "w", "l", "ann", ("a", "b"), 0, None), facts.AgentLogin),
    (AssignmentRecord(("assignment", "w", "a", "ann", 0), "w", "a", "ann", 0, 1), facts.AgentAssignment),
]


@pytest.mark.parametrize(("record", "model"), RECORDS)
def test_a_fact_has_the_fields_of_its_model_in_their_order(record: Record, model: type) -> None:
    (fact,) = publish([Change(record, void=False)], 7, 0)
    assert list(msgspec.json.decode(fact.value)) == list(model.model_fields)  # type: ignore[attr-defined]
    model.model_validate_json(fact.value, strict=True)  # type: ignore[attr-defined]
