"""The proxy is itself a judge's tool: what it calls cut, half-open and slow must be that."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.chaos.proxy import LOOPBACK, Proxy
from tests.parts.ports import free_port


class Echo:
    """A server that says everything again, and keeps its connections for us to look at."""

    def __init__(self) -> None:
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port = self._listener.getsockname()[1]
        self.ended = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._echo, args=(connection,), daemon=True).start()

    def _echo(self, connection: socket.socket) -> None:
        try:
            while piece := connection.recv(65_536):
                connection.sendall(piece)
        except OSError:
            pass
        self.ended.set()


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[Proxy]:
    with Proxy(free_port(), echo.port, slow_bytes_per_s=10_000) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection((LOOPBACK, proxy.port), timeout=5) as client:
        assert said(client, b"hello") == b"hello"
        yield client


def said(client: socket.socket, words: bytes) -> bytes:
    client.sendall(words)
    heard = b""
    while len(heard) < len(words) and (piece := client.recv(65_536)):
        heard += piece
    return heard


def test_a_good_network_carries_a_megabyte_both_ways_unchanged(client: socket.socket) -> None:
    words = bytes(range(256)) * 4_096
    sender = threading.Thread(target=client.sendall, args=(words,))
    sender.start()
    heard = b""
    while len(heard) < len(words):
        heard += client.recv(65_536)
    sender.join()
    assert heard == words


def test_a_cut_resets_what_is_open_and_what_comes_until_it_is_mended(proxy: Proxy, client: socket.socket, echo: Echo) -> None:
    proxy.become("cut")
    with pytest.raises(ConnectionError):
        client.recv(1)
    assert echo.ended.wait(5)
    with pytest.raises(ConnectionError), socket.create_connection((LOOPBACK, proxy.port), timeout=5) as late:
        late.recv(1)
    proxy.become("good")
    with socket.create_connection((LOOPBACK, proxy.port), timeout=5) as after:
        assert said(after, b"again") == b"again"


def test_half_open_the_server_has_gone_and_the_client_never_hears_of_it(proxy: Proxy, client: socket.socket, echo: Echo) -> None:
    proxy.become("half_open")
    assert echo.ended.wait(5)
    client.settimeout(0.3)
    client.sendall(b"is anybody there?")
    with pytest.raises(TimeoutError):
        client.recv(1)
    proxy.become("good")
    with pytest.raises(TimeoutError):
        client.recv(1)


def test_slow_lets_through_so_many_bytes_a_second(proxy: Proxy, client: socket.socket) -> None:
    proxy.become("slow")
    began_at = time.monotonic()
    assert said(client, b"x" * 5_000) == b"x" * 5_000
    assert 0.4 < time.monotonic() - began_at < 4.0
