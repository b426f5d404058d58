"""Protocol versions and cipher suites: Java's names for them, and OpenSSL's.

Suites of TLS 1.3 cannot be chosen one by one through Python's ``ssl``: that version is offered with all of
its three, or, where none of them is listed, not at all.
"""

from __future__ import annotations

import re
import ssl
from typing import Final

from ..setting import ConfigError

DEFAULT_PROTOCOL: Final = "TLSv1.3"
"""Of Java 11 and later (``X509Util.defaultTlsProtocol``)."""

PROTOCOLS: Final = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
"""Those on offer, older first."""

_OUTDATED: Final = frozenset({"SSLv2Hello", "SSLv3", "TLSv1", "TLSv1.1"})
"""Java knows them by name, and its security settings refuse them."""

TLS13_SUITES: Final = ("TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256")

_AES: Final = (
    "128_GCM_SHA256",
    "256_GCM_SHA384",
    "128_CBC_SHA256",
    "128_CBC_SHA",
    "256_CBC_SHA384",
    "256_CBC_SHA",
)
DEFAULT_SUITES: Final = tuple(
    f"TLS_ECDHE_{signature}_WITH_AES_{rest}" for rest in _AES for signature in ("ECDSA", "RSA")
)
"""For TLS 1.2 (``X509Util``, for Java 9 and later)."""

_NAME: Final = re.compile(
    r"TLS_(?:(?P<exchange>RSA|DHE_RSA|DHE_DSS|DH_anon|ECDHE_RSA|ECDHE_ECDSA|ECDH_RSA|ECDH_ECDSA))_WITH_"
    r"(?P<cipher>AES_128|AES_256|CHACHA20|ARIA_128|ARIA_256|CAMELLIA_128|CAMELLIA_256)_"
    r"(?P<mode>CBC|GCM|CCM|CCM_8|POLY1305)(?:_(?P<hash>SHA|SHA256|SHA384))?"
)


def enabled_protocols(text: str, *, key: str) -> list[str]:
    """The versions to offer out of a list like ``TLSv1.3,TLSv1.2``; outdated ones are left out.

    Raises ConfigError for an unknown name, and where nothing is left.
    """
    names = [name for name in text.split(",") if name]
    for name in names:
        if name not in PROTOCOLS and name not in _OUTDATED:
            raise ConfigError(f"{key}={text}: {name!r} is unknown; expected {', '.join(PROTOCOLS)}")
    found = [name for name in PROTOCOLS if name in names]
    if not found:
        raise ConfigError(f"{key}={text}: expected one of {', '.join(PROTOCOLS)}; older ones are not offered")
    return found


def openssl_name(suite: str) -> str | None:
    """OpenSSL's name of a suite before TLS 1.3 in IANA's spelling; None for those it never has."""
    match = _NAME.fullmatch(suite)
    if match is None:
        return None
    exchange, cipher, mode, digest = match.group("exchange", "cipher", "mode", "hash")
    parts = [] if exchange == "RSA" else [exchange.replace("DH_anon", "ADH").replace("_", "-")]
    if cipher == "CHACHA20":
        return "-".join([*parts, "CHACHA20-POLY1305"]) if mode == "POLY1305" else None
    parts.append(cipher.replace("AES_", "AES").replace("CAMELLIA_", "CAMELLIA").replace("ARIA_", "ARIA"))
    if mode in ("CCM", "CCM_8"):
        parts.append(mode.replace("_", ""))
    elif mode == "GCM":
        parts.append("GCM")
    if digest:
        parts.append(digest)
    return "-".join(parts)


def choose_suites(context: ssl.SSLContext, text: str, protocols: list[str], *, key: str) -> list[str]:
    """Offer only these suites, by Java's names; an empty text stands for Java's defaults.

    Returns the versions that can be offered with them. Raises ConfigError for a name that is unknown here,
    and where no version is left.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        context.set_ciphers(_cipher_string([openssl_name(suite) or "" for suite in DEFAULT_SUITES]))
        return protocols
    older = []
    for name in names:
        if name in TLS13_SUITES:
            continue
        translated = openssl_name(name.replace("SSL_", "TLS_", 1)) or name
        if not _exists(translated):
            raise ConfigError(f"{key}={text}: the cipher suite {name!r} is unknown here")
        older.append(translated)
    possible = {"TLSv1.2": bool(older), "TLSv1.3": len(older) < len(names)}
    left = [protocol for protocol in protocols if possible[protocol]]
    if not left:
        raise ConfigError(f"{key}={text}: none of these suites is of {' or '.join(protocols)}")
    if older:
        context.set_ciphers(_cipher_string(older))
    return left


def _cipher_string(names: list[str]) -> str:
    # Level 1 admits the keys that Java admits: RSA of 1024 bits and more.
    return ":".join([*names, "@SECLEVEL=1"])


def _exists(name: str) -> bool:
    """Whether OpenSSL has a suite of exactly this name; it also has words for groups of them."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.set_ciphers(f"{name}:@SECLEVEL=0")
    except ssl.SSLError:
        return False
    return any(cipher["name"] == name for cipher in context.get_ciphers())
