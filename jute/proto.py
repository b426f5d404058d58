"""Module ``org.apache.zookeeper.proto`` of ``zookeeper.jute``: requests, replies, watch events.

Names and field order are the original's. Strings that a client may send as null are ``UString``.
"""

from .data import AclVector, ClientInfo, Stat
from .record import Record
from .wiretypes import Bool, Buffer, Int, Long, TrailingBool, UString, Vector


class ConnectRequest(Record):
    """First frame of a client. ``timeOut`` in ms; the readOnly byte is missing from old clients."""

    protocolVersion: Int
    lastZxidSeen: Long
    timeOut: Int
    sessionId: Long
    passwd: Buffer
    readOnly: TrailingBool


class ConnectResponse(Record):
    """Answer to it; carries the readOnly byte only if the request did. ``timeOut`` 0 means expired."""

    protocolVersion: Int
    timeOut: Int
    sessionId: Long
    passwd: Buffer
    readOnly: TrailingBool


class SetWatches(Record):
    """Watches a client re-registers after a reconnect; older than ``relativeZxid`` fires at once."""

    relativeZxid: Long
    dataWatches: Vector[UString]
    existWatches: Vector[UString]
    childWatches: Vector[UString]


class SetWatches2(Record):
    """As SetWatches, with the two persistent kinds of 3.6."""

    relativeZxid: Long
    dataWatches: Vector[UString]
    existWatches: Vector[UString]
    childWatches: Vector[UString]
    persistentWatches: Vector[UString]
    persistentRecursiveWatches: Vector[UString]


class RequestHeader(Record):
    """Starts every request frame after the handshake."""

    xid: Int
    type: Int


class MultiHeader(Record):
    """Precedes each operation and each result of a multi; type -1 with done set ends the list."""

    type: Int
    done: Bool
    err: Int


class AuthPacket(Record):
    """Adds an identity to the connection; ``type`` is ignored."""

    type: Int
    scheme: UString
    auth: Buffer


class ReplyHeader(Record):
    """Starts every reply frame: 16 bytes, ``err`` an ``ErrorCode``."""

    xid: Int
    zxid: Long
    err: Int


class GetDataRequest(Record):
    path: UString
    watch: Bool


class SetDataRequest(Record):
    """``version`` -1 matches any."""

    path: UString
    data: Buffer
    version: Int


class ReconfigRequest(Record):
    joiningServers: UString
    leavingServers: UString
    newMembers: UString
    curConfigId: Long


class SetDataResponse(Record):
    stat: Stat


class GetSASLRequest(Record):
    token: Buffer


class SetSASLRequest(Record):
    token: Buffer


class SetSASLResponse(Record):
    token: Buffer


class CreateRequest(Record):
    """create, create2 and createContainer; ``flags`` is a ``CreateMode``."""

    path: UString
    data: Buffer
    acl: AclVector
    flags: Int


class CreateTTLRequest(Record):
    """``ttl`` in ms."""

    path: UString
    data: Buffer
    acl: AclVector
    flags: Int
    ttl: Long


class DeleteRequest(Record):
    path: UString
    version: Int


class GetChildrenRequest(Record):
    path: UString
    watch: Bool


class GetAllChildrenNumberRequest(Record):
    path: UString


class GetChildren2Request(Record):
    path: UString
    watch: Bool


class CheckVersionRequest(Record):
    path: UString
    version: Int


class GetMaxChildrenRequest(Record):
    path: UString


class GetMaxChildrenResponse(Record):
    max: Int


class SetMaxChildrenRequest(Record):
    path: UString
    max: Int


class SyncRequest(Record):
    path: UString


class SyncResponse(Record):
    path: UString


class GetACLRequest(Record):
    path: UString


class SetACLRequest(Record):
    """``version`` is compared with the node's ``aversion``."""

    path: UString
    acl: AclVector
    version: Int


class SetACLResponse(Record):
    stat: Stat


class AddWatchRequest(Record):
    """``mode`` is an ``AddWatchMode``."""

    path: UString
    mode: Int


class WatcherEvent(Record):
    type: Int
    state: Int
    path: UString


class ErrorResponse(Record):
    err: Int


class CreateResponse(Record):
    path: UString


class Create2Response(Record):
    path: UString
    stat: Stat


class ExistsRequest(Record):
    path: UString
    watch: Bool


class ExistsResponse(Record):
    stat: Stat


class GetDataResponse(Record):
    data: Buffer
    stat: Stat


class GetChildrenResponse(Record):
    children: Vector[UString]


class GetAllChildrenNumberResponse(Record):
    totalNumber: Int


class GetChildren2Response(Record):
    children: Vector[UString]
    stat: Stat


class GetACLResponse(Record):
    acl: AclVector
    stat: Stat


class CheckWatchesRequest(Record):
    """``type`` is a ``WatcherType``."""

    path: UString
    type: Int


class RemoveWatchesRequest(Record):
    path: UString
    type: Int


class GetEphemeralsRequest(Record):
    prefixPath: UString


class GetEphemeralsResponse(Record):
    ephemerals: Vector[UString]


class WhoAmIResponse(Record):
    clientInfo: Vector[ClientInfo]
