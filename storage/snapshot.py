"""The bytes of a snapshot, both ways. Pure: bytes in, bytes out.

    file := "ZKSN", version 2 (int), dbid -1 (long), tree, seal, [zxid digest, seal], [last zxid, seal]
    seal := Adler-32 of every byte of the file so far (long), "/" (ustring)

The tree (sessions, ACLs, nodes) is in `tree_codec.py`. Nothing marks which of the optional sections follow;
the original goes by its own settings and so refuses its own snapshots after `digest.enabled` was switched. We
go by the number of bytes that are left: 21 for a last zxid, 33 for a digest, 54 for both, and a check of the
seals.

A snapshot may be fuzzy: nodes may change while they are written. Replaying the log from the zxid in the
file's name repairs that.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Final, NamedTuple, Protocol
from zlib import adler32

from ..jute.persistence import FILE_VERSION, SNAP_MAGIC, FileHeader
from .errors import Corrupt
from .tree_codec import SLASH, NodeTuple, TreeDecoder, TreeEncoder, TreeError

FILE_HEADER: Final = FileHeader(SNAP_MAGIC, FILE_VERSION, -1).encode()
SEAL_BYTES: Final = 13

_LAST_ZXID_BYTES: Final = 8 + SEAL_BYTES
_DIGEST_BYTES: Final = 20 + SEAL_BYTES
_SECTIONS_BYTES_MAX: Final = SEAL_BYTES + _DIGEST_BYTES + _LAST_ZXID_BYTES
_int = Struct(">i")
_long = Struct(">q")
_digest_head = Struct(">qi")
_digest = Struct(">qiq")
_CHUNK_BYTES = 1 << 20
_TREE_CHUNK_BYTES = 1 << 16  # its nodes still are in the processor's cache when they are used
_END_BYTES_MAX = 4096  # more than everything that may follow the tree
_FIELD_BYTES_MAX = (1 << 31) - 1  # whatever was written before the limit was lowered can be read


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


class SnapshotEncoder(TreeEncoder):
    """Turns sessions, ACLs and nodes into chunks of a snapshot file.

    Call `start`, `add_node` for every node, then `finish`; in between, `take_chunk` hands over what has come
    together. The checksum is computed as chunks are taken.
    """

    __slots__ = ("_checksum",)

    def __init__(self) -> None:
        super().__init__()
        self._parts.append(FILE_HEADER)
        self._checksum = 1  # Adler-32 of nothing

    def take_chunk(self) -> bytes:
        """The bytes that came together since the last call; they follow the earlier ones in the file."""
        chunk = super().take_chunk()
        self._checksum = adler32(chunk, self._checksum)
        return chunk

    def finish(self, zxid_digest: ZxidDigest | None = None, last_zxid: int | None = None) -> bytes:
        """The last chunk: end of the nodes, seals, and the optional sections that are given."""
        self._parts.append(SLASH)
        chunks = [self.take_chunk(), self._seal()]
        if zxid_digest is not None:
            self._parts.append(_digest.pack(*zxid_digest))
            chunks += (self.take_chunk(), self._seal())
        if last_zxid is not None:
            self._parts.append(_long.pack(last_zxid))
            chunks += (self.take_chunk(), self._seal())
        return b"".join(chunks)

    def _seal(self) -> bytes:
        self._parts.append(_long.pack(self._checksum) + SLASH)
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
        self._tree = TreeDecoder("the tree", _FIELD_BYTES_MAX)
        self._checksum = 1  # Adler-32 of all bytes before the buffer
        self._base = 0  # file offset of buffer[0]
        self._buffer = b""  # what follows the tree, once that is complete
        self._position = 0
        self._complete = False
        self.sessions = self._tree.sessions
        """Session id -> timeout in ms."""
        self.acls = self._tree.acls
        self.zxid_digest: ZxidDigest | None = None
        """Known once the nodes have been read; None if the file has no digest."""
        self.last_zxid: int | None = None
        """Known once the nodes have been read; None if the file does not say."""
        self._read_header()
        while not self._tree.reads_nodes:
            self._read_tree()

    def nodes(self) -> Iterator[NodeTuple]:
        """Every node, parents first. To be iterated once and to the end.

        Equal zxids and times of one node are the same object, and so are the owners of ephemerals: with a
        million nodes that is most of the memory of their numbers.
        """
        yield from self._tree.take_nodes()
        while not self._complete:
            self._read_tree()
            yield from self._tree.take_nodes()
        self._read_end()

    def _read_header(self) -> None:
        header = self._stream.read(len(FILE_HEADER))
        while len(header) < len(FILE_HEADER):
            more = self._stream.read(len(FILE_HEADER) - len(header))
            if not more:
                raise self._corrupt(0, "the file ends within the file header")
            header += more
        magic = header[:4]
        if magic != FILE_HEADER[:4]:
            raise self._corrupt(0, f"the file starts with {magic!r} instead of b'ZKSN'")
        self._checksum = adler32(header, self._checksum)
        self._base = len(header)

    def _read_tree(self) -> None:
        """Read a chunk; what it holds beyond the tree is kept in the buffer."""
        chunk = self._stream.read(_TREE_CHUNK_BYTES)
        tree = self._tree
        if not chunk:
            raise self._corrupt(tree.offset, f"the file ends within {tree.where}")
        try:
            self._complete = tree.feed(chunk)
        except TreeError as error:
            raise self._corrupt(error.offset, error.reason) from None
        if self._complete:
            self._buffer = tree.rest
            self._base += tree.offset
            chunk = chunk[: len(chunk) - len(tree.rest)]
        self._checksum = adler32(chunk, self._checksum)

    def _read_end(self) -> None:
        """What follows the nodes: the first seal, then sections told apart by the number of bytes left."""
        while len(self._buffer) < _END_BYTES_MAX and (more := self._stream.read(_END_BYTES_MAX)):
            self._buffer += more
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

    def _corrupt(self, position: int, reason: str) -> Corrupt:
        return Corrupt(self._name, self._base + position, self._zxid, reason)


class SnapshotEnd(NamedTuple):
    """What follows the nodes of a snapshot."""

    zxid_digest: ZxidDigest | None
    last_zxid: int | None

    def newest_effect(self, zxid: int) -> int | None:
        """The last txn of which the snapshot may hold something, given the zxid in its name; None: unknown.

        A snapshot is fuzzy, so that is often later than its name says.
        """
        ends = [] if self.zxid_digest is None else [self.zxid_digest.zxid]
        ends += [] if self.last_zxid is None else [self.last_zxid]
        return max(zxid, *ends) if ends else None


def check_last_seal(stream: Readable, *, file: str = "snapshot", zxid: int = -1) -> SnapshotEnd:
    """Raise `Corrupt` unless the stream ends with a seal that fits everything before it.

    One pass of Adler-32, many times faster than decoding: it finds out whether a snapshot is whole before
    anything is built from it. The sections at the end are found backwards, by the seals between them; those
    of digest versions below 2 are not.
    """
    checksum = 1
    offset = 0
    held = b""
    while chunk := stream.read(_CHUNK_BYTES):
        held += chunk
        checksum = adler32(memoryview(held)[:-_SECTIONS_BYTES_MAX], checksum)
        offset += max(len(held) - _SECTIONS_BYTES_MAX, 0)
        held = held[-_SECTIONS_BYTES_MAX:]

    def seal_at(position: int) -> tuple[int, int]:
        """The checksum that is there and the one that should be; (0, -1) if no seal is there."""
        if position < 0 or held[position + 8 : position + SEAL_BYTES] != SLASH:
            return 0, -1
        return _long.unpack_from(held, position)[0], adler32(memoryview(held)[:position], checksum)

    end = len(held)
    found, expected = seal_at(end - SEAL_BYTES)
    if expected < 0:
        raise Corrupt(file, offset + max(end - SEAL_BYTES, 0), zxid, "the file does not end with a seal")
    if found != expected:
        reason = f"the seal says {found:x}, the contents have {expected:x}"
        raise Corrupt(file, offset + end - SEAL_BYTES, zxid, reason)
    last_zxid = digest = None
    found, expected = seal_at(end - _LAST_ZXID_BYTES - SEAL_BYTES)
    if found == expected:
        end -= _LAST_ZXID_BYTES
        (last_zxid,) = _long.unpack_from(held, end)
    found, expected = seal_at(end - _DIGEST_BYTES - SEAL_BYTES)
    if found == expected:
        digest = ZxidDigest(*_digest.unpack_from(held, end - _DIGEST_BYTES))
    return SnapshotEnd(digest, last_zxid)
