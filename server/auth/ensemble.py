"""Scheme ``ensemble``: a client says which ensemble it wants, and is cut off if it has come to another."""

from __future__ import annotations

from ...jute.data import Id
from .provider import Disconnect, Peer


class EnsembleAuthProvider:
    """``EnsembleAuthenticationProvider``: proves nothing about the client, and stands in no ACL.

    Args:
        names: ``ensembleAuthName``: what this ensemble is called, separated by commas; None to ask nobody.
    """

    scheme = "ensemble"
    is_authenticated = False

    def __init__(self, *, names: str | None = None) -> None:
        self._names = None if names is None else frozenset(name.strip() for name in names.split(","))

    def is_valid(self, acl_id: str) -> bool:
        return False

    def matches(self, identity: str, acl_id: str) -> bool:
        return False

    def authenticate(self, peer: Peer, auth: bytes | None) -> tuple[Id, ...]:
        if not auth or self._names is None:
            return ()
        if auth.decode("utf-8", "replace") not in self._names:
            raise Disconnect("the client looks for another ensemble")
        return ()

    def user_name(self, identity: str) -> str:
        return identity
