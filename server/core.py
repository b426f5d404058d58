"""ServerCore: what every server does for its clients, without sockets, threads or clocks.

It owns the connections, the handshake and what four-letter words show. What becomes of a write is not its
business: ``submit`` is the entry of a chain of processors that a kind of server brings (``standalone``, and
in an ensemble the leader's, the follower's and the observer's). It is driven from outside: connections are
given bytes, ``tick`` is told the time.
"""

from __future__ import annotations

import logging
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import TYPE_CHECKING, Final

from ..jute.codes import OpCode
from ..jute.ids import SessionId, hex64
from ..jute.proto import ConnectRequest
from ..jute.txn import CreateSessionTxn
from .acl import AccessControl
from .auth.registry import providers_of
from .auth.security import NOTHING_SPECIAL
from .change_records import OutstandingChanges
from .connection import ServerConnection, State
from .container_manager import ContainerManager
from .database import ZKDatabase
from .endpoint import Dirty
from .final import FinalRequestProcessor
from .four_letter_dumps import TRACE_MASK_DEFAULT
from .gauges import Value
from .memory_budget import MemoryBudget
from .ops.context import Operation, ReadContext
from .ops.delete import DeleteContainer
from .ops.table import CLOSE_SESSION, CREATE_SESSION, DELETE_CONTAINER, OPERATIONS
from .pauses import Pauses
from .process_facts import file_descriptors_max
from .request import Request
from .server_stats import ServerStats, SizeStats
from .session_passwords import SessionPasswords
from .sessions import SessionTracker
from .settings_table import Config
from .throttle import ConnectionThrottle

if TYPE_CHECKING:
    from .admin.view import EnsembleFacts
    from .auth.sasl import Nonces
    from .throttled_connection import Gates

_PING = OPERATIONS[OpCode.PING]
DESCRIPTORS_NOT_FOR_CLIENTS: Final = 64
"""File descriptors that clients do not get: without one for the next log file the server would end, and
members have to reach each other (the loop's ``DESCRIPTORS_KEPT`` are for nobody but the log)."""

_log = logging.getLogger(__name__)


class ServerCore(ABC):
    """One server's clients.

    Args:
        config: settings.
        database: tree and sessions as restored.
        sessions: who is alive.
        dirty: where connections with output put themselves.
        now_ms: current time of a clock that never jumps.
        wall_ms: current wall time, ms since 1970.
        random: source of what nobody may foresee.
        memory: what clients may hold; one of its own unless given.
        pauses: taken in the middle of long requests; of its own unless given.
    """

    submit: Callable[[Request], None]
    """Send a write into the chain."""

    def __init__(
        self,
        config: Config,
        database: ZKDatabase,
        sessions: SessionTracker,
        *,
        dirty: Dirty,
        now_ms: int,
        wall_ms: int,
        random: Random,
        memory: MemoryBudget | None = None,
        pauses: Pauses | None = None,
    ) -> None:
        self.config = config
        self.pauses = pauses or Pauses()
        self.operations: dict[int, Operation] = OPERATIONS
        self.now_ms = now_ms
        self.wall_ms = wall_ms
        self.port = config.client_port
        self.secure_port = config.secure_client_port
        self.is_serving = True
        self.stats = ServerStats()
        self.trace_mask = TRACE_MASK_DEFAULT
        self.access = AccessControl(
            providers_of(config, lambda: self.tree.nodes["/key"].data if "/key" in self.tree.nodes else None),
            skip=config.skip_acl,
            pauses=self.pauses,
        )
        self.security = config.security or NOTHING_SPECIAL
        self.sasl = self.security.sasl
        self.enforced_schemes = self.security.enforced_schemes
        self.passwords = SessionPasswords(self.security.session_secret)
        self._random = random
        self._nonces: Nonces | None = None
        self.open_connections: dict[ServerConnection, None] = {}
        self._per_host: dict[str, int] = {}
        descriptors = file_descriptors_max()
        most = sys.maxsize if descriptors < 0 else max(descriptors - DESCRIPTORS_NOT_FOR_CLIENTS, 1)
        self._connections_max = min(config.max_cnxns or sys.maxsize, most)
        self.by_session: dict[int, ServerConnection] = {}
        self.dirty = dirty
        self.in_process = 0
        self.outstanding_limit = config.global_outstanding_limit
        """Requests under way (``in_process``) past which busy connections are not read."""
        self.time_is_up: Callable[[], bool] = lambda: False
        """Whether a connection should leave the rest of its batch for later; the shell sets it."""
        self.engaged: ServerConnection | None = None
        """The connection whose requests are being handled: what it sends now is not its turn yet."""
        self._started_ms = self._sweep_ms = now_ms
        self.memory = memory or MemoryBudget(config.client_memory_bytes, config.jute_max_buffer_bytes)
        self._take_up(database, sessions)
        self.throttle: ConnectionThrottle | None = None
        """How many handshakes are taken; None for all."""
        self.gates: Gates | None = None
        """What requests have to pass before they are looked at; None for nothing."""
        if config.request_throttle_max_requests > 0 or config.large_request_threshold_bytes > 0:
            from .throttled_connection import Gates

            self.gates = Gates(config, self)
        self._container_manager: ContainerManager | None = None

    @property
    def is_busy(self) -> bool:
        """Whether connections with requests under way are not read for now."""
        memory = self.memory
        return self.in_process > self.outstanding_limit or memory.write_bytes > memory.write_bytes_max

    @property
    @abstractmethod
    def mode(self) -> str:
        """What four-letter words call it."""

    @abstractmethod
    def reopen_session(self, client: ServerConnection, session_id: SessionId) -> None:
        """A client with the right password asks for its session: attach or refuse it, now or later."""

    # -- driven by the shell -------------------------------------------------------------------------

    def accept(self, remote_address: tuple[str, int]) -> ServerConnection | None:
        """A connection from a client, or None if there are too many (``maxClientCnxns``, ``maxCnxns``)."""
        total_max, per_host_max = self._connections_max, self.config.max_client_cnxns
        if len(self.open_connections) >= total_max:
            _log.warning("too many connections: no more than %d are taken", total_max)
            self.database.metrics.add("connection_rejected")
            return None
        host = remote_address[0]
        same_host = self._per_host.get(host, 0)
        if per_host_max and same_host >= per_host_max:
            _log.warning("too many connections from %s: maxClientCnxns is %d", host, per_host_max)
            self.database.metrics.add("connection_rejected")
            return None
        self._per_host[host] = same_host + 1
        new_connection = ServerConnection if self.gates is None else self.gates.connection
        connection = new_connection(self, remote_address)
        self.open_connections[connection] = None
        return connection

    def set_time(self, now_ms: int, wall_ms: int) -> None:
        """What time it is until further notice: told before every batch of bytes and every tick."""
        self.now_ms = now_ms
        self.wall_ms = wall_ms

    def tick(self) -> None:
        """Once in a while: expire sessions, and connections that get no session or do not end."""
        now_ms = self.now_ms
        for session_id in self.sessions.expired(now_ms):
            _log.info("expiring session 0x%s", hex64(session_id))
            self.database.metrics.add("stale_sessions_expired")
            self.submit(Request(None, session_id, 0, CLOSE_SESSION, b"", now_ms))
            self.pauses.take()
        if now_ms >= self._sweep_ms:
            self._sweep_ms = now_ms + self.config.tick_time_ms // 2
            self._sweep(now_ms)
        if self._container_manager is not None:
            self._container_manager.tick(now_ms, self.wall_ms)
        if self.gates is not None:
            self.gates.tick()
        self.memory.tick(now_ms)

    def _sweep(self, now_ms: int) -> None:
        """Look at every connection: not in every tick, which with ``flushDelay`` come as often as flushes."""
        oldest = now_ms - self.config.sessionless_cnxn_timeout_ms
        for connection in list(self.open_connections):
            if connection.state < State.OPENING and connection.established_ms < oldest:
                self.database.metrics.add("sessionless_connections_expired")
                connection.abort("no session in time")
            elif connection.state is State.CLOSING and connection.close_deadline_ms < now_ms:
                self.dirty[connection] = None

    def next_tick_ms(self) -> int:
        """How long until ``tick`` has something to do, at most one tick."""
        wait_ms = min(self.sessions.wait_ms(self.now_ms), self.config.tick_time_ms)
        if self._container_manager is not None:
            wait_ms = min(wait_ms, self._container_manager.wait_ms(self.now_ms))
        if self.gates is not None:
            wait_ms = min(wait_ms, self.gates.wait_ms())
        return min(wait_ms, self.memory.wait_ms())

    def manage_containers(self) -> None:
        """From now on remove what is out of use; only a server that prepares writes itself may do that."""

        def submit(asked: DeleteContainer) -> None:
            request = Request(None, SessionId(0), 0, DELETE_CONTAINER, b"", self.now_ms)
            request.record = asked
            self.submit(request)

        self._container_manager = ContainerManager(
            lambda: self.database.tree, self.config, submit, self.now_ms
        )

    def final_processor(self, changes: OutstandingChanges) -> FinalRequestProcessor:
        """The end of a chain over the tree as it is now."""
        if self.config.audit_enabled:
            from .audit import AuditedFinalProcessor

            return AuditedFinalProcessor(self.database, changes, self.session_closed, self.access)
        return FinalRequestProcessor(self.database, changes, self.session_closed)

    def serve_database(self, database: ZKDatabase, sessions: SessionTracker) -> None:
        """Serve another tree from now on. No client may be connected."""
        database.metrics = self.database.metrics
        self._take_up(database, sessions)

    def _take_up(self, database: ZKDatabase, sessions: SessionTracker) -> None:
        self.database = database
        self.tree = database.tree
        self.tree.pause_with(self.pauses)
        self.read_context = ReadContext(self.tree, self.access, OPERATIONS)
        self.sessions = sessions
        self.memory.guard(self.tree.watches)
        self.tree.replies.set_up(self.config)

    # -- called by connections -----------------------------------------------------------------------

    def connect(self, client: ServerConnection, request: ConnectRequest) -> None:
        """The handshake (``ZooKeeperServer.processConnectRequest``), checks in the original's order."""
        self.database.metrics.add("connection_request_count")
        if self.throttle is not None and not self.throttle.admits(bool(request.sessionId), self.now_ms):
            self.database.metrics.add("connection_rejected")
            client.close("too many handshakes")
            return
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
            self.attach(client, session_id)
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
        if not self.passwords.check(session_id, request.passwd):
            _log.warning(
                "wrong password for session 0x%s from %s:%d", hex64(session_id), *client.remote_address
            )
            client.session_refused()
        else:
            self.database.metrics.add("connection_revalidate_count")
            self.reopen_session(client, session_id)

    def next_nonce(self) -> bytes:
        """For a SASL exchange: text never used before."""
        if self._nonces is None:
            from .auth.sasl import Nonces

            self._nonces = Nonces(self._random.randbytes(32))
        return self._nonces.next()

    def attach(self, client: ServerConnection, session_id: SessionId) -> None:
        """The session is this connection's from now on."""
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
        self.memory.closed(client)
        host = client.remote_address[0]
        self._per_host[host] -= 1
        if not self._per_host[host]:
            del self._per_host[host]

    def answered(
        self,
        client: ServerConnection,
        count: int,
        size_bytes: int,
        body_bytes: int,
        xid: int,
        zxid: int,
        operation: Operation | None,
    ) -> None:
        """``count`` reads were answered at once by ``size_bytes``; the rest is about the last one."""
        stats = self.stats
        if not body_bytes and operation is _PING:
            size_bytes -= 16  # as in the original, answers to pings are not among `response_bytes`
        stats.record_reads(count, size_bytes)
        stats.record_response_size(body_bytes + 16)
        client.stats.packets_sent += count
        if operation is not None:
            client.stats.record_response(xid, zxid, operation.tag, self.now_ms, self.now_ms)

    # -- called by the end of the chain ----------------------------------------------------------------

    def session_closed(self, session_id: SessionId, client: ServerConnection | None) -> None:
        """closeSession is applied and, if a client asked for it, answered."""
        self.sessions.remove(session_id)
        if client is not None:
            client.close("session closed")
        elif session_id in self.by_session:
            self.by_session[session_id].abort("session expired")

    # -- what four-letter words show -------------------------------------------------------------------

    @property
    def connections(self) -> Iterable[ServerConnection]:
        return self.open_connections

    @property
    def secure_connections(self) -> Iterable[ServerConnection]:
        return [connection for connection in self.open_connections if connection.is_secure]

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
        return len(self.database.sessions)

    # What a role adds; a server of its own has none.

    server_id = 0
    proposal_sizes: SizeStats | None = None
    is_read_only = False
    """Whether it only takes clients that are content with that."""

    @property
    def local_session_count(self) -> int:
        return 0

    def role_facts(self) -> Iterable[tuple[str, Value]]:
        return ()

    def more_counts(self) -> Mapping[str, int]:
        gates = self.gates
        if gates is None:
            return {}
        counts = {"large_requests_rejected": gates.large_rejected}
        if gates.throttler is not None:
            counts["stale_requests_dropped"] = gates.throttler.stale_dropped
            counts["throttled_ops"] = gates.throttler.ops_refused
        return counts

    def role_gauges(self) -> Iterable[tuple[str, Value]]:
        return ()

    def learners(self) -> Iterable[str]:
        return ()

    def role_configuration(self) -> str:
        return ""

    def ensemble_facts(self) -> EnsembleFacts | None:
        """What this member is in its ensemble, for the commands over HTTP."""
        return None
