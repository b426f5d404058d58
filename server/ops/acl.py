"""getACL and setACL."""

from __future__ import annotations

from ...jute.codes import Perms
from ...jute.proto import GetACLRequest, GetACLResponse, SetACLRequest
from ...jute.txn import SetACLTxn
from ..acl import redacted
from ..data_node import DataNode
from ..paths import required, validate_path
from ..versions import next_version
from .context import Client, PrepContext, ReadContext, TxnContext


def final_get_acl(context: ReadContext, client: Client, request: GetACLRequest) -> bytes:
    """ACL and Stat. READ or ADMIN is enough; without ADMIN digest hashes are masked."""
    node = context.tree.get(required(request.path))
    access = context.access
    access.check(node.acl, Perms.READ | Perms.ADMIN, context.identities)
    shown = node.acl if access.allows(node.acl, Perms.ADMIN, context.identities) else redacted(node.acl)
    return GetACLResponse(shown, node.stat()).encode(context.tree.pauses.take)


def prep_set_acl(context: PrepContext, request: SetACLRequest) -> SetACLTxn:
    """Raises, in this order: BadArguments, InvalidACL, NoNode, NoAuth, BadVersion (of the ACL)."""
    context.sessions.check(context.session_id)
    path = validate_path(request.path)
    acl = context.access.fix_up(request.acl, context.identities)
    changes = context.changes
    node = changes.view(path)
    context.access.check(node.acl, Perms.ADMIN, context.identities)
    aversion = next_version(node.aversion, request.version, path)
    changed = changes.change(path, context.zxid, node)
    changed.acl = acl
    changed.aversion = aversion
    changes.stamp(changed)
    return SetACLTxn(path, acl, aversion)


def apply_set_acl(context: TxnContext, txn: SetACLTxn) -> DataNode:
    return context.tree.set_acl(txn.path, txn.acl, txn.version)
