"""Mutations: deliberate mistakes in the shipped classes, each of which the simulation has to find.

A simulation that finds nothing says little unless it is known what it would find. Each row is one small
change, made at run time and taken back; the first ones are mistakes that the original once had
(ZOOKEEPER numbers), the others are those one could make when writing ZAB anew.

What a patched function looks like is the unpatched one with one line left out, moved or turned round.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final, NamedTuple
from unittest.mock import patch

from ...jute.codes import OpCode, PacketType
from ...jute.ids import Epoch, Sid, Zxid, counter_of, epoch_of
from ...jute.proto import ConnectRequest
from ...quorum import learner_handler
from ...quorum.cnx_manager import QuorumCnxManager
from ...quorum.entry import Entry
from ...quorum.leader import Leader
from ...quorum.learner import Learner, Phase
from ...quorum.learner_handler import LearnerHandler
from ...quorum.packet_connection import ProtocolError
from ...quorum.packet_data import decode_int, encode_int
from ...quorum.packets import ack, packet, proposal
from ...quorum.peer import QuorumPeer
from ...quorum.phases import ZabState
from ...quorum.proposals import Proposal, Proposals
from ...quorum.session_trackers import LeaderSessionTracker
from ...quorum.state_summary import StateSummary
from ...quorum.sync_plan import SyncPlan, plan_sync
from ...quorum.verifier import Majority
from ...quorum.vote import Vote
from ...server.connection import ServerConnection
from ...server.core import ServerCore
from ...server.database import ZKDatabase
from ...server.request import Request
from ...server.sessions import SessionTracker
from ...server.snapshot_job import SnapshotJob
from ...storage import snap_log
from ...storage.epoch_files import EpochFiles
from ...storage.history import HistoryEditor
from ...storage.snap_log import FileTxnSnapLog
from ...storage.txn_log import TxnLog


class Mutation(NamedTuple):
    """A mistake.

    Attributes:
        name: what is done wrong.
        patches: pairs of an attribute (owner, name) and what takes its place.
        seen_as: the original's number, if it made the mistake.
    """

    name: str
    patches: tuple[tuple[Any, str, Any], ...]
    seen_as: str = ""


@contextmanager
def applied(name: str) -> Iterator[None]:
    """Make a mistake for a while; an empty name makes none."""
    with ExitStack() as stack:
        for owner, attribute, changed in BY_NAME[name].patches if name else ():
            stack.enter_context(patch.object(owner, attribute, changed))
        yield


# --- a learner's disk -----------------------------------------------------------------------------------

_log = Learner._log
_logged = Learner.logged


def _ack_before_fsync(self: Learner, entry: Entry) -> None:
    _log(self, entry)
    if not self.is_observer:
        self.send(ack(entry.header.zxid))


def _logged_without_ack(self: Learner, request: Request) -> None:
    if self.phase is Phase.SAVING:
        _logged(self, request)


def _save_without_waiting(self: Learner) -> None:
    """The txns that came with the synchronisation are on their way to the disk; that must do."""
    save_txns(self)
    if self.phase is Phase.SAVING:
        self._saved()


def _epoch_before_txns(self: Learner) -> None:
    self.peer.epochs.take_over(self._epoch)
    save(self)


def _ack_before_snapshot(self: Learner) -> None:
    self.phase = Phase.SAVING
    if self.sync_kind is PacketType.SNAP:
        self.peer.save_snapshot(lambda: None)
    self._save_txns()


save_txns = Learner._save_txns
save = Learner._save


def _save_txns_with_a_hole(self: Learner) -> None:
    """What came with the synchronisation is in the tree and the log, and not in the committed log."""
    committed = self.peer.committed
    kept = deque(committed.entries, maxlen=committed.entries.maxlen)
    save_txns(self)
    committed.entries.clear()
    committed.entries.extend(kept)


def _apply_proposals_too(self: Learner) -> None:
    """Whatever has come is taken for committed."""
    self._committed.extend(self._received)
    self._received.clear()
    save_txns(self)


write_epoch = EpochFiles._write


def _write_all_but(forgotten: str) -> Callable[[EpochFiles, str, Epoch], None]:
    def write(self: EpochFiles, name: str, epoch: Epoch) -> None:
        if name != forgotten or not self._disk.exists(f"{self._directory}/{name}"):
            write_epoch(self, name, epoch)

    return write


log_init = TxnLog.__init__


def _log_without_sync(self: TxnLog, *arguments: Any, **settings: Any) -> None:
    log_init(self, *arguments, **{**settings, "sync": False})


def _adoption_beside_the_old(self: FileTxnSnapLog, zxid: int) -> Any:
    """A leader's snapshot is put beside the old history instead of replacing it."""
    return self.snap_store.begin(zxid)


def _read_over_holes(*arguments: Any, **settings: Any) -> Any:
    """A snapshot that spans a hole in the logs is not looked at."""
    return read_proposals(*arguments, **{**settings, "snapshot_zxids": ()})


read_proposals = snap_log.read_proposals


def _truncate_logs_only(self: HistoryEditor, zxid: int) -> None:
    """Snapshots that know what is cut off stay."""
    self._txn_log.truncate(zxid)


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


def _truncate_without_sync(self: TxnLog, zxid: int) -> None:
    """What is cut off the log is back after a power loss."""
    disk = self._disk
    self._disk = _Unsynced(disk)
    try:
        truncate_log(self, zxid)
    finally:
        self._disk = disk


def _forget_truncation(self: QuorumPeer, zxid: Zxid) -> None:
    """TRUNC is read and not obeyed."""


# --- a learner's packets --------------------------------------------------------------------------------


def _register_any(self: Learner, kind: int, zxid: int, data: bytes | None) -> None:
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


def _apply_when_proposed(self: Learner, kind: int, zxid: int, data: bytes | None) -> None:
    """A proposal is applied as it comes."""
    if kind == PacketType.PROPOSAL:
        broadcast(self, kind, zxid, data)
        self._commit(self._received.popleft())
    elif kind != PacketType.COMMIT:
        broadcast(self, kind, zxid, data)


def _proposed_unchecked(self: Learner, zxid: int, data: bytes | None) -> Entry:
    """A hole in what the leader sends is not noticed."""
    self.last_queued = Zxid(0)
    return proposed(self, zxid, data)


proposed = Learner._proposed


def _serve_without_pending(self: Learner) -> None:
    """Proposals that came before UPTODATE are not put into the log."""
    received, self._received = self._received, deque()
    serve_learner(self)
    self._received = received


serve_learner = Learner._serve


def _close_and_listen_on(self: Learner, reason: str) -> None:
    """The role is over, but what the old leader says is still taken in."""
    learner_close(self, reason)
    self.is_closing = False


learner_close = Learner.close


def _adopt_without_sessions(self: ZKDatabase, tree: Any, sessions: dict[int, int]) -> None:
    adopt(self, tree, {**self.sessions})


adopt = ZKDatabase.adopt


def _adopt_and_keep_window(self: Learner, chunk: bytes) -> bool:
    """A new tree, but the old committed log."""
    committed = self.peer.committed
    kept = list(committed.entries)
    is_whole = snapshot_bytes(self, chunk)
    if is_whole and kept:
        committed.entries.extendleft(
            reversed([entry for entry in kept if not committed.entries or entry[0] < committed.entries[0][0]])
        )
    return is_whole


snapshot_bytes = Learner._snapshot_bytes

# --- the end of a role ----------------------------------------------------------------------------------


def _no_fast_forward(self: QuorumPeer, role: Any) -> None:
    """What is in the log and was not committed is not applied: the tree is behind the log."""


def _snapshot_any_time(self: QuorumPeer) -> None:
    """Snapshots are taken in any phase."""
    if self._snapshot is None:
        self._begin_snapshot(SnapshotJob(self.database, ended=self._snapshot_ended))


def _settle_at_once(self: QuorumPeer) -> None:
    """The election begins before the log has come to rest."""
    if self._ending is not None and not self.log.idle:
        role, self._ending = self._ending, None
        self._fast_forward(role)
        self._look()
    settle(self)


settle = QuorumPeer._settle

# --- the leader -----------------------------------------------------------------------------------------

propose = Leader.propose


def _count_before_disk(self: Leader, request: Request) -> None:
    """The leader acknowledges its own proposals before they are on its disk."""
    propose(self, request)
    if request.txn_type is not None and not self._is_over:
        self.acknowledged(self.my_id, request.zxid)


def _has_one(self: Proposal) -> bool:
    return len(self.acks) >= 1


def _half_is_enough(self: Majority, sids: Any) -> bool:
    return len(self.voters.keys() & sids) >= len(self.voters) / 2 - 0.5


def _take_any(self: Proposals) -> Proposal | None:
    """Whatever has a quorum is committed, whether or not what comes before has one."""
    for waiting in self._queue:
        if waiting.has_quorum:
            self._queue.remove(waiting)
            del self._by_zxid[waiting.zxid]
            return waiting
    return None


def _ack_covers_more(self: Proposals, sid: Sid, zxid: int) -> bool:
    """An ack is taken for one of the next proposal as well."""
    following = self._by_zxid.get(zxid + 1)
    if following is not None:
        following.acks.add(sid)
    return acknowledge(self, sid, zxid)


acknowledge = Proposals.acknowledge


def _serve_at_first_ack(self: Leader, sid: Sid) -> None:
    if self.phase is ZabState.SYNCHRONIZATION:
        self._serve()


def _synchronize_at_once(self: Leader, sid: Sid, summary: StateSummary) -> str | None:
    if self.phase is ZabState.DISCOVERY:
        self._synchronize()
    return None


def _follow_anybody(self: StateSummary, other: StateSummary) -> bool:
    """Nobody is found to be ahead of the leader."""
    return False


def _same_epoch_again(self: Leader, sid: Sid, accepted_epoch: int) -> None:
    """The new epoch is the newest accepted one, not the one behind it."""
    propose_epoch(self, sid, max(accepted_epoch - 1, 0))


propose_epoch = Leader.propose_epoch


def _forward_from_now_on(self: Leader, handler: LearnerHandler, last_seen: int) -> None:
    """What is under way when a follower joins is not sent to it."""
    (self.observing if handler.is_observer else self.forwarding)[handler] = None


def _ping_only(self: Leader) -> None:
    """Nobody looks whether a quorum is there."""
    for handler in list(self.handlers):
        handler.ping(self.last_proposed)


def _no_end_of_epochs(self: Leader, request: Request) -> None:
    """The counter runs into the epoch."""
    if request.txn_type is None or counter_of(request.zxid) != 0xFFFFFFFF:
        propose(self, request)
        return
    from ...server.sync import payload_of

    payload = payload_of(request)
    self.last_proposed = request.zxid
    self._outstanding.add(Proposal(request.zxid, request, payload, self._verifiers()))
    for handler in self.forwarding:
        handler.send_proposal(request.zxid, proposal(request.zxid, payload))
    self.peer.log.log(request, payload)


def _newleader_first(self: LearnerHandler) -> None:
    """UPTODATE does not wait for the learner's ack of NEWLEADER."""
    epoch_settled(self)
    if self.phase is learner_handler.Phase.SYNCING:
        self._ack_newleader(self._leader.zxid)


epoch_settled = LearnerHandler.epoch_settled

# --- the plan of a synchronisation ----------------------------------------------------------------------


def _planned(change: Callable[[Zxid, Zxid, Any, SyncPlan], SyncPlan]) -> Callable[..., SyncPlan]:
    def plan(learner_zxid: Zxid, last_processed: Zxid, committed: Any, **settings: Any) -> SyncPlan:
        made = plan_sync(learner_zxid, last_processed, committed, **settings)
        return change(learner_zxid, last_processed, committed, made)

    return plan


def _replace(plan: SyncPlan, **fields: Any) -> SyncPlan:
    values = {name: getattr(plan, name) for name in ("kind", "zxid", "proposals", "forward_after")}
    return SyncPlan(**{**values, **fields})


def _diff_instead_of_trunc(learner: Zxid, last: Zxid, committed: Any, plan: SyncPlan) -> SyncPlan:
    return _replace(plan, kind=PacketType.DIFF) if plan.kind is PacketType.TRUNC else plan


def _one_too_few(learner: Zxid, last: Zxid, committed: Any, plan: SyncPlan) -> SyncPlan:
    return _replace(plan, proposals=plan.proposals[:-1]) if plan.proposals else plan


def _one_in_the_middle_too_few(learner: Zxid, last: Zxid, committed: Any, plan: SyncPlan) -> SyncPlan:
    return _replace(plan, proposals=plan.proposals[1:]) if len(plan.proposals) > 1 else plan


def _window_is_everything(learner: Zxid, last: Zxid, committed: Any, plan: SyncPlan) -> SyncPlan:
    """Whoever is behind the window gets what is in the window."""
    if plan.kind is PacketType.SNAP and committed and learner < committed[0][0]:
        return SyncPlan(PacketType.DIFF, committed[-1][0], list(committed), committed[-1][0])
    return plan


def _keep_dead_tail(learner: Zxid, last: Zxid, committed: Any, plan: SyncPlan) -> SyncPlan:
    """A learner whose last txn is not ours, of an older epoch, gets what is newer, and keeps it."""
    if plan.kind is not PacketType.SNAP or not committed or not committed[0][0] <= learner < committed[-1][0]:
        return plan
    behind = [entry for entry in committed if entry[0] > learner]
    return SyncPlan(PacketType.DIFF, Zxid(committed[-1][0]), behind, Zxid(committed[-1][0]))


# --- the election ---------------------------------------------------------------------------------------


def _rank_without_epoch(self: Vote) -> tuple[int, int, int]:
    return 0, self.zxid, self.leader


def _rank_by_sid(self: Vote) -> tuple[int, int, int]:
    return self.peer_epoch, 0, self.leader


def _rank_of_the_oldest(self: Vote) -> tuple[int, int, int]:
    return self.peer_epoch, -self.zxid, self.leader


def _keep_smaller(self: QuorumCnxManager, sid: Sid, told: Any) -> None:
    """A smaller sid that has called is not called back."""


# --- sessions, clients ----------------------------------------------------------------------------------


def _check_owner_never(self: LeaderSessionTracker, session_id: int) -> None:
    SessionTracker.check(self, session_id)


def _always_valid(self: Leader, handler: LearnerHandler, session_id: int, timeout_ms: int) -> bool:
    revalidate(self, handler, session_id, timeout_ms)
    return True


def _never_valid(self: Leader, handler: LearnerHandler, session_id: int, timeout_ms: int) -> bool:
    return False


revalidate = Leader.revalidate


def _expire_again(self: SessionTracker, now_ms: int) -> list[Any]:
    return expired(self, now_ms) * 2


expired = SessionTracker.expired


def _no_touches(self: Leader, session_id: int, timeout_ms: int) -> None:
    """The leader does not hear of clients of others."""


def _check_nothing(self: LeaderSessionTracker, session_id: int) -> None:
    """Anybody may ask for anything."""


def _forwarded_twice(self: Leader, handler: LearnerHandler, request: Request) -> None:
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


def _notify_nobody(self: ServerConnection, frame: bytes, acl: Any) -> None:
    """Events go nowhere."""


def _connect_anyway(self: ServerCore, client: ServerConnection, request: ConnectRequest) -> None:
    connect(
        self,
        client,
        ConnectRequest(
            request.protocolVersion, 0, request.timeOut, request.sessionId, request.passwd, request.readOnly
        ),
    )


connect = ServerCore.connect

MUTATIONS: Final[tuple[Mutation, ...]] = (
    Mutation("currentEpoch before the txns", ((Learner, "_save", _epoch_before_txns),), "ZOOKEEPER-4643"),
    Mutation(
        "NEWLEADER acked before the txns are durable",
        ((Learner, "_save_txns", _save_without_waiting),),
        "ZOOKEEPER-4646, 4685, 3911",
    ),
    Mutation(
        "NEWLEADER acked before the snapshot is durable",
        ((Learner, "_save", _ack_before_snapshot),),
        "ZOOKEEPER-3104, 4785",
    ),
    Mutation(
        "a hole left in the committed log",
        ((Learner, "_save_txns", _save_txns_with_a_hole),),
        "ZOOKEEPER-4925",
    ),
    Mutation(
        "uncommitted proposals applied when synchronising",
        ((Learner, "_save_txns", _apply_proposals_too),),
        "ZOOKEEPER-4394, 3023",
    ),
    Mutation("fast-forward forgotten", ((QuorumPeer, "_fast_forward", _no_fast_forward),), "ZOOKEEPER-2845"),
    Mutation(
        "logs kept behind a SNAP, and sent to others",
        (
            (FileTxnSnapLog, "begin_adoption", _adoption_beside_the_old),
            (snap_log, "read_proposals", _read_over_holes),
        ),
        "ZOOKEEPER-2846",
    ),
    Mutation("counter overflow ignored", ((Leader, "propose", _no_end_of_epochs),), "ZOOKEEPER-1277"),
    Mutation(
        "sessions of the old tree kept behind a SNAP",
        ((ZKDatabase, "adopt", _adopt_without_sessions),),
        "ZOOKEEPER-2355",
    ),
    Mutation(
        "snapshot of uncommitted txns outlives TRUNC",
        (
            (QuorumPeer, "_snapshot_due", _snapshot_any_time),
            (HistoryEditor, "_truncate", _truncate_logs_only),
        ),
        "ZOOKEEPER-1549",
    ),
    Mutation(
        "a dead tail of an older epoch is kept",
        ((learner_handler, "plan_sync", _planned(_keep_dead_tail)),),
        "ZOOKEEPER-2678",
    ),
    Mutation(
        "commit out of order",
        ((Proposals, "take_committed", _take_any), (Leader, "start_forwarding", _forward_from_now_on)),
    ),
    Mutation(
        "leader asks nobody who is ahead",
        ((Leader, "epoch_accepted", _synchronize_at_once), (Vote, "rank", property(_rank_by_sid))),
    ),
    Mutation(
        "ack before fsync", ((Learner, "_log", _ack_before_fsync), (Learner, "logged", _logged_without_ack))
    ),
    Mutation("log without fsync", ((TxnLog, "__init__", _log_without_sync),)),
    Mutation("leader counts itself before its disk", ((Leader, "propose", _count_before_disk),)),
    Mutation("commit without a quorum", ((Proposal, "has_quorum", property(_has_one)),)),
    Mutation("quorum off by one", ((Majority, "contains_quorum", _half_is_enough),)),
    Mutation("an ack counts for the next proposal too", ((Proposals, "acknowledge", _ack_covers_more),)),
    Mutation("epoch of a leader not checked", ((Learner, "_register", _register_any),)),
    Mutation("acceptedEpoch not persisted", ((EpochFiles, "_write", _write_all_but("acceptedEpoch")),)),
    Mutation("currentEpoch not persisted", ((EpochFiles, "_write", _write_all_but("currentEpoch")),)),
    Mutation("new epoch not larger", ((Leader, "propose_epoch", _same_epoch_again),)),
    Mutation(
        "leader follows nobody who is ahead",
        ((StateSummary, "is_more_recent_than", _follow_anybody), (Vote, "rank", property(_rank_by_sid))),
    ),
    Mutation("leader serves without a quorum", ((Leader, "newleader_acknowledged", _serve_at_first_ack),)),
    Mutation("UPTODATE without the learner's ack", ((LearnerHandler, "epoch_settled", _newleader_first),)),
    Mutation(
        "proposals under way not forwarded to a joining follower",
        ((Leader, "start_forwarding", _forward_from_now_on),),
    ),
    Mutation("proposals before UPTODATE not logged", ((Learner, "_serve", _serve_without_pending),)),
    Mutation("leader does not step down", ((Leader, "_ping", _ping_only),)),
    Mutation("a stale leader is listened to", ((Learner, "close", _close_and_listen_on),)),
    Mutation("learner applies before the commit", ((Learner, "_broadcast", _apply_when_proposed),)),
    Mutation("TRUNC forgotten", ((QuorumPeer, "truncate", _forget_truncation),)),
    Mutation("TRUNC not synced", ((TxnLog, "truncate", _truncate_without_sync),)),
    Mutation("DIFF instead of TRUNC", ((learner_handler, "plan_sync", _planned(_diff_instead_of_trunc)),)),
    Mutation("DIFF without its last txn", ((learner_handler, "plan_sync", _planned(_one_too_few)),)),
    Mutation(
        "DIFF without its first txn",
        (
            (learner_handler, "plan_sync", _planned(_one_in_the_middle_too_few)),
            (Learner, "_proposed", _proposed_unchecked),
        ),
    ),
    Mutation(
        "the window taken for all history", ((learner_handler, "plan_sync", _planned(_window_is_everything)),)
    ),
    Mutation("committed log kept behind a SNAP", ((Learner, "_snapshot_bytes", _adopt_and_keep_window),)),
    Mutation("election begins before the log is at rest", ((QuorumPeer, "_settle", _settle_at_once),)),
    Mutation("votes without the epoch", ((Vote, "rank", property(_rank_without_epoch)),)),
    Mutation("votes without the zxid", ((Vote, "rank", property(_rank_by_sid)),)),
    Mutation("election of the shortest history", ((Vote, "rank", property(_rank_of_the_oldest)),)),
    Mutation("smaller sids are not called back", ((QuorumCnxManager, "_call_back", _keep_smaller),)),
    Mutation("session owner not checked", ((LeaderSessionTracker, "check", _check_owner_never),)),
    Mutation("REVALIDATE always says yes", ((Leader, "revalidate", _always_valid),)),
    Mutation("REVALIDATE always says no", ((Leader, "revalidate", _never_valid),)),
    Mutation("sessions expire twice", ((SessionTracker, "expired", _expire_again),)),
    Mutation("requests of ended sessions taken", ((LeaderSessionTracker, "check", _check_nothing),)),
    Mutation("a forwarded request taken twice", ((Leader, "forwarded", _forwarded_twice),)),
    Mutation("watch events lost", ((ServerConnection, "notify", _notify_nobody),)),
    Mutation("a client's last zxid not looked at", ((ServerCore, "connect", _connect_anyway),)),
    Mutation("touches of learners' clients forgotten", ((Leader, "touch", _no_touches),)),
)
BY_NAME: Final = {mutation.name: mutation for mutation in MUTATIONS}
