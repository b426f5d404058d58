"""One znode.

Memory per znode is a figure users compare, so: slots, no per-node dict, the children container only when
there are children, ACLs as references to one interned tuple, and integers shared where a node's stat
repeats them (a fresh node has one zxid and one time).
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from ..jute.codes import CONTAINER_OWNER, TTL_MAX_MS
from ..jute.data import ACL, Stat
from ..jute.ids import to_signed32

STAT: Final = Struct(">qqqqiiiqiiq")
_TTL_OWNER: Final = -1 << 56
_TTL_MASK: Final = 0xFFFFFF << 40
_TTL_MARK: Final = 0xFF0000 << 40


def wire_owner(ephemeral_owner: int) -> int:
    """``ephemeralOwner`` as clients see it: containers and TTL nodes show 0 (``EphemeralType.get``).

    It is the same whether or not extended types are enabled.
    """
    if ephemeral_owner == CONTAINER_OWNER or (ephemeral_owner & _TTL_MASK) == _TTL_MARK:
        return 0
    return ephemeral_owner


def ttl_owner(ttl_ms: int) -> int:
    """``ephemeralOwner`` of a node with this time to live: 0xff in the top byte, 0 in the two below it."""
    return _TTL_OWNER | (ttl_ms & TTL_MAX_MS)


def ttl_of(ephemeral_owner: int) -> int:
    """The time to live in ms that an owner made by ``ttl_owner`` stands for."""
    return ephemeral_owner & TTL_MAX_MS


class DataNode:
    """A znode as applied. ``cversion`` is the count of creations below it, not the wire's value.

    Attributes:
        data: the value, or None for null (which clients can tell from empty).
        acl: interned tuple; ``OPEN_ACL`` itself for the open ACL.
        children: names in order of creation, or None while there are none.
        digest: this node's share of the tree digest.
        tail: body of a getData reply, while the ``ReplyCache`` keeps it; every change drops it.
        names: body of a getChildren reply, likewise.
    """

    __slots__ = (
        "acl",
        "aversion",
        "children",
        "ctime",
        "cversion",
        "czxid",
        "data",
        "digest",
        "ephemeral_owner",
        "mtime",
        "mzxid",
        "names",
        "pzxid",
        "tail",
        "version",
    )

    def __init__(
        self,
        data: bytes | None,
        acl: tuple[ACL, ...],
        czxid: int,
        mzxid: int,
        ctime: int,
        mtime: int,
        version: int,
        cversion: int,
        aversion: int,
        ephemeral_owner: int,
        pzxid: int,
    ) -> None:
        self.data = data
        self.acl = acl
        self.czxid = czxid
        self.mzxid = mzxid
        self.ctime = ctime
        self.mtime = mtime
        self.version = version
        self.cversion = cversion
        self.aversion = aversion
        self.ephemeral_owner = ephemeral_owner
        self.pzxid = pzxid
        self.children: dict[str, None] | None = None
        self.digest = 0
        self.tail: bytes | None = None
        self.names: bytes | None = None

    @property
    def child_count(self) -> int:
        return len(self.children) if self.children else 0

    def stat_bytes(self) -> bytes:
        """The 68 bytes of ``Stat``; the wire's cversion counts creations and deletions."""
        count = len(self.children) if self.children else 0
        data = self.data
        owner = self.ephemeral_owner
        cversion = self.cversion * 2 - count
        if not -0x80000000 <= cversion <= 0x7FFFFFFF:
            cversion = to_signed32(cversion)
        return STAT.pack(
            self.czxid,
            self.mzxid,
            self.ctime,
            self.mtime,
            self.version,
            cversion,
            self.aversion,
            owner and wire_owner(owner),
            len(data) if data else 0,
            count,
            self.pzxid,
        )

    def stat(self) -> Stat:
        """The node's metadata as clients see it."""
        return Stat(*STAT.unpack(self.stat_bytes()))
