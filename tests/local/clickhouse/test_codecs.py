"""Several frames are one body, and a body that breaks off is an error."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import lz4.frame  # type: ignore[import-untyped]
import pytest
import zstandard

from services.local.clickhouse.codecs import ANSWER_ENCODINGS, CodecError, choose_encoding, decoder, encoder

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "lz4": lz4.frame.compress,
    "zstd": lambda data: zstandard.ZstdCompressor().compress(data),
    "gzip": gzip.compress,
    "deflate": zlib.compress,
}
FRAMES = [b"first " * 1000, b"", b"second " * 5000]


@pytest.mark.parametrize("encoding", COMPRESS)
@pytest.mark.parametrize("piece_bytes", [1, 7, 1 << 20])
def test_every_frame_of_a_body_is_decoded_wherever_it_is_cut(encoding: str, piece_bytes: int) -> None:
    body = b"".join(COMPRESS[encoding](frame) for frame in FRAMES)
    decode = decoder(encoding)
    got = b"".join(decode.feed(body[at : at + piece_bytes]) for at in range(0, len(body), piece_bytes))
    decode.finish()
    assert got == b"".join(FRAMES)


@pytest.mark.parametrize("encoding", COMPRESS)
def test_a_body_that_ends_inside_a_frame_is_refused(encoding: str) -> None:
    decode = decoder(encoding)
    decode.feed(COMPRESS[encoding](FRAMES[0]) + COMPRESS[encoding](FRAMES[2])[:-3])
    with pytest.raises(CodecError, match="inside a frame"):
        decode.finish()


@pytest.mark.parametrize("encoding", COMPRESS)
def test_a_body_that_is_not_compressed_so_is_refused(encoding: str) -> None:
    with pytest.raises(CodecError, match=f"not valid {encoding}"):
        decoder(encoding).feed(b"INSERT INTO t VALUES (1)" * 10)


@pytest.mark.parametrize("encoding", ["", *ANSWER_ENCODINGS])
def test_an_answer_sent_in_pieces_is_one_frame(encoding: str) -> None:
    encode, decode = encoder(encoding), decoder(encoding)
    body = b"".join(encode.feed(frame) for frame in FRAMES) + encode.finish()
    assert decode.feed(body) == b"".join(FRAMES)
    decode.finish()


def test_the_cheapest_encoding_that_the_client_takes_is_chosen() -> None:
    assert choose_encoding("gzip, zstd, lz4") == "lz4"
    assert choose_encoding("gzip;q=0.5, lz4;q=0") == "gzip"
    assert choose_encoding("br") == ""
