"""Fetch the jars of a lock file once, by Maven coordinates, and never use one whose SHA-512 differs.

Rule: a jar is in the cache under its own name only after its checksum was right, so an interrupted download mends itself.
Limit: it takes the files that the lock names and resolves nothing; the lock is the whole truth.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

Say = Callable[[str], None]

TRIES = 3
RETRY_AFTER_S = 1.0
DOWNLOADS_AT_ONCE = 4
TIMEOUT_S = 60


class JarError(Exception):
    """A jar cannot be had. `str()` says which, why, and where to put it by hand."""


@dataclass(frozen=True, slots=True)
class Jar:
    coordinates: str
    """group:artifact:version"""
    size_bytes: int
    sha512: str

    @property
    def file_name(self) -> str:
        _, artifact, version = self.coordinates.split(":")
        return f"{artifact}-{version}.jar"


def read_lock(lock: Path) -> list[Jar]:
    """The jars of a lock file: one a line, coordinates, bytes, SHA-512; `#` begins a comment."""
    lines = [line.split() for line in lock.read_text().splitlines() if line and not line.startswith("#")]
    return [Jar(coordinates, int(size), sha512) for coordinates, size, sha512 in lines]


def fetch_jars(lock: Path, cache: Path, say: Say) -> list[Path]:
    """Paths of all jars of `lock`, in `cache`, verified; what is missing or damaged is fetched first.

    Raises `JarError`.
    """
    jars = read_lock(lock)
    cache.mkdir(parents=True, exist_ok=True)
    if any(not _is_sound(cache, jar) for jar in jars):
        with _alone(cache):
            missing = [jar for jar in jars if not _is_sound(cache, jar)]
            _fetch(missing, cache, say)
    return [cache / jar.file_name for jar in jars]


def _is_sound(cache: Path, jar: Jar) -> bool:
    path = cache / jar.file_name
    return path.is_file() and path.stat().st_size == jar.size_bytes and _sha512(path) == jar.sha512


def _sha512(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha512").hexdigest()


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """One process fetches, others wait for it and then find the jars there."""
    with (cache / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fetch(jars: list[Jar], cache: Path, say: Say) -> None:
    incoming = cache / ".incoming"
    shutil.rmtree(incoming, ignore_errors=True)
    progress = _Progress(sum(jar.size_bytes for jar in jars), len(jars), say)
    with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
        for _ in pool.map(lambda jar: progress.add(_fetch_one(jar, incoming, cache)), jars):
            pass
    shutil.rmtree(incoming, ignore_errors=True)


def _fetch_one(jar: Jar, incoming: Path, cache: Path) -> int:
    for attempt in range(1, TRIES + 1):
        try:
            path = _download(jar, incoming / str(attempt))
            break
        except (OSError, RuntimeError) as error:
            # requests' errors are OSErrors; jgo raises RuntimeError when no repository has the file.
            if attempt == TRIES:
                raise JarError(_advice(jar, cache, f"could not be fetched: {error}")) from error
            time.sleep(RETRY_AFTER_S * attempt)
    if _sha512(path) != jar.sha512:
        raise JarError(_advice(jar, cache, "came with another SHA-512 than the lock file says, and is not used"))
    os.replace(path, cache / jar.file_name)
    return jar.size_bytes


def _download(jar: Jar, repository: Path) -> Path:
    from jgo.config import GlobalSettings
    from jgo.maven import MavenContext

    # Mirrors that the user has told jgo of come before the default repository.
    mirrors = GlobalSettings.load().repositories
    context = MavenContext(repo_cache=repository, local_repos=[], timeout=TIMEOUT_S)
    context.remote_repos = {**mirrors, **context.remote_repos}
    path: Path = context.create_dependency(jar.coordinates).artifact.resolve()
    return path


def _advice(jar: Jar, cache: Path, why: str) -> str:
    return (
        f"{jar.coordinates} {why}.\n"
        f"Check the network and the proxy settings and run the command again: what is there already is kept.\n"
        f"A Maven mirror is set in jgo's configuration, section [repositories]; or put the file by hand at {cache / jar.file_name}."
    )


class _Progress:
    def __init__(self, bytes_all: int, count: int, say: Say) -> None:
        self._lock = threading.Lock()
        self._done = 0
        self._bytes_all = bytes_all
        self._say = say
        self._quarters_told = 0
        say(f"fetching {count} jars of Apache Kafka, {bytes_all / 1e6:.0f} MB, once")

    def add(self, size_bytes: int) -> None:
        with self._lock:
            self._done += size_bytes
            quarters = 4 * self._done // self._bytes_all
            if quarters > self._quarters_told:
                self._quarters_told = quarters
                self._say(f"fetched {self._done / 1e6:.0f} of {self._bytes_all / 1e6:.0f} MB")
