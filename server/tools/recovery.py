"""What a start would make of a data folder, found out by the start's own code on a disk that keeps nothing.

Nothing in the folder is touched, no lock is taken, and a server may be running on it: then what it has logged
so far is what a start would find. Also the tree as it was behind an earlier txn, as far back as snapshots and
logs go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ...jute.codes import DIGEST_VERSION
from ...storage.disk import Disk
from ...storage.file_names import StoredFile, list_logs, list_snapshots
from ...storage.history import HistoryEditor
from ...storage.log_reader import LogReader
from ...storage.log_record import LogEntry
from ...storage.overlay_disk import Change, OverlayDisk
from ...storage.snap_log import FileTxnSnapLog, RestorePlan, StartingPoint, StorageSettings
from ...storage.snap_store import SnapshotSource, SnapStore
from ...storage.snapshot import ZxidDigest
from ...storage.txn_log import TxnLog
from ..database import ZKDatabase
from ..digest import as_long
from .folder import Folder, NotThere


@dataclass(frozen=True, slots=True)
class Recovered:
    """A tree and how it came about."""

    database: ZKDatabase
    start: StartingPoint
    snapshot: str
    """Path of the snapshot that was read; empty if there was none."""
    replayed: int
    """How many txns came on top of it."""
    passed_over: tuple[str, ...] = ()
    """Newer snapshots that are not whole, in words."""
    changes: tuple[Change, ...] = ()
    """What a start would have changed in the folder."""
    digest_checks: int = 0
    """How often the tree's digest could be compared with one that was stored."""

    @property
    def zxid(self) -> int:
        return self.database.tree.last_processed_zxid

    @property
    def node_count(self) -> int:
        """Nodes, the root once."""
        return len(self.database.tree.nodes) - 1


def recover(
    disk: Disk, folder: Folder, *, check_digests: bool = False, replayed: Callable[[int], None] | None = None
) -> Recovered:
    """Start as a server with default settings would. Raises StorageError as that start would.

    `replayed` is told the zxid of each txn.
    """
    overlay = OverlayDisk(disk)
    storage = FileTxnSnapLog(overlay, folder.data_dir, folder.log_dir, StorageSettings(sync=False))
    database = ZKDatabase(digest_enabled=check_digests)
    plan = storage.open()
    digests = _Digests(database, overlay, plan.snapshot if check_digests else None)
    watched = _Watched(plan, storage.txn_log, plan.entries(), digests.compare)
    count = database.restore(watched, (lambda zxid, _: replayed(zxid)) if replayed else None)
    storage.close()
    return Recovered(
        database,
        plan.start,
        plan.snapshot.path if plan.snapshot else "",
        count,
        tuple(map(str, plan.rejected)),
        tuple(overlay.changes()),
        digests.compared,
    )


def recover_at(disk: Disk, folder: Folder, zxid: int) -> Recovered:
    """The tree behind the txn `zxid`, or the last one before it.

    From the newest snapshot that knows nothing of later txns. Raises NotThere if there is none, and
    StorageError for what is damaged between that and the txn; damage behind it does not matter.
    """
    store = SnapStore(disk, folder.snap_directory)
    txn_log = TxnLog(disk, folder.log_directory)
    editor = HistoryEditor(disk, folder.snap_directory, folder.log_directory, store, txn_log)
    base = editor.truncation_base(zxid)
    if base is None:
        raise NotThere(_cannot_reach(disk, folder, zxid))
    reader = LogReader(disk, folder.log_directory, base.zxid + 1, zxid)
    plan = RestorePlan(StartingPoint.DATA, store.source(base), [], txn_log)
    database = ZKDatabase(digest_enabled=False)
    count = database.restore(_Watched(plan, txn_log, reader, lambda: None))
    return Recovered(database, StartingPoint.DATA, base.path, count)


def covered(disk: Disk, folder: Folder) -> tuple[int, int]:
    """The first and the last zxid for which `recover_at` may have an answer; (-1, -1) for none."""
    snapshots = list_snapshots(disk, folder.snap_directory)
    if not snapshots:
        return -1, -1
    last = snapshots[0].zxid
    for entry in LogReader(disk, folder.log_directory, last + 1):
        last = entry.zxid
    return snapshots[-1].zxid, last


def _cannot_reach(disk: Disk, folder: Folder, zxid: int) -> str:
    snapshots = list_snapshots(disk, folder.snap_directory)
    if not snapshots:
        return f"there are no snapshots in {folder.snap_directory}"
    older = [one for one in snapshots if one.zxid <= zxid]
    if older:
        return (
            f"no snapshot leads to zxid 0x{zxid:x}: {older[0].name}, the newest before it, is not whole or"
            " was still being written when later txns came"
        )
    logs = list_logs(disk, folder.log_directory)
    beginning = f"; the logs go back to 0x{logs[0].zxid:x}" if logs else ""
    return (
        f"no snapshot leads to zxid 0x{zxid:x}: the oldest in {folder.snap_directory} is"
        f" {snapshots[-1].name}{beginning}"
    )


class _Watched(RestorePlan):
    """A plan with entries of our choice; `between` is called before the first, and behind each."""

    def __init__(
        self, plan: RestorePlan, txn_log: TxnLog, entries: Iterable[LogEntry], between: Callable[[], None]
    ) -> None:
        super().__init__(plan.start, plan.snapshot, plan.rejected, txn_log)
        self._entries = entries
        self._between = between

    def entries(self) -> Iterator[LogEntry]:
        self._between()
        for entry in self._entries:
            yield entry
            self._between()


class _Digests:
    """Compares the tree with the digest at the end of its snapshot, when it has come to that zxid.

    The digests of txns are compared by the database.
    """

    def __init__(self, database: ZKDatabase, disk: Disk, snapshot: SnapshotSource | None) -> None:
        self._database = database
        self._expected: ZxidDigest | None = None
        self._path = ""
        self.compared = 0
        if snapshot is not None:
            name = snapshot.path.rpartition("/")[2]
            stored = StoredFile(snapshot.zxid, name, snapshot.path, snapshot.compression)
            self._path = snapshot.path
            self._expected = SnapStore(disk, "").read_end(stored).zxid_digest

    def compare(self) -> None:
        expected, tree = self._expected, self._database.tree
        if expected is None or tree.last_processed_zxid < expected.zxid:
            return
        self._expected = None
        if expected.version != DIGEST_VERSION or tree.last_processed_zxid != expected.zxid:
            return
        if expected.zxid or expected.digest:
            self.compared += 1
            if as_long(tree.digest) != expected.digest:
                self._database.report_mismatch(expected.zxid, expected.digest)
