"""Notices the first reply of starting servers: a session and a create on it, asked for again and again.

A connection that Java accepts while it still starts may be closed, or may never be answered at all. So a new
attempt follows every few milliseconds whatever the earlier ones do, and the first answer of any counts.

Of an ensemble each member is asked in this way. A create needs a quorum and travels the whole chain, so a
member that answers one is in sync and serves.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Sequence

from .client import CONNECT_REPLY_BYTES, CONNECT_REQUEST, EPHEMERAL, EPOCH_SHIFT, HEADER, create_request
from .errors import BenchError

POLL_S = 0.001
ATTEMPT_EVERY_S = 0.02
REFUSED_PAUSE_S = 0.005
"""When a server has closed an attempt the next one follows sooner."""
ATTEMPTS_MAX = 10
"""Attempts waiting at a time for one server; the oldest is given up for a new one."""


def await_first_reply(port: int, path: str, *, deadline_s: float, is_alive: Callable[[], bool]) -> float:
    """Returns the ``time.perf_counter()`` at which a create was answered; ``path`` begins the node's name.

    Raises ``BenchError`` at the deadline, on an error reply, or when the process has ended.
    """
    return await_replies([port], path, deadline_s=deadline_s, is_alive=is_alive)[port]


def await_replies(
    ports: Sequence[int],
    path: str,
    *,
    deadline_s: float,
    is_alive: Callable[[], bool],
    replies: int | None = None,
    after_epoch: int = -1,
) -> dict[int, float]:
    """Asks several servers at once; returns when each was first answered, by port.

    Ends when ``replies`` of them have answered, by default all. What a leader up to ``after_epoch`` has
    decided does not count. Raises ``BenchError`` as ``await_first_reply`` does.
    """
    limit = time.perf_counter() + deadline_s
    asked = [_Asked(port, f"{path}-{port}", after_epoch) for port in ports]
    answered: dict[int, float] = {}
    due = len(asked) if replies is None else replies
    try:
        while (now := time.perf_counter()) < limit:
            if not is_alive():
                raise BenchError("the server ended before its first reply")
            for server in asked:
                server.try_again(now)
            connections = [attempt.connection for server in asked for attempt in server.attempts]
            if not connections:
                time.sleep(POLL_S)
                continue
            readable, _, _ = select.select(connections, [], [], POLL_S)
            for server in [server for server in asked if server.is_answered(readable)]:
                answered[server.port] = time.perf_counter()
                asked.remove(server)
                server.close()
            if len(answered) >= due:
                return answered
    finally:
        for server in asked:
            server.close()
    raise BenchError(f"no reply within {deadline_s:.0f} s of the start")


class _Asked:
    """One server and the attempts that wait for its answer."""

    def __init__(self, port: int, path: str, after_epoch: int) -> None:
        self.port = port
        self.attempts: list[_Attempt] = []
        self._path = path
        self._after_epoch = after_epoch
        self._next_attempt = 0.0
        self._count = 0

    def try_again(self, now: float) -> None:
        """Begins another attempt if it is time for one."""
        if now < self._next_attempt or (connection := _connect(self.port)) is None:
            return
        self._count += 1
        self.attempts.append(_Attempt(connection, f"{self._path}-{self._count}", self._after_epoch))
        self._next_attempt = now + ATTEMPT_EVERY_S
        if len(self.attempts) > ATTEMPTS_MAX:
            self.attempts.pop(0).connection.close()

    def is_answered(self, readable: Sequence[socket.socket]) -> bool:
        """Reads what has come; True once one attempt was successful."""
        for attempt in [attempt for attempt in self.attempts if attempt.connection in readable]:
            if attempt.is_answered():
                return True
            if attempt.is_over:
                attempt.connection.close()
                self.attempts.remove(attempt)
                self._next_attempt = min(self._next_attempt, time.perf_counter() + REFUSED_PAUSE_S)
        return False

    def close(self) -> None:
        """Gives up whatever still waits."""
        for attempt in self.attempts:
            attempt.connection.close()


class _Attempt:
    """One connection on which both requests have been sent."""

    def __init__(self, connection: socket.socket, path: str, after_epoch: int) -> None:
        self.connection = connection
        self.is_over = False
        self._after_epoch = after_epoch
        self._received = bytearray()
        try:
            connection.send(CONNECT_REQUEST + create_request(1, path.encode(), flags=EPHEMERAL))
        except OSError:
            self.is_over = True

    def is_answered(self) -> bool:
        """Reads what has come; True once the reply of the create is complete."""
        try:
            chunk = self.connection.recv(4096)
        except OSError:
            chunk = b""
        if not chunk:
            self.is_over = True
            return False
        self._received += chunk
        if len(self._received) < CONNECT_REPLY_BYTES + 4 + HEADER.size:
            return False
        xid, zxid, error = HEADER.unpack_from(self._received, CONNECT_REPLY_BYTES + 4)
        length = int.from_bytes(self._received[CONNECT_REPLY_BYTES : CONNECT_REPLY_BYTES + 4])
        if xid != 1 or error != 0:
            raise BenchError(f"the first create was answered with xid {xid}, error {error}")
        if zxid >> EPOCH_SHIFT <= self._after_epoch:
            self.is_over = True
            return False
        return len(self._received) >= CONNECT_REPLY_BYTES + 4 + length


def _connect(port: int) -> socket.socket | None:
    connection = socket.socket()
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(1)
        connection.connect(("127.0.0.1", port))
        connection.setblocking(False)
    except OSError:
        connection.close()
        return None
    return connection
