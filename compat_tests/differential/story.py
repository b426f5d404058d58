"""A scenario being played against one server: clients act, everything that comes back is written down.

A `Story` owns the transcript; a `Client` is one connection with (usually) a session, and is called with the
operations it should send. In *step* mode each operation is sent alone and its reply awaited; in *pipelined*
mode a client's operations are held back and sent with one call when another client's turn comes, so that
the server sees them all at once.

After a client's turn every other client takes a breath: it sends a ping and reads up to the answer. An
event is queued on a connection before the reply of any later request on it, so whatever that turn caused
has then arrived, and what has not arrived will never come. No test waits for time to pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from zoolet.jute.proto import ConnectRequest

from ..four_letter_client import four_letter_word
from ..server_process import ServerProcess
from .client import Client
from .four_letter_view import told
from .operations import Operation, close_session, create, ping
from .view import View

SESSION_TIMEOUT_MS = 30_000
_PINGS_MAX = 100
"""Ten seconds of keeping a session alive: what has not happened by then will not."""


class Listening(Protocol):
    """A server somebody else started."""

    @property
    def port(self) -> int:
        """Where clients connect, on 127.0.0.1."""


class Story:
    """One play of one scenario. Use as a context manager: leaving it closes what the scenario left open."""

    def __init__(
        self,
        port: int,
        *,
        prefix: str,
        pipelined: bool = False,
        attentive: bool = True,
        server: Listening | None = None,
    ) -> None:
        """`prefix` names a node to make and to live under; "" uses the whole tree of an empty server.

        In a play that is not `attentive` clients hear of what others did in their own next turn only. The
        order of each client's lines is the same: what was caused before its request comes before its reply.
        `server` is the process behind the port, for scenarios that have one of their own.
        """
        self.port = port
        self.pipelined = pipelined
        self.attentive = attentive
        self._server = server
        self.view = View(prefix)
        self.transcript: list[str] = []
        self._clients: list[Client] = []
        self._turn: Client | None = None

    def __enter__(self) -> Story:
        if self.view.prefix:
            with Client(self, "stage") as stage:
                stage.handshake(ConnectRequest(0, 0, SESSION_TIMEOUT_MS, 0, bytes(16), False).encode())
                stage(create("/"), close_session())
                stage.flush()
                self.view.zxid_base = stage.last_zxid
            self.transcript.clear()
            self._clients.clear()
            self._turn = None
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._clients:
            client.close()

    def connect(
        self,
        name: str,
        *,
        timeout_ms: int = SESSION_TIMEOUT_MS,
        session: Client | None = None,
        session_id: int = 0,
        password: bytes | None = None,
        last_zxid_seen: int = 0,
        read_only: bool | None = False,
        protocol_version: int = 0,
    ) -> Client:
        """A new client and its handshake. `session` resumes another client's session."""
        if session is not None:
            session.flush()
            session_id = session.session_id
            password = session.password if password is None else password
        if password is None:
            password = bytes(16)
        request = ConnectRequest(
            protocol_version, last_zxid_seen, timeout_ms, session_id, password, read_only
        )
        return self.connect_raw(name, request.encode())

    def connect_raw(self, name: str, first_frame: bytes) -> Client:
        """A new client that sends `first_frame` as its handshake."""
        return self._connect(name, first_frame, ())

    def connect_with(self, name: str, *operations: Operation) -> Client:
        """A new client that sends requests right behind its handshake, with the same call."""
        request = ConnectRequest(0, 0, SESSION_TIMEOUT_MS, 0, bytes(16), False)
        return self._connect(name, request.encode(), operations)

    def _connect(self, name: str, first_frame: bytes, operations: tuple[Operation, ...]) -> Client:
        client = Client(self, name)
        self.take_turn(client)
        self._clients.append(client)
        client.handshake(first_frame, operations)
        if not self.pipelined:
            self.breathe()
        return client

    def unconnected(self, name: str) -> Client:
        """A new connection that has not sent anything yet."""
        client = Client(self, name)
        self.take_turn(client)
        self._clients.append(client)
        # It has no session, so it must not be pinged.
        client.go_silent()
        return client

    def ping_until_frame(self, keeper: Client, listener: Client, operation: Operation | None = None) -> None:
        """Keep `keeper` talking until `listener` hears something, and write only that down."""
        self.take_turn(keeper)
        attempts = 0
        while not listener.has_frame(0.1) and attempts < _PINGS_MAX:
            attempts += 1
            keeper.say_quietly(operation or ping())
        listener.expect_frame()

    def ping_until_seen(self, keeper: Client, listener: Client, event: str) -> None:
        """Keep `keeper` talking until `listener` has seen an event ("NODE_DELETED /x"), if it has not yet."""
        self.take_turn(keeper)
        heard = f"{listener.name} sees {event} "
        while not any(line.startswith(heard) for line in self.transcript):
            if listener.has_frame(0.1):
                listener.expect_frame()
            else:
                keeper.say_quietly(ping())

    def restart_server(self) -> None:
        """Stop the server and start it again; every connection is lost."""
        assert isinstance(self._server, ServerProcess), "the scenario has to say own_server=True"
        self.take_turn(None)
        self._server.stop()
        for client in self._clients:
            client.expect_close()
        self.transcript.append("-- the server is started again")
        self._server.start()

    def ask(self, word: str) -> None:
        """Write down what a four-letter word tells about this scenario's clients and nodes."""
        self.take_turn(None)
        self.breathe()
        text = four_letter_word(self.port, word).decode()
        self.transcript += [f"{word}: {line}" for line in told(self.view, word, text)]

    def take_turn(self, client: Client | None) -> None:
        """Finish what the previous client still holds back, before another one acts."""
        previous, self._turn = self._turn, client
        if previous is not None and previous is not client:
            previous.flush()
            self.breathe(besides=previous)

    def breathe(self, *, besides: Client | None = None) -> None:
        """Let every open client read all that has been sent to it."""
        if not self.attentive:
            return
        for client in self._clients:
            if client is not besides and client is not self._turn:
                client.breathe()

    def finish(self) -> list[str]:
        """End the scenario: everything sent and read, all sessions closed; returns the transcript."""
        self.take_turn(None)
        self.attentive = True
        self.breathe()
        for client in self._clients:
            if client.is_open and client.session_id:
                self.transcript.append(f"-- {client.name} leaves")
                client(close_session())
                client.flush()
                client.expect_close()
                self.breathe()
        self._close_lost_sessions()
        return self.transcript

    def _close_lost_sessions(self) -> None:
        """Sessions without a connection would expire during a later scenario and use up its zxids."""
        leftovers = {c.session_id: c for c in self._clients if c.session_id and not c.session_ended}
        ended = {c.session_id for c in self._clients if c.session_ended}
        for session_id, client in leftovers.items():
            if session_id in ended:
                continue
            lines = len(self.transcript)
            with Client(self, f"{client.name}'s end") as closer:
                request = ConnectRequest(0, 0, SESSION_TIMEOUT_MS, session_id, client.password, False)
                closer.handshake(request.encode())
                if closer.session_id:
                    closer(close_session())
                    closer.flush()
            del self.transcript[lines:]

    @contextmanager
    def in_any_order(self) -> Iterator[None]:
        """What is written down inside is sorted: for events whose order nobody promises."""
        self.take_turn(None)
        start = len(self.transcript)
        yield
        self.take_turn(None)
        self.transcript[start:] = sorted(self.transcript[start:])
