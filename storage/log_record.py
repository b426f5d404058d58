"""The bytes of a transaction log: framing, and scanning with a verdict on how the file ends. Pure.

    file    := "ZKLG", version 2 (int), dbid 0 (long), record*, zeros up to the preallocated size
    record  := Adler-32 of the payload (long), length of the payload (int), payload, 0x42
    payload := TxnHeader (32 bytes), txn body, [TxnDigest]

The scanner does not raise on damage: it stops and says what it found, and the caller decides. The difference
that matters is between a *torn tail*, which a crash in the middle of a write leaves behind and which nobody
was told about, and *damage*, which no crash explains:

    what follows the last good record                               verdict
    nothing, or only zeros                                          CLEAN_END
    a record that the file's end cuts off                           TORN_TAIL
    a record whose end mark is zero, and only zeros after it        TORN_TAIL
    a length of zero, and only zeros after it                       TORN_TAIL
    either of those, but with a valid record further on             DAMAGE
    a wrong checksum, an end mark that is neither 0 nor 0x42,
    an impossible length, anything but zeros after an end           DAMAGE

The original treats every wrong end mark and every zero length as the end of the file, and so drops whatever
comes after it without a word. A last record whose checksum is right and whose end mark is zero is dropped
here too: the original would not see it, and the next log would then start one zxid too late for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from struct import Struct
from typing import NamedTuple
from zlib import adler32

from ..jute.ids import Zxid, hex64
from ..jute.persistence import FILE_VERSION, LOG_MAGIC, FileHeader

FILE_HEADER = FileHeader(LOG_MAGIC, FILE_VERSION, 0).encode()
FILE_HEADER_BYTES = len(FILE_HEADER)

FRAME_BYTES = 13
"""What framing adds to a payload: checksum, length and end mark."""

PAYLOAD_BYTES_MIN = 32
"""A payload starts with a TxnHeader."""

END_MARK = b"B"

_END_MARK = 0x42
_CHUNK_BYTES = 1 << 20
_FIRST_CHUNK_BYTES = 1 << 16  # most logs of a temporary server are smaller; reading a hole is not free
_ZEROS = bytes(1 << 16)
_head = Struct(">qi")  # checksum, length
_head_and_zxid = Struct(">qi12xq")  # checksum, length, TxnHeader.clientId and .cxid skipped, .zxid
_HEAD_BYTES = _head.size
_RECORD_BYTES_MIN = FRAME_BYTES + PAYLOAD_BYTES_MIN
# Where a frame may start: a checksum of at most 32 bits that is not zero, then a length that is not zero.
_maybe_head = re.compile(rb"(?=\0{4}(?!\0{4}).{4}(?!\0{4}))", re.DOTALL)


def frame(payload: bytes) -> bytes:
    """One record as it stands in the file."""
    return b"%b%b%b" % (_head.pack(adler32(payload), len(payload)), payload, END_MARK)


class LogEntry(NamedTuple):
    """One record as it was read. `offset` is where its checksum starts in `file`."""

    zxid: Zxid
    payload: bytes
    file: str
    offset: int


class Ending(Enum):
    """How the readable part of a log ends."""

    CLEAN_END = "clean end"
    TORN_TAIL = "torn tail"
    DAMAGE = "damage"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a scan ended: `offset` is the first byte after the last good record, `zxid` that record's zxid.

    `zxid` is -1 if there was no good record, `reason` is empty for a clean end.
    """

    ending: Ending
    offset: int
    zxid: int
    reason: str = ""


class LogScanner:
    """Reads the records of one log file and then has a verdict.

    `pread(length, offset)`, `next_data(offset)` and `size` are those of a `disk.File`; `name` goes into the
    entries. The file must hold a file header, which is not looked at (see `header_problem`).
    """

    __slots__ = ("_name", "_next_data", "_pread", "_size", "verdict")

    def __init__(
        self,
        pread: Callable[[int, int], bytes],
        next_data: Callable[[int], int],
        size: int,
        name: str,
    ) -> None:
        self._pread = pread
        self._next_data = next_data
        self._size = size
        self._name = name
        self.verdict: Verdict | None = None
        """Set when the iterator is exhausted."""

    def __iter__(self) -> Iterator[LogEntry]:
        # About a microsecond per record: everything is local, the tuple is made without NamedTuple's __new__.
        unpack, checksum_of, make, entry = _head_and_zxid.unpack_from, adler32, tuple.__new__, LogEntry
        name, size = self._name, self._size
        base = FILE_HEADER_BYTES  # file offset of buffer[0]
        buffer = b""
        position = 0
        last_zxid = -1
        while True:
            limit = len(buffer)
            needed = _RECORD_BYTES_MIN
            while position + _RECORD_BYTES_MIN <= limit:
                checksum, length, zxid = unpack(buffer, position)
                start = position + _HEAD_BYTES
                end = start + length
                if end >= limit or length < PAYLOAD_BYTES_MIN:
                    needed = max(end + 1 - position, needed)
                    break
                payload = buffer[start:end]
                if buffer[end] != _END_MARK or checksum_of(payload) != checksum:
                    break
                yield make(entry, (zxid, payload, name, base + position))
                last_zxid = zxid
                position = end + 1
            base += position
            unread = limit - position
            if needed <= unread or base + needed > size:  # it is all here and not a record, or never will be
                self.verdict = _judge(self._pread, self._next_data, size, base, last_zxid)
                return
            buffer = self._pread(max(needed, _CHUNK_BYTES if buffer else _FIRST_CHUNK_BYTES), base)
            position = 0
            if len(buffer) < needed:  # the file became shorter
                size = base + len(buffer)


def header_problem(header: bytes) -> str:
    """Why these first bytes are not a log's, or "" if they are.

    Version and dbid are ignored, as the original ignores them.
    """
    if len(header) < FILE_HEADER_BYTES:
        return f"the file header is cut off after {len(header)} bytes"
    magic = FileHeader.decode(header)[0].magic
    if magic != LOG_MAGIC:
        return f"the file starts with {header[:4]!r} instead of b'ZKLG'"
    return ""


def _judge(
    pread: Callable[[int, int], bytes],
    next_data: Callable[[int], int],
    size: int,
    offset: int,
    last_zxid: int,
) -> Verdict:
    """The verdict on what starts at `offset`, which is not a good record."""
    first = _first_nonzero(pread, next_data, size, offset)
    if first < 0:
        return Verdict(Ending.CLEAN_END, offset, last_zxid)

    def damage(reason: str) -> Verdict:
        return Verdict(Ending.DAMAGE, offset, last_zxid, reason)

    def torn(reason: str, claimed_bytes: int) -> Verdict:
        # A length with a wrong bit can look like a cut record. Then good records, or the end of this very
        # record, lie inside the bytes it claims.
        doubtful = pread(min(claimed_bytes, size - offset), offset).rstrip(b"\0")
        hidden = _hidden_record(doubtful, last_zxid)
        if hidden:
            return damage(f"{reason}, but {hidden}")
        return Verdict(Ending.TORN_TAIL, offset, last_zxid, reason)

    if size - offset < _HEAD_BYTES:
        return torn(f"the file ends {size - offset} bytes into a record's head", _HEAD_BYTES)
    checksum, length = _head.unpack(pread(_HEAD_BYTES, offset))
    end = offset + _HEAD_BYTES + length
    if checksum >> 32:
        return damage(f"a checksum of {hex64(checksum)}, but Adler-32 has 32 bits")
    if length < 0:
        return damage(f"a record length of {length}")
    if length == 0:
        after = _first_nonzero(pread, next_data, size, offset + _HEAD_BYTES)
        if after >= 0:
            return damage(f"a record length of 0, but data at offset {after}")
        return Verdict(Ending.TORN_TAIL, offset, last_zxid, "a checksum without a length")
    if length < PAYLOAD_BYTES_MIN:
        return damage(f"a record length of {length}, shorter than a transaction header")
    if end >= size:
        return torn(f"a record of {length} bytes that the file's end cuts off", _HEAD_BYTES + length)
    mark = pread(1, end)[0]
    if mark == _END_MARK:
        return damage("CRC check failed: checksum and contents of a record differ")
    if mark:
        return damage(f"a record with the end mark 0x{mark:02x} instead of 0x42")
    after = _first_nonzero(pread, next_data, size, end)
    if after >= 0:
        return damage(f"a record without end mark, but data at offset {after}")
    return torn(f"a record of {length} bytes without its end", _HEAD_BYTES + length)


def _first_nonzero(
    pread: Callable[[int, int], bytes], next_data: Callable[[int], int], size: int, offset: int
) -> int:
    """Where the first byte that is not zero lies, at or after `offset`; -1 if there is none."""
    while offset < size and (offset := next_data(offset)) < size:
        chunk = pread(min(len(_ZEROS), size - offset), offset)
        if not chunk:
            break
        if not _ZEROS.startswith(chunk):  # a comparison of memory, many times faster than stripping
            return offset + len(chunk) - len(chunk.lstrip(b"\0"))
        offset += len(chunk)
    return -1


def _hidden_record(doubtful: bytes, last_zxid: int) -> str:
    """What speaks against a torn record in its bytes (without the zeros at the end), or "".

    A client may store a piece of a log in a node; only records newer than the last good one count, so an old
    piece does not make a torn write look like damage.
    """
    checksum = _head.unpack_from(doubtful)[0] if len(doubtful) >= _HEAD_BYTES else 0
    if doubtful.endswith(END_MARK) and adler32(doubtful[_HEAD_BYTES:-1]) == checksum:
        return f"its checksum fits the first {len(doubtful) - FRAME_BYTES} bytes"
    for match in _maybe_head.finditer(doubtful, _HEAD_BYTES):
        start = match.start()
        if start + _RECORD_BYTES_MIN > len(doubtful):
            break
        checksum, length, zxid = _head_and_zxid.unpack_from(doubtful, start)
        end = start + _HEAD_BYTES + length
        if (
            length >= PAYLOAD_BYTES_MIN
            and end < len(doubtful)
            and doubtful[end] == _END_MARK
            and zxid > last_zxid
            and adler32(doubtful[start + _HEAD_BYTES : end]) == checksum
        ):
            return f"the valid record of zxid 0x{hex64(zxid)} lies {start} bytes further on"
    return ""
