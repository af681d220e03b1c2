"""How many examples hypothesis tries: a number that keeps the run short, and twenty times that with `make test-long`."""

from __future__ import annotations

import os
from typing import Final

LONG: Final = "HYPOTHESIS_LONG" in os.environ


def examples(count: int) -> int:
    """`count`, or twenty times as many in a long run."""
    return count * 20 if LONG else count
