"""Who is told what when the tree changes.

Two tables as in the original (``WatchManager`` twice): the data table holds getData, exists, persistent
and persistent-recursive watches; the child table holds getChildren and persistent watches. One watcher has
at most one entry per path and table, whose modes add up (3.9). An event is encoded once, whoever gets it.

Sources: ``WatchManager``, ``DataTree.createNode/deleteNode/setData``, ``DataTree.setWatches``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from struct import Struct
from typing import Final, Protocol

from ..jute.codes import XID_NOTIFICATION, EventType, KeeperState, WatcherType
from ..jute.proto import WatcherEvent
from .acl import AclTuple
from .metrics import Summary
from .pauses import Pauses, with_pauses

STANDARD: Final = 1
PERSISTENT: Final = 2
RECURSIVE: Final = 4
_ANY: Final = STANDARD | PERSISTENT | RECURSIVE

NO_ZXID: Final = -1
"""Zxid in the header of catch-up events made by setWatches (``WatchedEvent.NO_ZXID``)."""

_NOTIFICATION: Final = Struct(">iiqi")


class Watcher(Protocol):
    """A connection, as the watch tables see it."""

    @property
    def session_id(self) -> int:
        """Whose connection it is."""

    def notify(self, frame: bytes, acl: AclTuple | None) -> None:
        """Queue an encoded event, unless ``acl`` denies this watcher to read the node."""


def encode_event(kind: EventType, path: str, zxid: int) -> bytes:
    """A whole notification frame: length, reply header with xid -1, ``WatcherEvent``."""
    body = WatcherEvent(kind, KeeperState.SYNC_CONNECTED, path).encode()
    return _NOTIFICATION.pack(16 + len(body), XID_NOTIFICATION, zxid, 0) + body


PATH_BYTES: Final = 230
"""What a path with watches takes in a table,"""
WATCH_BYTES: Final = 150
"""and what each watch on it takes besides the letters of its path."""


class Account:
    """About how much memory both tables take, and what happens when it is too much."""

    __slots__ = ("bytes", "bytes_max", "pauses", "relieve")

    def __init__(self) -> None:
        self.pauses = Pauses()
        self.bytes = 0
        self.bytes_max = sys.maxsize
        self.relieve: Callable[[Watcher], None] = lambda watcher: None
        """Called with whoever added a watch beyond ``bytes_max``. It may raise KeeperError."""


class WatchTable:
    """One table of watches: path -> watcher -> modes, and back for when a connection goes.

    Args:
        account: where its memory is added up.
    """

    def __init__(self, account: Account | None = None) -> None:
        self._account = account or Account()
        self.paths: dict[str | None, dict[Watcher, int]] = {}
        self.watchers: dict[Watcher, dict[str | None, None]] = {}
        self.recursive_count = 0

    def add(self, path: str | None, watcher: Watcher, mode: int) -> None:
        """Register; a mode that is already there changes nothing."""
        entries = self.paths.get(path)
        if entries is None:
            entries = self.paths[path] = {}
            self._account.bytes += PATH_BYTES
        modes = entries.get(watcher, 0)
        if modes & mode:
            return
        entries[watcher] = modes | mode
        if mode == RECURSIVE:
            self.recursive_count += 1
        if not modes:
            mine = self.watchers.get(watcher)
            if mine is None:
                mine = self.watchers[watcher] = {}
            mine[path] = None
            account = self._account
            account.bytes += WATCH_BYTES + len(path or "")
            if account.bytes > account.bytes_max:
                account.relieve(watcher)

    def remove(self, path: str | None, watcher: Watcher, mask: int) -> bool:
        """Drop the modes in ``mask``; True if any of them was there."""
        entries = self.paths.get(path)
        modes = entries.get(watcher, 0) if entries else 0
        if not modes & mask:
            return False
        assert entries is not None
        if modes & mask & RECURSIVE:
            self.recursive_count -= 1
        left = modes & ~mask
        if left:
            entries[watcher] = left
        else:
            del entries[watcher]
            if not entries:
                self._drop_path(path)
            self._forget(watcher, path)
        return True

    def _forget(self, watcher: Watcher, path: str | None) -> None:
        mine = self.watchers[watcher]
        del mine[path]
        self._account.bytes -= WATCH_BYTES + len(path or "")
        if not mine:
            del self.watchers[watcher]

    def remove_watcher(self, watcher: Watcher) -> None:
        """Drop everything a connection registered."""
        for path in with_pauses(self.watchers.pop(watcher, ()), self._account.pauses.take):
            entries = self.paths[path]
            if entries.pop(watcher) & RECURSIVE:
                self.recursive_count -= 1
            self._account.bytes -= WATCH_BYTES + len(path or "")
            if not entries:
                self._drop_path(path)

    def _drop_path(self, path: str | None) -> None:
        del self.paths[path]
        self._account.bytes -= PATH_BYTES

    def bytes_of(self, watcher: Watcher) -> int:
        """About what its watches take."""
        paths = with_pauses(self.watchers.get(watcher, ()), self._account.pauses.take)
        return sum(WATCH_BYTES + len(path or "") for path in paths)

    def modes(self, path: str | None, watcher: Watcher) -> int:
        """Modes registered for this watcher at this path; 0 for none."""
        entries = self.paths.get(path)
        return entries.get(watcher, 0) if entries else 0

    def take(self, path: str) -> dict[Watcher, None] | None:
        """Watchers to tell of a change at ``path``, in order of registration; one-shot ones are used up.

        Recursive watches of every ancestor count as well.
        """
        entries = self.paths.get(path)
        if not entries and not self.recursive_count:
            return None
        found: dict[Watcher, None] = {}
        if entries:
            found.update(dict.fromkeys(entries))
            for watcher, modes in list(entries.items()):
                if modes == STANDARD:
                    del entries[watcher]
                    # A connection without watches still counts in `wchs`, as in the original.
                    del self.watchers[watcher][path]
                    self._account.bytes -= WATCH_BYTES + len(path)
                elif modes & STANDARD:
                    entries[watcher] = modes & ~STANDARD
            if not entries:
                self._drop_path(path)
        if self.recursive_count:
            for ancestor in _ancestors(path):
                above = self.paths.get(ancestor)
                if above:
                    found.update((watcher, None) for watcher, modes in above.items() if modes & RECURSIVE)
        return found or None

    @property
    def count(self) -> int:
        """Watches in the table: pairs of watcher and path."""
        return sum(map(len, self.paths.values()))


def _ancestors(path: str) -> Iterator[str]:
    """Proper ancestors, nearest first; the root is named "/" (``PathParentIterator``)."""
    end = len(path)
    while True:
        end = path.rfind("/", 0, end)
        if end <= 0:
            if path != "/":
                yield "/"
            return
        yield path[:end]


class Watches:
    """Both tables, and the events that changes of the tree set off."""

    def __init__(self) -> None:
        self.account = Account()
        self.data = WatchTable(self.account)
        self.children = WatchTable(self.account)
        self.fired = [Summary() for _ in range(EventType.NODE_CHILDREN_CHANGED + 1)]
        """How many watchers each event had, by the number of its kind."""

    def greediest(self) -> list[Watcher]:
        """Whoever has watches, the one with most of the memory first."""
        watchers = {**self.data.watchers, **self.children.watchers}
        sizes = {each: self.data.bytes_of(each) + self.children.bytes_of(each) for each in watchers}
        return sorted(watchers, key=lambda watcher: -sizes[watcher])

    @property
    def empty(self) -> bool:
        return not self.data.paths and not self.children.paths

    def node_created(self, path: str, zxid: int, acl: AclTuple, parent: str, parent_acl: AclTuple) -> None:
        self._trigger(self.data, path, EventType.NODE_CREATED, zxid, acl)
        self._trigger(self.children, parent or "/", EventType.NODE_CHILDREN_CHANGED, zxid, parent_acl)

    def node_deleted(self, path: str, zxid: int, acl: AclTuple, parent: str, parent_acl: AclTuple) -> None:
        told = self._trigger(self.data, path, EventType.NODE_DELETED, zxid, acl)
        self._trigger(self.children, path, EventType.NODE_DELETED, zxid, acl, told)
        self._trigger(self.children, parent or "/", EventType.NODE_CHILDREN_CHANGED, zxid, parent_acl)

    def data_changed(self, path: str, zxid: int, acl: AclTuple) -> None:
        self._trigger(self.data, path, EventType.NODE_DATA_CHANGED, zxid, acl)

    def _trigger(
        self,
        table: WatchTable,
        path: str,
        kind: EventType,
        zxid: int,
        acl: AclTuple,
        told: dict[Watcher, None] | None = None,
    ) -> dict[Watcher, None] | None:
        """Tell everyone who watches; watchers in ``told`` heard of this change already."""
        watchers = table.take(path)
        if watchers is None:
            return None
        self.fired[kind].add(len(watchers))
        frame = encode_event(kind, path, zxid)
        for watcher in with_pauses(watchers, self.account.pauses.take):
            if told is None or watcher not in told:
                watcher.notify(frame, acl)
        return watchers

    def add_persistent(self, path: str | None, watcher: Watcher) -> None:
        self.data.add(path, watcher, PERSISTENT)
        self.children.add(path, watcher, PERSISTENT)

    def add_recursive(self, path: str | None, watcher: Watcher) -> None:
        self.data.add(path, watcher, RECURSIVE)

    def contains(self, path: str | None, kind: WatcherType, watcher: Watcher) -> bool:
        """Is there a watch of this type (``checkWatches``)?"""
        return any(table.modes(path, watcher) & mask for table, mask in self._selection(kind))

    def remove(self, path: str | None, kind: WatcherType, watcher: Watcher) -> bool:
        """Remove watches of this type; False if there were none (``removeWatches``)."""
        removed = [table.remove(path, watcher, mask) for table, mask in self._selection(kind)]
        return any(removed)

    def _selection(self, kind: WatcherType) -> tuple[tuple[WatchTable, int], ...]:
        if kind is WatcherType.CHILDREN:
            return ((self.children, STANDARD),)
        if kind is WatcherType.DATA:
            return ((self.data, STANDARD),)
        if kind is WatcherType.PERSISTENT:
            return ((self.children, PERSISTENT), (self.data, PERSISTENT))
        if kind is WatcherType.PERSISTENT_RECURSIVE:
            return ((self.data, RECURSIVE),)
        return ((self.children, _ANY), (self.data, _ANY))

    def remove_watcher(self, watcher: Watcher) -> None:
        """Forget a connection that is gone."""
        self.data.remove_watcher(watcher)
        self.children.remove_watcher(watcher)
