"""What people read is there: settings with their meaning, commands with an example, documents that name what exists."""

from __future__ import annotations

import re
from typing import Any

import pytest
import typer

from services.cli import app
from services.runtime.settings import PREFIX, setting_names
from tests.tidy.tree import texts

DOCUMENTS = (".md", ".yaml", ".yml", ".env", ".service", "Dockerfile", "Makefile")


Command = Any
"""Of the click that typer brings: it has no name of its own outside."""


def commands(group: Command, name: str = "quarterhour") -> dict[str, Command]:
    """What a person types → the command."""
    if not hasattr(group, "commands"):
        return {name: group}
    return {words: command for word, inner in group.commands.items() for words, command in commands(inner, f"{name} {word}").items()}


COMMANDS = commands(typer.main.get_command(app))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_what_it_does_and_shows_an_example(name: str) -> None:
    text = COMMANDS[name].help or ""
    assert len(text.splitlines()[0]) > 10
    assert re.search(rf"Example:[\s\S]*{name}", text), text


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_a_command_says_what_it_is_for(name: str) -> None:
    assert [parameter.name for parameter in COMMANDS[name].params if parameter.param_type_name == "option" and not parameter.help] == []


@pytest.mark.parametrize("name", setting_names())
def test_a_setting_says_what_it_is(name: str) -> None:
    description = setting_names()[name]
    assert len(description) > 8
    assert description.endswith(".")


def test_every_setting_that_a_document_names_exists() -> None:
    known = setting_names().keys()
    named = {(str(path), found) for path, text in texts().items() if str(path).endswith(DOCUMENTS) for found in re.findall(rf"\b{PREFIX}[A-Z0-9_]+", text)}
    assert sorted((path, name) for path, name in named if name not in known and not (name.endswith("_") and any(each.startswith(name) for each in known))) == []
