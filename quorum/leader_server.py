"""LeaderServer: the leader's clients, and where every write of the ensemble gets its zxid.

The chain of the original's ``LeaderZooKeeperServer``, and what stands for each link here:

    LeaderRequestProcessor        submit (quorum_server.py), submit_forwarded
    PrepRequestProcessor          server/prep.py, the same as a standalone server's
    ProposalRequestProcessor      Leader.propose: log, PROPOSAL to the followers
      SyncRequestProcessor        server/sync.py
      AckRequestProcessor         Leader.logged: the leader's own ack
    CommitProcessor               Leader.acknowledged: in zxid order, once a quorum has it
    ToBeAppliedRequestProcessor   none: a commit is applied at once, in the same call
    FinalRequestProcessor         server/final.py
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ..jute.codes import ErrorCode, OpCode
from ..jute.ids import SessionId, Zxid
from ..jute.txn import ErrorTxn
from ..server.change_records import OutstandingChanges
from ..server.connection import ServerConnection, State
from ..server.gauges import Value
from ..server.ops.context import PrepContext
from ..server.ops.table import CREATE_SESSION, OPERATIONS
from ..server.prep import PrepRequestProcessor
from ..server.request import Request
from .quorum_server import QuorumServer
from .session_trackers import LeaderSessionTracker

if TYPE_CHECKING:
    from .leader import Leader
    from .peer import QuorumPeer


class LeaderServer(QuorumServer):
    """Args:
    peer: the member.
    leader: takes prepared requests, and knows the learners.
    """

    tracker: LeaderSessionTracker

    def __init__(self, peer: QuorumPeer, leader: Leader) -> None:
        config = peer.config
        tracker = LeaderSessionTracker(
            config.tick_time_ms,
            peer.my_id,
            peer.now_ms,
            peer.database.sessions,
            local=config.local_sessions_enabled,
        )
        super().__init__(peer, tracker)
        self._leader = leader
        self.proposal_sizes = leader.proposal_sizes
        changes = OutstandingChanges(self.tree)
        self.final = self.final_processor(changes)
        context = PrepContext.from_config(
            config, changes, self.access, tracker, OPERATIONS, self.database.metrics.quota_exceeded
        )
        context.reconfigure = leader.reconfigure
        self._prep = PrepRequestProcessor(context, leader.zxid, leader.propose)
        self.check_eagerly(leader.propose)
        self.share_outstanding_limit()
        self.manage_containers()
        self.set_time(peer.now_ms, peer.wall_ms)

    @property
    def mode(self) -> str:
        return "leader"

    def set_time(self, now_ms: int, wall_ms: int) -> None:
        super().set_time(now_ms, wall_ms)
        self._prep.context.now_ms = now_ms
        self._prep.context.time_ms = wall_ms

    def jump_to(self, zxid: Zxid) -> None:
        """The next txn follows this zxid (``testingonly.initialZxid``)."""
        self._prep.last_zxid = zxid

    def submit_global(self, request: Request) -> None:
        """A request of a client of this server, or of the server itself."""
        self.submit_forwarded(request, self.my_id)

    def submit_forwarded(self, request: Request, owner: int) -> None:
        """A request of a client of this member."""
        tracker = self.tracker
        tracker.asking = owner
        if request.operation is CREATE_SESSION:
            tracker.set_owner(request.session_id, owner)
        self._prep.process(request)

    def refuse(self, request: Request) -> None:
        """Make an error txn of a forwarded request that got none.

        The member that forwarded it waits for a txn, whatever becomes of the request.
        """
        request.zxid = self._prep.last_zxid = Zxid(self._prep.last_zxid + 1)
        request.time_ms = self.wall_ms
        request.error = request.error or ErrorCode.MARSHALLING_ERROR
        request.txn_type = OpCode.ERROR
        request.txn = ErrorTxn(request.error)
        request.body = request.txn.encode()

    def revalidate(self, session_id: int, timeout_ms: int, owner: int) -> bool:
        """A client asks a learner for its session (REVALIDATE): True if it lives, and is that learner's now.

        A local session is only known where it was made: anywhere else it has expired.
        """
        tracker = self.tracker
        if not tracker.is_global(session_id) or not tracker.touch(session_id, timeout_ms, self.now_ms):
            return False
        tracker.set_owner(session_id, owner)
        return True

    def reopen_session(self, client: ServerConnection, session_id: SessionId) -> None:
        tracker = self.tracker
        if not tracker.touch(session_id, client.session_timeout_ms, self.now_ms):
            client.session_refused()
            return
        if tracker.is_global(session_id):
            tracker.set_owner(session_id, self.my_id)
        self.attach(client, session_id)
        client.state = State.OPENING
        # Behind whatever the session's last connection still has under way, so that it can be read.
        barrier = self.barrier(client, session_id)
        self.in_process += 1
        self.submit(barrier)

    # -- what four-letter words show -----------------------------------------------------------------

    def more_counts(self) -> Mapping[str, int]:
        self._leader.count()
        return super().more_counts()

    def learners(self) -> list[str]:
        return [str(handler.sid) for handler in (*self._leader.forwarding, *self._leader.observing)]

    def role_gauges(self) -> Iterator[tuple[str, Value]]:
        leader = self._leader
        yield from super().role_gauges()
        yield "learners", len(leader.handlers)
        yield "synced_followers", len(leader.forwarding)
        strangers = sum(1 for handler in leader.forwarding if not leader.is_voter(handler.sid))
        yield "synced_non_voting_followers", strangers
        yield "synced_observers", len(leader.observing)
        yield "pending_syncs", leader.pending_syncs
        yield "leader_uptime", self.uptime_ms
