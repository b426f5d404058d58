"""The snapshots of a folder: choosing the newest whole one, and writing new ones.

A snapshot is written under another name, synced and renamed, so one with its real name is complete unless the
disk itself lost something, or the original server (which does neither by default) crashed while writing it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from .atomic_file import NewFile
from .compression import SNAPPY_MAGIC, BadCompression, Compressor, compressor, decompressing
from .disk import Disk, File
from .errors import Corrupt, DiskError, HistoryChanged, StorageError
from .file_names import StoredFile, list_snapshots, snapshot_name
from .snapshot import SEAL_BYTES, Readable, SnapshotDecoder, SnapshotEnd, check_last_seal

CANDIDATES_MAX: Final = 100
"""How many snapshots are tried before giving up, as in the original."""


SYNC_BYTES: Final = 256 << 10
"""A snapshot is synced in pieces of this size. Syncs of the log wait behind what the system still has to
write, so that must never be much. Beside 25 MB/s their p99 was 4 to 9 ms (and 50 ms at the end) with one sync
at the end, 3 to 5 ms with pieces of 4 MB, 0.8 ms with 1 MB, 0.5 ms with 256 KB; 0.3 ms without (ext4, virtual
disk)."""


class Rejected(NamedTuple):
    """A snapshot that was passed over."""

    file: StoredFile
    error: StorageError

    def __str__(self) -> str:
        return str(self.error)


class FileStream:
    """A file read from its start to its end."""

    __slots__ = ("_file", "_offset")

    def __init__(self, file: File) -> None:
        self._file = file
        self._offset = 0

    def read(self, length: int, /) -> bytes:
        data = self._file.pread(length, self._offset)
        self._offset += len(data)
        return data


@dataclass(frozen=True, slots=True)
class SnapshotSource:
    """A snapshot on disk, to be decoded."""

    disk: Disk
    zxid: int
    path: str
    compression: str

    def open(self) -> OpenSnapshot:
        """Start decoding. Use as a context manager, which closes the file."""
        return OpenSnapshot(self)


class OpenSnapshot:
    """A snapshot being decoded: `with source.open() as decoder: ...`."""

    def __init__(self, source: SnapshotSource) -> None:
        self._file = source.disk.open(source.path)
        try:
            stream = _checked_stream(FileStream(self._file), source)
            self.decoder = SnapshotDecoder(stream, file=source.path, zxid=source.zxid)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> SnapshotDecoder:
        return self.decoder

    def __exit__(self, *_: object) -> None:
        self._file.close()


class SnapshotFile:
    """A snapshot being written, on the log thread. End it with `finish` or `abort`.

    Chunks come from a `SnapshotEncoder`. Raises `StorageError`, after which only `abort` is allowed; the log
    is not touched by that.
    """

    def __init__(
        self,
        disk: Disk,
        directory: str,
        zxid: int,
        compression: str,
        is_current: Callable[[], bool] = lambda: True,
    ) -> None:
        self._new = NewFile(disk, directory, snapshot_name(zxid, compression))
        self._compressor: Compressor = compressor(compression)
        self._position = self._synced = 0
        self._is_current = is_current
        self.zxid = zxid
        self.path = self._new.path
        self.name = snapshot_name(zxid, compression)

    def write(self, chunk: bytes) -> None:
        """Append a chunk. Blocks."""
        self._append(self._compressor.compress(chunk))

    def finish(self) -> None:
        """Make the snapshot durable under its real name. Blocks.

        Raises `HistoryChanged` if it is a snapshot of what was forgotten meanwhile.
        """
        if not self._is_current():
            raise HistoryChanged(f"{self.path} was begun before the history here was changed")
        self._append(self._compressor.flush())
        self._publish()

    def abort(self) -> None:
        """Give up and remove what was written."""
        self._new.discard()

    def _publish(self) -> None:
        self._new.publish()
        self._new.file.close()

    def _append(self, data: bytes) -> None:
        if data:
            self._new.file.pwrite(data, self._position)
            self._position += len(data)
            if self._position - self._synced >= SYNC_BYTES:
                self._new.file.fdatasync()
                self._synced = self._position


class SnapStore:
    """The snapshots in one `version-2` folder."""

    def __init__(self, disk: Disk, snap_dir: str, *, compression: str = "") -> None:
        self._disk = disk
        self._directory = snap_dir
        self._compression = compression
        self._generation = 0

    def begin(self, zxid: int) -> SnapshotFile:
        """Start writing `snapshot.<zxid>`; one of that name is replaced when this one is finished."""
        begun_in = self._generation
        return SnapshotFile(
            self._disk, self._directory, zxid, self._compression, lambda: self._generation == begun_in
        )

    def disown_unfinished(self) -> None:
        """Snapshots that were begun and are not finished must not be any more: history changes."""
        self._generation += 1

    def stored(self) -> list[StoredFile]:
        """All snapshots by name, newest first, whole or not."""
        return list_snapshots(self._disk, self._directory)

    def source(self, stored: StoredFile) -> SnapshotSource:
        """A snapshot to decode, whole or not."""
        return SnapshotSource(self._disk, stored.zxid, stored.path, stored.compression)

    def newest_valid(self) -> tuple[SnapshotSource | None, list[Rejected]]:
        """The newest snapshot that is whole, and what was wrong with the newer ones."""
        rejected: list[Rejected] = []
        for stored in self.stored()[:CANDIDATES_MAX]:
            source = self.source(stored)
            try:
                self.read_end(stored)
            except (Corrupt, DiskError) as error:
                rejected.append(Rejected(stored, error))
            else:
                return source, rejected
        return None, rejected

    def newest(self) -> tuple[int, int] | None:
        """Zxid and size in bytes of the newest snapshot, by the quick test; None if there is none."""
        for stored in self.stored()[:CANDIDATES_MAX]:
            if self.looks_whole(stored):
                file = self._disk.open(stored.path)
                try:
                    return stored.zxid, file.size()
                finally:
                    file.close()
        return None

    def looks_whole(self, stored: StoredFile) -> bool:
        """The original's quick test: the right last five bytes, or the magic number of the compression.

        What fails it was being written when a server crashed that writes snapshots in place.
        """
        file = self._disk.open(stored.path)
        try:
            if stored.compression == "gz":
                return file.pread(2, 0) == b"\x1f\x8b"
            if stored.compression == "snappy":
                return file.pread(8, 0) == SNAPPY_MAGIC
            size = file.size()
            return size >= 10 and file.pread(5, size - 5) == b"\0\0\0\1/"
        finally:
            file.close()

    def read_end(self, stored: StoredFile) -> SnapshotEnd:
        """Raise `Corrupt` unless the file is whole, by its last seal; what it says about where it ends.

        Reads all of it.
        """
        source = self.source(stored)
        file = self._disk.open(source.path)
        try:
            if file.size() < SEAL_BYTES:
                raise Corrupt(source.path, 0, source.zxid, f"a snapshot of {file.size()} bytes")
            stream = _checked_stream(FileStream(file), source)
            return check_last_seal(stream, file=source.path, zxid=source.zxid)
        finally:
            file.close()


class _Checked:
    """Turns errors of the compression into `Corrupt` with the file's name."""

    def __init__(self, stream: Readable, source: SnapshotSource) -> None:
        self._stream = stream
        self._source = source

    def read(self, length: int, /) -> bytes:
        try:
            return self._stream.read(length)
        except BadCompression as error:
            raise Corrupt(self._source.path, 0, self._source.zxid, str(error)) from error


def _checked_stream(raw: FileStream, source: SnapshotSource) -> Readable:
    if not source.compression:
        return raw
    return _Checked(decompressing(raw, source.compression), source)
