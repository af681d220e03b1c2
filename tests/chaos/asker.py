"""Somebody who asks the query service all the while.

What it may answer under faults: a number, that a database is away, or that the key has asked too much; never an error of its own.
"""

from __future__ import annotations

import http.client
import threading
import urllib.error
from collections import Counter
from typing import Final, Self

from tests.chaos.stage import Stage

EVERY_S: Final = 0.5
WORKSPACE: Final = "acme"
_FINE: Final = {503: "503: a database is away", 429: "429: the key has read its share of the minute"}


class Asker:
    """A thread that asks while the `with` block runs."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="asker", daemon=True)
        self.answers: Counter[str] = Counter()

    def __enter__(self) -> Self:
        self._key = self._stage.stack.key(WORKSPACE)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(120)

    def _run(self) -> None:
        while not self._stop.wait(EVERY_S):
            self.answers[self._ask()] += 1

    def _ask(self) -> str:
        try:
            self._stage.stack.ask("/v1/usage/trends", self._key, **{"from": "2026-03-01", "to": "2026-04-01"})
        except urllib.error.HTTPError as error:
            return _FINE.get(error.code) or f"wrong: {error.code} {error.read(200)!r}"
        except (OSError, http.client.HTTPException):
            return "no connection"
        return "200"
