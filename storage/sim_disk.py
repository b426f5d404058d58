"""A disk in memory that keeps two images: what programs see, and what would be left after a crash. For tests.

Bytes become durable with `fdatasync` of their file, names with `fsync_dir` of their directory. Until then a
crash keeps any prefix of what was done since, and may cut the last write that survives in two. Directories
themselves are durable at once.

Faults: `crash_at` ends the world at the n-th change with `Crashed`; `fail_at` makes the n-th change fail with
an error. A sync that fails loses what it should have made durable: the kernel marks the pages clean, and a
later sync that succeeds does not write them.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from .errors import DirectoryInUse, DiskError, DiskFull

Change = tuple[str, int, bytes]  # ("write", offset, data) or ("truncate", size, b"")


class Crashed(BaseException):
    """The machine lost power."""


class Inode:
    """Contents of a file, live and durable, and the changes in between.

    Attributes:
        touched_from: lowest offset at which the durable contents changed; whoever reads them and keeps what
            it has found sets it back to ``UNTOUCHED``.
    """

    __slots__ = ("durable", "live", "pending", "touched_from")

    def __init__(self, contents: bytes | bytearray = b"") -> None:
        self.live = bytearray(contents)
        self.durable = bytearray(contents)
        self.pending: list[Change] = []
        self.touched_from = 0

    def sync(self) -> None:
        """Make what is pending durable."""
        for change in self.pending:
            _apply(self.durable, change)
            if change[1] < self.touched_from:
                self.touched_from = change[1]
        self.pending.clear()


UNTOUCHED: Final = 1 << 62


def _apply(image: bytearray, change: Change) -> None:
    kind, offset, data = change
    if kind == "truncate":
        del image[offset:]
        image.extend(bytes(offset - len(image)))
    else:
        image.extend(bytes(max(0, offset - len(image))))
        image[offset : offset + len(data)] = data


@dataclass(frozen=True)
class Survival:
    """What a crash leaves of the changes that were not synced.

    Per file the first `writes` changes survive, and of the next one, if it is a write, `torn_bytes` bytes.
    Per directory the first `names` changes of names survive. Large numbers mean all.
    """

    writes: int = 0
    torn_bytes: int = 0
    names: int = 0


LOSE_ALL = Survival()
KEEP_ALL = Survival(writes=1 << 30, names=1 << 30)


class SimDisk:
    """See the module. Paths are any strings with slashes; nothing outside of memory is touched."""

    def __init__(self) -> None:
        self.names: dict[str, Inode] = {}
        self.durable_names: dict[str, Inode] = {}
        self.pending_names: dict[str, list[tuple[str, Inode | None]]] = {}
        self.directories: set[str] = {"/"}
        self.locked: set[str] = set()
        self.changes = 0
        """How many changing calls were made."""
        self.syncs = 0
        self.name_syncs = 0
        """How often durable names may have changed."""
        self.crash_at = -1
        self.fail_at = -1
        self.error: Callable[[str, str], DiskError] = io_error
        self.fail_reads: set[str] = set()

    # The door

    def open(self, path: str, *, writable: bool = False) -> SimFile:
        if path not in self.names:
            raise DiskError("open", path, errno.ENOENT, "No such file or directory")
        return SimFile(self, self.names[path], path, writable=writable)

    def create(self, path: str) -> SimFile:
        self.step("create", path)
        inode = self.names.get(path)
        if inode is None:
            inode = Inode()
            self._name(path, inode)
        else:
            self._change(inode, ("truncate", 0, b""))
        return SimFile(self, inode, path, writable=True)

    def exists(self, path: str) -> bool:
        return path in self.names or path in self.directories

    def listdir(self, path: str) -> list[str]:
        if path not in self.directories:
            raise DiskError("list", path, errno.ENOENT, "No such file or directory")
        prefix = path.rstrip("/") + "/"
        below = [name for name in (*self.names, *self.directories) if name.startswith(prefix)]
        return sorted({name[len(prefix) :].split("/")[0] for name in below} - {""})

    def rename(self, source: str, target: str) -> None:
        self.step("rename", source)
        inode = self.names[source]
        del self.names[source]
        self.names[target] = inode
        # One change of the directory: a crash never leaves both names or neither.
        self._pending(source).append((f"{source}\0{target}", inode))

    def unlink(self, path: str) -> None:
        self.step("remove", path)
        if path not in self.names:
            raise DiskError("remove", path, errno.ENOENT, "No such file or directory")
        self._name(path, None)

    def makedirs(self, path: str) -> None:
        self.step("create directory", path)
        while path not in self.directories:
            self.directories.add(path)
            path = path.rpartition("/")[0] or "/"

    def fsync_dir(self, path: str) -> None:
        self.step("sync directory", path)
        self.syncs += 1
        self.name_syncs += 1
        for change in self.pending_names.pop(path, []):
            _rename_durably(self.durable_names, change)

    def lock(self, path: str, *, directory: str) -> SimLock:
        if path in self.locked:
            raise DirectoryInUse(directory, "process 1")
        if path not in self.names:
            self.create(path)
        self.locked.add(path)
        return SimLock(self, path)

    # The world

    def crashed(self, survival: Survival | Callable[[], Survival] = LOSE_ALL) -> SimDisk:
        """The disk as the next process finds it. This one can go on being used.

        Args:
            survival: what is left, or a function that says so for each file and each directory.
        """
        after = SimDisk()
        after.directories = set(self.directories)
        names = dict(self.durable_names)
        for changes in self.pending_names.values():
            left = survival() if callable(survival) else survival
            for name_change in changes[: left.names]:
                _rename_durably(names, name_change)
        for path, inode in names.items():
            image = inode.durable
            if inode.pending:
                left = survival() if callable(survival) else survival
                image = bytearray(image)
                for change in inode.pending[: left.writes]:
                    _apply(image, change)
                for kind, offset, data in inode.pending[left.writes : left.writes + 1]:
                    if kind == "write":
                        _apply(image, (kind, offset, data[: left.torn_bytes]))
            after.put(path, image)
        return after

    def put(self, path: str, data: bytes | bytearray) -> None:
        """Place a file, durably and without counting as a change."""
        inode = Inode(data)
        self.names[path] = self.durable_names[path] = inode
        directory = path.rpartition("/")[0]
        while directory not in self.directories:
            self.directories.add(directory)
            directory = directory.rpartition("/")[0] or "/"

    def rot(self, path: str, offset: int, data: bytes) -> None:
        """The medium loses what it held there, synced or not, and nobody is told; the length stays."""
        inode = self.names[path]
        for image in (inode.live, inode.durable):
            left = max(len(image) - offset, 0)
            image[offset : offset + len(data)] = data[:left]
        inode.touched_from = min(inode.touched_from, offset)

    def lose(self, path: str) -> None:
        """The medium loses a file, and nobody is told."""
        del self.names[path], self.durable_names[path]
        self.name_syncs += 1

    def get(self, path: str) -> bytes:
        """The live contents of a file."""
        return bytes(self.names[path].live)

    def step(self, operation: str, path: str) -> None:
        """Count a changing call; crash or fail if it is the one."""
        self.changes += 1
        if self.changes == self.crash_at:
            raise Crashed
        if self.changes == self.fail_at:
            raise self.error(operation, path)

    def _pending(self, path: str) -> list[tuple[str, Inode | None]]:
        return self.pending_names.setdefault(path.rpartition("/")[0], [])

    def _name(self, path: str, inode: Inode | None) -> None:
        if inode is None:
            del self.names[path]
        else:
            self.names[path] = inode
        self._pending(path).append((path, inode))

    def _change(self, inode: Inode, change: Change) -> None:
        _apply(inode.live, change)
        inode.pending.append(change)


def _rename_durably(names: dict[str, Inode], change: tuple[str, Inode | None]) -> None:
    name, inode = change
    source, _, target = name.rpartition("\0")
    names.pop(source, None)
    if inode is None:
        names.pop(target, None)
    else:
        names[target] = inode


class SimFile:
    """An open file of a `SimDisk`."""

    def __init__(self, disk: SimDisk, inode: Inode, path: str, *, writable: bool) -> None:
        self._disk = disk
        self._inode = inode
        self._path = path
        self._writable = writable

    def size(self) -> int:
        return len(self._inode.live)

    def pread(self, length: int, offset: int) -> bytes:
        if self._path in self._disk.fail_reads:
            raise io_error("read", self._path)
        return bytes(self._inode.live[offset : offset + length])

    def pwrite(self, data: bytes, offset: int) -> None:
        self._check_writable()
        try:
            self._disk.step("write", self._path)
        except DiskFull:
            # What fits is written: the file ends up with half of it.
            self._disk._change(self._inode, ("write", offset, data[: len(data) // 2]))
            raise
        self._disk._change(self._inode, ("write", offset, bytes(data)))

    def next_data(self, offset: int) -> int:
        return offset

    def truncate(self, size: int) -> None:
        self._check_writable()
        self._disk.step("truncate", self._path)
        self._disk._change(self._inode, ("truncate", size, b""))

    def fdatasync(self) -> None:
        inode = self._inode
        try:
            self._disk.step("sync", self._path)
        except DiskError:
            inode.pending.clear()
            raise
        self._disk.syncs += 1
        inode.sync()

    def close(self) -> None:
        pass

    def _check_writable(self) -> None:
        if not self._writable:
            raise DiskError("write", self._path, errno.EBADF, "Bad file descriptor")


class SimLock:
    """A lock on a `SimDisk`."""

    def __init__(self, disk: SimDisk, path: str) -> None:
        self._disk = disk
        self._path = path

    def release(self) -> None:
        self._disk.locked.discard(self._path)


def io_error(operation: str, path: str) -> DiskError:
    return DiskError(operation, path, errno.EIO, "Input/output error")


def disk_full(operation: str, path: str) -> DiskError:
    return DiskFull(operation, path, errno.ENOSPC, "No space left on device")
