"""Our election on real sockets, in the thread of a test: just enough of a shell to talk to a Java server.

Several members can live in one shell. Everything that arrives is kept as it came, so that tests can look at
the original's bytes.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Final, Self

from zoolet.jute.election import HostPort
from zoolet.jute.ids import Epoch, Sid, Zxid
from zoolet.quorum.cnx_manager import ElectionConnection, QuorumCnxManager
from zoolet.quorum.dial import Dial
from zoolet.quorum.election import FastLeaderElection
from zoolet.quorum.verifier import QuorumVerifier
from zoolet.server.endpoint import Endpoint

TIMEOUT_S: Final = 30.0


def now_ms() -> int:
    """Elapsed time, as the cores want it."""
    return time.monotonic_ns() // 1_000_000


class Member:
    """One of ours: listens on its election address, and looks for a leader once told to."""

    def __init__(self, sid: Sid, verifier: QuorumVerifier) -> None:
        (address,) = verifier.members[sid].election
        self.sid = sid
        self.dirty: dict[Endpoint, None] = {}
        self.messages: list[tuple[Sid, bytes]] = []
        """Sender and message, in the order in which they came."""
        self.openings: list[bytes] = []
        """What each accepted connection began with."""
        self.listening = socket.create_server((address.host, address.port))
        self.listening.setblocking(False)
        self.manager = QuorumCnxManager(
            sid,
            ((address.host, address.port),),
            {
                other: tuple((found.host, found.port) for found in member.election)
                for other, member in verifier.members.items()
            },
            self._on_message,
            self.dirty,
            now_ms=now_ms(),
        )
        self.election = FastLeaderElection(
            sid,
            verifier,
            is_observer=sid in verifier.observers,
            send=self.manager.send,
            connect=self.manager.connect,
        )

    def look(self, zxid: int = 0, epoch: int = 0) -> None:
        """Begin an election."""
        self.manager.set_time(now_ms())
        self.election.start(now_ms(), last_zxid=Zxid(zxid), current_epoch=Epoch(epoch))

    def _on_message(self, sid: Sid, message: bytes) -> None:
        self.messages.append((sid, message))
        self.election.receive(now_ms(), sid, message)


class ElectionShell:
    """Moves bytes between the members' cores and their sockets. Use it as a context manager."""

    def __init__(self) -> None:
        self.members: list[Member] = []
        self._selector = selectors.DefaultSelector()
        self._sockets: dict[ElectionConnection, socket.socket] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for sock in self._sockets.values():
            sock.close()
        for member in self.members:
            member.listening.close()
        self._selector.close()

    def add(self, sid: int, verifier: QuorumVerifier) -> Member:
        """One more member; it does not look yet."""
        member = Member(Sid(sid), verifier)
        self.members.append(member)
        self._selector.register(member.listening, selectors.EVENT_READ, (member, None))
        return member

    def run_until(self, condition: Callable[[], bool], what: str) -> None:
        """Work until it is so; AssertionError, saying what was waited for, after 30 s."""
        end = time.monotonic() + TIMEOUT_S
        self._work()
        while not condition():
            assert time.monotonic() < end, f"waited in vain for {what}"
            deadlines = [
                deadline
                for member in self.members
                for deadline in (member.election.deadline(), member.manager.deadline())
                if deadline is not None
            ]
            wait_ms = min(deadlines, default=now_ms() + 200) - now_ms()
            for key, _ in self._selector.select(max(0.0, min(wait_ms, 200) / 1000)):
                member, connection = key.data
                member.manager.set_time(now_ms())
                if connection is None:
                    self._accept(member)
                else:
                    self._receive(connection)
            self._work()

    def _work(self) -> None:
        for member in self.members:
            member.manager.tick(now_ms())
            member.election.tick(now_ms())
            while member.dirty or (dials := member.manager.take_dials()):
                if member.dirty:
                    endpoint = next(iter(member.dirty))
                    del member.dirty[endpoint]
                    assert isinstance(endpoint, ElectionConnection)
                    self._flush(endpoint)
                else:
                    self._dial(member, dials)

    def _accept(self, member: Member) -> None:
        sock, (host, port) = member.listening.accept()
        connection = member.manager.accept((host, port))
        assert connection is not None
        # The opening comes in one piece over loopback, and the test may look at it.
        sock.settimeout(TIMEOUT_S)
        chunk = sock.recv(65536)
        member.openings.append(chunk)
        self._add(member, sock, connection)
        if chunk:
            connection.receive(chunk)
        else:
            connection.abort("closed by the other end")

    def _dial(self, member: Member, dials: Iterable[Dial]) -> None:
        for dial in dials:
            endpoint = dial.endpoint
            assert isinstance(endpoint, ElectionConnection)
            address: HostPort = dial.addresses[0]
            try:
                sock = socket.create_connection(address, dial.timeout_ms / 1000)
            except OSError as error:
                endpoint.failed(str(error))
                continue
            self._add(member, sock, endpoint)
            endpoint.connected(address)

    def _add(self, member: Member, sock: socket.socket, connection: ElectionConnection) -> None:
        sock.settimeout(TIMEOUT_S)
        self._sockets[connection] = sock
        self._selector.register(sock, selectors.EVENT_READ, (member, connection))

    def _receive(self, connection: ElectionConnection) -> None:
        if connection not in self._sockets:
            return
        try:
            chunk = self._sockets[connection].recv(65536)
        except OSError:
            chunk = b""
        if chunk:
            connection.receive(chunk)
        else:
            connection.abort("closed by the other end")

    def _flush(self, connection: ElectionConnection) -> None:
        sock = self._sockets.get(connection)
        if sock is None:
            return
        data = b"".join(connection.out)
        connection.out.clear()
        try:
            sock.sendall(data)
        except OSError as error:
            connection.abort(str(error))
        connection.unsent_bytes -= len(data)
        if connection.is_closing:
            self._selector.unregister(sock)
            del self._sockets[connection]
            sock.close()
            connection.closed()
        elif connection.has_backlog:
            connection.resume()
