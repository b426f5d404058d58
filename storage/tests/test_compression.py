"""Compressed streams, as the original's servers write and read them."""

from __future__ import annotations

import contextlib
import gzip
import io
import sys
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoolet.storage.compression import (
    METHODS,
    SNAPPY_MAGIC,
    BadCompression,
    _snappy_functions,
    compressor,
    decompressing,
    snappy_decode,
    snappy_literal,
)
from zoolet.storage.snapshot import Readable


def read_all(stream: Readable, step: int = 1 << 20) -> bytes:
    parts = []
    while data := stream.read(step):
        parts.append(data)
    return b"".join(parts)


@pytest.mark.parametrize("method", METHODS)
@given(chunks=st.lists(st.binary(max_size=300), max_size=10), step=st.sampled_from([1, 100, 1 << 20]))
def test_what_was_compressed_is_read_back(method: str, chunks: list[bytes], step: int) -> None:
    packer = compressor(method)
    packed = b"".join(packer.compress(chunk) for chunk in chunks) + packer.flush()
    assert read_all(decompressing(io.BytesIO(packed), method), step) == b"".join(chunks)


@pytest.mark.parametrize("method", METHODS)
def test_large_streams_are_read_back(method: str) -> None:
    content = bytes(3_000_000) + b"".join(n.to_bytes(4, "big") for n in range(200_000))
    packer = compressor(method)
    packed = packer.compress(content) + packer.flush()
    for step in (1000, 1 << 20):
        assert read_all(decompressing(io.BytesIO(packed), method), step) == content


def test_gz_is_gzip() -> None:
    packer = compressor("gz")
    assert gzip.decompress(packer.compress(b"abc" * 100) + packer.flush()) == b"abc" * 100


def test_gz_that_is_cut_anywhere_is_refused() -> None:
    packed = gzip.compress(bytes(range(256)) * 20)
    for length in range(len(packed)):
        with pytest.raises(BadCompression):
            read_all(decompressing(io.BytesIO(packed[:length]), "gz"))


def test_gz_with_wrong_checksum_is_refused() -> None:
    packed = bytearray(gzip.compress(b"abc" * 100))
    packed[-6] ^= 1
    with pytest.raises(BadCompression):
        read_all(decompressing(io.BytesIO(bytes(packed)), "gz"))
    with pytest.raises(BadCompression):
        read_all(decompressing(io.BytesIO(zlib.compress(b"abc")), "gz"))


def test_snappy_copies_are_undone() -> None:
    # "abc", then 9 bytes from 3 back (kind 1), 4 from 2 back (kind 2), 1 from 16 back (kind 4), literal "!"
    block = bytes([18, 2 << 2]) + b"abc" + bytes([5 << 2 | 1, 3, 3 << 2 | 2, 2, 0, 3, 16, 0, 0, 0, 0]) + b"!"
    assert snappy_decode(block) == b"abc" * 4 + b"bcbc" + b"a" + b"!"


def test_snappy_long_literals_are_undone() -> None:
    for length in (1, 60, 61, 256, 257, 65536, 70000):
        width = 0 if length <= 60 else 1 if length <= 256 else 2 if length <= 65536 else 3
        tag = bytes([(59 + width if width else length - 1) << 2])
        tag += (length - 1).to_bytes(width, "little") if width else b""
        size = length
        varint = b""
        while size > 127:
            varint += bytes([size & 127 | 128])
            size >>= 7
        varint += bytes([size])
        body = bytes(length)
        assert snappy_decode(varint + tag + body) == body


@given(st.binary(max_size=60))
def test_any_bytes_are_a_snappy_block_or_refused(block: bytes) -> None:
    with contextlib.suppress(BadCompression):
        snappy_decode(block)


@pytest.mark.parametrize(
    "content",
    [b"", b"SNAPPY", SNAPPY_MAGIC, SNAPPY_MAGIC + bytes(8) + b"\0\0\0\5ab", SNAPPY_MAGIC + bytes(8) + b"\0"],
)
def test_snappy_stream_that_is_cut_is_refused(content: bytes) -> None:
    with pytest.raises(BadCompression):
        read_all(decompressing(io.BytesIO(content), "snappy"))


@given(content=st.lists(st.binary(max_size=20), max_size=40).map(lambda parts: b"".join(parts * 3)))
def test_snappy_with_and_without_the_library_is_one_format(content: bytes) -> None:
    pytest.importorskip("cramjam", reason="without the extra zoolet[snappy] there is only one way")
    pack, unpack = _snappy_functions()
    packed, literal = pack(content), snappy_literal(content) if content else b"\0"
    assert snappy_decode(packed) == content
    assert unpack(literal) == unpack(packed) == content


@given(st.binary(max_size=60))
def test_what_the_library_refuses_is_refused_as_bad_compression(block: bytes) -> None:
    _, unpack = _snappy_functions()
    with contextlib.suppress(BadCompression):
        unpack(block)


def test_a_snappy_block_that_claims_too_much_is_refused_before_memory_is_taken() -> None:
    _, unpack = _snappy_functions()
    with pytest.raises(BadCompression):
        unpack(b"\xff\xff\xff\xff\x0f" + b"\0a")


def test_without_the_library_snappy_is_written_and_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cramjam", None)
    assert _snappy_functions() == (snappy_literal, snappy_decode)
    packer = compressor("snappy")
    packed = packer.compress(bytes(100_000)) + packer.flush()
    assert len(packed) > 100_000
    assert read_all(decompressing(io.BytesIO(packed), "snappy")) == bytes(100_000)
