"""Read just enough of a statement to route it: where the data of an INSERT begins, which format an answer has, what HTTP must refuse.

Pure. Rule: the engine parses SQL, not we; quotes, comments and parentheses are skipped, and only words outside of them are looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

_TOKEN = re.compile(
    rb"""(?P<skip>\s+|--[^\n]*|\#[^\n]*|/\*.*?\*/)
    |(?P<quoted>'(?:[^'\\]|\\.|'')*'|`(?:[^`\\]|\\.|``)*`|"(?:[^"\\]|\\.|"")*")
    |(?P<word>\w+)
    |(?P<other>.)""",
    re.DOTALL | re.VERBOSE,
)
_DATA_SPACE = re.compile(rb"[ \t\f]*;?[ \t\f]*\r?\n?")
_READS = {b"SELECT", b"WITH", b"FROM", b"SHOW", b"DESCRIBE", b"DESC", b"EXPLAIN", b"EXISTS", b"("}

HEADER_RECORDS = {
    "csv": 0,
    "csvwithnames": 1,
    "csvwithnamesandtypes": 2,
    "tsv": 0,
    "tabseparated": 0,
    "tsvraw": 0,
    "tabseparatedraw": 0,
    "tsvwithnames": 1,
    "tabseparatedwithnames": 1,
    "tsvwithnamesandtypes": 2,
    "tabseparatedwithnamesandtypes": 2,
    "jsoneachrow": 0,
    "jsonlines": 0,
    "ndjson": 0,
    "jsoncompacteachrow": 0,
    "jsoncompacteachrowwithnames": 1,
    "jsoncompacteachrowwithnamesandtypes": 2,
    "native": 0,
    "rowbinary": 0,
}
"""Formats (lower case) whose answers can be sent piece by piece → records that open every piece and belong only into the first."""


@dataclass(frozen=True, slots=True)
class Insert:
    """`head` is the INSERT without FORMAT, VALUES and data; the data begins at byte `data_at`."""

    head: str
    format: str
    data_at: int


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that is no INSERT with data. `format` is the one it names, or empty; `refusal` says why HTTP does not run it.

    `selects`: the engine can stream it, and DESCRIBE tells its columns; `bare` is the text without FORMAT.
    """

    selects: bool
    format: str
    bare: str
    refusal: str


def read_insert(text: bytes) -> Insert | None:
    """The INSERT with data that `text` begins with. None: another statement, or its head is not complete yet."""
    first = True
    awaiting_format = False
    head_ends = 0
    for match, word in _top_level(text):
        if first and word != b"INSERT":
            return None
        first = False
        if awaiting_format:
            space = _DATA_SPACE.match(text, match.end())
            return Insert(text[:head_ends].decode(), match.group().decode(), space.end() if space else match.end())
        if word == b"VALUES":
            return Insert(text[: match.start()].decode(), "Values", match.end())
        if word in (b"SELECT", b"WITH", b"INFILE"):
            return None
        awaiting_format, head_ends = word == b"FORMAT", match.start()
    return None


def read_statement(text: bytes) -> Statement:
    """What kind of statement `text` is, as far as HTTP has to know."""
    found = list(_top_level(text))
    while found and found[-1][1] == b";":
        found.pop()
    words = [word for _, word in found]
    refusal = ""
    if b";" in words:
        refusal = "Code: 62. DB::Exception: Syntax error (Multi-statements are not allowed): send one statement a request. (SYNTAX_ERROR)"
    elif (b"INTO", b"OUTFILE") in pairwise(words):
        refusal = "Code: 1. DB::Exception: INTO OUTFILE is not allowed over HTTP: read the answer instead. (UNSUPPORTED_METHOD)"
    first = words[0] if words else b""
    at = _format_at(words)
    bare = text[: found[-1][0].end()] if found and at is None else text
    name = b""
    if at is not None:
        name = found[at + 1][0].group()
        bare = text[: found[at][0].start()] + text[found[at + 1][0].end() : found[-1][0].end()]
    return Statement(first in (b"SELECT", b"WITH", b"FROM", b"("), name.decode("ascii", "replace"), bare.decode(errors="replace"), refusal)


def header_bytes(format_name: str, piece: bytes) -> int:
    """Length of the header records at the head of a piece of an answer in one of `HEADER_RECORDS`."""
    at = 0
    for _ in range(HEADER_RECORDS[format_name.lower()]):
        at = _record_end(piece, at, quoted=format_name.lower().startswith("csv"))
    return at


def _record_end(piece: bytes, at: int, *, quoted: bool) -> int:
    end = at
    while True:
        end = piece.index(b"\n", end) + 1
        if not quoted or piece.count(b'"', at, end) % 2 == 0:
            return end


def _format_at(words: list[bytes]) -> int | None:
    """Where the last FORMAT stands, when a name follows it and then nothing but SETTINGS."""
    for at in range(len(words) - 2, -1, -1):
        if words[at] == b"FORMAT" and words[at + 2 : at + 3] in ([], [b"SETTINGS"]):
            return at
    return None


def _top_level(text: bytes) -> Iterator[tuple[re.Match[bytes], bytes]]:
    """Words (upper case) and signs outside of quotes, comments and parentheses; of these the outermost are told, not what they hold."""
    depth = 0
    for match in _TOKEN.finditer(text):
        if match.lastgroup == "skip":
            continue
        sign = match.group() if match.lastgroup == "other" else b""
        if sign == b"(":
            depth += 1
            if depth == 1:
                yield match, b"("
        elif sign == b")":
            depth = max(0, depth - 1)
            if depth == 0:
                yield match, b")"
        elif depth == 0:
            yield match, b"''" if match.lastgroup == "quoted" else match.group().upper()
