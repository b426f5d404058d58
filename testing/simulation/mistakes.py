"""Mistakes: functions of the shipped classes with one line left out, moved or turned round.

``mutations.py`` says which of them are put where, and what each is called.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from ...jute.codes import OpCode, PacketType
from ...jute.ids import Epoch, Sid, Zxid, counter_of, epoch_of
from ...jute.proto import ConnectRequest
from ...quorum import learner_handler
from ...quorum.cnx_manager import QuorumCnxManager
from ...quorum.committed_log import CommittedLog
from ...quorum.entry import Entry
from ...quorum.leader import Leader
from ...quorum.learner import Learner, Phase
from ...quorum.learner_handler import LearnerHandler
from ...quorum.packet_connection import ProtocolError
from ...quorum.packet_data import decode_int, encode_int
from ...quorum.packets import ack, packet
from ...quorum.peer import QuorumPeer
from ...quorum.phases import ZabState
from ...quorum.proposals import Proposal, Proposals
from ...quorum.session_trackers import LeaderSessionTracker
from ...quorum.state_summary import StateSummary
from ...quorum.sync_plan import SyncPlan, plan_sync
from ...quorum.verifier import Majority
from ...quorum.vote import Vote
from ...server.connection import ServerConnection
from ...server.container_manager import ContainerManager
from ...server.core import ServerCore
from ...server.data_node import DataNode, ttl_of
from ...server.database import ZKDatabase
from ...server.request import Request
from ...server.sessions import SessionTracker
from ...storage.epoch_files import EpochFiles
from ...storage.txn_log import TxnLog

# --- a learner's disk -----------------------------------------------------------------------------------

_log = Learner._log
_logged = Learner.logged


def ack_before_fsync(self: Learner, entry: Entry) -> None:
    _log(self, entry)
    if not self.is_observer:
        self.send(ack(entry.zxid))


def logged_without_ack(self: Learner, requests: list[Request]) -> None:
    if self.phase is Phase.SAVING:
        _logged(self, requests)


def save_without_waiting(self: Learner) -> None:
    """The txns that came with the synchronisation are on their way to the disk; that must do."""
    save_txns(self)
    if self.phase is Phase.SAVING:
        self._saved()


def epoch_before_txns(self: Learner) -> None:
    self.peer.epochs.take_over(self._epoch)
    save(self)


def ack_before_snapshot(self: Learner) -> None:
    self.phase = Phase.SAVING
    if self.sync_kind is PacketType.SNAP:
        self.peer.save_snapshot(lambda: None)
    self._save_txns()


save_txns = Learner._save_txns
save = Learner._save


def save_txns_with_a_hole(self: Learner) -> None:
    """What came with the synchronisation is in the tree and the log, and not in the committed log."""
    committed = self.peer.committed
    kept = deque(committed.entries, maxlen=committed.entries.maxlen)
    save_txns(self)
    committed.entries.clear()
    committed.entries.extend(kept)


def apply_proposals_too(self: Learner) -> None:
    """Whatever has come is taken for committed."""
    self._committed.extend(self._received)
    self._received.clear()
    save_txns(self)


write_epoch = EpochFiles._write


def write_all_but(forgotten: str) -> Callable[[EpochFiles, str, Epoch], None]:
    def write(self: EpochFiles, name: str, epoch: Epoch) -> None:
        if name != forgotten or not self._disk.exists(f"{self._directory}/{name}"):
            write_epoch(self, name, epoch)

    return write


log_init = TxnLog.__init__


def log_without_sync(self: TxnLog, *arguments: Any, **settings: Any) -> None:
    log_init(self, *arguments, **{**settings, "sync": False})


class _Unsynced:
    """A disk, or a file of it, that takes no syncs."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def open(self, path: str, *, writable: bool = False) -> Any:
        return _Unsynced(self._real.open(path, writable=writable))

    def fsync_dir(self, path: str) -> None:
        """Nothing."""

    def fdatasync(self) -> None:
        """Nothing."""


truncate_log = TxnLog.truncate


def truncate_without_sync(self: TxnLog, zxid: int) -> None:
    """What is cut off the log is back after a power loss."""
    disk = self._disk
    self._disk = _Unsynced(disk)
    try:
        truncate_log(self, zxid)
    finally:
        self._disk = disk


def forget_truncation(self: QuorumPeer, zxid: Zxid) -> None:
    """TRUNC is read and not obeyed."""


# --- a learner's packets --------------------------------------------------------------------------------


def register_any(self: Learner, kind: int, zxid: int, data: bytes | None) -> None:
    """As ``Learner._register``, for leaders of any epoch."""
    if kind != PacketType.LEADERINFO:
        raise ProtocolError("not LEADERINFO")
    decode_int(data, "LEADERINFO")
    epochs = self.peer.epochs
    self._epoch = epoch_of(Zxid(zxid))
    current = epochs.current if self._epoch > epochs.accepted else -1
    if self._epoch > epochs.accepted:
        epochs.accept(self._epoch)
    self.phase = Phase.AWAIT_SYNC
    last_zxid = self.peer.database.tree.last_processed_zxid
    self.send(packet(PacketType.ACKEPOCH, last_zxid, encode_int(current)))


broadcast = Learner._broadcast


def apply_when_proposed(self: Learner, kind: int, zxid: int, data: bytes | None) -> None:
    """A proposal is applied as it comes."""
    if kind == PacketType.PROPOSAL:
        broadcast(self, kind, zxid, data)
        self._commit(self._received.popleft())
    elif kind != PacketType.COMMIT:
        broadcast(self, kind, zxid, data)


def proposed_unchecked(self: Learner, zxid: int, data: bytes | None) -> Entry:
    """A hole in what the leader sends is not noticed."""
    self.last_queued = Zxid(0)
    return proposed(self, zxid, data)


proposed = Learner._proposed


def serve_without_pending(self: Learner) -> None:
    """Proposals that came before UPTODATE are not put into the log."""
    received, self._received = self._received, deque()
    serve_learner(self)
    self._received = received


serve_learner = Learner._serve


def close_and_listen_on(self: Learner, reason: str) -> None:
    """The role is over, but what the old leader says is still taken in."""
    learner_close(self, reason)
    self.is_closing = False


learner_close = Learner.close


def adopt_without_sessions(self: ZKDatabase, tree: Any, sessions: dict[int, int]) -> None:
    adopt(self, tree, {**self.sessions})


adopt = ZKDatabase.adopt


# --- the end of a role ----------------------------------------------------------------------------------


def no_fast_forward(self: QuorumPeer, role: Any) -> None:
    """What is in the log and was not committed is not applied: the tree is behind the log."""


def settle_at_once(self: QuorumPeer) -> None:
    """The election begins before the log has come to rest."""
    if self._ending is not None and not self.log.idle:
        role, self._ending = self._ending, None
        self._fast_forward(role)
        self._look()
    settle(self)


settle = QuorumPeer._settle

# --- the leader -----------------------------------------------------------------------------------------

propose = Leader.propose


def count_before_disk(self: Leader, request: Request) -> None:
    """The leader acknowledges its own proposals before they are on its disk."""
    propose(self, request)
    if request.txn_type is not None and not self._is_over:
        self.acknowledged(self.my_id, request.zxid)


def has_one(self: Proposal) -> bool:
    return len(self.acks) >= 1


def half_is_enough(self: Majority, sids: Any) -> bool:
    return len(self.voters.keys() & sids) >= len(self.voters) / 2 - 0.5


def take_any(self: Proposals) -> Proposal | None:
    """Whatever has a quorum is committed, whether or not what comes before has one."""
    for waiting in self._queue:
        if waiting.has_quorum:
            self._queue.remove(waiting)
            del self._by_zxid[waiting.zxid]
            return waiting
    return None


def ack_covers_more(self: Proposals, sid: Sid, zxid: int) -> bool:
    """An ack is taken for one of the next proposal as well."""
    following = self._by_zxid.get(zxid + 1)
    if following is not None:
        following.acks.add(sid)
    return acknowledge(self, sid, zxid)


acknowledge = Proposals.acknowledge


def serve_at_first_ack(self: Leader, sid: Sid) -> None:
    if self.phase is ZabState.SYNCHRONIZATION:
        self._serve()


def synchronize_at_once(self: Leader, sid: Sid, summary: StateSummary) -> str | None:
    if self.phase is ZabState.DISCOVERY:
        self._synchronize()
    return None


def follow_anybody(self: StateSummary, other: StateSummary) -> bool:
    """Nobody is found to be ahead of the leader."""
    return False


def same_epoch_again(self: Leader, sid: Sid, accepted_epoch: int) -> None:
    """The new epoch is the newest accepted one, not the one behind it."""
    propose_epoch(self, sid, max(accepted_epoch - 1, 0))


propose_epoch = Leader.propose_epoch


def forward_from_now_on(self: Leader, handler: LearnerHandler, last_seen: int) -> None:
    """What is under way when a follower joins is not sent to it."""
    (self.observing if handler.is_observer else self.forwarding)[handler] = None


def ping_only(self: Leader) -> None:
    """Nobody looks whether a quorum is there."""
    for handler in list(self.handlers):
        handler.ping(self.last_proposed)


def no_end_of_epochs(self: Leader, request: Request) -> None:
    """The counter runs into the epoch."""
    if request.txn_type is None or counter_of(request.zxid) != 0xFFFFFFFF:
        propose(self, request)
        return
    from ...server.sync import payload_of

    payload = payload_of(request)
    self.last_proposed = request.zxid
    self._outstanding.add(Proposal(request.zxid, request, payload, self._verifiers()))
    self.broadcast.propose(request.zxid, payload)
    self.peer.log.log(request, payload)


def newleader_first(self: LearnerHandler) -> None:
    """UPTODATE does not wait for the learner's ack of NEWLEADER."""
    epoch_settled(self)
    if self.phase is learner_handler.Phase.SYNCING:
        self._ack_newleader()


epoch_settled = LearnerHandler.epoch_settled

# --- the plan of a synchronisation ----------------------------------------------------------------------


def planned(change: Callable[[Zxid, Zxid, Any, SyncPlan], SyncPlan]) -> Callable[..., SyncPlan]:
    def plan(learner_zxid: Zxid, last_processed: Zxid, committed: Any, **settings: Any) -> SyncPlan:
        made = plan_sync(learner_zxid, last_processed, committed, **settings)
        return change(learner_zxid, last_processed, committed, made)

    return plan


def _replace(plan: SyncPlan, **fields: Any) -> SyncPlan:
    values = {name: getattr(plan, name) for name in ("kind", "zxid", "proposals", "forward_after")}
    return SyncPlan(**{**values, **fields})


def diff_instead_of_trunc(learner: Zxid, last: Zxid, committed: Any, plan: SyncPlan) -> SyncPlan:
    return _replace(plan, kind=PacketType.DIFF) if plan.kind is PacketType.TRUNC else plan


def one_too_few(learner: Zxid, last: Zxid, committed: Any, plan: SyncPlan) -> SyncPlan:
    return _replace(plan, proposals=plan.proposals[:-1]) if plan.proposals else plan


def one_in_the_middle_too_few(learner: Zxid, last: Zxid, committed: Any, plan: SyncPlan) -> SyncPlan:
    return _replace(plan, proposals=plan.proposals[1:]) if len(plan.proposals) > 1 else plan


def window_is_everything(learner: Zxid, last: Zxid, committed: Any, plan: SyncPlan) -> SyncPlan:
    """Whoever is behind the window gets what is in the window."""
    if plan.kind is PacketType.SNAP and committed and learner < committed[0][0]:
        return SyncPlan(PacketType.DIFF, committed[-1][0], list(committed), committed[-1][0])
    return plan


def keep_dead_tail(learner: Zxid, last: Zxid, committed: Any, plan: SyncPlan) -> SyncPlan:
    """A learner whose last txn is not ours, of an older epoch, gets what is newer, and keeps it."""
    if plan.kind is not PacketType.SNAP or not committed or not committed[0][0] <= learner < committed[-1][0]:
        return plan
    behind = [entry for entry in committed if entry[0] > learner]
    return SyncPlan(PacketType.DIFF, Zxid(committed[-1][0]), behind, Zxid(committed[-1][0]))


# --- the election ---------------------------------------------------------------------------------------


def rank_by_sid(self: Vote) -> tuple[int, int, int]:
    return self.peer_epoch, 0, self.leader


def rank_of_the_oldest(self: Vote) -> tuple[int, int, int]:
    return self.peer_epoch, -self.zxid, self.leader


def keep_smaller(self: QuorumCnxManager, sid: Sid, told: Any) -> None:
    """A smaller sid that has called is not called back."""


# --- sessions, clients ----------------------------------------------------------------------------------


def check_owner_never(self: LeaderSessionTracker, session_id: int) -> None:
    SessionTracker.check(self, session_id)


def always_valid(self: Leader, handler: LearnerHandler, session_id: int, timeout_ms: int) -> bool:
    revalidate(self, handler, session_id, timeout_ms)
    return True


def never_valid(self: Leader, handler: LearnerHandler, session_id: int, timeout_ms: int) -> bool:
    return False


revalidate = Leader.revalidate


def expire_again(self: SessionTracker, now_ms: int) -> list[Any]:
    return expired(self, now_ms) * 2


expired = SessionTracker.expired


def no_touches(self: Leader, session_id: int, timeout_ms: int) -> None:
    """The leader does not hear of clients of others."""


def check_nothing(self: LeaderSessionTracker, session_id: int) -> None:
    """Anybody may ask for anything."""


def forwarded_twice(self: Leader, handler: LearnerHandler, request: Request) -> None:
    operation = request.operation
    again = Request(
        None,
        request.session_id,
        request.cxid,
        operation,
        request.frame,
        request.received_ms,
        request.identities,
    )
    forwarded(self, handler, request)
    if operation.opcode == OpCode.SET_DATA:
        forwarded(self, handler, again)


forwarded = Leader.forwarded


def notify_nobody(self: ServerConnection, frame: bytes, acl: Any) -> None:
    """Events go nowhere."""


def connect_anyway(self: ServerCore, client: ServerConnection, request: ConnectRequest) -> None:
    connect(
        self,
        client,
        ConnectRequest(
            request.protocolVersion, 0, request.timeOut, request.sessionId, request.passwd, request.readOnly
        ),
    )


connect = ServerCore.connect


def due_if_empty(self: ContainerManager, node: DataNode, wall_ms: int) -> bool:
    """Whether the node was ever used, or for how long, is not looked at."""
    return not node.children


def due_by_age(self: ContainerManager, node: DataNode, wall_ms: int) -> bool:
    """Changes of the node's data do not count."""
    ttl_ms = ttl_of(node.ephemeral_owner)
    return not node.children and 0 < ttl_ms < wall_ms - node.ctime


def own_epoch_only(self: Leader, sid: Sid, accepted_epoch: int) -> None:
    """What epochs others have accepted is not looked at."""
    propose_epoch(self, sid, min(accepted_epoch, self.peer.epochs.accepted))


def clear_nothing(self: CommittedLog) -> None:
    """The committed log goes on behind a snapshot, or in front of a truncation."""
