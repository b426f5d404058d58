"""Version numbers: signed 32-bit counters that wrap, as in Java 3.9."""

from __future__ import annotations

from ..jute.ids import to_signed32
from .errors import BadVersion


def next_version(current: int, expected: int, path: str) -> int:
    """The version after a change that expects ``expected`` (-1: any). Raises BadVersion.

    Source: ``PrepRequestProcessor.checkAndIncVersion``; 3.10 skips -1, 3.9 does not.
    """
    if expected not in (-1, current):
        raise BadVersion(path)
    return to_signed32(current + 1) if current == 0x7FFFFFFF else current + 1
