"""Notices the first reply of a starting server: a session and a create on it, asked for again and again.

A connection that Java accepts while it still starts may be closed, or may never be answered at all. So a new
attempt follows every few milliseconds whatever the earlier ones do, and the first answer of any counts.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable

from .client import CONNECT_REPLY_BYTES, CONNECT_REQUEST, EPHEMERAL, HEADER, create_request
from .errors import BenchError

POLL_S = 0.001
ATTEMPT_EVERY_S = 0.02
ATTEMPTS_MAX = 10
"""Attempts waiting at a time; the oldest is given up for a new one."""


def await_first_reply(port: int, path: str, *, deadline_s: float, is_alive: Callable[[], bool]) -> float:
    """Returns the ``time.perf_counter()`` at which a create was answered; ``path`` begins the node's name.

    Raises ``BenchError`` at the deadline, on an error reply, or when the process has ended.
    """
    limit = time.perf_counter() + deadline_s
    attempts: list[_Attempt] = []
    next_attempt, count = 0.0, 0
    try:
        while (now := time.perf_counter()) < limit:
            if not is_alive():
                raise BenchError("the server ended before its first reply")
            if now >= next_attempt and (connection := _connect(port)) is not None:
                count += 1
                attempts.append(_Attempt(connection, f"{path}-{count}"))
                next_attempt = now + ATTEMPT_EVERY_S
                if len(attempts) > ATTEMPTS_MAX:
                    attempts.pop(0).connection.close()
            if not attempts:
                time.sleep(POLL_S)
                continue
            readable, _, _ = select.select([attempt.connection for attempt in attempts], [], [], POLL_S)
            for attempt in [attempt for attempt in attempts if attempt.connection in readable]:
                if attempt.is_answered():
                    return time.perf_counter()
                if attempt.is_over:
                    attempt.connection.close()
                    attempts.remove(attempt)
    finally:
        for attempt in attempts:
            attempt.connection.close()
    raise BenchError(f"no reply within {deadline_s:.0f} s of the start")


class _Attempt:
    """One connection on which both requests have been sent."""

    def __init__(self, connection: socket.socket, path: str) -> None:
        self.connection = connection
        self.is_over = False
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
        xid, _, error = HEADER.unpack_from(self._received, CONNECT_REPLY_BYTES + 4)
        length = int.from_bytes(self._received[CONNECT_REPLY_BYTES : CONNECT_REPLY_BYTES + 4])
        if xid != 1 or error != 0:
            raise BenchError(f"the first create was answered with xid {xid}, error {error}")
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
