"""TLS between members, on election and quorum connections, whoever made them.

As Java's ``QuorumX509Util`` and ``UnifiedServerSocket``: with ``sslQuorum`` every connection made from here
uses TLS; with ``portUnification`` whoever comes may use it or not. Nothing else changes: an endpoint is
wrapped, and what is said on it is the same.

Names are checked as far as the original does: not in its FIPS mode, which is the default; without it, who is
called must have the host that was called in its certificate, and who calls its address. No name is looked up
for an address (CVE-2026-24281).
"""

from __future__ import annotations

import logging

from ..server.endpoint import Accept, Dirty, Endpoint
from ..server.settings_table import Config
from ..server.tls.context import TlsSettings, client_context, server_context
from ..server.tls.endpoint import Phase, TlsEndpoint
from ..server.tls.names import is_for_address, is_for_name
from ..server.tls.reload import ContextSource
from ..server.tls.stores import member_stores

_log = logging.getLogger(__name__)


def settings_of(config: Config) -> TlsSettings:
    """The keys ``ssl.quorum.*``."""
    checks_names = config.ssl_quorum_hostname_verification and not config.fips_mode
    protocol = config.ssl_quorum_protocol
    key_store, trust_store = member_stores(config)
    return TlsSettings(
        prefix="ssl.quorum.",
        key_store=key_store,
        trust_store=trust_store,
        # Unlike those of clients, connections of members may also use the versions before it.
        protocol="TLSv1.2,TLSv1.3" if protocol == "TLSv1.3" else protocol,
        enabled_protocols=config.ssl_quorum_enabled_protocols,
        cipher_suites=config.ssl_quorum_cipher_suites,
        client_auth=config.ssl_quorum_client_auth,
        verifies_servers=checks_names,
        verifies_clients=checks_names and config.ssl_quorum_client_hostname_verification,
    )


class MemberTls:
    """Wraps the endpoints of members. Raises ConfigError for stores that can't be used.

    Args:
        config: settings.
        dirty: where endpoints with output put themselves.
        now_ms: the time; ``tick`` tells it from then on.
    """

    def __init__(self, config: Config, dirty: Dirty, now_ms: int) -> None:
        settings, reloads = settings_of(config), config.ssl_quorum_reload
        self._dials = config.ssl_quorum
        self._may_be_plain = config.quorum_port_unification
        self._verifies_servers = settings.verifies_servers
        self._verifies_clients = settings.verifies_clients
        self._dirty = dirty
        self._now_ms = now_ms
        self._handshake_ms = config.ssl_quorum_handshake_timeout_ms
        self._handshakes: dict[TlsEndpoint, int] = {}
        """Those that were not over when last looked at, with the time at which they are given up."""
        self._called = ContextSource(settings, reloads=reloads, make=server_context)
        self._calling = ContextSource(settings, reloads=reloads, make=client_context)

    def accepting(self, accept: Accept) -> Accept:
        """The same acceptance for connections that use TLS, or may."""

        def accept_tls(address: tuple[str, int]) -> Endpoint | None:
            endpoint = accept(address)
            if endpoint is None:
                return None
            guard = _CallerGuard(address, checks=self._verifies_clients)
            context, may_be_plain = self._called.context, self._may_be_plain
            wrapped = TlsEndpoint(endpoint, context, self._dirty, may_be_plain=may_be_plain, guard=guard)
            self._handshakes[wrapped] = self._now_ms + self._handshake_ms
            return wrapped

        return accept_tls

    def dialled(self, endpoint: Endpoint, address: tuple[str, int]) -> Endpoint:
        """What to serve on a connection that was made from here to this address."""
        if not self._dials:
            return endpoint
        guard = _CalledGuard(address, checks=self._verifies_servers)
        # It has something to say at once.
        self._dirty[endpoint] = None
        wrapped = TlsEndpoint(endpoint, self._calling.context, self._dirty, dials=True, guard=guard)
        self._handshakes[wrapped] = self._now_ms + self._handshake_ms
        return wrapped

    def tick(self, now_ms: int) -> None:
        """Give up the handshakes that take too long."""
        self._now_ms = now_ms
        for endpoint, deadline_ms in list(self._handshakes.items()):
            if endpoint.phase not in (Phase.DETECTING, Phase.HANDSHAKE):
                del self._handshakes[endpoint]
            elif deadline_ms <= now_ms:
                del self._handshakes[endpoint]
                endpoint.abort("it took too long")


class _CalledGuard:
    """Looks at the certificate of a member that was called."""

    def __init__(self, address: tuple[str, int], *, checks: bool) -> None:
        self._host, self._port = address
        self._checks = checks

    def is_named(self, certificate: bytes) -> bool:
        """Whether the certificate is for the host."""
        return is_for_name(certificate, self._host)

    def secured(self, endpoint: TlsEndpoint) -> str:
        """Why the connection ends, or empty to go on."""
        certificate = endpoint.peer_certificate
        if self._checks and certificate is not None and not self.is_named(certificate):
            reason = f"its certificate is not for {self._host}"
            _log.warning("member %s:%d is refused: %s", self._host, self._port, reason)
            return reason
        return ""

    def failed(self, reason: str) -> None:
        """The handshake came to nothing."""
        _log.warning("TLS handshake with member %s:%d failed: %s", self._host, self._port, reason)

    def plain(self) -> None:
        """There is no TLS, and need not be."""


class _CallerGuard(_CalledGuard):
    """Looks at the certificate of a member that called, whose name is not known."""

    def is_named(self, certificate: bytes) -> bool:
        """Whether the certificate is for the address."""
        return is_for_address(certificate, self._host)
