"""The disk door on the operating system's own calls.

Every call blocks; the server runs the slow ones (`pwrite`, `fdatasync`, `fsync_dir`) on its log thread, where
they release the interpreter lock.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat

from .errors import DirectoryInUse, DiskError, translate

# macOS has no fdatasync; its fsync is the nearest call.
_datasync = getattr(os, "fdatasync", os.fsync)
_SEEK_DATA: int | None = getattr(os, "SEEK_DATA", None)


class RealFile:
    """A file descriptor and the path it was opened with."""

    __slots__ = ("_fd", "_path")

    def __init__(self, fd: int, path: str) -> None:
        self._fd = fd
        self._path = path

    def _error(self, error: OSError, operation: str) -> DiskError:
        """What failed, and on which file: by the name it has now, which may be another than it was given."""
        path = self._path
        if not os.path.exists(path):
            with contextlib.suppress(OSError):
                path = os.readlink(f"/proc/self/fd/{self._fd}")
        return translate(error, operation, path)

    def size(self) -> int:
        try:
            return os.fstat(self._fd).st_size
        except OSError as error:
            raise self._error(error, "stat") from error

    def pread(self, length: int, offset: int) -> bytes:
        try:
            data = os.pread(self._fd, length, offset)
            if len(data) == length or not data:
                return data
            parts = [data]
            got = len(data)
            while got < length and (more := os.pread(self._fd, length - got, offset + got)):
                parts.append(more)
                got += len(more)
            return b"".join(parts)
        except OSError as error:
            raise self._error(error, "read") from error

    def pwrite(self, data: bytes, offset: int) -> None:
        try:
            written = os.pwrite(self._fd, data, offset)
            if written == len(data):
                return
            rest = memoryview(data)
            while written < len(rest):
                # A short write is followed by the real error (usually ENOSPC) on the next call.
                written += os.pwrite(self._fd, rest[written:], offset + written)
        except OSError as error:
            raise self._error(error, "write") from error

    def next_data(self, offset: int) -> int:
        if _SEEK_DATA is None:
            return offset
        try:
            return os.lseek(self._fd, offset, _SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole up to the end
                return max(offset, self.size())
            return offset  # a file system without holes

    def truncate(self, size: int) -> None:
        try:
            os.ftruncate(self._fd, size)
        except OSError as error:
            raise self._error(error, "truncate") from error

    def fdatasync(self) -> None:
        try:
            _datasync(self._fd)
        except OSError as error:
            raise self._error(error, "sync") from error

    def close(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            try:
                os.close(fd)
            except OSError as error:  # a file system that tells of failed writes only now
                raise translate(error, "close", self._path) from error


class RealLock:
    """A BSD file lock: released by `release`, or by the kernel when the process dies."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def release(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)


class RealDisk:
    """The file system of this machine."""

    __slots__ = ()

    def open(self, path: str, *, writable: bool = False) -> RealFile:
        flags = os.O_RDWR if writable else os.O_RDONLY
        try:
            fd = os.open(path, flags | os.O_CLOEXEC)
        except OSError as error:
            raise translate(error, "open", path) from error
        return RealFile(fd, path)

    def create(self, path: str) -> RealFile:
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise translate(error, "create", path) from error
        return RealFile(fd, path)

    def exists(self, path: str) -> bool:
        try:
            os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise translate(error, "stat", path) from error
        return True

    def listdir(self, path: str) -> list[str]:
        try:
            return sorted(os.listdir(path))
        except OSError as error:
            raise translate(error, "list", path) from error

    def rename(self, source: str, target: str) -> None:
        try:
            os.replace(source, target)
        except OSError as error:
            raise translate(error, "rename", source) from error

    def unlink(self, path: str) -> None:
        try:
            os.unlink(path)
        except OSError as error:
            raise translate(error, "remove", path) from error

    def makedirs(self, path: str) -> None:
        try:
            if stat.S_ISDIR(os.stat(path).st_mode):
                self._keep_name(path)
                return
        except FileNotFoundError:
            pass
        except OSError as error:
            raise translate(error, "stat", path) from error
        parent = os.path.dirname(path)
        if parent and parent != path:
            self.makedirs(parent)
        try:
            os.mkdir(path)
        except FileExistsError as error:
            if not os.path.isdir(path):
                raise translate(error, "create directory", path) from error
        except OSError as error:
            raise translate(error, "create directory", path) from error
        if parent:
            self.fsync_dir(parent)

    def _keep_name(self, path: str) -> None:
        """Whoever made this directory may have been killed before its name was durable."""
        parent = os.path.dirname(path)
        if not os.path.ismount(path) and os.access(parent, os.R_OK):
            self.fsync_dir(parent)

    def fsync_dir(self, path: str) -> None:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
        except OSError as error:
            raise translate(error, "sync directory", path) from error

    def lock(self, path: str, *, directory: str) -> RealLock:
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise translate(error, "create", path) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(fd, 64, 0).decode("ascii", "replace").strip()
            os.close(fd)
            raise DirectoryInUse(directory, holder) from error
        except OSError as error:
            os.close(fd)
            raise translate(error, "lock", path) from error
        try:
            # Only for the message of the one who comes second.
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"process {os.getpid()}\n".encode(), 0)
        except OSError as error:
            os.close(fd)
            raise translate(error, "write", path) from error
        return RealLock(fd)
