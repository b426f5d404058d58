"""The bytes of a tree, both ways: what snapshot files and the snapshots between servers have in common. Pure.

    tree     := sessions, acls, node*, "/" (ustring)
    sessions := count (int), (session id (long), timeout ms (int))*
    acls     := count (int), (acl id (long), vector of ACL)*        the open ACL is id -1 and not listed
    node     := path (ustring), data (buffer), acl id (long), StatPersisted (60 bytes)     root path: ""

A parent comes before its children. What is around the tree is in `snapshot.py` (files) and
`snapshot_stream.py` (between servers).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from struct import Struct
from sys import maxsize
from typing import Any, Final

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
_LAYOUTS_MAX: Final = 1024  # pairs of lengths that are remembered
_RUN_MAX: Final = 256
_ACL_BYTES_MAX: Final = 8 << 20  # no single entry is longer than a request


def node_layout(path_bytes: int, data_bytes: int) -> Struct:
    """A node whose path and data have these lengths, field by field; the lengths themselves are fields."""
    return Struct(f">i{path_bytes}si{max(data_bytes, 0)}sqqqqqiiiqq")


class TreeError(StorageError):
    """Bytes that are no tree; `offset` counts from the tree's first byte."""

    def __init__(self, what: str, offset: int, reason: str) -> None:
        super().__init__(f"{what} is malformed at byte {offset}: {reason}")
        self.offset = offset
        self.reason = reason


class TreeEncoder:
    """Turns sessions, ACLs and nodes into chunks of bytes.

    Call `start`, then `add_nodes` until all are in; `take_chunk` hands over what has come together.
    """

    __slots__ = ("_layouts", "_parts", "held_bytes")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._layouts: dict[int, Struct] = {}  # by the lengths of path and data
        self.held_bytes = 0
        """How long the next chunk is so far."""

    def start(self, sessions: Mapping[int, int], acls: Mapping[int, Iterable[ACL]]) -> None:
        """Sessions as id -> timeout in ms; ACLs as id -> list, without the open ACL (id -1)."""
        for _ in self.starting(sessions, acls):
            pass

    def starting(self, sessions: Mapping[int, int], acls: Mapping[int, Iterable[ACL]]) -> Iterator[None]:
        """As `start`, in small steps; what is given must not change in between."""
        self._add(_int.pack(len(sessions)))
        for count, entry in enumerate(sessions.items()):
            self._add(_session.pack(*entry))
            if not count & 63:
                yield
        self._add(_int.pack(len(acls)))
        for acl_id, acl in acls.items():
            entries = [entry.encode() for entry in acl]
            self._add(_session.pack(acl_id, len(entries)) + b"".join(entries))
            yield

    def add_nodes(self, rows: Iterator[NodeTuple], bytes_max: int, nodes_max: int = maxsize) -> bool:
        """Take nodes until the next chunk is so long, or so many were taken; False when none are left.

        The root's path is "". Times in ms, `cversion` is the stored creation counter.
        """
        # Less than a microsecond per node, so what is the same for all is done once: how fields are packed
        # follows from the lengths of path and data.
        append, layouts, held = self._parts.append, self._layouts, self.held_bytes
        pack: Callable[..., bytes] = _int.pack
        last = size = -1
        for (
            path,
            data,
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
        ) in rows:
            encoded = path.encode() if path.isascii() else encode_utf8(path)
            path_bytes = len(encoded)
            data_bytes = -1 if data is None else len(data)
            lengths = path_bytes << 32 | data_bytes & 0xFFFFFFFF
            if lengths != last:
                layout = layouts.get(lengths)
                if layout is None:
                    layout = node_layout(path_bytes, data_bytes)
                    if len(layouts) < _LAYOUTS_MAX:
                        layouts[lengths] = layout
                pack, size, last = layout.pack, layout.size, lengths
            append(
                pack(
                    path_bytes,
                    encoded,
                    data_bytes,
                    data or b"",
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
            held += size
            nodes_max -= 1
            if not nodes_max or held >= bytes_max:
                self.held_bytes = held
                return True
        self.held_bytes = held
        return False

    def add_node(self, *row: *NodeTuple) -> None:
        """One node."""
        self.add_nodes(iter((row,)), 0)

    def _add(self, part: bytes) -> None:
        self._parts.append(part)
        self.held_bytes += len(part)

    def take_chunk(self) -> bytes:
        """The bytes that came together since the last call; they follow the earlier ones."""
        chunk = b"".join(self._parts)
        self._parts.clear()
        self.held_bytes = 0
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
        self._layouts: dict[int, Struct] = {}  # by the lengths of path and data
        self._last_time = 0
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
        # Less than a microsecond per node, so everything is local. Neighbours often have paths and data of
        # the same lengths: as many as had that last time are unpacked in one go.
        int_at, layouts, bytes_max = _int.unpack_from, self._layouts, self._field_bytes_max
        view = memoryview(buffer)
        limit = len(buffer)
        run = 1
        while position + 76 <= limit:
            (path_bytes,) = int_at(buffer, position)
            path_end = position + 4 + path_bytes
            if path_bytes == 1 and buffer[position + 4] == 0x2F:
                break
            if not 0 <= path_bytes <= bytes_max:
                raise self._error(position, f"a path of length {path_bytes}")
            if path_end + 72 > limit:
                break
            (data_bytes,) = int_at(buffer, path_end)
            if path_end + 72 + data_bytes > limit:
                break
            if not -1 <= data_bytes <= bytes_max:
                raise self._error(path_end, f"node data of length {data_bytes}")
            lengths = path_bytes << 32 | data_bytes & 0xFFFFFFFF
            layout = layouts.get(lengths)
            if layout is None:
                layout = node_layout(path_bytes, data_bytes)
                if len(layouts) < _LAYOUTS_MAX:
                    layouts[lengths] = layout
            size = layout.size
            count = min(run, (limit - position) // size) if path_bytes > 1 else 1
            taken = self._unpack(layout.iter_unpack(view[position : position + count * size]))
            position += taken * size
            run = min(2 * run, _RUN_MAX) if taken == run else max(taken, 1)
        return self._read_incomplete(buffer, position)

    def _unpack(self, fields: Iterator[tuple[Any, ...]]) -> int:
        """Nodes with paths and data as long as the first one's. Returns how many there are at the start."""
        nodes, owners, acl_ids = self._nodes, self._owners, self._acl_ids
        append = nodes.append
        before = len(nodes)
        last_time = self._last_time
        path_bytes = data_bytes = -2
        for (
            path_length,
            path,
            data_length,
            data,
            acl_id,
            czxid,
            mzxid,
            ctime,
            mtime,
            version,
            cversion,
            aversion,
            owner,
            pzxid,
        ) in fields:
            if path_length != path_bytes or data_length != data_bytes:
                if path_bytes != -2:
                    break
                path_bytes, data_bytes = path_length, data_length
            if mzxid == czxid:
                mzxid = czxid
            if pzxid == czxid:
                pzxid = czxid
            if ctime == last_time:
                ctime = last_time
            if mtime == ctime:
                mtime = ctime
            last_time = ctime
            if owner:
                owner = owners.setdefault(owner, owner)
            try:
                text = path.decode()
            except UnicodeDecodeError:
                text = decode_utf8(path)
            append(
                (
                    text,
                    data if data_length >= 0 else None,
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
        self._last_time = last_time
        return len(nodes) - before

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
