"""TLS for clients: from the configuration to connections, and from a certificate to identities.

As Java's ``NettyServerCnxnFactory``: what a client's certificate says is settled before its first request,
and a certificate that earns no identity ends the connection before there is a session (ZOOKEEPER-3905). A
client without a certificate, where it may have none, is like one without TLS.

The names that a certificate must have where a client's address is checked are never looked up in DNS: a
client's address must itself be in its certificate (CVE-2026-24281).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from ipaddress import ip_address

from ...jute.data import Id
from ..auth.provider import AuthFailed
from ..connection import ServerConnection
from ..endpoint import Accept, Endpoint
from ..identification import identify
from ..settings_table import Config
from .context import TlsSettings
from .endpoint import TlsEndpoint
from .names import is_for_address
from .reload import ContextSource
from .stores import StoreFile

_log = logging.getLogger(__name__)

IdentitiesOf = Callable[[bytes], tuple[Id, ...]]
AcceptClient = Callable[[tuple[str, int]], ServerConnection | None]


def settings_of(config: Config) -> TlsSettings:
    """The keys ``ssl.*``."""
    return TlsSettings(
        prefix="ssl.",
        key_store=StoreFile(
            "ssl.keyStore",
            config.ssl_key_store_location,
            config.ssl_key_store_password,
            config.ssl_key_store_password_path,
            config.ssl_key_store_type,
        ),
        trust_store=StoreFile(
            "ssl.trustStore",
            config.ssl_trust_store_location,
            config.ssl_trust_store_password,
            config.ssl_trust_store_password_path,
            config.ssl_trust_store_type,
        ),
        protocol=config.ssl_protocol,
        enabled_protocols=config.ssl_enabled_protocols,
        cipher_suites=config.ssl_cipher_suites,
        client_auth=config.ssl_client_auth,
        verifies_servers=config.ssl_hostname_verification,
        verifies_clients=config.ssl_hostname_verification and config.ssl_client_hostname_verification,
    )


class TlsClients:
    """Takes connections from clients that use TLS. Raises ConfigError for stores that can't be used.

    Args:
        config: settings.
        accept: takes a connection as if it were plain; None if there are too many.
    """

    def __init__(self, config: Config, accept: AcceptClient) -> None:
        settings = settings_of(config)
        self._accept = accept
        self._source = ContextSource(settings, reloads=config.client_cert_reload)
        self._handshakes_max = config.outstanding_handshake_limit
        self.checks_address = settings.verifies_clients
        self.scheme = config.ssl_auth_provider
        self.asks_for_certificates = settings.client_auth != "none"

    def accept_plain(self, remote_address: tuple[str, int]) -> Endpoint | None:
        """A connection on a port without TLS, which is counted where others have it."""
        connection = self._accept(remote_address)
        if connection is not None:
            _count_plain(connection)
        return connection

    def accept_secure(self, remote_address: tuple[str, int]) -> Endpoint | None:
        """A connection on the port where everybody uses TLS."""
        return self._guarded(self._accept(remote_address), on_secure_port=True)

    def accept_either(self, remote_address: tuple[str, int]) -> Endpoint | None:
        """A connection on the port that takes both."""
        connection = self._accept(remote_address)
        if connection is not None:
            _count_plain(connection)  # as the original does, which does not know yet
        return self._guarded(connection, on_secure_port=False)

    def _guarded(self, connection: ServerConnection | None, *, on_secure_port: bool) -> Endpoint | None:
        if connection is None:
            return None
        core = connection.core
        limited = self._handshakes_max > 0
        if limited and core.stats.tls_handshakes >= self._handshakes_max:
            core.database.metrics.add("tls_handshake_exceeded")
            connection.closed()
            return None
        connection.is_secure = on_secure_port
        guard = _ClientGuard(self, connection, counts=limited)
        context, may_be_plain = self._source.context, not on_secure_port
        return TlsEndpoint(connection, context, core.dirty, may_be_plain=may_be_plain, guard=guard)


class _ClientGuard:
    """Lets one client in, or does not."""

    __slots__ = ("_clients", "_connection", "_counts")

    def __init__(self, clients: TlsClients, connection: ServerConnection, *, counts: bool) -> None:
        self._clients = clients
        self._connection = connection
        self._counts = counts
        if counts:
            connection.core.stats.tls_handshakes += 1

    def secured(self, endpoint: TlsEndpoint) -> str:
        """Identities for a certificate; why the connection ends, if it does."""
        self.plain()
        certificate = endpoint.peer_certificate if self._clients.asks_for_certificates else None
        if certificate is None:
            return ""
        connection = self._connection
        host, port = connection.remote_address
        scheme = self._clients.scheme
        identities_of: IdentitiesOf | None = getattr(
            connection.core.access.providers.get(scheme), "identities_of", None
        )
        try:
            if self._clients.checks_address and not is_for_address(certificate, host):
                raise AuthFailed(f"its certificate is not for {host}")
            if identities_of is None:
                raise AuthFailed(f"there is no scheme {scheme} that knows certificates")
            identify(connection, identities_of(certificate))
        except AuthFailed as failure:
            _log.warning("client %s:%d is refused: %s", host, port, failure)
            connection.core.stats.auth_failed_count += 1
            return str(failure)
        return ""

    def failed(self, reason: str) -> None:
        """The handshake came to nothing."""
        self.plain()
        _log.warning("TLS handshake with %s:%d failed: %s", *self._connection.remote_address, reason)
        core = self._connection.core
        core.stats.auth_failed_count += 1
        core.database.metrics.add("unsuccessful_handshake")

    def plain(self) -> None:
        """There is no handshake any more."""
        if self._counts:
            self._connection.core.stats.tls_handshakes -= 1


def _count_plain(connection: ServerConnection) -> None:
    stats, host = connection.core.stats, connection.remote_address[0]
    if ip_address(host).is_loopback:
        stats.non_mtls_local_count += 1
    else:
        stats.non_mtls_remote_count += 1


def acceptors(config: Config, accept: AcceptClient) -> tuple[Accept, Accept | None]:
    """Who takes the connections of the plain port, and of the secure one if there is one."""
    clients = TlsClients(config, accept)
    plain = clients.accept_either if config.client_port_unification else clients.accept_plain
    return plain, clients.accept_secure if config.secure_client_port >= 0 else None
