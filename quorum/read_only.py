"""Read-only mode: a member without a leader answers reads, to clients that are content with that.

With the system property ``readonlymode.enabled`` a member that has been LOOKING for two seconds, or a tick if
that is longer, serves what it has. Clients that did not ask for such a server are turned away, writes and
syncs are answered with NotReadOnly, and nothing is logged. Once there is a leader all connections are closed.

Sessions are only to be had where ``localSessionsEnabled``: those made here are gone when the mode ends. A
global session can't be kept alive and is turned away. Without local sessions a new client gets the refusal of
a write where it expects the answer to its handshake, as in the original (which closes that connection later);
but one that returns to a session we have not heard of is let in.

Sources: ``ReadOnlyZooKeeperServer``, ``ReadOnlyRequestProcessor``, ``QuorumPeer.run``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from ..jute.codes import ErrorCode
from ..jute.ids import SessionId, hex64
from ..jute.proto import ConnectRequest
from ..server.change_records import OutstandingChanges
from ..server.connection import ServerConnection
from ..server.gauges import Value
from ..server.request import Request
from .local_sessions import LOCAL_ROWS
from .quorum_server import QuorumServer
from .session_trackers import LearnerSessionTracker

if TYPE_CHECKING:
    from .peer import QuorumPeer

GRACE_MS: Final = 2000
"""The shortest time to look for a leader before giving up writes."""


def grace_ms(tick_ms: int) -> int:
    """How long a member looks for a leader before it serves reads."""
    return max(GRACE_MS, tick_ms)


class ReadOnlyServer(QuorumServer):
    """Args:
    peer: the member; it is looking for a leader.
    """

    is_read_only = True

    def __init__(self, peer: QuorumPeer) -> None:
        config = peer.config
        tracker = LearnerSessionTracker(
            config.tick_time_ms,
            peer.my_id,
            peer.now_ms,
            peer.database.sessions,
            local=config.local_sessions_enabled,
        )
        super().__init__(peer, tracker)
        self._final = self.final_processor(OutstandingChanges(self.tree))

    @property
    def mode(self) -> str:
        return "read-only"

    def connect(self, client: ServerConnection, request: ConnectRequest) -> None:
        if not request.readOnly:
            client.close("this server only serves reads, and the client wants more")
        elif self.tracker.is_global(request.sessionId):
            client.close(f"session 0x{hex64(request.sessionId)} can't be kept alive without a leader")
        else:
            super().connect(client, request)

    def reopen_session(self, client: ServerConnection, session_id: SessionId) -> None:
        if self.tracker.touch(session_id, client.session_timeout_ms, self.now_ms):
            self.attach(client, session_id)
            client.session_established()
        else:
            client.session_refused()

    def submit_global(self, request: Request) -> None:
        """What is not about a local session is refused; nothing ever waits here."""
        if request.operation in LOCAL_ROWS:
            self._final.process(request)
        elif request.client is not None:
            request.error = ErrorCode.NOT_READ_ONLY
            request.client.write_answered(request, b"")

    # -- what four-letter words show: nothing of the ensemble but what this member was told -----------

    def role_facts(self) -> Iterable[tuple[str, Value]]:
        return ()

    def role_gauges(self) -> Iterable[tuple[str, Value]]:
        return ()

    def ensemble_facts(self) -> None:
        return None

    def role_configuration(self) -> str:
        return self.own_configuration()
