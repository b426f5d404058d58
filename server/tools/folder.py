"""Where the files of a data folder are, given what a user names: a folder, its `version-2`, or one file."""

from __future__ import annotations

from dataclasses import dataclass

from ...storage.compression import SNAPPY_MAGIC
from ...storage.disk import Disk
from ...storage.errors import StorageError
from ...storage.file_names import (
    VERSION_DIRECTORY,
    StoredFile,
    list_logs,
    list_snapshots,
    stored_snapshot,
)
from ...storage.snap_store import SnapStore


class NotThere(StorageError):
    """What the user named is no data folder, or nothing of the kind asked for is in it."""


@dataclass(frozen=True, slots=True)
class Folder:
    """`data_dir` and `log_dir` as in zoo.cfg; the files are in `version-2` of each."""

    data_dir: str
    log_dir: str

    @property
    def snap_directory(self) -> str:
        return f"{self.data_dir}/{VERSION_DIRECTORY}"

    @property
    def log_directory(self) -> str:
        return f"{self.log_dir}/{VERSION_DIRECTORY}"

    @property
    def directories(self) -> list[str]:
        """Each once."""
        return list(dict.fromkeys((self.snap_directory, self.log_directory)))


def find_folder(disk: Disk, data_dir: str, log_dir: str = "") -> Folder:
    """The folder that is meant by a dataDir and a dataLogDir, absolute; `version-2` itself may be named.

    Raises NotThere.
    """
    folder = Folder(_parent(data_dir), _parent(log_dir or data_dir))
    for directory in folder.directories:
        if not disk.exists(directory):
            named = directory.removesuffix(f"/{VERSION_DIRECTORY}")
            raise NotThere(f"{named} is no data folder: it has no {VERSION_DIRECTORY}")
    return folder


def find_logs(disk: Disk, path: str) -> list[StoredFile]:
    """The logs that are meant by a file, or by a folder: its own, or else those of its `version-2`.

    A file may have any name. Raises NotThere.
    """
    if not disk.exists(path):
        raise NotThere(f"there is no {path}")
    for directory in (path, f"{path}/{VERSION_DIRECTORY}"):
        if _is_directory(disk, directory) and (found := list_logs(disk, directory)):
            return found
    if _is_directory(disk, path):
        raise NotThere(f"there are no transaction logs in {path}")
    return [StoredFile(0, path.rpartition("/")[2], path)]


def find_snapshot(disk: Disk, path: str) -> StoredFile:
    """The snapshot that is meant by a file of any name, or by a folder: its newest whole one.

    The zxid is -1 if the name does not tell. Raises NotThere and DiskError.
    """
    if not disk.exists(path):
        raise NotThere(f"there is no {path}")
    for directory in (path, f"{path}/{VERSION_DIRECTORY}"):
        if _is_directory(disk, directory) and (stored := list_snapshots(disk, directory)):
            whole, rejected = SnapStore(disk, directory).newest_valid()
            if whole is None:
                raise NotThere(f"no snapshot in {directory} is whole; the newest: {rejected[0].error}")
            return next(one for one in stored if one.path == whole.path)
    if _is_directory(disk, path):
        raise NotThere(f"there are no snapshots in {path}")
    directory, _, name = path.rpartition("/")
    named = stored_snapshot(directory, name)
    return StoredFile(named.zxid if named else -1, name, path, _compression(disk, path))


def _compression(disk: Disk, path: str) -> str:
    """By the first bytes, whatever the name says."""
    file = disk.open(path)
    try:
        start = file.pread(len(SNAPPY_MAGIC), 0)
    finally:
        file.close()
    return "gz" if start[:2] == b"\x1f\x8b" else "snappy" if start == SNAPPY_MAGIC else ""


def _parent(path: str) -> str:
    return path.rstrip("/").removesuffix(f"/{VERSION_DIRECTORY}")


def _is_directory(disk: Disk, path: str) -> bool:
    try:
        disk.listdir(path)
    except StorageError:
        return False
    return True
