"""A connection manager on a desk: tests connect to it, and see whom it dials and what it says."""

from __future__ import annotations

from zoolet.jute.election import OPENING_V2, HostPort, Opening
from zoolet.jute.ids import Sid
from zoolet.quorum.cnx_manager import (
    ElectionConnection,
    QuorumCnxManager,
)
from zoolet.quorum.dial import Dial
from zoolet.quorum.tests.election_lab import election_address
from zoolet.server.endpoint import Endpoint

CALLER: HostPort = ("10.9.9.9", 50_000)
ONE, TWO, THREE, FOUR, STRANGER = Sid(1), Sid(2), Sid(3), Sid(4), Sid(77)


def opening(sid: int, *addresses: HostPort) -> bytes:
    return Opening(Sid(sid), addresses or (election_address(sid),), OPENING_V2).encode()


class Desk:
    """A manager, and everything it wants of the outside. The members are 1 to 4."""

    def __init__(self, sid: int = 2, *, multi_address: bool = False) -> None:
        self.heard: list[tuple[int, bytes]] = []
        self.dirty: dict[Endpoint, None] = {}
        self.broken: list[int] = []
        self.unreachable: list[int] = []
        self.manager = QuorumCnxManager(
            Sid(sid),
            (election_address(sid), ("192.168.0.2", 3889)),
            {Sid(n): (election_address(n),) for n in range(1, 5)},
            lambda sender, message: self.heard.append((sender, message)),
            self.dirty,
            on_disconnected=self.broken.append,
            on_unreachable=self.unreachable.append,
            now_ms=1000,
            multi_address=multi_address,
            opening_timeout_ms=10_000,
        )

    def dial(self) -> Dial:
        """The one connection that is wanted."""
        (dial,) = self.manager.take_dials()
        return dial

    def called_by(self, data: bytes) -> ElectionConnection:
        """Somebody connects and sends this."""
        connection = self.manager.accept(CALLER)
        assert connection is not None
        connection.receive(data)
        return connection

    def connect_to(self, sid: int) -> ElectionConnection:
        """Dial a smaller sid, successfully, and take what is sent."""
        self.manager.connect(Sid(sid))
        connection = self.connected(self.dial())
        assert sent(connection).startswith(opening_of_two())
        return connection

    def connected(self, dial: Dial) -> ElectionConnection:
        """The dial succeeds."""
        assert isinstance(dial.endpoint, ElectionConnection)
        dial.endpoint.connected(dial.addresses[0])
        return dial.endpoint


def opening_of_two() -> bytes:
    return Opening(TWO, (election_address(2),)).encode()


def sent(connection: ElectionConnection) -> bytes:
    """What the connection has to say, as taken by the socket."""
    data = b"".join(connection.out)
    connection.out.clear()
    assert connection.unsent_bytes == len(data)
    connection.unsent_bytes = 0
    return data
