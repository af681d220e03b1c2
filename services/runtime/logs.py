"""Logging of a process: one line an entry on standard output, JSON for machines or text for people, libraries included.

Rule: keys are `ts`, `level`, `event`, `service`, then the entry's own; never an event's payload, never a secret.
"""

from __future__ import annotations

import logging
import sys
from typing import Final

import structlog
from structlog.typing import EventDict, Processor

from services.runtime.settings import Settings

_CHATTY: Final = {"kafka": "WARNING", "aiokafka": "WARNING", "faust": "WARNING", "mode": "WARNING", "uvicorn.access": "WARNING", "httpx": "WARNING"}
"""Libraries whose INFO is of no use to people who run the service."""


def set_up_logging(settings: Settings, service: str) -> None:
    """Route structlog and the standard library's logging to standard output in the format and from the level that the settings say."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        _named(service),
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=_last_steps(settings.log_format)))
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    for name, level in _CHATTY.items():
        logging.getLogger(name).setLevel(max(logging.getLevelName(level), logging.getLevelName(settings.log_level)))


def _named(service: str) -> Processor:
    def add(_logger: object, _method: str, entry: EventDict) -> EventDict:
        entry["service"] = service
        return entry

    return add


def _last_steps(log_format: str) -> list[Processor]:
    drop = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    if log_format == "json":
        return [drop, structlog.processors.format_exc_info, _in_order, structlog.processors.JSONRenderer()]
    return [drop, structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty(), timestamp_key="ts")]


def _in_order(_logger: object, _method: str, entry: EventDict) -> EventDict:
    first = {key: entry.pop(key) for key in ("ts", "level", "event", "service") if key in entry}
    return {**first, **entry}
