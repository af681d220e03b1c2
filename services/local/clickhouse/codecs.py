"""Compressed bodies in and out, piece by piece.

Rule: a body may be several compressed frames one after another (clickhouse-connect sends one a block); all of them are decoded, and a body
that ends inside a frame is an error: rows must not vanish silently.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, Protocol

import lz4.frame  # type: ignore[import-untyped]
import zstandard

_DECODERS: dict[str, Callable[[], Any]] = {
    "lz4": lz4.frame.LZ4FrameDecompressor,
    "zstd": lambda: zstandard.ZstdDecompressor().decompressobj(),
    "gzip": lambda: zlib.decompressobj(31),
    "deflate": zlib.decompressobj,
}
ANSWER_ENCODINGS = ("lz4", "zstd", "gzip", "deflate")
"""In the order of our preference, cheapest first."""


class CodecError(Exception):
    """The body cannot be decoded; `str()` says why."""


class Decoder(Protocol):
    def feed(self, piece: bytes) -> bytes: ...
    def finish(self) -> None: ...


class Encoder(Protocol):
    def feed(self, piece: bytes) -> bytes: ...
    def finish(self) -> bytes: ...


class _Plain:
    def feed(self, piece: bytes) -> bytes:
        return piece

    def finish(self) -> None:
        return None


class _Frames:
    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._make = _DECODERS[encoding]
        self._frame: Any = None

    def feed(self, piece: bytes) -> bytes:
        out = []
        while piece:
            self._frame = self._frame or self._make()
            try:
                out.append(self._frame.decompress(piece))
            except (RuntimeError, EOFError, zlib.error, zstandard.ZstdError) as error:
                raise CodecError(f"the body is not valid {self._encoding}: {error}") from error
            piece = b""
            if self._frame.eof:
                piece, self._frame = self._frame.unused_data or b"", None
        return b"".join(out)

    def finish(self) -> None:
        if self._frame is not None:
            raise CodecError(f"the body ends inside a frame of {self._encoding}: send it again")


class _Lz4Answer:
    def __init__(self) -> None:
        self._frame = lz4.frame.LZ4FrameCompressor()
        self._head = self._frame.begin()

    def feed(self, piece: bytes) -> bytes:
        head, self._head = self._head, b""
        return bytes(head + self._frame.compress(piece))

    def finish(self) -> bytes:
        return bytes(self._head + self._frame.flush())


class _ObjectAnswer:
    def __init__(self, compressor: Any) -> None:
        self._compressor = compressor

    def feed(self, piece: bytes) -> bytes:
        return bytes(self._compressor.compress(piece))

    def finish(self) -> bytes:
        return bytes(self._compressor.flush())


class _PlainAnswer:
    def feed(self, piece: bytes) -> bytes:
        return piece

    def finish(self) -> bytes:
        return b""


def decoder(content_encoding: str) -> Decoder:
    """Raises CodecError for an encoding that we do not know."""
    name = content_encoding.strip().lower()
    if name in ("", "identity"):
        return _Plain()
    if name not in _DECODERS:
        raise CodecError(f"Content-Encoding {name!r} is not known; use one of {', '.join(_DECODERS)}")
    return _Frames(name)


def choose_encoding(accept_encoding: str) -> str:
    """The encoding of the answer for the client's Accept-Encoding; empty: none."""
    accepted = {part.split(";")[0].strip().lower() for part in accept_encoding.split(",") if "q=0" not in part.replace(" ", "").split(";")[1:]}
    return next((name for name in ANSWER_ENCODINGS if name in accepted), "")


def encoder(name: str) -> Encoder:
    if name == "lz4":
        return _Lz4Answer()
    if name == "zstd":
        return _ObjectAnswer(zstandard.ZstdCompressor(level=1).compressobj())
    if name in ("gzip", "deflate"):
        return _ObjectAnswer(zlib.compressobj(1, zlib.DEFLATED, 31 if name == "gzip" else 15))
    return _PlainAnswer()
