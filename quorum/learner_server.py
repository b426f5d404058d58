"""LearnerServer: the clients of a follower or an observer, whose writes the leader decides.

The chains of the original's ``FollowerZooKeeperServer`` and ``ObserverZooKeeperServer``, and what stands for
each link here:

    FollowerRequestProcessor, ObserverRequestProcessor     submit: forward, and remember who waits
    CommitProcessor                                        commit: in the leader's order, to whoever waits;
                                                           a connection's reads wait behind its own writes
                                                           (server/connection.py)
    FinalRequestProcessor                                  server/final.py
    SyncRequestProcessor, SendAckRequestProcessor          server/sync.py, Learner.logged

A request that can't be decoded is answered here, in its turn: a leader that is the original never answers it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from ..jute.codes import ErrorCode, OpCode, PacketType
from ..jute.data import Id
from ..jute.errors import JuteError
from ..jute.ids import SessionId
from ..server.change_records import OutstandingChanges
from ..server.connection import ServerConnection, State
from ..server.gauges import Value
from ..server.ops.context import Kind, RawBody
from ..server.ops.multi import as_prepared
from ..server.ops.table import OPERATIONS
from ..server.request import Request
from .local_sessions import LOCAL_ROWS
from .packet_data import encode_request, encode_revalidation, encode_touches
from .packets import encode_authinfo, packet, packet_with
from .quorum_server import QuorumServer
from .session_trackers import LearnerSessionTracker

if TYPE_CHECKING:
    from .entry import Entry
    from .learner import Learner
    from .peer import QuorumPeer


class Here(NamedTuple):
    """A request that ends on this member, waiting for those of its session that do not."""

    request: Request


class LearnerServer(QuorumServer):
    """Args:
    peer: the member.
    learner: the connection to the leader.
    """

    tracker: LearnerSessionTracker

    def __init__(self, peer: QuorumPeer, learner: Learner) -> None:
        config = peer.config
        tracker = LearnerSessionTracker(
            config.tick_time_ms,
            peer.my_id,
            peer.now_ms,
            peer.database.sessions,
            local=config.local_sessions_enabled,
        )
        super().__init__(peer, tracker)
        self._learner = learner
        self._send = learner.send
        self._final = self.final_processor(OutstandingChanges(self.tree))
        self._waiting: dict[int, deque[Request | Here]] = {}
        """What is on its way to the leader and back, by session, in the order it was sent."""
        self._syncs: deque[Request] = deque()
        self._refused: set[Request] = set()
        """Those of ``_waiting`` that the leader will refuse for a reason only we can tell."""
        self._revalidations: dict[int, ServerConnection] = {}
        self._identities: tuple[Id, ...] = ()
        self._authinfo = encode_authinfo(())
        self.check_eagerly(self._answer_in_turn)
        if not learner.is_observer:
            self.share_outstanding_limit()

    @property
    def mode(self) -> str:
        return "observer" if self._learner.is_observer else "follower"

    # -- to the leader -------------------------------------------------------------------------------

    def submit_global(self, request: Request) -> None:
        """Send a request to the leader, unless it ends here."""
        operation = request.operation
        decoder = operation.request
        if decoder is not None and decoder is not RawBody and request.record is None:
            try:
                request.record, _ = decoder.decode(request.frame, 8, self.pauses.take)
            except JuteError:
                request.error = ErrorCode.MARSHALLING_ERROR
                self._answer_in_turn(request)
                return
        if operation.opcode < 0 and operation in LOCAL_ROWS:
            self._answer_in_turn(request)
            return
        if operation.opcode == OpCode.CREATE_SESSION and not request.frame:
            body = request.record.encode()
        else:
            body = request.frame[8:]
        # Whatever was proposed before is the txn of another request, even if its number is the same: a
        # session that has moved here may have left one under way.
        request.zxid = self._learner.last_queued
        if operation.kind is Kind.BARRIER:
            self._syncs.append(request)
        self._waiting.setdefault(request.session_id, deque()).append(request)
        data = encode_request(request.session_id, request.cxid, operation.opcode, body)
        if request.identities is not self._identities:  # those of one client follow each other
            self._identities = request.identities
            self._authinfo = encode_authinfo(request.identities)
        self._send(packet_with(PacketType.REQUEST, -1, data, self._authinfo))

    def refuse_upgrade(self, request: Request) -> None:
        """The leader only knows that the session is not global (``FinalRequestProcessor``)."""
        self._refused.add(request)

    def _answer_in_turn(self, request: Request) -> None:
        """A request that ends here is answered behind those of its session that are under way."""
        waiting = self._waiting.get(request.session_id)
        if waiting:
            waiting.append(Here(request))
        else:
            self._final.process(request)

    def _next_in_turn(self, session_id: int, waiting: deque[Request | Here]) -> None:
        """A request of the session is through: so is what ends here and waited for it."""
        while waiting and isinstance(first := waiting[0], Here):
            waiting.popleft()
            self._final.process(first.request)
        if not waiting:
            self._waiting.pop(session_id, None)

    def reopen_session(self, client: ServerConnection, session_id: SessionId) -> None:
        """Whether a global session lives is for the leader to say."""
        client.state = State.OPENING
        if self.tracker.is_local(session_id):
            self.tracker.touch(session_id, client.session_timeout_ms, self.now_ms)
            self.attach(client, session_id)
            self.in_process += 1
            self._answer_in_turn(self.barrier(client, session_id))
            return
        previous = self._revalidations.get(session_id)
        if previous is not None:
            previous.abort("the session moved to another connection")
        self._revalidations[session_id] = client
        data = encode_revalidation(session_id, client.session_timeout_ms)
        self._send(packet(PacketType.REVALIDATE, -1, data))

    def pong(self, zxid: int) -> None:
        """Answer the leader's ping with the sessions heard of since the last one."""
        self._send(packet(PacketType.PING, zxid, encode_touches(self.tracker.take_heard().items())))

    # -- from the leader -----------------------------------------------------------------------------

    def revalidated(self, session_id: int, valid: bool) -> None:
        """The leader has looked for a session."""
        client = self._revalidations.pop(session_id, None)
        if client is None or client.state is not State.OPENING:
            return
        if valid:
            self.tracker.expect(session_id)
            other = self.by_session.get(session_id)
            if other is not None:
                other.abort("the session moved to another connection")
            self.attach(client, SessionId(session_id))
            client.session_established()
        else:
            client.session_refused()

    def synced(self) -> None:
        """The leader has answered the oldest sync: everything before it is applied here."""
        if not self._syncs:
            return
        request = self._syncs.popleft()
        waiting = self._waiting[request.session_id]
        waiting.remove(request)  # in front, as its leader answers in order
        self._final.process(request)
        self._next_in_turn(request.session_id, waiting)

    def commit(self, entry: Entry) -> None:
        """Apply a committed txn; if a client of ours waits for it, answer."""
        session_id, kind = entry.session_id, entry.txn_type
        waiting = self._waiting.get(session_id)
        request: Request = entry
        if waiting:
            first = waiting[0]
            if (
                isinstance(first, Request)
                and first.operation.kind is not Kind.BARRIER
                and first.cxid == entry.cxid
                and first.zxid < entry.zxid
                and (kind == OpCode.ERROR or first.operation.opcode == kind)
            ):
                request = first
                waiting.popleft()
        if request is entry:
            waiting = None
        else:
            request.zxid = entry.zxid
            request.time_ms = entry.time_ms
            request.txn_type = kind
            request.txn = entry.txn
            if kind == OpCode.MULTI:
                request.txn = as_prepared(
                    entry.txn, OPERATIONS, body=request.frame[8:], pause=self.pauses.take
                )
            elif kind == OpCode.ERROR:
                request.error = entry.error
        if kind == OpCode.CREATE_SESSION:
            self.tracker.committed(session_id)
        if self._refused and request in self._refused:
            self._refused.discard(request)
            if request.error:
                request.error = ErrorCode.EPHEMERAL_ON_LOCAL_SESSION
        self._final.process(request)
        if entry.txn_digest is not None:
            self.database.compare_digest(entry.zxid, *entry.txn_digest)
        if waiting is not None:
            self._next_in_turn(session_id, waiting)

    # -- what four-letter words show -----------------------------------------------------------------

    def more_counts(self) -> Mapping[str, int]:
        self._learner.count()
        return super().more_counts()

    def role_facts(self) -> Iterator[tuple[str, Value]]:
        yield from super().role_facts()
        if self._learner.is_observer:
            yield "observer_master_id", self._learner.leader_id
