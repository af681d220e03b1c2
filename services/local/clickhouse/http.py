"""ClickHouse's HTTP interface over the engine, as an ASGI application.

Order of effects of an INSERT: the whole body is decoded and handed over, then the engine commits, then the answer is sent. A body that breaks
off cancels what is left of it (blocks that were written already stay, as with ClickHouse: the caller sends again).
Reads and inserts wait in lanes of their own, so that neither starves the other; the engine's calls run on one thread a request.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager, closing
from typing import BinaryIO, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from services.local.clickhouse.codecs import CodecError, choose_encoding
from services.local.clickhouse.engine import Answer, Engine, EngineError, Session
from services.local.clickhouse.replies import Reply, native_header, without_headers
from services.local.clickhouse.requests import STATEMENT_BYTES_MAX, Body, Call, read_call, read_statement_bytes
from services.local.clickhouse.sessions import Sessions, Thread
from services.local.clickhouse.statements import HEADER_RECORDS, Insert, Statement, header_bytes, read_insert, read_statement
from services.local.clickhouse.users import User, Users

Result = TypeVar("Result")

_PEEK_BYTES = 64 << 10
_PIECE_BYTES = 1 << 20
_SPOOL_BYTES = 32 << 20


class Application:
    """`wait_s`: how long a request waits for its lane before it is refused (code 202)."""

    def __init__(self, engine: Engine, users: Users, *, reads_max: int = 8, writes_max: int = 2, wait_s: float = 60.0) -> None:
        self._engine = engine
        self._sessions = Sessions(engine)
        self._users = users
        self._reads = asyncio.Semaphore(reads_max)
        self._writes = asyncio.Semaphore(writes_max)
        self._wait_s = wait_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        reply = Reply(send, "", "")
        body = Body(None)
        try:
            if await self._greets(request, reply):
                return
            call = await read_call(request)
            body = call.body
            reply = Reply(send, call.query_id, choose_encoding(call.accept_encoding))
            await self._serve(call, reply)
        except (EngineError, CodecError) as error:
            await body.drop()
            await reply.error(error if isinstance(error, EngineError) else _cannot_decode(error), self._engine.version)
        except ClientDisconnect:
            return

    async def _greets(self, request: Request, reply: Reply) -> bool:
        path = request.url.path
        if path in ("/ping", "/replicas_status") or (path == "/" and request.method != "POST" and not request.url.query):
            await reply.text(200, "Ok.\n")
        elif path != "/" or request.method not in ("GET", "POST"):
            await reply.text(404, f"There is no handle {request.method} {path}: use GET or POST on /, or /ping.\n")
        else:
            return False
        return True

    async def _serve(self, call: Call, reply: Reply) -> None:
        user = self._users.known(call.name, call.password)
        if user is None:
            user = await asyncio.to_thread(self._authenticate, call)
        text, insert = await _read_head(call)
        lane = self._reads if insert is None else self._writes
        readonly = user.readonly or (2 if call.reads_only else 0)
        async with _place_in(lane, self._wait_s), self._sessions.lease(call.parameters.get("database", ""), call.settings, readonly) as lease:
            if insert is None:
                lease.is_untouched = await _answer(call, text, reply, lease.thread, lease.session)
            else:
                answer = await _insert(insert, text[insert.data_at :], call.body, lease.thread, lease.session)
                await reply.whole(answer, "")

    def _authenticate(self, call: Call) -> User:
        user = self._users.find(call.name, call.password)
        if user is None:
            raise EngineError(
                f"Code: 516. DB::Exception: {call.name}: Authentication failed: password is incorrect, or there is no user with such name. "
                "(AUTHENTICATION_FAILED)"
            )
        return user

    async def close(self) -> None:
        """Before the engine is closed."""
        await self._sessions.close()


async def _read_head(call: Call) -> tuple[bytes, Insert | None]:
    """The statement, and for an INSERT as much of its data as came with it."""
    text = call.parameters.get("query", "").encode()
    insert = read_insert(text)
    text += b"\n" if text and insert is None else b""
    while insert is None and (piece := await call.body.read(_PEEK_BYTES)):
        text += piece
        insert = read_insert(text)
        if insert is None and text.lstrip()[:6].upper() != b"INSERT":
            text += await read_statement_bytes(call.body)
        elif insert is None and len(text) > STATEMENT_BYTES_MAX:
            raise EngineError("Code: 62. DB::Exception: Syntax error: the head of the INSERT is larger than 16 MiB. (SYNTAX_ERROR)")
    return text, insert


async def _insert(insert: Insert, data: bytes, body: Body, thread: Thread, session: Session) -> Answer:
    rows = await thread.run(lambda: session.insert(insert.head, insert.format))
    try:
        piece = data
        while piece := piece or await body.read(_PIECE_BYTES):
            await thread.run(lambda piece=piece: rows.append(piece))  # type: ignore[misc]
            piece = b""
        return await thread.run(rows.finish)
    except BaseException:
        await thread.run(rows.cancel)
        raise


async def _answer(call: Call, text: bytes, reply: Reply, thread: Thread, session: Session) -> bool:
    """Whether it was a SELECT, answered to its end."""
    statement = read_statement(text)
    if statement.refusal:
        raise EngineError(statement.refusal)
    sql, format_name = text.decode(), statement.format or call.default_format
    if not statement.selects or format_name.lower() not in HEADER_RECORDS:
        await reply.whole(await thread.run(lambda: session.run(sql, format_name, call.bound)), format_name)
        return statement.selects
    document = _document(session, sql, format_name, call.bound)
    if await (_send_at_end if call.waits_for_end else _send_as_it_comes)(document, format_name, reply, thread):
        return True
    if not reply.started:
        await reply.whole(await thread.run(lambda: _no_rows(session, statement, sql, format_name, call.bound)), format_name)
        return True
    return False


def _document(session: Session, sql: str, format_name: str, bound: dict[str, str]) -> Generator[bytes, None, None]:
    """The answer as one document, in pieces; none when it has no rows."""
    with closing(session.stream(sql, format_name, bound)) as pieces:
        first = next(pieces, None)
        if first is not None:
            yield from without_headers(pieces, first, header_bytes(format_name, first))


def _no_rows(session: Session, statement: Statement, sql: str, format_name: str, bound: dict[str, str]) -> Answer:
    """The engine streams nothing when there are no rows, but clients want the columns."""
    if format_name.lower() != "native":
        return session.run(sql, format_name, bound)
    described = json.loads(session.run(f"DESCRIBE TABLE ({statement.bare})", "JSONCompact", bound).body)
    return Answer(native_header([(row[0], row[1]) for row in described["data"]]), 0, 0, 0, 0, 0, 0.0)


async def _send_as_it_comes(document: Generator[bytes, None, None], format_name: str, reply: Reply, thread: Thread) -> bool:
    """Whether all of it came. Nothing is sent of a document without pieces."""
    compress = reply.encoder()
    try:
        piece = await thread.run(lambda: next(document, None))
        if piece is None:
            return False
        await reply.begin(format_name)
        while piece is not None:
            await reply.piece(compress.feed(piece))
            piece = await thread.run(lambda: next(document, None))
        await reply.piece(compress.finish(), more=False)
        return True
    except EngineError as error:
        if not reply.started:
            raise
        # The body is left unfinished on purpose: the server then cuts the connection.
        await reply.piece(compress.feed(reply.broken_off(error)) + compress.finish())
        return False
    finally:
        await thread.run(document.close)


async def _send_at_end(document: Generator[bytes, None, None], format_name: str, reply: Reply, thread: Thread) -> bool:
    """For `wait_end_of_query`: an error after any number of rows is still an error status. Nothing is sent of a document without pieces."""
    with tempfile.SpooledTemporaryFile(_SPOOL_BYTES) as spool:
        # One turn of the thread for the whole answer: a small question costs less than what two turns take.
        length = await thread.run(lambda: _spool(document, spool, reply))
        if length is None:
            return False
        spool.seek(0)
        await reply.begin(format_name, length)
        while piece := spool.read(_PIECE_BYTES) if length <= _PIECE_BYTES else await thread.run(lambda: spool.read(_PIECE_BYTES)):
            await reply.piece(piece)
        await reply.piece(b"", more=False)
    return True


def _spool(document: Generator[bytes, None, None], spool: BinaryIO | tempfile.SpooledTemporaryFile[bytes], reply: Reply) -> int | None:
    """The bytes of the body; none: the document has no pieces."""
    compress, has_pieces = reply.encoder(), False
    with closing(document):
        for piece in document:
            has_pieces = True
            spool.write(compress.feed(piece))
    if not has_pieces:
        return None
    spool.write(compress.finish())
    return spool.tell()


@asynccontextmanager
async def _place_in(lane: asyncio.Semaphore, wait_s: float) -> AsyncIterator[None]:
    try:
        await asyncio.wait_for(lane.acquire(), wait_s)
    except TimeoutError:
        raise EngineError("Code: 202. DB::Exception: Too many simultaneous queries: try again. (TOO_MANY_SIMULTANEOUS_QUERIES)") from None
    try:
        yield
    finally:
        lane.release()


def _cannot_decode(error: CodecError) -> EngineError:
    return EngineError(f"Code: 271. DB::Exception: Cannot decompress: {error}. (CANNOT_DECOMPRESS)")
