"""The table of settings, continued: encryption between the members of an ensemble.

What becomes of them is in `quorum.tls`, which is only imported where TLS is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from .setting import (
    BOOLEAN,
    MILLIS,
    TEXT,
    row,
)
from .settings_tls import CLIENT_AUTH

_quorum = partial(row, section="Ensemble")
_BY_EXTENSION = "by the extension: .jks, .p12 or .pem"


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)  # a part of Config, which has these
class QuorumTlsConfig:
    """Fields of `Config` about TLS between members."""

    # fmt: off
    ssl_quorum: bool = _quorum(
        "sslQuorum", BOOLEAN, False, "Whether this member uses TLS with the others."
    )
    quorum_port_unification: bool = _quorum(
        "portUnification", BOOLEAN, False,
        "Whether it takes members with TLS and without, for the time of a change."
    )
    ssl_quorum_reload: bool = _quorum(
        "sslQuorumReloadCertFiles", BOOLEAN, False,
        "Whether changed key and trust stores are read again; connections stay."
    )
    fips_mode: bool = _quorum(
        "fips-mode", BOOLEAN, True,
        "`true` switches ssl.quorum.hostnameVerification off, as in Java."
    )
    ssl_quorum_key_store_location: str = _quorum(
        "ssl.quorum.keyStore.location", TEXT, "", "The file with this member's key and certificate."
    )
    ssl_quorum_key_store_password: str = _quorum(
        "ssl.quorum.keyStore.password", TEXT, "", "Its password.", secret=True
    )
    ssl_quorum_key_store_password_path: str = _quorum(
        "ssl.quorum.keyStore.passwordPath", TEXT, "", "A file with its password, stronger than the password."
    )
    ssl_quorum_key_store_type: str = _quorum(
        "ssl.quorum.keyStore.type", TEXT, "", "`JKS`, `PKCS12` or `PEM`.", written=_BY_EXTENSION
    )
    ssl_quorum_trust_store_location: str = _quorum(
        "ssl.quorum.trustStore.location", TEXT, "",
        "The file with the certificates that those of the members must come from."
    )
    ssl_quorum_trust_store_password: str = _quorum(
        "ssl.quorum.trustStore.password", TEXT, "", "Its password.", secret=True
    )
    ssl_quorum_trust_store_password_path: str = _quorum(
        "ssl.quorum.trustStore.passwordPath", TEXT, "",
        "A file with its password, stronger than the password."
    )
    ssl_quorum_trust_store_type: str = _quorum(
        "ssl.quorum.trustStore.type", TEXT, "", "`JKS`, `PKCS12` or `PEM`.", written=_BY_EXTENSION
    )
    ssl_quorum_client_auth: str = _quorum(
        "ssl.quorum.clientAuth", CLIENT_AUTH, "need",
        "Whether members that call must show a certificate (`need`), may (`want`), or are not asked (`none`)."
    )
    ssl_quorum_protocol: str = _quorum(
        "ssl.quorum.protocol", TEXT, "TLSv1.3", "The newest TLS version on offer; those before it are, too."
    )
    ssl_quorum_enabled_protocols: str = _quorum(
        "ssl.quorum.enabledProtocols", TEXT, "", "The TLS versions on offer, separated by commas.",
        written="ssl.quorum.protocol",
    )
    ssl_quorum_cipher_suites: str = _quorum(
        "ssl.quorum.ciphersuites", TEXT, "", "Cipher suites by their IANA names, separated by commas.",
        written="those of Java 17",
    )
    ssl_quorum_hostname_verification: bool = _quorum(
        "ssl.quorum.hostnameVerification", BOOLEAN, True,
        "Whether a member's certificate must name its host, if fips-mode is off."
    )
    ssl_quorum_client_hostname_verification: bool = _quorum(
        "ssl.quorum.clientHostnameVerification", BOOLEAN, True,
        "Whether that of a member that calls must name its address, if the others must."
    )
    ssl_quorum_handshake_timeout_ms: int = _quorum(
        "ssl.quorum.handshakeDetectionTimeoutMillis", MILLIS, 5000,
        "How long a TLS handshake between members may take, from the first byte on.",
    )
    # fmt: on

    @property
    def uses_tls_between_members(self) -> bool:
        """Whether any member may come with TLS, or is called with it."""
        return self.ssl_quorum or self.quorum_port_unification
