"""create, create2, createContainer, createTTL.

Order of checks, sources: ``PrepRequestProcessor.pRequest2TxnCreate``, ``DataTree.createNode``.
"""

from __future__ import annotations

from struct import Struct

from ...jute.codes import CONTAINER_OWNER, CreateMode, Perms
from ...jute.data import ACL
from ...jute.proto import CreateRequest, CreateTTLRequest
from ...jute.txn import CreateContainerTxn, CreateTTLTxn, CreateTxn
from ...jute.wiretypes import encode_utf8
from ..data_node import DataNode, wire_owner
from ..errors import BadArguments, NoChildrenForEphemerals, NodeExists, Unimplemented
from ..paths import parent_for_create, validate_path
from .context import PrepContext, TxnContext

_LENGTH = Struct(">i")
_CREATE_END = Struct(">?i")
_SEQUENTIAL = frozenset((CreateMode.PERSISTENT_SEQUENTIAL, CreateMode.EPHEMERAL_SEQUENTIAL))
_EPHEMERAL = frozenset((CreateMode.EPHEMERAL, CreateMode.EPHEMERAL_SEQUENTIAL))
_PLAIN = _SEQUENTIAL | _EPHEMERAL | {CreateMode.PERSISTENT}
TTL_FLAGS = frozenset((CreateMode.PERSISTENT_WITH_TTL, CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL))
_INT_MAX = 0x7FFFFFFF
_TTL_OWNER_MASK = -1 << 56


def prep_create(context: PrepContext, request: CreateRequest) -> CreateTxn:
    """create and create2: the flag, not the opcode, says what kind of node."""
    flags = request.flags
    if flags not in _PLAIN:
        if flags == CreateMode.CONTAINER or (flags in TTL_FLAGS and not context.extended_types_enabled):
            raise Unimplemented("container and TTL nodes")
        raise BadArguments(f"create flags {flags}")
    owner = context.session_id if flags in _EPHEMERAL else 0
    if owner:
        context.sessions.check_global(owner)
    else:
        context.sessions.check(context.session_id)
    path, acl, cversion = prepare_node(
        context, request.path, request.data, request.acl, flags in _SEQUENTIAL, owner
    )
    return CreateTxn(path, request.data, acl, owner != 0, cversion)


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
    included), NodeExists, NoChildrenForEphemerals.
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


def sequence_suffix(counter: int) -> str:
    """Ten digits of the parent's creation count, as ``%010d`` prints it (also when it is negative)."""
    return f"{counter:010d}"


def prep_create_unavailable(context: PrepContext, request: CreateRequest | CreateTTLRequest) -> None:
    """Container and TTL nodes: as a server answers on which the extended types are switched off."""
    raise Unimplemented("container and TTL nodes")


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
    owner = _TTL_OWNER_MASK | txn.ttl
    return context.tree.create(
        txn.path, txn.data, txn.acl, owner, txn.parentCVersion, context.zxid, context.time_ms
    )


def path_reply(txn: CreateTxn, node: DataNode | None) -> bytes:
    """Body of ``CreateResponse``."""
    path = encode_utf8(txn.path)
    return _LENGTH.pack(len(path)) + path


def path_and_stat_reply(txn: CreateTxn, node: DataNode | None) -> bytes:
    """Body of ``Create2Response``."""
    assert node is not None
    path = encode_utf8(txn.path)
    return _LENGTH.pack(len(path)) + path + node.stat_bytes()
