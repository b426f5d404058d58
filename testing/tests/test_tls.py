"""A server with TLS in the test's process: what its clients see, and what it puts up with."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import pytest
from kazoo.client import KazooClient
from kazoo.security import make_acl
from zoolet.server.setting import ConfigError
from zoolet.testing import Server
from zoolet.testing.tests.words import ask

TIMEOUT_S = 10.0


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(tls=True) as running:
        yield running


def secure_client(server: Server) -> Any:
    """A kazoo client with a certificate, connected."""
    assert server.tls is not None
    client = KazooClient(
        f"127.0.0.1:{server.secure_port}",
        timeout=TIMEOUT_S,
        use_ssl=True,
        ca=server.tls.ca,
        certfile=server.tls.certfile,
        keyfile=server.tls.keyfile,
        verify_certs=True,
    )
    client.start(timeout=TIMEOUT_S)
    return client


def test_kazoo_uses_it_and_is_known_by_its_certificate(server: Server) -> None:
    client = secure_client(server)
    try:
        client.create("/large", b"x" * 900_000)
        assert client.get("/large")[0] == b"x" * 900_000
        client.create("/mine", b"", [make_acl("x509", "CN=client", all=True)])
        assert client.get("/mine")[0] == b""
        plain = KazooClient(server.connect_string, timeout=TIMEOUT_S)
        plain.start(timeout=TIMEOUT_S)
        try:
            with pytest.raises(Exception, match=r"^$") as caught:
                plain.get("/mine")
            assert type(caught.value).__name__ == "NoAuthError"
        finally:
            plain.stop()
            plain.close()
    finally:
        client.stop()
        client.close()


def test_a_watch_event_comes_through(server: Server) -> None:
    client = secure_client(server)
    try:
        events: list[Any] = []
        fired = client.handler.event_object()
        client.create("/watched")

        def heard(event: Any) -> None:
            events.append(event.path)
            fired.set()

        client.get("/watched", watch=heard)
        client.set("/watched", b"new")
        fired.wait(TIMEOUT_S)
        assert events == ["/watched"]
    finally:
        client.stop()
        client.close()


def test_words_are_answered_on_both_ports(server: Server) -> None:
    assert server.tls is not None
    context = server.tls.client_context()
    assert ask(server.secure_port, b"ruok", context) == ask(server.port, b"ruok") == "imok"
    lines = ask(server.port, b"conf").splitlines()
    assert f"clientPort={server.port}" in lines
    assert f"secureClientPort={server.secure_port}" in lines


def test_the_ports_stay_over_a_restart(server: Server) -> None:
    assert server.tls is not None
    before = server.port, server.secure_port
    server.restart()
    assert (server.port, server.secure_port) == before
    assert ask(server.secure_port, b"ruok", server.tls.client_context()) == "imok"


def test_a_client_without_a_certificate_is_refused_and_told_so(server: Server) -> None:
    assert server.tls is not None
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"):
        ask(server.secure_port, b"ruok", server.tls.client_context(with_certificate=False))


def test_other_settings_of_tls_can_be_chosen() -> None:
    with Server(tls=True, properties={"ssl.clientAuth": "none", "client.portUnification": True}) as server:
        assert server.tls is not None
        context = server.tls.client_context(with_certificate=False)
        for port in (server.port, server.secure_port):
            assert ask(port, b"ruok", context) == "imok"
        assert ask(server.port, b"ruok") == "imok"


def test_half_a_handshake_lasts_as_long_as_no_session() -> None:
    """`nio.sessionlessCnxnTimeout`; meanwhile others are served."""
    with Server(tls=True, properties={"nio.sessionlessCnxnTimeout": 200}, tick_time_ms=100) as server:
        assert server.tls is not None
        with socket.create_connection(("127.0.0.1", server.secure_port), TIMEOUT_S) as silent:
            silent.sendall(b"\x16\x03\x01\x02\x00")
            assert ask(server.secure_port, b"ruok", server.tls.client_context()) == "imok"
            assert silent.recv(100) == b""


def test_handshakes_may_be_limited() -> None:
    """`netty.server.outstandingHandshake.limit`: who is too many is closed at once."""
    with Server(tls=True, properties={"netty.server.outstandingHandshake.limit": 2}) as server:
        assert server.tls is not None
        silent = [socket.create_connection(("127.0.0.1", server.secure_port), TIMEOUT_S) for _ in range(3)]
        try:
            assert silent[2].recv(100) == b""
            assert "zk_outstanding_tls_handshake\t2" in ask(server.port, b"mntr", None).splitlines()
            silent[0].close()
            assert ask(server.port, b"ruok") == "imok"  # it has noticed by now
            assert ask(server.secure_port, b"ruok", server.tls.client_context()) == "imok"
        finally:
            for sock in silent:
                sock.close()


def test_garbage_never_ends_the_server(server: Server) -> None:
    assert server.tls is not None
    for garbage in (
        b"\0\0\0\x2d" + bytes(45),
        b"GET / HTTP/1.0\r\n\r\n",
        b"\x16\x03\x01\xff\xff" + bytes(70_000),
    ):
        with (
            contextlib.suppress(ConnectionError),  # it may be cut off in the middle
            socket.create_connection(("127.0.0.1", server.secure_port), TIMEOUT_S) as sock,
        ):
            sock.sendall(garbage)
            while sock.recv(65536):
                pass
    assert ask(server.secure_port, b"ruok", server.tls.client_context()) == "imok"
    assert "Connections: 1" in ask(server.port, b"srvr", None)


def test_changed_certificates_are_for_new_connections(server: Server) -> None:
    """`client.certReload`: who is connected stays, who comes sees the new one."""
    with Server(tls=True, properties={"client.certReload": True}) as reloading:
        assert reloading.tls is not None
        assert server.tls is not None
        client = secure_client(reloading)
        try:
            client.create("/before")
            key_store = reloading.tls.settings["ssl.keyStore.location"]
            shutil.copy(str(server.tls.settings["ssl.keyStore.location"]), str(key_store))
            with pytest.raises(ssl.SSLCertVerificationError):
                ask(reloading.secure_port, b"ruok", reloading.tls.client_context())
            assert client.exists("/before")
        finally:
            client.stop()
            client.close()


def test_only_the_secure_port_is_enough() -> None:
    """`clientPort` may be missing then."""
    from zoolet.server.config import config_from

    config = config_from({"secureClientPort": 2281}, data_dir="/d")
    assert (config.client_port, config.serves_tls) == (-1, True)
    with pytest.raises(ConfigError, match="secureClientPortAddress is set but secureClientPort is not set"):
        config_from({"secureClientPortAddress": "127.0.0.1"}, data_dir="/d", client_port=1)


def test_a_store_that_cannot_be_used_ends_the_start() -> None:
    server = Server(tls=True, properties={"ssl.trustStore.location": "/none.jks"})
    with pytest.raises(ConfigError, match=r"^ssl\.trustStore\.location=/none\.jks: No such file"):
        server.start()
    server.close()
