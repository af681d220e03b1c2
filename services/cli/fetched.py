"""Fetch a CSV of the query service to a file, and compare it with its manifest.

Rule: what arrives goes to a file with another name, which is gone whatever happens; when all of it is proven the manifest is written, and then the file gets
its name. So a file with the asked name is whole, and stands beside what proves it.
Limit: redirects are not followed, for they could carry the key elsewhere.
"""

from __future__ import annotations

import http.client
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from services.cli.progress import Display
from services.events.times import parse_ms
from services.query.exports import CsvMeter
from services.query.periods import read_period
from services.runtime.errors import ServiceError, Unavailable

CHUNK_BYTES: Final = 1 << 18
ANSWER_S_MAX: Final = 120
"""Longest silence of the service."""

Manifest = dict[str, Any]


class NotFetched(ServiceError):
    """There is no file; `str()` says why."""


@dataclass(frozen=True, slots=True)
class Service:
    url: str
    key: str


@dataclass(frozen=True, slots=True)
class Question:
    """`asked`: range, or from and to, and the zone; `filters`: name → values, sorted."""

    what: str
    asked: Mapping[str, str]
    filters: Mapping[str, list[str]]

    @property
    def path(self) -> str:
        """Of the sessions the page that needs no right but that to export."""
        page, form = ("sessions.csv", {}) if self.what == "sessions" else (self.what, {"format": "csv"})
        return f"/v1/usage/{page}?" + urlencode({**self.asked, **self.filters, **form}, doseq=True)


@dataclass(frozen=True, slots=True)
class Fetched:
    file: Path
    told: str


def fetch(service: Service, question: Question, out: Path | None, *, replace: bool) -> Fetched:
    """Raises NotFetched, and Unavailable where trying again may help."""
    if out is not None:
        _check_free(out, replace)
    with _connected(service) as connection:
        answer = _asked(connection, service, question.path)
        file = out or Path(_name_of(answer, question))
        _check_free(file, replace)
        with _unnamed(file) as part:
            meter = _received(answer, part, question.what)
            manifest: Manifest = json.loads(_asked(connection, service, f"/v1/usage/exports/{answer.headers['X-Export-Id']}").read())
            if wrong := differences(manifest, meter, question):
                raise NotFetched(f"The file is not what its manifest says, and is not kept: {'; '.join(wrong)}. Try again.")
            _write_beside(file, manifest)
            part.replace(file)
    return Fetched(file, _told(manifest))


def differences(manifest: Manifest, meter: CsvMeter, question: Question) -> list[str]:
    """Between the manifest, what arrived, and what was asked for."""
    arrived = {"rows": max(0, meter.records - 1), "bytes": meter.bytes, "sha256": meter.sha256, "state": "complete"}
    wrong = [f"{name} {manifest[name]} in the manifest, {value} here" for name, value in arrived.items() if manifest[name] != value]
    if not _is_asked(manifest["range"], question.asked):
        wrong.append(f"it is of another range: {manifest['range']}")
    filters = {**manifest["filters"], **({"app_id": manifest["app_ids"]} if "app_id" in question.filters else {})}
    return wrong if filters == question.filters else [*wrong, f"it is of other filters: {filters}"]


def _is_asked(echo: Mapping[str, Any], asked: Mapping[str, str]) -> bool:
    """A named range is known by its name: only the service knows what time it is there."""
    if echo["timezone"] != asked["timezone"]:
        return False
    if "from" not in asked:
        return bool(echo["range"] == asked.get("range", echo["range"]))
    period = read_period(0, timezone=asked["timezone"], from_text=asked["from"], to_text=asked["to"])
    return (parse_ms(echo["from"]), parse_ms(echo["to"])) == (period.from_ms, period.to_ms)


def _told(manifest: Manifest) -> str:
    span, as_of = manifest["range"], manifest["as_of"]
    lines = [f"{manifest['rows']:,} rows, {manifest['bytes']:,} bytes, SHA-256 {manifest['sha256']}: whole.", f"From {span['from']} to {span['to']}."]
    if as_of is None:
        lines.append("Nothing was metered yet: there will be more.")
    elif parse_ms(as_of) <= parse_ms(span["to"]):
        lines.append(f"The range is not over: it is metered up to {as_of}, there will be more.")
    else:
        lines.append(f"The range was over when it was asked for (metered up to {as_of}); only late events can change it.")
    return "\n".join(lines)


@contextmanager
def _connected(service: Service) -> Iterator[http.client.HTTPConnection]:
    parts = urlsplit(service.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise NotFetched(f"{service.url} is no address of a query service: http://host:port is one.")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=ANSWER_S_MAX)
    try:
        yield connection
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise NotFetched(f"The file cannot be written: {error.strerror} ({error.filename}).") from error
        why = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise Unavailable(f"{service.url} broke off or does not answer, and no file was kept ({why}). Try again.") from error
    finally:
        connection.close()


def _asked(connection: http.client.HTTPConnection, service: Service, path: str) -> http.client.HTTPResponse:
    connection.request("GET", path, headers={"Authorization": f"Bearer {service.key}", "Accept": "text/csv, application/json"})
    answer = connection.getresponse()
    if answer.status == 200:
        return answer
    why = _problem(answer)
    if answer.status in (429, 503):
        raise Unavailable(why)
    raise NotFetched(why)


def _problem(answer: http.client.HTTPResponse) -> str:
    """RFC 9457, when it is one."""
    try:
        problem = json.loads(answer.read(1 << 16))
        return f"The query service says {answer.status} {problem['code']}: {problem['detail']}"
    except (ValueError, KeyError, TypeError):
        return f"What answers there is no query service: {answer.status} {answer.reason}."


def _name_of(answer: http.client.HTTPResponse, question: Question) -> str:
    """Its last part only: a name must not lead to another directory."""
    _, _, name = (answer.headers["Content-Disposition"] or "").partition('filename="')
    return Path(name.rstrip('"')).name or f"{question.what}.csv"


def _check_free(file: Path, replace: bool) -> None:
    if file.exists() and not replace:
        raise NotFetched(f"{file} is there already: take another name with --out, or replace it with --force.")


@contextmanager
def _unnamed(file: Path) -> Iterator[Path]:
    """A file beside it, which is gone at the end unless it was renamed."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.", suffix=".part")
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _received(answer: http.client.HTTPResponse, part: Path, what: str) -> CsvMeter:
    """Raises where the transfer breaks off (http.client.IncompleteRead)."""
    meter, expected = CsvMeter(), int(answer.headers["X-Expected-Rows"] or 0)
    with part.open("wb") as out, Display(what, expected or None) as display:
        while chunk := answer.read(CHUNK_BYTES):
            meter.feed(chunk)
            out.write(chunk)
            display.show(min(meter.records, expected) if expected else 0, f"{meter.records:,} rows, {meter.bytes / 1e6:,.0f} MB")
        out.flush()
        os.fsync(out.fileno())
    return meter


def _write_beside(file: Path, manifest: Manifest) -> None:
    with _unnamed(file) as part:
        part.write_text(json.dumps(manifest, indent=2) + "\n")
        part.replace(file.with_name(f"{file.name}.manifest.json"))
