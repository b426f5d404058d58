"""A blocking client of a few requests, for setting rows up and for looking at what is there.

It speaks the client protocol of the original (connect, create, getAllChildrenNumber, sync, closeSession) over
one socket, and four-letter words. It does not ping, watch, reconnect or authenticate, and nothing that is
timed finely goes through it: that is ``loadgen.c``.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from types import TracebackType

from .errors import BenchError

REPLY_TIMEOUT_S = 60.0
SESSION_TIMEOUT_MS = 40_000
CREATE, SYNC, GET_ALL_CHILDREN_NUMBER, CLOSE_SESSION = 1, 9, 104, -11
PERSISTENT, EPHEMERAL = 0, 1
PIPELINE = 500
"""Requests sent before their replies are read: below the server's limit of outstanding requests (1000)."""

HEADER = struct.Struct(">iqi")
EPOCH_SHIFT = 32
"""A zxid is an epoch and, in so many bits, a counter."""


def frame(payload: bytes) -> bytes:
    """The payload with its length before it."""
    return struct.pack(">i", len(payload)) + payload


def create_request(xid: int, path: bytes, *, data: bytes = b"", flags: int = PERSISTENT) -> bytes:
    """The frame of a create with an open ACL."""
    head = struct.pack(">ii", xid, CREATE)
    return frame(head + _buffer(path) + _buffer(data) + _OPEN_ACL + struct.pack(">i", flags))


def _buffer(data: bytes) -> bytes:
    return struct.pack(">i", len(data)) + data


_OPEN_ACL = struct.pack(">ii", 1, 31) + _buffer(b"world") + _buffer(b"anyone")
CONNECT_REQUEST = frame(struct.pack(">iqiqi16s?", 0, 0, SESSION_TIMEOUT_MS, 0, 16, bytes(16), False))
CONNECT_REPLY_BYTES = 41


class RawClient:
    """One session. Raises ``BenchError`` on an error reply and ``OSError`` when the connection fails."""

    def __init__(self, port: int, *, timeout_s: float = REPLY_TIMEOUT_S) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout_s)
        self._xid = 0
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.sendall(CONNECT_REQUEST)
            _, timeout_ms, session = struct.unpack_from(">iiq", self._read_frame())
        except BaseException:
            self._socket.close()
            raise
        if timeout_ms <= 0 or session == 0:
            raise BenchError("the server refused a new session")

    def create(self, paths: Sequence[str], *, data: bytes = b"", flags: int = PERSISTENT) -> None:
        """Creates the nodes in order, pipelined, and checks that every reply names the path asked for."""
        for first in range(0, len(paths), PIPELINE):
            batch = [path.encode() for path in paths[first : first + PIPELINE]]
            for path in batch:
                self._xid += 1
                self._socket.sendall(create_request(self._xid, path, data=data, flags=flags))
            for index, path in enumerate(batch):
                if self._reply(self._xid - len(batch) + 1 + index) != _buffer(path):
                    raise BenchError(f"create of {path.decode()} was answered with another path")

    def count_below(self, path: str) -> int:
        """How many nodes are below ``path``, at any depth (getAllChildrenNumber)."""
        self._request(GET_ALL_CHILDREN_NUMBER, _buffer(path.encode()))
        (count,) = struct.unpack(">i", self._reply(self._xid))
        return int(count)

    def sync(self, path: str) -> None:
        """Waits until this server has applied everything that was committed before."""
        self._request(SYNC, _buffer(path.encode()))
        self._reply(self._xid)

    def close(self) -> None:
        """Ends the session and waits until the server has confirmed it."""
        try:
            self._request(CLOSE_SESSION, b"")
            self._reply(self._xid)
        finally:
            self._socket.close()

    def __enter__(self) -> RawClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self._socket.close()

    def _request(self, opcode: int, body: bytes) -> None:
        self._xid += 1
        self._socket.sendall(frame(struct.pack(">ii", self._xid, opcode) + body))

    def _reply(self, xid: int) -> bytes:
        frame = self._read_frame()
        seen, _, error = HEADER.unpack_from(frame)
        if seen != xid or error != 0:
            raise BenchError(f"request {xid} was answered with xid {seen}, error {error}")
        return frame[HEADER.size :]

    def _read_frame(self) -> bytes:
        (length,) = struct.unpack(">i", self._read(4))
        return self._read(length)

    def _read(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            chunk = self._socket.recv(count - len(data))
            if not chunk:
                raise ConnectionResetError("closed by the server")
            data += chunk
        return bytes(data)


def four_letter_word(port: int, word: str) -> str:
    """What a server answers to a word such as ``srvr``. Raises ``OSError``."""
    with socket.create_connection(("127.0.0.1", port), REPLY_TIMEOUT_S) as connection:
        connection.sendall(word.encode())
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode(errors="replace")
