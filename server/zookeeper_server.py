"""ZooKeeperServer: a standalone server on real sockets, a real disk and real time.

Wires the parts and decides the order: restore, first snapshot, bind, serve; on the way down answer what is
in the log, then close. All rules are in ``standalone`` and ``core``; here is only what waits.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from random import Random
from typing import TYPE_CHECKING

import trio

from ..jute.ids import hex64
from ..storage.disk import Disk
from ..storage.errors import StorageError
from ..storage.real_disk import RealDisk
from ..storage.snap_log import FileTxnSnapLog
from .client_ports import ClientPorts
from .database import ZKDatabase
from .event_loop import EventLoop, monotonic_ms, wall_ms
from .log_thread import LogThread
from .settings_table import Config
from .snapshot_writer import SnapshotWriter
from .standalone import StandaloneServer
from .storage_folder import restore_alone, storage_of

if TYPE_CHECKING:
    from .admin.transfers import Transfers

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
        self.secure_port = config.secure_client_port
        self._disk: Disk = disk or RealDisk()
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

        Raises StorageError (unreadable data, a folder in use, a disk that fails while running), OSError (a
        port that can't be bound) and ConfigError (certificates that can't be used).
        """
        storage = storage_of(self.config, self._disk)
        plan = storage.open()
        disk_answers = True
        try:
            database = ZKDatabase(digest_enabled=self.config.digest_enabled)
            database.clock = monotonic_ms
            replayed = restore_alone(plan, storage, database, self.config)
            ports = ClientPorts(self.config, lambda address: core.accept(address))
            self.port, self.secure_port = ports.port, ports.secure_port
            snapshots = SnapshotWriter(storage.snap_store)
            core = StandaloneServer(
                self.config,
                database,
                storage.txn_log,
                replayed=replayed,
                random=Random(),
                now_ms=monotonic_ms(),
                wall_ms=wall_ms(),
                start_snapshot=snapshots.request,
            )
            core.port, core.secure_port = self.port, self.secure_port
            write_ms = database.metrics.write_ms if self.config.force_sync else None
            log_thread = LogThread(self.config.fsync_warning_threshold_ms, write_ms)
            loop = EventLoop(core, log_thread)
            if self.config.flush_delay_ms > 0:
                loop.after_batch = loop.tick_sooner
            try:
                ports.listen(loop)
                self._serve_http(core, loop, storage, snapshots)
                await self._run(core, loop, storage, snapshots, task_status)
            finally:
                core.is_serving = False
                loop.close()
                disk_answers = log_thread.close(DRAIN_S)
        finally:
            if disk_answers:
                storage.close()

    def _serve_http(
        self, core: StandaloneServer, loop: EventLoop, storage: FileTxnSnapLog, snapshots: SnapshotWriter
    ) -> None:
        if not (self.config.admin_enabled or self.config.metrics_provider):
            return
        from .admin.http_ports import serve_http

        def transfers() -> Transfers:
            from .admin.standalone_transfers import StandaloneTransfers

            return StandaloneTransfers(self.config, storage, core, snapshots)

        store = storage.snap_store
        serve_http(self.config, loop, core, lambda: core, store=store, make_transfers=transfers)

    async def _run(
        self,
        core: StandaloneServer,
        loop: EventLoop,
        storage: FileTxnSnapLog,
        snapshots: SnapshotWriter,
        task_status: trio.TaskStatus[ZooKeeperServer],
    ) -> None:
        with unwrapped_storage_errors():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(loop.run)
                nursery.start_soon(loop.run_ticks)
                nursery.start_soon(snapshots.run, loop)
                start_purging(self.config, storage, nursery)
                ports = {"port": self.port, "port for TLS": self.secure_port}
                where = ", ".join(f"{name} {port}" for name, port in ports.items() if port >= 0)
                _log.info("serving on %s, last zxid 0x%s", where, hex64(core.last_processed_zxid))
                task_status.started(self)
                with audited(self.config):
                    await self._stop.wait()
                if not self._killed:
                    core.do_not_wait()
                    loop.pump()
                    with trio.move_on_after(DRAIN_S):
                        await loop.drain()
                nursery.cancel_scope.cancel()


@contextlib.contextmanager
def audited(config: Config) -> Iterator[None]:
    """Tell the audit log that the server has started, and that it is told to stop."""
    if not config.audit_enabled:
        yield
        return
    from .audit import server_started, server_stopped

    server_started()
    yield
    server_stopped()


def start_purging(config: Config, storage: FileTxnSnapLog, nursery: trio.Nursery) -> None:
    """Remove old files from now on, if the configuration asks for it."""
    if config.purge_interval_h <= 0:
        return
    from .purger import Purger

    purger = Purger(
        storage.disk,
        storage.snap_directory,
        storage.log_directory,
        retain_count=config.snap_retain_count,
        interval_h=config.purge_interval_h,
    )
    nursery.start_soon(purger.run)


@contextlib.contextmanager
def unwrapped_storage_errors() -> Iterator[None]:
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
        raise error from error.__cause__
