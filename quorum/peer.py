"""QuorumPeer: one member of an ensemble, without sockets, threads, clocks or files of its own.

    LOOKING    elect a leader (``election``, over the connections of ``cnx_manager``)
    LEADING    ``Leader``
    FOLLOWING, OBSERVING    ``Learner``

Whatever ends a role leads back to LOOKING, in this order: clients are cut off, the log comes to rest, what is
in it and was not committed is applied (it may win the next election), and the election starts. The database
and the log outlive the roles.

It is driven from outside, as every core here: connections are given bytes, ``set_time`` and ``tick`` tell the
time, ``take_batch`` says what must be written and ``flushed`` that it is durable, ``take_dials`` which
connections are wanted. ``driver`` does that with a network and a disk; a simulation does it with its own.
Small files (epochs) and truncations are written in the call that needs them: nothing may be said before they
are durable.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from random import Random
from typing import Final

from ..jute.election import HostPort, ServerState
from ..jute.ids import Epoch, Sid, Zxid, hex64
from ..server.connection import ServerConnection
from ..server.data_tree import DataTree
from ..server.database import ZKDatabase
from ..server.endpoint import Dirty
from ..server.memory_budget import MemoryBudget
from ..server.pauses import Pauses
from ..server.request import Request
from ..server.settings_table import Config
from ..server.snapshot_job import SnapshotJob
from ..server.sync import SnapshotTrigger, sync_processor
from ..storage.epoch_files import EpochFiles
from ..storage.errors import StorageError
from ..storage.snap_log import FileTxnSnapLog
from ..storage.txn_log import LogBatch
from . import damage
from .cnx_manager import ElectionConnection, QuorumCnxManager
from .committed_log import CommittedLog
from .config import EnsembleConfig
from .dial import Dial
from .election import UNTRUSTED, FastLeaderElection
from .leader import Leader
from .learner import Learner
from .learner_handler import LearnerHandler
from .members import Address, Role
from .membership import ConfigStore, Membership
from .phases import ZabState
from .quorum_server import NoServer, QuorumServer
from .read_only import ReadOnlyServer, grace_ms
from .verifier import QuorumVerifier

PAUSE_MS: Final = 25
PAUSE_MS_MAX: Final = 1000
"""Pause before a leader is dialled again: doubled from the first to the second value."""

_log = logging.getLogger(__name__)


class QuorumPeer:
    """One member.

    Args:
        config: settings of the server.
        ensemble: who the members are.
        storage: the data folder, not yet opened.
        random: source of the snapshot randomisation and of observers' delays.
        now_ms: time of a clock that never jumps.
        wall_ms: wall time, ms since 1970.
        start_snapshot: given a snapshot that should be written beside everything else.
        config_store: where changed configurations are written down.
    """

    def __init__(
        self,
        config: Config,
        ensemble: EnsembleConfig,
        storage: FileTxnSnapLog,
        *,
        random: Random,
        now_ms: int,
        wall_ms: int,
        start_snapshot: Callable[[SnapshotJob], None],
        config_store: ConfigStore | None = None,
    ) -> None:
        self.config = config
        self.my_id = ensemble.my_id
        self.membership = Membership(
            ensemble,
            reconfig_enabled=config.reconfig_enabled,
            store=config_store,
        )
        self.storage = storage
        self.random = random
        self.now_ms = now_ms
        self.wall_ms = wall_ms
        self.client_port = config.client_port
        self.secure_port = config.secure_client_port
        self.dirty: Dirty = {}
        self.memory = MemoryBudget(config.client_memory_bytes, config.jute_max_buffer_bytes)
        self.pauses = Pauses()
        self.dials: list[Dial] = []
        self.time_is_up: Callable[[], bool] = lambda: False
        self.database = ZKDatabase(digest_enabled=config.digest_enabled)
        self.committed = CommittedLog(config.commit_log_count)
        self.epochs = EpochFiles(storage.disk, storage.snap_directory)
        self.role: Leader | Learner | None = None
        self.on_change: Callable[[], None] = lambda: None
        """Called when ``wants_learners`` may have changed."""
        self._start_snapshot = start_snapshot
        self.failure: StorageError | None = None
        """Why this member can't go on; raised at the end of the batch of inputs."""
        self._snapshot: SnapshotJob | None = None
        """What is being written, cancelled or not."""
        self._is_saving = False
        """Whether the tree in memory is a history that is not on disk yet."""
        self._ending: Leader | Learner | None = None
        self._look_ms: int | None = None
        self._looking_since_ms = now_ms
        self._read_only_ms: int | None = None
        self._designated: tuple[Sid, Zxid] | None = None
        """Whom a reconfiguration has made the leader, and its zxid: who is next without an election."""
        self.distrust: damage.Distrust | None = None
        """Set while what we have is not to be relied on: we have no say then."""
        self._is_ahead_of_disk = False
        """Whether the tree holds what an observer without a log has heard."""
        self._vain_roles = 0
        """How often in a row we followed somebody and came to nothing."""
        verifier = self.membership.verifier
        me = verifier.members.get(self.my_id)
        self.cnx = QuorumCnxManager(
            self.my_id,
            me.election if me is not None else (),
            self._election_addresses(),
            self._election_message,
            self.dirty,
            now_ms=now_ms,
            multi_address=config.multi_address_enabled,
            on_disconnected=lambda sid: self.election.disconnected(sid),
            on_unreachable=lambda sid: self.election.unreachable(self.now_ms, sid),
            opening_timeout_ms=self._opening_timeout_ms(),
            connect_timeout_ms=config.cnx_timeout_ms,
        )
        self.election = FastLeaderElection(
            self.my_id,
            verifier,
            last_seen=self.membership.last_seen,
            is_observer=self.membership.role is Role.OBSERVER,
            send=self.cnx.send,
            connect=self.cnx.connect,
            restate=self.cnx.restate,
            on_newer_config=self._newer_config,
            on_looking_voter=self._voter_looks,
            notification_min_ms=config.fast_leader_min_notification_interval_ms,
            notification_max_ms=config.fast_leader_max_notification_interval_ms,
        )

    # -- starting and stopping -----------------------------------------------------------------------

    def start(self) -> None:
        """Restore the database, then look for a leader. Raises StorageError."""
        replayed = damage.restore_member(self)
        trigger = SnapshotTrigger(
            self.config.snap_count, self.config.snap_size_limit_kb * 1024, self.random, replayed
        )
        self.log = sync_processor(
            self.config,
            self.storage.txn_log,
            trigger,
            self._logged,
            self._snapshot_due,
            times=self.database.metrics.batches,
            clock=lambda: self.now_ms,
        )
        self.server: QuorumServer = NoServer(self)
        self._look()

    def stop(self, reason: str = "stopping") -> None:
        """Say nothing more to anybody."""
        if self.role is not None:
            self.role.stop(reason)
            self.role = None
        self.election.stop()
        self.cnx.stop()

    # -- time ----------------------------------------------------------------------------------------

    def set_time(self, now_ms: int, wall_ms: int) -> None:
        """What time it is until further notice."""
        self.now_ms = now_ms
        self.wall_ms = wall_ms
        self.cnx.set_time(now_ms)
        self.server.set_time(now_ms, wall_ms)
        if self.role is not None:
            self.role.set_time(now_ms, wall_ms)

    def tick(self) -> None:
        """Do what is due."""
        now_ms = self.now_ms
        self.cnx.tick(now_ms)
        self.election.tick(now_ms)
        if self.role is not None:
            self.role.on_tick()
        if self.distrust is not None and not self.election.decided:
            self.distrust.tick(now_ms)
        if self._read_only_ms is not None and now_ms >= self._read_only_ms:
            self._read_only_ms = None
            self._serve_clients(ReadOnlyServer(self))
        self.server.tick()
        if self.role is not None and self.role.server is not None and self.role.server is not self.server:
            self.role.server.tick()  # leaderServes=no: it takes no clients, and looks after all sessions
        self._settle()

    def next_tick_ms(self) -> int:
        """How long until ``tick`` has something to do."""
        times = [self.now_ms + self.server.next_tick_ms()]
        if (deadline := self.cnx.deadline()) is not None:
            times.append(deadline)
        if (deadline := self.election.deadline()) is not None:
            times.append(deadline)
        if self.role is not None:
            times.append(self.role.deadline_ms())
            if self.role.server is not None:
                times.append(self.now_ms + self.role.server.next_tick_ms())
        remind_ms = None
        if self.distrust is not None and not self.election.decided:
            remind_ms = self.distrust.remind_ms
        for time_ms in (self._look_ms, self._read_only_ms, self.log.flush_due_ms, remind_ms):
            if time_ms is not None:
                times.append(time_ms)
        return max(min(times) - self.now_ms, 0)

    # -- connections ---------------------------------------------------------------------------------

    def accept_client(self, address: tuple[str, int]) -> ServerConnection | None:
        """A connection to the client port."""
        return self.server.accept(address)

    def accept_election(self, address: tuple[str, int]) -> ElectionConnection | None:
        """A connection to the election port."""
        return self.cnx.accept(address)

    def accept_learner(self, address: tuple[str, int]) -> LearnerHandler | None:
        """A connection to the quorum port; None unless we lead."""
        return self.role.accept(address) if isinstance(self.role, Leader) else None

    @property
    def wants_learners(self) -> bool:
        """Whether the quorum port is to be listened on."""
        return isinstance(self.role, Leader)

    def take_dials(self) -> list[Dial]:
        """Connections to be made; each is handed out once."""
        dials, self.dials = self.dials + self.cnx.take_dials(), []
        return dials

    # -- the log -------------------------------------------------------------------------------------

    def take_batch(self) -> LogBatch | None:
        """What has to be written now; call ``flushed`` when it is durable. Ends a batch of inputs."""
        self._settle()
        batch = self.log.take_batch()
        if isinstance(self.role, Leader):
            self.role.flush()
        return batch

    def flushed(self) -> None:
        """The batch taken last is durable."""
        self.log.flushed()

    @property
    def idle(self) -> bool:
        """Whether nothing waits for the disk."""
        return self.log.idle

    def log_txn(self, request: Request, payload: bytes) -> None:
        """Put a txn that came from a leader into the log."""
        self.log.log(request, payload)

    def _logged(self, requests: list[Request]) -> None:
        if self.role is not None:
            self.role.logged(requests)

    @property
    def last_zxid(self) -> Zxid:
        """Of the newest txn we have; -1 if what we have is not to be trusted."""
        return Zxid(-1) if self.distrust is not None else self.database.tree.last_processed_zxid

    def read_log(self, after: Zxid, to: Zxid) -> Iterable[tuple[Zxid, bytes]] | None:
        """Committed txns from the log, for a learner that comes late; None where that is too much."""
        return self.storage.proposals(after, to, self.config.snapshot_size_factor)

    def truncate(self, zxid: Zxid) -> None:
        """Forget every txn behind this one, on disk and in memory. Raises StorageError."""
        damage.truncate(self, zxid)

    # -- snapshots -----------------------------------------------------------------------------------

    def _snapshot_due(self) -> None:
        """The log has grown long enough. Before the broadcast the tree may hold what is never committed."""
        if self._snapshot is None and self.zab_state is ZabState.BROADCAST:
            self._begin_snapshot(SnapshotJob.of(self.config, self.database, ended=self.snapshot_ended))

    def save_snapshot(self, done: Callable[[], None]) -> None:
        """Write down the history that a leader sent; ``done`` is called when it is durable.

        The tree in memory is that history already. So whatever becomes of the role, nobody hears our last
        zxid before it is on disk as well.
        """

        def saved() -> None:
            self._is_saving = False
            damage.regain_trust(self)
            done()

        def failed(error: StorageError) -> None:
            self.failure = error

        self._is_saving = True
        told = {"done": saved, "failed": failed, "ended": self.snapshot_ended}
        begin = self.storage.begin_adoption
        self._begin_snapshot(SnapshotJob.of(self.config, self.database, **told, begin=begin))

    def begin_requested_snapshot(self, make: Callable[[], SnapshotJob]) -> SnapshotJob | None:
        """Begin one that somebody asked for, if it can be begun now; it has to call ``snapshot_ended``."""
        if self._snapshot is not None or self.zab_state is not ZabState.BROADCAST:
            return None
        job = make()
        self._begin_snapshot(job)
        return job

    def snapshot_ended(self) -> None:
        """Nothing more is written of the last one."""
        self._snapshot = None

    def _begin_snapshot(self, job: SnapshotJob) -> None:
        self._snapshot = job
        self._start_snapshot(job)

    # -- roles ---------------------------------------------------------------------------------------

    @property
    def state(self) -> ServerState:
        """What we are."""
        if self.role is None:
            return ServerState.LOOKING
        if isinstance(self.role, Leader):
            return ServerState.LEADING
        return ServerState.OBSERVING if self.role.is_observer else ServerState.FOLLOWING

    @property
    def zab_state(self) -> ZabState:
        """How far we have come with it."""
        if self.role is None:
            return ZabState.ELECTION
        return self.role.phase if isinstance(self.role, Leader) else self.role.zab_state

    def role_ended(self, role: Leader | Learner, reason: str) -> None:
        """Called by a role that can't go on."""
        if role is not self.role:
            return
        _log.warning("%s: %s", role, reason)
        self.role = None
        self._ending = role
        role.stop(reason)
        # A snapshot holds committed txns only; what is about to be applied may never be.
        if self._snapshot is not None and not self._is_saving:
            self._snapshot.cancel()
        self._serve_clients(NoServer(self))
        self.on_change()

    def serving(self, server: QuorumServer | None) -> None:
        """A role is ready for clients; None: it takes none."""
        self._vain_roles = 0
        assert self.role is not None
        unavailable_ms = self.now_ms - self._looking_since_ms
        self.database.metrics.observe("unavailable_time", unavailable_ms)
        if isinstance(self.role, Leader):
            self.database.metrics.observe("leader_unavailable_time", unavailable_ms)
        epoch = self.epochs.accepted
        self.election.update_vote(Epoch(epoch))
        _log.info("%s: serving, epoch %d, zxid 0x%s", self.state.name, epoch, hex64(self.last_zxid))
        if server is not None:
            self._serve_clients(server)

    def _serve_clients(self, server: QuorumServer) -> None:
        """Another server takes the clients from now on; those of the one before have to connect again."""
        self.server.shut_down()
        self.server = server

    def _settle(self) -> None:
        """Change what has to change, between two batches of inputs and never in the middle of one."""
        if self.failure is not None:
            raise self.failure
        if self._ending is not None and self.log.idle and self._snapshot is None:
            is_ahead = self._is_ahead_of_disk and self.membership.role is not Role.OBSERVER
            if self._ending.is_broken or is_ahead:
                self._is_ahead_of_disk = False
                damage.rebuild(self, self.storage.reopen_plan)
            else:
                self._fast_forward(self._ending)
            self._ending = None
            if self._designated is not None:
                self.election.designate(*self._designated)
                self._designated = None
            elif self.membership.role is Role.OBSERVER:
                delay_ms = self.config.observer_election_delay_ms
                self._look_ms = self.now_ms + (self.random.randrange(delay_ms) if delay_ms else 0)
            else:
                self._look()
        if self._look_ms is not None and self.now_ms >= self._look_ms:
            self._look()
        if self.role is None and self._ending is None and self._look_ms is None:
            decided = self.election.decided
            if decided is not None:
                self._begin(decided.leader)

    def _look(self) -> None:
        self._look_ms = None
        if self.config.read_only_mode_enabled and self.distrust is None:
            self._read_only_ms = self.now_ms + grace_ms(self.config.tick_time_ms)
        last_zxid = UNTRUSTED if self.distrust is not None else self.last_zxid
        self.database.metrics.add("looking_count")
        self._looking_since_ms = self.now_ms
        self.election.start(self.now_ms, last_zxid=last_zxid, current_epoch=self.epochs.current)

    def _begin(self, leader_id: Sid) -> None:
        """The election is over."""
        self.database.metrics.observe("election_time", self.now_ms - self._looking_since_ms)
        self._read_only_ms = None
        if self.server.is_read_only:
            self._serve_clients(NoServer(self))
        if leader_id == self.my_id:
            self.role = leader = Leader(self)
            self.show_config()
            self.on_change()
            if self.role is leader:  # it is not if the quorum port can't be listened on
                leader.start()
            return
        member = self.membership.verifier.members.get(leader_id)
        if member is None:
            member = self.membership.last_seen.members[leader_id]
        observer = self.membership.role is Role.OBSERVER
        self.role = learner = Learner(self, leader_id, member.quorum, observer=observer)
        self._is_ahead_of_disk |= not learner.keeps_log
        # Whoever is turned away again and again does not ask without a pause.
        # That stays a small part of the time a leader waits for its followers.
        longest_ms = min(PAUSE_MS_MAX, self.config.init_limit_ticks * self.config.tick_time_ms // 4)
        pause_ms = min(PAUSE_MS << min(self._vain_roles, 8), longest_ms) if self._vain_roles > 1 else 0
        self._vain_roles += 1
        learner.start(pause_ms)

    def _fast_forward(self, role: Leader | Learner) -> None:
        """What is in the log is in the tree, committed or not (``fastForwardDataBase``, ZOOKEEPER-2845)."""
        for entry in role.logged_txns():
            entry.replay(self.database)
            self.committed.add(entry.zxid, entry.payload)

    # -- the election --------------------------------------------------------------------------------

    def _election_message(self, sid: Sid, message: bytes) -> None:
        self.election.receive(self.now_ms, sid, message)

    def _voter_looks(self, sid: Sid) -> None:
        if isinstance(self.role, Leader):
            self.role.voter_looks(sid)

    def _election_addresses(self) -> dict[Sid, tuple[HostPort, ...]]:
        addresses: dict[Sid, tuple[HostPort, ...]] = {}
        for verifier in self.membership.verifiers:
            for sid, member in verifier.members.items():
                known = addresses.get(sid, ())
                addresses[sid] = known + tuple(
                    address for address in map(_host_port, member.election) if address not in known
                )
        return addresses

    def _opening_timeout_ms(self) -> int:
        configured = self.config.quorum_cnxn_timeout_ms
        return configured if configured > 0 else self.config.sync_limit_ticks * self.config.tick_time_ms

    def _newer_config(self, text: str) -> bool:
        """Somebody has a newer configuration while we look: it is taken, and the election starts again."""
        if not self.membership.reconfig_enabled:
            return False
        self.membership.activate(self.membership.read(text.encode()))
        self._config_changed()
        return True

    # -- the configuration ---------------------------------------------------------------------------

    @property
    def verifier(self) -> QuorumVerifier:
        """The configuration in force."""
        return self.membership.verifier

    @property
    def last_seen_verifier(self) -> QuorumVerifier:
        """The newest one we know; perhaps it is never committed."""
        return self.membership.last_seen

    def show_config(self) -> None:
        """Put the configuration into the tree (``initConfigInZKDatabase``)."""
        verifier = self.membership.verifier
        tree: DataTree = self.database.tree
        tree.set_config(verifier.text().encode(), Zxid(verifier.version), self.wall_ms)

    def _config_changed(self) -> None:
        """Who counts, and where they are, may be different now."""
        membership = self.membership
        self.election.set_config(
            membership.verifier,
            last_seen=membership.last_seen,
            is_observer=membership.role is Role.OBSERVER,
        )
        self.cnx.set_addresses(self._election_addresses())
        mine = membership.verifier.members.get(self.my_id)
        if mine is not None:
            self.cnx.set_my_addresses(tuple(map(_host_port, mine.election)))
        self.show_config()

    def version_initial_config(self, zxid: Zxid) -> None:
        """A configuration from a file has no version; a leader gives it its epoch's (ZOOKEEPER-1783)."""
        membership = self.membership
        if membership.verifier.version == 0 and membership.last_seen.version == 0:
            # Read again from its text, as the original does: what only our own zoo.cfg says is lost.
            plain = membership.read(membership.verifier.text().encode())
            membership.see(plain.with_version(zxid))
            self._config_changed()

    def activate_initial_config(self, leader: Leader) -> None:
        """A quorum has the newest configuration: it is in force."""
        self.membership.activate(self.membership.last_seen)
        self._config_changed()

    def saw_config(self, text: bytes) -> QuorumVerifier | None:
        """A leader sent a configuration that is not committed yet; None if it is of no interest."""
        verifier = self.membership.see_text(text)
        self._config_changed()
        return verifier

    def activate_new_config(self, verifier: QuorumVerifier) -> bool:
        """UPTODATE: what NEWLEADER brought is in force. True if our role does not fit it any more."""
        previous = self.membership.verifier
        changed = self.membership.activate(verifier)
        self._config_changed()
        assert isinstance(self.role, Learner)
        return changed and self._must_change(self.role, previous)

    def activate_config(self, text: bytes, designated: Sid, zxid: int) -> bool:
        """A reconfiguration is committed. True if our role or our leader is another one now.

        Then the next role is known, and begins without an election.
        """
        role = self.role
        assert isinstance(role, Learner)
        was_observer = self.membership.role is Role.OBSERVER
        changed = self.membership.activate(self.membership.read(text))
        self._config_changed()
        is_observer = self.membership.role is Role.OBSERVER
        if not changed or (designated == role.leader_id and was_observer == is_observer):
            return False
        if designated in self.membership.verifier.voters:
            self._designated = (designated, Zxid(zxid))
        return True

    def _must_change(self, role: Learner, previous: QuorumVerifier) -> bool:
        is_observer = self.membership.role is Role.OBSERVER
        return role.is_observer != is_observer or self.membership.has_moved(role.leader_id, previous)

    def reconfigured(self, text: bytes, designated: Sid, zxid: Zxid) -> None:
        """We lead, and a reconfiguration is committed; perhaps somebody else leads from now on."""
        self.membership.activate(self.membership.read(text))
        self._config_changed()
        if designated != self.my_id:
            self._designated = (designated, zxid)


def _host_port(address: Address) -> HostPort:
    return address.host, address.port
