"""QuorumServer: what the client sides of all members have in common, whatever their role."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from ..jute.codes import OpCode
from ..jute.ids import SessionId
from ..jute.proto import SyncRequest
from ..jute.txn import CreateSessionTxn
from ..server.connection import ServerConnection
from ..server.core import ServerCore
from ..server.gauges import Value
from ..server.ops.table import CREATE_SESSION, SYNC
from ..server.request import Request
from ..server.throttle import ConnectionThrottle
from .local_sessions import local_row, makes_ephemeral
from .members import Role
from .phases import ZabState
from .session_trackers import LearnerSessionTracker, UpgradeableSessionTracker

if TYPE_CHECKING:
    from ..server.admin.view import EnsembleFacts
    from .members import Address
    from .peer import QuorumPeer

_ELECTION_ALGORITHM: Final = 3
"""The only one there is (`electionAlg`)."""
_PEER_TYPES: Final = (Role.PARTICIPANT, Role.OBSERVER)


class QuorumServer(ServerCore):
    """Clients of one member, for as long as it has one role.

    A role's ``submit`` is ``receive_request``; what becomes of a request that may concern others is
    ``submit_global``'s business.
    """

    def __init__(self, peer: QuorumPeer, sessions: UpgradeableSessionTracker) -> None:
        super().__init__(
            peer.config,
            peer.database,
            sessions,
            dirty=peer.dirty,
            now_ms=peer.now_ms,
            wall_ms=peer.wall_ms,
            random=peer.random,
            memory=peer.memory,
            pauses=peer.pauses,
        )
        self.peer = peer
        self.throttle = ConnectionThrottle.from_config(
            peer.config, peer.random, peer.now_ms, new_are_local=peer.config.local_sessions_enabled
        )
        self.my_id = self.server_id = peer.my_id
        self.port = peer.client_port
        self.secure_port = peer.secure_port
        self.time_is_up = lambda: peer.time_is_up()
        self.tracker = sessions
        self.submit = self.submit_global if sessions.local is None else self._receive_with_local_sessions

    @abstractmethod
    def submit_global(self, request: Request) -> None:
        """Send a request on its way through the role's chain."""

    def check_eagerly(self, refuse: Callable[[Request], None]) -> None:
        """Where ``enableEagerACLCheck`` says so, keep from the chain what this member's tree forbids.

        For roles with a chain. ``refuse`` answers such a request, in its turn among those of its session.
        """
        if self.config.enable_eager_acl_check:
            from .eager_acl import EagerAclCheck

            self.submit = EagerAclCheck(self.access, self.tree, self.submit, refuse).screen

    def refuse_upgrade(self, request: Request) -> None:
        """The request wants an ephemeral node for a local session that must stay local."""

    def shut_down(self) -> None:
        """The role is over: every client has to look for a server again."""
        self.is_serving = False
        for connection in list(self.open_connections):
            connection.abort("this server is looking for a leader")
        self.memory.forget_writes()

    def barrier(self, client: ServerConnection, session_id: SessionId) -> Request:
        """A request that changes nothing and is answered behind every write before it."""
        request = Request(client, session_id, 0, SYNC, b"", self.now_ms)
        request.record = SyncRequest(None)
        return request

    def share_outstanding_limit(self) -> None:
        """Every voter but the leader may fill its part of ``globalOutstandingLimit``."""
        voters = self.quorum_size
        self.outstanding_limit = self.config.global_outstanding_limit // (voters - 1 if voters > 2 else 1)

    # -- local sessions ------------------------------------------------------------------------------

    def _receive_with_local_sessions(self, request: Request) -> None:
        """Where ``localSessionsEnabled``: what is local stays here, what must become global does."""
        operation, session_id, tracker = request.operation, request.session_id, self.tracker
        opcode = operation.opcode
        if opcode == OpCode.CREATE_SESSION or (
            opcode == OpCode.CLOSE_SESSION and tracker.is_local(session_id)
        ):
            request.operation = local_row(operation)
            if opcode == OpCode.CLOSE_SESSION:
                tracker.end_locally(session_id)
        elif tracker.is_local(session_id) and makes_ephemeral(request):
            if self.config.local_sessions_upgrading_enabled:
                self._upgrade(session_id)
            else:
                self.refuse_upgrade(request)
        self.submit_global(request)

    def _upgrade(self, session_id: SessionId) -> None:
        """Open the session for everybody; nobody waits for that, but what comes behind it may rely on it."""
        timeout_ms = self.tracker.upgrade(session_id, self.now_ms)
        opening = Request(None, session_id, 0, CREATE_SESSION, b"", self.now_ms)
        opening.record = CreateSessionTxn(timeout_ms)
        self.submit_global(opening)

    # -- what four-letter words show -----------------------------------------------------------------

    @property
    def local_session_count(self) -> int:
        return self.tracker.local_count

    @property
    def quorum_size(self) -> int:
        """How many members vote."""
        return len(self.peer.verifier.voters)

    def role_facts(self) -> Iterable[tuple[str, Value]]:
        peer = self.peer
        state = peer.state.name.lower()
        phase = peer.zab_state
        yield "peer_state", state if phase is ZabState.ELECTION else f"{state} - {phase.value}"

    def role_gauges(self) -> Iterable[tuple[str, Value]]:
        yield "quorum_size", self.quorum_size

    def role_configuration(self) -> str:
        return f"{self.own_configuration()}membership: \n{self.peer.verifier.text()}"

    def ensemble_facts(self) -> EnsembleFacts | None:
        from .http_view import ensemble_facts

        return ensemble_facts(self.peer)

    def own_configuration(self) -> str:
        """The lines of ``conf`` about this member."""
        peer, config = self.peer, self.config
        member = peer.verifier.members.get(self.my_id) or peer.last_seen_verifier.members.get(self.my_id)
        return (
            f"initLimit={config.init_limit_ticks}\n"
            f"syncLimit={config.sync_limit_ticks}\n"
            f"electionAlg={_ELECTION_ALGORITHM}\n"
            f"electionPort={_ports(member.election if member else ())}\n"
            f"quorumPort={_ports(member.quorum if member else ())}\n"
            f"peerType={_PEER_TYPES.index(peer.membership.role)}\n"
        )


def _ports(addresses: Iterable[Address]) -> str:
    """Every port once (``MultipleAddresses.getAllPorts``)."""
    return "|".join(dict.fromkeys(str(address.port) for address in addresses))


class NoServer(QuorumServer):
    """Stands at the client port while there is no leader: words are answered, clients are turned away."""

    def __init__(self, peer: QuorumPeer) -> None:
        super().__init__(peer, LearnerSessionTracker(peer.config.tick_time_ms, peer.my_id, peer.now_ms, {}))
        self.is_serving = False

    @property
    def mode(self) -> str:
        return "looking"

    def connect(self, client: ServerConnection, request: object) -> None:
        client.close("this server is looking for a leader")

    def reopen_session(self, client: ServerConnection, session_id: SessionId) -> None:
        raise AssertionError("nobody gets that far")

    def submit_global(self, request: Request) -> None:
        raise AssertionError("nobody gets that far")
