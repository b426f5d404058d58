"""One data directory: its folders, its lock, and the plan that rebuilds the tree from it.

    data_dir/version-2/   snapshots            log_dir/version-2/   transaction logs

`open` decides what to start from and checks everything that can be checked without building a tree; the
server then reads the snapshot of the plan and applies the log entries that follow it. Nothing on disk is
changed before the lock is held, and then only what a crash interrupted is completed or removed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from ..jute.ids import Zxid, counter_of, hex64
from .disk import Disk, Lock
from .epoch_files import EpochFiles
from .errors import (
    CannotTruncate,
    Corrupt,
    DirectoryMissing,
    DiskError,
    MisplacedFile,
    NoValidSnapshot,
    StorageError,
)
from .file_names import (
    LOCK_FILE,
    VERSION_DIRECTORY,
    StoredFile,
    list_leftovers,
    list_logs,
    looks_like_log,
    looks_like_snapshot,
)
from .history import HistoryEditor
from .log_record import LogEntry
from .proposal_reader import read_proposals
from .snap_store import Rejected, SnapshotFile, SnapshotSource, SnapStore
from .txn_log import PREALLOCATE_BYTES, TxnLog

INITIALIZE_FILE = "initialize"
"""Marker beside the log folder's `version-2`: this empty database is meant to be empty."""


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """How a data directory is kept. Names of the original's properties in the comments."""

    directory_autocreate: bool = True  # zookeeper.datadir.autocreate
    database_autocreate: bool = True  # zookeeper.db.autocreate
    trust_empty_snapshot: bool = False  # zookeeper.snapshot.trust.empty
    preallocate_bytes: int = PREALLOCATE_BYTES  # zookeeper.preAllocSize, there in KiB
    log_size_limit_bytes: int = -1  # zookeeper.txnLogSizeLimitInKb, there in KiB
    sync: bool = True  # zookeeper.forceSync
    snapshot_compression: str = ""  # zookeeper.snapshot.compression.method


class StartingPoint(Enum):
    """What a data directory held when it was opened."""

    DATA = "data"
    """A snapshot, or logs that may be trusted without one: read them."""
    EMPTY = "empty"
    """Nothing, and that is right: zxid 0. Before anything else write `snapshot.0` of a new tree, and behind
    that call `remove_initialize_marker`."""
    UNKNOWN = "unknown"
    """Nothing, and that may be a loss: report zxid -1 and do not vote."""


class RestorePlan:
    """Where to start from. First decode `snapshot`, if there is one, then apply `entries`."""

    def __init__(
        self,
        start: StartingPoint,
        snapshot: SnapshotSource | None,
        rejected: list[Rejected],
        txn_log: TxnLog,
        complete: Collection[StoredFile] = (),
    ) -> None:
        self.start = start
        self.snapshot = snapshot
        self.rejected = rejected
        """Snapshots newer than the chosen one that are not whole; worth a warning each."""
        self._txn_log = txn_log
        self._complete = complete  # of the rejected ones, those that were written to their end

    @property
    def from_zxid(self) -> int:
        """The first zxid that the snapshot does not cover."""
        return self.snapshot.zxid + 1 if self.snapshot else 0

    def entries(self) -> Iterator[LogEntry]:
        """The log entries after the snapshot, in order. Iterating raises `Corrupt` on damage."""
        reader = self._txn_log.recover(self.from_zxid)
        unusable = [rejected.file for rejected in self.rejected]
        if not unusable:
            return iter(reader)
        return _covering(reader, self.from_zxid - 1, unusable, self._complete)


def _covering(
    entries: Iterable[LogEntry],
    last_zxid: int,
    unusable: Iterable[StoredFile],
    complete: Collection[StoredFile],
) -> Iterator[LogEntry]:
    """The entries, provided that they make up for snapshots that cannot be used.

    `snapshot.<n>` is named after a transaction that had been processed (or after the beginning of an epoch,
    with a counter of 0). If the log jumps over n, that snapshot spanned a gap (a learner of the original that
    was sent a whole tree has such gaps); if the log ends before n and the snapshot was `complete` once,
    transactions were lost (otherwise a learner crashed while it wrote a leader's snapshot, and is what it was
    before). Both times some are missing that were acknowledged. The original goes on without them.
    """
    expected = sorted((file for file in unusable if counter_of(Zxid(file.zxid))), reverse=True)

    def missing(snapshot: StoredFile, file: str, offset: int) -> Corrupt:
        reason = f"{snapshot.name} cannot be used, and no log has the transactions it held"
        return Corrupt(file, offset, last_zxid, reason)

    for entry in entries:
        zxid = entry.zxid
        while expected and expected[-1].zxid <= zxid:
            snapshot = expected.pop()
            if last_zxid < snapshot.zxid < zxid:
                raise missing(snapshot, entry.file, entry.offset)
        last_zxid = zxid
        yield entry
    for snapshot in expected:
        if snapshot in complete and snapshot.zxid > last_zxid:
            raise missing(snapshot, snapshot.path, 0)


class FileTxnSnapLog:
    """The snapshots and logs of one server; `data_dir` and `log_dir` may be the same.

    Call `open` first. `txn_log` and `snap_store` are usable from then until `close`.
    """

    def __init__(
        self, disk: Disk, data_dir: str, log_dir: str, settings: StorageSettings | None = None
    ) -> None:
        self.disk = disk
        self._settings = settings = settings or StorageSettings()
        self.snap_directory = f"{data_dir.rstrip('/')}/{VERSION_DIRECTORY}"
        self.log_directory = f"{log_dir.rstrip('/')}/{VERSION_DIRECTORY}"
        self._marker_path = f"{log_dir.rstrip('/')}/{INITIALIZE_FILE}"
        self._locks: list[Lock] = []
        self.txn_log = TxnLog(
            disk,
            self.log_directory,
            preallocate_bytes=settings.preallocate_bytes,
            size_limit_bytes=settings.log_size_limit_bytes,
            sync=settings.sync,
        )
        self.snap_store = SnapStore(disk, self.snap_directory, compression=settings.snapshot_compression)
        self.unreadable: Callable[[StorageError], None] = lambda _: None
        """Told of damage that is met where it does no harm: a learner gets a snapshot instead of the log."""
        self._editor = HistoryEditor(
            disk, self.snap_directory, self.log_directory, self.snap_store, self.txn_log
        )

    def open(self) -> RestorePlan:
        """Lock the directory and decide what to start from.

        Raises `DirectoryMissing`, `DirectoryInUse`, `MisplacedFile`, `NoValidSnapshot`, `DiskError`; the lock
        is not held then. Damage in the log is found when the plan's entries are read.
        """
        try:
            self._prepare_directories()
            self._sync_what_is_there()
            return self._plan()
        except BaseException:
            self.close()
            raise

    def disown_history(self) -> None:
        """Use nothing of what is here: it is damaged, or its end is unknown.

        It stays as it is until a leader's snapshot takes its place (`begin_adoption`), and is then set aside
        as `damaged.*`. Opens the directory if `open` has refused it; raises what `open` raises.
        """
        self._editor.is_damaged = True
        if not self._locks:
            try:
                self._prepare_directories()
            except BaseException:
                self.close()
                raise

    def reopen_plan(self) -> RestorePlan:
        """What to start from now, with the folder open; as `open` decides it."""
        return self._plan()

    def truncate(self, zxid: int) -> RestorePlan:
        """Forget every txn after `zxid`, durably; the plan restores exactly what is left.

        Nothing may be appended or written meanwhile, and no snapshot be in `finish`; one that was begun
        before can't be finished any more. A txn `zxid` must be in this history (unless its counter
        is 0: the beginning of an epoch), and a snapshot that holds nothing of later ones; `CannotTruncate` is
        raised otherwise, and `Corrupt` for damage before `zxid`, both with nothing changed. After any other
        StorageError the log accepts nothing more.
        """
        self.txn_log.check_usable()
        last_kept = self._check_can_truncate(zxid)
        self._editor.truncate(zxid, max(last_kept, 0))
        return self._plan()

    def begin_adoption(self, zxid: int) -> SnapshotFile:
        """Start writing a leader's snapshot, which replaces everything here at once when it is finished.

        To be written like any other; until `finish` the old history stands. During `finish` nothing may be
        appended, and the next append has to be of a later txn than `zxid`.
        """
        return self._editor.begin_adoption(zxid, self._settings.snapshot_compression)

    def proposals(self, after: int, to: int, snapshot_size_factor: float) -> list[tuple[Zxid, bytes]] | None:
        """Txns from the last one at or before `after` up to `to`, for a learner; None: send a snapshot.

        That is when the logs do not reach back so far, cannot be read, or are larger than this part of the
        newest snapshot (`snapshotSizeFactor`; 0: no limit, negative: never read them).
        """
        if snapshot_size_factor < 0:
            return None
        try:
            newest = self.snap_store.newest()
            return read_proposals(
                self.disk,
                self.log_directory,
                after,
                to,
                limit_bytes=int(newest[1] * snapshot_size_factor) if newest else 0,
                snapshot_zxids=[snapshot.zxid for snapshot in self.snap_store.stored()],
            )
        except (Corrupt, DiskError) as error:
            self.unreadable(error)
            return None

    @property
    def has_initialize_marker(self) -> bool:
        """Whether somebody has said that an empty folder is meant to be empty."""
        return self.disk.exists(self._marker_path)

    def has_lost_everything(self, start: StartingPoint) -> bool:
        """Whether a member of an ensemble finds nothing where there once was more.

        Its first snapshot is durable before its first epoch is. Raises EpochError, DiskError.
        """
        epochs = EpochFiles(self.disk, self.snap_directory)
        return start is StartingPoint.EMPTY and not self.has_initialize_marker and epochs.have_been()

    def remove_initialize_marker(self) -> None:
        """To be called when the snapshot of a new, empty database is durable: from now on it may not vanish.

        Not before: after a crash in between, an empty folder without the marker would be taken for a loss.
        """
        if self.disk.exists(self._marker_path):
            self.disk.unlink(self._marker_path)

    def close(self) -> None:
        """Close the log and let go of the directory."""
        try:
            self.txn_log.close()
        finally:
            while self._locks:
                self._locks.pop().release()

    def _prepare_directories(self) -> None:
        directories = list(dict.fromkeys((self.log_directory, self.snap_directory)))
        for directory in directories:
            if not self.disk.exists(directory):
                if not self._settings.directory_autocreate:
                    raise DirectoryMissing(directory)
                self.disk.makedirs(directory)
            elif not self.disk.listdir(directory):
                self.disk.makedirs(directory)  # it may be new, and its name not yet durable
        for directory in directories:
            lock_path = f"{directory}/{LOCK_FILE}"
            self._locks.append(self.disk.lock(lock_path, directory=directory))
        if len(directories) == 2:
            self._check_placement()
        self._editor.complete()
        for directory in directories:
            for path in list_leftovers(self.disk, directory):
                self.disk.unlink(path)
        self._remove_empty_newest_log()

    def _sync_what_is_there(self) -> None:
        """Make durable what a process that was killed had written: from here on we answer for it."""
        for directory in dict.fromkeys((self.log_directory, self.snap_directory)):
            self.disk.fsync_dir(directory)
        if self._settings.sync:
            self.txn_log.sync_newest()

    def _check_placement(self) -> None:
        for name in self.disk.listdir(self.log_directory):
            if looks_like_snapshot(name):
                raise MisplacedFile(f"{self.log_directory}/{name}", self.snap_directory)
        for name in self.disk.listdir(self.snap_directory):
            if looks_like_log(name):
                raise MisplacedFile(f"{self.snap_directory}/{name}", self.log_directory)

    def _remove_empty_newest_log(self) -> None:
        """The original leaves a log of length zero if it crashes between creating it and writing to it."""
        logs = list_logs(self.disk, self.log_directory)
        if logs and self._length(logs[-1].path) == 0:
            self.disk.unlink(logs[-1].path)
            self.disk.fsync_dir(self.log_directory)

    def _plan(self) -> RestorePlan:
        snapshot, rejected = self.snap_store.newest_valid()
        if snapshot is not None:
            self.remove_initialize_marker()
            complete = [one.file for one in rejected if self.snap_store.looks_whole(one.file)]
            return RestorePlan(StartingPoint.DATA, snapshot, rejected, self.txn_log, complete)
        whole_looking = [s for s in self.snap_store.stored() if self.snap_store.looks_whole(s)]
        if whole_looking:
            raise NoValidSnapshot(
                self.snap_directory,
                f"{len(whole_looking)} there, none of them whole; the newest: {rejected[0].error}",
            )
        if list_logs(self.disk, self.log_directory):
            if not self._settings.trust_empty_snapshot:
                raise NoValidSnapshot(
                    self.snap_directory,
                    "there are transaction logs, but no snapshot they continue; after an upgrade from "
                    "before 3.5.3, snapshot.trust.empty=true accepts that once",
                )
            self.remove_initialize_marker()
            return RestorePlan(StartingPoint.DATA, None, rejected, self.txn_log)
        trusted_empty = self.has_initialize_marker or self._settings.database_autocreate
        start = StartingPoint.EMPTY if trusted_empty else StartingPoint.UNKNOWN
        self.txn_log.restart(-1)  # a mark of logs that somebody removed would be taken for one of the next
        return RestorePlan(start, None, rejected, self.txn_log)

    def _check_can_truncate(self, zxid: int) -> int:
        """Raise unless that is possible; the last zxid that would be left, -1 if none."""
        base = self._editor.truncation_base(zxid)
        if base is None and (self.snap_store.stored() or not self._settings.trust_empty_snapshot):
            raise CannotTruncate(
                f"no snapshot in {self.snap_directory} is free of what came after zxid 0x{hex64(zxid)}"
            )
        last_zxid = base.zxid if base else -1
        unusable = [stored for stored in self.snap_store.stored() if last_zxid < stored.zxid <= zxid]
        for entry in _covering(self.txn_log.read(last_zxid + 1, zxid), last_zxid, unusable, ()):
            last_zxid = entry.zxid
        if last_zxid != zxid and counter_of(Zxid(zxid)):
            raise CannotTruncate(
                f"zxid 0x{hex64(zxid)} is not in {self.log_directory}; the last one before it is"
                f" 0x{hex64(last_zxid)}"
            )
        return last_zxid

    def _length(self, path: str) -> int:
        file = self.disk.open(path)
        try:
            return file.size()
        finally:
            file.close()
