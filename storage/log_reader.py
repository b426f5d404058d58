"""Reading the logs of a folder in order, across files.

The rules of recovery (spec of the original, tightened where it loses data):

- damage in any file that has to be read raises `Corrupt`
- a torn tail ends its file silently. It is normal in the newest log, and stays in the file when the server
  starts the next one; there it must be followed by exactly the transaction that was torn off, otherwise
  records that were once complete are missing
- an empty newest log is passed over; an empty older one, or a header that is cut off, is damage
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

from ..jute.ids import hex64
from .disk import Disk
from .errors import Corrupt
from .file_names import StoredFile, list_logs
from .log_record import FILE_HEADER_BYTES, Ending, LogEntry, LogScanner, Verdict, header_problem

ZXID_MAX = (1 << 63) - 1


def files_from(logs: list[StoredFile], zxid: int) -> list[StoredFile]:
    """Of logs in ascending order, those that may hold `zxid` or later: the last one starting at or before it,
    and all that follow."""
    first = 0
    for index, log in enumerate(logs):
        if log.zxid <= zxid:
            first = index
    return logs[first:]


class LogReader:
    """Iterates over the entries from `from_zxid` to `to_zxid`, both included, of all logs in `directory`.

    Raises `Corrupt` on the way. With `to_zxid` the tail behind it is not looked at, so that a log can be read
    while it is being written.
    """

    def __init__(self, disk: Disk, directory: str, from_zxid: int, to_zxid: int = ZXID_MAX) -> None:
        self._disk = disk
        self._logs = files_from(list_logs(disk, directory), from_zxid)
        self._from_zxid = from_zxid
        self._to_zxid = to_zxid
        self._entries = self._iterate()
        self.torn_tails: list[tuple[str, Verdict]] = []
        """(path, verdict) of each torn tail passed so far, for whoever wants to report them."""

    def __iter__(self) -> Iterator[LogEntry]:
        return self._entries

    def __next__(self) -> LogEntry:
        return next(self._entries)

    def close(self) -> None:
        """Stop early and close the file being read."""
        self._entries.close()

    def _iterate(self) -> Generator[LogEntry, None, None]:
        from_zxid, to_zxid = self._from_zxid, self._to_zxid
        torn: tuple[StoredFile, Verdict] | None = None
        newest = self._logs[-1] if self._logs else None
        for log in self._logs:
            if torn:
                self._check_continuation(*torn, log)
                torn = None
            file = self._disk.open(log.path)
            try:
                if file.size() == 0:
                    if log is not newest:
                        raise Corrupt(log.path, 0, -1, "the file is empty and not the newest log")
                    return
                problem = header_problem(file.pread(FILE_HEADER_BYTES, 0))
                if problem:
                    raise Corrupt(log.path, 0, -1, problem)
                scanner = LogScanner(file.pread, file.next_data, file.size(), log.path)
                for entry in scanner:
                    zxid = entry[0]
                    if zxid >= from_zxid:
                        if zxid > to_zxid:
                            return
                        yield entry
                        if zxid == to_zxid:
                            return
            finally:
                file.close()
            verdict = scanner.verdict
            assert verdict is not None
            if verdict.ending is Ending.DAMAGE:
                raise Corrupt(log.path, verdict.offset, verdict.zxid, verdict.reason)
            if verdict.ending is Ending.TORN_TAIL:
                self.torn_tails.append((log.path, verdict))
                torn = (log, verdict)

    def _check_continuation(self, log: StoredFile, verdict: Verdict, following: StoredFile) -> None:
        """After a torn tail the next log starts with the zxid that was torn off, or with a new epoch.

        Nothing is missing either if the caller did not ask for what lies between the two files.
        """
        expected = (verdict.zxid if verdict.zxid >= 0 else log.zxid - 1) + 1
        if following.zxid > max(expected, self._from_zxid) and following.zxid >> 32 == expected >> 32:
            raise Corrupt(
                log.path,
                verdict.offset,
                verdict.zxid,
                f"{verdict.reason}, and {following.name} does not continue with 0x{hex64(expected)}",
            )


def last_logged_zxid(disk: Disk, directory: str) -> int:
    """The zxid of the last good record in the logs; -1 if there is none. Raises `Corrupt`."""
    for log in reversed(list_logs(disk, directory)):
        last = -1
        reader = LogReader(disk, directory, log.zxid)
        for entry in reader:
            last = entry.zxid
        if last >= 0:
            return last
    return -1
