"""Commands over HTTPS: with the member's certificate, for whom the configuration lets in."""

from __future__ import annotations

import http.client
import ssl
from functools import partial
from pathlib import Path

import pytest
import trio
from zoolet.server.admin.tests.test_http_ports import free_port, serving
from zoolet.server.config import ConfigError
from zoolet.server.tls.certificates import Certified


class Https:
    """An authority, a server's settings with a certificate of it, and clients."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Certified.authority()
        key = self.authority.issue("member", addresses=("127.0.0.1",)).write_pem(folder / "key.pem")
        self.port = free_port()
        self.settings: dict[str, object] = {
            "admin.enableServer": True,
            "admin.serverPort": self.port,
            "ssl.quorum.keyStore.location": key,
            "ssl.quorum.trustStore.location": self.authority.write_trust(folder / "trust.pem"),
        }

    def ask(
        self, context: ssl.SSLContext | None, target: str, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str]]:
        """Status and headers; without a context over plain HTTP."""
        connection = (
            http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            if context is None
            else http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10, context=context)
        )
        try:
            connection.request("GET", target, headers=headers or {})
            response = connection.getresponse()
            response.read()
            return response.status, dict(response.headers)
        finally:
            connection.close()

    def context(self, certified: Certified | None = None) -> ssl.SSLContext:
        """A client that trusts the authority."""
        return self.authority.client_context(self.folder, certified)


@pytest.fixture
def https(tmp_path: Path) -> Https:
    (tmp_path / "keys").mkdir()
    return Https(tmp_path / "keys")


def test_with_force_https_everybody_uses_tls(tmp_path: Path, https: Https) -> None:
    async def then() -> None:
        status, headers = await trio.to_thread.run_sync(https.ask, https.context(), "/commands/ruok")
        assert status == 200
        assert headers["Strict-Transport-Security"] == "max-age=86400; includeSubDomains"
        with pytest.raises((OSError, http.client.HTTPException)):
            await trio.to_thread.run_sync(https.ask, None, "/commands/ruok")

    serving(tmp_path, {**https.settings, "admin.forceHttps": True}, then)


def test_with_port_unification_everybody_may(tmp_path: Path, https: Https) -> None:
    async def then() -> None:
        status, headers = await trio.to_thread.run_sync(https.ask, https.context(), "/commands/ruok")
        assert status == 200
        status, headers = await trio.to_thread.run_sync(https.ask, None, "/commands/ruok")
        assert status == 200
        assert "Strict-Transport-Security" not in headers

    serving(tmp_path, {**https.settings, "admin.portUnification": True}, then)


def test_with_need_client_auth_clients_show_certificates_which_are_identities(
    tmp_path: Path, https: Https
) -> None:
    bob = https.authority.issue("bob")
    asks = partial(https.ask, headers={"Authorization": "x509"})

    async def then() -> None:
        with pytest.raises((OSError, http.client.HTTPException)):
            await trio.to_thread.run_sync(https.ask, https.context(), "/commands/ruok")
        target = "/commands/snapshot?streaming=false"
        status, _ = await trio.to_thread.run_sync(asks, https.context(bob), target)
        assert status == 200

    settings = {
        **https.settings,
        "admin.forceHttps": True,
        "admin.needClientAuth": True,
        "authProvider.x509": "org.apache.zookeeper.server.auth.X509AuthenticationProvider",
    }
    serving(tmp_path, settings, then)


def test_a_key_that_cannot_be_used_ends_the_start(tmp_path: Path, https: Https) -> None:
    async def then() -> None:
        raise AssertionError("it has started")

    settings = {**https.settings, "admin.forceHttps": True, "ssl.quorum.keyStore.location": "/nowhere.pem"}
    with pytest.RaisesGroup(ConfigError, flatten_subgroups=True, allow_unwrapped=True):
        serving(tmp_path, settings, then)
