"""The words of the scenario language: one function per request a client can send.

Each returns an `Operation`: what to send once the scenario's prefix is known, and how to write the body of
the answer down. Nothing here checks an answer; the two servers' answers are compared with each other.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from zoolet.jute.codes import (
    XID_AUTH,
    XID_PING,
    XID_SET_WATCHES,
    AddWatchMode,
    CreateMode,
    OpCode,
    Perms,
)
from zoolet.jute.data import ACL, Id
from zoolet.jute.errors import JuteError
from zoolet.jute.proto import (
    AddWatchRequest,
    AuthPacket,
    CheckVersionRequest,
    CheckWatchesRequest,
    Create2Response,
    CreateRequest,
    CreateResponse,
    CreateTTLRequest,
    DeleteRequest,
    ErrorResponse,
    ExistsRequest,
    ExistsResponse,
    GetACLRequest,
    GetACLResponse,
    GetAllChildrenNumberRequest,
    GetAllChildrenNumberResponse,
    GetChildren2Request,
    GetChildren2Response,
    GetChildrenRequest,
    GetChildrenResponse,
    GetDataRequest,
    GetDataResponse,
    GetEphemeralsRequest,
    GetEphemeralsResponse,
    SetACLRequest,
    SetACLResponse,
    SetDataRequest,
    SetDataResponse,
    SetWatches,
    SetWatches2,
    SyncRequest,
    SyncResponse,
    WhoAmIResponse,
)
from zoolet.jute.record import Record

from .view import View, escaped

Answer = Callable[[View, bytes], str]
"""Writes down the body of a reply."""

OPEN = (ACL(Perms.ALL, Id("world", "anyone")),)
READ_ONLY = (ACL(Perms.READ, Id("world", "anyone")),)
CREATOR = (ACL(Perms.ALL, Id("auth", "")),)

EPHEMERAL = CreateMode.EPHEMERAL
SEQUENTIAL = CreateMode.PERSISTENT_SEQUENTIAL
EPHEMERAL_SEQUENTIAL = CreateMode.EPHEMERAL_SEQUENTIAL

ANY, CHILDREN, DATA, PERSISTENT, RECURSIVE = 3, 1, 2, 4, 5
"""Watcher types of checkWatches and removeWatches."""


@dataclass(frozen=True)
class Operation:
    """One request: a readable label, and how to encode it and to write its answer down."""

    label: str
    opcode: int
    body: Callable[[View], bytes]
    answer: Answer
    xid: int | None = None
    """None takes the next number of the connection."""
    headerless: bool = False
    """True when the answer is a frame without a reply header."""
    answers_errors: bool = False
    """True when the answer has its usual body also beside an error."""
    overtakes: bool = False
    """True when the answer may come before those of earlier requests."""


def hex_body(view: View, body: bytes) -> str:
    """The answer's bytes, undecoded."""
    return "body " + (body.hex() if len(body) <= 80 else view.data(body))


def no_body(view: View, body: bytes) -> str:
    """For requests whose answer is a header only."""
    return "unexpected " + hex_body(view, body)


def decoded(record: type[Record], write: Callable[[View, Record], str]) -> Answer:
    """An answer that decodes the whole body as `record`; leftovers and damage are shown."""

    def answer(view: View, body: bytes) -> str:
        try:
            value, end = record.decode(body)
        except JuteError:
            return "undecodable " + hex_body(view, body)
        return write(view, value) + (f" and {len(body) - end} more bytes" if end != len(body) else "")

    return answer


def _written(record: type[Record], *fields: str) -> Answer:
    """An answer made of a record's fields, each written by the view's method of that meaning."""

    def write(view: View, value: Record) -> str:
        words = []
        for field in fields:
            content = getattr(value, field)
            match field:
                case "children" | "ephemerals":
                    words.append(view.paths(content))
                case "clientInfo":
                    words.append(view.identities(content))
                case "totalNumber" | "err":
                    words.append(str(content))
                case _:
                    words.append(str(getattr(view, field)(content)))
        return " ".join(words)

    return decoded(record, write)


_ANSWERS: dict[int, Answer] = {
    OpCode.CREATE: _written(CreateResponse, "path"),
    OpCode.CREATE2: _written(Create2Response, "path", "stat"),
    OpCode.CREATE_CONTAINER: _written(Create2Response, "path", "stat"),
    OpCode.CREATE_TTL: _written(Create2Response, "path", "stat"),
    OpCode.EXISTS: _written(ExistsResponse, "stat"),
    OpCode.GET_DATA: _written(GetDataResponse, "data", "stat"),
    OpCode.SET_DATA: _written(SetDataResponse, "stat"),
    OpCode.GET_ACL: _written(GetACLResponse, "acl", "stat"),
    OpCode.SET_ACL: _written(SetACLResponse, "stat"),
    OpCode.GET_CHILDREN: _written(GetChildrenResponse, "children"),
    OpCode.GET_CHILDREN2: _written(GetChildren2Response, "children", "stat"),
    OpCode.SYNC: _written(SyncResponse, "path"),
    OpCode.GET_EPHEMERALS: _written(GetEphemeralsResponse, "ephemerals"),
    OpCode.GET_ALL_CHILDREN_NUMBER: _written(GetAllChildrenNumberResponse, "totalNumber"),
    OpCode.ADD_WATCH: _written(ErrorResponse, "err"),
    OpCode.WHO_AM_I: _written(WhoAmIResponse, "clientInfo"),
}


def answer_for(opcode: int) -> Answer:
    """How the body of a successful answer to `opcode` is written down."""
    return _ANSWERS.get(opcode, no_body)


def _operation(label: str, opcode: int, build: Callable[[View], Record]) -> Operation:
    return Operation(label, opcode, lambda view: build(view).encode(), answer_for(opcode))


def _show(path: str | None) -> str:
    return "null" if path is None else escaped(path)


def _show_acl(acl: Sequence[ACL] | None) -> str:
    """A list other than the open one, for labels."""
    if acl is None:
        return " acl=null"
    if tuple(acl) == OPEN:
        return ""
    return f" acl=[{' '.join(f'{entry.perms}:{entry.id.scheme}:{entry.id.id}' for entry in acl)}]"


def create(
    path: str | None,
    data: bytes | None = b"",
    *,
    acl: Sequence[ACL] | None = OPEN,
    flags: int = 0,
    opcode: int = OpCode.CREATE,
) -> Operation:
    """create (1), or with another opcode create2 (15)."""
    kind = (f" flags={int(flags)}" if flags else "") + _show_acl(acl)
    entries = None if acl is None else tuple(acl)
    return _operation(
        f"{'create' if opcode == OpCode.CREATE else 'create2'} {_show(path)}{kind}",
        opcode,
        lambda view: CreateRequest(view.resolve(path), data, entries, int(flags)),
    )


def create2(
    path: str | None, data: bytes | None = b"", *, acl: Sequence[ACL] | None = OPEN, flags: int = 0
) -> Operation:
    """create2 (15): answers the Stat too."""
    return create(path, data, acl=acl, flags=flags, opcode=OpCode.CREATE2)


def create_container(
    path: str | None,
    data: bytes | None = b"",
    *,
    acl: Sequence[ACL] | None = OPEN,
    flags: int = CreateMode.CONTAINER,
) -> Operation:
    """createContainer (19): answers the Stat too."""
    entries = None if acl is None else tuple(acl)
    kind = ("" if flags == CreateMode.CONTAINER else f" flags={int(flags)}") + _show_acl(acl)
    return _operation(
        f"createContainer {_show(path)}{kind}",
        OpCode.CREATE_CONTAINER,
        lambda view: CreateRequest(view.resolve(path), data, entries, int(flags)),
    )


def create_ttl(
    path: str | None,
    data: bytes | None = b"",
    *,
    acl: Sequence[ACL] | None = OPEN,
    flags: int = CreateMode.PERSISTENT_WITH_TTL,
    ttl: int = 3_600_000,
) -> Operation:
    """createTTL (21), `ttl` in ms: answers the Stat too."""
    entries = None if acl is None else tuple(acl)
    return _operation(
        f"createTTL {_show(path)} flags={int(flags)} ttl={ttl}{_show_acl(acl)}",
        OpCode.CREATE_TTL,
        lambda view: CreateTTLRequest(view.resolve(path), data, entries, int(flags), ttl),
    )


def delete(path: str | None, version: int = -1) -> Operation:
    """delete (2)."""
    label = f"delete {_show(path)} v={version}"
    return _operation(label, OpCode.DELETE, lambda view: DeleteRequest(view.resolve(path), version))


def exists(path: str | None, *, watch: bool = False) -> Operation:
    """exists (3)."""
    label = f"exists {_show(path)}{' watch' if watch else ''}"
    return _operation(label, OpCode.EXISTS, lambda view: ExistsRequest(view.resolve(path), watch))


def get_data(path: str | None, *, watch: bool = False) -> Operation:
    """getData (4)."""
    label = f"getData {_show(path)}{' watch' if watch else ''}"
    return _operation(label, OpCode.GET_DATA, lambda view: GetDataRequest(view.resolve(path), watch))


def set_data(path: str | None, data: bytes | None = b"", version: int = -1) -> Operation:
    """setData (5)."""
    label = f"setData {_show(path)} v={version}"
    return _operation(label, OpCode.SET_DATA, lambda view: SetDataRequest(view.resolve(path), data, version))


def get_acl(path: str | None) -> Operation:
    """getACL (6)."""
    return _operation(f"getACL {_show(path)}", OpCode.GET_ACL, lambda view: GetACLRequest(view.resolve(path)))


def set_acl(path: str | None, acl: Sequence[ACL] | None = OPEN, version: int = -1) -> Operation:
    """setACL (7); `version` is compared with the ACL's version."""
    entries = None if acl is None else tuple(acl)
    label = f"setACL {_show(path)} v={version}{_show_acl(acl)}"
    return _operation(label, OpCode.SET_ACL, lambda view: SetACLRequest(view.resolve(path), entries, version))


def get_children(path: str | None, *, watch: bool = False) -> Operation:
    """getChildren (8)."""
    label = f"getChildren {_show(path)}{' watch' if watch else ''}"
    return _operation(label, OpCode.GET_CHILDREN, lambda view: GetChildrenRequest(view.resolve(path), watch))


def get_children2(path: str | None, *, watch: bool = False) -> Operation:
    """getChildren2 (12)."""
    label = f"getChildren2 {_show(path)}{' watch' if watch else ''}"
    return _operation(
        label, OpCode.GET_CHILDREN2, lambda view: GetChildren2Request(view.resolve(path), watch)
    )


def sync(path: str | None) -> Operation:
    """sync (9)."""
    return _operation(f"sync {_show(path)}", OpCode.SYNC, lambda view: SyncRequest(view.resolve(path)))


def check(path: str | None, version: int = -1) -> Operation:
    """check (13): meant for the inside of a multi."""
    label = f"check {_show(path)} v={version}"
    return _operation(label, OpCode.CHECK, lambda view: CheckVersionRequest(view.resolve(path), version))


def get_ephemerals(prefix: str | None) -> Operation:
    """getEphemerals (103) of the own session."""
    return _operation(
        f"getEphemerals {_show(prefix)}",
        OpCode.GET_EPHEMERALS,
        lambda view: GetEphemeralsRequest(view.resolve(prefix)),
    )


def get_all_children_number(path: str | None) -> Operation:
    """getAllChildrenNumber (104)."""
    return _operation(
        f"getAllChildrenNumber {_show(path)}",
        OpCode.GET_ALL_CHILDREN_NUMBER,
        lambda view: GetAllChildrenNumberRequest(view.resolve(path)),
    )


def who_am_i() -> Operation:
    """whoAmI (107)."""
    return raw(OpCode.WHO_AM_I, b"", "whoAmI", answer=answer_for(OpCode.WHO_AM_I))


def ping(xid: int = XID_PING) -> Operation:
    """ping (11)."""
    return raw(OpCode.PING, b"", "ping", xid=xid)


def close_session() -> Operation:
    """closeSession (-11)."""
    return raw(OpCode.CLOSE_SESSION, b"", "closeSession")


def auth(scheme: str | None, credentials: bytes | None) -> Operation:
    """auth (100): answered before the pipeline."""
    return replace(
        _operation(
            f"auth {scheme} {credentials!r}", OpCode.AUTH, lambda view: AuthPacket(0, scheme, credentials)
        ),
        xid=XID_AUTH,
        overtakes=True,
    )


def add_watch(path: str | None, mode: int = AddWatchMode.PERSISTENT) -> Operation:
    """addWatch (106): mode 0 persistent, 1 recursive."""
    label = f"addWatch {_show(path)} mode={int(mode)}"
    return _operation(label, OpCode.ADD_WATCH, lambda view: AddWatchRequest(view.resolve(path), int(mode)))


def check_watches(path: str | None, watcher_type: int) -> Operation:
    """checkWatches (17)."""
    return _operation(
        f"checkWatches {_show(path)} type={watcher_type}",
        OpCode.CHECK_WATCHES,
        lambda view: CheckWatchesRequest(view.resolve(path), watcher_type),
    )


def remove_watches(path: str | None, watcher_type: int) -> Operation:
    """removeWatches (18)."""
    return _operation(
        f"removeWatches {_show(path)} type={watcher_type}",
        OpCode.REMOVE_WATCHES,
        lambda view: CheckWatchesRequest(view.resolve(path), watcher_type),
    )


def set_watches(
    since: int, *, data: Sequence[str] = (), exist: Sequence[str] = (), child: Sequence[str] = ()
) -> Operation:
    """setWatches (101): changes after zxid `since` are told at once."""
    return replace(
        _operation(
            f"setWatches data={list(data)} exist={list(exist)} child={list(child)}",
            OpCode.SET_WATCHES,
            lambda view: SetWatches(
                view.moment(since), *(tuple(map(view.resolve, paths)) for paths in (data, exist, child))
            ),
        ),
        xid=XID_SET_WATCHES,
    )


def set_watches2(
    since: int,
    *,
    data: Sequence[str] = (),
    exist: Sequence[str] = (),
    child: Sequence[str] = (),
    persistent: Sequence[str] = (),
    recursive: Sequence[str] = (),
) -> Operation:
    """setWatches2 (105): setWatches with the persistent kinds."""
    lists = (data, exist, child, persistent, recursive)
    return replace(
        _operation(
            "setWatches2 " + " ".join(str(list(paths)) for paths in lists),
            OpCode.SET_WATCHES2,
            lambda view: SetWatches2(
                view.moment(since), *(tuple(map(view.resolve, paths)) for paths in lists)
            ),
        ),
        xid=XID_SET_WATCHES,
    )


def raw(
    opcode: int, body: bytes, label: str | None = None, *, xid: int | None = None, answer: Answer = no_body
) -> Operation:
    """Any opcode with any body."""
    return Operation(label or f"opcode {opcode} body {body.hex()}", opcode, lambda view: body, answer, xid)


def string(text: bytes | None) -> bytes:
    """A jute string or buffer of exactly these bytes, for hand-made bodies."""
    return struct.pack(">i", -1) if text is None else struct.pack(">i", len(text)) + text


def cut(operation: Operation, byte_count: int) -> Operation:
    """The same request without its last `byte_count` bytes."""
    return replace(
        operation,
        label=f"{operation.label} (cut by {byte_count})",
        body=lambda view: operation.body(view)[:-byte_count],
    )


def padded(operation: Operation, extra: bytes) -> Operation:
    """The same request with bytes behind it."""
    return replace(
        operation, label=f"{operation.label} (padded)", body=lambda view: operation.body(view) + extra
    )


def with_xid(operation: Operation, xid: int) -> Operation:
    """The same request under a chosen xid."""
    return replace(operation, label=f"{operation.label} (xid {xid})", xid=xid)


def headerless(operation: Operation) -> Operation:
    """The same request, answered by a frame without a reply header; only its length is written down."""
    return replace(operation, headerless=True, answer=lambda view, frame: "without a header")
