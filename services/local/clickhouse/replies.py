"""What the client is told: status, ClickHouse's headers, and the body, compressed when it likes."""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Iterator

from starlette.types import Send

from services.local.clickhouse.codecs import Encoder, encoder
from services.local.clickhouse.engine import Answer, EngineError

COMPRESS_BYTES_MIN = 512
_STATUS = (
    dict.fromkeys((27, 36, 38, 41, 42, 43, 53, 62, 69, 70, 72, 117, 130, 131, 271, 306, 349, 456, 457), 400)
    | dict.fromkeys((16, 46, 47, 50, 56, 60, 73, 80, 81, 115), 404)
    | {194: 401, 192: 403, 193: 403, 497: 403, 516: 403, 159: 408, 48: 501, 202: 503}
)
_CONTENT_TYPES = {
    "json": "application/json; charset=UTF-8",
    "jsoncompact": "application/json; charset=UTF-8",
    "jsoneachrow": "application/x-ndjson; charset=UTF-8",
    "csv": "text/csv; charset=UTF-8; header=absent",
    "csvwithnames": "text/csv; charset=UTF-8; header=present",
    "native": "application/octet-stream",
    "rowbinary": "application/octet-stream",
    "parquet": "application/octet-stream",
}
_PLAIN_TEXT = "text/plain; charset=UTF-8"


class Reply:
    """The answer to one request: exactly one of `text`, `whole`, `pieces` and `error`; `break_off` after a first piece."""

    def __init__(self, send: Send, query_id: str, encoding: str) -> None:
        self._send = send
        self._query_id = query_id
        self._encoding = encoding
        self._tag = secrets.token_hex(8)
        self.started = False

    async def text(self, status: int, text: str) -> None:
        await self._finish(status, {"content-type": _PLAIN_TEXT}, text.encode())

    async def whole(self, answer: Answer, format_name: str) -> None:
        encoding = self._encoding if len(answer.body) >= COMPRESS_BYTES_MIN else ""
        compress = encoder(encoding)
        body = compress.feed(answer.body) + compress.finish()
        await self._finish(200, self._result_headers(format_name, encoding) | {"x-clickhouse-summary": _summary(answer)}, body)

    async def begin(self, format_name: str, length: int | None = None) -> None:
        """What follows is a body of this length, already encoded; without a length, as many pieces as come."""
        headers = self._result_headers(format_name, self._encoding) | {"x-clickhouse-summary": _summary(None)}
        await self._start(200, headers | ({"content-length": str(length)} if length is not None else {}))

    async def piece(self, body: bytes, *, more: bool = True) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    async def error(self, error: EngineError, version: str) -> None:
        headers = {"content-type": _PLAIN_TEXT, "x-clickhouse-exception-code": str(error.code)}
        if error.code == 194:
            headers["www-authenticate"] = 'Basic realm="ClickHouse server HTTP API"'
        text = error.text if "(version " in error.text else f"{error.text} (version {version})"
        await self._finish(_STATUS.get(error.code, 500), headers, text.encode() + b"\n")

    def broken_off(self, error: EngineError) -> bytes:
        """What ends a body that has begun, as ClickHouse 25.11 and later do; the connection must then be cut, so that nobody takes it for whole."""
        text = error.text.encode()
        return b"\r\n__exception__\r\n%b\r\n%b\n%d %b\r\n__exception__\r\n" % (self._tag.encode(), text, len(text) + 1, self._tag.encode())

    def encoder(self) -> Encoder:
        return encoder(self._encoding)

    def _result_headers(self, format_name: str, encoding: str) -> dict[str, str]:
        headers = {
            "content-type": _CONTENT_TYPES.get(format_name.lower(), _PLAIN_TEXT),
            "x-clickhouse-format": format_name,
            "x-clickhouse-exception-tag": self._tag,
        }
        return headers | ({"content-encoding": encoding} if encoding else {})

    async def _finish(self, status: int, headers: dict[str, str], body: bytes) -> None:
        await self._start(status, headers | {"content-length": str(len(body))})
        await self.piece(body, more=False)

    async def _start(self, status: int, headers: dict[str, str]) -> None:
        self.started = True
        own = {
            "x-clickhouse-server-display-name": socket.gethostname(),
            "x-clickhouse-query-id": self._query_id,
            "x-clickhouse-timezone": "UTC",
            "cache-control": "no-store",
        }
        pairs = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in (own | headers).items()]
        await self._send({"type": "http.response.start", "status": status, "headers": pairs})


def native_header(columns: list[tuple[str, str]]) -> bytes:
    """A block of ClickHouse's Native format without rows: names and types only."""
    return b"".join((_varint(len(columns)), _varint(0), *(_text(part) for column in columns for part in column)))


def without_headers(pieces: Iterator[bytes], first: bytes, length: int) -> Iterator[bytes]:
    """The pieces as one document: every piece but the first without its `length` bytes of header."""
    yield first
    for piece in pieces:
        yield piece[length:]


def _summary(answer: Answer | None) -> str:
    counts = (answer.rows_read, answer.bytes_read, answer.rows_written, answer.bytes_written, answer.rows, len(answer.body)) if answer else (0,) * 6
    names = ("read_rows", "read_bytes", "written_rows", "written_bytes", "result_rows", "result_bytes")
    elapsed_ns = round(answer.elapsed_s * 1e9) if answer else 0
    return json.dumps({name: str(count) for name, count in zip(names, counts, strict=True)} | {"elapsed_ns": str(elapsed_ns)})


def _text(text: str) -> bytes:
    data = text.encode()
    return _varint(len(data)) + data


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
