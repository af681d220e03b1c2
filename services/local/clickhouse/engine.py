"""The chdb engine: one per process, a connection of its own for every request.

Rule: a request leaves nothing behind (settings, current database, temporary tables), so its connection is opened for it (0.8 ms) and closed.
Connections run side by side; the engine's rights exclude files, URLs and other sources: SQL cannot reach the machine.
Limit: threads and memory are capped for each query and for the process; a second process on the same folder is refused.
"""

from __future__ import annotations

import fcntl
import re
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO
from xml.sax.saxutils import escape

import chdb

_CODE = re.compile(r"Code: (\d+)\. ")
_RIGHTS = "SHOW, SELECT, INSERT, ALTER, CREATE, DROP, UNDROP TABLE, TRUNCATE, OPTIMIZE, KILL QUERY, SYSTEM, dictGet, INTROSPECTION"


_FAILED_INSERTS = "SELECT 0, sum(value) FROM system.events WHERE event = 'FailedInsertQuery'"
_ERRORS = "SELECT code, sum(value) FROM system.errors GROUP BY code"
_NEWEST_ERROR = (
    "SELECT 'Code: ' || toString(code) || '. DB::Exception: ' || last_error_message || ' (' || name || ')' "
    "FROM system.errors WHERE has({codes:Array(Int32)}, code) ORDER BY last_error_time DESC LIMIT 1"
)


class EngineError(Exception):
    """ClickHouse's own exception: its code, and its text beginning with `Code: N. DB::Exception:`."""

    def __init__(self, text: str) -> None:
        found = _CODE.search(text)
        self.code = int(found[1]) if found else 1001
        self.text = text[found.start() :] if found else f"Code: 1001. DB::Exception: {text} (STD_EXCEPTION)"
        super().__init__(self.text)


class EngineUnusable(Exception):
    """The data folder cannot be opened; `str()` says what to do."""


@dataclass(frozen=True, slots=True)
class Limits:
    memory_bytes_max: int = 2 << 30
    query_memory_bytes_max: int = 1 << 30
    query_threads_max: int = 2
    query_seconds_max: int = 600


@dataclass(frozen=True, slots=True)
class Answer:
    body: bytes
    rows: int
    rows_read: int
    bytes_read: int
    rows_written: int
    bytes_written: int
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class Failures:
    """Counted by the whole engine since it began: inserts that failed, and errors by code."""

    inserts: int
    errors: dict[int, int]


class Insert:
    """Rows on their way into a table: `append` as often as there is data, then `finish`, or `cancel`.

    chdb's stream tells of rows that it cannot read, and says "written" of those that it could not write (seen with 4.4: a full disk, a constraint, too many
    parts). Its count of failed inserts tells. One that failed beside this one may count here too: then rows that were written come again, which is harmless.
    Why it failed is the newest of the errors that were counted since it began: the time of an error has no more than seconds.
    """

    def __init__(self, inserter: Any, session: Session, before: Failures) -> None:
        self._inserter, self._session, self._before = inserter, session, before

    def append(self, data: bytes) -> None:
        try:
            self._inserter.append(data)
        except RuntimeError as error:
            raise EngineError(str(error)) from error

    def finish(self) -> Answer:
        try:
            done = self._inserter.finish()
        except RuntimeError as error:
            raise EngineError(str(error)) from error
        after = self._session.failures()
        if after.inserts > self._before.inserts:
            codes = [code for code, count in after.errors.items() if count > self._before.errors.get(code, 0)]
            raise EngineError(self._session.run(_NEWEST_ERROR, "TSVRaw", {"codes": str(codes)}).body.decode(errors="replace").strip())
        return Answer(b"", 0, 0, 0, done.rows_written, done.bytes_written, done.elapsed)

    def cancel(self) -> None:
        self._inserter.cancel()


class Session:
    """One request's connection. Not for several threads at a time."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def close(self) -> None:
        self._connection.close()

    def run(self, sql: str, format_name: str = "TabSeparated", params: dict[str, str] | None = None) -> Answer:
        try:
            result = self._connection.query(sql, format_name, params=params or {})
        except RuntimeError as error:
            raise EngineError(str(error)) from error
        return Answer(
            result.bytes() or b"",
            result.rows_read(),
            result.storage_rows_read(),
            result.storage_bytes_read(),
            result.rows_written(),
            result.bytes_written(),
            result.elapsed(),
        )

    def stream(self, sql: str, format_name: str, params: dict[str, str]) -> Generator[bytes, None, None]:
        """Pieces of the answer, each of them a whole document in `format_name`. Closing the iterator cancels the query."""
        try:
            result = self._connection.send_query(sql, format_name, params=params)
            try:
                while (piece := result.fetch()) is not None:
                    yield piece.bytes()
            finally:
                result.cancel()
        except RuntimeError as error:
            raise EngineError(str(error)) from error

    def insert(self, head: str, format_name: str) -> Insert:
        before = self.failures()
        try:
            return Insert(self._connection.send_insert(head, format_name), self, before)
        except RuntimeError as error:
            raise EngineError(str(error)) from error

    def failures(self) -> Failures:
        lines = self.run(f"{_FAILED_INSERTS} UNION ALL {_ERRORS}", "TSVRaw").body.decode().splitlines()
        counts = {int(code): int(count) for code, count in (line.split("\t") for line in lines)}
        return Failures(counts.pop(0), counts)


class Engine:
    """Raises EngineUnusable when the folder is taken or cannot be opened."""

    def __init__(self, data_dir: Path, limits: Limits) -> None:
        self._path = data_dir / "engine"
        self._path.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(data_dir / "server.lock")
        try:
            self._first = chdb.connect(f"{self._path}?config-file={_write_config(data_dir, limits)}")  # type: ignore[no-untyped-call]
            self.version = self._first.query("SELECT version()", "TabSeparatedRaw").data().strip()
        except RuntimeError as error:
            raise EngineUnusable(
                f"The data folder {data_dir} cannot be opened: {error}\n"
                "Restore it from a backup, or move it away, start again and run `quarterhour migrate`; the sink reads the facts again from Kafka."
            ) from error

    def session(self, database: str, settings: dict[str, str], readonly: int) -> Session:
        """`readonly` is set before the client's settings, so that the engine itself refuses what a read-only user may not change."""
        session = Session(chdb.connect(str(self._path)))  # type: ignore[no-untyped-call]
        try:
            if database:
                session.run(f"USE {quote_name(database)}")
            if readonly:
                session.run(f"SET readonly = {readonly}")
            if settings:
                session.run("SET " + ", ".join(f"{_setting_name(name)} = {quote_text(value)}" for name, value in settings.items()))
        except EngineError:
            session.close()
            raise
        return session

    def close(self) -> None:
        self._first.close()
        self._lock.close()


def quote_name(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def quote_text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _setting_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise EngineError(f"Code: 115. DB::Exception: Unknown setting {name!r}. (UNKNOWN_SETTING)")
    return name


def _lock(path: Path) -> TextIO:
    file = path.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise EngineUnusable(f"Another server uses {path.parent}. Stop it, or give this one its own --data-dir.") from error
    return file


def _write_config(data_dir: Path, limits: Limits) -> Path:
    """The engine's own configuration, written at every start so that it always says what the settings say."""
    users = data_dir / "engine-users.xml"
    users.write_text(
        f"""<clickhouse>
 <profiles><default>
  <max_threads>{limits.query_threads_max}</max_threads><max_memory_usage>{limits.query_memory_bytes_max}</max_memory_usage>
  <max_execution_time>{limits.query_seconds_max}</max_execution_time>
 </default></profiles>
 <quotas><default/></quotas>
 <users><default><password/><profile>default</profile><quota>default</quota><networks><ip>::/0</ip></networks>
  <grants><query>GRANT {_RIGHTS} ON *.*</query><query>GRANT TABLE ENGINE ON *</query></grants>
 </default></users>
</clickhouse>
"""
    )
    config = data_dir / "engine.xml"
    config.write_text(
        f"""<clickhouse>
 <timezone>UTC</timezone><max_server_memory_usage>{limits.memory_bytes_max}</max_server_memory_usage>
 <mark_cache_size>67108864</mark_cache_size>
 <user_directories><users_xml><path>{escape(str(users.resolve()))}</path></users_xml></user_directories>
</clickhouse>
"""
    )
    return config.resolve()
