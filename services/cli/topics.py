"""`quarterhour topics`: make and check Kafka's topics, on the local stack or on brokers of your own (QUARTERHOUR_KAFKA__*)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from services.runtime.settings import Settings


def register(app: typer.Typer) -> None:
    """Add `topics create|verify|list`."""
    topics = typer.Typer(no_args_is_help=True, help="Kafka's topics.")
    topics.command("create")(create)
    topics.command("verify")(verify)
    topics.command("list")(list_)
    app.add_typer(topics, name="topics")


def create() -> None:
    """Make the topics that are missing and set the configurations that differ; it may run at any time.

    Example: quarterhour topics create
    """
    from services.runtime.kafka import create_topics

    with _settings() as settings:
        create_topics(settings, lambda line: typer.echo(line, err=True))


def verify() -> None:
    """Check that every topic is there with the right partitions and configuration. Exit code 69 when not.

    Example: quarterhour topics verify
    """
    from services.runtime.kafka import configuration_differences, require_configurations, verify_topics

    with _settings() as settings:
        verify_topics(settings)
        require_configurations(configuration_differences(settings))
    typer.echo("all topics are as they should be", err=True)


def list_() -> None:
    """Print every topic with its partitions and configuration, one JSON object a line, for those who make topics by other means.

    Example: quarterhour topics list
    """
    from services.runtime.kafka import topic_specs

    with _settings() as settings:
        for spec in topic_specs(settings):
            typer.echo(json.dumps({"topic": spec.name, "partitions": spec.partitions, "config": spec.config}))


@contextmanager
def _settings() -> Iterator[Settings]:
    from services.local.find import stack_settings
    from services.runtime.errors import ServiceError
    from services.runtime.settings import SettingsError

    try:
        yield stack_settings()
    except (ServiceError, SettingsError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(error.exit_code if isinstance(error, ServiceError) else 2) from None
