"""What members have in their transaction logs, read from the files and not from any server.

    file := 16 bytes of header, then records of checksum (8 bytes), length (4), payload, 0x42, then zeros

A payload begins with a TxnHeader. A member's log may have gaps that a snapshot spans, and may keep the dead
tail of an old leader in front of one; but where two members have a record of one zxid, it is the same record.
Java 3.8 sometimes writes one twice when it is synchronised; zoolet's zxids must always grow.

Multis are compared by header and length only: Java marks the parts of a failed one when it applies it, and
its log thread may write it before or after that.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from itertools import combinations

from zoolet.jute.codes import OpCode
from zoolet.jute.txn import TxnHeader

from .member import Member

_HEADER_BYTES = 16
_HEAD = struct.Struct(">qi")
_END_MARK = b"B"


def logged_payloads(member: Member) -> dict[int, bytes]:
    """The payloads of all complete records in the member's log files, by zxid."""
    payloads: dict[int, bytes] = {}
    for _, path in sorted(member.logs.items()):
        for payload in records_of(path.read_bytes()):
            zxid = TxnHeader.decode(payload)[0].zxid
            last = next(reversed(payloads), 0)
            assert zxid > last or not member.is_only_zoolets, (
                f"{member} has logged 0x{zxid:x} behind 0x{last:x} in {path.name}"
            )
            payloads[zxid] = payload
    return payloads


def holds_txns_twice(member: Member) -> bool:
    """Whether a record stands in the member's log behind a higher one, or a second time.

    A learner of Java 3.8 whose synchronisation failed (ZOOKEEPER-4394) goes on logging what it was sent, and
    is sent it again in the next.
    """
    highest = 0
    for _, path in sorted(member.logs.items()):
        for payload in records_of(path.read_bytes()):
            zxid = TxnHeader.decode(payload)[0].zxid
            if zxid <= highest:
                return True
            highest = zxid
    return False


def closings(member: Member, session_id: int) -> int:
    """How often the session's end stands in the member's log."""
    headers = (TxnHeader.decode(payload)[0] for payload in logged_payloads(member).values())
    return sum(
        1 for header in headers if header.clientId == session_id and header.type == OpCode.CLOSE_SESSION
    )


def assert_logs_agree(members: Iterable[Member]) -> int:
    """At every zxid that two members have logged, they have logged the same bytes. Returns how many."""
    logs = [(member, logged_payloads(member)) for member in members]
    compared = 0
    for (one, seen), (other, expected) in combinations(logs, 2):
        common = seen.keys() & expected.keys()
        compared += len(common)
        for zxid in sorted(common):
            assert _comparable(seen[zxid]) == _comparable(expected[zxid]), (
                f"txn 0x{zxid:x} in the logs of {one} and {other}:\n"
                f"{seen[zxid][:300].hex()}\n{expected[zxid][:300].hex()}"
            )
    return compared


def repeat_last_txns(member: Member, count: int) -> None:
    """Write the last records of a stopped member's log once more behind them, as Java 3.8 sometimes does."""
    assert not member.is_running
    path = member.logs[max(member.logs)]
    file = path.read_bytes()
    records = [_HEAD.pack(zlib.adler32(one), len(one)) + one + _END_MARK for one in records_of(file)]
    end = _HEADER_BYTES + sum(map(len, records))
    again = b"".join(records[-count:])
    path.write_bytes(file[:end] + again + file[end + len(again) :] + bytes(_HEAD.size))
    member.is_only_zoolets = False


def _comparable(payload: bytes) -> object:
    header, end = TxnHeader.decode(payload)
    return (payload[:end], len(payload)) if header.type == OpCode.MULTI else payload


def records_of(file: bytes) -> Iterator[bytes]:
    """The payloads of a log file, up to the zeros behind them."""
    position = _HEADER_BYTES
    while position + _HEAD.size < len(file):
        checksum, length = _HEAD.unpack_from(file, position)
        if checksum == 0 and length == 0:
            return
        start = position + _HEAD.size
        yield file[start : start + length]
        position = start + length + 1
