"""Compressed snapshots: gzip, and the chunked snappy of the snappy-java library. Pure.

The checksums of a snapshot run over the uncompressed stream, so compression is a layer of its own. Which one
a file uses is in its name: nothing, `.gz` or `.snappy`.

    snappy file := 0x82 "SNAPPY" 0x00, version (int), oldest compatible version (int), block*
    block       := length (int), that many bytes of raw snappy

Snappy is for the library cramjam (the extra `zoolet[snappy]`). Without it snappy is decoded in plain Python,
slowly (some 10 MB/s), and written as literals only: readable by everyone, but not smaller.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from struct import Struct
from typing import Protocol

from .errors import StorageError
from .snapshot import Readable

METHODS = ("", "gz", "snappy")
"""Values of `snapshot.compression.method`, which are also the file name suffixes."""

SNAPPY_MAGIC = b"\x82SNAPPY\0"
_SNAPPY_HEADER = SNAPPY_MAGIC + b"\0\0\0\1\0\0\0\1"
_SNAPPY_BLOCK_BYTES = 32 << 10
_SNAPPY_GROWTH_MAX = 32  # three bytes copy 64 at the most
_CHUNK_BYTES = 1 << 18
_int = Struct(">i")


class BadCompression(StorageError):
    """The compressed stream cannot be undone."""


class Compressor(Protocol):
    """Compresses a stream chunk by chunk."""

    def compress(self, data: bytes, /) -> bytes:
        """What can be written after having seen `data`."""

    def flush(self) -> bytes:
        """The rest."""


class _Plain:
    def compress(self, data: bytes, /) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


class _SnappyBlocks:
    """Blocks of at most 32 KiB, as snappy-java makes them."""

    def __init__(self, pack: Callable[[bytes], bytes]) -> None:
        self._pack = pack
        self._header = _SNAPPY_HEADER

    def compress(self, data: bytes, /) -> bytes:
        parts = [self._header]
        self._header = b""
        for start in range(0, len(data), _SNAPPY_BLOCK_BYTES):
            block = self._pack(data[start : start + _SNAPPY_BLOCK_BYTES])
            parts += (_int.pack(len(block)), block)
        return b"".join(parts)

    def flush(self) -> bytes:
        return self._header


def compressor(method: str) -> Compressor:
    """A compressor for one of `METHODS`."""
    if method == "gz":
        # wbits 31: gzip framing. Level 6, the default of Java's GZIPOutputStream.
        return zlib.compressobj(6, zlib.DEFLATED, 31)
    if method == "snappy":
        return _SnappyBlocks(_snappy_functions()[0])
    assert method == "", f"unknown compression method {method!r}"
    return _Plain()


def decompressing(stream: Readable, method: str) -> Readable:
    """The uncompressed stream. Reading it raises `BadCompression`."""
    if method == "gz":
        return _GzipReader(stream)
    if method == "snappy":
        return _SnappyReader(stream)
    return stream


class _GzipReader:
    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._inflater = zlib.decompressobj(31)

    def read(self, length: int, /) -> bytes:
        inflater = self._inflater
        while not inflater.eof:
            compressed = inflater.unconsumed_tail or self._stream.read(_CHUNK_BYTES)
            try:
                data = inflater.decompress(compressed, length)
            except zlib.error as error:
                raise BadCompression(f"not a gzip stream: {error}") from error
            if data:
                return data
            if not compressed and not inflater.eof:
                raise BadCompression("the gzip stream is cut off")
        return b""


class _SnappyReader:
    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._ready = b""
        self._started = False
        self._unpack = _snappy_functions()[1]

    def read(self, length: int, /) -> bytes:
        while not self._ready:
            if not self._started:
                self._started = True
                if self._exactly(len(_SNAPPY_HEADER))[: len(SNAPPY_MAGIC)] != SNAPPY_MAGIC:
                    raise BadCompression("not a snappy stream")
            head = self._stream.read(4)
            if not head:
                return b""
            if len(head) < 4:
                head += self._exactly(4 - len(head))
            (size,) = _int.unpack(head)
            if size < 0:
                raise BadCompression(f"a snappy block of {size} bytes")
            self._ready = self._unpack(self._exactly(size))
        data, self._ready = self._ready[:length], self._ready[length:]
        return data

    def _exactly(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            more = self._stream.read(length - len(data))
            if not more:
                raise BadCompression("the snappy stream is cut off")
            data += more
        return data


def _snappy_functions() -> tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]:
    """How a block is packed and unpacked here; unpacking raises `BadCompression`."""
    try:
        import cramjam
    except ImportError:
        return snappy_literal, snappy_decode

    def unpack(block: bytes) -> bytes:
        try:
            if cramjam.snappy.decompress_raw_len(block) > _SNAPPY_GROWTH_MAX * len(block):
                raise BadCompression("a snappy block says it holds more than it can")
            return bytes(cramjam.snappy.decompress_raw(block))
        except cramjam.DecompressionError as error:
            raise BadCompression(f"a snappy block cannot be undone: {error}") from error

    return lambda data: bytes(cramjam.snappy.compress_raw(data)), unpack


def snappy_literal(data: bytes) -> bytes:
    """A block of raw snappy, up to 64 KiB, that holds the data as it is."""
    return _varint(len(data)) + b"\xf4" + (len(data) - 1).to_bytes(2, "little") + data


def snappy_decode(block: bytes) -> bytes:
    """Undo one block of raw snappy: a length as varint, then literals and copies of what came before."""
    try:
        expected, position = _read_varint(block)
        out = bytearray()
        while position < len(block):
            tag = block[position]
            position += 1
            kind = tag & 3
            if kind == 0:
                length = (tag >> 2) + 1
                if length > 60:
                    extra = length - 60
                    length = int.from_bytes(block[position : position + extra], "little") + 1
                    position += extra
                if position + length > len(block):
                    raise BadCompression("a snappy literal is cut off")
                out += block[position : position + length]
                position += length
                continue
            if kind == 1:
                length = 4 + (tag >> 2 & 7)
                distance = (tag >> 5) << 8 | block[position]
                position += 1
            else:
                width = 2 if kind == 2 else 4
                length = 1 + (tag >> 2)
                distance = int.from_bytes(block[position : position + width], "little")
                position += width
            if not 0 < distance <= len(out):
                raise BadCompression(f"a snappy copy from {distance} bytes back, at {len(out)}")
            if distance >= length:
                start = len(out) - distance
                out += out[start : start + length]
            else:  # the copy repeats itself
                pattern = bytes(out[-distance:])
                out += (pattern * (length // distance + 1))[:length]
    except IndexError:
        raise BadCompression("a snappy block is cut off") from None
    if len(out) != expected:
        raise BadCompression(f"a snappy block of {len(out)} bytes says it has {expected}")
    return bytes(out)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data: bytes) -> tuple[int, int]:
    value = shift = position = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
