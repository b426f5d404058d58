"""Reading the logs of a folder in order, across files.

The rules of recovery (spec of the original, tightened where it loses data):

- damage in any file that has to be read raises `Corrupt`
- a torn tail ends its file silently. It is normal in the newest log, and stays in the file when the server
  starts the next one
- inside an epoch a log continues with the transaction behind the last one of the log (or snapshot) before it,
  otherwise records that were once complete are missing
- an empty newest log is passed over; an empty older one, or a header that is cut off, is damage
- a log must reach as far as it was known to reach when the next one was begun, whatever the epochs
- what the watermark vouches for must be there; what looks like damage beyond it is the tail of a batch that
  nobody was told about (see `watermark`)
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator

from ..jute.ids import Zxid, counter_of, hex64
from .disk import Disk
from .errors import Corrupt
from .file_names import StoredFile, list_logs, log_name
from .log_record import FILE_HEADER_BYTES, Ending, LogEntry, LogScanner, Verdict, header_problem
from .watermark import WATERMARK_FILE, WatermarkFile

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

    def __init__(
        self,
        disk: Disk,
        directory: str,
        from_zxid: int,
        to_zxid: int = ZXID_MAX,
        *,
        cut: Callable[[str, Verdict], None] | None = None,
    ) -> None:
        """With `cut` the watermark counts; `cut` is told path and verdict of a damaged tail above it."""
        mark, self._ends = WatermarkFile(disk, directory).read_with_ends()
        self._disk = disk
        self._directory = directory
        self._logs = files_from(list_logs(disk, directory), from_zxid)
        self._from_zxid = from_zxid
        self._to_zxid = to_zxid
        self._watermark = mark if cut is not None else None
        self._cut = cut
        self._entries = self._iterate()

    def __iter__(self) -> Iterator[LogEntry]:
        return self._entries

    def __next__(self) -> LogEntry:
        return next(self._entries)

    def close(self) -> None:
        """Stop early and close the file being read."""
        self._entries.close()

    def _iterate(self) -> Generator[LogEntry, None, None]:
        from_zxid, to_zxid = self._from_zxid, self._to_zxid
        before: tuple[StoredFile, Verdict] | None = None
        newest = self._logs[-1] if self._logs else None
        self._check_beginning()
        for log in self._logs:
            if before:
                self._check_continuation(*before, log)
            file = self._disk.open(log.path)
            try:
                if file.size() == 0:
                    if log is not newest:
                        raise Corrupt(log.path, 0, -1, "the file is empty and not the newest log")
                    self._check_watermark(log, Verdict(Ending.CLEAN_END, 0, -1))
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
            if log is newest:
                verdict = self._check_watermark(log, verdict)
            if verdict.ending is Ending.DAMAGE:
                raise Corrupt(log.path, verdict.offset, verdict.zxid, verdict.reason)
            before = (log, verdict)

    def _check_watermark(self, log: StoredFile, verdict: Verdict) -> Verdict:
        """The verdict on the newest log's end in the light of what is known to have been durable."""
        mark = self._watermark
        if mark is None or mark.log_zxid != log.zxid:
            return verdict
        if verdict.offset < mark.offset:
            reason = verdict.reason or "nothing but zeros"
            raise Corrupt(
                log.path,
                verdict.offset,
                verdict.zxid,
                f"{reason}, but {WATERMARK_FILE} says that everything up to offset {mark.offset},"
                f" zxid 0x{hex64(mark.zxid)}, was there and acknowledged",
            )
        if verdict.ending is Ending.DAMAGE:
            verdict = Verdict(Ending.TORN_TAIL, verdict.offset, verdict.zxid, verdict.reason)
            if self._cut is not None:
                self._cut(log.path, verdict)
        return verdict

    def _check_beginning(self) -> None:
        """The first log continues what the caller has, or begins an epoch; the last one is still there."""
        last_zxid = self._from_zxid - 1
        first = self._logs[0] if self._logs else None
        mark = self._watermark
        if mark is not None and mark.zxid > last_zxid and (not first or self._logs[-1].zxid < mark.log_zxid):
            raise Corrupt(
                f"{self._directory}/{log_name(mark.log_zxid)}",
                0,
                last_zxid,
                f"it is missing, but {WATERMARK_FILE} says that everything up to zxid 0x{hex64(mark.zxid)}"
                " was there and acknowledged",
            )
        there = {log.zxid for log in self._logs}
        for end in self._ends.values():
            is_missing = end.next_zxid in there and end.log_zxid not in there
            if is_missing and last_zxid < end.zxid and end.log_zxid <= self._to_zxid:
                raise Corrupt(
                    f"{self._directory}/{log_name(end.log_zxid)}",
                    0,
                    last_zxid,
                    f"it is missing, but {WATERMARK_FILE} says that everything up to zxid"
                    f" 0x{hex64(end.zxid)} was in it when {log_name(end.next_zxid)} was begun",
                )
        # A snapshot of the beginning of an epoch says nothing: where its first txn was set by
        # `testingonly.initialZxid` it is far from 1.
        if last_zxid < 0 or (last_zxid and not counter_of(Zxid(last_zxid))):
            return
        if first is not None and first.zxid > self._from_zxid and first.zxid >> 32 == last_zxid >> 32:
            missing = f"no log has the transactions between zxid 0x{hex64(last_zxid)} and this one"
            raise Corrupt(first.path, 0, last_zxid, missing)

    def _check_continuation(self, log: StoredFile, verdict: Verdict, following: StoredFile) -> None:
        """The next log starts with the zxid behind this one's last, or with a new epoch.

        Nothing is missing either if the caller did not ask for what lies between the two files.
        """
        expected = (verdict.zxid if verdict.zxid >= 0 else log.zxid - 1) + 1
        end = self._ends.get(log.zxid)
        if end is not None and end.next_zxid == following.zxid and max(expected, self._from_zxid) <= end.zxid:
            raise Corrupt(
                log.path,
                verdict.offset,
                verdict.zxid,
                f"{verdict.reason or 'nothing but zeros'}, but {WATERMARK_FILE} says that everything up to"
                f" offset {end.offset}, zxid 0x{hex64(end.zxid)}, was there when {following.name} was begun",
            )
        if following.zxid > max(expected, self._from_zxid) and following.zxid >> 32 == expected >> 32:
            reason = f"{verdict.reason}, and {following.name}" if verdict.reason else following.name
            raise Corrupt(
                log.path,
                verdict.offset,
                verdict.zxid,
                f"{reason} does not continue with 0x{hex64(expected)}",
            )
