"""What the commands `snapshot` and `restore` want of whoever owns the disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol


class TakenSnapshot(NamedTuple):
    """A snapshot that is on the disk."""

    zxid: int
    size_bytes: int
    chunks: Iterator[bytes]
    """Its bytes; the file is open from the first one to the last, or until the iterator is closed."""


class Restoration(Protocol):
    """A snapshot that is coming in, to be loaded. End it with `finish` or `abandon`."""

    def write(self, data: bytes) -> None:
        """The next piece of it. Raises StorageError."""

    def finish(self, done: Callable[[int | None], None]) -> None:
        """Load it; `done` is told the last zxid it held, or None if it could not be loaded."""

    def abandon(self) -> None:
        """Nothing more is coming."""


class Transfers(Protocol):
    """Snapshots over HTTP."""

    def take_snapshot(self, done: Callable[[TakenSnapshot | None], None]) -> None:
        """Take one; `done` is told of it once it is durable, or None if that failed."""

    def begin_restoration(self) -> Restoration | None:
        """A snapshot is about to come in; None where none can be loaded."""

    def tick(self, now_ms: int) -> None:
        """Time has passed."""
