"""What a client asks: parameters, who it is, and the decoded body, read from an HTTP request as ClickHouse reads it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator
from dataclasses import dataclass
from email import policy
from email.parser import BytesParser
from uuid import uuid4

from starlette.requests import Request

from services.local.clickhouse.codecs import Decoder, decoder
from services.local.clickhouse.engine import EngineError

STATEMENT_BYTES_MAX = 16 << 20
_OWN_PARAMETERS = frozenset({
    "query", "database", "default_format", "user", "password", "session_id", "session_timeout", "session_check", "query_id", "quota_key",
    "wait_end_of_query", "buffer_size", "compress", "decompress", "client_protocol_version", "role", "stacktrace", "close_session",
})  # fmt: skip


class Body:
    """The body, decoded, in pieces; `None` is an empty one."""

    def __init__(self, request: Request | None) -> None:
        self._pieces: AsyncIterator[bytes] | None = request.stream() if request else None
        self._decoder: Decoder = decoder(request.headers.get("content-encoding", "") if request else "")

    async def read(self, bytes_min: int) -> bytes:
        """At least so many bytes, fewer at the end of the body, none after it. Raises CodecError."""
        parts: list[bytes] = []
        size = 0
        while size < bytes_min and self._pieces is not None:
            piece = await anext(self._pieces, None)
            if piece is None:
                self._pieces = None
                self._decoder.finish()
            elif piece:
                parts.append(self._decoder.feed(piece))
                size += len(parts[-1])
        return b"".join(parts)

    async def drop(self) -> None:
        """Read the rest and forget it: a client that still sends would not see the answer."""
        while self._pieces is not None and await anext(self._pieces, None) is not None:
            pass


@dataclass(frozen=True, slots=True)
class Call:
    """One request, understood."""

    parameters: dict[str, str]
    name: str
    password: str
    accept_encoding: str
    reads_only: bool
    body: Body

    @property
    def query_id(self) -> str:
        return self.parameters.get("query_id") or str(uuid4())

    @property
    def default_format(self) -> str:
        return self.parameters.get("default_format") or "TabSeparated"

    @property
    def waits_for_end(self) -> bool:
        return self.parameters.get("wait_end_of_query") == "1"

    @property
    def settings(self) -> dict[str, str]:
        return {name: value for name, value in self.parameters.items() if name not in _OWN_PARAMETERS and not name.startswith("param_")}

    @property
    def bound(self) -> dict[str, str]:
        """Values for `{name:Type}`, in ClickHouse's own escaping, as they came."""
        return {name[6:]: value for name, value in self.parameters.items() if name.startswith("param_")}


async def read_call(request: Request) -> Call:
    """Raises EngineError, CodecError."""
    parameters = dict(request.query_params)
    body = Body(request if request.method == "POST" else None)
    content_type = request.headers.get("content-type", "")
    if content_type.startswith("multipart/form-data"):
        parameters |= _form(content_type, await read_statement_bytes(body))
        body = Body(None)
    if parameters.get("compress") == "1" or parameters.get("decompress") == "1":
        raise EngineError("Code: 48. DB::Exception: ClickHouse-native compression is not supported here: use Content-Encoding. (NOT_IMPLEMENTED)")
    name, password = _credentials(request, parameters)
    accept = request.headers.get("accept-encoding", "") if parameters.get("enable_http_compression") != "0" else ""
    return Call(parameters, name, password, accept, request.method != "POST", body)


async def read_statement_bytes(body: Body) -> bytes:
    """The whole body, which must be a statement and no data."""
    text = await body.read(STATEMENT_BYTES_MAX + 1)
    if len(text) > STATEMENT_BYTES_MAX:
        raise EngineError("Code: 62. DB::Exception: Syntax error: the statement is larger than 16 MiB. (SYNTAX_ERROR)")
    return text


def _form(content_type: str, body: bytes) -> dict[str, str]:
    message = BytesParser(policy=policy.HTTP).parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    fields = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        if part.get_filename() is not None or not isinstance(name, str):
            raise EngineError("Code: 48. DB::Exception: External tables are not supported here. (NOT_IMPLEMENTED)")
        content = part.get_payload(decode=True)
        fields[name] = content.decode() if isinstance(content, bytes) else ""
    return fields


def _credentials(request: Request, parameters: dict[str, str]) -> tuple[str, str]:
    headers = request.headers
    if "x-clickhouse-user" in headers or "x-clickhouse-key" in headers:
        return headers.get("x-clickhouse-user", "default"), headers.get("x-clickhouse-key", "")
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            name, _, password = base64.b64decode(token, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise EngineError("Code: 516. DB::Exception: Authentication failed: the Authorization header is not Basic. (AUTHENTICATION_FAILED)") from None
        return name, password
    return parameters.get("user", "default"), parameters.get("password", "")
