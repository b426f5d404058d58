"""Leader: discovery, synchronisation and broadcast from the leading side (``Leader``).

    DISCOVERY         learners say what epoch they accepted last; a quorum of them gives the new one, which is
                      written down (acceptedEpoch) before anybody hears of it; a quorum accepts it (ACKEPOCH)
    SYNCHRONIZATION   each learner is brought to the leader's history (``learner_handler``) and acknowledges
                      NEWLEADER once that is on its disk
    BROADCAST         with a quorum of those the leader serves: every write becomes a proposal, is committed
                      when a quorum has it on disk, and is then applied

Each of the first two phases may take ``initLimit`` ticks; in the last a quorum must be heard of every
``syncLimit`` ticks. Otherwise the leader gives up and looks for another one.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from ..jute.codes import OpCode, PacketType
from ..jute.ids import Epoch, Sid, Zxid, hex64, make_zxid
from ..jute.proto import ReconfigRequest, SyncRequest
from ..server.errors import NewConfigNoQuorum
from ..server.ops.context import Kind
from ..server.request import Request
from ..server.server_stats import SizeStats
from ..server.sync import payload_of
from .ack_tracker import SyncedLearnerTracker
from .broadcast import Broadcast
from .entry import Entry
from .leader_server import LeaderServer
from .learner_handler import LearnerHandler
from .packet_data import encode_activation
from .packets import commit, packet, proposal
from .phases import ZabState
from .proposals import Proposal, Proposals
from .reconfig import new_configuration
from .state_summary import StateSummary
from .verifier import Oracle, QuorumVerifier

if TYPE_CHECKING:
    from .peer import QuorumPeer

COUNTER_MAX: Final = 0xFFFFFFFF
"""A zxid with this counter is never proposed: the epoch is used up (ZOOKEEPER-1277)."""

NEVER: Final = 1 << 64
"""No zxid is divisible by this."""

STRANGERS_MAX: Final = 256
"""Connections that have not said who they are; more push the oldest out."""

_SYNC: Final = packet(PacketType.SYNC, 0)
_log = logging.getLogger(__name__)


class LearnerSyncRequest(Request):
    """A sync that another member's client asked for: it is answered with a packet."""

    __slots__ = ("handler",)

    def __init__(self, handler: LearnerHandler, request: Request) -> None:
        super().__init__(None, request.session_id, request.cxid, request.operation, b"", request.received_ms)
        self.record = SyncRequest(None)  # the path is of no interest here
        self.handler = handler


class Leader:
    """One term of leadership.

    Args:
        peer: the member.
    """

    def __init__(self, peer: QuorumPeer) -> None:
        self.peer = peer
        self.config = peer.config
        self.my_id = peer.my_id
        self.phase = ZabState.DISCOVERY
        self.epoch = Epoch(-1)
        self.zxid = Zxid(0)
        """Of the new epoch, counter 0: what NEWLEADER carries."""
        self.server: LeaderServer | None = None
        self.handlers: dict[LearnerHandler, None] = {}
        self.forwarding: dict[LearnerHandler, None] = {}
        """Followers that get every new proposal."""
        self.broadcast = Broadcast(self.forwarding)
        self.observing: dict[LearnerHandler, None] = {}
        """Observers that get every commit."""
        self.informing = Broadcast(self.observing)
        self.last_proposed = Zxid(0)
        self.last_committed = Zxid(0)
        self._counted = (Zxid(0), Zxid(0))
        """The last proposal and the last commit that were counted."""
        self.tick = 0
        self.proposal_sizes = SizeStats()
        frequency = peer.config.leader_ack_logging_frequency
        self._ack_sample = frequency if frequency > 0 else NEVER
        self.allowed_to_commit = True
        """False once a reconfiguration has made another member the leader."""
        self.is_broken = False
        """Whether a commit was given up in the middle."""
        self._outstanding = Proposals()
        self._barriers: dict[int, list[Request]] = {}
        """What waits for a zxid without being a txn: syncs, and local requests that failed undecoded."""
        self._held: list[Request] = []
        """The same, where nothing is outstanding: what waits for a quorum to be connected again."""
        self._summary = StateSummary(peer.epochs.current, peer.database.tree.last_processed_zxid)
        self._connecting: set[Sid] = set()
        self._electing: set[Sid] = set()
        self._newleader_acks = SyncedLearnerTracker()
        self._is_over = False
        self._started_ms = peer.now_ms
        self._phase_deadline_ms = self._phase_end()
        self._next_ping_ms = 0
        self._skip_tick = True
        self._next_stranger = Sid(-1)

    def __str__(self) -> str:
        return f"leader of epoch {self.epoch}"

    # -- the role ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin discovery. With a quorum of one this goes all the way to serving."""
        self.propose_epoch(self.my_id, self.peer.epochs.accepted)

    def stop(self, reason: str) -> None:
        """The term is over."""
        if self._is_over:
            return
        _log.info("no longer leading: %s", reason)
        self._is_over = True
        self.count()
        if self.server is not None:
            self.server.shut_down()
        self.flush()
        for handler in list(self.handlers):
            handler.close("the leader gives up")

    def flush(self) -> None:
        """Send what all followers and all observers are told."""
        self.broadcast.flush()
        self.informing.flush()

    def broken(self) -> None:
        """A commit was given up in the middle: what is in the tree is not to be relied on."""
        self.is_broken = True
        self._give_up("internal error")

    def _give_up(self, reason: str) -> None:
        if not self._is_over:
            self.peer.role_ended(self, reason)

    def logged_txns(self) -> list[Entry]:
        """Proposals that are in the log and were not committed, when the role is over."""
        return [Entry.read(waiting.payload, self.peer.now_ms) for waiting in self._outstanding]

    def set_time(self, now_ms: int, wall_ms: int) -> None:
        """What time it is."""
        if self.server is not None:
            self.server.set_time(now_ms, wall_ms)

    def _phase_end(self) -> int:
        return self.peer.now_ms + self.config.init_limit_ticks * self.config.tick_time_ms

    def deadline_ms(self) -> int:
        """When ``on_tick`` has something to do."""
        first = self._next_ping_ms if self.phase is ZabState.BROADCAST else self._phase_deadline_ms
        return min([first, *(handler.deadline_ms for handler in self.handlers)])

    def on_tick(self) -> None:
        """Time has passed: look after learners, and after ourselves."""
        now_ms = self.peer.now_ms
        for handler in list(self.handlers):
            handler.on_tick(now_ms)
        if self._is_over:
            return
        if self.phase is not ZabState.BROADCAST:
            if now_ms >= self._phase_deadline_ms:
                self._give_up(f"no quorum within initLimit in the phase {self.phase.value}")
            return
        if now_ms >= self._next_ping_ms:
            self._next_ping_ms = now_ms + self.config.tick_time_ms // 2
            self._ping()

    def _ping(self) -> None:
        """Twice a tick: see whether a quorum is still with us, and ask everybody."""
        if not self._skip_tick:
            self.tick += 1
            synced = SyncedLearnerTracker(self._verifiers())
            synced.add_ack(self.my_id)
            for handler in self.handlers:
                if handler.is_synced:
                    synced.add_ack(handler.sid)
            if not synced.has_all_quorums() and not self._is_alone_by_oracle():
                self._give_up(f"not enough followers in sync, only {synced}")
                return
        self._skip_tick = not self._skip_tick
        for handler in list(self.handlers):
            handler.ping(self.last_proposed)

    def _is_alone_by_oracle(self) -> bool:
        """Of two voters we are left, and the oracle lets us go on; what waits for the other is committed."""
        verifier = self.peer.verifier
        if not isinstance(verifier, Oracle):
            return False
        if not verifier.override_quorum_decision(has_followers=bool(self.forwarding)):
            return False
        self._commit_ready()
        return True

    def _verifiers(self) -> tuple[QuorumVerifier, ...]:
        """Whose quorums count: the configuration's, and the next one's while a change is under way."""
        return self.peer.membership.verifiers

    def is_voter(self, sid: Sid) -> bool:
        return sid in self.peer.verifier.voters

    # -- learners come and go ------------------------------------------------------------------------

    def accept(self, address: tuple[str, int]) -> LearnerHandler:
        """A connection to the quorum port."""
        strangers = [handler for handler in self.handlers if not handler.is_introduced]
        if len(strangers) >= STRANGERS_MAX:
            strangers[0].abort("others wait behind it")
        handler = LearnerHandler(self, address)
        self.handlers[handler] = None
        return handler

    def stranger_id(self) -> Sid:
        """A number for an observer that has none."""
        sid = self._next_stranger
        self._next_stranger = Sid(sid - 1)
        return sid

    def newleader_config(self) -> QuorumVerifier:
        """What a learner is to have in force: the newest configuration, unless it is only being proposed."""
        is_proposed = any(waiting.request.txn_type == OpCode.RECONFIG for waiting in self._outstanding)
        return self.peer.verifier if is_proposed else self.peer.last_seen_verifier

    def gone(self, handler: LearnerHandler) -> None:
        """A learner's connection is closing."""
        self.handlers.pop(handler, None)
        self.forwarding.pop(handler, None)
        self.observing.pop(handler, None)

    def may_sync(self, handler: LearnerHandler, kind: PacketType) -> bool:
        """Whether one more may be synchronised now (``LearnerSyncThrottler``); a follower always may."""
        config = self.config
        is_snapshot = kind is PacketType.SNAP
        limit = (
            config.leader_max_concurrent_snap_syncs
            if is_snapshot
            else config.leader_max_concurrent_diff_syncs
        )
        return not handler.is_observer or self.syncing(kind) < limit

    def syncing(self, kind: PacketType) -> int:
        """How many are being synchronised in this way, by a snapshot or by what they lack."""
        is_snapshot = kind is PacketType.SNAP
        return sum(
            other.is_syncing and (other.sync_kind is PacketType.SNAP) == is_snapshot
            for other in self.handlers
        )

    # -- discovery -----------------------------------------------------------------------------------

    def propose_epoch(self, sid: Sid, accepted_epoch: int) -> None:
        """A member would follow; it has accepted this epoch before (``getEpochToPropose``)."""
        if self._is_over or self.phase is not ZabState.DISCOVERY or self.zxid:
            return
        if sid in self.peer.verifier.members or sid in self.peer.last_seen_verifier.members:
            self.epoch = Epoch(max(self.epoch, accepted_epoch + 1))
        if self.is_voter(sid):
            self._connecting.add(sid)
        if self.my_id not in self._connecting or not self.peer.verifier.contains_quorum(self._connecting):
            return
        self.peer.epochs.accept(self.epoch)
        self.zxid = make_zxid(self.epoch, 0)
        self.last_proposed = self.zxid
        self._phase_deadline_ms = self._phase_end()
        self.peer.version_initial_config(self.zxid)
        self._newleader_acks = SyncedLearnerTracker(self._verifiers())
        for handler in list(self.handlers):
            handler.epoch_proposed()
        self.epoch_accepted(self.my_id, self._summary)

    def voter_looks(self, sid: Sid) -> None:
        """A voter looks for a leader while we wait for a quorum (``Leader.reportLookingSid``)."""
        limit_ms = self.config.leader_max_time_to_wait_for_epoch_ms
        voted_for_us = self.peer.election.leading_tracker
        if limit_ms < 0 or self.has_epoch or voted_for_us is None or not voted_for_us.has_sid(sid):
            return
        if self.peer.now_ms - self._started_ms > limit_ms:
            self._give_up(f"voter {sid} has changed its mind")

    @property
    def has_epoch(self) -> bool:
        """Whether the new epoch is settled and may be told."""
        return self.zxid != 0

    @property
    def is_settled(self) -> bool:
        """Whether a quorum has accepted the epoch."""
        return self.phase is not ZabState.DISCOVERY

    def epoch_accepted(self, sid: Sid, summary: StateSummary) -> str | None:
        """A member has accepted the epoch (``waitForEpochAck``); says why not, if it can't be followed."""
        if self.phase is not ZabState.DISCOVERY:
            return None
        if summary.current_epoch != -1:
            if summary.is_more_recent_than(self._summary):
                return (
                    f"it is ahead of the leader: epoch {summary.current_epoch}, zxid"
                    f" 0x{hex64(summary.last_zxid)} against {self._summary.current_epoch},"
                    f" 0x{hex64(self._summary.last_zxid)}"
                )
            if summary.last_zxid != -1 and self.is_voter(sid):
                self._electing.add(sid)
        if self.my_id in self._electing and self.peer.verifier.contains_quorum(self._electing):
            self._synchronize()
        return None

    def _synchronize(self) -> None:
        self.peer.epochs.take_over(self.epoch)
        self.phase = ZabState.SYNCHRONIZATION
        self._phase_deadline_ms = self._phase_end()
        _log.info("leading epoch %d", self.epoch)
        for handler in list(self.handlers):
            handler.epoch_settled()
        self.newleader_acknowledged(self.my_id)

    # -- synchronisation -----------------------------------------------------------------------------

    def start_forwarding(self, handler: LearnerHandler, last_seen: int) -> None:
        """From now on the learner hears of all, first of what it has not seen (``startForwarding``).

        Its older connections are dead: what comes late by one of them may acknowledge what it has lost since.
        """
        for other in list(self.handlers):
            if other is handler:
                break  # they are in the order in which they came
            if other.sid == handler.sid and other.is_introduced:
                other.close("the learner has connected again")
        self.flush()
        if handler.is_observer:
            self.observing[handler] = None
            return
        for waiting in self._outstanding:
            if waiting.zxid > last_seen:
                waiting.acks.discard(handler.sid)  # what it once had is cut off, replaced, or was damaged
                handler.send(proposal(waiting.zxid, waiting.payload))
        self.forwarding[handler] = None

    def newleader_acknowledged(self, sid: Sid) -> None:
        """A member has everything on disk that came before NEWLEADER."""
        if self.phase is not ZabState.SYNCHRONIZATION:
            return
        self._newleader_acks.add_ack(sid)
        if self._newleader_acks.has_all_quorums():
            self._serve()

    def _serve(self) -> None:
        peer = self.peer
        self.last_committed = self.zxid
        peer.activate_initial_config(self)
        if self._is_over:
            return
        self.phase = ZabState.BROADCAST
        self._next_ping_ms = peer.now_ms + self.config.tick_time_ms // 2
        peer.database.tree.last_processed_zxid = self.zxid
        self.server = LeaderServer(peer, self)
        if self.config.testing_initial_zxid is not None:
            start = Zxid((self.zxid & ~COUNTER_MAX) | (self.config.testing_initial_zxid & COUNTER_MAX))
            self.server.jump_to(start)
            self.last_proposed = self.last_committed = start
        self._counted = (self.last_proposed, self.last_committed)
        peer.serving(self.server if self.config.leader_serves else None)
        for handler in list(self.handlers):
            handler.leader_serves()

    # -- broadcast -----------------------------------------------------------------------------------

    def propose(self, request: Request) -> None:
        """Take a prepared request: a txn becomes a proposal, anything else waits for those before it."""
        if self._is_over or self.server is None:
            return
        if request.txn_type is None:
            if request.client is not None or request.operation.kind is Kind.BARRIER:
                if self._outstanding:
                    self._barriers.setdefault(self.last_proposed, []).append(request)
                elif self._is_connected():
                    self._pass(request)
                else:
                    self._held.append(request)
                return
            self.server.refuse(request)
        zxid = request.zxid
        if zxid & COUNTER_MAX == COUNTER_MAX:
            self._give_up("the counter of zxids is used up: a new epoch is needed")
            return
        if request.txn_type == OpCode.RECONFIG:
            # From here on both configurations have to agree to everything.
            self.peer.saw_config(request.txn.data)
        payload = payload_of(request)
        self.proposal_sizes.record(len(payload))
        self.last_proposed = zxid
        self._outstanding.add(Proposal(zxid, request, payload, self._verifiers()))
        self.broadcast.propose(zxid, payload)
        self.peer.log.log(request, payload)

    def logged(self, requests: list[Request]) -> None:
        """Our own log has them: that is the leader's ack."""
        if self._is_over or not self.allowed_to_commit:
            return
        acknowledge, me, sample = self._outstanding.acknowledge, self.my_id, self._ack_sample
        for request in requests:
            if request.txn_type is not None:
                acknowledge(me, request.zxid)
                if not request.zxid % sample:
                    self._measure_ack(me, request.zxid)
        self._commit_ready()

    def is_outstanding(self, zxid: int) -> bool:
        """Whether this was proposed and is not committed yet."""
        return self._outstanding.time_ms(zxid) is not None

    def acknowledged(self, sid: Sid, zxid: int) -> None:
        """A member has this proposal on disk (``processAck``); commit whatever has its quorum now."""
        if self._is_over or not self.allowed_to_commit or not zxid & COUNTER_MAX:
            return  # counter 0: the ack behind UPTODATE
        is_due = self._outstanding.acknowledge(sid, zxid)
        if not zxid % self._ack_sample:
            self._measure_ack(sid, zxid)
        if is_due:
            self._commit_ready()

    def _measure_ack(self, sid: Sid, zxid: int) -> None:
        """One ack of many: how long after its proposal it came (`ack_latency` of ``mntr``)."""
        proposed_ms = self._outstanding.time_ms(zxid)
        if proposed_ms is not None and proposed_ms <= self.peer.wall_ms:
            self.peer.database.metrics.add_ack(str(sid), self.peer.wall_ms - proposed_ms)

    def _commit_ready(self) -> None:
        while (committed := self._outstanding.take_committed()) is not None:
            self._commit(committed)
            if self._is_over or not self.allowed_to_commit:
                return

    def _commit(self, committed: Proposal) -> None:
        zxid, request = committed.zxid, committed.request
        self.last_committed = zxid
        if request.txn_type == OpCode.RECONFIG:
            designated = self._designate(committed)
            self.broadcast.tell(packet(PacketType.COMMITANDACTIVATE, zxid, encode_activation(designated)))
            activation = encode_activation(designated, committed.payload)
            self.informing.tell(packet(PacketType.INFORMANDACTIVATE, zxid, activation))
            # Another leader commits what comes now. The followers leave us: so most of them get this far.
            self.allowed_to_commit = designated == self.my_id
        else:
            self.broadcast.tell(commit(zxid))
            if self.observing:
                self.informing.tell(packet(PacketType.INFORM, zxid, committed.payload))
        server = self.server
        assert server is not None
        if self._held:  # a quorum has spoken, and they came before anything that is outstanding
            self._release()
        server.final.process(request)
        self.peer.committed.add(zxid, committed.payload)
        for waiting in self._barriers.pop(zxid, ()):
            self._pass(waiting)
        if request.txn_type == OpCode.RECONFIG:
            self.peer.reconfigured(request.txn.data, designated, zxid)

    def count(self) -> None:
        """Count what was proposed and committed since the last time; their zxids follow each other."""
        if self.server is not None:
            proposed, committed = self._counted
            self.peer.database.metrics.add("proposal_count", self.last_proposed - proposed)
            self.peer.database.metrics.add("commit_count", self.last_committed - committed)
            self._counted = (self.last_proposed, self.last_committed)

    @property
    def pending_syncs(self) -> int:
        """Zxids that other members' syncs wait for (``getNumPendingSyncs``)."""
        waiting = self._barriers.values()
        return sum(1 for each in waiting if any(isinstance(one, LearnerSyncRequest) for one in each))

    def _pass(self, request: Request) -> None:
        """Everything before a barrier is applied."""
        if isinstance(request, LearnerSyncRequest):
            request.handler.send(_SYNC)
        else:
            assert self.server is not None
            self.server.final.process(request)

    # -- reconfiguration -----------------------------------------------------------------------------

    def reconfigure(self, request: ReconfigRequest, zxid: int) -> bytes:
        """Text of the configuration that a request asks for. Raises KeeperError."""
        peer = self.peer
        asked = new_configuration(
            request,
            peer.verifier,
            peer.last_seen_verifier,
            version=zxid,
            standalone_enabled=self.config.standalone_enabled,
        )
        synced = {handler.sid for handler in self.forwarding if handler.is_synced} | {self.my_id}
        if not asked.contains_quorum(synced & asked.voters.keys()):
            raise NewConfigNoQuorum
        return asked.text().encode()

    def _designate(self, committed: Proposal) -> Sid:
        """Who leads under the configuration that is committed now (``getDesignatedLeader``).

        We, if we vote in it at the same address. Otherwise the one of its voters that has acknowledged most.
        """
        peer = self.peer
        asked = peer.membership.read(committed.request.txn.data)
        here, there = peer.verifier.members.get(self.my_id), asked.voters.get(self.my_id)
        if here is not None and there is not None and set(here.quorum) == set(there.quorum):
            return self.my_id
        candidates = sorted((committed.acks & asked.voters.keys()) - {self.my_id})
        for waiting in self._outstanding:
            better = [sid for sid in candidates if sid in waiting.acks]
            if not better:
                break
            candidates = better
        return candidates[0] if candidates else self.my_id

    def _is_connected(self) -> bool:
        """Whether a quorum is connected; if not, another leader may have committed what a sync must show."""
        sids = {handler.sid for handler in self.forwarding if handler.is_streaming}
        sids.add(self.my_id)
        return all(verifier.contains_quorum(sids) for verifier in self._verifiers())

    def learner_serves(self) -> None:
        """One more learner is up to date: syncs that came while there was no quorum may be answered."""
        if self._held and self._is_connected():
            self._release()

    def _release(self) -> None:
        held, self._held = self._held, []
        for request in held:
            self._pass(request)

    # -- what learners ask ---------------------------------------------------------------------------

    def forwarded(self, handler: LearnerHandler, request: Request) -> None:
        """A write of another member's client (REQUEST)."""
        server = self.server
        if server is None:
            return
        if request.operation.kind is Kind.BARRIER:
            server.submit_forwarded(LearnerSyncRequest(handler, request), handler.sid)
        else:
            server.submit_forwarded(request, handler.sid)

    def touch(self, session_id: int, timeout_ms: int) -> None:
        """Another member has heard of a session's client."""
        if self.server is not None:
            self.server.sessions.touch(session_id, timeout_ms, self.peer.now_ms)

    def revalidate(self, handler: LearnerHandler, session_id: int, timeout_ms: int) -> bool:
        """Whether the session lives; if so it is that learner's."""
        return self.server is not None and self.server.revalidate(session_id, timeout_ms, handler.sid)
