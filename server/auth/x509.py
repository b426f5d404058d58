"""Scheme ``x509``: a client's TLS certificate as its identity (``X509AuthenticationProvider``).

Whoever does TLS checks the certificate, then asks ``X509AuthProvider.identities_of`` for what it makes of the
client. The id is the subject's name, or a name that a pattern finds among the certificate's alternative
names (the ``ssl.x509.clientCertId*`` settings). Not here: trust, chains, revocation.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from ...jute.data import Id
from ..setting import ConfigError
from .provider import AuthFailed, Peer
from .x500_name import DerError, der_values, is_name, name_text, read_der

if TYPE_CHECKING:
    from ..settings_table import Config

_SAN_OID: Final = bytes.fromhex("551d11")
_SAN_TEXT_TYPES: Final = (1, 2, 6)
"""rfc822Name, dNSName and URI: text as it is."""
_log = logging.getLogger(__name__)


class SanId(NamedTuple):
    """Which alternative name is the id, and which part of it.

    Attributes:
        kind: type of the name, 0 to 8 as in RFC 5280; 6 is a URI.
        match: finds exactly one name of the kind.
        extract: what of it is the id.
        group: the group of ``extract`` that is meant.
    """

    kind: int
    match: re.Pattern[str]
    extract: re.Pattern[str]
    group: int

    @classmethod
    def of(cls, kind: int, match: str, extract: str, group: int) -> SanId:
        """Raises ConfigError."""
        if not 0 <= kind <= 8:
            raise ConfigError(f"ssl.x509.clientCertIdSanMatchType={kind}: expected a number from 0 to 8")
        patterns = []
        for key, text in (("Match", match), ("Extract", extract)):
            try:
                patterns.append(re.compile(text))
            except re.error as error:
                raise ConfigError(f"ssl.x509.clientCertIdSan{key}Regex={text}: {error}") from None
        return cls(kind, patterns[0], patterns[1], group)

    def id_of(self, names: tuple[tuple[int, str], ...]) -> str | None:
        """The id, or None when not exactly one name matches."""
        matching = [name for kind, name in names if kind == self.kind and self.match.search(name)]
        if len(matching) != 1:
            return None
        found = self.extract.search(matching[0])
        if found is None or not 0 <= self.group <= self.extract.groups:
            return None
        return found[self.group]


def san_id_of(config: Config) -> SanId | None:
    """Where a client's id is looked for before its subject; None for nowhere. Raises ConfigError."""
    if config.client_cert_id_type.upper() != "SAN":
        return None
    return SanId.of(
        config.client_cert_id_san_match_type,
        config.client_cert_id_san_match_regex,
        config.client_cert_id_san_extract_regex,
        config.client_cert_id_san_extract_group,
    )


class Certificate(NamedTuple):
    """What of a certificate can name a client."""

    subject: str
    """As Java prints it."""
    alternative_names: tuple[tuple[int, str], ...]
    """(type, name) of each."""

    @classmethod
    def parse(cls, der: bytes) -> Certificate:
        """Raises DerError."""
        try:
            return cls._parse(der)
        except IndexError:
            raise DerError("a part is missing") from None

    @classmethod
    def _parse(cls, der: bytes) -> Certificate:
        _, start, end = read_der(der, 0)
        _, start, end = read_der(der, start)
        fields = list(der_values(der, start, end))
        if fields and fields[0][0] == 0xA0:
            del fields[0]  # the version
        if len(fields) < 6:
            raise DerError("not a certificate")
        _, _, subject_start, subject_end = fields[4]
        extensions = next((field for field in fields[6:] if field[0] == 0xA3), None)
        names = () if extensions is None else tuple(_alternative_names(der, extensions[2]))
        return cls(name_text(der, subject_start, subject_end), names)


def _alternative_names(der: bytes, start: int) -> Iterator[tuple[int, str]]:
    _, start, end = read_der(der, start)
    for _, _, extension_start, extension_end in der_values(der, start, end):
        parts = list(der_values(der, extension_start, extension_end))
        if der[parts[0][2] : parts[0][3]] != _SAN_OID:
            continue
        _, names_start, names_end = read_der(der, parts[-1][2])  # inside the octet string
        for tag, _, content, after in der_values(der, names_start, names_end):
            kind = tag & 0x1F
            if kind in _SAN_TEXT_TYPES:
                yield kind, der[content:after].decode("latin-1")
            elif kind == 4:
                _, name_start, name_end = read_der(der, content)
                yield kind, name_text(der, name_start, name_end)
            elif kind == 7:
                yield kind, _address_text(der[content:after])


def _address_text(packed: bytes) -> str:
    if len(packed) == 4:
        return ".".join(map(str, packed))
    return ":".join(f"{int.from_bytes(packed[at : at + 2], 'big'):x}" for at in range(0, len(packed), 2))


class X509AuthProvider:
    """The scheme, and the way from a certificate to identities.

    Args:
        super_user: ``X509AuthenticationProvider.superUser``: the name that may do everything.
        san: where the id is looked for before the subject.
    """

    scheme = "x509"
    is_authenticated = True

    def __init__(self, *, super_user: str | None = None, san: SanId | None = None) -> None:
        self._super_user = super_user
        self._san = san

    def identities_of(self, certificate: bytes) -> tuple[Id, ...]:
        """What the owner of a trusted certificate (in DER) is; nobody if it can't be read."""
        try:
            names = Certificate.parse(certificate)
        except DerError as error:
            _log.warning("a client's certificate can't be read: %s", error)
            return ()
        name = None if self._san is None else self._san.id_of(names.alternative_names)
        if name is None:
            name = names.subject
        if self._super_user is not None and name == self._super_user:
            return (Id("super", name), Id("x509", name))
        return (Id("x509", name),)

    def is_valid(self, acl_id: str) -> bool:
        return is_name(acl_id)

    def matches(self, identity: str, acl_id: str) -> bool:
        return identity == acl_id or (self._super_user is not None and identity == self._super_user)

    def authenticate(self, peer: Peer, auth: bytes | None) -> tuple[Id, ...]:
        """The certificate speaks, not the packet: whoever came with one is told that all is well."""
        identities = tuple(identity for identity in peer.identities if identity.scheme == "x509")
        if not identities:
            raise AuthFailed("no client certificate")
        return identities

    def user_name(self, identity: str) -> str:
        return identity
