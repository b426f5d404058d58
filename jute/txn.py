"""Module ``org.apache.zookeeper.txn`` of ``zookeeper.jute``: what the log and the proposals hold.

A txn record says what *will* be, not what was asked: versions are the new ones, sequence suffixes are
part of the path. Paths are never null here, the server wrote them.
"""

from .data import AclVector
from .record import Record
from .wiretypes import Bool, Buffer, Int, Long, Text, Vector


class TxnDigest(Record):
    """Digest of the whole tree after the txn; follows the txn body when digests are enabled."""

    version: Int
    treeDigest: Long


class TxnHeader(Record):
    """32 bytes before every txn: session, its xid, zxid, wall time in ms, type (an ``OpCode``)."""

    clientId: Long
    cxid: Int
    zxid: Long
    time: Long
    type: Int


class CreateTxnV0(Record):
    """Create as servers before 3.4 logged it."""

    path: Text
    data: Buffer
    acl: AclVector
    ephemeral: Bool


class CreateTxn(Record):
    """create and create2; ``parentCVersion`` is the parent's creation count after the create."""

    path: Text
    data: Buffer
    acl: AclVector
    ephemeral: Bool
    parentCVersion: Int


class CreateTTLTxn(Record):
    """``ttl`` in ms."""

    path: Text
    data: Buffer
    acl: AclVector
    parentCVersion: Int
    ttl: Long


class CreateContainerTxn(Record):
    path: Text
    data: Buffer
    acl: AclVector
    parentCVersion: Int


class DeleteTxn(Record):
    path: Text


class SetDataTxn(Record):
    """``version`` is the node's new version."""

    path: Text
    data: Buffer
    version: Int


class CheckVersionTxn(Record):
    path: Text
    version: Int


class SetACLTxn(Record):
    """``version`` is the node's new aversion."""

    path: Text
    acl: AclVector
    version: Int


class SetMaxChildrenTxn(Record):
    path: Text
    max: Int


class CreateSessionTxn(Record):
    """``timeOut`` in ms, as negotiated."""

    timeOut: Int


class CloseSessionTxn(Record):
    """The ephemerals that go with the session; older logs have no body at all."""

    paths2Delete: Vector[Text]


class ErrorTxn(Record):
    """A write that failed: it takes a zxid and changes nothing."""

    err: Int


class Txn(Record):
    """One operation inside a multi."""

    type: Int
    data: Buffer


class MultiTxn(Record):
    txns: Vector[Txn]
