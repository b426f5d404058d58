"""A TCP port on 127.0.0.1 that stays ours while no server listens on it.

A socket that is bound but does not listen holds the port: the system gives it to nobody else, neither to a
socket that binds port 0 nor as the local end of an outgoing connection. (The second matters as much: a
client that tries to reconnect to a free port of the ephemeral range can connect to itself.) With
SO_REUSEADDR on both sockets a server may still bind and listen on it, which Linux allows as long as only
one of them listens.
"""

from __future__ import annotations

import socket
from typing import Final

LOOPBACK: Final = "127.0.0.1"


class ReservedPort:
    """Bound once, when it is made; free again after `release`. Raises OSError when the port is taken."""

    def __init__(self, port: int = 0) -> None:
        """`port` 0 lets the system choose."""
        holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            holder.bind((LOOPBACK, port))
        except OSError as error:
            holder.close()
            raise OSError(error.errno, f"{error.strerror}: {LOOPBACK}:{port}") from None
        self.port: int = holder.getsockname()[1]
        self._holder = holder

    def release(self) -> None:
        """Once or more."""
        self._holder.close()
