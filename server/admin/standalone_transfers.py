"""StandaloneTransfers: snapshots over HTTP of a server without peers, taken and loaded.

Loading one replaces the history of the server. It is decoded from a spool file, and only if it is whole and
sound anything happens: clients are cut off, what is in the log comes to rest, and the loaded tree is written
as the only snapshot (`storage/history.py` sets the old files aside), before it is served. So a crash leaves
the old history or the new one; Java changes its memory only, and a restart brings the old tree back.

Zxids go on from where they were, as in Java: no client has ever seen a later one, so the restored tree counts
as what the last of them made of the tree.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, Protocol

from ...jute.ids import Zxid, hex64
from ...storage.compression import SNAPPY_MAGIC
from ...storage.disk import File
from ...storage.errors import StorageError
from ...storage.file_names import UNDER_CONSTRUCTION, StoredFile, snapshot_name
from ...storage.snap_log import FileTxnSnapLog, RestorePlan, StartingPoint
from ...storage.snap_store import SnapshotSource
from ..database import ZKDatabase
from ..settings_table import Config
from ..snapshot_job import SnapshotJob
from .snapshot_taker import RequestedSnapshot, SnapshotTaker
from .transfers import Restoration, TakenSnapshot

SPOOL_FILE: Final = UNDER_CONSTRUCTION + snapshot_name((1 << 64) - 1)
"""A start removes it if it is left behind."""

_log = logging.getLogger(__name__)


class RestorableServer(Protocol):
    """The server whose tree is replaced."""

    database: ZKDatabase
    now_ms: int

    @property
    def idle(self) -> bool:
        """Whether every write taken in has been applied."""

    def pause(self, reason: str) -> None:
        """Cut off all clients, and take none from now on."""

    def become(self, database: ZKDatabase | None) -> None:
        """Serve again: this database, or the one from before the pause."""


class Snapshots(Protocol):
    """Who writes snapshots."""

    @property
    def is_idle(self) -> bool:
        """Whether none is being written."""

    def request(self, job: SnapshotJob) -> None:
        """Write it."""


class StandaloneTransfers:
    """Args:
    config: settings.
    storage: the data folder, open.
    server: the server.
    snapshots: who writes snapshots.
    """

    def __init__(
        self, config: Config, storage: FileTxnSnapLog, server: RestorableServer, snapshots: Snapshots
    ) -> None:
        self._config = config
        self._storage = storage
        self._server = server
        self._snapshots = snapshots
        self._taker = SnapshotTaker(storage.disk, storage.snap_store, self._start_snapshot)
        self._loading: tuple[ZKDatabase, Callable[[bool], None]] | None = None
        """What is to be served as soon as what was served has come to rest."""
        self._is_restoring = False

    def take_snapshot(self, done: Callable[[TakenSnapshot | None], None]) -> None:
        self._taker.take(done)

    def begin_restoration(self) -> Restoration | None:
        if self._is_restoring:
            raise StorageError("another snapshot is being loaded")
        self._is_restoring = True
        try:
            return _Incoming(self, self._storage)
        except BaseException:
            self._is_restoring = False
            raise

    def tick(self, now_ms: int) -> None:
        """Time has passed."""
        self._taker.tick(now_ms)
        self._settle()

    def _start_snapshot(self, told: Callable[[bool], None]) -> SnapshotJob | None:
        if self._is_restoring or not self._snapshots.is_idle:
            return None
        job = RequestedSnapshot(self._server.database, told)
        self._snapshots.request(job)
        return job

    # -- loading -------------------------------------------------------------------------------------

    def load(self, stored: StoredFile, done: Callable[[int | None], None]) -> None:
        """Serve what is in this file; `done` is told its last zxid, or None if that can't be done."""
        storage = self._storage
        try:
            zxid = storage.snap_store.read_end(stored).last_zxid or 0
            source = SnapshotSource(storage.disk, zxid, stored.path, stored.compression)
            database = ZKDatabase(digest_enabled=self._config.digest_enabled)
            database.restore(RestorePlan(StartingPoint.EMPTY, source, [], storage.txn_log))
        except StorageError as error:
            _log.warning("a snapshot over HTTP can't be loaded: %s", error)
            done(None)
            return
        server = self._server
        started_ms = server.now_ms
        tree = database.tree
        tree.last_processed_zxid = Zxid(max(zxid, server.database.tree.last_processed_zxid))
        server.pause("another history is being loaded")

        def loaded(is_done: bool) -> None:
            server.become(database if is_done else None)
            if is_done:
                server.database.metrics.observe("restore_time", server.now_ms - started_ms)
                _log.info("loaded a snapshot over HTTP, last zxid 0x%s", hex64(zxid))
            done(zxid if is_done else None)

        self._loading = database, loaded
        self._settle()

    def ended(self) -> None:
        """The loading is over, whatever became of it."""
        self._is_restoring = False

    def _settle(self) -> None:
        """Write the loaded tree down, once nothing else is being written."""
        if self._loading is None or not (self._server.idle and self._snapshots.is_idle):
            return
        database, loaded = self._loading
        self._loading = None
        self._snapshots.request(_Replacement(database, loaded, self._storage))


class _Replacement(RequestedSnapshot):
    """The snapshot that becomes the only history. A disk that fails halfway ends the server."""

    def __init__(self, database: ZKDatabase, told: Callable[[bool], None], storage: FileTxnSnapLog) -> None:
        super().__init__(database, told)
        self.begin = storage.begin_adoption


class _Incoming:
    """A snapshot on its way into the spool file."""

    def __init__(self, transfers: StandaloneTransfers, storage: FileTxnSnapLog) -> None:
        self._transfers = transfers
        self._disk = storage.disk
        self._path = f"{storage.snap_directory}/{SPOOL_FILE}"
        self._file: File | None = self._disk.create(self._path)
        self._size_bytes = 0

    def write(self, data: bytes) -> None:
        assert self._file is not None
        self._file.pwrite(data, self._size_bytes)
        self._size_bytes += len(data)

    def finish(self, done: Callable[[int | None], None]) -> None:
        assert self._file is not None
        start = self._file.pread(len(SNAPPY_MAGIC), 0)
        compression = "gz" if start.startswith(b"\x1f\x8b") else "snappy" if start == SNAPPY_MAGIC else ""

        def ended(zxid: int | None) -> None:
            self._transfers.ended()
            done(zxid)

        try:
            self._transfers.load(StoredFile(0, "the snapshot", self._path, compression), ended)
        finally:
            self._remove()

    def abandon(self) -> None:
        if self._file is not None:
            self._remove()
            self._transfers.ended()

    def _remove(self) -> None:
        assert self._file is not None
        file, self._file = self._file, None
        try:
            file.close()
            self._disk.unlink(self._path)
        except StorageError as error:
            _log.warning("%s", error)
