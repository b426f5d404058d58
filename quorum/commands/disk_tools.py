"""What the commands that look into data folders share: errors, numbers, times, a progress bar.

rich is imported when there is something to show with it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import click

from ...server.tools.folder import NotThere
from ...storage.disk import Disk, File
from ...storage.errors import StorageError
from ...storage.real_disk import RealDisk
from .process import EXIT_BAD_INVOCATION, EXIT_UNEXPECTED, complain, leave

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    _ParamType = click.ParamType[int, Any]
else:
    _ParamType = click.ParamType  # which is generic only in the newest versions

PROGRESS_FROM_BYTES: Final = 8 << 20
"""Smaller amounts are read before anybody could look at a bar."""

_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")


class ZxidType(_ParamType):
    """A zxid as the tools print it: 0x and hexadecimal digits, or a decimal number."""

    name = "zxid"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            zxid = value if isinstance(value, int) else int(value, 0)
        except ValueError:
            self.fail(f"{value!r} is no zxid: write 0x1a, or 26", param, ctx)
        if not 0 <= zxid < 1 << 63:
            self.fail(f"{value!r} is no zxid: it has more than 63 bits", param, ctx)
        return int(zxid)


ZXID: Final = ZxidType()


def absolute(path: Path) -> str:
    """As the disk wants it."""
    return str(path.absolute())


@contextmanager
def explaining(context: click.Context) -> Iterator[None]:
    """Trouble with files ends the command with one line; a reader that has gone ends it without."""
    try:
        yield
    except NotThere as error:
        complain(str(error))
        context.exit(EXIT_BAD_INVOCATION)
    except StorageError as error:
        complain(str(error))
        context.exit(EXIT_UNEXPECTED)
    except BrokenPipeError:
        leave(EXIT_UNEXPECTED)


def console(file: IO[str] | None = None) -> Console:
    """Standard output, or another, for text with colours; without them where it is no terminal."""
    from rich.console import Console

    return Console(file=file or sys.stdout, highlight=False, soft_wrap=True)


def time_text(time_ms: int) -> str:
    """A wall time of a txn or node: UTC, to the millisecond."""
    try:
        moment = time.gmtime(time_ms // 1000)
    except (OverflowError, OSError, ValueError):
        return f"{time_ms} ms"
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', moment)}.{time_ms % 1000:03}Z"


def bytes_text(size: int) -> str:
    """A number of bytes for people: `1.5 MiB`."""
    amount, unit = float(size), 0
    while amount >= 1024 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{size} B" if not unit else f"{amount:.1f} {_UNITS[unit]}"


@contextmanager
def watched_disk(what: str, paths: list[str], *, passes: int = 1) -> Iterator[Disk]:
    """A disk that shows how far reading these files has come, where that takes long and somebody looks.

    `passes` is how often they will be read. Names of folders stand for all files in them.
    """
    total = passes * sum(map(_bytes_in, paths))
    if total < PROGRESS_FROM_BYTES or not sys.stderr.isatty():
        yield RealDisk()
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(sys.stderr), transient=True) as progress:
        yield _WatchedDisk(progress, progress.add_task(what, total=total))


def _bytes_in(path: str) -> int:
    """Bytes that take space, not the holes."""
    found = Path(path)
    files = [one for one in found.iterdir() if one.is_file()] if found.is_dir() else [found]
    try:
        return sum(min(status.st_size, status.st_blocks * 512) for status in map(Path.stat, files))
    except OSError:
        return 0


class _WatchedDisk(RealDisk):
    """The real disk; what is read moves a bar."""

    __slots__ = ("_progress", "_task")

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def open(self, path: str, *, writable: bool = False) -> Any:
        return _WatchedFile(super().open(path, writable=writable), self._progress, self._task)


class _WatchedFile:
    def __init__(self, file: File, progress: Progress, task: TaskID) -> None:
        self._file = file
        self._progress = progress
        self._task = task

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def pread(self, length: int, offset: int) -> bytes:
        data = self._file.pread(length, offset)
        self._progress.advance(self._task, len(data))
        return data
