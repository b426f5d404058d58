"""Records behind damage: what a log would still have if the damaged bytes were not in the way. Pure.

Only for telling what a repair gives up. Nothing is ever replayed from here: a txn behind a hole does not fit
the tree in front of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from struct import Struct
from zlib import adler32

from .log_record import FRAME_BYTES, PAYLOAD_BYTES_MIN

_head_and_zxid = Struct(">qi12xq")  # checksum, length, then of the TxnHeader only the zxid
_HEAD_BYTES = FRAME_BYTES - 1
_END_MARK = 0x42
# Where a frame may start: a checksum of at most 32 bits that is not zero, then a length that is not zero.
_maybe_head = re.compile(rb"(?=\0{4}(?!\0{4}).{4}(?!\0{4}))", re.DOTALL)


def records_within(data: bytes, last_zxid: int) -> Iterator[tuple[int, int]]:
    """(zxid, offset) of each whole record in the bytes, in order and of rising zxids above `last_zxid`.

    A client may have stored a piece of a log in a node, so what lies inside a record is passed over.
    """
    position = 0
    while match := _maybe_head.search(data, position):
        start = match.start()
        if start + _head_and_zxid.size > len(data):
            return
        checksum, length, zxid = _head_and_zxid.unpack_from(data, start)
        end = start + _HEAD_BYTES + length
        position = start + 1
        if (
            length >= PAYLOAD_BYTES_MIN
            and end < len(data)
            and data[end] == _END_MARK
            and zxid > last_zxid
            and adler32(memoryview(data)[start + _HEAD_BYTES : end]) == checksum
        ):
            yield zxid, start
            last_zxid, position = zxid, end + 1
