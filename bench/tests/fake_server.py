"""A very small server for the tests: sessions, gets, creates, syncs, srvr; each reply can be spoilt."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

GET, SYNC, CLOSE = 4, 9, -11
SRVR = b"srvr"
ZXID = 7 << 32 | 7
Reply = bytes | None
"""A reply without its length; None hangs up."""


class Handler(socketserver.BaseRequestHandler):
    """One connection."""

    server: FakeServer

    def handle(self) -> None:
        self.server.connections += 1
        if self.server.connections <= self.server.deaf:
            while self.request.recv(4096):
                pass
            return
        if self._read_frame() is None:
            return
        self._send(struct.pack(">iiqi16s?", 0, 4000, self.server.connections, 16, bytes(16), False))
        while (request := self._read_frame()) is not None:
            reply = self.server.spoil(honest_reply(request))
            if reply is None:
                return
            self._send(reply)

    def _read_frame(self) -> bytes | None:
        head = self._read(4)
        if head == SRVR:
            self.request.sendall(f"Zxid: 0x{ZXID:x}\nMode: {self.server.mode}\n".encode())
            return None
        return self._read(int.from_bytes(head)) if head else None

    def _read(self, count: int) -> bytes | None:
        data: bytes = self.request.recv(count, socket.MSG_WAITALL)
        return data if len(data) == count else None

    def _send(self, payload: bytes) -> None:
        self.request.sendall(struct.pack(">i", len(payload)) + payload)


class FakeServer(socketserver.ThreadingTCPServer):
    """Listens on a free port. The first ``deaf`` connections get no answer at all."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(
        self, spoil: Callable[[bytes], Reply], *, deaf: int, port: int = 0, mode: str = "standalone"
    ) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.spoil = spoil
        self.deaf = deaf
        self.mode = mode
        self.connections = 0

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])


def honest_reply(request: bytes) -> bytes:
    """What a good server says: 100 bytes that begin with the node's number, or the path that was created."""
    xid, opcode = struct.unpack_from(">ii", request)
    header = struct.pack(">iqi", xid, ZXID, 0)
    if opcode == CLOSE:
        return header
    (length,) = struct.unpack_from(">i", request, 8)
    path = request[12 : 12 + length]
    if opcode != GET:
        return header + struct.pack(">i", length) + path
    stat = struct.pack(">qqqqiiiqiiq", 1, 1, 1, 1, 0, 0, 0, 0, 100, 0, 1)
    return header + struct.pack(">i", 100) + path[-9:].ljust(100, b"x") + stat


@contextmanager
def running(spoil: Callable[[bytes], Reply] = lambda reply: reply, *, deaf: int = 0) -> Iterator[FakeServer]:
    """A fake server in a thread of its own for the length of the block."""
    with FakeServer(spoil, deaf=deaf) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
