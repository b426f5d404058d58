"""The ports clients connect to: the plain one, the one for TLS, or both.

Certificates are read, and the ports bound, before anything is served; what is wrong with either ends the
start. The modules of TLS are only imported where the configuration asks for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .connection import ServerConnection
from .endpoint import Accept
from .event_loop import EventLoop
from .settings_table import Config
from .sockets import bind

if TYPE_CHECKING:
    from socket import socket


class ClientPorts:
    """Listening sockets for clients. Raises ConfigError (certificates) and OSError (a port).

    Args:
        config: settings; a port 0 lets the system choose.
        accept: takes a client's connection; None if there are too many.

    Attributes:
        port: where plain clients are served (and others, with port unification); -1 for nowhere.
        secure_port: where clients with TLS are served; -1 for nowhere.
    """

    def __init__(self, config: Config, accept: Callable[[tuple[str, int]], ServerConnection | None]) -> None:
        self._config = config
        self._sockets: list[tuple[socket, Accept]] = []
        self.plain_sockets: list[socket] = []
        """What plain clients are served with; at the most one."""
        self._plain: Accept = accept
        secure: Accept | None = None
        if config.serves_tls:
            from .tls.clients import acceptors

            self._plain, secure = acceptors(config, accept)
        try:
            self.port = self._bind(config.client_port_address, config.client_port, self._plain)
            self.plain_sockets += (sock for sock, _ in self._sockets)
            self.secure_port = -1
            if secure is not None:
                address = config.secure_client_port_address
                self.secure_port = self._bind(address, config.secure_client_port, secure)
        except BaseException:
            self.close()
            raise

    def _bind(self, address: str, port: int, accept: Accept) -> int:
        if port < 0:
            return port
        sock = bind(address, port, self._config.client_port_listen_backlog)
        self._sockets.append((sock, accept))
        return int(sock.getsockname()[1])

    def listen(self, loop: EventLoop) -> None:
        """Serve; the sockets are the loop's from now on."""
        for sock, accept in self._sockets:
            loop.listen(sock, accept, keep_alive=self._config.client_tcp_keep_alive)
        self._sockets.clear()

    def listen_plainly(self, loop: EventLoop, sock: socket) -> None:
        """Serve plain clients on another socket as well, which is the loop's from now on."""
        loop.listen(sock, self._plain, keep_alive=self._config.client_tcp_keep_alive)

    def close(self) -> None:
        """Give up the sockets that are not a loop's."""
        for sock, _ in self._sockets:
            sock.close()
        self._sockets.clear()
