"""Many connections at once from one thread: each has bytes to send, and reads or does not."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

RECEIVE_BYTES = 1 << 20
CLOSED_ERRORS = (BrokenPipeError, ConnectionResetError, ConnectionAbortedError, ConnectionRefusedError)


class Attacker:
    """One connection. ``refill`` gives it more to say once all is said; None ends it there."""

    def __init__(
        self,
        first: bytes,
        refill: Callable[[], bytes | None] = lambda: None,
        *,
        reads: bool = False,
        reconnects: bool = False,
    ) -> None:
        self.first = first
        self.refill = refill
        self.reads = reads
        self.reconnects = reconnects
        self.pending = memoryview(first)
        self.socket: socket.socket | None = None


class Crowd:
    """Drives attackers against 127.0.0.1:`port`. Use as a context manager; leaving it closes them all."""

    def __init__(self, port: int, attackers: list[Attacker]) -> None:
        self._port = port
        self._attackers = attackers
        self._selector = selectors.DefaultSelector()
        self.cut_off = 0
        """Connections that the server has ended."""
        self.sent_bytes = 0

    def __enter__(self) -> Crowd:
        return self

    def __exit__(self, *_: object) -> None:
        for attacker in self._attackers:
            if attacker.socket is not None:
                attacker.socket.close()
        self._selector.close()

    def run(self, seconds: float) -> None:
        """Attack for so long."""
        deadline = time.monotonic() + seconds
        waiting = iter(self._attackers)
        connected_all = False
        while time.monotonic() < deadline:
            if not connected_all:
                connected_all = self._connect_some(waiting)
            for key, _ in self._selector.select(0.001 if not connected_all else 0.05):
                self._serve(key.data)

    def _connect_some(self, waiting: Iterator[Attacker]) -> bool:
        for _ in range(20):
            attacker = next(waiting, None)
            if attacker is None:
                return True
            self._connect(attacker)
        return False

    def _connect(self, attacker: Attacker) -> None:
        attacker.pending = memoryview(attacker.first)
        try:
            attacker.socket = socket.create_connection(("127.0.0.1", self._port), timeout=5)
        except (OSError, TimeoutError):
            attacker.socket = None
            self.cut_off += 1
            return
        attacker.socket.setblocking(False)
        self._selector.register(attacker.socket, self._events(attacker), attacker)

    @staticmethod
    def _events(attacker: Attacker) -> int:
        """One that does not read still hears that it was cut off: sending fails then."""
        return selectors.EVENT_WRITE | (selectors.EVENT_READ if attacker.reads else 0)

    def _serve(self, attacker: Attacker) -> None:
        sock = attacker.socket
        assert sock is not None
        try:
            if attacker.reads:
                self._read(sock)
            if not attacker.pending:
                more = attacker.refill()
                if more is None:
                    self._settle(attacker)
                    return
                attacker.pending = memoryview(more)
            sent = sock.send(attacker.pending[: 1 << 20])
            self.sent_bytes += sent
            attacker.pending = attacker.pending[sent:]
        except BlockingIOError:
            return
        except CLOSED_ERRORS:
            self._lost(attacker)

    def _read(self, sock: socket.socket) -> None:
        try:
            if not sock.recv(RECEIVE_BYTES):
                raise ConnectionResetError
        except BlockingIOError:
            pass

    def _settle(self, attacker: Attacker) -> None:
        """It has said everything: from now on it only listens, if that."""
        sock = attacker.socket
        assert sock is not None
        if attacker.reads:
            self._selector.modify(sock, selectors.EVENT_READ, attacker)
        else:
            self._selector.unregister(sock)

    def _lost(self, attacker: Attacker) -> None:
        assert attacker.socket is not None
        self.cut_off += 1
        self._selector.unregister(attacker.socket)
        attacker.socket.close()
        attacker.socket = None
        if attacker.reconnects:
            self._connect(attacker)


@contextmanager
def crowd(port: int, attackers: list[Attacker]) -> Iterator[Crowd]:
    """A crowd that is gone at the end."""
    with Crowd(port, attackers) as people:
        yield people
