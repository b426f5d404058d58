"""Servers with TLS and clients that try to get in: what comes of every attempt, in one word or two.

An attempt is a whole visit: handshake of TLS, handshake of ZooKeeper, `whoAmI`. Its outcome is the schemes
and ids that the server gives the client, or that it did not get so far.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from struct import pack, unpack

from zoolet.jute.framing import frame
from zoolet.jute.proto import ConnectRequest, WhoAmIResponse
from zoolet.server.tls.certificates import Certified

from .server_process import free_port

VISIT_S = 10.0
REFUSED = "refused"
"""The connection ended, or was answered with an alert, before there was a session."""
SILENCE = "silence"

_WHO_AM_I = 107


@dataclass
class Lab:
    """An authority, a server's stores and some clients, in a folder of their own."""

    folder: Path
    authority: Certified = field(default_factory=Certified.authority)
    secure_port: int = 0

    @cached_property
    def server(self) -> Certified:
        return self.authority.issue("server", dns=("localhost",), addresses=("127.0.0.1",))

    @cached_property
    def client(self) -> Certified:
        """A client whose certificate names its address, too."""
        return self.authority.issue("a client", addresses=("127.0.0.1",))

    @cached_property
    def elsewhere(self) -> Certified:
        """One that is known, but not for this address."""
        return self.authority.issue("from elsewhere", addresses=("192.0.2.1",))

    @cached_property
    def expired(self) -> Certified:
        return self.authority.issue("too late", expired=True)

    @cached_property
    def stranger(self) -> Certified:
        return Certified.authority("another authority").issue("a stranger")

    def stores(self) -> dict[str, str]:
        """The keys of zoo.cfg that name the server's stores."""
        return {
            "ssl.keyStore.location": str(self.server.write_pkcs12(self.folder / "server.p12", "hush")),
            "ssl.keyStore.password": "hush",
            "ssl.trustStore.location": str(self.authority.write_trust(self.folder / "trust.pem")),
            "serverCnxnFactory": "org.apache.zookeeper.server.NettyServerCnxnFactory",
        }

    def settings(self, **settings: str) -> dict[str, str]:
        """The stores, a free port for TLS (``secure_port`` from now on), and these, which are stronger."""
        self.secure_port = free_port()
        ports = {"secureClientPort": str(self.secure_port), "secureClientPortAddress": "127.0.0.1"}
        return {**self.stores(), **ports, **settings}

    def context(
        self, certified: Certified | None, version: ssl.TLSVersion | None = None, ciphers: str = ""
    ) -> ssl.SSLContext:
        """For a client that trusts the authority."""
        context = self.authority.client_context(self.folder, certified, *([version] if version else []))
        if ciphers:
            context.set_ciphers(ciphers)
        return context


def visit(port: int, context: ssl.SSLContext | None) -> str:
    """Who one is over there: `ip:127.0.0.1, x509:CN=...`; or REFUSED, or SILENCE."""
    try:
        with _connected(port, context) as sock:
            sock.sendall(frame(ConnectRequest(0, 0, 5000, 0, bytes(16), False).encode()))
            _read_frame(sock)
            sock.sendall(frame(pack(">ii", 1, _WHO_AM_I)))
            response = WhoAmIResponse.parse(_read_frame(sock)[16:])
    except TimeoutError:
        return SILENCE
    except (OSError, EOFError):
        return REFUSED
    return ", ".join(sorted(f"{client.authScheme}:{client.user}" for client in response.clientInfo or ()))


def ask_word(port: int, word: str, context: ssl.SSLContext | None) -> str:
    """The answer to a four-letter word."""
    with _connected(port, context) as sock:
        sock.sendall(word.encode())
        answer = b""
        while chunk := sock.recv(1 << 16):
            answer += chunk
    return answer.decode()


def _connected(port: int, context: ssl.SSLContext | None) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), timeout=VISIT_S)
    if context is None:
        return sock
    try:
        return context.wrap_socket(sock)
    except BaseException:
        sock.close()
        raise


def _read_frame(sock: socket.socket) -> bytes:
    (length,) = unpack(">i", _read(sock, 4))
    return _read(sock, length)


def _read(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        chunk = sock.recv(count - len(data))
        if not chunk:
            raise EOFError
        data += chunk
    return data
