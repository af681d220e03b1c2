"""The ingest half of the ledger: totals survive a restart inside the metadata of the committed offset."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.events.event import REASONS
from services.ingest.batcher import Totals
from services.ingest.ledger import METADATA_BYTES_MAX, dump_metadata, ingest_line, load_metadata

COUNTS = st.integers(0, 2**63 - 1)


@given(COUNTS, COUNTS, COUNTS, COUNTS, st.dictionaries(st.sampled_from(REASONS), COUNTS), st.none() | st.integers(0, 253_402_300_799_999))
def test_what_is_committed_is_what_is_read_again_and_it_fits(
    first: int, read: int, accepted: int, control: int, rejected: dict[str, int], log_ms: int | None
) -> None:
    totals = Totals(first, read, accepted, control, rejected)

    text = dump_metadata(totals, log_ms, "HohdiYFaTEqvb4l322M+3w")

    assert load_metadata(text) == (totals, log_ms, "HohdiYFaTEqvb4l322M+3w")
    assert len(text.encode()) < METADATA_BYTES_MAX


@pytest.mark.parametrize("text", ["", "quarterhour", "[]", "[1,2]", '{"read":1}', "[0,1,1,0,{},null,7"])
def test_a_text_of_someone_else_is_no_totals(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        load_metadata(text)


def test_a_line_says_read_accepted_and_rejected_up_to_its_offset() -> None:
    fact = ingest_line((1, 3), Totals(5, 10, 7, 2, {"future": 3}), 17, generation=2)
    line = json.loads(fact.value)

    assert fact.key.decode() == line["ledger_id"] == "ingest/platform.voice/3"
    assert line["revision"] == (2 << 48) + 17
    assert (line["from_offset"], line["to_offset"]) == (5, 17)
    assert line["to_offset"] - line["from_offset"] == line["read"] + line["control"] == line["accepted"] + sum(line["rejected"].values()) + line["control"]
