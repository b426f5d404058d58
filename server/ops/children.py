"""getChildren, getChildren2, getAllChildrenNumber, getEphemerals."""

from __future__ import annotations

from ...jute.codes import Perms
from ...jute.proto import (
    GetAllChildrenNumberRequest,
    GetAllChildrenNumberResponse,
    GetChildren2Request,
    GetChildrenRequest,
    GetEphemeralsRequest,
)
from ..data_node import DataNode
from ..paths import required
from ..pauses import encode_strings, with_pauses
from ..watches import STANDARD
from .context import Client, ReadContext


def final_get_children(context: ReadContext, client: Client, request: GetChildrenRequest) -> bytes:
    """Names of the children, in order of creation (the original's order is that of a hash table)."""
    return _names(context, _readable(context, client, request))


def final_get_children2(context: ReadContext, client: Client, request: GetChildren2Request) -> bytes:
    """The same with the Stat behind it."""
    node = _readable(context, client, request)
    return _names(context, node) + node.stat_bytes()


def _readable(
    context: ReadContext, client: Client, request: GetChildrenRequest | GetChildren2Request
) -> DataNode:
    path = required(request.path)
    node = context.tree.get(path)
    context.access.check(node.acl, Perms.READ, context.identities)
    if request.watch:
        context.tree.watches.children.add(path, client, STANDARD)
    return node


def _names(context: ReadContext, node: DataNode) -> bytes:
    return node.names or context.tree.replies.children(node)


def final_get_all_children_number(
    context: ReadContext, client: Client, request: GetAllChildrenNumberRequest
) -> bytes:
    """How many nodes there are below, at any depth."""
    path = required(request.path)
    node = context.tree.get(path)
    context.access.check(node.acl, Perms.READ, context.identities)
    return GetAllChildrenNumberResponse(context.tree.descendant_count(path)).encode()


def final_get_ephemerals(context: ReadContext, client: Client, request: GetEphemeralsRequest) -> bytes:
    """The session's own ephemerals whose paths start with the prefix: text, not path segments."""
    pause = context.tree.pauses.take
    owned = context.tree.ephemerals.get(client.session_id, {})
    prefix = request.prefixPath
    if prefix is None or prefix.strip(_JAVA_BLANKS) in ("", "/"):
        return encode_strings(owned, pause)
    return encode_strings([path for path in with_pauses(owned, pause) if path.startswith(prefix)], pause)


_JAVA_BLANKS = "".join(map(chr, range(0x21)))
"""What ``String.trim`` takes off."""
