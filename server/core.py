"""ServerCore: a whole standalone server without sockets, threads or clocks.

It owns the database, the sessions, the connections and the chain prep -> sync -> final, and is driven from
outside: connections are given bytes, ``tick`` is told the time, batches of the log are taken, written, and
reported as durable. A shell that does just that with a network and a disk is a server
(``zookeeper_server``); another that does it with simulated ones is a test.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from random import Random

from ..jute.ids import SessionId, hex64
from ..jute.proto import ConnectRequest, SyncRequest
from ..jute.txn import CreateSessionTxn
from ..storage.txn_log import LogBatch, TxnLog
from .acl import AccessControl
from .auth.registry import default_providers
from .change_records import OutstandingChanges
from .connection import ServerConnection, State
from .database import ZKDatabase
from .final import FinalRequestProcessor
from .four_letter_dumps import TRACE_MASK_DEFAULT
from .ops.context import Operation, PrepContext, ReadContext
from .ops.table import CLOSE_SESSION, CREATE_SESSION, OPERATIONS, SYNC
from .prep import PrepRequestProcessor
from .request import Request
from .server_stats import ServerStats
from .sessions import SessionTracker, check_password
from .settings_table import Config
from .sync import SnapshotTrigger, SyncRequestProcessor

STANDALONE_SERVER_ID = 1
"""Goes into session ids (``ZooKeeperServer.createSessionTracker``)."""

TXN_FRAME_BYTES = 64
"""More than header and digest of a txn take."""

_log = logging.getLogger(__name__)


class ServerCore:
    """One server's state and rules.

    Args:
        config: settings.
        database: tree and sessions as restored.
        log: transaction log, open for appending.
        random: source of the snapshot randomisation.
        now_ms: current time of a clock that never jumps.
        wall_ms: current wall time, ms since 1970.
        snapshot_due: called when a snapshot should be taken.
        replayed: txns that were read from the log; they count towards the next snapshot.
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
        snapshot_due: Callable[[], None],
    ) -> None:
        self.config = config
        self.database = database
        self.tree = database.tree
        self.operations: dict[int, Operation] = OPERATIONS
        self.now_ms = now_ms
        self.wall_ms = wall_ms
        self.port = config.client_port
        self.is_serving = True
        self.stats = ServerStats()
        self.trace_mask = TRACE_MASK_DEFAULT
        self.access = AccessControl(
            default_providers(
                digest_enabled=config.digest_auth_enabled,
                super_digest=config.super_digest or None,
                digest_algorithm=config.digest_auth_algorithm,
            ),
            skip=config.skip_acl,
        )
        self.read_context = ReadContext(self.tree, self.access, OPERATIONS)
        self.sessions = SessionTracker(config.tick_time_ms, STANDALONE_SERVER_ID, now_ms, database.sessions)
        self.open_connections: dict[ServerConnection, None] = {}
        self._per_host: dict[str, int] = {}
        self.by_session: dict[int, ServerConnection] = {}
        self.dirty: dict[ServerConnection, None] = {}
        """Connections with output to send, or to close."""
        self.in_process = 0
        self.outstanding_limit = config.global_outstanding_limit
        """Requests under way (``in_process``) past which busy connections are not read."""
        self.time_is_up: Callable[[], bool] = lambda: False
        """Whether a connection should leave the rest of its batch for later; the shell sets it."""
        self._started_ms = now_ms
        changes = OutstandingChanges(self.tree)
        self._final = FinalRequestProcessor(database, changes, self._session_closed)
        trigger = SnapshotTrigger(config.snap_count, config.snap_size_limit_kb * 1024, random, replayed)
        self._sync = SyncRequestProcessor(log, trigger, self._final.process, snapshot_due)
        context = PrepContext(
            changes,
            self.access,
            self.sessions,
            OPERATIONS,
            close_session_lists_paths=config.close_session_txn_enabled,
            extended_types_enabled=config.extended_types_enabled,
            txn_bytes_max=config.jute_max_buffer_bytes + config.jute_max_buffer_extra_bytes - TXN_FRAME_BYTES,
        )
        self._prep = PrepRequestProcessor(context, self.tree.last_processed_zxid, self._sync.process)
        self.submit: Callable[[Request], None] = self._prep.process
        """Send a write into the chain."""
        self.set_time(now_ms, wall_ms)

    # -- driven by the shell -------------------------------------------------------------------------

    def accept(self, remote_address: tuple[str, int]) -> ServerConnection | None:
        """A connection from a client, or None if there are too many (``maxClientCnxns``, ``maxCnxns``)."""
        total_max, per_host_max = self.config.max_cnxns, self.config.max_client_cnxns
        if total_max and len(self.open_connections) >= total_max:
            _log.warning("too many connections: maxCnxns is %d", total_max)
            return None
        host = remote_address[0]
        same_host = self._per_host.get(host, 0)
        if per_host_max and same_host >= per_host_max:
            _log.warning("too many connections from %s: maxClientCnxns is %d", host, per_host_max)
            return None
        self._per_host[host] = same_host + 1
        connection = ServerConnection(self, remote_address)
        self.open_connections[connection] = None
        return connection

    def set_time(self, now_ms: int, wall_ms: int) -> None:
        """What time it is until further notice: told before every batch of bytes and every tick."""
        self.now_ms = now_ms
        self.wall_ms = wall_ms
        self._prep.context.now_ms = now_ms
        self._prep.context.time_ms = wall_ms

    def tick(self) -> None:
        """Once in a while: expire sessions, and connections that get no session or do not end."""
        now_ms = self.now_ms
        for session_id in self.sessions.expired(now_ms):
            _log.info("expiring session 0x%s", hex64(session_id))
            self.submit(Request(None, session_id, 0, CLOSE_SESSION, b"", now_ms))
        oldest = now_ms - self.config.sessionless_cnxn_timeout_ms
        for connection in list(self.open_connections):
            if connection.state < State.OPENING and connection.established_ms < oldest:
                connection.abort("no session in time")
            elif connection.state is State.CLOSING and connection.close_deadline_ms < now_ms:
                self.dirty[connection] = None

    def next_tick_ms(self) -> int:
        """How long until ``tick`` has something to do, at most one tick."""
        return min(self.sessions.queue.wait_ms(self.now_ms), self.config.tick_time_ms)

    def take_batch(self) -> LogBatch | None:
        """What has to be written to the log now. Call ``flushed`` when it is durable."""
        return self._sync.take_batch()

    def flushed(self) -> None:
        """The last batch taken is durable."""
        self._sync.flushed()

    @property
    def idle(self) -> bool:
        """Whether every write taken in has been applied."""
        return self._sync.idle

    # -- called by connections -----------------------------------------------------------------------

    def connect(self, client: ServerConnection, request: ConnectRequest) -> None:
        """The handshake (``ZooKeeperServer.processConnectRequest``), checks in the original's order."""
        if request.lastZxidSeen > self.tree.last_processed_zxid:
            client.close(
                f"client has seen zxid 0x{hex64(request.lastZxidSeen)},"
                f" our last is 0x{hex64(self.tree.last_processed_zxid)}"
            )
            return
        client.session_timeout_ms = min(
            max(request.timeOut, self.config.min_session_timeout_ms), self.config.max_session_timeout_ms
        )
        if request.sessionId == 0:
            session_id = self.sessions.create(client.session_timeout_ms, self.now_ms)
            self._attach(client, session_id)
            client.state = State.OPENING
            opening = Request(client, session_id, 0, CREATE_SESSION, b"", self.now_ms)
            opening.record = CreateSessionTxn(client.session_timeout_ms)
            self.in_process += 1
            self.submit(opening)
            return
        # The original closes the session's other connection before it looks at the password.
        session_id = SessionId(request.sessionId)
        other = self.by_session.get(session_id)
        if other is not None:
            other.abort("the session moved to another connection")
        if not check_password(session_id, request.passwd):
            _log.warning(
                "wrong password for session 0x%s from %s:%d", hex64(session_id), *client.remote_address
            )
            client.session_refused()
        elif self.sessions.touch(session_id, client.session_timeout_ms, self.now_ms):
            self._attach(client, session_id)
            client.state = State.OPENING
            # Behind whatever the session's last connection still has under way, so that it can be read.
            barrier = Request(client, session_id, 0, SYNC, b"", self.now_ms)
            barrier.record = SyncRequest(None)
            self.in_process += 1
            self.submit(barrier)
        else:
            client.session_refused()

    def _attach(self, client: ServerConnection, session_id: SessionId) -> None:
        client.session_id = session_id
        self.by_session[session_id] = client

    def connection_closing(self, client: ServerConnection) -> None:
        """It takes no more requests: its watches go, its session waits for another connection."""
        self.tree.watches.remove_watcher(client)
        if self.by_session.get(client.session_id) is client:
            del self.by_session[client.session_id]

    def connection_closed(self, client: ServerConnection) -> None:
        """Its socket is gone."""
        del self.open_connections[client]
        host = client.remote_address[0]
        self._per_host[host] -= 1
        if not self._per_host[host]:
            del self._per_host[host]

    def answered(
        self,
        client: ServerConnection,
        count: int,
        body_bytes: int,
        xid: int,
        zxid: int,
        operation: Operation | None,
    ) -> None:
        """``count`` reads of one batch were answered at once; the rest is about the last one."""
        stats = self.stats
        stats.record_batch(0, count, count, 0)
        if body_bytes:
            stats.record_response_size(body_bytes + 16)
        client.stats.packets_sent += count
        if operation is not None:
            client.stats.record_response(xid, zxid, operation.tag, self.now_ms, self.now_ms)

    # -- called by the end of the chain ----------------------------------------------------------------

    def _session_closed(self, session_id: SessionId, client: ServerConnection | None) -> None:
        """closeSession is applied and, if a client asked for it, answered."""
        self.sessions.remove(session_id)
        if client is not None:
            client.close("session closed")
        elif session_id in self.by_session:
            self.by_session[session_id].abort("session expired")

    # -- what four-letter words show -------------------------------------------------------------------

    @property
    def mode(self) -> str:
        return "standalone"

    @property
    def connections(self) -> Iterable[ServerConnection]:
        return self.open_connections

    @property
    def outstanding_requests(self) -> int:
        return self.in_process

    @property
    def last_processed_zxid(self) -> int:
        return self.tree.last_processed_zxid

    @property
    def uptime_ms(self) -> int:
        return self.now_ms - self._started_ms

    @property
    def node_count(self) -> int:
        return len(self.tree.nodes)

    @property
    def watch_count(self) -> int:
        return self.tree.watches.data.count + self.tree.watches.children.count

    @property
    def ephemerals_count(self) -> int:
        return self.tree.ephemeral_count()

    @property
    def approximate_data_size_bytes(self) -> int:
        return self.tree.data_bytes

    @property
    def session_count(self) -> int:
        return len(self.sessions.sessions)
