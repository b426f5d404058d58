"""delete, and the container reaper's deleteContainer."""

from __future__ import annotations

from typing import Any

from ...jute.codes import Perms
from ...jute.proto import DeleteRequest
from ...jute.txn import DeleteTxn
from ..errors import BadVersion, NotEmpty, Unimplemented
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
    changed = changes.change(parent_path, context.zxid, parent)
    changed.child_count -= 1
    changed.pzxid = context.zxid
    changes.stamp(changed)
    changes.delete(path, context.zxid, node)
    return DeleteTxn(path)


def prep_delete_container(context: PrepContext, request: Any) -> None:
    """Only the reaper may ask for this; the original takes it from any client without an ACL check."""
    raise Unimplemented("deleteContainer from a client")


def apply_delete(context: TxnContext, txn: DeleteTxn) -> None:
    context.tree.delete(txn.path, context.zxid)
