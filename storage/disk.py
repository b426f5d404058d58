"""The door to the disk: what storage asks of a file system, and nothing else.

Two implementations pass the same tests: `real_disk.RealDisk`, and a simulated one that keeps a live and a
durable image and can be crashed at any point. Paths are absolute strings joined with "/". Every method raises
`StorageError` (mostly `DiskError`), never `OSError`.

What a caller may rely on after a crash:

- bytes: only those written before the last `fdatasync` of that file that returned
- names: only those changed before the last `fsync_dir` of that directory that returned
"""

from __future__ import annotations

from typing import Protocol


class File(Protocol):
    """An open file. There is no current position: every access names its offset."""

    def size(self) -> int:
        """Length in bytes."""

    def pread(self, length: int, offset: int) -> bytes:
        """Up to `length` bytes; fewer only where the file ends."""

    def pwrite(self, data: bytes, offset: int) -> None:
        """Write all of `data`, growing the file if needed. Not durable yet."""

    def next_data(self, offset: int) -> int:
        """The first position at or after `offset` that may hold a non-zero byte; `size()` if there is none.

        Lets a reader step over the holes of a sparse file. Answering `offset` itself is always correct.
        """

    def truncate(self, size: int) -> None:
        """Set the length; a file that grows reads as zeros there and takes no space."""

    def fdatasync(self) -> None:
        """Make the contents and the length durable."""

    def close(self) -> None:
        """Release the file without syncing it. Closing twice is allowed."""


class Lock(Protocol):
    """An exclusive hold on a file, gone at the latest when the process ends."""

    def release(self) -> None:
        """Let go. Releasing twice is allowed."""


class Disk(Protocol):
    """A file system."""

    def open(self, path: str, *, writable: bool = False) -> File:
        """Open an existing file."""

    def create(self, path: str) -> File:
        """Open a new, empty, writable file, in place of an old one of that name."""

    def exists(self, path: str) -> bool:
        """Is there a file or directory of that name?"""

    def listdir(self, path: str) -> list[str]:
        """The names in a directory, sorted."""

    def rename(self, source: str, target: str) -> None:
        """Move a file within its directory, atomically replacing the target."""

    def unlink(self, path: str) -> None:
        """Remove a file."""

    def makedirs(self, path: str) -> None:
        """Create a directory and its missing parents, durably. Existing ones are fine.

        The name of the innermost that exists is made durable, too: its maker may have been killed too early.
        """

    def fsync_dir(self, path: str) -> None:
        """Make the names in a directory durable."""

    def lock(self, path: str, *, directory: str) -> Lock:
        """Create the file if needed and lock it; `DirectoryInUse(directory)` if someone else holds it."""
