"""In which order Java's maps list their keys: members in /zookeeper/config, keys in a rewritten zoo.cfg.

Java prints a configuration as its maps happen to iterate. The order is the same in every Java since 9 and
visible to clients, so it is computed here: `HashMap<Long, ...>` and `Properties` (a `ConcurrentHashMap` of
strings), filled with nothing ever removed. Not here: bins that became trees (nine keys of one bin in a table
of 64 and more).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_FIRST_CAPACITY: Final = 16  # of new HashMap() and of the ConcurrentHashMap(8) inside Properties
_TREEIFY_THRESHOLD: Final = 8
_MIN_TREEIFY_CAPACITY: Final = 64


def hash_map_order(keys: Iterable[int]) -> list[int]:
    """`HashMap<Long, ?>`: the keys in iteration order, having been put in the order given."""
    capacity = _FIRST_CAPACITY
    bins: dict[int, list[int]] = {}
    for size, key in enumerate(dict.fromkeys(keys), start=1):
        hashed = _spread_long(key)
        chain = bins.setdefault(hashed & (capacity - 1), [])
        chain.append(key)
        wider = 2 if len(chain) > _TREEIFY_THRESHOLD and capacity < _MIN_TREEIFY_CAPACITY else 1
        while size > capacity * wider * 3 // 4:
            wider *= 2
        if wider > 1:
            capacity *= wider
            # A bin is split in two, each in its old order.
            everything = [key for at in sorted(bins) for key in bins[at]]
            bins = {}
            for old in everything:
                bins.setdefault(_spread_long(old) & (capacity - 1), []).append(old)
    return [key for at in sorted(bins) for key in bins[at]]


def properties_order(keys: Iterable[str]) -> list[str]:
    """`Properties`: the keys in iteration order, having been put in the order given."""
    capacity = _FIRST_CAPACITY
    bins: dict[int, list[str]] = {}
    for size, key in enumerate(dict.fromkeys(keys), start=1):
        bins.setdefault(_spread_string(key) & (capacity - 1), []).append(key)
        if size >= capacity * 3 // 4:
            bins = _transfer(bins, capacity)
            capacity *= 2
    return [key for at in sorted(bins) for key in bins[at]]


def _transfer(bins: dict[int, list[str]], capacity: int) -> dict[int, list[str]]:
    """`ConcurrentHashMap.transfer`: the run at the end of a bin is kept, the rest turned around."""
    wider: dict[int, list[str]] = {}
    for at, chain in bins.items():
        high = [bool(_spread_string(key) & capacity) for key in chain]
        last_run = len(chain) - 1
        while last_run and high[last_run - 1] is high[-1]:
            last_run -= 1
        for side in (False, True):
            kept = chain[last_run:] if high[-1] is side else []
            others = [key for key, is_high in zip(chain[:last_run], high, strict=False) if is_high is side]
            if kept or others:
                wider[at + capacity if side else at] = [*reversed(others), *kept]
    return wider


def _spread_long(key: int) -> int:
    """`HashMap.hash` of `Long.hashCode`."""
    unsigned = key & 0xFFFF_FFFF_FFFF_FFFF
    folded = (unsigned ^ unsigned >> 32) & 0xFFFF_FFFF
    return folded ^ folded >> 16


def _spread_string(key: str) -> int:
    """`ConcurrentHashMap.spread` of `String.hashCode`."""
    code = 0
    units = key.encode("utf-16-be", "surrogatepass")
    for at in range(0, len(units), 2):
        code = (31 * code + int.from_bytes(units[at : at + 2], "big")) & 0xFFFF_FFFF
    return (code ^ code >> 16) & 0x7FFF_FFFF
