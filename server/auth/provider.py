"""What an authentication scheme must answer (``AuthenticationProvider``)."""

from __future__ import annotations

from typing import Protocol

from ...jute.data import Id


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

    def authenticate(self, remote_address: str, auth: bytes) -> tuple[Id, ...]:
        """Identities that an auth packet earns; empty means failed."""

    def user_name(self, identity: str) -> str:
        """The part of an identity that may be shown (``whoAmI``)."""
