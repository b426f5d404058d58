"""The bytes of a tree, both ways: what snapshot files and the snapshots between servers have in common. Pure.

    tree     := sessions, acls, node*, "/" (ustring)
    sessions := count (int), (session id (long), timeout ms (int))*
    acls     := count (int), (acl id (long), vector of ACL)*        the open ACL is id -1 and not listed
    node     := path (ustring), data (buffer), acl id (long), StatPersisted (60 bytes)     root path: ""

A parent comes before its children. What is around the tree is in `snapshot.py` (files) and
`snapshot_stream.py` (between servers).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from struct import Struct
from typing import Final

from ..jute.data import ACL
from ..jute.errors import JuteError, Truncated
from ..jute.wiretypes import decode_utf8, encode_utf8
from .errors import StorageError

SLASH: Final = b"\0\0\0\1/"
"""The path "/" as a ustring: the end of the nodes, and of a seal."""

NodeTuple = tuple[str, bytes | None, int, int, int, int, int, int, int, int, int, int]
"""path, data, acl_id, czxid, mzxid, ctime, mtime, version, cversion, aversion, ephemeral_owner, pzxid."""

_int = Struct(">i")
_long = Struct(">q")
_session = Struct(">qi")
_tail = Struct(">qqqqqiiiqq")  # acl id, czxid mzxid ctime mtime, version cversion aversion, owner, pzxid
_ACL_BYTES_MAX: Final = 8 << 20  # no single entry is longer than a request


class TreeError(StorageError):
    """Bytes that are no tree; `offset` counts from the tree's first byte."""

    def __init__(self, what: str, offset: int, reason: str) -> None:
        super().__init__(f"{what} is malformed at byte {offset}: {reason}")
        self.offset = offset
        self.reason = reason


class TreeEncoder:
    """Turns sessions, ACLs and nodes into chunks of bytes.

    Call `start`, then `add_node` for every node; `take_chunk` hands over what has come together.
    """

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: list[bytes] = []

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
        """The bytes that came together since the last call; they follow the earlier ones."""
        chunk = b"".join(self._parts)
        self._parts.clear()
        return chunk


class _Part(Enum):
    """Where in a tree a decoder is."""

    SESSIONS = "the sessions"
    ACLS = "the ACLs"
    NODES = "the nodes"


class TreeDecoder:
    """Takes the bytes of a tree as they come, however they are split, and gives out its nodes.

    `feed` until it returns True; `sessions` and `acls` are complete when the first node is there. Holds no
    more than one incomplete node and what was not taken with `take_nodes`. Raises TreeError, after which it
    must not be used; what was built from its nodes has to be thrown away then.

    Args:
        what: what the bytes are, for messages.
        field_bytes_max: the longest path and the longest data.
    """

    def __init__(self, what: str, field_bytes_max: int) -> None:
        self._what = what
        self._field_bytes_max = field_bytes_max
        self._chunks: list[bytes] = []
        self._held_bytes = 0
        self._wanted = 4  # so many bytes are needed before it is worth looking again
        self._offset = 0  # of the first byte held
        self._part = _Part.SESSIONS
        self._complete = False
        self._left = -1  # entries of the part to come; -1: the count has not been read
        self._acl_id = 0
        self._acl_left = -1  # entries of the ACL being read; -1: none is
        self._acl_entries: list[ACL] = []
        self._owners: dict[int, int] = {}
        self._acl_ids: dict[int, int] = {}
        self._nodes: list[NodeTuple] = []
        self.sessions: dict[int, int] = {}
        """Session id -> timeout in ms."""
        self.acls: dict[int, tuple[ACL, ...]] = {}
        self.rest = b""
        """What followed the tree in the last chunk."""

    @property
    def offset(self) -> int:
        """How many bytes of the tree are done with."""
        return self._offset

    @property
    def reads_nodes(self) -> bool:
        """Whether `sessions` and `acls` are complete."""
        return self._part is _Part.NODES

    @property
    def where(self) -> str:
        """The part of the tree that comes next, in words."""
        return self._part.value

    def take_nodes(self) -> list[NodeTuple]:
        """The nodes that came together since the last call, parents first.

        Equal zxids and times of one node are the same object, and so are the owners of ephemerals: with a
        million nodes that is most of the memory of their numbers.
        """
        nodes, self._nodes = self._nodes, []
        return nodes

    def feed(self, chunk: bytes) -> bool:
        """Add bytes; True when the tree is complete, and `rest` says what follows it."""
        assert not self._complete, "the tree is complete"
        self._held_bytes += len(chunk)
        if self._chunks or self._held_bytes < self._wanted:
            self._chunks.append(chunk)
            if self._held_bytes < self._wanted:
                return False
            chunk = b"".join(self._chunks)
            self._chunks.clear()
        self._wanted = 0
        position = 0
        if self._part is _Part.SESSIONS:
            position = self._read_sessions(chunk, position)
        if self._part is _Part.ACLS:
            position = self._read_acls(chunk, position)
        if self._part is _Part.NODES:
            position = self._read_nodes(chunk, position)
        self._offset += position
        self._held_bytes = len(chunk) - position
        if self._complete:
            self.rest = chunk[position:]
            return True
        if self._held_bytes:
            self._chunks.append(chunk[position:] if position else chunk)
        self._wanted = max(self._wanted, self._held_bytes + 1)
        return False

    def _read_count(self, buffer: bytes, position: int) -> int:
        """The position behind the count of the part, once it is there."""
        if self._left < 0 and position + 4 <= len(buffer):
            (self._left,) = _int.unpack_from(buffer, position)
            if self._left < 0:
                raise self._error(position, f"{self._part.value} are {self._left}")
            position += 4
        return position

    def _read_sessions(self, buffer: bytes, position: int) -> int:
        position = self._read_count(buffer, position)
        if self._left < 0:
            return position
        count = min(self._left, (len(buffer) - position) // _session.size)
        end = position + count * _session.size
        self.sessions.update(_session.iter_unpack(memoryview(buffer)[position:end]))
        self._left -= count
        if not self._left:
            self._owners = {session: session for session in self.sessions}
            self._part = _Part.ACLS
            self._left = -1
        return end

    def _read_acls(self, buffer: bytes, position: int) -> int:
        position = self._read_count(buffer, position)
        if self._left < 0:
            return position
        while self._left:
            if self._acl_left < 0:
                if position + 12 > len(buffer):
                    return position
                self._acl_id, self._acl_left = _session.unpack_from(buffer, position)
                if self._acl_left < 0:
                    raise self._error(position, f"ACL {self._acl_id} has length {self._acl_left}")
                position += 12
            while self._acl_left:
                try:
                    entry, position = ACL.decode(buffer, position)
                except JuteError as error:
                    if isinstance(error, Truncated) and len(buffer) - position < _ACL_BYTES_MAX:
                        return position
                    raise self._error(position, f"no ACL: {error.record}.{error.field}") from None
                self._acl_entries.append(entry)
                self._acl_left -= 1
            self.acls[self._acl_id] = tuple(self._acl_entries)
            self._acl_entries.clear()
            self._acl_left = -1
            self._left -= 1
        self._acl_ids = {acl_id: acl_id for acl_id in self.acls}
        self._part = _Part.NODES
        return position

    def _read_nodes(self, buffer: bytes, position: int) -> int:
        """Every node that is whole. Returns where the first one starts that is not."""
        # About a microsecond per node, so everything is local, and a node is known to be whole by its end.
        int_at, tail_at, append = _int.unpack_from, _tail.unpack_from, self._nodes.append
        owners, acl_ids, bytes_max = self._owners, self._acl_ids, self._field_bytes_max
        limit = len(buffer)
        while position + 76 <= limit:
            (path_bytes,) = int_at(buffer, position)
            start = position + 4
            path_end = start + path_bytes
            if path_bytes == 1 and buffer[start] == 0x2F:
                break
            if not 0 <= path_bytes <= bytes_max:
                raise self._error(position, f"a path of length {path_bytes}")
            if path_end + 72 > limit:
                break
            (data_bytes,) = int_at(buffer, path_end)
            data_start = path_end + 4
            data: bytes | None
            if data_bytes >= 0:
                data_end = data_start + data_bytes
                if data_end + 68 > limit:
                    break
                data = buffer[data_start:data_end]
            else:
                data = None
                data_end = data_start
            if not -1 <= data_bytes <= bytes_max:
                raise self._error(path_end, f"node data of length {data_bytes}")
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
            append(
                (
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
            )
        return self._read_incomplete(buffer, position)

    def _read_incomplete(self, buffer: bytes, position: int) -> int:
        """The end of the nodes, or a node of which a piece is missing: then says how much is wanted."""
        held = len(buffer) - position
        if buffer.startswith(SLASH, position):
            self._complete = True
            return position + len(SLASH)
        if held < 4:
            self._wanted = 4
            return position
        (path_bytes,) = _int.unpack_from(buffer, position)
        if not 0 <= path_bytes <= self._field_bytes_max:
            raise self._error(position, f"a path of length {path_bytes}")
        if held < 8 + path_bytes:
            self._wanted = len(SLASH) if path_bytes == 1 and held == 4 else 8 + path_bytes
            return position
        path_end = position + 4 + path_bytes
        (data_bytes,) = _int.unpack_from(buffer, path_end)
        if not -1 <= data_bytes <= self._field_bytes_max:
            raise self._error(path_end, f"node data of length {data_bytes}")
        self._wanted = 76 + path_bytes + max(data_bytes, 0)
        return position

    def _error(self, position: int, reason: str) -> TreeError:
        return TreeError(self._what, self._offset + position, reason)
