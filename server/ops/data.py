"""exists, getData, setData, check, reconfig: a node's data and version."""

from __future__ import annotations

from struct import Struct

from ...jute.codes import Perms
from ...jute.proto import (
    CheckVersionRequest,
    ExistsRequest,
    GetDataRequest,
    GetDataResponse,
    ReconfigRequest,
    SetDataRequest,
)
from ...jute.txn import CheckVersionTxn, SetDataTxn
from ..data_node import DataNode
from ..data_tree import CONFIG_NODE
from ..errors import BadArguments, BadVersion, NoNode, ReconfigDisabled, Unimplemented
from ..paths import required, validate_path
from ..versions import next_version
from ..watches import STANDARD
from .context import Client, PrepContext, ReadContext, TxnContext

_VERSION = Struct(">i")


def final_get_data(context: ReadContext, client: Client, request: GetDataRequest) -> bytes:
    """Body of ``GetDataResponse``; the watch is set only if the read succeeds."""
    path = request.path
    node = context.tree.nodes.get(path)  # type: ignore[arg-type]  # null is looked up and not found
    if node is None:
        required(path)
        raise NoNode
    context.access.check(node.acl, Perms.READ, context.identities)
    if request.watch:
        context.tree.watches.data.add(path, client, STANDARD)
    return node.tail or context.tree.replies.data(node)


def final_exists(context: ReadContext, client: Client, request: ExistsRequest) -> bytes:
    """The node's Stat; the watch is set whether or not the node is there."""
    path = required(request.path)
    if "\0" in path:
        raise BadArguments(f"invalid path {path!r}")
    tree = context.tree
    node = tree.nodes.get(path)
    if node is not None:
        context.access.check(node.acl, Perms.READ, context.identities)
    if request.watch:
        tree.watches.data.add(path, client, STANDARD)
    if node is None:
        raise NoNode
    return node.stat_bytes()


def prep_set_data(context: PrepContext, request: SetDataRequest) -> SetDataTxn:
    """Raises, in this order: BadArguments, NoNode, NoAuth, QuotaExceeded, BadVersion."""
    context.sessions.check(context.session_id)
    path = validate_path(request.path)
    changes = context.changes
    node = changes.view(path)
    context.access.check(node.acl, Perms.WRITE, context.identities)
    if context.quota is not None:
        context.quota.check_set_data(path, node.data, request.data, context.now_ms)
    version = next_version(node.version, request.version, path)
    changed = changes.change(path, context.zxid, node)
    changed.data = request.data
    changed.version = version
    changed.mtime = context.time_ms
    changed.mzxid = context.zxid
    changes.stamp(changed)
    return SetDataTxn(path, request.data, version)


def encode_set_data(raw: bytes, request: SetDataRequest, txn: SetDataTxn) -> bytes:
    """A ``SetDataTxn`` is the request with the new version in place of the expected one."""
    return raw[:-4] + _VERSION.pack(txn.version)


def apply_set_data(context: TxnContext, txn: SetDataTxn) -> DataNode:
    return context.tree.set_data(txn.path, txn.data, txn.version, context.zxid, context.time_ms)


def prep_check(context: PrepContext, request: CheckVersionRequest) -> CheckVersionTxn:
    """Inside a multi only. Raises, in this order: BadArguments, NoNode, NoAuth, BadVersion."""
    context.sessions.check(context.session_id)
    path = validate_path(request.path)
    node = context.changes.view(path)
    context.access.check(node.acl, Perms.READ, context.identities)
    if request.version not in (-1, node.version):
        raise BadVersion(path)
    return CheckVersionTxn(path, next_version(node.version, -1, path))


def apply_check(context: TxnContext, txn: CheckVersionTxn) -> None:
    """Changes nothing: the check was made when the txn was prepared."""


def prep_reconfig(context: PrepContext, request: ReconfigRequest) -> SetDataTxn:
    """Only a leader can change the ensemble. The change itself is in the txn's data, a list of members."""
    if not context.reconfig_enabled:
        raise ReconfigDisabled
    context.sessions.check(context.session_id)
    if context.reconfigure is None:
        raise Unimplemented("reconfig on a standalone server")
    text = context.reconfigure(request, context.zxid)
    context.access.check(context.changes.view(CONFIG_NODE).acl, Perms.WRITE, context.identities)
    return SetDataTxn(CONFIG_NODE, text, -1)


def reply_reconfig(txn: SetDataTxn, node: DataNode | None) -> bytes:
    """Body of ``GetDataResponse``: the new configuration."""
    assert node is not None
    return GetDataResponse(node.data, node.stat()).encode()
