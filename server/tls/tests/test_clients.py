"""Who a client with TLS is, before its first request: identities, refusals, and what is counted."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
from zoolet.jute.data import Id
from zoolet.server.connection import ServerConnection, State
from zoolet.server.tests.harness import Server
from zoolet.server.tls.certificates import Certified
from zoolet.server.tls.clients import TlsClients
from zoolet.server.tls.endpoint import Phase, TlsEndpoint

CA = Certified.authority()
SERVER, CLIENT = CA.issue("server"), CA.issue("client")


class Visitor:
    """A client of Python's own TLS at a core's secure, or unified, port."""

    def __init__(
        self,
        core: Server,
        clients: TlsClients,
        folder: Path,
        certified: Certified | None = CLIENT,
        *,
        host: str = "127.0.0.1",
        secure_port: bool = True,
    ) -> None:
        self.core = core
        accept = clients.accept_secure if secure_port else clients.accept_either
        endpoint = accept((host, 40_000))
        assert isinstance(endpoint, TlsEndpoint)
        assert isinstance(endpoint.inner, ServerConnection)
        self.endpoint, self.connection = endpoint, endpoint.inner
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = CA.client_context(folder, certified).wrap_bio(self._incoming, self._outgoing)
        self.is_secured = False

    def shake_hands(self) -> None:
        """As far as it goes."""
        for _ in range(6):
            try:
                if not self.is_secured:
                    self.tls.do_handshake()
                    self.is_secured = True
            except ssl.SSLError:
                pass
            if sent := self._outgoing.read():
                self.endpoint.receive(sent)
            self.take()

    def says(self, data: bytes) -> None:
        self.tls.write(data)
        self.endpoint.receive(self._outgoing.read())

    def take(self) -> None:
        """A socket that takes everything."""
        out = self.endpoint.out
        self._incoming.write(b"".join(out))
        self.endpoint.unsent_bytes -= sum(map(len, out))
        out.clear()

    def heard(self) -> bytes:
        """What is there to be read, decrypted."""
        self.take()
        try:
            return self.tls.read(1 << 16)
        except ssl.SSLWantReadError:
            return b""


class Lab:
    """A core with TLS, and its visitors."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.folder = folder
        stores: dict[str, Any] = {
            "ssl_key_store_location": str(SERVER.write_pem(folder / "server.pem")),
            "ssl_trust_store_location": str(CA.write_trust(folder / "ca.pem")),
            "secure_client_port": 2281,
        }
        self.server = Server(**{**stores, **settings})
        self.core = self.server.core
        self.clients = TlsClients(self.core.config, self.core.accept)

    def visitor(self, certified: Certified | None = CLIENT, **arguments: object) -> Visitor:
        visitor = Visitor(self.server, self.clients, self.folder, certified, **arguments)  # type: ignore[arg-type]
        visitor.shake_hands()
        return visitor


def test_a_certificate_is_an_identity_besides_the_address(tmp_path: Path) -> None:
    connection = Lab(tmp_path).visitor().connection
    assert set(connection.identities) == {Id("ip", "127.0.0.1"), Id("x509", "CN=client")}
    assert connection.is_secure


def test_the_super_user_may_be_known_by_a_certificate(tmp_path: Path) -> None:
    """`X509AuthenticationProvider.superUser`."""
    connection = Lab(tmp_path, x509_super_user="CN=client").visitor().connection
    assert {identity.scheme for identity in connection.identities} == {"ip", "super", "x509"}


def test_without_a_certificate_a_client_is_its_address(tmp_path: Path) -> None:
    for client_auth, certified in (("want", None), ("none", CLIENT)):
        connection = Lab(tmp_path, ssl_client_auth=client_auth).visitor(certified).connection
        assert connection.identities == (Id("ip", "127.0.0.1"),)


def test_zookeeper_3905_a_certificate_that_earns_nothing_opens_no_session(tmp_path: Path) -> None:
    """What came right behind the handshake is not looked at."""
    lab = Lab(tmp_path, ssl_auth_provider="nosuch")
    visitor = lab.visitor()
    assert visitor.connection.state is State.CLOSING
    assert lab.core.stats.auth_failed_count == 1
    visitor.says(lab.server.client().connect_frame())
    lab.server.run()
    assert visitor.connection.session_id == 0
    assert lab.core.database.sessions == {}


def test_cve_2026_24281_an_address_is_not_looked_up_in_dns(tmp_path: Path) -> None:
    """A certificate for the name that the address may have says nothing about the address."""
    lab = Lab(tmp_path, ssl_client_hostname_verification=True)
    assert lab.visitor(CA.issue("localhost", dns=("localhost",))).connection.state is State.CLOSING
    assert lab.visitor(CA.issue("client", addresses=("127.0.0.1",))).connection.state is State.FIRST_BYTES


@pytest.mark.parametrize("settings", [{}, {"ssl_auth_provider": "x509"}])
def test_zookeeper_4958_addresses_are_checked_whoever_makes_identities(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    """With `ssl.authProvider` written down the original checked nothing."""
    lab = Lab(tmp_path, ssl_client_hostname_verification=True, **settings)
    assert lab.visitor().connection.state is State.CLOSING
    assert lab.visitor(CA.issue("client", addresses=("127.0.0.1",))).connection.state is State.FIRST_BYTES


def test_addresses_are_checked_only_if_names_are_checked_at_all(tmp_path: Path) -> None:
    lab = Lab(tmp_path, ssl_client_hostname_verification=True, ssl_hostname_verification=False)
    assert lab.visitor().connection.state is State.FIRST_BYTES


def test_failed_handshakes_are_counted_and_told_in_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lab = Lab(tmp_path)
    lab.visitor(None)
    assert lab.core.stats.auth_failed_count == 1
    assert lab.core.database.metrics.counters["unsuccessful_handshake"] == 1
    lines = [record.getMessage() for record in caplog.records]
    assert lines == ["TLS handshake with 127.0.0.1:40000 failed: peer did not return a certificate"]


def test_on_the_port_for_both_a_client_is_none_of_the_secure_ones(tmp_path: Path) -> None:
    """It is the plain port's client, with an identity from its certificate all the same."""
    lab = Lab(tmp_path, client_port_unification=True)
    visitor = lab.visitor(secure_port=False)
    assert visitor.endpoint.phase is Phase.SECURE
    assert not visitor.connection.is_secure
    assert Id("x509", "CN=client") in visitor.connection.identities
    assert list(lab.core.secure_connections) == []


def test_connections_without_tls_are_counted_by_where_they_come_from(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    for host in ("127.0.0.1", "::1", "192.0.2.1"):
        assert lab.clients.accept_plain((host, 1)) is not None
    assert (lab.core.stats.non_mtls_local_count, lab.core.stats.non_mtls_remote_count) == (2, 1)


def test_a_handshake_that_does_not_end_is_given_up_with_the_session_that_does_not_come(
    tmp_path: Path,
) -> None:
    """`nio.sessionlessCnxnTimeout`."""
    lab = Lab(tmp_path, sessionless_cnxn_timeout_ms=1000)
    endpoint = lab.clients.accept_secure(("127.0.0.1", 1))
    assert endpoint is not None
    endpoint.receive(b"\x16\x03\x01")
    lab.server.advance(3000)
    assert endpoint.is_closing


def test_handshakes_under_way_are_limited(tmp_path: Path) -> None:
    lab = Lab(tmp_path, outstanding_handshake_limit=2)
    first = lab.clients.accept_secure(("127.0.0.1", 1))
    assert first is not None
    assert lab.clients.accept_secure(("127.0.0.1", 2)) is not None
    assert lab.clients.accept_secure(("127.0.0.1", 3)) is None
    assert lab.core.database.metrics.counters["tls_handshake_exceeded"] == 1
    assert len(lab.core.open_connections) == 2
    first.abort("gone")
    first.closed()
    assert lab.visitor().is_secured
    assert lab.core.stats.tls_handshakes == 1


def test_a_session_over_tls_is_like_any_other(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    visitor = lab.visitor()
    visitor.says(lab.server.client().connect_frame())
    lab.server.run()
    assert len(visitor.heard()) == 41
    assert visitor.connection.state is State.ESTABLISHED
