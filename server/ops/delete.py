"""delete, and the container reaper's deleteContainer."""

from __future__ import annotations

from ...jute.codes import Perms
from ...jute.proto import DeleteRequest
from ...jute.txn import DeleteTxn
from ..change_records import ChangeRecord
from ..data_node import DataNode, wire_owner
from ..errors import BadVersion, NotEmpty
from ..paths import parent_for_delete
from .context import PrepContext, TxnContext


def prep_delete(context: PrepContext, request: DeleteRequest) -> DeleteTxn:
    """Raises, in this order: BadArguments, NoNode (parent), NoAuth, NoNode, BadVersion, NotEmpty."""
    context.sessions.check(context.session_id)
    path = request.path
    parent_path = parent_for_delete(path)
    assert path is not None
    changes = context.changes
    parent = changes.view(parent_path)
    context.access.check(parent.acl, Perms.DELETE, context.identities)
    node = changes.view(path)
    if request.version not in (-1, node.version):
        raise BadVersion(path)
    if node.child_count:
        raise NotEmpty(path)
    _remove(context, parent_path, parent, path, node)
    return DeleteTxn(path)


class DeleteContainer:
    """What the container manager asks for: this node, unless it was made anew or changed meanwhile.

    It comes from no client: the original takes deleteContainer from anybody, without an ACL check.
    """

    __slots__ = ("mzxid", "path")

    def __init__(self, path: str, mzxid: int) -> None:
        self.path = path
        self.mzxid = mzxid


def prep_delete_container(context: PrepContext, request: DeleteContainer) -> DeleteTxn:
    """Raises, in this order: BadArguments, NoNode, NotEmpty, BadVersion (another node than was looked at)."""
    path = request.path
    parent_path = parent_for_delete(path)
    changes = context.changes
    node = changes.view(path)
    if node.child_count:
        raise NotEmpty(path)
    owner = node.ephemeral_owner
    if not owner or wire_owner(owner) or node.mzxid != request.mzxid:
        raise BadVersion(path)
    _remove(context, parent_path, changes.view(parent_path), path, node)
    return DeleteTxn(path)


def _remove(
    context: PrepContext,
    parent_path: str,
    parent: ChangeRecord | DataNode,
    path: str,
    node: ChangeRecord | DataNode,
) -> None:
    """The change records of a delete that passed its checks."""
    changes = context.changes
    changed = changes.change(parent_path, context.zxid, parent)
    changed.child_count -= 1
    changed.pzxid = context.zxid
    changes.stamp(changed)
    changes.delete(path, context.zxid, node)


def apply_delete(context: TxnContext, txn: DeleteTxn) -> None:
    context.tree.delete(txn.path, context.zxid)
