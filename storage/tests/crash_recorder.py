"""A disk that writes down what is asked of it: every write, truncation, sync and change of a name, in order.

`RecordingDisk` is a door in front of another disk. Its `calls` are what `crash_states.DiskModel` replays to
find out what a power failure could have left at any moment. What the program promised to the world meanwhile
is put between the calls with `note`.

Faults can be planned: `kill_at` ends the process before a call (the disk lives on, and with it everything in
the kernel's memory), and a `Mutation` swallows or delays syncs, to see whether anybody notices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from zoolet.storage.disk import File, Lock
from zoolet.storage.sim_disk import Crashed, SimDisk

Image = dict[str, bytes | None]
"""Contents of files by path; None: a directory."""

Call = tuple[Any, ...]
"""One of

("create", path, inode)  ("rename", source, target, inode)  ("unlink", path, inode)  ("mkdir", path)
("sync_dir", path)  ("write", inode, offset, data)  ("truncate", inode, size)  ("sync", inode)
("note", anything)
"""

Mutation = Callable[["RecordingDisk", str, str], bool]
"""Given the disk, "sync" or "sync_dir", and the path as it is called now: should the call be left out?"""


def disk_of(image: Mapping[str, bytes | None]) -> SimDisk:
    """A disk with these files, all of them durable."""
    disk = SimDisk()
    for path, content in image.items():
        if content is None:
            disk.makedirs(path)
        else:
            disk.put(path, content)
    disk.changes = 0
    return disk


class RecordingDisk:
    """Writes down the calls to a simulated disk that begins as `image`."""

    def __init__(self, image: Mapping[str, bytes | None] | None = None) -> None:
        self.image: Image = dict(image or {})
        self.base = disk_of(self.image)
        self.calls: list[Call] = []
        self.kill_at = -1
        """The process ends before the call with this index in `calls`."""
        self.old_files: set[str] = set()
        """Those of the process before this one."""
        self.mutation: Mutation | None = None
        self.after_write: Callable[[str], None] = lambda path: None
        """Told after each write to a file; for mutations that delay something until then."""
        self._inodes = {path: number for number, path in enumerate(self.image)}
        self._next_inode = len(self.image)
        self._paths = {number: path for path, number in self._inodes.items()}

    def note(self, what: object) -> None:
        """Put something between the calls."""
        self.calls.append(("note", what))

    def reboot(self) -> None:
        """The process is gone, and its locks with it; the kernel lives on."""
        self.kill_at = -1
        self.base.locked.clear()
        self.old_files = set(self.base.names)

    def image_without_power(self) -> Image:
        """What is left if everything is lost that was not synced."""
        after = self.base.crashed()
        image: Image = dict.fromkeys(sorted(after.directories - {"/", ""}))
        image.update((path, bytes(inode.durable)) for path, inode in sorted(after.names.items()))
        return image

    # The door

    def open(self, path: str, *, writable: bool = False) -> File:
        return _RecordingFile(self, self.base.open(path, writable=writable), self._inodes.get(path, -1))

    def create(self, path: str) -> File:
        self._create(path)
        return _RecordingFile(self, self.base.create(path), self._inodes[path])

    def exists(self, path: str) -> bool:
        return self.base.exists(path)

    def listdir(self, path: str) -> list[str]:
        return self.base.listdir(path)

    def rename(self, source: str, target: str) -> None:
        inode = self._inodes[source]
        self._record("rename", source, target, inode)
        self.base.rename(source, target)
        del self._inodes[source]
        self._inodes[target] = inode
        self._paths[inode] = target

    def unlink(self, path: str) -> None:
        if path in self._inodes:
            self._record("unlink", path, self._inodes[path])
            del self._inodes[path]
        self.base.unlink(path)

    def makedirs(self, path: str) -> None:
        """As the real disk does it: each missing one is made, and the folder it is in synced."""
        parent = path.rpartition("/")[0] or "/"
        if self.base.exists(path):
            if path != "/":
                self._record("sync_dir", parent)
            return
        self.makedirs(parent)
        self._record("mkdir", path)
        self.base.makedirs(path)
        self._record("sync_dir", parent)

    def fsync_dir(self, path: str) -> None:
        if self.mutation is None or not self.mutation(self, "sync_dir", path):
            self._record("sync_dir", path)
            self.base.fsync_dir(path)

    def lock(self, path: str, *, directory: str) -> Lock:
        if not self.base.exists(path):
            self._create(path)
        return self.base.lock(path, directory=directory)

    # For files and mutations

    def _create(self, path: str) -> None:
        if path in self._inodes:
            self._record("truncate", self._inodes[path], 0)
        else:
            number = self._next_inode
            self._record("create", path, number)
            self._next_inode += 1
            self._inodes[path] = number
            self._paths[number] = path

    def _record(self, *call: Any) -> None:
        if len(self.calls) == self.kill_at:
            raise Crashed
        self.calls.append(call)

    def sync_file(self, path: str) -> None:
        """A sync that nothing swallows."""
        self._record("sync", self._inodes[path])
        self.base.names[path].sync()

    def path_of(self, inode: int) -> str:
        """What a file is called now, or was at the end."""
        return self._paths.get(inode, "")


class _RecordingFile:
    """An open file of a `RecordingDisk`."""

    def __init__(self, disk: RecordingDisk, file: File, inode: int) -> None:
        self._disk = disk
        self._file = file
        self._inode = inode
        self.size = file.size
        self.pread = file.pread
        self.next_data = file.next_data
        self.close = file.close

    def pwrite(self, data: bytes, offset: int) -> None:
        self._disk._record("write", self._inode, offset, bytes(data))
        self._file.pwrite(data, offset)
        self._disk.after_write(self._disk.path_of(self._inode))

    def truncate(self, size: int) -> None:
        self._disk._record("truncate", self._inode, size)
        self._file.truncate(size)

    def fdatasync(self) -> None:
        disk = self._disk
        if disk.mutation is None or not disk.mutation(disk, "sync", disk.path_of(self._inode)):
            disk._record("sync", self._inode)
            self._file.fdatasync()
