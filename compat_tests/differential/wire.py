"""One TCP connection that speaks frames: a 4-byte length and that many bytes, nothing decoded.

The driver needs to send what no well-behaved client would, so this is a plain blocking socket with a time
limit on everything and no opinion about the bytes.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from types import TracebackType
from typing import Self

REPLY_TIMEOUT_S = 10.0


class Closed(Exception):
    """The server closed or reset the connection."""


class NoReply(Exception):
    """Nothing complete arrived within the time limit; the connection is still open."""


class FrameConnection:
    """Frames to and from 127.0.0.1:`port`."""

    def __init__(self, port: int) -> None:
        try:
            self._socket = socket.create_connection(("127.0.0.1", port), timeout=REPLY_TIMEOUT_S)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except (BrokenPipeError, ConnectionResetError, ConnectionAbortedError):
            # A server that takes no more connections may close it before the handshake of TCP is through.
            self._socket, other_end = socket.socketpair()
            other_end.close()
        self._received = bytearray()

    def send_frames(self, *frames: bytes) -> None:
        """Send all frames with one call. A peer that is already gone shows up at the next read."""
        self.send_bytes(b"".join(struct.pack(">i", len(frame)) + frame for frame in frames))

    def send_bytes(self, data: bytes) -> None:
        """Send bytes exactly as given, framed or not."""
        self._socket.settimeout(REPLY_TIMEOUT_S)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(data)

    def read_frame(self, timeout_s: float = REPLY_TIMEOUT_S) -> bytes:
        """The next frame without its length. Raises Closed or NoReply."""
        deadline = time.monotonic() + timeout_s
        self._receive(4, deadline)
        (length,) = struct.unpack_from(">i", self._received)
        self._receive(4 + length, deadline)
        frame = bytes(self._received[4 : 4 + length])
        del self._received[: 4 + length]
        return frame

    def has_frame(self, timeout_s: float) -> bool:
        """True once a whole frame is here, False after the time limit. Raises Closed."""
        deadline = time.monotonic() + timeout_s
        try:
            self._receive(4, deadline)
            self._receive(4 + struct.unpack_from(">i", self._received)[0], deadline)
        except NoReply:
            return False
        return True

    def close(self) -> None:
        """Close our side at once, without a word to the server."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _receive(self, count: int, deadline: float) -> None:
        while len(self._received) < count:
            remaining_s = deadline - time.monotonic()
            if remaining_s <= 0:
                raise NoReply
            self._socket.settimeout(remaining_s)
            try:
                chunk = self._socket.recv(1 << 18)
            except TimeoutError:
                raise NoReply from None
            except (ConnectionResetError, BrokenPipeError):
                raise Closed from None
            if not chunk:
                raise Closed
            self._received += chunk
