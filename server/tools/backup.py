"""A copy of a data folder that a server can start from, taken of a folder that may be in use.

The archive is a tar file, compressed if its name ends in `.gz` or `.tgz`:

    version-2/snapshot.N     the newest whole one
    version-2/log.*          every log that a start reads behind it, up to the last txn that it reads
    version-2/acceptedEpoch, version-2/currentEpoch, myid      if they are there
    zoolet-backup.json       names and CRC-32 of all these: without it the archive is not whole

What is copied is what a start's own code reads, and nothing if that refuses the folder. The order makes it
consistent while a server writes: the snapshot was complete before it was chosen, and everything that it may
know of was logged before it knew; so logs read afterwards hold that. The epochs are read before and after the
logs, and if they changed in between, all is done again. The watermark stays out: it may vouch for more than
the copy has. When both folders are apart, the archive has their files together, and `restore` parts them
again.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Final, cast
from zlib import crc32

from ...storage.atomic_file import NewFile, write_atomically
from ...storage.disk import Disk, File
from ...storage.epoch_files import ACCEPTED, CURRENT
from ...storage.errors import NoValidSnapshot, StorageError
from ...storage.file_names import (
    INTENT_FILE,
    LOCK_FILE,
    UNDER_CONSTRUCTION,
    VERSION_DIRECTORY,
    looks_like_log,
)
from ...storage.history import RESTORING
from ...storage.log_record import FRAME_BYTES
from ...storage.overlay_disk import OverlayDisk
from ...storage.snap_log import FileTxnSnapLog, StorageSettings
from .folder import Folder, NotThere

ATTEMPTS: Final = 5
"""How often a copy is begun anew because the history was changed under it."""

_CHUNK_BYTES: Final = 1 << 20
_LIST: Final = "zoolet-backup.json"
_MEMBER: Final = re.compile(
    r"myid|zoolet-backup\.json|version-2/(?:acceptedEpoch|currentEpoch|log\.[0-9a-f]{1,16}"
    r"|snapshot\.[0-9a-f]{1,16}(?:\.gz|\.snappy)?)"
)


class BadArchive(StorageError):
    """The archive is none of ours, or not whole."""


class _Moved(Exception):
    """Files changed their names while they were copied."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """One file to be copied: its first `size` bytes."""

    name: str
    path: str
    size: int


def back_up(disk: Disk, folder: Folder, archive: str) -> list[str]:
    """Write the archive; the names in it. It gets its name when it is whole. Raises StorageError.

    Damage in what is needed is an error: a copy of it would not start either.
    """
    directory, _, name = archive.rpartition("/")
    if disk.exists(archive):
        raise NotThere(f"{archive} is there already")
    refusal = ""
    for _ in range(ATTEMPTS):
        new = NewFile(disk, directory, name)
        try:
            names = _write(disk, folder, new.file, compressed=name.endswith((".gz", ".tgz")))
            new.publish()
            new.file.close()
            return names
        except _Moved:
            new.discard()
        except StorageError as error:
            # Any file may be removed or cut meanwhile, by a purge or by a leader's wish. What is still so at
            # the next look is not that.
            new.discard()
            if str(error) == refusal:
                raise
            refusal = str(error)
        except BaseException:
            new.discard()
            raise
    raise StorageError(f"the history in {folder.data_dir} changes too fast to be copied")


def restore_archive(disk: Disk, archive: str, folder: Folder) -> list[str]:
    """Unpack an archive into a folder without data; the paths made.

    Raises NotThere, BadArchive and DiskError, with nothing left behind but empty folders. After a crash there
    is all of it, or `.zoolet.intent`, with which no server starts; then this may be called again.
    """
    _clear_remains(disk, folder)
    for directory in folder.directories:
        disk.makedirs(directory)
    write_atomically(disk, folder.snap_directory, INTENT_FILE, RESTORING)
    made: dict[str, str] = {}
    try:
        _unpack_all(disk, archive, folder, made)
        for path, temporary in reversed(made.items()):  # the snapshot last: the original knows of no intent
            disk.rename(temporary, path)
    except BaseException:
        for path in (*made, *made.values()):
            if disk.exists(path):
                disk.unlink(path)
        _forget_intent(disk, folder)
        raise
    _forget_intent(disk, folder)
    return list(made)


def _forget_intent(disk: Disk, folder: Folder) -> None:
    """When everything else is durable."""
    for directory in (*folder.directories, folder.data_dir):
        disk.fsync_dir(directory)
    disk.unlink(f"{folder.snap_directory}/{INTENT_FILE}")
    disk.fsync_dir(folder.snap_directory)


def _clear_remains(disk: Disk, folder: Folder) -> None:
    """Remove what is left of a restoring that was interrupted. Raises NotThere if anything else is there."""
    intent = f"{folder.snap_directory}/{INTENT_FILE}"
    ours = {f"{intent}.tmp"}
    is_noted = disk.exists(intent) and _content(disk, intent) == RESTORING
    if is_noted:  # the locks are those of servers that refused to start
        ours |= {intent, *(f"{one}/{LOCK_FILE}" for one in folder.directories)}
    remains = []
    for directory in filter(disk.exists, folder.directories):
        for name in disk.listdir(directory):
            path, member = (
                f"{directory}/{name}",
                f"{VERSION_DIRECTORY}/{name.removeprefix(UNDER_CONSTRUCTION)}",
            )
            if path not in ours and not (is_noted and _MEMBER.fullmatch(member)):
                raise NotThere(f"{directory} is not empty: it has {name}")
            remains.append(path)
    if is_noted:
        remains.append(f"{folder.data_dir}/{UNDER_CONSTRUCTION}myid")
    for path in remains:
        if path != intent and disk.exists(path):
            disk.unlink(path)


def _unpack_all(disk: Disk, archive: str, folder: Folder, made: dict[str, str]) -> None:
    """`made` gets the temporary name of each file by its real one."""
    checksums: dict[str, int] = {}
    listed: object = None
    for name, stream in _members(disk, archive):
        if name == _LIST:
            listed = _parse_list(archive, stream.read())
            continue
        path = _target(folder, name)
        temporary = ""
        if name != "myid" or not disk.exists(path):
            directory, _, file_name = path.rpartition("/")
            temporary = made[path] = f"{directory}/{UNDER_CONSTRUCTION}{file_name}"
        checksums[name] = _unpack(disk, temporary, stream)
    if listed != checksums:
        raise BadArchive(f"{archive} is no whole backup: files are missing, or not what was written")


def _parse_list(archive: str, content: bytes) -> object:
    try:
        return json.loads(content)["crc32"]
    except (ValueError, KeyError, TypeError):
        raise BadArchive(f"{archive} is no whole backup: its list of files cannot be read") from None


def _target(folder: Folder, name: str) -> str:
    if not name.startswith(f"{VERSION_DIRECTORY}/"):
        return f"{folder.data_dir}/{name}"
    name = name.removeprefix(f"{VERSION_DIRECTORY}/")
    directory = folder.log_directory if looks_like_log(name) else folder.snap_directory
    return f"{directory}/{name}"


def _unpack(disk: Disk, path: str, stream: IO[bytes]) -> int:
    """Write a file, or only read it if there is no path; its CRC-32."""
    file = disk.create(path) if path else None
    try:
        position = checksum = 0
        while chunk := stream.read(_CHUNK_BYTES):
            if file is not None:
                file.pwrite(chunk, position)
            position += len(chunk)
            checksum = crc32(chunk, checksum)
        if file is not None:
            file.fdatasync()
        return checksum
    finally:
        if file is not None:
            file.close()


def _members(disk: Disk, archive: str) -> Iterator[tuple[str, IO[bytes]]]:
    """(name, stream) of each file. Raises BadArchive for what no backup holds."""
    file = disk.open(archive)
    try:
        with tarfile.open(fileobj=_Stream(file), mode="r:*") as tar:
            for member in tar:
                stream = tar.extractfile(member) if member.isfile() else None
                if stream is None or not _MEMBER.fullmatch(member.name):
                    raise BadArchive(f"{archive} holds {member.name!r}, which no backup has")
                yield member.name, cast(IO[bytes], _Guarded(stream, archive))
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise BadArchive(f"{archive} is no whole backup: {error}") from error
    finally:
        file.close()


class _Guarded(io.RawIOBase):
    """A file in an archive; what is wrong with the archive is a BadArchive."""

    def __init__(self, stream: IO[bytes], archive: str) -> None:
        super().__init__()
        self._stream = stream
        self._archive = archive

    def read(self, size: int | None = -1) -> bytes:
        try:
            return self._stream.read(-1 if size is None else size)
        except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
            raise BadArchive(f"{self._archive} is no whole backup: {error}") from error


def _write(disk: Disk, folder: Folder, target: File, *, compressed: bool) -> list[str]:
    epochs = _small_files(disk, folder)
    intent = f"{folder.snap_directory}/{INTENT_FILE}"
    if disk.exists(intent):
        raise _Moved
    pieces = _pieces(disk, folder)
    stream = _Stream(target)
    checksums: dict[str, int] = {}
    with tarfile.open(fileobj=stream, mode="w:gz" if compressed else "w", format=tarfile.PAX_FORMAT) as tar:
        for piece in pieces:
            source = disk.open(piece.path)
            try:
                info = tarfile.TarInfo(piece.name)
                info.size = piece.size
                summed = _Stream(source)
                tar.addfile(info, summed)
                checksums[piece.name] = summed.checksum
            except OSError:  # it was cut
                raise _Moved from None
            finally:
                source.close()
        checksums |= {small: crc32(content) for small, content in epochs.items()}
        listed = json.dumps({"format": "zoolet-backup", "version": 1, "crc32": checksums}).encode()
        for small, content in {**epochs, _LIST: listed}.items():
            info = tarfile.TarInfo(small)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    is_changing = disk.exists(intent) or not all(disk.exists(one.path) for one in pieces)
    if is_changing or _small_files(disk, folder) != epochs:
        raise _Moved
    return [*(piece.name for piece in pieces), *epochs]


def _pieces(disk: Disk, folder: Folder) -> list[_Piece]:
    """What a start would read now: a snapshot, and of the logs so much that holds what it would replay."""
    settings = StorageSettings(sync=False)
    plan = FileTxnSnapLog(OverlayDisk(disk), folder.data_dir, folder.log_dir, settings).open()
    if plan.snapshot is None:
        raise NoValidSnapshot(folder.snap_directory, "there is none")
    path = plan.snapshot.path
    sizes = {path: _size(disk, path)}
    for entry in plan.entries():
        sizes[entry.file] = entry.offset + len(entry.payload) + FRAME_BYTES
    return [
        _Piece(f"{VERSION_DIRECTORY}/{path.rpartition('/')[2]}", path, size) for path, size in sizes.items()
    ]


def _small_files(disk: Disk, folder: Folder) -> dict[str, bytes]:
    found = {}
    for name, path in (
        (f"{VERSION_DIRECTORY}/{ACCEPTED}", f"{folder.snap_directory}/{ACCEPTED}"),
        (f"{VERSION_DIRECTORY}/{CURRENT}", f"{folder.snap_directory}/{CURRENT}"),
        ("myid", f"{folder.data_dir}/myid"),
    ):
        if disk.exists(path):
            found[name] = _content(disk, path)
    return found


def _content(disk: Disk, path: str) -> bytes:
    """Of a small file."""
    file = disk.open(path)
    try:
        return file.pread(4096, 0)
    finally:
        file.close()


def _size(disk: Disk, path: str) -> int:
    file = disk.open(path)
    try:
        return file.size()
    finally:
        file.close()


class _Stream(io.RawIOBase):
    """A file of ours with a position, as `tarfile` wants it."""

    def __init__(self, file: File) -> None:
        super().__init__()
        self._file = file
        self._position = 0
        self.checksum = 0
        """CRC-32 of what was read."""

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        length = self._file.size() - self._position if size is None or size < 0 else size
        data = self._file.pread(max(length, 0), self._position)
        self._position += len(data)
        self.checksum = crc32(data, self.checksum)
        return data

    def write(self, data: object) -> int:
        content = bytes(data)  # type: ignore[call-overload]
        self._file.pwrite(content, self._position)
        self._position += len(content)
        return len(content)

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = 0) -> int:
        base = {0: 0, 1: self._position, 2: self._file.size()}[whence]
        self._position = base + offset
        return self._position
