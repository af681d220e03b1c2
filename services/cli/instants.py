"""Instants as people type them on a command line: a day, or RFC 3339."""

from __future__ import annotations

import typer

from services.events.times import parse_ms


def instant_ms(text: str, option: str) -> int:
    """UTC milliseconds of `2026-01-31` (its midnight in UTC) or of an RFC 3339 instant.

    Raises `typer.BadParameter` naming the option.
    """
    try:
        return parse_ms(text if len(text) > 10 else f"{text}T00:00:00Z")
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no day such as 2026-01-31 and no instant such as 2026-01-31T08:00:00Z ({error})", param_hint=option) from None
