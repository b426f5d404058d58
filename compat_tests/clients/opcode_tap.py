"""A TCP relay in front of a server that notes which opcodes clients send through it.

For `python -m compat_tests.clients.manual --record` only; tests talk to servers directly. It reads the frames
of the client's side: the first of a connection is the handshake; behind the xid of the others is the opcode.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from threading import Lock, Thread
from types import TracebackType
from typing import Self

_CHUNK_BYTES = 1 << 16
_FOUR_LETTERS_MIN = 1 << 24
"""A first length above this is a four-letter word."""


class OpcodeTap:
    """Listens on a port of its own while it is used as a context manager; `opcodes` grows meanwhile."""

    def __init__(self, server_port: int) -> None:
        self.opcodes: set[int] = set()
        self._server_port = server_port
        self._lock = Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))

    @property
    def hosts(self) -> str:
        """The connect string for clients."""
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # shutdown wakes accept; close alone would leave it waiting.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._server_port))
        except OSError:
            client.close()
            return
        Thread(target=self._forward, args=(server, client, None), daemon=True).start()
        self._forward(client, server, bytearray())

    def _forward(self, source: socket.socket, target: socket.socket, unread: bytearray | None) -> None:
        first = True
        try:
            while chunk := source.recv(_CHUNK_BYTES):
                if unread is not None:
                    unread += chunk
                    first = self._take_frames(unread, first=first)
                target.sendall(chunk)
        except OSError:
            pass
        finally:
            for sock in (source, target):
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def _take_frames(self, unread: bytearray, *, first: bool) -> bool:
        while len(unread) >= 4:
            (length,) = struct.unpack_from(">i", unread)
            if length > _FOUR_LETTERS_MIN:
                unread.clear()
                return first
            if len(unread) < 4 + length:
                return first
            if not first:
                (opcode,) = struct.unpack_from(">i", unread, 8)
                with self._lock:
                    self.opcodes.add(opcode)
            first = False
            del unread[: 4 + length]
        return first
