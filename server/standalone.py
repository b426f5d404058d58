"""StandaloneServer: a server without peers. Its chain is prep -> sync -> final.

Besides what every server core is told, batches of its log are taken, written, and reported as durable. A
shell that does just that with a network and a disk is a server (``zookeeper_server``); another that does it
with simulated ones is a test.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from ..jute.ids import SessionId
from ..jute.proto import SyncRequest
from ..storage.txn_log import LogBatch, TxnLog
from .change_records import OutstandingChanges
from .connection import ServerConnection, State
from .core import ServerCore
from .database import ZKDatabase
from .ops.context import PrepContext
from .ops.table import OPERATIONS, SYNC
from .prep import PrepRequestProcessor
from .request import Request
from .sessions import SessionTracker
from .settings_table import Config
from .snapshot_job import SnapshotJob
from .sync import SnapshotTrigger, sync_processor
from .throttle import ConnectionThrottle

STANDALONE_SERVER_ID = 1
"""Goes into session ids (``ZooKeeperServer.createSessionTracker``)."""


class StandaloneServer(ServerCore):
    """One server and its log.

    Args:
        config: settings.
        database: tree and sessions as restored.
        log: transaction log, open for appending.
        replayed: txns that were read from the log; they count towards the next snapshot.
        random: source of the snapshot randomisation, and of what clients must not foresee.
        now_ms: current time of a clock that never jumps.
        wall_ms: current wall time, ms since 1970.
        start_snapshot: given a snapshot that should be written.
    """

    def __init__(
        self,
        config: Config,
        database: ZKDatabase,
        log: TxnLog,
        *,
        replayed: int = 0,
        random: Random,
        now_ms: int,
        wall_ms: int,
        start_snapshot: Callable[[SnapshotJob], None],
    ) -> None:
        sessions = SessionTracker(config.tick_time_ms, STANDALONE_SERVER_ID, now_ms, database.sessions)
        super().__init__(config, database, sessions, dirty={}, now_ms=now_ms, wall_ms=wall_ms, random=random)
        self.throttle = ConnectionThrottle.from_config(config, random, now_ms)
        self._log = log
        self._random = random
        self._start_snapshot = start_snapshot
        self._build_chain(replayed)
        self.manage_containers()
        self.set_time(now_ms, wall_ms)

    def _build_chain(self, replayed: int) -> None:
        config, database = self.config, self.database
        changes = OutstandingChanges(self.tree)
        final = self.final_processor(changes)
        trigger = SnapshotTrigger(config.snap_count, config.snap_size_limit_kb * 1024, self._random, replayed)
        self._sync = sync_processor(
            config,
            self._log,
            trigger,
            final.process_all,
            lambda: self._start_snapshot(SnapshotJob.of(config, database)),
            times=database.metrics.batches,
            clock=lambda: self.now_ms,
        )
        context = PrepContext.from_config(
            config, changes, self.access, self.sessions, OPERATIONS, database.metrics.quota_exceeded
        )
        self._prep = PrepRequestProcessor(context, self.tree.last_processed_zxid, self._sync.process)
        self.submit = self._prep.process

    @property
    def mode(self) -> str:
        return "standalone"

    def set_time(self, now_ms: int, wall_ms: int) -> None:
        super().set_time(now_ms, wall_ms)
        self._prep.context.now_ms = now_ms
        self._prep.context.time_ms = wall_ms

    def take_batch(self) -> LogBatch | None:
        """What has to be written to the log now. Call ``flushed`` when it is durable."""
        return self._sync.take_batch()

    def flushed(self) -> None:
        """The last batch taken is durable."""
        self._sync.flushed()

    def next_tick_ms(self) -> int:
        wait_ms, due_ms = super().next_tick_ms(), self._sync.flush_due_ms
        return wait_ms if due_ms is None else min(wait_ms, max(due_ms - self.now_ms, 0))

    def do_not_wait(self) -> None:
        """The server stops: nothing waits for others that could share its fsync."""
        self._sync.do_not_wait()

    @property
    def idle(self) -> bool:
        """Whether every write taken in has been applied."""
        return self._sync.idle

    # -- another history ---------------------------------------------------------------------------------

    def accept(self, remote_address: tuple[str, int]) -> ServerConnection | None:
        return super().accept(remote_address) if self.is_serving else None

    def tick(self) -> None:
        if self.is_serving:
            super().tick()

    def pause(self, reason: str) -> None:
        """Cut off all clients, and take none until ``become``: the tree is about to be another one."""
        self.is_serving = False
        for connection in list(self.open_connections):
            connection.abort(reason)

    def become(self, database: ZKDatabase | None) -> None:
        """Serve again: this database, which is on the disk, or the one from before the pause."""
        if database is not None:
            self.serve_database(
                database,
                SessionTracker(
                    self.config.tick_time_ms, STANDALONE_SERVER_ID, self.now_ms, database.sessions
                ),
            )
            self._build_chain(0)
            self.set_time(self.now_ms, self.wall_ms)
        self.is_serving = True

    def reopen_session(self, client: ServerConnection, session_id: SessionId) -> None:
        if not self.sessions.touch(session_id, client.session_timeout_ms, self.now_ms):
            client.session_refused()
            return
        self.attach(client, session_id)
        client.state = State.OPENING
        # Behind whatever the session's last connection still has under way, so that it can be read.
        barrier = Request(client, session_id, 0, SYNC, b"", self.now_ms)
        barrier.record = SyncRequest(None)
        self.in_process += 1
        self.submit(barrier)
