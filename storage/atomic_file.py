"""Files that are either complete or not there.

Write under a temporary name, sync the file, rename it, sync the directory. In that order: a rename that
becomes durable before the contents leaves an empty file under the final name.
"""

from __future__ import annotations

from .disk import Disk, File
from .file_names import UNDER_CONSTRUCTION


class NewFile:
    """A log or snapshot under construction; it gets its real name when `publish` is called.

    `file` stays open after publishing, so that a log can go on growing.
    """

    __slots__ = ("_directory", "_disk", "_temporary", "file", "path")

    def __init__(self, disk: Disk, directory: str, name: str) -> None:
        self._disk = disk
        self._directory = directory
        self._temporary = f"{directory}/{UNDER_CONSTRUCTION}{name}"
        self.path = f"{directory}/{name}"
        self.file: File = disk.create(self._temporary)

    def publish(self, *, sync: bool = True) -> None:
        """Give the file its name. With `sync`, contents and name are durable when this returns."""
        if sync:
            self.file.fdatasync()
        self._disk.rename(self._temporary, self.path)
        if sync:
            self._disk.fsync_dir(self._directory)

    def keep_unpublished(self) -> None:
        """Make contents and temporary name durable and close the file; somebody else publishes it."""
        self.file.fdatasync()
        self._disk.fsync_dir(self._directory)
        self.file.close()

    def discard(self) -> None:
        """Give up and remove what was written; what already has its real name stays."""
        self.file.close()
        if self._disk.exists(self._temporary):
            self._disk.unlink(self._temporary)


def write_atomically(disk: Disk, directory: str, name: str, data: bytes) -> None:
    """Replace a small file. The temporary name is `<name>.tmp`, as the original has it."""
    # A crash may leave the temporary file behind; the original reads meaning into currentEpoch.tmp.
    temporary = f"{directory}/{name}.tmp"
    file = disk.create(temporary)
    try:
        file.pwrite(data, 0)
        file.fdatasync()
    finally:
        file.close()
    disk.rename(temporary, f"{directory}/{name}")
    disk.fsync_dir(directory)
