"""Scheme ``key``: the original's sample of a provider that looks into the tree."""

from __future__ import annotations

import re
from collections.abc import Callable

from ...jute.data import Id
from .provider import AuthFailed, Peer

_INT = re.compile(r"[+-]?[0-9]+", re.ASCII)


class KeyAuthProvider:
    """``KeyAuthenticationProvider``: whoever says a multiple of the number in ``/key`` comes in.

    Args:
        key: what ``/key`` holds, None while there is no such node; then everybody comes in.
    """

    scheme = "key"
    is_authenticated = True

    def __init__(self, key: Callable[[], bytes | None]) -> None:
        self._key = key

    def is_valid(self, acl_id: str) -> bool:
        return True

    def matches(self, identity: str, acl_id: str) -> bool:
        return identity == acl_id

    def authenticate(self, peer: Peer, auth: bytes | None) -> tuple[Id, ...]:
        if auth is None:
            raise AuthFailed("no number")
        key = self._key()
        if key is not None:
            numbers = [data.decode("utf-8", "replace") for data in (key, auth)]
            if not all(_INT.fullmatch(number) and abs(int(number)) < 2**31 for number in numbers):
                raise AuthFailed("not a number")
            wanted, said = map(int, numbers)
            if wanted and said % wanted:
                raise AuthFailed("not a multiple")
        return (Id("key", ""),)

    def user_name(self, identity: str) -> str:
        return identity
