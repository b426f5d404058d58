"""Packets between a leader and its learners: out of a stream of bytes, and into one.

A packet is a QuorumPacket record (`jute/quorum.py` declares it) and nothing else: there is no length in front
of it, the next one starts where it ends. On the hot path it is a plain tuple here:

    (type, zxid, data or None, authinfo or None)          type: a number of `PacketType`

`PacketBuffer` cuts a stream into them however it was split. Behind a SNAP packet a snapshot follows that is
no packet; there the buffer stops, and hands the bytes over.

Which packets may come when, and what their data means, is not known here; the fixed layouts that `data` can
have are in `packet_data.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct
from typing import Final

from ..jute.codes import PacketType
from ..jute.data import Id
from ..jute.errors import BadLength
from ..jute.wiretypes import decode_utf8

Packet = tuple[int, int, bytes | None, tuple[Id, ...] | None]
"""type, zxid, data, authinfo; the last two are null more often than not."""

FIELD_BYTES_MAX: Final = 2 * 0xFFFFF
"""Bound of one field with the default settings: `jute.maxbuffer` + `jute.maxbuffer.extrasize`."""

_head = Struct(">iqi")  # type, zxid, length of data
_short = Struct(">iqii")  # the same, and the count of authinfo
_int = Struct(">i")
_HEAD_BYTES: Final = _head.size
_PACKET_BYTES_MIN: Final = _short.size
_NULL: Final = b"\xff\xff\xff\xff"
_ACK: Final = int(PacketType.ACK)
_COMMIT: Final = int(PacketType.COMMIT)
_PROPOSAL: Final = int(PacketType.PROPOSAL)
_SNAP: Final = int(PacketType.SNAP)


class MalformedPacket(BadLength):
    """Bytes that no packet has; `packets` are the good ones in front of them.

    `offset` counts from the packet's first byte.
    """

    def __init__(self, field: str, offset: int, reason: str, packets: list[Packet]) -> None:
        super().__init__("QuorumPacket", field, offset, reason)
        self.packets = packets


class PacketBuffer:
    """Collects chunks, hands out whole packets.

    Args:
        field_bytes_max: the longest `data`, and the longest `authinfo` as a whole. The original allows each
            buffer and string `jute.maxbuffer` + `jute.maxbuffer.extrasize` and any number of identities
            (``BinaryInputArchive.checkLength``); the sum is bounded here, so that a peer cannot fill the
            memory.
        snapshots: stop behind a SNAP packet, as a learner has to. `feed` then returns with what it has, and
            `take_rest` must be called before the next `feed`.
    """

    __slots__ = (
        "_buffered",
        "_chunks",
        "_last_authinfo",
        "_last_identities",
        "_scanned",
        "_strings_left",
        "_wanted",
        "field_bytes_max",
        "snapshots",
        "stopped",
    )

    def __init__(self, field_bytes_max: int = FIELD_BYTES_MAX, *, snapshots: bool = False) -> None:
        self.field_bytes_max = field_bytes_max
        self.snapshots = snapshots
        self.stopped = False
        """Whether a SNAP packet was handed out and what follows it was not yet taken."""
        self._chunks: list[bytes] = []
        # Requests of one client follow each other: who that is is read once.
        self._last_authinfo = b""
        self._last_identities: tuple[Id, ...] = ()
        self._buffered = 0
        self._wanted = _PACKET_BYTES_MIN  # so many bytes are needed before it is worth looking again
        # How far the authinfo of an incomplete packet was looked through, so that no byte is seen twice.
        self._scanned = 0
        self._strings_left = 0

    @property
    def buffered_bytes(self) -> int:
        """Bytes held back until their packet is complete, or until they are taken."""
        return self._buffered

    def feed(self, chunk: bytes) -> list[Packet]:
        """Add bytes from the stream; return all packets that are now complete.

        Raises MalformedPacket, and must not be called again then.
        """
        assert not self.stopped, "a snapshot is in the way: take_rest() first"
        if self._chunks:
            self._chunks.append(chunk)
            self._buffered += len(chunk)
            if self._buffered < self._wanted:
                return []
            chunk = b"".join(self._chunks)
            self._chunks.clear()
        packets: list[Packet] = []
        unpack, bytes_max = _head.unpack_from, self.field_bytes_max
        position, end = 0, len(chunk)
        self._wanted = _PACKET_BYTES_MIN
        while end - position >= _PACKET_BYTES_MIN:
            kind, zxid, data_bytes = unpack(chunk, position)
            data: bytes | None
            if data_bytes >= 0:
                if data_bytes > bytes_max:
                    raise MalformedPacket("data", 12, f"length {data_bytes}", packets)
                data_end = position + _HEAD_BYTES + data_bytes
                if data_end + 4 > end:
                    self._wanted = data_end + 4 - position
                    break
                data = chunk[data_end - data_bytes : data_end]
            elif data_bytes == -1:
                data = None
                data_end = position + _HEAD_BYTES
            else:
                raise MalformedPacket("data", 12, f"length {data_bytes}", packets)
            authinfo = None
            stop = data_end + 4
            if chunk[data_end:stop] != _NULL:
                known = self._last_authinfo
                if known and not self._scanned and chunk.startswith(known, data_end):
                    stop = data_end + len(known)
                    authinfo = self._last_identities
                else:
                    stop = self._end_of_authinfo(chunk, position, data_end, packets)
                    if stop < 0:
                        break
                    authinfo = self._last_identities = _identities(chunk, data_end)
                    self._last_authinfo = chunk[data_end:stop]
            packets.append((kind, zxid, data, authinfo))
            position = stop
            if kind == _SNAP and self.snapshots:
                self.stopped = True
                break
        self._buffered = end - position
        if self._buffered:
            self._chunks.append(chunk[position:] if position else chunk)
        return packets

    def take_rest(self) -> bytes:
        """Everything held, removed from the buffer: the beginning of the snapshot behind a SNAP packet.

        What follows the snapshot goes into `feed` again.
        """
        rest = b"".join(self._chunks)
        self._chunks.clear()
        self._buffered = 0
        self._wanted = _PACKET_BYTES_MIN
        self.stopped = False
        return rest

    def _end_of_authinfo(self, chunk: bytes, start: int, begin: int, packets: list[Packet]) -> int:
        """Where the authinfo at `begin`, of the packet at `start`, ends; -1 if it is not all here."""
        bytes_max = self.field_bytes_max
        unpack = _int.unpack_from
        position, left = start + self._scanned, self._strings_left
        if not self._scanned:
            (count,) = unpack(chunk, begin)
            if count < 0 or count * 8 > bytes_max:  # an identity has at least its two lengths
                raise MalformedPacket("authinfo", begin - start, f"count {count}", packets)
            position, left = begin + 4, count * 2
        end = len(chunk)
        while left:
            if position + 4 > end:
                break
            (length,) = unpack(chunk, position)
            stop = position + 4 + max(length, 0)
            if length < -1 or stop - begin > bytes_max:
                raise MalformedPacket("authinfo", position - start, f"a string of length {length}", packets)
            if stop > end:
                break
            position = stop
            left -= 1
        else:
            self._scanned = self._strings_left = 0
            return position
        # Of the string that is cut off only the length is known, if that.
        self._scanned, self._strings_left = position - start, left
        known = max(unpack(chunk, position)[0], 0) if position + 4 <= end else 0
        self._wanted = position + 4 + known - start
        return -1


def _identities(chunk: bytes, position: int) -> tuple[Id, ...]:
    """The authinfo at this position, which is known to be whole."""

    def text() -> str | None:
        nonlocal position
        (length,) = _int.unpack_from(chunk, position)
        start = position + 4
        position = start + max(length, 0)
        return None if length < 0 else decode_utf8(chunk[start:position])

    (count,) = _int.unpack_from(chunk, position)
    position += 4
    return tuple(Id(text(), text()) for _ in range(count))


# --- into bytes -----------------------------------------------------------------------------------------


def packet(kind: int, zxid: int, data: bytes | None = None, authinfo: Iterable[Id] | None = None) -> bytes:
    """One packet's bytes."""
    if authinfo is None:
        if data is None:
            return _short.pack(kind, zxid, -1, -1)
        return b"%b%b%b" % (_head.pack(kind, zxid, len(data)), data, _NULL)
    head = _head.pack(kind, zxid, -1 if data is None else len(data))
    return b"".join((head, data or b"", encode_authinfo(authinfo)))


def packet_with(kind: int, zxid: int, data: bytes, authinfo: bytes) -> bytes:
    """One packet's bytes, with authinfo as ``encode_authinfo`` makes it."""
    return b"%b%b%b" % (_head.pack(kind, zxid, len(data)), data, authinfo)


def encode_authinfo(authinfo: Iterable[Id]) -> bytes:
    """Who a client is, as a forwarded request says it."""
    identities = [identity.encode() for identity in authinfo]
    return b"".join((_int.pack(len(identities)), *identities))


def ack(zxid: int) -> bytes:
    """ACK: everything up to this zxid is on the sender's disk."""
    return _short.pack(_ACK, zxid, -1, -1)


def commit(zxid: int) -> bytes:
    """COMMIT: a quorum has this txn."""
    return _short.pack(_COMMIT, zxid, -1, -1)


def proposal(zxid: int, payload: bytes) -> bytes:
    """PROPOSAL: the payload is what goes to the log."""
    return b"%b%b%b" % (_head.pack(_PROPOSAL, zxid, len(payload)), payload, _NULL)
