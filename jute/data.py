"""Module ``org.apache.zookeeper.data`` of ``zookeeper.jute``: what clients and disk share."""

from typing import Annotated

from .record import Record
from .wiretypes import Int, Long, UString, VectorOf


class Id(Record):
    """Who: an authentication scheme and a name within it."""

    scheme: UString
    id: UString


class ACL(Record):
    """What (permission bits) and who."""

    perms: Int
    id: Id


class Stat(Record):
    """A node's metadata as clients see it: 68 bytes, times in ms since 1970."""

    czxid: Long
    mzxid: Long
    ctime: Long
    mtime: Long
    version: Int
    cversion: Int
    aversion: Int
    ephemeralOwner: Long
    dataLength: Int
    numChildren: Int
    pzxid: Long


class StatPersisted(Record):
    """A node's metadata as snapshots hold it: 60 bytes; ``cversion`` counts creations only."""

    czxid: Long
    mzxid: Long
    ctime: Long
    mtime: Long
    version: Int
    cversion: Int
    aversion: Int
    ephemeralOwner: Long
    pzxid: Long


class ClientInfo(Record):
    """One identity of a session, as ``whoAmI`` lists it."""

    authScheme: UString
    user: UString


WORLD = Id("world", "anyone")
OPEN_ACL = (ACL(31, WORLD),)
"""``ZooDefs.Ids.OPEN_ACL_UNSAFE``: everyone may do everything."""
AclVector = Annotated[tuple[ACL, ...] | None, VectorOf(OPEN_ACL)]
"""A vector of ACL entries; the open ACL is always decoded to ``OPEN_ACL`` itself."""
READ_ACL = (ACL(1, WORLD),)
"""``ZooDefs.Ids.READ_ACL_UNSAFE``: everyone may read."""
