"""The tree as it will be once every outstanding txn is applied (``PrepRequestProcessor.ChangeRecord``).

Preparation runs ahead of application by as many txns as wait for the disk. What they will do to a node is
kept in a change record on top of the applied tree, together with the tree digest they will lead to. A multi
that fails is taken back record by record.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from .acl import AclTuple
from .data_node import DataNode
from .data_tree import DataTree
from .digest import node_digest
from .errors import NoNode
from .pauses import pausing, slices


class ChangeRecord:
    """A node as some outstanding txn leaves it. Reads like a ``DataNode``; ``gone`` means deleted."""

    __slots__ = (
        "acl",
        "aversion",
        "child_count",
        "ctime",
        "cversion",
        "czxid",
        "data",
        "digest",
        "ephemeral_owner",
        "gone",
        "mtime",
        "mzxid",
        "path",
        "pzxid",
        "version",
        "zxid",
    )

    def __init__(
        self,
        zxid: int,
        path: str,
        data: bytes | None,
        acl: AclTuple,
        czxid: int,
        mzxid: int,
        ctime: int,
        mtime: int,
        version: int,
        cversion: int,
        aversion: int,
        ephemeral_owner: int,
        pzxid: int,
        child_count: int,
        digest: int,
    ) -> None:
        self.zxid = zxid
        self.path = path
        self.gone = False
        self.data = data
        self.acl = acl
        self.czxid = czxid
        self.mzxid = mzxid
        self.ctime = ctime
        self.mtime = mtime
        self.version = version
        self.cversion = cversion
        self.aversion = aversion
        self.ephemeral_owner = ephemeral_owner
        self.pzxid = pzxid
        self.child_count = child_count
        self.digest = digest


class OutstandingChanges:
    """Change records of all txns that are prepared and not yet applied."""

    def __init__(self, tree: DataTree) -> None:
        self.tree = tree
        self.queue: deque[ChangeRecord] = deque()
        self.by_path: dict[str, ChangeRecord] = {}
        self._by_owner: dict[int, deque[ChangeRecord]] = {}
        self.digest = tree.digest
        self._undo: list[tuple[str, ChangeRecord | None]] | None = None
        self._undo_digest = 0

    # -- reading ---------------------------------------------------------------------------------

    def view(self, path: str) -> ChangeRecord | DataNode:
        """The node as it will be. Raises NoNode if it is missing or about to go."""
        if path == "/":
            path = ""
        record = self.by_path.get(path)
        if record is not None:
            if record.gone:
                raise NoNode
            return record
        node = self.tree.nodes.get(path)
        if node is None:
            raise NoNode
        return node

    def exists(self, path: str) -> bool:
        """Will there be a node at ``path``?"""
        if path == "/":
            return True
        record = self.by_path.get(path)
        return not record.gone if record is not None else path in self.tree.nodes

    def ephemerals_of(self, session_id: int) -> list[str]:
        """Paths the session will own, applied ones first."""
        paths = dict.fromkeys(self.tree.ephemerals.get(session_id, ()))
        for record in self._by_owner.get(session_id, ()):
            if record.gone:
                paths.pop(record.path, None)
            else:
                paths[record.path] = None
        return list(paths)

    # -- changing --------------------------------------------------------------------------------

    def change(self, path: str, zxid: int, source: ChangeRecord | DataNode) -> ChangeRecord:
        """A record for ``path`` that this txn may alter; ``source`` is what ``view`` gave.

        Call ``stamp`` when the record is as the txn leaves it.
        """
        if path == "/":
            path = ""  # the root has two names, and must not have two records
        if type(source) is ChangeRecord and source.zxid == zxid and self._undo is None:
            return source
        record = ChangeRecord(
            zxid,
            path,
            source.data,
            source.acl,
            source.czxid,
            source.mzxid,
            source.ctime,
            source.mtime,
            source.version,
            source.cversion,
            source.aversion,
            source.ephemeral_owner,
            source.pzxid,
            source.child_count,
            source.digest,
        )
        self._put(record)
        return record

    def create(
        self,
        path: str,
        zxid: int,
        time_ms: int,
        data: bytes | None,
        acl: AclTuple,
        ephemeral_owner: int,
    ) -> None:
        """The txn makes a node."""
        record = ChangeRecord(
            zxid, path, data, acl, zxid, zxid, time_ms, time_ms, 0, 0, 0, ephemeral_owner, zxid, 0, 0
        )
        self._put(record)
        self.stamp(record)

    def delete(self, path: str, zxid: int, source: ChangeRecord | DataNode) -> None:
        """The txn removes a node."""
        owner = source.ephemeral_owner
        record = ChangeRecord(zxid, path, None, (), 0, 0, 0, 0, 0, 0, 0, owner, 0, 0, 0)
        record.gone = True
        self.digest -= source.digest
        self._put(record)

    def stamp(self, record: ChangeRecord) -> None:
        """Bring the digest up to date with an altered record."""
        if self.tree.digest_enabled:
            fresh = node_digest(record.path, record)
            self.digest += fresh - record.digest
            record.digest = fresh

    def _put(self, record: ChangeRecord) -> None:
        if self._undo is not None:
            self._undo.append((record.path, self.by_path.get(record.path)))
        self.by_path[record.path] = record
        self.queue.append(record)
        if record.ephemeral_owner:
            self._by_owner.setdefault(record.ephemeral_owner, deque()).append(record)

    # -- multi -----------------------------------------------------------------------------------

    def begin_multi(self) -> None:
        """From here on changes can be taken back."""
        self._undo = []
        self._undo_digest = self.digest

    def commit_multi(self) -> None:
        """The changes since ``begin_multi`` stay."""
        self._undo = None

    def rollback_multi(self) -> None:
        """Take back every change since ``begin_multi``."""
        assert self._undo is not None
        for path, previous in pausing(reversed(self._undo), self.tree.pauses.take):
            self._forget_owner(self.queue.pop(), newest=True)
            if previous is None:
                del self.by_path[path]
            else:
                self.by_path[path] = previous
        self.digest = self._undo_digest
        self._undo = None

    # -- application -----------------------------------------------------------------------------

    def take(self, zxid: int) -> dict[str, int]:
        """The txn is about to be applied: its records go; their digests by path are returned.

        With them the tree need not compute again what preparation computed from the same values.
        """
        queue, by_path = self.queue, self.by_path
        digests: dict[str, int] = {}
        count = 0
        while queue and queue[0].zxid <= zxid:
            record = queue.popleft()
            count += 1
            if not count & 1023:
                self.tree.pauses.take()
            path = record.path
            digests[path] = record.digest
            if record.ephemeral_owner:
                self._forget_owner(record, newest=False)
            if by_path.get(path) is record:
                del by_path[path]
        return digests

    def discard(self, zxid: int, digest: int) -> None:
        """Preparation of this txn broke off: its records go, and the digest is as before."""
        self._undo = None
        pause = self.tree.pauses.take
        paths: set[str] = set()
        count = 0
        while self.queue and self.queue[-1].zxid == zxid:
            record = self.queue.pop()
            self._forget_owner(record, newest=True)
            self.by_path.pop(record.path, None)
            paths.add(record.path)
            count += 1
            if not count & 1023:
                pause()
        if paths:
            for part in slices(self.queue, pause):
                for older in part:
                    if older.path in paths:
                        self.by_path[older.path] = older
        self.digest = digest

    def _forget_owner(self, record: ChangeRecord, *, newest: bool) -> None:
        """Take a record that leaves the queue's end out of its owner's list."""
        owner = record.ephemeral_owner
        if owner:
            records = self._by_owner[owner]
            if newest:
                records.pop()
            else:
                records.popleft()
            if not records:
                del self._by_owner[owner]

    def __iter__(self) -> Iterator[ChangeRecord]:
        return iter(self.queue)
