"""The table of operations: the whole protocol on one screen.

One row per opcode says what the body is, how the operation travels, who prepares, applies and answers it,
and where it may stand. Routing, the log reader, four-letter words, metrics and the reference page are read
off this table; adding an operation means adding a row.
"""

from __future__ import annotations

from typing import Final

from ...jute.codes import OpCode
from ...jute.proto import (
    AddWatchRequest,
    AuthPacket,
    CheckVersionRequest,
    CheckWatchesRequest,
    CreateRequest,
    CreateTTLRequest,
    DeleteRequest,
    ExistsRequest,
    GetACLRequest,
    GetAllChildrenNumberRequest,
    GetChildren2Request,
    GetChildrenRequest,
    GetDataRequest,
    GetEphemeralsRequest,
    GetSASLRequest,
    ReconfigRequest,
    RemoveWatchesRequest,
    SetACLRequest,
    SetDataRequest,
    SetWatches,
    SetWatches2,
    SyncRequest,
)
from ...jute.txn import (
    CheckVersionTxn,
    CloseSessionTxn,
    CreateContainerTxn,
    CreateSessionTxn,
    CreateTTLTxn,
    CreateTxn,
    DeleteTxn,
    ErrorTxn,
    MultiTxn,
    SetACLTxn,
    SetDataTxn,
)
from .acl import apply_set_acl, final_get_acl, prep_set_acl
from .children import (
    final_get_all_children_number,
    final_get_children,
    final_get_children2,
    final_get_ephemerals,
)
from .context import Kind, Operation, RawBody, empty_reply, stat_reply
from .create import (
    apply_create,
    apply_create_container,
    apply_create_ttl,
    encode_create,
    encode_create_container,
    encode_create_ttl,
    path_and_stat_reply,
    path_reply,
    prep_create,
    prep_create_container,
    prep_create_ttl,
)
from .data import (
    apply_check,
    apply_set_data,
    encode_set_data,
    final_exists,
    final_get_data,
    prep_check,
    prep_reconfig,
    prep_set_data,
    reply_reconfig,
)
from .delete import apply_delete, prep_delete, prep_delete_container
from .multi import apply_multi, final_multi_read, prep_multi, reply_multi
from .session import (
    apply_close_session,
    apply_create_session,
    apply_error,
    final_ping,
    final_who_am_i,
    prep_close_session,
    prep_create_session,
    reply_sync,
)
from .watch import final_add_watch, final_check_watches, final_remove_watches, final_set_watches

# ruff: noqa: E501  # a row reads better as one line per idea
# fmt: off
_ROWS: Final = (
    Operation(opcode=OpCode.CREATE, name="create", tag="CREA", kind=Kind.WRITE, in_multi=True, result_type=OpCode.CREATE,
              request=CreateRequest, txn=CreateTxn, prep=prep_create, apply=apply_create, encode=encode_create, reply=path_reply,
              doc="Make a node; the answer is its path."),
    Operation(opcode=OpCode.DELETE, name="delete", tag="DELE", kind=Kind.WRITE, in_multi=True, result_type=OpCode.DELETE,
              request=DeleteRequest, txn=DeleteTxn, prep=prep_delete, apply=apply_delete, reply=empty_reply,
              doc="Remove a node that has no children."),
    Operation(opcode=OpCode.EXISTS, name="exists", tag="EXIS", kind=Kind.READ,
              request=ExistsRequest, final=final_exists,
              doc="A node's Stat; a watch may be left even where there is no node."),
    Operation(opcode=OpCode.GET_DATA, name="getData", tag="GETD", kind=Kind.READ, in_multi_read=True,
              request=GetDataRequest, final=final_get_data,
              doc="A node's data and Stat."),
    Operation(opcode=OpCode.SET_DATA, name="setData", tag="SETD", kind=Kind.WRITE, in_multi=True, result_type=OpCode.SET_DATA,
              request=SetDataRequest, txn=SetDataTxn, prep=prep_set_data, apply=apply_set_data, encode=encode_set_data, reply=stat_reply,
              doc="Replace a node's data."),
    Operation(opcode=OpCode.GET_ACL, name="getACL", tag="GETA", kind=Kind.READ,
              request=GetACLRequest, final=final_get_acl,
              doc="A node's ACL and Stat; hashes are masked without ADMIN."),
    Operation(opcode=OpCode.SET_ACL, name="setACL", tag="SETA", kind=Kind.WRITE,
              request=SetACLRequest, txn=SetACLTxn, prep=prep_set_acl, apply=apply_set_acl, reply=stat_reply,
              doc="Replace a node's ACL."),
    Operation(opcode=OpCode.GET_CHILDREN, name="getChildren", tag="GETC", kind=Kind.READ, in_multi_read=True,
              request=GetChildrenRequest, final=final_get_children,
              doc="Names of the children."),
    Operation(opcode=OpCode.SYNC, name="sync", tag="SYNC", kind=Kind.BARRIER,
              request=SyncRequest, reply=reply_sync,
              doc="Answered when every write before it is applied."),
    Operation(opcode=OpCode.PING, name="ping", tag="PING", kind=Kind.READ, final=final_ping,
              doc="Keeps the session alive."),
    Operation(opcode=OpCode.GET_CHILDREN2, name="getChildren2", tag="GETC", kind=Kind.READ, since="3.3",
              request=GetChildren2Request, final=final_get_children2,
              doc="Names of the children and the Stat."),
    Operation(opcode=OpCode.CHECK, name="check", tag="CHEC", kind=Kind.INTERNAL, in_multi=True, result_type=OpCode.CHECK, since="3.4",
              request=CheckVersionRequest, txn=CheckVersionTxn, prep=prep_check, apply=apply_check, reply=empty_reply,
              doc="Inside a multi: fails it unless the version is as expected."),
    Operation(opcode=OpCode.MULTI, name="multi", tag="MULT", kind=Kind.WRITE, since="3.4",
              request=RawBody, txn=MultiTxn, prep=prep_multi, apply=apply_multi, reply=reply_multi,
              doc="Several writes, all or none."),
    Operation(opcode=OpCode.CREATE2, name="create2", tag="CREA", kind=Kind.WRITE, in_multi=True, result_type=OpCode.CREATE2, since="3.5",
              request=CreateRequest, txn=CreateTxn, prep=prep_create, apply=apply_create, encode=encode_create, reply=path_and_stat_reply,
              doc="Make a node; the answer is its path and Stat."),
    Operation(opcode=OpCode.RECONFIG, name="reconfig", tag="RECO", kind=Kind.WRITE, since="3.5",
              request=ReconfigRequest, txn=SetDataTxn, prep=prep_reconfig, apply=apply_set_data, reply=reply_reconfig,
              doc="Change the ensemble; the answer is the new list of members and its Stat."),
    Operation(opcode=OpCode.CHECK_WATCHES, name="checkWatches", tag="CHKW", kind=Kind.READ, since="3.5",
              request=CheckWatchesRequest, final=final_check_watches,
              doc="Does this connection have such a watch?"),
    Operation(opcode=OpCode.REMOVE_WATCHES, name="removeWatches", tag="REMW", kind=Kind.READ, since="3.5",
              request=RemoveWatchesRequest, final=final_remove_watches,
              doc="Take watches of this connection back."),
    Operation(opcode=OpCode.CREATE_CONTAINER, name="createContainer", tag="CREA", kind=Kind.WRITE, in_multi=True, result_type=OpCode.CREATE2, since="3.5",
              request=CreateRequest, txn=CreateContainerTxn, prep=prep_create_container, apply=apply_create_container, encode=encode_create_container, reply=path_and_stat_reply,
              doc="Make a container: a node that goes some time after its last child."),
    Operation(opcode=OpCode.DELETE_CONTAINER, name="deleteContainer", tag="DELE", kind=Kind.INTERNAL, since="3.5",
              txn=DeleteTxn, prep=prep_delete_container, apply=apply_delete, reply=empty_reply,
              doc="The container manager's delete; refused when a client sends it."),
    Operation(opcode=OpCode.CREATE_TTL, name="createTTL", tag="CREA", kind=Kind.WRITE, in_multi=True, result_type=OpCode.CREATE2, since="3.5",
              request=CreateTTLRequest, txn=CreateTTLTxn, prep=prep_create_ttl, apply=apply_create_ttl, encode=encode_create_ttl, reply=path_and_stat_reply,
              doc="Make a node with a time to live: without children and unchanged for so long, it goes."),
    Operation(opcode=OpCode.MULTI_READ, name="multiRead", tag="MLTR", kind=Kind.READ, since="3.6",
              request=RawBody, final=final_multi_read,
              doc="Several reads, each answered on its own."),
    Operation(opcode=OpCode.AUTH, name="auth", kind=Kind.CONNECTION, request=AuthPacket,
              doc="Add an identity to the connection."),
    Operation(opcode=OpCode.SET_WATCHES, name="setWatches", tag="SETW", kind=Kind.READ, since="3.2",
              request=SetWatches, final=final_set_watches,
              doc="Watches of a client that reconnects."),
    Operation(opcode=OpCode.SASL, name="sasl", kind=Kind.CONNECTION, since="3.4", request=GetSASLRequest,
              doc="One step of a SASL exchange."),
    Operation(opcode=OpCode.GET_EPHEMERALS, name="getEphemerals", tag="GETE", kind=Kind.READ, since="3.6",
              request=GetEphemeralsRequest, final=final_get_ephemerals,
              doc="The session's ephemerals below a prefix."),
    Operation(opcode=OpCode.GET_ALL_CHILDREN_NUMBER, name="getAllChildrenNumber", tag="GETACN", kind=Kind.READ, since="3.6",
              request=GetAllChildrenNumberRequest, final=final_get_all_children_number,
              doc="How many nodes there are below."),
    Operation(opcode=OpCode.SET_WATCHES2, name="setWatches2", tag="STW2", kind=Kind.READ, since="3.6",
              request=SetWatches2, final=final_set_watches,
              doc="As setWatches, persistent ones included."),
    Operation(opcode=OpCode.ADD_WATCH, name="addWatch", tag="ADDW", kind=Kind.READ, since="3.6",
              request=AddWatchRequest, final=final_add_watch,
              doc="A persistent or recursive watch."),
    Operation(opcode=OpCode.WHO_AM_I, name="whoAmI", tag="HOMI", kind=Kind.READ, since="3.7", final=final_who_am_i,
              doc="The identities of the connection."),
    Operation(opcode=OpCode.CREATE_SESSION, name="createSession", tag="SESS", kind=Kind.WRITE,
              request=CreateSessionTxn, txn=CreateSessionTxn, prep=prep_create_session, apply=apply_create_session,
              doc="Begins a session; made by the handshake."),
    Operation(opcode=OpCode.CLOSE_SESSION, name="closeSession", tag="CLOS", kind=Kind.WRITE,
              txn=CloseSessionTxn, prep=prep_close_session, apply=apply_close_session, reply=empty_reply,
              doc="Ends a session with all its ephemerals; sent by the client or made on expiry."),
    Operation(opcode=OpCode.ERROR, name="error", kind=Kind.INTERNAL, txn=ErrorTxn, apply=apply_error,
              doc="Txn of a write that failed."),
)
# fmt: on

OPERATIONS: Final[dict[int, Operation]] = {int(row.opcode): row for row in _ROWS}
"""Every row by opcode."""
assert len(OPERATIONS) == len(_ROWS), "an opcode stands in the table twice"

CREATE_SESSION: Final = OPERATIONS[OpCode.CREATE_SESSION]
CLOSE_SESSION: Final = OPERATIONS[OpCode.CLOSE_SESSION]
DELETE_CONTAINER: Final = OPERATIONS[OpCode.DELETE_CONTAINER]
SYNC: Final = OPERATIONS[OpCode.SYNC]
