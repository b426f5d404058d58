"""Logs one file at a time: every record, and how the file ends. For looking, not for recovery.

Recovery refuses at the first damage (`storage/log_reader.py`). Here a file is read up to where it can be
read, whatever its neighbours are like, and the verdict is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ...storage.disk import Disk
from ...storage.file_names import StoredFile
from ...storage.log_record import (
    FILE_HEADER_BYTES,
    FRAME_BYTES,
    Ending,
    LogEntry,
    LogScanner,
    Verdict,
    header_problem,
)
from ...storage.log_salvage import records_within

_SALVAGE_BYTES_MAX: Final = 64 << 20


class LogFile:
    """The records of one log; iterate over it once, then ask for the `verdict`."""

    def __init__(self, disk: Disk, stored: StoredFile, *, start: int = FILE_HEADER_BYTES) -> None:
        """`start` is the offset of the first record to be read. Reading raises DiskError."""
        self._disk = disk
        self._start = start
        self.stored = stored
        self.verdict: Verdict | None = None
        self.end = start
        """The offset behind the last good record that was read."""

    def __iter__(self) -> Iterator[LogEntry]:
        file = self._disk.open(self.stored.path)
        shift = self._start - FILE_HEADER_BYTES
        try:
            size = file.size()
            if not size:
                self.verdict = Verdict(Ending.CLEAN_END, 0, -1, "the file is empty")
                return
            if problem := header_problem(file.pread(FILE_HEADER_BYTES, 0)):
                self.verdict = Verdict(Ending.DAMAGE, 0, -1, problem)
                return
            # The scanner believes that the file begins so many bytes further on.
            scanner = LogScanner(
                lambda length, offset: file.pread(length, offset + shift),
                lambda offset: file.next_data(offset + shift) - shift,
                size - shift,
                self.stored.path,
            )
            for entry in scanner:
                entry = entry._replace(offset=entry.offset + shift) if shift else entry
                self.end = entry.offset + len(entry.payload) + FRAME_BYTES
                yield entry
            found = scanner.verdict
            assert found is not None
            self.verdict = Verdict(found.ending, found.offset + shift, found.zxid, found.reason)
        finally:
            file.close()


class LogTail:
    """Records as they are added to the newest log of a folder, or to one file.

        while True:
            for entry in tail.take(): ...
            wait

    A server starts a new file when it rolls its log; the tail moves on to it when the old one is read.
    """

    def __init__(self, disk: Disk, file: StoredFile, start: int) -> None:
        self._disk = disk
        self.file = file
        """The file being read."""
        self._start = start
        self.verdict: Verdict | None = None
        """On what lies behind the last record; that may be one half-written, so ask again."""

    def take(self) -> Iterator[LogEntry]:
        """What has come since the last time. Raises DiskError."""
        log = LogFile(self._disk, self.file, start=self._start)
        yield from log
        self._start, self.verdict = log.end, log.verdict

    def move_on(self, logs: list[StoredFile]) -> bool:
        """Go to the next of these logs, if there is one behind the present one."""
        later = [log for log in logs if log.zxid > self.file.zxid]
        if not later:
            return False
        self.file, self._start, self.verdict = later[0], FILE_HEADER_BYTES, None
        return True


def zxids_behind(disk: Disk, log: StoredFile, offset: int, last_zxid: int) -> list[int]:
    """Zxids of the whole records that lie behind damage at `offset`; of at most 64 MiB. Raises DiskError."""
    file = disk.open(log.path)
    try:
        data = file.pread(min(file.size() - offset, _SALVAGE_BYTES_MAX), offset).rstrip(b"\0")
    finally:
        file.close()
    return [zxid for zxid, _ in records_within(data, last_zxid)]
