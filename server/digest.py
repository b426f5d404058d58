"""The tree digest, version 2: a CRC-32 per node, added up modulo 2**64 (``DigestCalculator``).

A node's digest covers its path, data and sixty bytes of persisted stat (``cversion`` being the count of
creations). Nodes below ``/zookeeper/`` count nothing, because quota statistics change there without a
transaction; ``/zookeeper`` itself counts.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, Protocol
from zlib import crc32

STAT: Final = Struct(">qqqqqiiiq")
"""What is digested of a node besides path and data: czxid, mzxid, pzxid, times, versions, owner."""
UNCOUNTED_PREFIX: Final = "/zookeeper/"


class Digestible(Protocol):
    """What the digest reads of a node, applied or still outstanding."""

    data: bytes | None
    czxid: int
    mzxid: int
    pzxid: int
    ctime: int
    mtime: int
    version: int
    cversion: int
    aversion: int
    ephemeral_owner: int


def node_digest(path: str, node: Digestible) -> int:
    """Digest of one node, 0 to 2**32 - 1; the root may be named "" or "/"."""
    if path.startswith(UNCOUNTED_PREFIX):
        return 0
    value = crc32(b"" if path == "/" else path.encode("utf-8", "surrogatepass"))
    if node.data:
        value = crc32(node.data, value)
    stat = STAT.pack(
        node.czxid,
        node.mzxid,
        node.pzxid,
        node.ctime,
        node.mtime,
        node.version,
        node.cversion,
        node.aversion,
        node.ephemeral_owner,
    )
    return crc32(stat, value)


def as_long(tree_digest: int) -> int:
    """The running sum as the signed 64-bit value that goes into logs and snapshots."""
    tree_digest &= 0xFFFFFFFFFFFFFFFF
    return tree_digest - (1 << 64) if tree_digest >> 63 else tree_digest
