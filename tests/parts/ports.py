"""Free TCP ports of the loopback address.

Rule: below the range from which the kernel takes ports for outgoing connections: a client that tries a dead address there again and again may meet itself.
"""

from __future__ import annotations

import random
import socket
from typing import Final

_FIRST: Final = 20_000
_LAST: Final = 32_000


def free_port(count: int = 1) -> int:
    """A port that nobody uses now, or the first of `count` in a row; at random, so that runs side by side seldom meet."""
    for _ in range(1_000):
        first = random.randrange(_FIRST, _LAST - count)
        if all(_is_free(port) for port in range(first, first + count)):
            return first
    raise OSError(f"no {count} free ports in a row between {_FIRST} and {_LAST}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
