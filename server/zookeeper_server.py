"""ZooKeeperServer: a standalone server on real sockets, a real disk and real time.

Wires the parts and decides the order: restore, first snapshot, bind, serve; on the way down answer what is
in the log, then close. All rules are in ``core``; here is only what waits.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from random import Random

import trio

from ..jute.codes import DIGEST_VERSION
from ..jute.ids import Zxid, hex64
from ..storage.disk import Disk
from ..storage.errors import NoValidSnapshot, StorageError
from ..storage.real_disk import RealDisk
from ..storage.snap_log import FileTxnSnapLog, StartingPoint, StorageSettings
from ..storage.snapshot import SnapshotEncoder, ZxidDigest
from .core import ServerCore
from .data_tree import DataTree
from .database import ZKDatabase
from .digest import as_long
from .listener import ClientListener, bind
from .log_thread import LogThread
from .settings_table import Config

SLICE_S = 0.001
"""A snapshot holds the event loop no longer than this at a time."""
CHUNK_BYTES = 1 << 18
DRAIN_S = 5
"""How long a stop waits for writes that are on their way to the disk."""

_log = logging.getLogger(__name__)


class ZooKeeperServer:
    """A standalone server.

    Args:
        config: settings; ``client_port`` 0 lets the system choose.
        disk: where data is kept; the real one unless a test brings its own.
    """

    def __init__(self, config: Config, disk: Disk | None = None) -> None:
        self.config = config
        self.data_dir = config.data_dir
        self.port = config.client_port
        self._disk: Disk = disk or RealDisk()
        self._snapshot_wanted = trio.Event()
        self._stop = trio.Event()
        self._killed = False

    def request_stop(self) -> None:
        """End ``serve`` cleanly. Call it on trio's thread."""
        self._stop.set()

    def request_kill(self) -> None:
        """End ``serve`` as if the power had gone: nothing more is written or answered."""
        self._killed = True
        self._stop.set()

    async def serve(
        self, *, task_status: trio.TaskStatus[ZooKeeperServer] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Run until stopped or cancelled; ``task_status`` is told once clients can connect.

        Raises StorageError (unreadable data, a folder in use, a disk that fails while running) and OSError
        (a port that can't be bound).
        """
        storage = FileTxnSnapLog(
            self._disk, self.data_dir, self.config.data_log_dir, self._storage_settings()
        )
        database = ZKDatabase(digest_enabled=self.config.digest_enabled)
        plan = storage.open()
        disk_answers = True
        try:
            for problem in plan.rejected:
                _log.warning("snapshot passed over: %s", problem)
            replayed = database.restore(plan)
            if plan.start is StartingPoint.UNKNOWN:
                raise NoValidSnapshot(
                    storage.snap_directory,
                    "the folder is empty and db.autocreate is false; a file `initialize` in the log folder,"
                    " or db.autocreate=true, says that it is meant to be",
                )
            if plan.start is StartingPoint.EMPTY:
                self._write_first_snapshot(storage, database)
            listening = bind(
                self.config.client_port_address,
                self.config.client_port,
                self.config.client_port_listen_backlog,
            )
            self.port = listening.getsockname()[1]
            core = ServerCore(
                self.config,
                database,
                storage.txn_log,
                replayed=replayed,
                random=Random(),
                now_ms=_monotonic_ms(),
                wall_ms=_wall_ms(),
                snapshot_due=lambda: self._snapshot_wanted.set(),
            )
            core.port = self.port
            log_thread = LogThread(self.config.fsync_warning_threshold_ms)
            listener = ClientListener(core, listening, log_thread)
            try:
                await self._run(core, listener, storage, task_status)
            finally:
                core.is_serving = False
                listener.close()
                disk_answers = log_thread.close(DRAIN_S)
        finally:
            if disk_answers:
                storage.close()

    async def _run(
        self,
        core: ServerCore,
        listener: ClientListener,
        storage: FileTxnSnapLog,
        task_status: trio.TaskStatus[ZooKeeperServer],
    ) -> None:
        with _unwrapped_storage_errors():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(listener.run)
                nursery.start_soon(self._tick, core, listener)
                nursery.start_soon(self._take_snapshots, core.database, storage, listener)
                _log.info("serving on port %d, last zxid 0x%s", self.port, hex64(core.last_processed_zxid))
                task_status.started(self)
                await self._stop.wait()
                if not self._killed:
                    with trio.move_on_after(DRAIN_S):
                        await listener.drain()
                nursery.cancel_scope.cancel()

    async def _tick(self, core: ServerCore, listener: ClientListener) -> None:
        while True:
            await trio.sleep(max(core.next_tick_ms(), 1) / 1000)
            listener.poll_once()
            core.tick()
            listener.resume_accepting()
            listener.pump()
            while core.dirty:
                await trio.lowlevel.checkpoint()
                listener.pump()

    # -- snapshots -----------------------------------------------------------------------------------

    async def _take_snapshots(
        self, database: ZKDatabase, storage: FileTxnSnapLog, listener: ClientListener
    ) -> None:
        """Whenever one is due; one that comes due while another is written is skipped, as in the original."""
        while True:
            await self._snapshot_wanted.wait()
            listener.background_work = True
            try:
                await self._take_snapshot(database, storage)
            except StorageError as error:
                _log.error("snapshot failed: %s", error)
            listener.background_work = False
            self._snapshot_wanted = trio.Event()

    async def _take_snapshot(self, database: ZKDatabase, storage: FileTxnSnapLog) -> None:
        """Write the tree out while it changes: slices of encoding here, writing in a thread."""
        tree = database.tree
        zxid = tree.last_processed_zxid
        started = time.monotonic()
        file = await trio.to_thread.run_sync(storage.snap_store.begin, zxid)
        try:
            for chunk in self._snapshot_chunks(database, zxid):
                if chunk:
                    await trio.to_thread.run_sync(file.write, chunk)
                else:
                    await trio.lowlevel.checkpoint()
            await trio.to_thread.run_sync(file.finish)
        except BaseException:
            file.abort()
            raise
        _log.info("snapshot.%s written in %.1f s", hex64(zxid), time.monotonic() - started)

    def _snapshot_chunks(self, database: ZKDatabase, zxid: Zxid) -> Iterator[bytes]:
        """Pieces of the snapshot; an empty one means the time slice is used up."""
        tree, encoder = database.tree, SnapshotEncoder()
        acls = tree.acls.table()
        encoder.start(database.sessions, acls)
        acl_ids = {acl: acl_id for acl_id, acl in acls.items()}
        slice_end = time.monotonic() + SLICE_S
        size = 0
        for count, row in enumerate(tree.rows_since(zxid, acl_ids)):
            encoder.add_node(*row)
            size += 160 + len(row[1] or b"")
            if size > CHUNK_BYTES:
                yield encoder.take_chunk()
                size = 0
            elif count & 15 or time.monotonic() < slice_end:
                continue
            else:
                yield b""
            slice_end = time.monotonic() + SLICE_S
        yield encoder.finish(self._zxid_digest(tree), self._last_zxid(tree))

    def _write_first_snapshot(self, storage: FileTxnSnapLog, database: ZKDatabase) -> None:
        """``snapshot.0`` of a new server: logs without a snapshot before them are not trusted later."""
        file = storage.snap_store.begin(0)
        try:
            for chunk in self._snapshot_chunks(database, Zxid(0)):
                file.write(chunk)
            file.finish()
        except BaseException:
            file.abort()
            raise

    def _zxid_digest(self, tree: DataTree) -> ZxidDigest | None:
        if not tree.digest_enabled:
            return None
        return ZxidDigest(tree.last_processed_zxid, DIGEST_VERSION, as_long(tree.digest))

    def _last_zxid(self, tree: DataTree) -> int | None:
        # Without a digest in front of it the original takes the last zxid for one, and refuses the snapshot.
        wanted = self.config.serialize_last_processed_zxid_enabled and tree.digest_enabled
        return tree.last_processed_zxid if wanted else None

    def _storage_settings(self) -> StorageSettings:
        config = self.config
        return StorageSettings(
            directory_autocreate=config.datadir_autocreate,
            database_autocreate=config.db_autocreate,
            trust_empty_snapshot=config.snapshot_trust_empty,
            preallocate_bytes=config.pre_alloc_size_kb * 1024,
            log_size_limit_bytes=config.txn_log_size_limit_kb * 1024,
            sync=config.force_sync,
        )


@contextlib.contextmanager
def _unwrapped_storage_errors() -> Iterator[None]:
    """A StorageError out of the nursery as itself, not inside an exception group."""
    try:
        yield
    except BaseExceptionGroup as group:
        storage_errors, _ = group.split(StorageError)
        if storage_errors is None:
            raise
        error: BaseException = storage_errors
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None


def _monotonic_ms() -> int:
    return int(time.monotonic() * 1000)


def _wall_ms() -> int:
    return int(time.time() * 1000)
