"""Scheme ``ip``: the remote address, matched against addresses with an optional prefix length."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from ...jute.data import Id
from ..java_text import java_host
from .provider import Peer

_DECIMAL = re.compile(r"[+-]?[0-9]{1,9}", re.ASCII)
_HEX_GROUP = re.compile(r"[0-9a-fA-F]{1,4}", re.ASCII)


class IpAuthProvider:
    """``IPAuthenticationProvider``: every connection has its own address as an identity from the start."""

    scheme = "ip"
    is_authenticated = False

    def is_valid(self, acl_id: str) -> bool:
        address, slash, bits = acl_id.partition("/")
        packed = _packed(address)
        return packed is not None and (not slash or _prefix_bits(bits, len(packed) * 8) is not None)

    def matches(self, identity: str, acl_id: str) -> bool:
        address, slash, prefix = acl_id.partition("/")
        wanted, remote = _packed(address), _packed(identity)
        if wanted is None or remote is None or len(wanted) != len(remote):
            return False
        width = len(wanted) * 8
        bits = _prefix_bits(prefix, width) if slash else width
        if bits is None:
            return False
        shift = width - bits
        return int.from_bytes(wanted, "big") >> shift == int.from_bytes(remote, "big") >> shift

    def authenticate(self, peer: Peer, auth: bytes | None) -> tuple[Id, ...]:
        """The address of the connection itself, whatever the packet says."""
        return (Id("ip", java_host(peer.remote_address[0])),)

    def user_name(self, identity: str) -> str:
        return identity


def _packed(address: str) -> bytes | None:
    """Address bytes as the original parses them: no mixed notation, leading zeros allowed in IPv4."""
    if ":" in address:
        if not all(_HEX_GROUP.fullmatch(group) for group in address.split(":") if group):
            return None
        try:
            return IPv6Address(address).packed
        except AddressValueError:
            return None
    parts = address.split(".")
    if len(parts) != 4 or not all(_DECIMAL.fullmatch(part) for part in parts):
        return None
    values = [int(part) for part in parts]
    if not all(0 <= value <= 255 for value in values):
        return None
    return IPv4Address(bytes(values)).packed


def _prefix_bits(text: str, width: int) -> int | None:
    if not _DECIMAL.fullmatch(text) or not 0 <= int(text) <= width:
        return None
    return int(text)
