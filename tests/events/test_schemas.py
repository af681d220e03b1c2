"""The files in schemas/ are the models, and the examples beside them are what the models say they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import typer
from typer.testing import CliRunner

from services.cli.schemas import differences, register
from services.events.decode import decode
from services.events.event import REASONS, Accepted, Refusal
from services.events.facts import FACT_MODELS
from services.events.models import EVENT_MODELS
from services.events.payload import rejected_fact
from services.events.schema_files import schema_files
from services.events.times import parse_ms
from tests.events.corpus import LOG_TIME_MS, Invalid, invalid_examples, mutations, valid_examples

SCHEMAS = Path(__file__).parents[2] / "schemas"
VALIDATORS = {name.removesuffix(".schema.json"): jsonschema.Draft202012Validator(json.loads(text)) for name, text in schema_files().items()}


def _app() -> typer.Typer:
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    return app


def test_the_files_agree_with_the_models() -> None:
    assert differences(SCHEMAS, schema_files()) == [], "write them anew: quarterhour schemas"


def test_there_is_one_file_for_each_event_type_and_each_fact_topic_under_its_urn() -> None:
    ids = {json.loads(text)["$id"] for text in schema_files().values()}
    assert ids == {f"urn:quarterhour:event:{type_}" for type_ in EVENT_MODELS} | {f"urn:quarterhour:fact:{topic}" for topic in FACT_MODELS}


@pytest.mark.parametrize("name", VALIDATORS)
def test_a_file_is_a_json_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(VALIDATORS[name].schema)


@pytest.mark.parametrize(("name", "value"), valid_examples().items())
def test_a_valid_example_is_accepted_by_its_schema_and_by_decode(name: str, value: bytes) -> None:
    event = json.loads(value)
    VALIDATORS[event["type"]].validate(event)
    assert isinstance(decode(value, parse_ms(event["time"])), Accepted), name


def test_there_is_a_valid_example_of_every_type_and_an_invalid_one_of_every_reason_but_size() -> None:
    assert {json.loads(value)["type"] for value in valid_examples().values()} == set(EVENT_MODELS)
    assert {example.reason for example in invalid_examples().values()} == set(REASONS) - {"too_large"}


@pytest.mark.parametrize(("name", "example"), invalid_examples().items())
def test_an_invalid_example_is_refused_for_its_reason(name: str, example: Invalid) -> None:
    outcome = decode(example.value, example.log_time_ms)
    assert isinstance(outcome, Refusal), name
    assert (outcome.reason, outcome.field) == (example.reason, example.field)


def test_schemas_and_decode_agree_on_every_field_of_every_mutation() -> None:
    judged = 0
    for value in list(mutations(seed=7, bytes_per_example=0))[::7]:
        outcome = decode(value, LOG_TIME_MS)
        is_beyond_a_schema = isinstance(outcome, Refusal) and outcome.reason in ("malformed_json", "unknown_type")
        if is_beyond_a_schema or b"9" * 4301 in value:  # Python's json reads no longer integer.
            continue
        event = json.loads(value)
        judged += 1
        is_invalid = isinstance(outcome, Refusal) and outcome.reason == "invalid_event"
        assert _schema_refuses(event) == is_invalid, (value, outcome)
    assert judged > 2000


def _schema_refuses(event: dict[str, Any]) -> bool:
    validator = VALIDATORS.get(event["type"]) if isinstance(event.get("type"), str) else None
    # A schema can say what a time looks like, not which months have 31 days, and Python's `$` looks past a last newline.
    return validator is None or not validator.is_valid(event) or not _is_time(event["time"])


def _is_time(text: str) -> bool:
    try:
        return parse_ms(text) is not None
    except ValueError:
        return False


def test_a_rejected_fact_is_accepted_by_its_schema() -> None:
    refusal = decode(b"{}", LOG_TIME_MS)
    assert isinstance(refusal, Refusal)
    VALIDATORS["usage.rejected.v1"].validate(json.loads(rejected_fact("platform.voice", 0, 1, LOG_TIME_MS, refusal, b"{}", 1)[1]))


def test_schemas_writes_what_differs_and_removes_what_is_gone(tmp_path: Path) -> None:
    (tmp_path / "conversation.typing.schema.json").write_text("{}")
    (tmp_path / "README.md").write_text("mine")
    assert CliRunner().invoke(_app(), ["schemas", "--to", str(tmp_path), "--check"]).exit_code == 1
    assert CliRunner().invoke(_app(), ["schemas", "--to", str(tmp_path)]).exit_code == 0
    assert {path.name for path in tmp_path.iterdir()} == {"README.md", *schema_files()}
    assert CliRunner().invoke(_app(), ["schemas", "--to", str(tmp_path), "--check"]).exit_code == 0


def test_check_names_the_file_that_differs_and_writes_nothing(tmp_path: Path) -> None:
    CliRunner().invoke(_app(), ["schemas", "--to", str(tmp_path)])
    (tmp_path / "voice.ended.schema.json").write_text("{}")
    outcome = CliRunner().invoke(_app(), ["schemas", "--to", str(tmp_path), "--check"])
    assert outcome.exit_code == 1
    assert "voice.ended.schema.json" in outcome.output
    assert (tmp_path / "voice.ended.schema.json").read_text() == "{}"
