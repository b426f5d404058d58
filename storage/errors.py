"""What can go wrong with stored data, one class per reaction.

Every error says which file or folder it is about and what was seen there. `OSError` never leaves this
package: the disk door turns it into `DiskError` or `DiskFull`.
"""

from __future__ import annotations

import errno as errno_codes


class StorageError(Exception):
    """Stored data cannot be read or written as promised. The server must stop, or not start."""


class DiskError(StorageError):
    """A system call failed; nothing is known about what it left behind."""

    def __init__(self, operation: str, path: str, errno: int, reason: str) -> None:
        super().__init__(f"{operation} {path}: {reason}")
        self.operation = operation
        self.path = path
        self.errno = errno
        self.reason = reason


class DiskFull(DiskError):
    """No space left on the device, or the quota is used up."""


class Corrupt(StorageError):
    """A file holds something that no crash of a correct writer can leave behind.

    `offset` is the first byte that cannot be trusted. `zxid` is the last transaction read before it (a log)
    or the zxid in the file's name (a snapshot); -1 when there is none.
    """

    def __init__(self, file: str, offset: int, zxid: int, reason: str) -> None:
        super().__init__(f"{file} is damaged at offset {offset} (after zxid {_hex(zxid)}): {reason}")
        self.file = file
        self.offset = offset
        self.zxid = zxid
        self.reason = reason


class NoValidSnapshot(StorageError):
    """There is data, but no snapshot to start from: going on would present a tree with a hole in it."""

    def __init__(self, directory: str, reason: str) -> None:
        super().__init__(f"no valid snapshot in {directory}: {reason}")
        self.directory = directory
        self.reason = reason


class MisplacedFile(StorageError):
    """A snapshot in the log folder or a log in the snapshot folder: dataDir and dataLogDir were mixed up."""

    def __init__(self, path: str, expected_directory: str) -> None:
        super().__init__(
            f"{path} belongs into {expected_directory}: check that dataDir and dataLogDir are set correctly"
        )
        self.path = path
        self.expected_directory = expected_directory


class DirectoryInUse(StorageError):
    """Another server holds the lock of this data directory."""

    def __init__(self, directory: str, holder: str = "") -> None:
        by = f" by {holder}" if holder else ""
        super().__init__(f"data directory {directory} is in use{by}")
        self.directory = directory
        self.holder = holder


class DirectoryMissing(StorageError):
    """The data directory does not exist and `datadir.autocreate` is off."""

    def __init__(self, directory: str) -> None:
        super().__init__(f"data directory {directory} does not exist and datadir.autocreate is false")
        self.directory = directory


class EpochError(StorageError):
    """An epoch file holds no number, or one that cannot be true beside the other and the data."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class EpochUnreadable(EpochError):
    """An epoch file is there and holds no number."""


class LogFailed(StorageError):
    """An earlier write or sync of the transaction log failed, so nothing more is accepted.

    After a failed sync the kernel may have dropped the unwritten pages: a later sync that succeeds proves
    nothing. The process has to stop and read the disk again.
    """


class HistoryChanged(StorageError):
    """A snapshot was begun before history was shortened or replaced, so it must not be finished."""


class CannotTruncate(StorageError):
    """Nothing here leads to exactly the state behind the zxid that history should be cut back to."""


DISK_FULL_ERRNOS = frozenset({errno_codes.ENOSPC, errno_codes.EDQUOT})


def translate(error: OSError, operation: str, path: str) -> DiskError:
    """The error of this package for a failed system call."""
    number = error.errno or 0
    kind = DiskFull if number in DISK_FULL_ERRNOS else DiskError
    return kind(operation, path, number, error.strerror or str(error))


def _hex(zxid: int) -> str:
    return f"0x{zxid:x}" if zxid >= 0 else "none"
