"""The bytes of a snapshot, both ways. Pure: bytes in, bytes out.

    file     := "ZKSN", version 2 (int), dbid -1 (long), sessions, acls, node*, "/", seal,
                [zxid digest, seal], [last zxid, seal]
    sessions := count (int), (session id (long), timeout ms (int))*
    acls     := count (int), (acl id (long), vector of ACL)*        the open ACL is id -1 and not listed
    node     := path (ustring), data (buffer), acl id (long), StatPersisted (60 bytes)     root path: ""
    seal     := Adler-32 of every byte of the file so far (long), "/" (ustring)

A parent comes before its children. Nothing marks which of the optional sections follow; the original goes by
its own settings and so refuses its own snapshots after `digest.enabled` was switched. We go by the number of
bytes that are left: 21 for a last zxid, 33 for a digest, 54 for both, and a check of the seals.

A snapshot may be fuzzy: nodes may change while they are written. Replaying the log from the zxid in the
file's name repairs that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from struct import Struct
from typing import Final, NamedTuple, Protocol
from zlib import adler32

from ..jute.data import ACL
from ..jute.errors import JuteError
from ..jute.persistence import FILE_VERSION, SNAP_MAGIC, FileHeader
from ..jute.wiretypes import decode_utf8, encode_utf8
from .errors import Corrupt

FILE_HEADER: Final = FileHeader(SNAP_MAGIC, FILE_VERSION, -1).encode()
SEAL_BYTES: Final = 13

_SLASH = b"\0\0\0\1/"
_int = Struct(">i")
_long = Struct(">q")
_session = Struct(">qi")
_digest_head = Struct(">qi")
_digest = Struct(">qiq")
_tail = Struct(">qqqqqiiiqq")  # acl id, czxid mzxid ctime mtime, version cversion aversion, owner, pzxid
_CHUNK_BYTES = 1 << 20
_ACL_BYTES_MAX = 8 << 20  # no single entry is longer than a request

NodeTuple = tuple[str, bytes | None, int, int, int, int, int, int, int, int, int, int]
"""path, data, acl_id, czxid, mzxid, ctime, mtime, version, cversion, aversion, ephemeral_owner, pzxid."""


class ZxidDigest(NamedTuple):
    """What the digest of the tree is once the transaction `zxid` has been applied; (0, 2, 0) if unknown."""

    zxid: int
    version: int
    digest: int
    """Signed, as jute has it."""


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, length: int, /) -> bytes:
        """At most `length` bytes; none at the end only."""


class SnapshotEncoder:
    """Turns sessions, ACLs and nodes into chunks of a snapshot file.

    Call `start`, `add_node` for every node, then `finish`; in between, `take_chunk` hands over what has come
    together. The checksum is computed as chunks are taken.
    """

    __slots__ = ("_checksum", "_parts")

    def __init__(self) -> None:
        self._parts: list[bytes] = [FILE_HEADER]
        self._checksum = 1  # Adler-32 of nothing

    def start(self, sessions: Mapping[int, int], acls: Mapping[int, Iterable[ACL]]) -> None:
        """Sessions as id -> timeout in ms; ACLs as id -> list, without the open ACL (id -1)."""
        parts = self._parts
        parts.append(_int.pack(len(sessions)))
        parts.extend(_session.pack(session_id, timeout_ms) for session_id, timeout_ms in sessions.items())
        parts.append(_int.pack(len(acls)))
        for acl_id, acl in acls.items():
            entries = [entry.encode() for entry in acl]
            parts += (_long.pack(acl_id), _int.pack(len(entries)), *entries)

    def add_node(
        self,
        path: str,
        data: bytes | None,
        acl_id: int,
        czxid: int,
        mzxid: int,
        ctime: int,
        mtime: int,
        version: int,
        cversion: int,
        aversion: int,
        ephemeral_owner: int,
        pzxid: int,
    ) -> None:
        """One node; the root's path is "". Times in ms, `cversion` is the stored creation counter."""
        encoded = path.encode() if path.isascii() else encode_utf8(path)
        if data is None:
            self._parts += (_int.pack(len(encoded)), encoded, b"\xff\xff\xff\xff")
        else:
            self._parts += (_int.pack(len(encoded)), encoded, _int.pack(len(data)), data)
        self._parts.append(
            _tail.pack(
                acl_id,
                czxid,
                mzxid,
                ctime,
                mtime,
                version,
                cversion,
                aversion,
                ephemeral_owner,
                pzxid,
            )
        )

    def take_chunk(self) -> bytes:
        """The bytes that came together since the last call; they follow the earlier ones in the file."""
        chunk = b"".join(self._parts)
        self._parts.clear()
        self._checksum = adler32(chunk, self._checksum)
        return chunk

    def finish(self, zxid_digest: ZxidDigest | None = None, last_zxid: int | None = None) -> bytes:
        """The last chunk: end of the nodes, seals, and the optional sections that are given."""
        self._parts.append(_SLASH)
        chunks = [self.take_chunk(), self._seal()]
        if zxid_digest is not None:
            self._parts.append(_digest.pack(*zxid_digest))
            chunks += (self.take_chunk(), self._seal())
        if last_zxid is not None:
            self._parts.append(_long.pack(last_zxid))
            chunks += (self.take_chunk(), self._seal())
        return b"".join(chunks)

    def _seal(self) -> bytes:
        self._parts.append(_long.pack(self._checksum) + _SLASH)
        return self.take_chunk()


class SnapshotDecoder:
    """Reads a snapshot from a stream: sessions and ACLs at once, then the nodes, then what follows them.

    `file` and `zxid` only go into error messages. Raises `Corrupt` for anything that is not a whole, sealed
    snapshot; the last seal is checked when the nodes have been read, so what was built from them has to be
    thrown away if that fails.
    """

    def __init__(self, stream: Readable, *, file: str = "snapshot", zxid: int = -1) -> None:
        self._stream = stream
        self._name = file
        self._zxid = zxid
        self._buffer = b""
        self._position = 0
        self._base = 0  # file offset of buffer[0]
        self._checksum = 1  # Adler-32 of all bytes before the buffer
        self.sessions: dict[int, int] = {}
        """Session id -> timeout in ms."""
        self.acls: dict[int, tuple[ACL, ...]] = {}
        self.zxid_digest: ZxidDigest | None = None
        """Known once the nodes have been read; None if the file has no digest."""
        self.last_zxid: int | None = None
        """Known once the nodes have been read; None if the file does not say."""
        self._read_header()
        self._read_sessions()
        self._read_acls()

    def nodes(self) -> Iterator[NodeTuple]:
        """Every node, parents first. To be iterated once and to the end.

        Equal zxids and times of one node are the same object, and so are the owners of ephemerals: with a
        million nodes that is most of the memory of their numbers.
        """
        # One to one and a half microseconds per node, so everything is local and only the buffer's end is
        # checked. `limit` is where at least a path's length and the next refill are safe.
        int_at, tail_at = _int.unpack_from, _tail.unpack_from
        owners: dict[int, int] = {session: session for session in self.sessions}
        acl_ids: dict[int, int] = {acl_id: acl_id for acl_id in self.acls}
        buffer, position = self._buffer, self._position
        limit = len(buffer)
        while True:
            if position + 80 > limit:
                buffer, position, limit = self._refill(position, 80)
                if limit < 5:
                    raise self._corrupt(position, "the file ends within the nodes")
            (path_bytes,) = int_at(buffer, position)
            start = position + 4
            path_end = start + path_bytes
            if path_bytes == 1 and buffer[start] == 0x2F:
                break
            if path_bytes < 0:
                raise self._corrupt(position, f"a path of length {path_bytes}")
            if path_end + 80 > limit:
                buffer, position, limit = self._refill(position, path_bytes + 88)
                start = position + 4
                path_end = start + path_bytes
                if path_end + 72 > limit:
                    raise self._corrupt(position, "the file ends within a node")
            (data_bytes,) = int_at(buffer, path_end)
            data_start = path_end + 4
            data_end = data_start + data_bytes
            if data_end + 68 > limit:
                buffer, position, limit = self._refill(position, data_end + 68 - position)
                start = position + 4
                path_end = start + path_bytes
                data_start = path_end + 4
                data_end = data_start + data_bytes
                if data_end + 68 > limit:
                    raise self._corrupt(position, "the file ends within a node")
            data: bytes | None
            if data_bytes >= 0:
                data = buffer[data_start:data_end]
            elif data_bytes == -1:
                data = None
                data_end = data_start
            else:
                raise self._corrupt(path_end, f"node data of length {data_bytes}")
            acl_id, czxid, mzxid, ctime, mtime, version, cversion, aversion, owner, pzxid = tail_at(
                buffer, data_end
            )
            if mzxid == czxid:
                mzxid = czxid
            if pzxid == czxid:
                pzxid = czxid
            if mtime == ctime:
                mtime = ctime
            if owner:
                owner = owners.setdefault(owner, owner)
            try:
                path = buffer[start:path_end].decode()
            except UnicodeDecodeError:
                path = decode_utf8(buffer[start:path_end])
            position = data_end + 68
            yield (
                path,
                data,
                acl_ids.get(acl_id, acl_id),
                czxid,
                mzxid,
                ctime,
                mtime,
                version,
                cversion,
                aversion,
                owner,
                pzxid,
            )
        self._position = position + len(_SLASH)
        self._read_end()

    def _read_header(self) -> None:
        header, position = self._take(len(FILE_HEADER), "the file header")
        magic = header[position : position + 4]
        if magic != FILE_HEADER[:4]:
            raise self._corrupt(0, f"the file starts with {magic!r} instead of b'ZKSN'")

    def _read_sessions(self) -> None:
        buffer, position = self._take(4, "the session count")
        (count,) = _int.unpack_from(buffer, position)
        if count > 0:
            buffer, position = self._take(count * _session.size, f"{count} sessions")
            self.sessions.update(
                _session.iter_unpack(memoryview(buffer)[position : position + count * _session.size])
            )

    def _read_acls(self) -> None:
        buffer, position = self._take(4, "the ACL count")
        (count,) = _int.unpack_from(buffer, position)
        for _ in range(max(count, 0)):
            buffer, position = self._take(12, "an ACL")
            acl_id, length = _session.unpack_from(buffer, position)
            if length < 0:
                raise self._corrupt(position, f"ACL {acl_id} has length {length}")
            self.acls[acl_id] = tuple(self._read_acl_entry() for _ in range(length))

    def _read_acl_entry(self) -> ACL:
        while True:
            try:
                entry, self._position = ACL.decode(self._buffer, self._position)
            except JuteError as error:  # perhaps only because the buffer ends within it
                before = len(self._buffer) - self._position
                if before < _ACL_BYTES_MAX:
                    self._refill(self._position, before + 1)
                if len(self._buffer) - self._position == before:
                    raise self._corrupt(self._position, f"an ACL cannot be read: {error}") from error
            else:
                return entry

    def _read_end(self) -> None:
        """What follows the nodes: the first seal, then sections told apart by the number of bytes left."""
        self._refill(self._position, 4096)
        self._check_seal()
        rest = self._buffer[self._position :]
        if len(rest) in (33, 54):
            zxid, version, digest = _digest.unpack_from(rest)
            if version >= 2:
                self._read_digest(ZxidDigest(zxid, version, digest), _digest.size)
        if self.zxid_digest is None and len(rest) >= 29:
            self._read_old_digest(rest)
        if len(self._buffer) - self._position == 21:
            (self.last_zxid,) = _long.unpack_from(self._buffer, self._position)
            self._position += 8
            self._check_seal()
        if self._position != len(self._buffer):
            raise self._corrupt(
                self._position, f"{len(self._buffer) - self._position} unexpected bytes at the end"
            )

    def _read_digest(self, digest: ZxidDigest, size: int) -> None:
        self.zxid_digest = digest
        self._position += size
        self._check_seal()

    def _read_old_digest(self, rest: bytes) -> None:
        """Digest versions below 2 are a hexadecimal string."""
        zxid, version = _digest_head.unpack_from(rest)
        (length,) = _int.unpack_from(rest, 12)
        if version >= 2 or not -1 <= length <= 16 or len(rest) < 16 + max(length, 0) + SEAL_BYTES:
            raise self._corrupt(self._position, f"{len(rest)} bytes after the seal are no known section")
        text = rest[16 : 16 + max(length, 0)]
        try:
            value = int(text or b"0", 16)
        except ValueError:
            raise self._corrupt(self._position, f"the digest {text!r} is not hexadecimal") from None
        self._read_digest(ZxidDigest(zxid, version, value), 16 + len(text))

    def _check_seal(self) -> None:
        position = self._position
        if len(self._buffer) < position + SEAL_BYTES:
            raise self._corrupt(position, "the seal is missing")
        expected = adler32(memoryview(self._buffer)[:position], self._checksum)
        (found,) = _long.unpack_from(self._buffer, position)
        if found != expected:
            raise self._corrupt(position, f"the seal says {found:x}, the contents have {expected:x}")
        self._position = position + SEAL_BYTES

    def _take(self, length: int, what: str) -> tuple[bytes, int]:
        """The buffer and the position in it of the next `length` bytes, which are then done with."""
        if len(self._buffer) - self._position < length:
            self._refill(self._position, length)
            if len(self._buffer) < length:
                raise self._corrupt(0, f"the file ends within {what}")
        position = self._position
        self._position = position + length
        return self._buffer, position

    def _refill(self, position: int, wanted: int) -> tuple[bytes, int, int]:
        """Drop what lies before `position` and read on, to at least `wanted` bytes unless the file ends.

        Returns the buffer, the new position (0) and the buffer's length.
        """
        parts = [self._buffer[position:]]
        self._checksum = adler32(memoryview(self._buffer)[:position], self._checksum)
        self._base += position
        have = len(parts[0])
        wanted = max(wanted, have + _CHUNK_BYTES)
        while have < wanted:
            chunk = self._stream.read(wanted - have)
            if not chunk:
                break
            parts.append(chunk)
            have += len(chunk)
        self._buffer = b"".join(parts)
        self._position = 0
        return self._buffer, 0, have

    def _corrupt(self, position: int, reason: str) -> Corrupt:
        return Corrupt(self._name, self._base + position, self._zxid, reason)


def check_last_seal(stream: Readable, *, file: str = "snapshot", zxid: int = -1) -> None:
    """Raise `Corrupt` unless the stream ends with a seal that fits everything before it.

    One pass of Adler-32, many times faster than decoding: it finds out whether a snapshot is whole before
    anything is built from it.
    """
    checksum = 1
    offset = 0
    held = b""
    while chunk := stream.read(_CHUNK_BYTES):
        held += chunk
        checksum = adler32(memoryview(held)[:-SEAL_BYTES], checksum)
        offset += max(len(held) - SEAL_BYTES, 0)
        held = held[-SEAL_BYTES:]
    if len(held) < SEAL_BYTES or not held.endswith(_SLASH):
        raise Corrupt(file, offset, zxid, "the file does not end with a seal")
    (found,) = _long.unpack_from(held)
    if found != checksum:
        raise Corrupt(file, offset, zxid, f"the seal says {found:x}, the contents have {checksum:x}")
