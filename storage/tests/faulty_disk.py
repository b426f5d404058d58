"""A simulated disk on which one call fails, or every call from then on: EIO, ENOSPC, or after half a write.

Every call counts, reading ones too. A sync that fails loses what it should have made durable: the kernel
shows it until the machine is restarted, and takes it for written. ENOSPC meets only calls that need room.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final

from zoolet.storage.disk import File, Lock
from zoolet.storage.errors import DiskError
from zoolet.storage.sim_disk import SimDisk, SimFile, disk_full, io_error


class Fault(Enum):
    """How a call fails."""

    IO_ERROR = "EIO"
    DISK_FULL = "ENOSPC"
    SHORT_WRITE = "short write"


NEEDS_ROOM: Final = frozenset({"create", "write", "sync", "create directory", "rename", "truncate", "close"})


class FaultyDisk:
    """A door in front of `base`. Calls are counted from 1; the one with the number `fail_at` fails."""

    def __init__(self, base: SimDisk, fault: Fault, fail_at: int, *, for_good: bool) -> None:
        self.base = base
        self.fault = fault
        self.fail_at = fail_at
        self.for_good = for_good
        self.calls = 0
        self.failed: list[str] = []
        """Operation and path of each call that failed."""

    def note(self, what: object) -> None:
        """Nobody replays this."""

    def should_fail(self, operation: str, path: str) -> DiskError | None:
        """Count a call; the error if it is to fail."""
        if self.fault is Fault.DISK_FULL and operation not in NEEDS_ROOM:
            return None
        if self.fault is Fault.SHORT_WRITE and operation != "write":
            return None
        self.calls += 1
        if self.calls == self.fail_at or (self.failed and self.for_good):
            self.failed.append(f"{operation} {path}")
            return disk_full(operation, path) if self.fault is Fault.DISK_FULL else io_error(operation, path)
        return None

    def _guard(self, operation: str, path: str) -> None:
        if (error := self.should_fail(operation, path)) is not None:
            raise error

    # The door

    def open(self, path: str, *, writable: bool = False) -> File:
        self._guard("open", path)
        return _FaultyFile(self, self.base.open(path, writable=writable), path)

    def create(self, path: str) -> File:
        self._guard("create", path)
        return _FaultyFile(self, self.base.create(path), path)

    def exists(self, path: str) -> bool:
        self._guard("stat", path)
        return self.base.exists(path)

    def listdir(self, path: str) -> list[str]:
        self._guard("list", path)
        return self.base.listdir(path)

    def rename(self, source: str, target: str) -> None:
        self._guard("rename", source)
        self.base.rename(source, target)

    def unlink(self, path: str) -> None:
        self._guard("remove", path)
        self.base.unlink(path)

    def makedirs(self, path: str) -> None:
        self._guard("create directory", path)
        self.base.makedirs(path)

    def fsync_dir(self, path: str) -> None:
        self._guard("sync directory", path)
        self.base.fsync_dir(path)

    def lock(self, path: str, *, directory: str) -> Lock:
        self._guard("lock", path)
        return self.base.lock(path, directory=directory)


class _FaultyFile:
    def __init__(self, disk: FaultyDisk, file: SimFile, path: str) -> None:
        self._disk = disk
        self._file = file
        self._path = path
        self.next_data: Callable[[int], int] = file.next_data
        self._is_open = True

    def size(self) -> int:
        self._disk._guard("stat", self._path)
        return self._file.size()

    def pread(self, length: int, offset: int) -> bytes:
        self._disk._guard("read", self._path)
        return self._file.pread(length, offset)

    def pwrite(self, data: bytes, offset: int) -> None:
        error = self._disk.should_fail("write", self._path)
        if error is None:
            self._file.pwrite(data, offset)
            return
        if self._disk.fault is not Fault.IO_ERROR:
            self._file.pwrite(data[: len(data) // 2], offset)
        raise error

    def truncate(self, size: int) -> None:
        self._disk._guard("truncate", self._path)
        self._file.truncate(size)

    def fdatasync(self) -> None:
        error = self._disk.should_fail("sync", self._path)
        if error is not None:
            # Data is lost. Lengths are in the journal, and a file system that loses that stops altogether.
            pending = self._file._inode.pending
            pending[:] = [change for change in pending if change[0] == "truncate"]
            raise error
        self._file.fdatasync()

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._disk._guard("close", self._path)
