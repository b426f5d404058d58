"""Key stores and trust stores: JKS, PKCS12 and PEM files, as Java's ``X509Util`` reads them.

The type is what the key ``...Store.type`` says, else the file's extension (``KeyStoreFileType``). Java reads
JKS and PKCS12 files under either of these two names, so the file's first bytes decide between them.

Of a key store the first key is used; of a PKCS12 store those certificates count as trusted that are not of
the key's chain. PEM keys may be in the traditional format too, not only in
PKCS#8. Everything that can be wrong with a store is a ConfigError that names the key and the file.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ..setting import ConfigError
from .jks import MAGIC, JksError, read_jks

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from ..settings_table import Config

_BY_EXTENSION: Final = {".jks": "JKS", ".pem": "PEM", ".p12": "PKCS12", ".bcfks": "BCFKS"}
_STORE_BYTES_MAX: Final = 16 << 20
"""No store is that long; a mistyped path may be."""

_CERTIFICATE: Final = re.compile(
    rb"-+BEGIN\s+[^-]*CERTIFICATE[^-]*-+\s+([A-Za-z0-9+/=\s]+)-+END\s+[^-]*CERTIFICATE[^-]*-+"
)
_PRIVATE_KEY: Final = re.compile(
    rb"-+BEGIN\s+[^-]*PRIVATE\s+KEY[^-]*-+.*?-+END\s+[^-]*PRIVATE\s+KEY[^-]*-+", re.S
)


@dataclass(frozen=True, slots=True)
class StoreFile:
    """Where a store is and how to open it.

    Attributes:
        name: the common part of its keys, such as ``ssl.keyStore``, for messages.
        location: path of the file; empty for none.
        password: of the store and its keys.
        password_path: a file with the password, stronger than ``password``.
        type: JKS, PKCS12, PEM, or empty to go by the extension.
    """

    name: str
    location: str
    password: str = field(default="", repr=False)
    password_path: str = ""
    type: str = ""

    def error(self, problem: str) -> ConfigError:
        """An error about this file."""
        return ConfigError(f"{self.name}.location={self.location}: {problem}")


def member_stores(config: Config) -> tuple[StoreFile, StoreFile]:
    """The key store and the trust store of ``ssl.quorum.*``, which the admin server uses as well."""
    return (
        StoreFile(
            "ssl.quorum.keyStore",
            config.ssl_quorum_key_store_location,
            config.ssl_quorum_key_store_password,
            config.ssl_quorum_key_store_password_path,
            config.ssl_quorum_key_store_type,
        ),
        StoreFile(
            "ssl.quorum.trustStore",
            config.ssl_quorum_trust_store_location,
            config.ssl_quorum_trust_store_password,
            config.ssl_quorum_trust_store_password_path,
            config.ssl_quorum_trust_store_type,
        ),
    )


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A private key and the certificates that vouch for it.

    Attributes:
        key_pem: PKCS#8, not encrypted.
        chain_pem: the key's own certificate, then its issuers.
    """

    key_pem: bytes = field(repr=False)
    chain_pem: bytes


def read_key_store(store: StoreFile) -> KeyPair:
    """The key of a store. Raises ConfigError."""
    data, password = _read(store), _password(store)
    if _type_of(store) == "PEM":
        return _pem_key(store, data, password)
    if data.startswith(MAGIC):
        return _jks_key(store, data, password)
    key, own, others = _open_pkcs12(store, data, password)
    if key is None or own is None:
        raise store.error("there is no private key in it")
    return _key_pair(store, key, _chain(own, others))


def read_trust_store(store: StoreFile) -> list[bytes]:
    """The trusted certificates of a store, in DER; one at the least. Raises ConfigError."""
    data, password = _read(store), _password(store)
    if _type_of(store) == "PEM":
        found = _pem_certificates(store, data)
    elif data.startswith(MAGIC):
        try:
            found = read_jks(data, password, with_keys=False).trusted
        except JksError as error:
            raise store.error(str(error)) from None
    else:
        _, own, others = _open_pkcs12(store, data, password)
        chain = [] if own is None else _chain(own, others)
        found = [_der(certificate) for certificate in others if certificate not in chain]
    if not found:
        raise store.error("there is no trusted certificate in it")
    return found


# --- files and passwords ------------------------------------------------------------------------------------


def _read(store: StoreFile) -> bytes:
    try:
        with open(store.location, "rb") as file:
            data = file.read(_STORE_BYTES_MAX + 1)
    except OSError as error:
        raise store.error(error.strerror or str(error)) from None
    if len(data) > _STORE_BYTES_MAX:
        raise store.error("it is too long for a key store")
    return data


def _password(store: StoreFile) -> str:
    """The file's text without its last newline, or else the key's value (``SecretUtils``)."""
    if not store.password_path:
        return store.password
    try:
        with open(store.password_path, encoding="utf-8", newline="") as file:
            return file.read(1 << 16).removesuffix("\n")
    except OSError as error:
        problem = error.strerror or str(error)
    except UnicodeDecodeError:
        problem = "it is not UTF-8 text"
    raise ConfigError(f"{store.name}.passwordPath={store.password_path}: {problem}")


def _type_of(store: StoreFile) -> str:
    known = {"JKS", "PEM", "PKCS12"}
    if store.type:
        kind, where = store.type.upper(), f"{store.name}.type={store.type}"
    else:
        kind = _BY_EXTENSION.get(os.path.splitext(store.location)[1], "")
        where = f"{store.name}.location={store.location}"
        if not kind:
            raise ConfigError(
                f"{where}: it ends in none of .jks, .p12, .pem; set {store.name}.type to JKS, PKCS12 or PEM"
            )
    if kind == "BCFKS":
        raise ConfigError(f"{where}: stores of Bouncy Castle cannot be read; use JKS, PKCS12 or PEM")
    if kind not in known:
        raise ConfigError(f"{where}: expected JKS, PKCS12 or PEM")
    return kind


# --- formats ------------------------------------------------------------------------------------------------


def _pem_key(store: StoreFile, data: bytes, password: str) -> KeyPair:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    block = _PRIVATE_KEY.search(data)
    if block is None:
        raise store.error("there is no private key in it")
    try:
        key = load_pem_private_key(block.group(), password.encode() or None)
    except TypeError:
        raise store.error(
            f"its key is not encrypted, but {store.name}.password is set"
            if password
            else f"its key is encrypted, but {store.name}.password is not set"
        ) from None
    except Exception as error:
        problem = "the password is wrong, or the key is damaged" if password else _first_line(error)
        raise store.error(problem) from None
    certificates = _pem_certificates(store, data)
    if not certificates:
        raise store.error("there is no certificate in it")
    return _key_pair(store, key, [_certificate(store, der) for der in certificates])


def _pem_certificates(store: StoreFile, data: bytes) -> list[bytes]:
    try:
        return [base64.b64decode(block) for block in _CERTIFICATE.findall(data)]
    except binascii.Error:
        raise store.error("a certificate in it is damaged") from None


def _jks_key(store: StoreFile, data: bytes, password: str) -> KeyPair:
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    try:
        keys = read_jks(data, password, with_keys=True).keys
    except JksError as error:
        raise store.error(str(error)) from None
    if not keys:
        raise store.error("there is no private key in it")
    der, chain = keys[0]
    try:
        key = load_der_private_key(der, None)
    except Exception as error:
        raise store.error(f"its key cannot be read: {_first_line(error)}") from None
    return _key_pair(store, key, [_certificate(store, certificate) for certificate in chain])


def _open_pkcs12(
    store: StoreFile, data: bytes, password: str
) -> tuple[object | None, Certificate | None, list[Certificate]]:
    from cryptography.hazmat.primitives.serialization.pkcs12 import load_key_and_certificates

    try:
        return load_key_and_certificates(data, password.encode())
    except Exception:
        problem = "the password is wrong, or the file is damaged"
    raise store.error(problem if data[:1] == b"\x30" else "it is neither a JKS nor a PKCS12 store")


def _chain(own: Certificate, others: list[Certificate]) -> list[Certificate]:
    """The certificate and, as far as they are there, those that issued it."""
    chain = [own]
    while chain[-1].issuer != chain[-1].subject:
        issuers = [other for other in others if other.subject == chain[-1].issuer and other not in chain]
        if not issuers:
            break
        chain.append(issuers[0])
    return chain


def _key_pair(store: StoreFile, key: object, chain: list[Certificate]) -> KeyPair:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    if not isinstance(key, (RSAPrivateKey, EllipticCurvePrivateKey)):
        raise store.error("its key is neither RSA nor EC")
    if not chain:
        raise store.error("its key has no certificate")
    return KeyPair(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        b"".join(certificate.public_bytes(Encoding.PEM) for certificate in chain),
    )


def _certificate(store: StoreFile, der: bytes) -> Certificate:
    from cryptography.x509 import load_der_x509_certificate

    try:
        return load_der_x509_certificate(der)
    except ValueError:
        raise store.error("a certificate in it is damaged") from None


def _der(certificate: Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.DER)


def _first_line(error: BaseException) -> str:
    return str(error).split("\n")[0] or type(error).__name__
