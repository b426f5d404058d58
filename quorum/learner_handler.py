"""LearnerHandler: the leader's end of a connection to one learner, from its first packet to its last.

    AWAIT_INFO       who are you? (FOLLOWERINFO, OBSERVERINFO)
    AWAIT_EPOCH      the leader has not heard of a quorum yet; then LEADERINFO
    AWAIT_ACK_EPOCH  what have you got? (ACKEPOCH)
    AWAIT_QUORUM     a quorum has not accepted the epoch yet
    SYNCING          DIFF, TRUNC or SNAP, proposals, NEWLEADER; then the learner writes it all down (ACK)
    AWAIT_SERVING    a quorum has not acknowledged yet; then UPTODATE
    STREAMING        the broadcast

A snapshot is encoded as fast as the learner takes it. Whatever has to be sent meanwhile waits behind it; and
what follows NEWLEADER waits for UPTODATE. The original's leader does not wait, but a COMMIT between the two,
of a proposal in front of both, ends the synchronisation of a learner of Java 3.8, which goes on logging for
all that, and then logs the same txns again (ZOOKEEPER-4394).

A learner of Java 3.8 logs the txns of a DIFF in another thread than the one that acknowledges NEWLEADER, and
tells of each: such acks come in front of NEWLEADER's or behind it (ZOOKEEPER-4685). Cutting it off for that
would be dangerous: it has begun the epoch and does not count its txns yet, and so could win the next election
without them (ZOOKEEPER-4643). The original's leader goes on too.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from enum import Enum
from struct import Struct
from typing import TYPE_CHECKING, Final

from ..jute.codes import ErrorCode, OpCode, PacketType
from ..jute.data import Id
from ..jute.ids import SessionId, Sid, Zxid, epoch_of, hex64
from ..server.database import ZKDatabase
from ..server.ops.context import Kind
from ..server.ops.table import OPERATIONS
from ..server.request import Request
from ..storage.epoch_files import EPOCH_MAX
from ..storage.snapshot_stream import SnapshotStreamEncoder
from .packet_connection import LINGER_MS, PacketConnection, ProtocolError
from .packet_data import (
    PROTOCOL_VERSION,
    ForwardedRequest,
    decode_int,
    decode_introduction,
    decode_request,
    decode_revalidation,
    decode_touches,
    encode_int,
    encode_validity,
)
from .packets import Packet, commit, packet, proposal
from .state_summary import StateSummary
from .sync_plan import SyncPlan, plan_sync

if TYPE_CHECKING:
    from .leader import Leader

CHUNK_BYTES: Final = 1 << 18
"""About so much of a snapshot is encoded at a time."""
INTRODUCTION_BYTES_MAX: Final = 1024
"""Bound of the first packet's data: whoever sends it may be anybody."""
UNSENT_BYTES_MAX: Final = 256 << 20
"""Unsent bytes past which a learner that does not take them is cut off, besides its synchronisation."""

_ACK: Final = int(PacketType.ACK)
_HEADER: Final = Struct(">ii")
_log = logging.getLogger(__name__)


class Phase(Enum):
    """How far a learner has come; see the module's text."""

    AWAIT_INFO = "await info"
    AWAIT_EPOCH = "await epoch"
    AWAIT_ACK_EPOCH = "await ack epoch"
    AWAIT_QUORUM = "await quorum"
    SYNCING = "syncing"
    AWAIT_SERVING = "await serving"
    STREAMING = "streaming"


class SyncLimitCheck:
    """Whether a learner acknowledges proposals in time (``LearnerHandler.SyncLimitCheck``).

    Two proposals are timed at most: the one whose ack is awaited, and the newest at the moment the next
    timing begins.
    """

    __slots__ = ("_next_ms", "_next_zxid", "_since_ms", "_zxid")

    def __init__(self) -> None:
        self._zxid = self._next_zxid = 0
        self._since_ms = self._next_ms = 0

    def proposed(self, zxid: int, now_ms: int) -> None:
        """A proposal was sent."""
        if not self._zxid:
            self._zxid, self._since_ms = zxid, now_ms
        else:
            self._next_zxid, self._next_ms = zxid, now_ms

    def acknowledged(self, zxid: int) -> None:
        """It was acknowledged, and so was everything before it."""
        if zxid >= (self._next_zxid or self._zxid):
            self._zxid = self._next_zxid = 0
        elif zxid >= self._zxid:
            self._zxid, self._since_ms = self._next_zxid, self._next_ms
            self._next_zxid = 0

    def is_late(self, now_ms: int, limit_ms: int) -> bool:
        """Whether the oldest timed proposal has waited longer than the limit."""
        return self._zxid != 0 and now_ms - self._since_ms > limit_ms


class LearnerHandler(PacketConnection):
    """Args:
    leader: whose learner it is.
    address: where the connection comes from.
    """

    def __init__(self, leader: Leader, address: tuple[str, int]) -> None:
        peer, config = leader.peer, leader.config
        self._field_bytes_max = config.jute_max_buffer_bytes + config.jute_max_buffer_extra_bytes
        super().__init__(peer.dirty, self._field_bytes_max)
        self._leader = leader
        self._broadcast = leader.broadcast
        self._peer = peer
        self.address = address
        self.phase = Phase.AWAIT_INFO
        self.sid = Sid(-(1 << 62))
        self.is_introduced = False
        self.is_observer = False
        self.sync_kind: PacketType | None = None
        """How it was synchronised."""
        self._protocol_version = PROTOCOL_VERSION
        self._summary: StateSummary | None = None
        self._limit_ms = config.init_limit_ticks * config.tick_time_ms
        self.deadline_ms = peer.now_ms + self._limit_ms
        """When the connection is given up unless something is heard."""
        self._ack_deadline_tick = leader.tick + config.init_limit_ticks + config.sync_limit_ticks
        self._check = SyncLimitCheck()
        self._early_acks: set[int] = set()
        """Proposals under way that it had acknowledged in front of NEWLEADER."""
        self._snapshot: Iterator[bytes] | None = None
        self._awaits_uptodate = False
        """Whether NEWLEADER was sent and UPTODATE was not."""
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._plan_bytes = 0
        self.established_wall_ms = peer.wall_ms
        self.packets_received = self.packets_sent = self.requests_received = 0
        """Since the beginning, or since somebody let them start again; for the command `observers`."""
        # A stranger's first packet is short.
        self._packets.field_bytes_max = INTRODUCTION_BYTES_MAX

    def __str__(self) -> str:
        return f"learner {self.sid} at {self.address[0]}:{self.address[1]}"

    # -- the connection ------------------------------------------------------------------------------

    def receive(self, chunk: bytes) -> None:
        if self.is_introduced:
            self.deadline_ms = self._peer.now_ms + self._limit_ms
        super().receive(chunk)

    def closing(self, reason: str) -> None:
        _log.info("%s: %s", self, reason)
        self.close_deadline_ms = self._peer.now_ms + LINGER_MS
        self._snapshot = None
        self._held.clear()
        self._leader.gone(self)
        if self.is_broken:
            self._leader.broken()

    def on_tick(self, now_ms: int) -> None:
        """Time has passed."""
        if now_ms >= self.deadline_ms:
            self.abort(f"nothing heard for {self._limit_ms} ms")

    @property
    def is_synced(self) -> bool:
        """Whether it was heard of within ``syncLimit`` ticks."""
        return self._leader.tick <= self._ack_deadline_tick

    @property
    def is_streaming(self) -> bool:
        """Whether it is up to date and part of the broadcast."""
        return self.phase is Phase.STREAMING

    @property
    def is_syncing(self) -> bool:
        """Whether its synchronisation is under way."""
        return self.phase is Phase.SYNCING and self.sync_kind is not None

    def ping(self, last_proposed: int) -> None:
        """Ask whether it is there; not before the synchronisation is on its way."""
        if self.phase not in (Phase.SYNCING, Phase.AWAIT_SERVING, Phase.STREAMING):
            return
        config = self._leader.config
        if self._check.is_late(self._peer.now_ms, config.sync_limit_ticks * config.tick_time_ms):
            self.abort("a proposal was not acknowledged within syncLimit")
        elif self.unsent_bytes + self._held_bytes > UNSENT_BYTES_MAX + self._plan_bytes:
            self.abort("it does not take what it is sent")
        elif self._awaits_uptodate:
            super().send(packet(PacketType.PING, last_proposed))
        else:
            self.send(packet(PacketType.PING, last_proposed))

    def send(self, data: bytes) -> None:
        if self._broadcast.is_due:  # this packet comes behind what everybody was told
            self._broadcast.flush()
        self.packets_sent += 1
        self._queue(data)

    def send_gathered(self, data: bytes, count: int, first: int, last: int) -> None:
        """Send so many packets in a row; the zxids: of the first and the last proposal among them, or 0."""
        if first and (self.phase is Phase.STREAMING or self.phase is Phase.AWAIT_SERVING):
            now_ms = self._peer.now_ms
            self._check.proposed(first, now_ms)
            if last != first:
                self._check.proposed(last, now_ms)
        self.packets_sent += count
        self._queue(data)

    def _queue(self, data: bytes) -> None:
        if self._snapshot is not None or self._awaits_uptodate:
            self._held.append(data)
            self._held_bytes += len(data)
        else:
            super().send(data)

    def _release(self) -> None:
        held, self._held = self._held, []
        self._held_bytes = 0
        for data in held:
            super().send(data)

    # -- packets -------------------------------------------------------------------------------------

    def packets_came(self, count: int) -> None:
        self.packets_received += count
        self._ack_deadline_tick = self._leader.tick + self._leader.config.sync_limit_ticks

    def handle(self, received: Packet) -> None:
        kind, zxid, data, authinfo = received
        if self.phase is Phase.STREAMING:
            if kind == _ACK:
                self._check.acknowledged(zxid)
                self._leader.acknowledged(self.sid, zxid)
            elif kind == PacketType.REQUEST:
                self._request(decode_request(data), authinfo or ())
            elif kind == PacketType.PING:
                for session_id, timeout_ms in decode_touches(data):
                    self._leader.touch(session_id, timeout_ms)
            elif kind == PacketType.REVALIDATE:
                self._peer.database.metrics.add("revalidate_count")
                session_id, timeout_ms = decode_revalidation(data)
                valid = self._leader.revalidate(self, session_id, timeout_ms)
                self.send(packet(PacketType.REVALIDATE, zxid, encode_validity(session_id, valid)))
            else:
                _log.warning("%s sent a packet of type %d, which is passed over", self, kind)
        elif self.phase is Phase.AWAIT_INFO:
            self._introduce(kind, zxid, data)
        elif self.phase is Phase.AWAIT_ACK_EPOCH and kind == PacketType.ACKEPOCH:
            self._ack_epoch(zxid, decode_int(data, "ACKEPOCH"))
        elif self.phase in (Phase.SYNCING, Phase.AWAIT_SERVING) and kind == PacketType.ACK:
            self._ack(zxid)
        elif kind != PacketType.PING:
            raise ProtocolError(f"a packet of type {kind} while we {self.phase.value}")

    def _introduce(self, kind: int, zxid: int, data: bytes | None) -> None:
        if kind not in (PacketType.FOLLOWERINFO, PacketType.OBSERVERINFO):
            raise ProtocolError(f"the first packet has type {kind}")
        self.is_observer = kind == PacketType.OBSERVERINFO
        if self.is_observer:
            self._broadcast = self._leader.informing
        if data is None:
            self.sid = self._leader.stranger_id()
        else:
            self.sid, self._protocol_version, config_version = decode_introduction(data)  # type: ignore[assignment]
            if config_version > self._peer.verifier.version:
                raise ProtocolError("it has a later configuration than the leader")
        if self.sid == self._leader.my_id:
            raise ProtocolError("it has the leader's own number")
        accepted_epoch = epoch_of(Zxid(zxid))
        if accepted_epoch >= EPOCH_MAX:
            raise ProtocolError(f"it has accepted epoch {accepted_epoch}, behind which there is none")
        self.is_introduced = True
        self._packets.field_bytes_max = self._field_bytes_max
        self.deadline_ms = self._peer.now_ms + self._limit_ms
        self.phase = Phase.AWAIT_EPOCH
        had_epoch = self._leader.has_epoch
        self._leader.propose_epoch(self.sid, accepted_epoch)
        if had_epoch:
            self.epoch_proposed()

    def epoch_proposed(self) -> None:
        """The leader knows the new epoch."""
        if self.phase is not Phase.AWAIT_EPOCH:
            return
        if self._protocol_version < PROTOCOL_VERSION:
            self.close("it speaks the protocol of before 3.4")
            return
        self.phase = Phase.AWAIT_ACK_EPOCH
        self.send(packet(PacketType.LEADERINFO, self._leader.zxid, encode_int(PROTOCOL_VERSION)))

    def _ack_epoch(self, last_zxid: int, current_epoch: int) -> None:
        self._summary = StateSummary(current_epoch, last_zxid)
        self.phase = Phase.AWAIT_QUORUM
        settled = self._leader.is_settled
        refusal = self._leader.epoch_accepted(self.sid, self._summary)
        if refusal is not None:
            raise ProtocolError(refusal)
        if settled:
            self.epoch_settled()

    def epoch_settled(self) -> None:
        """A quorum has accepted the epoch: synchronise this learner (``syncFollower``)."""
        if self.phase is not Phase.AWAIT_QUORUM:
            return
        assert self._summary is not None
        peer = self._peer
        plan = plan_sync(
            Zxid(self._summary.last_zxid),
            peer.database.tree.last_processed_zxid,
            peer.committed.entries,
            read_log=peer.read_log,
            force_snapshot=peer.config.force_snapshot_sync,
        )
        _log.info("%s at zxid 0x%s: %s", self, hex64(self._summary.last_zxid), describe(plan))
        if not self._leader.may_sync(self, plan.kind):
            self.close("too many learners are synchronised at the same time")
            return
        self.phase = Phase.SYNCING
        self.sync_kind = plan.kind
        name = "snap" if plan.kind is PacketType.SNAP else "diff"
        peer.database.metrics.add(f"{name}_count")
        peer.database.metrics.observe(f"inflight_{name}_count", self._leader.syncing(plan.kind))
        self.send(packet(plan.kind, plan.zxid))
        if plan.kind is PacketType.SNAP:
            self._begin_snapshot(plan.zxid)
        for zxid, payload in plan.proposals:
            self.send(proposal(zxid, payload))
            self.send(commit(zxid))
        self._plan_bytes = self.unsent_bytes + self._held_bytes
        self._leader.start_forwarding(self, plan.forward_after)
        if self._snapshot is None:
            self._send_newleader()

    def _send_newleader(self) -> None:
        config = self._leader.newleader_config().text().encode()
        self.send(packet(PacketType.NEWLEADER, self._leader.zxid, config))
        self._awaits_uptodate = True

    def _ack(self, zxid: int) -> None:
        if zxid != self._leader.zxid:
            if self._leader.is_outstanding(zxid):
                self._early_acks.add(zxid)
        elif self.phase is Phase.SYNCING:
            self._ack_newleader()

    def _ack_newleader(self) -> None:
        self.phase = Phase.AWAIT_SERVING
        serving = self._leader.server is not None
        self._leader.newleader_acknowledged(self.sid)
        if serving:
            self.leader_serves()

    def leader_serves(self) -> None:
        """The leader has its quorum: the learner may serve as well."""
        if self.phase is Phase.AWAIT_SERVING:
            self.phase = Phase.STREAMING
            # Only now are there pings: who was ready early may have waited for longer.
            config = self._leader.config
            self._limit_ms = config.sync_limit_ticks * config.tick_time_ms
            self.deadline_ms = self._peer.now_ms + self._limit_ms
            super().send(packet(PacketType.UPTODATE, -1))
            self._awaits_uptodate = False
            self._release()
            self._leader.learner_serves()
            for zxid in sorted(self._early_acks):
                self._leader.acknowledged(self.sid, zxid)
            self._early_acks.clear()

    def _request(self, asked: ForwardedRequest, authinfo: tuple[Id, ...]) -> None:
        self.requests_received += 1
        operation = OPERATIONS.get(asked.opcode)
        is_write = operation is not None and operation.kind in (Kind.WRITE, Kind.BARRIER)
        if operation is None or not is_write:
            # The original's followers forward what they don't know, and wait for a txn all the same.
            operation = OPERATIONS[OpCode.ERROR]
        frame = _HEADER.pack(asked.cxid, asked.opcode) + asked.body
        request = Request(
            None, SessionId(asked.session_id), asked.cxid, operation, frame, self._peer.now_ms, authinfo
        )
        if is_write:
            self._leader.forwarded(self, request)
        else:
            request.error = ErrorCode.UNIMPLEMENTED
            self._leader.propose(request)

    # -- a snapshot ----------------------------------------------------------------------------------

    @property
    def has_backlog(self) -> bool:
        """Whether more of a snapshot is to be sent."""
        return self._snapshot is not None and not self.is_closing

    def resume(self) -> None:
        """The learner has taken what there was: encode the next piece."""
        if self._snapshot is None:
            return
        chunk = next(self._snapshot, None)
        if chunk is not None:
            self.deadline_ms = self._peer.now_ms + self._limit_ms
            super().send(chunk)
            return
        self._snapshot = None
        self._release()
        # What was committed while the tree was sent is in front of it, so the learner's tree is exact now.
        self._send_newleader()

    def _begin_snapshot(self, zxid: int) -> None:
        """A tree that fits into one piece goes out as it is now; of a larger one the rest comes later."""
        self._snapshot = snapshot_stream(self._peer.database, zxid)
        self.resume()


def snapshot_stream(database: ZKDatabase, zxid: int) -> Iterator[bytes]:
    """The tree as a learner gets it, piece by piece while it changes; what follows ``zxid`` comes later."""
    tree = database.tree
    encoder = SnapshotStreamEncoder()
    encoder.start(database.sessions, tree.acls.table())
    rows = tree.rows_since(zxid, tree.acls.ids())
    while encoder.add_nodes(rows, CHUNK_BYTES):
        yield encoder.take_chunk()
    yield encoder.finish()


def describe(plan: SyncPlan) -> str:
    """The plan in words, for the log."""
    return f"{plan.kind.name} 0x{hex64(plan.zxid)} and {len(plan.proposals)} transactions"
