"""create, create2, createContainer, createTTL.

The flags say how a node is named and whether it goes with its session; the opcode says what is logged. Only
createContainer makes a container and only createTTL a node with a time to live, whatever the flags are.

Order of checks, sources: ``PrepRequestProcessor.pRequest2TxnCreate``, ``validateCreateRequest``,
``EphemeralType``, ``DataTree.createNode``.
"""

from __future__ import annotations

from struct import Struct

from ...jute.codes import CONTAINER_OWNER, TTL_MAX_MS, CreateMode, Perms
from ...jute.data import ACL
from ...jute.proto import CreateRequest, CreateTTLRequest
from ...jute.txn import CreateContainerTxn, CreateTTLTxn, CreateTxn
from ...jute.wiretypes import encode_utf8
from ..data_node import DataNode, ttl_owner, wire_owner
from ..errors import BadArguments, NoChildrenForEphemerals, NodeExists, Unimplemented
from ..paths import parent_for_create, validate_path
from .context import PrepContext, TxnContext

_LENGTH = Struct(">i")
_DATA_LENGTH_AT = 52
"""Bytes of a ``Stat`` before ``dataLength``."""
_CREATE_END = Struct(">?i")
_CONTAINER_END = Struct(">i")
_TTL_END = Struct(">iq")
_SEQUENTIAL = frozenset((CreateMode.PERSISTENT_SEQUENTIAL, CreateMode.EPHEMERAL_SEQUENTIAL))
_EPHEMERAL = frozenset((CreateMode.EPHEMERAL, CreateMode.EPHEMERAL_SEQUENTIAL))
_PLAIN = _SEQUENTIAL | _EPHEMERAL | {CreateMode.PERSISTENT, CreateMode.CONTAINER}
TTL_FLAGS = frozenset((CreateMode.PERSISTENT_WITH_TTL, CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL))
_INT_MAX = 0x7FFFFFFF


def prep_create(context: PrepContext, request: CreateRequest) -> CreateTxn:
    """create and create2. Flag 4 makes a persistent node here, as in the original."""
    flags = request.flags
    if flags not in _PLAIN:
        _refuse_flags(context, flags)
    owner = context.session_id if flags in _EPHEMERAL else 0
    if owner:
        context.sessions.check_global(owner)
    else:
        context.sessions.check(context.session_id)
    path, acl, cversion = prepare_node(
        context, request.path, request.data, request.acl, flags in _SEQUENTIAL, owner
    )
    return CreateTxn(path, request.data, acl, owner != 0, cversion)


def prep_create_container(context: PrepContext, request: CreateRequest) -> CreateContainerTxn:
    """Every plain flag is taken; whatever it says, the node is a container and outlives its session."""
    flags = request.flags
    if flags not in _PLAIN:
        _refuse_flags(context, flags)
    if flags in _EPHEMERAL:
        context.sessions.check_global(context.session_id)
    else:
        context.sessions.check(context.session_id)
    path, acl, cversion = prepare_node(
        context, request.path, request.data, request.acl, flags in _SEQUENTIAL, CONTAINER_OWNER
    )
    return CreateContainerTxn(path, request.data, acl, cversion)


def prep_create_ttl(context: PrepContext, request: CreateTTLRequest) -> CreateTTLTxn:
    """Only the two flags with a time to live, and only 1 ms to 2**40 - 1 ms.

    The original also takes a negative time with another flag. It logs that and ends when it applies it.
    """
    flags, ttl = request.flags, request.ttl
    if flags not in TTL_FLAGS:
        raise BadArguments(f"create flags {flags} with a time to live")
    if not context.extended_types_enabled:
        _refuse_flags(context, flags)
    if not 0 < ttl <= TTL_MAX_MS:
        raise BadArguments(f"time to live {ttl} ms")
    context.sessions.check(context.session_id)
    path, acl, cversion = prepare_node(
        context,
        request.path,
        request.data,
        request.acl,
        flags == CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL,
        ttl_owner(ttl),
    )
    return CreateTTLTxn(path, request.data, acl, cversion, ttl)


def _refuse_flags(context: PrepContext, flags: int) -> None:
    """Flags that name nothing, or a time to live that is not there. Raises Unimplemented, BadArguments."""
    if flags in TTL_FLAGS and not context.extended_types_enabled:
        raise Unimplemented("nodes with a time to live: extendedTypesEnabled is off")
    raise BadArguments(f"create flags {flags}")


def prepare_node(
    context: PrepContext,
    requested_path: str | None,
    data: bytes | None,
    requested_acl: tuple[ACL, ...] | None,
    sequential: bool,
    owner: int,
) -> tuple[str, tuple[ACL, ...], int]:
    """The checks and change records common to all kinds of create.

    Returns the final path, the ACL to store and the parent's new creation count. Raises, in this order:
    BadArguments (no slash, NUL), InvalidACL, NoNode (parent), NoAuth, BadArguments (syntax, suffix
    included), NodeExists, NoChildrenForEphemerals, QuotaExceeded.
    """
    parent_path = parent_for_create(requested_path)
    assert requested_path is not None
    changes = context.changes
    acl = context.access.fix_up(requested_acl, context.identities)
    parent = changes.view(parent_path)
    context.access.check(parent.acl, Perms.CREATE, context.identities)
    path = requested_path
    if sequential:
        path = f"{path}{sequence_suffix(parent.cversion)}"
    validate_path(path)
    if changes.exists(path):
        raise NodeExists(path)
    parent_owner = parent.ephemeral_owner
    if parent_owner and wire_owner(parent_owner):
        raise NoChildrenForEphemerals(path)
    if context.quota is not None:
        context.quota.check_create(path, data, context.now_ms)
    zxid = context.zxid
    cversion = parent.cversion + 1
    changed = changes.change(parent_path, zxid, parent)
    changed.child_count += 1
    if cversion <= _INT_MAX:
        changed.cversion = cversion
        changed.pzxid = zxid
        changes.stamp(changed)
    else:
        # The original's int wraps, is then not larger than the counter, and so leaves the parent as it is.
        cversion = -_INT_MAX - 1
    changes.create(path, zxid, context.time_ms, data, acl, owner)
    return path, acl, cversion


def encode_create(raw: bytes, request: CreateRequest, txn: CreateTxn) -> bytes:
    """A ``CreateTxn`` is the request up to its flags, unless the path got a suffix or the ACL was changed."""
    if txn.path is not request.path or txn.acl is not request.acl:
        return txn.encode()
    return raw[:-4] + _CREATE_END.pack(txn.ephemeral, txn.parentCVersion)


def encode_create_container(raw: bytes, request: CreateRequest, txn: CreateContainerTxn) -> bytes:
    """As ``encode_create``."""
    if txn.path is not request.path or txn.acl is not request.acl:
        return txn.encode()
    return raw[:-4] + _CONTAINER_END.pack(txn.parentCVersion)


def encode_create_ttl(raw: bytes, request: CreateTTLRequest, txn: CreateTTLTxn) -> bytes:
    """As ``encode_create``."""
    if txn.path is not request.path or txn.acl is not request.acl:
        return txn.encode()
    return raw[:-12] + _TTL_END.pack(txn.parentCVersion, txn.ttl)


def sequence_suffix(counter: int) -> str:
    """Ten digits of the parent's creation count, as ``%010d`` prints it (also when it is negative)."""
    return f"{counter:010d}"


def apply_create(context: TxnContext, txn: CreateTxn) -> DataNode:
    owner = context.session_id if txn.ephemeral else 0
    return context.tree.create(
        txn.path, txn.data, txn.acl, owner, txn.parentCVersion, context.zxid, context.time_ms
    )


def apply_create_container(context: TxnContext, txn: CreateContainerTxn) -> DataNode:
    return context.tree.create(
        txn.path, txn.data, txn.acl, CONTAINER_OWNER, txn.parentCVersion, context.zxid, context.time_ms
    )


def apply_create_ttl(context: TxnContext, txn: CreateTTLTxn) -> DataNode:
    return context.tree.create(
        txn.path, txn.data, txn.acl, ttl_owner(txn.ttl), txn.parentCVersion, context.zxid, context.time_ms
    )


def path_reply(txn: CreateTxn, node: DataNode | None) -> bytes:
    """Body of ``CreateResponse``."""
    path = encode_utf8(txn.path)
    return _LENGTH.pack(len(path)) + path


def path_and_stat_reply(txn: CreateTxn | CreateContainerTxn | CreateTTLTxn, node: DataNode | None) -> bytes:
    """Body of ``Create2Response``."""
    assert node is not None
    path = encode_utf8(txn.path)
    stat = node.stat_bytes()
    if node.data is not txn.data:
        # The statistics of a quota: counted by now, while the Stat is told as the node was made.
        stat = stat[:_DATA_LENGTH_AT] + _LENGTH.pack(len(txn.data or b"")) + stat[_DATA_LENGTH_AT + 4 :]
    return _LENGTH.pack(len(path)) + path + stat
