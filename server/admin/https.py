"""HTTPS for commands: whoever connects uses TLS, or may (`admin.forceHttps`, `admin.portUnification`).

The certificate is that of the member among members (`ssl.quorum.*`), as with Java's server; with
`admin.needClientAuth` clients must have one that the same trust store knows, which then is an identity of the
scheme `x509`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ..endpoint import Accept, Dirty, Endpoint
from ..settings_table import Config
from ..tls.context import TlsSettings
from ..tls.endpoint import TlsEndpoint
from ..tls.reload import ContextSource
from ..tls.stores import member_stores
from .http_ports import HttpListener

if TYPE_CHECKING:
    from .http_endpoint import HttpEndpoint

_log = logging.getLogger(__name__)


def settings_of(config: Config) -> TlsSettings:
    """The stores of `ssl.quorum.*`; what else is said there is about members."""
    key_store, trust_store = member_stores(config)
    return TlsSettings(
        prefix="ssl.quorum.",
        key_store=key_store,
        trust_store=trust_store,
        enabled_protocols="TLSv1.2,TLSv1.3",
        client_auth="need" if config.admin_need_client_auth else "none",
    )


def accepting(config: Config, listener: HttpListener, dirty: Dirty) -> Accept:
    """The same acceptance for connections that use TLS, or may. Raises ConfigError for unusable stores."""
    source = ContextSource(settings_of(config), reloads=config.ssl_quorum_reload)
    may_be_plain = not config.admin_force_https

    def accept(remote_address: tuple[str, int]) -> Endpoint | None:
        inner = listener.accept(remote_address)
        if inner is None:
            return None
        guard = _Guard(inner, remote_address)
        return TlsEndpoint(inner, source.context, dirty, may_be_plain=may_be_plain, guard=guard)

    return accept


class _Guard:
    """Tells a connection who is at its other end."""

    def __init__(self, endpoint: HttpEndpoint, remote_address: tuple[str, int]) -> None:
        self._endpoint = endpoint
        self._remote_address = remote_address

    def secured(self, endpoint: TlsEndpoint) -> str:
        self._endpoint.is_secure = True
        self._endpoint.certificate = endpoint.peer_certificate
        return ""

    def failed(self, reason: str) -> None:
        _log.warning("TLS handshake over HTTP with %s:%d failed: %s", *self._remote_address, reason)

    def plain(self) -> None:
        pass
