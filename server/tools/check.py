"""Everything about a data folder that can be verified from outside, and what a start would do with it.

Every log is read to its end and every txn decoded, every snapshot decoded and its seals compared; then the
start itself is tried out (`recovery.py`), which applies the rules that hold across files. Nothing is changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from ...jute.errors import JuteError
from ...jute.ids import Zxid, epoch_of
from ...storage.disk import Disk
from ...storage.epoch_files import ACCEPTED, CURRENT, EpochFiles
from ...storage.errors import Corrupt, EpochError, EpochUnreadable, NoValidSnapshot, StorageError
from ...storage.file_names import (
    INTENT_FILE,
    LOCK_FILE,
    StoredFile,
    list_damaged,
    list_leftovers,
    list_logs,
    list_set_aside,
    list_snapshots,
    looks_like_log,
    looks_like_snapshot,
)
from ...storage.log_record import Ending
from ...storage.overlay_disk import OverlayDisk
from ...storage.snap_log import FileTxnSnapLog, StartingPoint
from ...storage.watermark import WATERMARK_FILE, WatermarkFile
from ..database import decode_payload
from .folder import Folder
from .log_files import LogFile, zxids_behind
from .recovery import Recovered, recover
from .snapshot_view import DOES_NOT_FIT, read_snapshot

_OURS: Final = (LOCK_FILE, INTENT_FILE, WATERMARK_FILE, ACCEPTED, CURRENT)
_PROBLEMS_PER_FILE_MAX: Final = 5


class Level(Enum):
    """How bad a finding is."""

    GOOD = "ok"
    NOTE = "note"
    """Worth knowing; nothing is wrong."""
    BAD = "bad"
    """Damage, or something that keeps a server from starting."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found out."""

    level: Level
    subject: str
    """A file, or what was tried."""
    text: str


@dataclass(slots=True)
class LogSummary:
    """One log, read to its end."""

    first: int = -1
    last: int = -1
    count: int = 0


class Check:
    """The verification of one folder: iterate over `findings`, then look at the rest."""

    def __init__(self, disk: Disk, folder: Folder) -> None:
        self._disk = disk
        self._folder = folder
        self.is_bad = False
        """Whether any finding was bad."""
        self.recovered: Recovered | None = None
        """What a start would make of it; None if it would refuse."""
        self.refusal: StorageError | None = None
        """Why it would refuse."""
        self.torn_logs: list[tuple[StoredFile, int]] = []
        """Logs with a torn tail, and where it begins."""

    def findings(self) -> Iterator[Finding]:
        """Everything, file by file. Raises DiskError."""
        for finding in self._all():
            self.is_bad = self.is_bad or finding.level is Level.BAD
            yield finding

    def _all(self) -> Iterator[Finding]:
        disk, folder = self._disk, self._folder
        snapshots = list_snapshots(disk, folder.snap_directory)
        logs = list_logs(disk, folder.log_directory)
        for stored in reversed(snapshots):
            yield self._check_snapshot(stored)
        for stored in logs:
            yield from self._check_log(stored, is_newest=stored is logs[-1])
        yield from self._check_watermark(logs)
        yield from self._check_names()
        yield from self._check_recovery(len(snapshots) + len(logs))
        yield from self._check_epochs()

    def _check_snapshot(self, stored: StoredFile) -> Finding:
        try:
            view = read_snapshot(self._disk, stored)
        except StorageError as error:
            return Finding(Level.BAD, stored.name, str(error))
        fits = view.digest_verdict
        words = f"whole, {view.root.descendants + 1} nodes, {len(view.sessions)} sessions; digest {fits}"
        # Not damage: the seal has been compared. Replay will tell where the difference comes from.
        return Finding(Level.NOTE if fits == DOES_NOT_FIT else Level.GOOD, stored.name, words)

    def _check_log(self, stored: StoredFile, *, is_newest: bool) -> Iterator[Finding]:
        name, log, summary = stored.name, LogFile(self._disk, stored), LogSummary()
        problems = 0
        for entry in log:
            problem = ""
            if not summary.count and entry.zxid != stored.zxid:
                problem = f"the first txn is 0x{entry.zxid:x}, not that of the file's name"
            elif summary.count and entry.zxid == summary.last:
                twice = f"zxid 0x{entry.zxid:x} is there twice, again at offset {entry.offset}"
                yield Finding(Level.NOTE, name, f"{twice}; that is passed over")
                continue
            elif summary.count and entry.zxid < summary.last:
                problem = f"zxid 0x{entry.zxid:x} at offset {entry.offset} follows 0x{summary.last:x}"
            elif (
                summary.count
                and entry.zxid > summary.last + 1
                and not _begins_epoch(summary.last, entry.zxid)
            ):
                between = f"0x{summary.last:x} and 0x{entry.zxid:x}"
                problem = f"txns between {between} are missing at offset {entry.offset}"
            try:
                decode_payload(entry.payload)
            except JuteError as error:
                problem = f"txn 0x{entry.zxid:x} at offset {entry.offset} cannot be read: {error}"
            summary.first = entry.zxid if summary.first < 0 else summary.first
            summary.last = entry.zxid
            summary.count += 1
            if problem and (problems := problems + 1) <= _PROBLEMS_PER_FILE_MAX:
                yield Finding(Level.BAD, name, problem)
        if problems > _PROBLEMS_PER_FILE_MAX:
            yield Finding(Level.BAD, name, f"{problems - _PROBLEMS_PER_FILE_MAX} more of the kind")
        yield self._ending(log, summary, is_newest)

    def _ending(self, log: LogFile, summary: LogSummary, is_newest: bool) -> Finding:
        verdict, stored = log.verdict, log.stored
        assert verdict is not None
        words = (
            f"{summary.count} txns, 0x{summary.first:x} to 0x{summary.last:x}" if summary.count else "no txns"
        )
        if verdict.ending is Ending.TORN_TAIL:
            self.torn_logs.append((stored, verdict.offset))
            tail = f"a torn tail at offset {verdict.offset} ({verdict.reason})"
            return Finding(Level.NOTE, stored.name, f"{words}; then {tail}: normal after a crash")
        if verdict.ending is Ending.DAMAGE and is_newest and self._is_unacknowledged(stored, verdict.offset):
            text = f"{words}; then the rest of a batch that nobody was told about, at offset {verdict.offset}"
            return Finding(Level.NOTE, stored.name, f"{text}; a start cuts it off")
        if verdict.ending is Ending.DAMAGE:
            behind = zxids_behind(self._disk, stored, verdict.offset, verdict.zxid)
            text = f"{words}; then damage at offset {verdict.offset}: {verdict.reason}"
            if behind:
                text += f"; {len(behind)} whole txns lie behind it, 0x{behind[0]:x} to 0x{behind[-1]:x}"
            return Finding(Level.BAD, stored.name, text)
        if not verdict.offset:
            level = Level.NOTE if is_newest else Level.BAD
            return Finding(level, stored.name, "empty" + ("" if is_newest else ", and not the newest log"))
        return Finding(Level.GOOD, stored.name, words)

    def _is_unacknowledged(self, stored: StoredFile, offset: int) -> bool:
        """Whether the mark says that everything up to there, and no more, was durable (as recovery has it).

        The mark is read behind the log: a running server, whose half-written batch this is, may have moved
        it.
        """
        mark = WatermarkFile(self._disk, self._folder.log_directory).read()
        if mark is None or mark.log_zxid != stored.zxid:
            return False
        if mark.offset <= offset:
            return True
        again = LogFile(self._disk, stored, start=offset)
        for _ in again:
            continue
        assert again.verdict is not None
        return again.verdict.offset >= mark.offset

    def _check_watermark(self, logs: list[StoredFile]) -> Iterator[Finding]:
        path = f"{self._folder.log_directory}/{WATERMARK_FILE}"
        if not self._disk.exists(path):
            return
        mark = WatermarkFile(self._disk, self._folder.log_directory).read()
        if mark is None:
            yield Finding(Level.NOTE, WATERMARK_FILE, "holds no mark that reads back: nothing is vouched for")
            return
        words = f"log.{mark.log_zxid:x} was synced up to offset {mark.offset}, zxid 0x{mark.zxid:x}"
        if not logs or logs[-1].zxid != mark.log_zxid:
            words += ", and another log is the newest: it says nothing about that"
        yield Finding(Level.GOOD, WATERMARK_FILE, words)

    def _check_names(self) -> Iterator[Finding]:
        """Whatever else lies there."""
        disk, folder = self._disk, self._folder
        for directory in folder.directories:
            leftovers, aside = list_leftovers(disk, directory), list_set_aside(disk, directory)
            damaged = list_damaged(disk, directory)
            known = {one.name for one in (*list_logs(disk, directory), *list_snapshots(disk, directory))}
            separate = folder.snap_directory != folder.log_directory
            for name in disk.listdir(directory):
                path = f"{directory}/{name}"
                if path in leftovers:
                    yield Finding(
                        Level.NOTE, name, "was under construction when a server ended; a start removes it"
                    )
                elif path in aside:
                    yield Finding(
                        Level.NOTE, name, "set aside when a leader's snapshot replaced it; never read"
                    )
                elif path in damaged:
                    yield Finding(
                        Level.NOTE,
                        name,
                        "was damaged; set aside when a leader's snapshot replaced it; never read",
                    )
                elif name == INTENT_FILE:
                    yield Finding(Level.NOTE, name, "a change of the history was begun, and not ended")
                elif separate and directory == folder.log_directory and looks_like_snapshot(name):
                    yield Finding(Level.BAD, name, f"a snapshot in the folder of the logs, {directory}")
                elif separate and directory == folder.snap_directory and looks_like_log(name):
                    yield Finding(Level.BAD, name, f"a log in the folder of the snapshots, {directory}")
                elif name in (f"{ACCEPTED}.tmp", f"{CURRENT}.tmp"):
                    yield Finding(Level.NOTE, name, "left by a crash; a start of a member removes it")
                elif name not in known and name not in _OURS:
                    reads = "; the original would take it for data" if looks_like_log(name) else ""
                    reads = reads or (
                        "; the original would take it for data" if looks_like_snapshot(name) else ""
                    )
                    yield Finding(Level.NOTE, name, f"is none of a server's files{reads}")

    def _check_recovery(self, files: int) -> Iterator[Finding]:
        subject = "recovery"
        try:
            self.recovered = recovered = recover(self._disk, self._folder, check_digests=True)
        except StorageError as error:
            self.refusal = error
            yield Finding(Level.BAD, subject, f"a server would not start: {error}")
            if self._is_members and isinstance(error, (Corrupt, NoValidSnapshot)):
                yield self._refetching(error.zxid if isinstance(error, Corrupt) else -1)
            return
        for reason in recovered.passed_over:
            yield Finding(Level.NOTE, subject, f"passes over {reason}")
        for change in recovered.changes:
            name = change.path.rpartition("/")[2]
            what = (
                f"cut to {change.size} bytes"
                if change.kind == "cut"
                else {"remove": "removed"}.get(change.kind, "written")
            )
            yield Finding(Level.NOTE, subject, f"{name} would be {what}")
        if self._has_lost_everything(recovered.start):
            text = (
                "epochs, but neither snapshots nor logs: a member would have no say until a leader sends all"
            )
            yield Finding(Level.BAD, subject, f"{text}, unless there is a file `initialize`")
            return
        if recovered.start is StartingPoint.EMPTY:
            extra = "" if files else "no snapshots and no logs: "
            yield Finding(Level.NOTE, subject, f"{extra}a server would begin with an empty tree")
            return
        begin = recovered.snapshot.rpartition("/")[2] or "nothing"
        tree = recovered.database
        yield Finding(
            Level.GOOD,
            subject,
            f"starts from {begin}, replays {recovered.replayed} txns; then zxid 0x{recovered.zxid:x},"
            f" {recovered.node_count} nodes, {len(tree.sessions)} sessions",
        )
        if tree.digest_mismatches:
            text = f"the tree's digest differs from the stored one {tree.digest_mismatches} times"
            yield Finding(Level.BAD, "digest", text)

    def _has_lost_everything(self, start: StartingPoint) -> bool:
        folder = self._folder
        try:
            return FileTxnSnapLog(self._disk, folder.data_dir, folder.log_dir).has_lost_everything(start)
        except EpochError:
            return False  # and is told of with the epochs

    def _check_epochs(self) -> Iterator[Finding]:
        """Only a member of an ensemble has them."""
        directory = self._folder.snap_directory
        if self.recovered is None or not self._is_members:
            return
        try:
            epochs = EpochFiles(OverlayDisk(self._disk), directory).load(self.recovered.zxid)
        except EpochUnreadable as error:
            yield Finding(Level.BAD, "epochs", str(error))
            yield self._refetching(self.recovered.zxid)
            return
        except StorageError as error:
            yield Finding(Level.BAD, "epochs", f"a member would not start: {error}")
            return
        words = f"{ACCEPTED} {epochs.accepted}, {CURRENT} {epochs.current}"
        yield Finding(Level.GOOD, "epochs", "; ".join((words, *epochs.repairs)))

    @property
    def _is_members(self) -> bool:
        """Whether a member of an ensemble has run on it."""
        directory = self._folder.snap_directory
        return any(self._disk.exists(f"{directory}/{name}") for name in (ACCEPTED, CURRENT))

    def _refetching(self, known_zxid: int) -> Finding:
        """What a member of an ensemble would do, with zoolet.refetchDamagedData as it is by default."""
        try:
            EpochFiles(OverlayDisk(self._disk), self._folder.snap_directory).load_alone(known_zxid)
        except StorageError as error:
            return Finding(
                Level.BAD, "member", f"a member could not get its data from a leader either: {error}"
            )
        text = (
            "a member would start without a vote, get everything from the leader that the others elect, and"
        )
        return Finding(Level.NOTE, "member", f"{text} set the damaged files aside as damaged.*")


def _begins_epoch(before: int, zxid: int) -> bool:
    return epoch_of(Zxid(before)) != epoch_of(Zxid(zxid))
