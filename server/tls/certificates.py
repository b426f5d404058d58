"""Certificates for tests and development: an authority, and what it signs, made on the spot.

They are valid for a day around now. Not for production: nothing here keeps a key safe.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import NameOID

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Certified:
    """A key and its certificate, with those that issued it."""

    key: EllipticCurvePrivateKey
    certificate: x509.Certificate
    issuers: tuple[x509.Certificate, ...] = ()

    @classmethod
    def authority(cls, name: str = "test authority") -> Self:
        """One that vouches for itself."""
        return cls._make(name, None, is_authority=True)

    def issue(
        self,
        name: str = "client",
        *,
        dns: tuple[str, ...] = (),
        addresses: tuple[str, ...] = (),
        expired: bool = False,
        is_authority: bool = False,
    ) -> Self:
        """One that this authority vouches for."""
        return self._make(name, self, dns, addresses, expired=expired, is_authority=is_authority)

    @classmethod
    def _make(
        cls,
        name: str,
        issuer: Certified | None,
        dns: tuple[str, ...] = (),
        addresses: tuple[str, ...] = (),
        *,
        expired: bool = False,
        is_authority: bool = False,
    ) -> Self:
        key = generate_private_key(SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        start = datetime.now(UTC) - (3 if expired else 1) * _DAY
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.certificate.subject if issuer else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + 2 * _DAY)
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        )
        names: list[x509.GeneralName] = [x509.DNSName(each) for each in dns]
        names += [x509.IPAddress(ip_address(each)) for each in addresses]
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(issuer.key if issuer else key, hashes.SHA256())
        chain = (issuer.certificate, *issuer.issuers) if issuer else ()
        return cls(key, certificate, chain)

    @property
    def der(self) -> bytes:
        """The certificate."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        """The certificate."""
        return self.certificate.public_bytes(Encoding.PEM)

    def key_pem(self, password: str = "") -> bytes:
        """The key, in PKCS#8."""
        encryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)

    def write_pem(self, path: Path, password: str = "") -> Path:
        """A PEM key store: the key and its chain."""
        chain = b"".join(each.public_bytes(Encoding.PEM) for each in self.issuers)
        path.write_bytes(self.key_pem(password) + self.pem + chain)
        return path

    def write_pkcs12(self, path: Path, password: str) -> Path:
        """A PKCS12 key store: the key and its chain."""
        encryption = BestAvailableEncryption(password.encode())
        path.write_bytes(
            pkcs12.serialize_key_and_certificates(
                b"key", self.key, self.certificate, list(self.issuers), encryption
            )
        )
        return path

    def write_trust(self, path: Path) -> Path:
        """A PEM trust store with this certificate alone."""
        path.write_bytes(self.pem)
        return path

    def client_context(
        self, folder: Path, certified: Certified | None = None, *versions: ssl.TLSVersion
    ) -> ssl.SSLContext:
        """For a client that trusts this authority and has, or has not, a certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(cadata=self.der)
        if certified is not None:
            path = certified.write_pem(folder / f"{id(certified)}.pem")
            context.load_cert_chain(path)
        if versions:
            context.minimum_version, context.maximum_version = versions[0], versions[-1]
        return context
