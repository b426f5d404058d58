"""SASL for client sessions: who may log in how, and the scheme ``sasl`` of ACLs.

``SaslLogin`` is what the JAAS section of a server comes to (``ServerCnxnFactory.configureSaslLogin``): a
mechanism and what it needs. ``SaslAuthProvider`` is the scheme, which ACLs only know where
``authProvider.<n>`` names it, as in the original. The exchange itself is in ``sasl_digest_md5``; who answers
tokens is in ``identification``.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from ...jute.data import Id
from .jaas import LoginModule
from .kerberos_name import KerberosName, NameRules, NoRule
from .provider import AuthFailed, Peer
from .sasl_digest_md5 import Credentials, DigestMd5Server, SaslBroken

USER_PREFIX: Final = "user_"
"""An option of a login module that begins so holds a user's password."""
SUPER_USER: Final = "super"


class SaslServer(Protocol):
    """One exchange with one client, whatever the mechanism."""

    @property
    def is_complete(self) -> bool:
        """Whether the client has proved who it is."""

    @property
    def user(self) -> str | None:
        """Its name, once that is so."""

    def evaluate(self, token: bytes) -> bytes | None:
        """The answer to a token. Raises SaslError, SaslBroken."""


class SaslLogin:
    """What a server's JAAS section lets clients do.

    Args:
        new_server: an exchange for a new connection, given a nonce.
        super_users: ``superUser`` and ``superUser.*``: identities that may do everything.
        rules: how names become identities.
    """

    def __init__(
        self,
        new_server: Callable[[bytes], SaslServer],
        *,
        super_users: frozenset[str] = frozenset(),
        rules: NameRules | None = None,
    ) -> None:
        self.new_server = new_server
        self._super_users = super_users
        self._rules = rules or NameRules()

    def identities_of(self, user: str) -> tuple[Id, ...]:
        """What a user who has proved the name becomes.

        Where the rules don't say, it is the name itself. The original takes what the client asked to act for,
        which nobody has checked. Raises SaslBroken for a name with a misplaced ``@``.
        """
        try:
            name = self._rules.identity_of(user)
        except NoRule:
            name = user
        except ValueError as error:
            raise SaslBroken(str(error)) from None
        identity = Id("sasl", name)
        return (identity, Id("super", "")) if name and name in self._super_users else (identity,)


def digest_credentials(modules: tuple[LoginModule, ...], super_password: str | None) -> Credentials:
    """Users and passwords of a JAAS section; `super_password` takes the place of that of a user ``super``."""
    passwords: dict[str, str] = {}
    for module in modules:
        for key, value in module.options.items():
            if key.startswith(USER_PREFIX):
                passwords[key.removeprefix(USER_PREFIX)] = value
    if super_password is not None and SUPER_USER in passwords:
        passwords[SUPER_USER] = super_password
    return Credentials(passwords)


def digest_login(
    credentials: Credentials, *, super_users: frozenset[str], rules: NameRules | None = None
) -> SaslLogin:
    """A login with DIGEST-MD5."""
    return SaslLogin(lambda nonce: DigestMd5Server(credentials, nonce), super_users=super_users, rules=rules)


def super_users_of(properties: Mapping[str, str]) -> frozenset[str]:
    """The values of ``zookeeper.superUser`` and ``zookeeper.superUser.<anything>``."""
    name = "zookeeper.superUser"
    return frozenset(value for key, value in properties.items() if key == name or key.startswith(f"{name}."))


class Nonces:
    """Nonces that nobody can foresee, from one secret.

    Args:
        secret: 32 random bytes.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._count = 0

    def next(self) -> bytes:
        """40 characters of base64, as the original's are."""
        self._count += 1
        digest = hmac.digest(self._secret, self._count.to_bytes(8, "big"), "sha256")
        return b64encode(digest[:30])


class SaslAuthProvider:
    """``SASLAuthenticationProvider``: the scheme ``sasl`` in ACLs.

    Args:
        everybody: ``letAnySaslUserDoX``: an entry for this name admits every SASL identity.
    """

    scheme = "sasl"
    is_authenticated = True

    def __init__(self, *, everybody: str | None = None) -> None:
        self._everybody = everybody

    def is_valid(self, acl_id: str) -> bool:
        try:
            KerberosName.parse(acl_id)
        except ValueError:
            return False
        return True

    def matches(self, identity: str, acl_id: str) -> bool:
        return identity in (SUPER_USER, acl_id) or (self._everybody is not None and acl_id == self._everybody)

    def authenticate(self, peer: Peer, auth: bytes | None) -> tuple[Id, ...]:
        raise AuthFailed("sasl is not for auth packets")

    def user_name(self, identity: str) -> str:
        return identity
