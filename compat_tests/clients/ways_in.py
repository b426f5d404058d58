"""The ways a Java client can come in: as anybody, over TLS with a certificate, with a user of SASL.

Each way is what the server is told, what the client's JVM is told, and where the client connects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..tls_lab import Lab
from .client_program import CLIENT_CLOCK, CLIENT_PROPERTIES

_DIGEST = "org.apache.zookeeper.server.auth.DigestLoginModule"


@dataclass(frozen=True)
class WayIn:
    """Settings and properties of the server, properties of the client, and another port for it."""

    settings: Mapping[str, str] = field(default_factory=lambda: CLIENT_CLOCK)
    properties: Mapping[str, str] = field(default_factory=lambda: CLIENT_PROPERTIES)
    client_properties: Mapping[str, str] = field(default_factory=dict)
    hosts: str | None = None


def as_anybody(folder: Path) -> WayIn:
    """An open port."""
    return WayIn()


def over_tls(folder: Path) -> WayIn:
    """A port of its own where both sides show certificates."""
    folder.mkdir()
    lab = Lab(folder)
    settings = {**CLIENT_CLOCK, **lab.settings(**{"ssl.enabledProtocols": "TLSv1.3,TLSv1.2"})}
    client = {
        "zookeeper.client.secure": "true",
        "zookeeper.clientCnxnSocket": "org.apache.zookeeper.ClientCnxnSocketNetty",
        "zookeeper.ssl.keyStore.location": str(lab.client.write_pkcs12(folder / "client.p12", "hush")),
        "zookeeper.ssl.keyStore.password": "hush",
        "zookeeper.ssl.trustStore.location": str(folder / "trust.pem"),
    }
    return WayIn(settings, CLIENT_PROPERTIES, client, f"localhost:{lab.secure_port}")


def with_sasl(folder: Path) -> WayIn:
    """The open port, where the server's JAAS file has a user and the client's a password (DIGEST-MD5)."""
    folder.mkdir()
    (folder / "server.conf").write_text(f'Server {{ {_DIGEST} required user_eve="pass"; }};\n')
    (folder / "client.conf").write_text(f'Client {{ {_DIGEST} required username="eve" password="pass"; }};\n')
    login = "java.security.auth.login.config"
    provider = {"authProvider.1": "org.apache.zookeeper.server.auth.SASLAuthenticationProvider"}
    # A client of 3.9 does not offer DIGEST-MD5 in its FIPS mode, which is on by default.
    client = {login: str(folder / "client.conf"), "zookeeper.fips-mode": "false"}
    return WayIn(
        {**CLIENT_CLOCK, **provider}, {**CLIENT_PROPERTIES, login: str(folder / "server.conf")}, client
    )


WAYS = {"as anybody": as_anybody, "over TLS": over_tls, "with SASL": with_sasl}
