"""Learner: the following side of discovery, synchronisation and broadcast, of a follower or an observer.

    CONNECTING      a connection to the leader; then who we are (FOLLOWERINFO, OBSERVERINFO)
    REGISTERING     the new epoch comes (LEADERINFO): it is written down, then accepted (ACKEPOCH)
    AWAIT_SYNC      DIFF, TRUNC or SNAP
    SNAPSHOT        the leader's tree comes in
    SYNCING         committed proposals, until NEWLEADER
    SAVING          everything so far goes to the disk, in this order: snapshot, txns, currentEpoch; then ACK
    AWAIT_SERVING   what is proposed now waits, until UPTODATE
    BROADCAST       PROPOSAL -> log -> ACK, COMMIT -> apply; an observer gets INFORM instead

Nothing is acknowledged before it is durable, and ``currentEpoch`` is never ahead of the txns it claims
(ZOOKEEPER-3911, 4643, 4646, 4685, 4785). While SAVING the connection is not read. Whatever the leader says
that it must not say ends the connection, and the member looks for a leader again.
"""

from __future__ import annotations

import logging
from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Final

from ..jute.codes import OpCode, PacketType
from ..jute.ids import Epoch, Sid, Zxid, epoch_of, hex64, make_zxid
from ..server.data_tree import DataTree
from ..server.errors import KeeperError
from ..server.request import Request
from ..storage.epoch_files import EPOCH_MAX
from ..storage.errors import StorageError
from ..storage.snapshot_stream import SnapshotStreamDecoder
from .dial import Dial
from .entry import Entry
from .learner_server import LearnerServer
from .members import Address
from .packet_connection import LINGER_MS, PacketConnection, ProtocolError
from .packet_data import (
    PROTOCOL_VERSION,
    decode_activation,
    decode_int,
    decode_validity,
    encode_int,
    encode_introduction,
)
from .packets import Packet, ack, packet
from .phases import ZabState

if TYPE_CHECKING:
    from .peer import QuorumPeer
    from .verifier import QuorumVerifier

QUICK_RETRIES_MS: Final = (5, 10, 20, 40)
"""Pauses between the first tries, which do not count."""
TRIES_MAX: Final = 5
"""How often to try to reach a leader before looking for another one."""

_PROPOSAL: Final = int(PacketType.PROPOSAL)
_COMMIT: Final = int(PacketType.COMMIT)
_SYNC_PACKETS: Final = (PacketType.DIFF, PacketType.TRUNC, PacketType.SNAP, PacketType.NEWLEADER)

_log = logging.getLogger(__name__)


class Phase(Enum):
    """How far the learner has come; see the module's text."""

    CONNECTING = "connecting"
    REGISTERING = "registering"
    AWAIT_SYNC = "await sync"
    SNAPSHOT = "snapshot"
    SYNCING = "syncing"
    SAVING = "saving"
    AWAIT_SERVING = "await serving"
    BROADCAST = "broadcast"


class Learner(PacketConnection):
    """One attempt to follow a leader: from the first dial until something ends it.

    Args:
        peer: the member.
        leader_id: whom it has elected.
        addresses: where that one listens for learners.
        observer: whether it follows without a vote.
    """

    def __init__(
        self, peer: QuorumPeer, leader_id: Sid, addresses: tuple[Address, ...], *, observer: bool
    ) -> None:
        config = peer.config
        super().__init__(
            peer.dirty, config.jute_max_buffer_bytes + config.jute_max_buffer_extra_bytes, snapshots=True
        )
        self.peer = peer
        self.leader_id = leader_id
        self.is_observer = observer
        self.phase = Phase.CONNECTING
        self.server: LearnerServer | None = None
        self.last_queued = Zxid(0)
        self._addresses = tuple((address.host, address.port) for address in addresses)
        self._config = config
        connect_ticks = config.connect_to_learner_master_limit_ticks or config.init_limit_ticks
        self._connect_deadline_ms = peer.now_ms + connect_ticks * config.tick_time_ms
        self._limit_ms = config.init_limit_ticks * config.tick_time_ms
        self._deadline_ms = self._connect_deadline_ms
        self._redial_ms = 0
        self._tries = self._quick_tries = 0
        self._epoch = Epoch(0)
        self._sync_began_ms = peer.now_ms
        self._counted = (Zxid(0), Zxid(0))
        """The last proposal and the last commit that were counted."""
        self._decoder: SnapshotStreamDecoder | None = None
        self._tree: DataTree | None = None
        """The leader's; ours once NEWLEADER says that it is whole, and not before it is being saved."""
        self._sessions: dict[int, int] = {}
        self._new_config: QuorumVerifier | None = None
        """What NEWLEADER brought, to be in force from UPTODATE on."""
        self.sync_kind: PacketType | None = None
        """How it was synchronised."""
        self._snapshot_zxid = Zxid(0)
        self._received: deque[Entry] = deque()
        """Proposals that are not committed yet."""
        self._committed: deque[Entry] = deque()
        """Committed, and not yet in the log and the tree."""
        self._saving_until: int | None = None
        """Zxid up to which the log has to be durable before NEWLEADER is acknowledged; None: all of it is."""
        self.keeps_log = config.sync_enabled or not observer
        """An observer may do without (``syncEnabled=no``): then it claims no history, and starts anew."""
        self._is_over = False

    def __str__(self) -> str:
        return f"leader {self.leader_id}"

    @property
    def zab_state(self) -> ZabState:
        """The phase as ``mntr`` and the notifications know it."""
        if self.phase in (Phase.CONNECTING, Phase.REGISTERING):
            return ZabState.DISCOVERY
        return ZabState.BROADCAST if self.phase is Phase.BROADCAST else ZabState.SYNCHRONIZATION

    # -- the role ------------------------------------------------------------------------------------

    def start(self, pause_ms: int) -> None:
        """Dial the leader, perhaps after a pause."""
        self._connect_deadline_ms += pause_ms
        self._deadline_ms = self._connect_deadline_ms
        if pause_ms:
            self._redial_ms = self.peer.now_ms + pause_ms
        else:
            self._dial()

    def stop(self, reason: str) -> None:
        """The role is over."""
        if self._is_over:
            return
        _log.info("no longer following %d: %s", self.leader_id, reason)
        self._is_over = True
        self.count()
        if self.server is not None:
            self.server.shut_down()
        self.close(reason)

    def set_time(self, now_ms: int, wall_ms: int) -> None:
        if self.server is not None:
            self.server.set_time(now_ms, wall_ms)

    def deadline_ms(self) -> int:
        """When ``on_tick`` has something to do."""
        if self.phase is Phase.SAVING:
            return self.peer.now_ms + self._config.tick_time_ms
        return min(self._deadline_ms, self._redial_ms or self._deadline_ms)

    def on_tick(self) -> None:
        """Time has passed."""
        now_ms = self.peer.now_ms
        if self._redial_ms and now_ms >= self._redial_ms:
            self._redial_ms = 0
            self._dial()
        elif now_ms >= self._deadline_ms and self.phase is not Phase.SAVING:
            self.close(f"the leader is silent in the phase {self.phase.value}")

    def closing(self, reason: str) -> None:
        self.close_deadline_ms = self.peer.now_ms + LINGER_MS
        if not self._is_over:
            self.peer.role_ended(self, reason)

    # -- connecting ----------------------------------------------------------------------------------

    def _dial(self) -> None:
        self._tries += 1
        timeout_ms = max(self._connect_deadline_ms - self.peer.now_ms, 1)
        self.peer.dials.append(Dial(self._addresses, self, timeout_ms))

    def failed(self, reason: str) -> None:
        """The leader could not be reached; perhaps it does not know yet that it leads."""
        if self._is_over:
            return
        pause_ms = self._config.leader_connect_delay_during_retry_ms
        if self._quick_tries < len(QUICK_RETRIES_MS):
            # Most likely the leader needs a few milliseconds more than we to learn that it leads.
            pause_ms = min(QUICK_RETRIES_MS[self._quick_tries], pause_ms)
            self._quick_tries += 1
            self._tries -= 1
        if self._tries >= TRIES_MAX or self.peer.now_ms + pause_ms >= self._connect_deadline_ms:
            self.close(f"it cannot be reached: {reason}")
        else:
            self._redial_ms = self.peer.now_ms + pause_ms

    def connected(self, address: tuple[str, int]) -> None:
        """The connection stands: say who we are."""
        peer = self.peer
        self.phase = Phase.REGISTERING
        self._heard()
        kind = PacketType.OBSERVERINFO if self.is_observer else PacketType.FOLLOWERINFO
        who = encode_introduction(peer.my_id, peer.verifier.version)
        self.send(packet(kind, make_zxid(peer.epochs.accepted, 0), who))

    def _heard(self) -> None:
        self._deadline_ms = self.peer.now_ms + self._limit_ms

    # -- bytes ---------------------------------------------------------------------------------------

    @property
    def wants_input(self) -> bool:
        """Not while something is being saved: what comes behind it would have to wait in memory."""
        return not self.is_closing and self.phase is not Phase.SAVING

    def take_bytes(self, chunk: bytes) -> None:
        self._heard()
        if self._decoder is not None:
            if not self._snapshot_bytes(chunk):
                return
            chunk = b""
        for received in self._packets.feed(chunk):
            if self.is_closing:
                return
            self.handle(received)
        if self._packets.stopped:
            self.take_bytes(self._packets.take_rest())

    def handle(self, received: Packet) -> None:
        kind, zxid, data, _ = received
        if self.phase is Phase.BROADCAST:
            self._broadcast(kind, zxid, data)
        elif self.phase is Phase.REGISTERING:
            self._register(kind, zxid, data)
        elif self.phase is Phase.AWAIT_SYNC:
            self._begin_sync(kind, zxid)
        elif self.phase is Phase.SYNCING:
            self._sync(kind, zxid, data)
        elif self.phase in (Phase.AWAIT_SERVING, Phase.SAVING):
            self._await_serving(kind, zxid, data)
        else:
            raise ProtocolError(f"a packet of type {kind} in the phase {self.phase.value}")

    # -- discovery -----------------------------------------------------------------------------------

    def _register(self, kind: int, zxid: int, data: bytes | None) -> None:
        """LEADERINFO: accept the leader's epoch, unless a newer one was accepted before."""
        if kind != PacketType.LEADERINFO:
            raise ProtocolError(f"a packet of type {kind} instead of LEADERINFO")
        if decode_int(data, "LEADERINFO") < PROTOCOL_VERSION:
            raise ProtocolError("it speaks the protocol of before 3.4")
        epochs = self.peer.epochs
        self._epoch = epoch_of(Zxid(zxid))
        if self._epoch > EPOCH_MAX:
            raise ProtocolError(f"there is no epoch {self._epoch}")
        if self._epoch < epochs.accepted:
            raise ProtocolError(f"its epoch {self._epoch} is less than the accepted one, {epochs.accepted}")
        # Having accepted this epoch before, we can't be counted for it again; but we may follow.
        current = epochs.current if self._epoch > epochs.accepted else -1
        if self._epoch > epochs.accepted:
            epochs.accept(self._epoch)
        self.phase = Phase.AWAIT_SYNC
        self.send(packet(PacketType.ACKEPOCH, self.peer.last_zxid, encode_int(current)))

    # -- synchronisation -----------------------------------------------------------------------------

    def _begin_sync(self, kind: int, zxid: int) -> None:
        peer = self.peer
        self._sync_began_ms = peer.now_ms
        if peer.distrust is not None and kind != PacketType.SNAP:
            raise ProtocolError(f"a packet of type {kind} for a member that needs the whole tree")
        if kind == PacketType.DIFF:
            _log.info("synchronising with %s: DIFF 0x%s", self, hex64(zxid))
            self.sync_kind = PacketType.DIFF
        elif kind == PacketType.TRUNC:
            self.sync_kind = PacketType.TRUNC
            _log.warning("synchronising with %s: TRUNC 0x%s", self, hex64(zxid))
            peer.truncate(Zxid(zxid))
        elif kind == PacketType.SNAP:
            self.sync_kind = PacketType.SNAP
            _log.info("synchronising with %s: SNAP 0x%s", self, hex64(zxid))
            self._snapshot_zxid = Zxid(zxid)
            self._decoder = SnapshotStreamDecoder(
                self._config.jute_max_buffer_bytes + self._config.jute_max_buffer_extra_bytes
            )
            self._tree = DataTree(digest_enabled=self._config.digest_enabled)
            self.phase = Phase.SNAPSHOT
            return
        else:
            raise ProtocolError(f"a packet of type {kind} instead of DIFF, TRUNC or SNAP")
        peer.show_config()
        self.phase = Phase.SYNCING

    def _snapshot_bytes(self, chunk: bytes) -> bool:
        """More of the leader's tree; True when it is whole and packets follow."""
        decoder, tree = self._decoder, self._tree
        assert decoder is not None
        assert tree is not None
        try:
            done = decoder.feed(chunk)
            if not tree.nodes:
                tree.acls.load(decoder.acls)
            tree.load_rows(decoder.take_nodes())
        except (StorageError, KeeperError) as error:
            raise ProtocolError(f"the snapshot cannot be read: {error}") from None
        if not done:
            return False
        if "" not in tree.nodes:
            raise ProtocolError("the snapshot has no root")
        tree.finish_loading()
        tree.last_processed_zxid = self._snapshot_zxid
        self._sessions = decoder.sessions
        self.phase = Phase.SYNCING
        self._decoder = None
        for received in self._packets.feed(decoder.rest):
            if self.is_closing:
                break
            self.handle(received)
        return True

    def _sync(self, kind: int, zxid: int, data: bytes | None) -> None:
        """Between DIFF, TRUNC or SNAP and NEWLEADER."""
        if kind == PacketType.NEWLEADER:
            if zxid != make_zxid(self._epoch, 0):
                raise ProtocolError(f"NEWLEADER 0x{hex64(zxid)} is not of its epoch {self._epoch}")
            if data is not None and len(data) > 1:
                self._new_config = self.peer.saw_config(data)
            self._save()
        else:
            self._collect(kind, zxid, data)

    def _await_serving(self, kind: int, zxid: int, data: bytes | None) -> None:
        """Between NEWLEADER and UPTODATE."""
        if kind == PacketType.UPTODATE and self.phase is Phase.AWAIT_SERVING:
            self._serve()
        else:
            self._collect(kind, zxid, data)

    def _collect(self, kind: int, zxid: int, data: bytes | None) -> None:
        """Proposals and commits that come before we serve."""
        if kind == PacketType.PROPOSAL:
            self._received.append(self._proposed(zxid, data))
        elif kind in (PacketType.COMMIT, PacketType.COMMITANDACTIVATE):
            entry = self._take_received(zxid)
            if kind == PacketType.COMMITANDACTIVATE:
                self._activate(entry, decode_activation(data)[0])
            self._committed.append(entry)
        elif kind == PacketType.INFORM:
            self._committed.append(self._informed(zxid, data))
        elif kind == PacketType.INFORMANDACTIVATE:
            leader_id, payload = decode_activation(data)
            entry = self._informed(zxid, payload)
            self._activate(entry, leader_id)
            self._committed.append(entry)
        elif kind != PacketType.PING:  # an answer before the ack of NEWLEADER would confuse the leader
            raise ProtocolError(f"a packet of type {kind} in the phase {self.phase.value}")

    def _proposed(self, zxid: int, data: bytes | None) -> Entry:
        """A proposal; within an epoch none may be missing."""
        if data is None:
            raise ProtocolError(f"proposal 0x{hex64(zxid)} is empty")
        entry = Entry.read(data, self.peer.now_ms)
        if entry.zxid != zxid:
            raise ProtocolError(f"proposal 0x{hex64(zxid)} is of txn 0x{hex64(entry.zxid)}")
        last = self.last_queued
        if last and zxid != last + 1 and epoch_of(Zxid(zxid)) <= epoch_of(last):
            raise ProtocolError(f"proposal 0x{hex64(zxid)} follows 0x{hex64(last)}")
        self.last_queued = Zxid(zxid)
        if entry.txn_type == OpCode.RECONFIG:
            self.peer.saw_config(entry.txn.data)
        return entry

    def _informed(self, zxid: int, data: bytes | None) -> Entry:
        """A txn that is committed already: it must not overtake any that is not."""
        if self._received:
            raise ProtocolError(f"0x{hex64(zxid)} overtakes 0x{hex64(self._received[0].zxid)}")
        return self._proposed(zxid, data)

    def _take_received(self, zxid: int) -> Entry:
        """The proposal that is committed: the oldest, or something is very wrong."""
        if not self._received or self._received[0].zxid != zxid:
            first = hex64(self._received[0].zxid) if self._received else "none"
            raise ProtocolError(f"commit of 0x{hex64(zxid)}, but the next proposal is 0x{first}")
        return self._received.popleft()

    def _activate(self, entry: Entry, leader_id: int) -> None:
        try:
            must_change = self.peer.activate_config(entry.txn.data, Sid(leader_id), entry.zxid)
        except ValueError as error:
            raise ProtocolError(f"its configuration cannot be read: {error}") from None
        if must_change:
            raise ProtocolError("changes proposed in reconfig")

    # -- saving --------------------------------------------------------------------------------------

    def _save(self) -> None:
        self.phase = Phase.SAVING
        self._dirty[self] = None  # it is not read meanwhile
        if self._tree is not None:
            self._adopt(self._tree)
            self.peer.save_snapshot(self._snapshot_saved)
        else:
            self._save_txns()

    def _adopt(self, tree: DataTree) -> None:
        """The leader's tree is ours. It may have gone on while it was sent, up to what was committed by now.

        With that applied the tree is exact, and so is the snapshot: the txns need not be logged.
        """
        database = self.peer.database
        database.adopt(tree, self._sessions)
        for entry in self._committed:
            if entry.zxid > self._snapshot_zxid:  # a busy leader also sends what its tree holds already
                entry.replay(database)
        self._committed.clear()
        self.peer.committed.clear()
        self.peer.show_config()
        self._tree = None

    def _snapshot_saved(self) -> None:
        if not self.is_closing:
            self._saved()

    def _save_txns(self) -> None:
        """What was committed goes to the log and into the tree; the rest stays for UPTODATE."""
        database = self.peer.database
        for entry in self._committed:
            if self.keeps_log:
                self.peer.log_txn(entry, entry.payload)
            entry.replay(database, compare=True)
            self.peer.committed.add(entry.zxid, entry.payload)
        last_zxid = self._committed[-1].zxid if self._committed else None
        self._committed.clear()
        if last_zxid is not None and self.keeps_log:
            self._saving_until = last_zxid
        else:
            self._saved()

    def _saved(self) -> None:
        """All of it is durable: this is the leader's history now."""
        self._saving_until = None
        if self.keeps_log:
            self.peer.epochs.take_over(self._epoch)
        self.phase = Phase.AWAIT_SERVING
        self._heard()
        self.send(ack(make_zxid(self._epoch, 0)))
        self._dirty[self] = None

    def logged(self, requests: list[Request]) -> None:
        """These txns are durable."""
        if self.phase is Phase.SAVING:
            if requests[-1].zxid == self._saving_until and not self.is_closing:
                self._saved()
        elif not self.is_observer:
            self.send(b"".join([ack(request.zxid) for request in requests]))

    # -- broadcast -----------------------------------------------------------------------------------

    def _serve(self) -> None:
        peer = self.peer
        if self._new_config is not None and peer.activate_new_config(self._new_config):
            raise ProtocolError("changes proposed in reconfig")
        self.phase = Phase.BROADCAST
        # Only now does the leader ping: until the others are ready it may be silent for longer.
        self._limit_ms = self._config.sync_limit_ticks * self._config.tick_time_ms
        self._heard()
        self.last_queued = Zxid(0)
        self.server = LearnerServer(peer, self)
        self.send(ack(make_zxid(self._epoch, 0)))
        committed, self._committed = self._committed, deque()
        for entry in (*committed, *self._received):
            self.last_queued = entry.zxid
            self._log(entry)
        first = make_zxid(self._epoch, 0)
        self._counted = (max(self.last_queued, first), max(peer.database.tree.last_processed_zxid, first))
        sync_time = "observer_sync_time" if self.is_observer else "follower_sync_time"
        peer.database.metrics.observe(sync_time, peer.now_ms - self._sync_began_ms)
        peer.serving(self.server)
        for entry in committed:
            self._commit(entry)

    def _broadcast(self, kind: int, zxid: int, data: bytes | None) -> None:
        server = self.server
        assert server is not None
        if kind == _PROPOSAL:
            entry = self._proposed(zxid, data)
            self._received.append(entry)
            self._log(entry)
        elif kind == _COMMIT:
            self._commit(self._take_received(zxid))
        elif kind == PacketType.PING:
            server.pong(zxid)
        elif kind == PacketType.SYNC:
            server.synced()
        elif kind == PacketType.REVALIDATE:
            server.revalidated(*decode_validity(data))
        elif kind == PacketType.INFORM:
            entry = self._informed(zxid, data)
            self._log(entry)
            self._commit(entry)
        elif kind in (PacketType.COMMITANDACTIVATE, PacketType.INFORMANDACTIVATE):
            leader_id, payload = decode_activation(data)
            if kind == PacketType.COMMITANDACTIVATE:
                entry = self._take_received(zxid)
            else:
                entry = self._informed(zxid, payload)
                self._log(entry)
            self._commit(entry)
            self._activate(entry, leader_id)
        elif kind in _SYNC_PACKETS:
            raise ProtocolError(f"a packet of type {kind} in the phase {self.phase.value}")
        else:
            _log.warning("%s sent a packet of type %d, which is passed over", self, kind)

    def count(self) -> None:
        """Count what came since the last time; within an epoch zxids follow each other."""
        if self.server is not None:
            metrics, (proposed, committed) = self.peer.database.metrics, self._counted
            applied = self.peer.database.tree.last_processed_zxid
            if not self.is_observer and self.last_queued > proposed:
                metrics.add("learner_proposal_received_count", self.last_queued - proposed)
            if applied > committed:
                metrics.add("learner_commit_received_count", applied - committed)
            self._counted = (max(self.last_queued, proposed), max(applied, committed))

    def _log(self, entry: Entry) -> None:
        if self.keeps_log:
            self.peer.log_txn(entry, entry.payload)

    def _commit(self, entry: Entry) -> None:
        assert self.server is not None
        self.server.commit(entry)
        self.peer.committed.add(entry.zxid, entry.payload)

    # -- the end -------------------------------------------------------------------------------------

    def logged_txns(self) -> list[Entry]:
        """Proposals that are in the log and were not committed, when the role is over."""
        return list(self._received) if self.phase is Phase.BROADCAST else []
