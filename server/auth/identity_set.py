"""The identities of one connection, each once, in the order in which the original walks through them.

The order shows: where an ACL says ``auth``, the identities are put in its place one after the other, and
getACL tells. The original's set is a ``ConcurrentHashMap`` of ``Id`` (``ServerCnxn.authInfo``), so the order
is that of the hashes of ``Id.hashCode``, which jute defines, in a table of 16 places that doubles when three
quarters full.

Not here: what a table that grows does to the order of identities that fall into one place.
"""

from __future__ import annotations

from ...jute.data import Id


def joined(identities: tuple[Id, ...], earned: tuple[Id, ...]) -> tuple[Id, ...]:
    """All of both, each once."""
    everyone = tuple(dict.fromkeys(identities + earned))
    if len(everyone) < 2:
        return everyone
    places = 16
    while len(everyone) >= places * 3 // 4:
        places *= 2
    return tuple(sorted(everyone, key=lambda identity: _spread(_id_hash(identity)) & (places - 1)))


def _id_hash(identity: Id) -> int:
    """``Id.hashCode``."""
    return 37 * (37 * 17 + _string_hash(identity.scheme or "")) + _string_hash(identity.id or "")


def _string_hash(text: str) -> int:
    """``String.hashCode``, up to multiples of 2**32."""
    result = 0
    units = text.encode("utf-16-be", "surrogatepass")
    for at in range(0, len(units), 2):
        result = (result * 31 + (units[at] << 8 | units[at + 1])) & 0xFFFF_FFFF
    return result


def _spread(number: int) -> int:
    """``ConcurrentHashMap.spread``."""
    number &= 0xFFFF_FFFF
    return (number ^ number >> 16) & 0x7FFF_FFFF
