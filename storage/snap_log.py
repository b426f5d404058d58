"""One data directory: its folders, its lock, and the plan that rebuilds the tree from it.

    data_dir/version-2/   snapshots            log_dir/version-2/   transaction logs

`open` decides what to start from and checks everything that can be checked without building a tree; the
server then reads the snapshot of the plan and applies the log entries that follow it. Nothing on disk is
changed before the lock is held, and then only leftovers of a crash are removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from ..jute.ids import hex64
from .disk import Disk, Lock
from .errors import Corrupt, DirectoryMissing, MisplacedFile, NoValidSnapshot
from .file_names import (
    LOCK_FILE,
    VERSION_DIRECTORY,
    list_leftovers,
    list_logs,
    looks_like_log,
    looks_like_snapshot,
)
from .log_record import LogEntry
from .snap_store import Rejected, SnapshotSource, SnapStore
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
    """Nothing, and that is right: write `snapshot.0` of a new tree before anything else; zxid 0."""
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
    ) -> None:
        self.start = start
        self.snapshot = snapshot
        self.rejected = rejected
        """Snapshots newer than the chosen one that are not whole; worth a warning each."""
        self._txn_log = txn_log

    @property
    def from_zxid(self) -> int:
        """The first zxid that the snapshot does not cover."""
        return self.snapshot.zxid + 1 if self.snapshot else 0

    def entries(self) -> Iterator[LogEntry]:
        """The log entries after the snapshot, in order. Iterating raises `Corrupt` on damage."""
        reader = self._txn_log.read(self.from_zxid)
        processed = sorted(rejected.file.zxid for rejected in self.rejected)
        return _covering(reader, self.from_zxid - 1, processed) if processed else iter(reader)


def _covering(entries: Iterable[LogEntry], last_zxid: int, processed: list[int]) -> Iterator[LogEntry]:
    """The entries, provided that they make up for snapshots that cannot be used.

    `snapshot.<n>` is named after a transaction that had been processed. If the log jumps over n, that
    snapshot spanned a gap (a learner that was sent a whole tree has such gaps), and without it transactions
    are missing that later ones build upon. The original goes on with the hole.
    """
    for entry in entries:
        zxid = entry.zxid
        while processed and processed[0] <= zxid:
            covered = processed.pop(0)
            if last_zxid < covered < zxid and covered >> 32 == zxid >> 32 and covered & 0xFFFFFFFF:
                reason = f"snapshot.{hex64(covered)} is damaged and no log has the transactions it held"
                raise Corrupt(entry.file, entry.offset, last_zxid, reason)
        last_zxid = zxid
        yield entry


class FileTxnSnapLog:
    """The snapshots and logs of one server; `data_dir` and `log_dir` may be the same.

    Call `open` first. `txn_log` and `snap_store` are usable from then until `close`.
    """

    def __init__(
        self, disk: Disk, data_dir: str, log_dir: str, settings: StorageSettings | None = None
    ) -> None:
        self._disk = disk
        self._settings = settings = settings or StorageSettings()
        self._log_parent = log_dir.rstrip("/")
        self.snap_directory = f"{data_dir.rstrip('/')}/{VERSION_DIRECTORY}"
        self.log_directory = f"{self._log_parent}/{VERSION_DIRECTORY}"
        self._locks: list[Lock] = []
        self.txn_log = TxnLog(
            disk,
            self.log_directory,
            preallocate_bytes=settings.preallocate_bytes,
            size_limit_bytes=settings.log_size_limit_bytes,
            sync=settings.sync,
        )
        self.snap_store = SnapStore(disk, self.snap_directory, compression=settings.snapshot_compression)

    def open(self) -> RestorePlan:
        """Lock the directory and decide what to start from.

        Raises `DirectoryMissing`, `DirectoryInUse`, `MisplacedFile`, `NoValidSnapshot`, `DiskError`; the lock
        is not held then. Damage in the log is found when the plan's entries are read.
        """
        try:
            self._prepare_directories()
            return self._plan()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the log and let go of the directory."""
        self.txn_log.close()
        while self._locks:
            self._locks.pop().release()

    def _prepare_directories(self) -> None:
        directories = list(dict.fromkeys((self.log_directory, self.snap_directory)))
        for directory in directories:
            if not self._disk.exists(directory):
                if not self._settings.directory_autocreate:
                    raise DirectoryMissing(directory)
                self._disk.makedirs(directory)
        for directory in directories:
            lock_path = f"{directory}/{LOCK_FILE}"
            self._locks.append(self._disk.lock(lock_path, directory=directory))
        if len(directories) == 2:
            self._check_placement()
        for directory in directories:
            for path in list_leftovers(self._disk, directory):
                self._disk.unlink(path)
        self._remove_empty_newest_log()

    def _check_placement(self) -> None:
        for name in self._disk.listdir(self.log_directory):
            if looks_like_snapshot(name):
                raise MisplacedFile(f"{self.log_directory}/{name}", self.snap_directory)
        for name in self._disk.listdir(self.snap_directory):
            if looks_like_log(name):
                raise MisplacedFile(f"{self.snap_directory}/{name}", self.log_directory)

    def _remove_empty_newest_log(self) -> None:
        """The original leaves a log of length zero if it crashes between creating it and writing to it."""
        logs = list_logs(self._disk, self.log_directory)
        if logs and self._length(logs[-1].path) == 0:
            self._disk.unlink(logs[-1].path)
            self._disk.fsync_dir(self.log_directory)

    def _plan(self) -> RestorePlan:
        snapshot, rejected = self.snap_store.newest_valid()
        trusted_empty = self._take_initialize_marker() or self._settings.database_autocreate
        if snapshot is not None:
            return RestorePlan(StartingPoint.DATA, snapshot, rejected, self.txn_log)
        whole_looking = [s for s in self.snap_store.stored() if self.snap_store.looks_whole(s)]
        if whole_looking:
            raise NoValidSnapshot(
                self.snap_directory,
                f"{len(whole_looking)} there, none of them whole; the newest: {rejected[0].error}",
            )
        if list_logs(self._disk, self.log_directory):
            if not self._settings.trust_empty_snapshot:
                raise NoValidSnapshot(
                    self.snap_directory,
                    "there are transaction logs, but no snapshot they continue; after an upgrade from "
                    "before 3.5.3, snapshot.trust.empty=true accepts that once",
                )
            return RestorePlan(StartingPoint.DATA, None, rejected, self.txn_log)
        start = StartingPoint.EMPTY if trusted_empty else StartingPoint.UNKNOWN
        return RestorePlan(start, None, rejected, self.txn_log)

    def _take_initialize_marker(self) -> bool:
        path = f"{self._log_parent}/{INITIALIZE_FILE}"
        if not self._disk.exists(path):
            return False
        self._disk.unlink(path)
        return True

    def _length(self, path: str) -> int:
        file = self._disk.open(path)
        try:
            return file.size()
        finally:
            file.close()
