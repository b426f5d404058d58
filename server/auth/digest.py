"""Scheme ``digest``: ``user:password`` on the wire, ``user:base64(hash(user:password))`` in ACLs."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode

from ...jute.data import Id
from ...jute.wiretypes import decode_utf8
from .provider import AuthFailed, Peer


class DigestAuthProvider:
    """``DigestAuthenticationProvider``.

    Args:
        super_digest: ``superDigest``: who proves this identity is also ``super``; None for nobody.
        algorithm: ``digestAlg`` in Java's spelling, e.g. ``SHA1`` or ``SHA-256``.

    Raises ValueError for an algorithm that does not exist here.
    """

    scheme = "digest"
    is_authenticated = True

    def __init__(self, *, super_digest: str | None = None, algorithm: str = "SHA1") -> None:
        self._super_digest = None if super_digest is None else super_digest.encode()
        self._algorithm = _hashlib_name(algorithm)

    def is_valid(self, acl_id: str) -> bool:
        # Java's split(":") drops trailing empty parts, so "user:" has one part and "a:b:" has two.
        parts = acl_id.split(":")
        while parts and not parts[-1]:
            parts.pop()
        return len(parts) == 2

    def matches(self, identity: str, acl_id: str) -> bool:
        return identity == acl_id

    def authenticate(self, peer: Peer, auth: bytes | None) -> tuple[Id, ...]:
        """Only null fails: anything else is a user with a password, as in the original."""
        if auth is None:
            raise AuthFailed("null credentials")
        secret = decode_utf8(auth)
        hashed = hashlib.new(self._algorithm, secret.encode(), usedforsecurity=False).digest()
        digest = f"{secret.split(':', 1)[0]}:{b64encode(hashed).decode('ascii')}"
        identity = Id("digest", digest)
        if self._super_digest is not None and hmac.compare_digest(digest.encode(), self._super_digest):
            return (Id("super", ""), identity)
        return (identity,)

    def user_name(self, identity: str) -> str:
        return identity.split(":")[0]


def _hashlib_name(algorithm: str) -> str:
    name = algorithm.lower().replace("sha-", "sha").replace("sha3", "sha3_").replace("sha3_-", "sha3_")
    hashlib.new(name, usedforsecurity=False)
    return name
