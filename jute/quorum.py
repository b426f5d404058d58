"""Module ``org.apache.zookeeper.server.quorum`` of ``zookeeper.jute``: between servers."""

from .data import Id
from .record import Record
from .wiretypes import Buffer, Int, Long, Vector


class LearnerInfo(Record):
    """``data`` of FOLLOWERINFO and OBSERVERINFO."""

    serverid: Long
    protocolVersion: Int
    configVersion: Long


class QuorumPacket(Record):
    """Every packet between a leader and its learners; ``data`` depends on the type."""

    type: Int
    zxid: Long
    data: Buffer
    authinfo: Vector[Id]


class QuorumAuthPacket(Record):
    """SASL between peers; ``magic`` is -0xA0DBCAFECAFE1234."""

    magic: Long
    status: Int
    token: Buffer
