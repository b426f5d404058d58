"""A disk whose changes stay in memory: what a start would do to a folder, without doing it.

Everything is read from another disk; what is created, cut, renamed or removed here is only remembered, and
`changes` says what it was. So tools run the real recovery on a folder that they must not touch, which may
even be that of a running server. Locks are always granted. Not for large writes: they are kept in memory.
"""

from __future__ import annotations

import errno
from typing import Final, NamedTuple

from .disk import Disk, File
from .errors import DiskError

_MEMORY_MAX: Final = 256 << 20


class Change(NamedTuple):
    """One difference from the disk below."""

    kind: str
    """"remove", "write" or "cut"."""
    path: str
    size: int
    """Of the file as it would be; 0 if it is removed."""


class _Content:
    """A changed file: the first bytes of one below, or bytes of its own."""

    __slots__ = ("data", "size", "source", "source_bytes")

    def __init__(self, source: str = "", size: int = 0, data: bytearray | None = None) -> None:
        self.source = source
        self.source_bytes = size
        self.size = size
        self.data = data


class OverlayDisk:
    """Reads from `base`, changes nothing there."""

    def __init__(self, base: Disk) -> None:
        self._base = base
        self._changed: dict[str, _Content | None] = {}
        self._directories: set[str] = set()

    def changes(self) -> list[Change]:
        """What differs from the disk below, by path."""
        found = []
        for path, content in sorted(self._changed.items()):
            if content is None:
                if self._base.exists(path):
                    found.append(Change("remove", path, 0))
            elif content.source == path and content.data is None:
                if content.size < self._base_size(path):
                    found.append(Change("cut", path, content.size))
            else:
                found.append(Change("write", path, content.size))
        return found

    def open(self, path: str, *, writable: bool = False) -> File:
        if path not in self._changed:
            if not writable:
                return self._base.open(path)
            self._changed[path] = _Content(path, self._base_size(path))
        content = self._changed[path]
        if content is None:
            raise DiskError("open", path, errno.ENOENT, "No such file or directory")
        return _OverlayFile(self._base, path, content)

    def create(self, path: str) -> File:
        content = self._changed[path] = _Content(data=bytearray())
        return _OverlayFile(self._base, path, content)

    def exists(self, path: str) -> bool:
        if path in self._changed:
            return self._changed[path] is not None
        return path in self._directories or self._base.exists(path)

    def listdir(self, path: str) -> list[str]:
        names = set(self._base.listdir(path)) if self._base.exists(path) else set()
        for changed, content in self._changed.items():
            folder, _, name = changed.rpartition("/")
            if folder == path:
                names.add(name) if content is not None else names.discard(name)
        return sorted(names)

    def rename(self, source: str, target: str) -> None:
        content = self._changed[source] if source in self._changed else self._below(source)
        if content is None:
            raise DiskError("rename", source, errno.ENOENT, "No such file or directory")
        self._changed[target] = content
        self._changed[source] = None

    def unlink(self, path: str) -> None:
        if not self.exists(path):
            raise DiskError("remove", path, errno.ENOENT, "No such file or directory")
        self._changed[path] = None

    def makedirs(self, path: str) -> None:
        self._directories.add(path)

    def fsync_dir(self, path: str) -> None:
        """Nothing has to be durable."""

    def lock(self, path: str, *, directory: str) -> _NoLock:
        return _NoLock()

    def _below(self, path: str) -> _Content | None:
        return _Content(path, self._base_size(path)) if self._base.exists(path) else None

    def _base_size(self, path: str) -> int:
        file = self._base.open(path)
        try:
            return file.size()
        finally:
            file.close()


class _NoLock:
    def release(self) -> None:
        """There is nothing to let go of."""


class _OverlayFile:
    def __init__(self, base: Disk, path: str, content: _Content) -> None:
        self._content = content
        self._path = path
        self._below = base.open(content.source) if content.source else None

    def size(self) -> int:
        content = self._content
        return content.size if content.data is None else len(content.data)

    def pread(self, length: int, offset: int) -> bytes:
        content = self._content
        if content.data is not None:
            return bytes(content.data[offset : offset + length])
        assert self._below is not None
        length = max(min(length, content.size - offset), 0)
        data = self._below.pread(max(min(length, content.source_bytes - offset), 0), offset)
        return data + bytes(length - len(data))

    def pwrite(self, data: bytes, offset: int) -> None:
        held = self._in_memory()
        held.extend(bytes(max(offset + len(data) - len(held), 0)))
        held[offset : offset + len(data)] = data
        self._content.size = len(held)

    def next_data(self, offset: int) -> int:
        content = self._content
        if content.data is not None or self._below is None:
            return offset
        return min(self._below.next_data(offset), content.size) if offset < content.size else content.size

    def truncate(self, size: int) -> None:
        content = self._content
        if content.data is not None:
            del content.data[size:]
            content.data.extend(bytes(size - len(content.data)))
        content.size = size
        content.source_bytes = min(content.source_bytes, size)

    def fdatasync(self) -> None:
        """Nothing has to be durable."""

    def close(self) -> None:
        if self._below is not None:
            self._below.close()

    def _in_memory(self) -> bytearray:
        content = self._content
        if content.data is None:
            if content.size > _MEMORY_MAX:
                raise DiskError("write", self._path, errno.EFBIG, "too large to be tried out in memory")
            content.data = bytearray(self.pread(content.size, 0))
        return content.data
