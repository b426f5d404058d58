"""createSession, closeSession, ping, sync, whoAmI: what is about the session and not about a node."""

from __future__ import annotations

from typing import Any

from ...jute.data import ClientInfo
from ...jute.ids import SessionId
from ...jute.proto import SyncRequest, SyncResponse, WhoAmIResponse
from ...jute.txn import CloseSessionTxn, CreateSessionTxn, ErrorTxn
from ..data_node import DataNode
from ..pauses import with_pauses
from .context import Client, PrepContext, ReadContext, TxnContext


def prep_create_session(context: PrepContext, request: CreateSessionTxn) -> CreateSessionTxn:
    """The session is tracked from here on; it is answered when the txn is applied."""
    context.sessions.track(SessionId(context.session_id), request.timeOut, context.now_ms)
    return request


def prep_close_session(context: PrepContext, request: None) -> CloseSessionTxn | None:
    """All the session's ephemerals go with one txn; from here on the session can't be used."""
    changes, zxid = context.changes, context.zxid
    paths = changes.ephemerals_of(context.session_id)
    for path in with_pauses(paths, changes.tree.pauses.take):
        parent_path = path[: path.rfind("/")]
        parent = changes.change(parent_path, zxid, changes.view(parent_path))
        parent.child_count -= 1
        parent.pzxid = zxid
        changes.stamp(parent)
        changes.delete(path, zxid, changes.view(path))
    context.sessions.set_closing(context.session_id)
    # A list that would be too long for the log is not even made (``PrepRequestProcessor``).
    is_listed = context.close_session_lists_paths and sum(map(len, paths)) <= context.txn_bytes_max
    return CloseSessionTxn(tuple(paths)) if is_listed else None


def apply_create_session(context: TxnContext, txn: CreateSessionTxn) -> None:
    """The tree knows no sessions; the database notes the timeout."""


def apply_close_session(context: TxnContext, txn: CloseSessionTxn | None) -> None:
    context.tree.kill_session(context.session_id, context.zxid, txn.paths2Delete if txn else None)


def apply_error(context: TxnContext, txn: ErrorTxn) -> None:
    """A failed write changes nothing but the zxid."""


def final_ping(context: ReadContext, client: Client, request: None) -> bytes:
    return b""


def reply_sync(request: SyncRequest, node: DataNode | None) -> bytes:
    """The path, whatever it is: it is only echoed."""
    return SyncResponse(request.path).encode()


def final_who_am_i(context: ReadContext, client: Client, request: Any) -> bytes:
    """The connection's identities; secrets are left out."""
    infos = []
    for identity in context.identities:
        scheme, name = identity.scheme or "", identity.id or ""
        provider = context.access.providers.get(scheme)
        infos.append(ClientInfo(scheme, provider.user_name(name) if provider else ""))
    return WhoAmIResponse(tuple(infos)).encode()
