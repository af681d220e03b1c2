"""A TCP proxy on loopback whose network can be made bad: cut, half-open, slow.

Rule: `cut` resets every connection and every new one; `half_open` forgets the server's side and never says so to the client, as a router that lost its
table does: connections of that time stay dead after the mend, until the client gives them up. `slow` lets through so many bytes a second each way.
Limit: one event loop on one thread; it is meant for tests.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from typing import Final, Literal, Self

LOOPBACK: Final = "127.0.0.1"
PIECE_BYTES: Final = 65_536
SLOW_PIECE_BYTES: Final = 1_024

Network = Literal["good", "cut", "half_open", "slow"]


class Link:
    """One client's connection, and ours to the server on its behalf."""

    def __init__(self, client: asyncio.StreamWriter) -> None:
        self.client = client
        self.server: asyncio.StreamWriter | None = None
        self.forgotten = False

    def reset(self) -> None:
        _reset(self.client)
        self.forget()

    def forget(self) -> None:
        """The server sees a reset; the client sees nothing."""
        self.forgotten = True
        if self.server is not None:
            _reset(self.server)


class Proxy:
    """From `port` to `target`. Starts with a good network."""

    def __init__(self, port: int, target: int, *, slow_bytes_per_s: int = 20_000) -> None:
        self.port, self._target = port, target
        self._slow_bytes_per_s = slow_bytes_per_s
        self._network: Network = "good"
        self._links: set[Link] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=f"proxy-{port}", daemon=True)
        self._listening = threading.Event()
        self.carried_bytes = 0

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._listening.wait(10), f"the proxy does not listen on port {self.port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._loop.stop)
        self._thread.join(10)

    def become(self, network: Network) -> None:
        """From now on."""
        self._call(lambda: self._become(network))

    def _call(self, work: Callable[[], None]) -> None:
        self._loop.call_soon_threadsafe(work)

    def _become(self, network: Network) -> None:
        self._network = network
        for link in list(self._links):
            if network == "cut":
                link.reset()
            elif network == "half_open":
                link.forget()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, LOOPBACK, self.port))
        self._listening.set()
        self._loop.run_forever()
        server.close()
        for link in list(self._links):
            link.reset()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(writer)
        self._links.add(link)
        try:
            if self._network == "cut":
                link.reset()
            elif self._network == "half_open":
                link.forget()
                await self._carry(reader, None, link)
            else:
                await self._connect(reader, link)
        except OSError:
            # Either side is gone, which is what this proxy is for: the other side must hear of it.
            link.reset()
        finally:
            self._links.discard(link)

    async def _connect(self, reader: asyncio.StreamReader, link: Link) -> None:
        from_server, link.server = await asyncio.open_connection(LOOPBACK, self._target)
        back = asyncio.create_task(self._answer(from_server, link))
        await self._carry(reader, link.server, link)
        # The client has gone.
        link.forget()
        await asyncio.wait([back])
        _close(link.client)

    async def _answer(self, from_server: asyncio.StreamReader, link: Link) -> None:
        with contextlib.suppress(OSError):
            await self._carry(from_server, link.client, link)
        if not link.forgotten:
            # The server has gone, and says so through us.
            _close(link.client)

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter | None, link: Link) -> None:
        """Until the source ends. What comes for a forgotten server is swallowed."""
        while piece := await source.read(SLOW_PIECE_BYTES if self._network == "slow" else PIECE_BYTES):
            if self._network == "slow":
                await asyncio.sleep(len(piece) / self._slow_bytes_per_s)
            if sink is None or link.forgotten:
                continue
            sink.write(piece)
            self.carried_bytes += len(piece)
            with contextlib.suppress(OSError):
                await sink.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with a reset rather than with a farewell."""
    raw = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _close(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        writer.close()
