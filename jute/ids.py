"""The integers that must not be mixed up, and how Java prints them."""

from __future__ import annotations

from typing import NewType

Zxid = NewType("Zxid", int)
"""Transaction id: epoch in the high 32 bits, counter in the low 32; signed 64 bits."""
SessionId = NewType("SessionId", int)
"""Session id, signed 64 bits; the top byte names the server that gave it."""
Epoch = NewType("Epoch", int)
"""A leader's epoch: the high half of its zxids."""
Sid = NewType("Sid", int)
"""Server id: the N of ``server.N``."""

_MASK_64 = (1 << 64) - 1


def hex64(value: int) -> str:
    """The value as ``Long.toHexString`` prints it: unsigned, lower case, no leading zeros or 0x."""
    return format(value & _MASK_64, "x")


def to_signed64(value: int) -> int:
    """Wrap to a signed 64-bit integer, as Java arithmetic does."""
    value &= _MASK_64
    return value - (1 << 64) if value >> 63 else value


def to_signed32(value: int) -> int:
    """Wrap to a signed 32-bit integer, as Java arithmetic does."""
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value


def epoch_of(zxid: Zxid) -> Epoch:
    """The epoch (high 32 bits) of a zxid."""
    return Epoch((zxid >> 32) & 0xFFFFFFFF)


def counter_of(zxid: Zxid) -> int:
    """The counter (low 32 bits) of a zxid."""
    return zxid & 0xFFFFFFFF


def make_zxid(epoch: Epoch, counter: int) -> Zxid:
    """Join an epoch and a counter into a zxid (``ZxidUtils.makeZxid``)."""
    return Zxid(to_signed64((epoch << 32) | (counter & 0xFFFFFFFF)))
