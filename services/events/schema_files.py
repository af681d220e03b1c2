"""The JSON Schemas of all events and facts, generated from the models: one file for each event type and each fact topic. Pure: names and texts.

`quarterhour schemas` writes them into schemas/; a test fails when the files there differ. Ids are URNs: nothing needs to be fetched.
"""

from __future__ import annotations

import json
from typing import Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import CoreSchema
from pydantic_core.core_schema import ComputedField, DataclassField, ModelField, TypedDictField

from services.events.facts import FACT_MODELS
from services.events.models import EVENT_MODELS

SUFFIX: Final = ".schema.json"


class _Generator(GenerateJsonSchema):
    """As pydantic's, without the titles that only repeat the names of the fields."""

    def field_title_should_be_set(self, schema: CoreSchema | ModelField | TypedDictField | DataclassField | ComputedField) -> bool:
        return False


def schema_files() -> dict[str, str]:
    """File name → text, in the order of SPEC §3 and §7."""
    events = {f"{type_}{SUFFIX}": _text(model, f"urn:quarterhour:event:{type_}") for type_, model in EVENT_MODELS.items()}
    facts = {f"{topic}{SUFFIX}": _text(model, f"urn:quarterhour:fact:{topic}") for topic, model in FACT_MODELS.items()}
    return events | facts


def _text(model: type[BaseModel], urn: str) -> str:
    schema = {"$schema": GenerateJsonSchema.schema_dialect, "$id": urn} | model.model_json_schema(schema_generator=_Generator)
    return json.dumps(schema, ensure_ascii=False, indent=2) + "\n"
