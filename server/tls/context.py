"""From settings to an ``ssl.SSLContext``: what Java's ``X509Util`` makes of the keys ``ssl.*``.

One ``TlsSettings`` is one of Java's prefixes, ``ssl.`` for clients and ``ssl.quorum.`` for members.

Trust is OpenSSL's, not the Java machine's: any certificate of the trust store is an anchor, a root or not; a
certificate that has expired is refused even if it is in the trust store itself (Java lets that one pass).
Sessions are not resumed: every connection shows its certificate. Clients may not renegotiate.
"""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

from ..setting import ConfigError
from .ciphers import DEFAULT_PROTOCOL, PROTOCOLS, choose_suites, enabled_protocols
from .stores import StoreFile, read_key_store, read_trust_store

CLIENT_AUTH: Final = {"need": ssl.CERT_REQUIRED, "want": ssl.CERT_OPTIONAL, "none": ssl.CERT_NONE}


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """The keys of one prefix; texts as they are written, empty for what is not.

    Attributes:
        prefix: ``ssl.`` or ``ssl.quorum.``, for messages.
        client_auth: ``need``, ``want`` or ``none``.
        verifies_servers: whether a server's name or address must be in its certificate (for who dials).
        verifies_clients: whether a client's address must be in its certificate.
    """

    prefix: str
    key_store: StoreFile
    trust_store: StoreFile
    protocol: str = ""
    enabled_protocols: str = ""
    cipher_suites: str = ""
    client_auth: str = "need"
    verifies_servers: bool = True
    verifies_clients: bool = False

    @property
    def files(self) -> tuple[str, ...]:
        """The files that a context is made of."""
        stores = (self.key_store, self.trust_store)
        return tuple(path for store in stores for path in (store.location, store.password_path) if path)


def server_context(settings: TlsSettings) -> ssl.SSLContext:
    """For connections from others. Raises ConfigError."""
    context = _context(ssl.PROTOCOL_TLS_SERVER, settings)
    context.verify_mode = CLIENT_AUTH[settings.client_auth]
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    return context


def client_context(settings: TlsSettings) -> ssl.SSLContext:
    """For connections to others; their address is checked by the caller. Raises ConfigError."""
    context = _context(ssl.PROTOCOL_TLS_CLIENT, settings)
    context.check_hostname = False
    context.options |= ssl.OP_NO_RENEGOTIATION
    return context


def _context(purpose: int, settings: TlsSettings) -> ssl.SSLContext:
    prefix = settings.prefix
    if not settings.key_store.location:
        raise ConfigError(f"TLS needs a key: {settings.key_store.name}.location is not set")
    if find_spec("cryptography") is None:
        raise ConfigError("TLS needs the package `cryptography`: pip install 'zoolet[tls]'")
    context = ssl.SSLContext(purpose)
    if settings.enabled_protocols:
        protocols = enabled_protocols(settings.enabled_protocols, key=f"{prefix}enabledProtocols")
    else:
        protocols = enabled_protocols(settings.protocol or DEFAULT_PROTOCOL, key=f"{prefix}protocol")
    protocols = choose_suites(context, settings.cipher_suites, protocols, key=f"{prefix}ciphersuites")
    context.minimum_version = PROTOCOLS[protocols[0]]
    context.maximum_version = PROTOCOLS[protocols[-1]]
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    _load_key(context, settings.key_store)
    if settings.trust_store.location:
        _load_trusted(context, settings.trust_store)
    return context


def _load_key(context: ssl.SSLContext, store: StoreFile) -> None:
    pair = read_key_store(store)
    # OpenSSL takes keys from files only: this one is in memory, and nobody else can open it.
    file = os.memfd_create("zoolet-key", os.MFD_CLOEXEC)
    try:
        os.write(file, pair.key_pem + pair.chain_pem)
        context.load_cert_chain(f"/proc/self/fd/{file}")
    except ssl.SSLError as error:
        raise store.error(f"OpenSSL does not take its key: {what_failed(error)}") from None
    except OSError as error:
        raise store.error(f"OpenSSL cannot be given its key: {error.strerror}") from None
    finally:
        os.close(file)


def _load_trusted(context: ssl.SSLContext, store: StoreFile) -> None:
    trusted = read_trust_store(store)
    try:
        context.load_verify_locations(cadata=b"".join(trusted))
    except ssl.SSLError as error:
        raise store.error(f"OpenSSL does not take its certificates: {what_failed(error)}") from None


def what_failed(error: ssl.SSLError) -> str:
    """OpenSSL's reason in a few words, without the place in its source."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return str(error.verify_message)
    return (error.reason or str(error)).replace("_", " ").lower()
