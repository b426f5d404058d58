"""Reads JKS, the key store format of Java before version 9.

    FEEDFEED, version, number of entries, entries, SHA-1 of (password, a constant, everything before)

An entry is a private key with its chain, or a trusted certificate. Keys are encrypted with a keystream of
SHA-1 digests (Sun's own algorithm, OID 1.3.6.1.4.1.42.2.17.1.1). Passwords count as UTF-16.

Not here: JCEKS, writing, and what is inside a key or a certificate.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from struct import Struct
from struct import error as StructError
from typing import Final

MAGIC: Final = b"\xfe\xed\xfe\xed"

_KEY, _CERTIFICATE = 1, 2
_DIGEST_BYTES: Final = 20
_SALT: Final = b"Mighty Aphrodite"
_U16, _U32 = Struct(">H"), Struct(">I")
_ALGORITHM: Final = bytes.fromhex("060a2b060104012a02110101")  # the OID, in DER


class JksError(Exception):
    """It is no JKS store, or the password is wrong. The message says which."""


@dataclass(frozen=True, slots=True)
class JksStore:
    """What is in a store, in the order of the file.

    Attributes:
        keys: each key as PKCS#8 in DER, with its chain of certificates in DER, its own first.
        trusted: certificates in DER.
    """

    keys: list[tuple[bytes, list[bytes]]] = field(default_factory=list, repr=False)
    trusted: list[bytes] = field(default_factory=list)


def read_jks(data: bytes, password: str, *, with_keys: bool) -> JksStore:
    """Everything in the store; keys are decrypted (and listed) only if asked for. Raises JksError."""
    secret = password.encode("utf-16-be", "surrogatepass")
    body, digest = data[:-_DIGEST_BYTES], data[-_DIGEST_BYTES:]
    if not data.startswith(MAGIC) or len(data) < 12 + _DIGEST_BYTES:
        raise JksError("it is not a JKS store")
    if not hmac.compare_digest(hashlib.sha1(secret + _SALT + body).digest(), digest):
        raise JksError("the password is wrong, or the file is damaged")
    try:
        return _entries(_Reader(body, 4), secret, with_keys=with_keys)
    except (StructError, IndexError):
        raise JksError("the file is damaged") from None


def _entries(reader: _Reader, secret: bytes, *, with_keys: bool) -> JksStore:
    version, count = reader.u32(), reader.u32()
    if version not in (1, 2):
        raise JksError(f"JKS version {version} is unknown")
    store = JksStore()
    for _ in range(count):
        tag = reader.u32()
        reader.text()  # the alias
        reader.take(8)  # when it was made
        if tag == _KEY:
            protected = reader.block()
            chain = [reader.certificate(version) for _ in range(reader.u32())]
            if with_keys:
                store.keys.append((_decrypted(protected, secret), chain))
        elif tag == _CERTIFICATE:
            store.trusted.append(reader.certificate(version))
        else:
            raise JksError(f"an entry of the unknown kind {tag}")
    return store


class _Reader:
    """Big-endian numbers and counted bytes; raises IndexError or struct.error at the end of the data."""

    def __init__(self, data: bytes, position: int) -> None:
        self._data = data
        self._position = position

    def take(self, count: int) -> bytes:
        start, end = self._position, self._position + count
        if end > len(self._data):
            raise IndexError
        self._position = end
        return self._data[start:end]

    def u32(self) -> int:
        return int(_U32.unpack(self.take(4))[0])

    def text(self) -> bytes:
        return self.take(_U16.unpack(self.take(2))[0])

    def block(self) -> bytes:
        return self.take(self.u32())

    def certificate(self, version: int) -> bytes:
        if version == 2:
            self.text()  # its type, always X.509
        return self.block()


def _decrypted(protected: bytes, secret: bytes) -> bytes:
    """The key inside an EncryptedPrivateKeyInfo: salt, key xor keystream, SHA-1 of (password, key)."""
    sequence = _der_value(protected, 0x30)
    algorithm = _der_value(sequence, 0x30)
    if not algorithm.startswith(_ALGORITHM):
        raise JksError("a key is encrypted by a method that JKS does not have")
    octets = _der_value(sequence[sequence.index(algorithm) + len(algorithm) :], 0x04)
    salt, hidden, check = octets[:20], octets[20:-20], octets[-20:]
    key = bytearray()
    block = salt
    for start in range(0, len(hidden), 20):
        block = hashlib.sha1(secret + block).digest()
        key += bytes(a ^ b for a, b in zip(hidden[start : start + 20], block, strict=False))
    if not hmac.compare_digest(hashlib.sha1(secret + key).digest(), check):
        raise JksError("the key has another password than the store")
    return bytes(key)


def _der_value(data: bytes, tag: int) -> bytes:
    """What is inside the DER element that the data begins with."""
    if data[0] != tag:
        raise IndexError
    length, start = data[1], 2
    if length & 0x80:
        count = length & 0x7F
        length, start = int.from_bytes(data[2 : 2 + count], "big"), 2 + count
    if start + length > len(data):
        raise IndexError
    return data[start : start + length]
