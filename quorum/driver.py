"""EnsembleServer: a member of an ensemble on real sockets, a real disk and real time.

It runs a ``QuorumPeer`` on the same event loop that a standalone server has: client, quorum and election
connections all are endpoints. Here is only what waits, and what a process has that a member does not: ports.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import trio

from ..jute.election import ServerState
from ..jute.ids import Sid, Zxid
from ..server.client_ports import ClientPorts
from ..server.endpoint import Accept
from ..server.event_loop import EventLoop, monotonic_ms, wall_ms
from ..server.log_thread import LogThread
from ..server.settings_table import Config
from ..server.snapshot_writer import SnapshotWriter
from ..server.sockets import bind, give_up_after
from ..server.storage_folder import storage_of
from ..server.zookeeper_server import DRAIN_S, audited, start_purging, unwrapped_storage_errors
from ..storage.disk import Disk
from ..storage.real_disk import RealDisk
from .cnx_manager import ElectionConnection
from .config import EnsembleConfig
from .config_files import ConfigFiles
from .dial import Dial
from .leader import Leader
from .members import Address, Member
from .moving_port import MovingPort
from .peer import QuorumPeer

if TYPE_CHECKING:
    from ..server.admin.transfers import Transfers
    from .tls import MemberTls

ELECTION_PATIENCE_MS: Final = 5000
"""Behind a partition that nobody was told of, an election must not wait for the system to notice its end."""
BIND_RETRY_S: Final = 1.0
"""Pause between two tries to listen for elections (``QuorumCnxManager.Listener``)."""

_log = logging.getLogger(__name__)


class MemberStatus(NamedTuple):
    """What a member is at a moment."""

    state: ServerState
    is_serving: bool
    """Whether clients are served, writes included."""
    leader: Sid | None
    epoch: int
    last_zxid: Zxid


class Network(Protocol):
    """What a test may do to the connections between members."""

    def may_dial(self, host: str, port: int) -> bool:
        """Asked before every connection to another member; False makes it fail at once."""

    def status_changed(self) -> None:
        """``EnsembleServer.status`` has another state, leader or readiness."""


class EnsembleServer:
    """One member.

    Args:
        config: settings; ``client_port`` 0 lets the system choose.
        ensemble: who the members are.
        disk: where data is kept; the real one unless a test brings its own.
        network: what a test wants to know of, and to decide about, connections to other members.
    """

    def __init__(
        self,
        config: Config,
        ensemble: EnsembleConfig,
        disk: Disk | None = None,
        *,
        network: Network | None = None,
    ) -> None:
        self.config = config
        self.ensemble = ensemble
        self.data_dir = config.data_dir
        self.port = config.client_port
        self.secure_port = config.secure_client_port
        self.status = MemberStatus(ServerState.LOOKING, False, None, 0, Zxid(0))
        """Replaced as a whole when anything changes; may be read from any thread."""
        self._network = network
        self._disk: Disk = disk or RealDisk()
        self._stop = trio.Event()
        self._learner_ports: list[socket.socket] = []
        self._tls: MemberTls | None = None
        self._wants_port = False

    def request_stop(self) -> None:
        """End ``serve``. Call it on trio's thread."""
        self._stop.set()

    def request_kill(self) -> None:
        """End ``serve`` as if the power had gone. A member that stops says goodbye to nobody either way."""
        self._stop.set()

    def cut(self, may_keep: Callable[[str, int], bool]) -> None:
        """Close the connections this member has made to addresses that must not be kept."""
        self._loop.set_time()
        self._loop.cut(may_keep)
        self._loop.pump()

    def mute(self, is_muted: Callable[[str, int], bool]) -> None:
        """Fall silent on the connections this member has made to such addresses; nobody is told."""
        self._loop.mute(is_muted)
        self._loop.pump()

    async def serve(self, *, task_status: trio.TaskStatus[EnsembleServer] = trio.TASK_STATUS_IGNORED) -> None:
        """Run until stopped or cancelled; ``task_status`` is told once the ports are listened on.

        Raises StorageError (unreadable data, a folder in use, a disk that fails while running), OSError (a
        port that can't be bound) and ConfigError (certificates that can't be used).
        """
        config = self.config
        storage = storage_of(config, self._disk)
        snapshots = SnapshotWriter(storage.snap_store)
        files = ConfigFiles(self._disk, self.ensemble.config_file)
        peer = QuorumPeer(
            config,
            self.ensemble,
            storage,
            random=Random(),
            now_ms=monotonic_ms(),
            wall_ms=wall_ms(),
            start_snapshot=snapshots.request,
            config_store=files,
        )
        disk_answers = True
        try:
            if self.ensemble.wants_backup:
                files.back_up()
            if config.uses_tls_between_members:
                from .tls import MemberTls

                self._tls = MemberTls(config, peer.dirty, peer.now_ms)
            clients = ClientPorts(config, peer.accept_client)
            self.port = peer.client_port = clients.port
            self.secure_port = peer.secure_port = clients.secure_port
            try:
                elections = await self._bind_elections(self.ensemble.verifier.members[self.ensemble.my_id])
            except BaseException:
                clients.close()
                raise
            peer.database.clock = monotonic_ms
            write_ms = peer.database.metrics.write_ms if config.force_sync else None
            log_thread = LogThread(config.fsync_warning_threshold_ms, write_ms)
            self._peer = peer
            self._loop = loop = EventLoop(peer, log_thread)
            try:
                clients.listen(loop)
                for sock in elections:
                    self._listen_for_elections(sock)
                self._make_movable(clients, elections)
                if self._tls is not None:
                    loop.on_tick.append(self._tls.tick)
                self._serve_http(peer, loop)
                peer.on_change = self._leadership_changed
                with unwrapped_storage_errors():
                    await self._run(peer, loop, snapshots, task_status)
            finally:
                peer.stop()
                loop.close()
                disk_answers = log_thread.close(DRAIN_S)
        finally:
            if disk_answers:
                storage.close()

    async def _run(
        self,
        peer: QuorumPeer,
        loop: EventLoop,
        snapshots: SnapshotWriter,
        task_status: trio.TaskStatus[EnsembleServer],
    ) -> None:
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            peer.start()
            loop.after_batch = self._after_batch
            nursery.start_soon(loop.run)
            nursery.start_soon(loop.run_ticks)
            nursery.start_soon(snapshots.run, loop)
            start_purging(self.config, peer.storage, nursery)
            task_status.started(self)
            loop.pump()
            with audited(self.config):
                await self._stop.wait()
            nursery.cancel_scope.cancel()

    def _serve_http(self, peer: QuorumPeer, loop: EventLoop) -> None:
        if not (self.config.admin_enabled or self.config.metrics_provider):
            return
        from ..server.admin.http_ports import serve_http

        def transfers() -> Transfers:
            from .http_view import HttpTransfers

            return HttpTransfers(peer)

        store = peer.storage.snap_store
        serve_http(self.config, loop, peer, lambda: peer.server, store=store, make_transfers=transfers)

    def _listen_for_elections(self, sock: socket.socket) -> None:
        self._loop.listen(
            sock,
            self._accepting(self._peer.accept_election),
            keep_alive=self.config.tcp_keep_alive,
            unacknowledged_ms=ELECTION_PATIENCE_MS,
        )

    # -- what the peer wants -------------------------------------------------------------------------

    def _after_batch(self) -> None:
        peer = self._peer
        for dial in peer.take_dials():
            self._nursery.start_soon(self._dial, dial)
        if self._wants_port != peer.wants_learners:
            self._switch_learner_port()
        if peer.verifier is not self._bound_for:
            self._follow_configuration()
        self._loop.tick_sooner()
        self._note_status()

    def _note_status(self) -> None:
        peer, old = self._peer, self.status
        role = peer.role
        leader = None if role is None else peer.my_id if isinstance(role, Leader) else role.leader_id
        serves = peer.server.is_serving and not peer.server.is_read_only
        new = MemberStatus(peer.state, serves, leader, peer.epochs.current, Zxid(peer.last_zxid))
        if new != old:
            self.status = new
            if self._network is not None and new[:3] != old[:3]:
                self._network.status_changed()

    async def _dial(self, dial: Dial) -> None:
        """Connect to the first address that answers."""
        reason = "it has no address"
        for host, port in dial.addresses:
            if dial.endpoint.is_closing:
                break
            if self._network is not None and not self._network.may_dial(host, port):
                reason = f"{host}:{port}: connection refused"
                continue
            try:
                with trio.fail_after(dial.timeout_ms / len(dial.addresses) / 1000):
                    stream = await trio.open_tcp_stream(host, port)
            except (OSError, UnicodeError, trio.TooSlowError) as error:
                reason = f"{host}:{port}: {_first_line(error)}"
                continue
            sock = socket.socket(fileno=stream.socket.detach())
            sock.setblocking(False)
            if isinstance(dial.endpoint, ElectionConnection):
                give_up_after(sock, ELECTION_PATIENCE_MS)
            cut = self._network is not None and not self._network.may_dial(host, port)
            if cut or dial.endpoint.is_closing:
                sock.close()
                reason = f"{host}:{port}: the connection was cut"
                continue
            self._loop.set_time()
            endpoint = self._tls.dialled(dial.endpoint, (host, port)) if self._tls else dial.endpoint
            self._loop.adopt(sock, endpoint, (host, port))
            dial.endpoint.connected((host, port))
            self._loop.pump()
            return
        self._loop.set_time()
        dial.endpoint.failed(reason)
        self._loop.pump()

    def _accepting(self, accept: Accept) -> Accept:
        return accept if self._tls is None else self._tls.accepting(accept)

    # -- ports ---------------------------------------------------------------------------------------

    async def _bind_elections(self, me: Member) -> list[socket.socket]:
        """Listen for elections; Java tries a few times (``electionPortBindRetry``, 0: for ever)."""
        tries = 0
        while True:
            try:
                return _bind_all(self._own(me.election))
            except OSError as error:
                tries += 1
                if tries == self.config.election_port_bind_retry:
                    raise ElectionPortError(*error.args) from None
                _log.warning("%s; trying again", error)
            await trio.sleep(BIND_RETRY_S)

    def _make_movable(self, clients: ClientPorts, elections: list[socket.socket]) -> None:
        """A committed reconfiguration may say that we listen elsewhere."""
        self._bound_for = verifier = self.ensemble.verifier
        me, loop, backlog = (
            verifier.members[self.ensemble.my_id],
            self._loop,
            self.config.client_port_listen_backlog,
        )
        self._client_port = MovingPort(
            "clients",
            (me.client,) if me.client is not None else (),
            clients.plain_sockets,
            bind=lambda addresses: _bind_all(list(addresses), backlog),
            listen=lambda sock: clients.listen_plainly(loop, sock),
            stop=loop.stop_listening,
        )
        self._election_port = MovingPort(
            "elections",
            me.election,
            elections,
            bind=lambda addresses: _bind_all(self._own(addresses)),
            listen=self._listen_for_elections,
            stop=loop.stop_listening,
        )

    def _follow_configuration(self) -> None:
        """Another configuration is in force."""
        self._bound_for = verifier = self._peer.verifier
        me = verifier.members.get(self._peer.my_id)
        if me is None:
            return
        if me.client is not None and self._client_port.is_elsewhere((me.client,)):
            self._nursery.start_soon(self._client_port.move, self._client_port_moved)
        if me.election and self._election_port.is_elsewhere(me.election):
            self._nursery.start_soon(self._election_port.move, lambda: None)

    def _client_port_moved(self) -> None:
        peer = self._peer
        self.port = peer.client_port = peer.server.port = self._client_port.number

    def _own(self, addresses: tuple[Address, ...]) -> list[Address]:
        """Where to listen: the configured addresses, or every address of the machine."""
        if self.config.quorum_listen_on_all_ips:
            return [Address("", addresses[0].port)]
        return list(addresses)

    def _leadership_changed(self) -> None:
        if self._wants_port != self._peer.wants_learners:
            self._switch_learner_port()

    def _switch_learner_port(self) -> None:
        """Listen on the quorum port while we lead, and only then."""
        peer = self._peer
        self._wants_port = peer.wants_learners
        for sock in self._learner_ports:
            self._loop.stop_listening(sock)
        self._learner_ports = []
        if self._wants_port:
            me = peer.verifier.members[peer.my_id]
            try:
                self._learner_ports = _bind_all(self._own(me.quorum))
            except OSError as error:
                assert peer.role is not None
                peer.role_ended(peer.role, str(error))
            for sock in self._learner_ports:
                self._loop.listen(sock, self._accepting(peer.accept_learner))


class ElectionPortError(OSError):
    """The election port can't be listened on (Java's exit code 14)."""


def _bind_all(addresses: list[Address], backlog: int = -1) -> list[socket.socket]:
    """Sockets for all addresses that can be bound. Raises OSError if none can."""
    sockets: list[socket.socket] = []
    problem = OSError("there is no address to listen on")
    for host, port in addresses:
        try:
            sockets.append(bind("" if host == "0.0.0.0" else host, port, backlog))
        except OSError as error:
            problem = error
    if not sockets:
        raise problem
    return sockets


def _first_line(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error).split("\n")[0] or type(error).__name__
