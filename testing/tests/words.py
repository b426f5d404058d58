"""Four-letter words, as tests ask them."""

from __future__ import annotations

import socket
import ssl

TIMEOUT_S = 30.0


def ask(port: int, word: bytes, context: ssl.SSLContext | None = None) -> str:
    """What a server answers, over TLS if there is a context for it."""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as plain:
        sock = plain if context is None else context.wrap_socket(plain, server_hostname="localhost")
        with sock:
            sock.sendall(word)
            return b"".join(iter(lambda: sock.recv(65536), b"")).decode()
