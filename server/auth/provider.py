"""What an authentication scheme must answer (``AuthenticationProvider``), also one of your own.

A class with these attributes and methods, that can be made without arguments, may be named in zoo.cfg:
``authProvider.1=my_module:MyProvider``.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from ...jute.data import Id


class AuthFailed(Exception):
    """An auth packet proves nothing: it is answered with AuthFailed, then the connection closes."""


class Disconnect(Exception):
    """The connection closes without an answer, so that the client tries another server."""


class Peer(Protocol):
    """The connection that an auth packet came in on."""

    @property
    def remote_address(self) -> tuple[str, int]:
        """Numeric host and port."""

    @property
    def identities(self) -> tuple[Id, ...]:
        """Whom it has proved to be so far."""


class Caller(NamedTuple):
    """A ``Peer`` that is no connection of a client: somebody at the admin server, or in a test."""

    remote_address: tuple[str, int]
    identities: tuple[Id, ...] = ()


class AuthProvider(Protocol):
    """One scheme. Ids are plain strings, as they stand in an ACL."""

    @property
    def scheme(self) -> str:
        """Name in ACLs and auth packets."""

    @property
    def is_authenticated(self) -> bool:
        """Whether an identity of this scheme counts for ACLs of scheme ``auth``."""

    def is_valid(self, acl_id: str) -> bool:
        """May this id stand in an ACL?"""

    def matches(self, identity: str, acl_id: str) -> bool:
        """Does the connection's identity satisfy the ACL entry's id?"""

    def authenticate(self, peer: Peer, auth: bytes | None) -> tuple[Id, ...]:
        """Identities that an auth packet earns; none may be fine, too. Raises AuthFailed, Disconnect."""

    def user_name(self, identity: str) -> str:
        """The part of an identity that may be shown (``whoAmI``)."""
