"""The table of settings, continued: encryption of connections from clients, and certificates.

What becomes of them is in the folder `tls`, which is only imported where TLS is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final

from .setting import (
    BOOLEAN,
    COUNT,
    MILLIS,
    TEXT,
    Kind,
    Status,
    row,
)

_security = partial(row, section="Security")


def _parse_client_auth(text: str) -> str:
    word = text.lower() or "need"
    if word not in ("need", "want", "none"):
        raise ValueError("expected need, want or none")
    return word


CLIENT_AUTH: Final = Kind("need/want/none", _parse_client_auth)


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)  # a part of Config, which has these
class TlsConfig:
    """Fields of `Config` about TLS for clients."""

    # fmt: off
    client_port_unification: bool = _security(
        "client.portUnification", BOOLEAN, False, "Whether `clientPort` takes clients with TLS, too."
    )
    client_cert_reload: bool = _security(
        "client.certReload", BOOLEAN, False,
        "Whether changed key and trust stores are read again; connections stay."
    )
    ssl_key_store_location: str = _security(
        "ssl.keyStore.location", TEXT, "", "The file with the server's key and certificate. TLS needs one."
    )
    ssl_key_store_password: str = _security(
        "ssl.keyStore.password", TEXT, "", "Its password.", secret=True
    )
    ssl_key_store_password_path: str = _security(
        "ssl.keyStore.passwordPath", TEXT, "", "A file with its password, stronger than the password itself."
    )
    ssl_key_store_type: str = _security(
        "ssl.keyStore.type", TEXT, "", "`JKS`, `PKCS12` or `PEM`.",
        written="by the extension: .jks, .p12 or .pem",
    )
    ssl_trust_store_location: str = _security(
        "ssl.trustStore.location", TEXT, "",
        "The file with the certificates that clients' certificates must come from."
    )
    ssl_trust_store_password: str = _security(
        "ssl.trustStore.password", TEXT, "", "Its password.", secret=True
    )
    ssl_trust_store_password_path: str = _security(
        "ssl.trustStore.passwordPath", TEXT, "",
        "A file with its password, stronger than the password itself."
    )
    ssl_trust_store_type: str = _security(
        "ssl.trustStore.type", TEXT, "", "`JKS`, `PKCS12` or `PEM`.",
        written="by the extension: .jks, .p12 or .pem",
    )
    ssl_client_auth: str = _security(
        "ssl.clientAuth", CLIENT_AUTH, "need",
        "Whether clients must show a certificate (`need`), may (`want`), or are not asked (`none`)."
    )
    ssl_auth_provider: str = _security(
        "ssl.authProvider", TEXT, "x509", "The scheme that makes identities of certificates."
    )
    ssl_protocol: str = _security("ssl.protocol", TEXT, "TLSv1.3", "The TLS version on offer.")
    ssl_enabled_protocols: str = _security(
        "ssl.enabledProtocols", TEXT, "", "The TLS versions on offer, separated by commas.",
        written="ssl.protocol",
    )
    ssl_cipher_suites: str = _security(
        "ssl.ciphersuites", TEXT, "", "Cipher suites by their IANA names, separated by commas.",
        written="those of Java 17",
    )
    ssl_hostname_verification: bool = _security(
        "ssl.hostnameVerification", BOOLEAN, True,
        "`false` switches ssl.clientHostnameVerification off as well."
    )
    ssl_client_hostname_verification: bool = _security(
        "ssl.clientHostnameVerification", BOOLEAN, False,
        "Whether a client's certificate must name the address it comes from."
    )
    outstanding_handshake_limit: int = _security(
        "netty.server.outstandingHandshake.limit", COUNT, -1,
        "TLS handshakes under way above which further connections are closed; 0 or less for no limit."
    )
    ssl_handshake_detection_timeout_ms: int = _security(
        "ssl.handshakeDetectionTimeoutMillis", MILLIS, 5000,
        "Of no use for clients, as in Java: handshakes end with nio.sessionlessCnxnTimeout.",
        status=Status.ACCEPTED,
    )
    # fmt: on
