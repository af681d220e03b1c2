"""The cache of jars: nothing is used unless its checksum is right, and what is damaged is fetched again."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from services.local import jars as module
from services.local.jars import Jar, JarError, fetch_jars, read_lock
from services.local.kafka import LOCK, jar_cache

CONTENT = b"the content of a jar"
RIGHT = hashlib.sha512(CONTENT).hexdigest()


@pytest.fixture
def lock(home: Path) -> Path:
    path = home / "test.lock"
    path.write_text(f"# comment\norg.example:thing:1.0 {len(CONTENT)} {RIGHT}\n")
    return path


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Coordinates that were asked of the repository, which is a function here: what counts is what is done with its answer."""
    asked: list[str] = []

    def download(jar: Jar, repository: Path) -> Path:
        asked.append(jar.coordinates)
        repository.mkdir(parents=True)
        (repository / jar.file_name).write_bytes(CONTENT)
        return repository / jar.file_name

    monkeypatch.setattr(module, "_download", download)
    return asked


def test_a_missing_jar_is_fetched_once(home: Path, lock: Path, fetched: list[str], said: list[str]) -> None:
    cache = home / "cache"
    assert fetch_jars(lock, cache, said.append) == fetch_jars(lock, cache, said.append) == [cache / "thing-1.0.jar"]
    assert fetched == ["org.example:thing:1.0"]


def test_a_truncated_jar_is_fetched_again(home: Path, lock: Path, fetched: list[str], said: list[str]) -> None:
    (path,) = fetch_jars(lock, home / "cache", said.append)
    path.write_bytes(CONTENT[:5])
    fetch_jars(lock, home / "cache", said.append)
    assert path.read_bytes() == CONTENT


def test_a_jar_with_one_changed_byte_is_fetched_again(home: Path, lock: Path, fetched: list[str], said: list[str]) -> None:
    (path,) = fetch_jars(lock, home / "cache", said.append)
    path.write_bytes(b"T" + CONTENT[1:])
    fetch_jars(lock, home / "cache", said.append)
    assert path.read_bytes() == CONTENT


def test_what_an_interrupted_download_left_is_not_in_the_way(home: Path, lock: Path, fetched: list[str], said: list[str]) -> None:
    left = home / "cache" / ".incoming" / "1"
    left.mkdir(parents=True)
    (left / "thing-1.0.jar").write_bytes(b"half")
    (path,) = fetch_jars(lock, home / "cache", said.append)
    assert path.read_bytes() == CONTENT
    assert not left.exists()


def test_another_checksum_than_the_lock_says_is_refused_by_name(home: Path, fetched: list[str], said: list[str]) -> None:
    lock = home / "test.lock"
    lock.write_text(f"org.example:thing:1.0 {len(CONTENT)} {'0' * 128}\n")
    with pytest.raises(JarError, match=r"org\.example:thing:1\.0 came with another SHA-512"):
        fetch_jars(lock, home / "cache", said.append)
    assert not (home / "cache" / "thing-1.0.jar").exists()


def test_a_repository_that_does_not_answer_is_tried_again_and_then_named_with_the_way_out(
    home: Path, lock: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[Path] = []

    def refuse(_jar: Jar, repository: Path) -> Path:
        tries.append(repository)
        raise OSError("connection refused")

    monkeypatch.setattr(module, "_download", refuse)
    monkeypatch.setattr(module, "RETRY_AFTER_S", 0.0)
    with pytest.raises(JarError, match="connection refused") as failure:
        fetch_jars(lock, home / "cache", said.append)
    assert len(tries) == 3
    assert "put the file by hand at" in str(failure.value)


def test_the_lock_of_kafka_names_each_jar_once_with_a_whole_checksum() -> None:
    locked = read_lock(LOCK)
    assert len({jar.file_name for jar in locked}) == len(locked) == 34
    assert all(len(jar.sha512) == 128 and jar.size_bytes > 0 for jar in locked)


def test_a_damaged_jar_of_kafka_is_really_fetched_again(home: Path, said: list[str]) -> None:
    """Against the real repository, with the smallest jar of the lock."""
    smallest = min(read_lock(LOCK), key=lambda jar: jar.size_bytes)
    lock = home / "test.lock"
    lock.write_text(f"{smallest.coordinates} {smallest.size_bytes} {smallest.sha512}\n")
    (home / "cache").mkdir()
    (home / "cache" / smallest.file_name).write_bytes(b"damaged")
    (path,) = fetch_jars(lock, home / "cache", said.append)
    assert hashlib.sha512(path.read_bytes()).hexdigest() == smallest.sha512


def test_the_cache_follows_xdg(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    assert jar_cache() == home / "quarterhour" / "kafka"
