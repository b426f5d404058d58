"""Clients of the harness's server on real sockets, for tests of what owns the sockets."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from zoolet.server.tests.harness import Server

Pair = Callable[[], tuple[socket.socket, socket.socket]]


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        theirs = socket.create_connection(listening.getsockname())
        ours, _ = listening.accept()
    return ours, theirs


class Wire:
    """A client's connection with a real socket, as the loop keeps it."""

    def __init__(self, server: Server, pair: Pair = socket.socketpair) -> None:
        self.client = server.connected()
        self.socket, self.theirs = pair()
        self.socket.setblocking(False)
        self.theirs.setblocking(False)
        self.endpoint: Any = self.client.connection
        self.unsent: memoryview | None = None
        self.muted = False

    def answer(self) -> bytes:
        try:
            return self.theirs.recv(1000)
        except BlockingIOError:
            return b""

    def left(self) -> bytes:
        """What is in the system's buffers for the server."""
        try:
            return self.socket.recv(1000, socket.MSG_PEEK)
        except BlockingIOError:
            return b""
