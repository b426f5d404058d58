"""Preparation and application without the disk between them, and trees compared node by node.

`Pipeline` is the chain of a server cut open: requests are prepared at once, and applied when the test says
so. `payloads` is what the log would hold.
"""

from __future__ import annotations

from collections import deque
from random import Random
from struct import pack
from typing import Any

from zoolet.jute.codes import CONTAINER_OWNER, OpCode
from zoolet.jute.data import OPEN_ACL, Id
from zoolet.jute.ids import SessionId, Zxid
from zoolet.jute.proto import (
    CreateRequest,
    DeleteRequest,
    GetChildrenResponse,
    MultiHeader,
    SetACLRequest,
    SetDataRequest,
)
from zoolet.jute.record import Record
from zoolet.jute.txn import CreateSessionTxn, MultiTxn, Txn
from zoolet.server.acl import AccessControl, AclTuple
from zoolet.server.auth.registry import providers_of
from zoolet.server.change_records import OutstandingChanges
from zoolet.server.config import config_from
from zoolet.server.data_node import wire_owner
from zoolet.server.data_tree import DataTree
from zoolet.server.database import ZKDatabase, decode_payload
from zoolet.server.digest import node_digest
from zoolet.server.final import FinalRequestProcessor
from zoolet.server.ops.context import PrepContext, ReadContext
from zoolet.server.ops.multi import PreparedMulti
from zoolet.server.ops.table import OPERATIONS
from zoolet.server.prep import PrepRequestProcessor
from zoolet.server.request import Request
from zoolet.server.sessions import SessionTracker
from zoolet.server.sync import SnapshotTrigger, SyncRequestProcessor

START_MS = 1_700_000_000_000
END = MultiHeader(-1, True, -1).encode()


class Client:
    """Whoever asks: a session and its identities. Replies and events are forgotten."""

    def __init__(self, session_id: int, identities: tuple[Id, ...] = (Id("ip", "127.0.0.1"),)) -> None:
        self.session_id = SessionId(session_id)
        self.identities = identities
        self.answers: list[tuple[int, bytes]] = []
        self.events: list[tuple[bytes, AclTuple | None]] = []

    def write_answered(self, request: Request, body: bytes) -> None:
        self.answers.append((request.error, body))

    def notify(self, frame: bytes, acl: AclTuple | None) -> None:
        self.events.append((frame, acl))


class Pipeline:
    """A database behind its prep and final processors; the clock moves by 1 ms with every request."""

    def __init__(self, *, digest_enabled: bool = True, close_session_lists_paths: bool = True) -> None:
        self.database = ZKDatabase(digest_enabled=digest_enabled)
        self.tree = self.database.tree
        self.access = AccessControl(providers_of(config_from({}, data_dir="/data", client_port=2181)))
        self.sessions = SessionTracker(2000, 1, 0, {})
        self.changes = OutstandingChanges(self.tree)
        self.context = PrepContext(
            self.changes,
            self.access,
            self.sessions,
            OPERATIONS,
            close_session_lists_paths=close_session_lists_paths,
        )
        self.context.time_ms = START_MS
        self.prepared: deque[Request] = deque()
        self.payloads: list[bytes] = []
        log: Any = self
        trigger = SnapshotTrigger(1 << 30, 0, Random(1))
        self.sync = SyncRequestProcessor(log, trigger, self.prepared.extend, lambda: None)
        self.prep = PrepRequestProcessor(self.context, self.tree.last_processed_zxid, self.sync.process)
        self.final = FinalRequestProcessor(self.database, self.changes, self._session_closed)

    def _session_closed(self, session_id: SessionId, client: Any) -> None:
        self.sessions.remove(session_id)

    # What the sync processor asks of a log

    def append(self, zxid: Zxid, payload: bytes) -> None:
        self.payloads.append(payload)

    def take_batch(self) -> None:
        """Everything is durable at once."""

    # Requests

    def submit(self, client: Client | int, opcode: OpCode, record: Any) -> Request:
        """Prepare one request."""
        if isinstance(client, int):
            client = Client(client)
        self.context.time_ms += 1
        answering: Any = client
        body = record.encode() if isinstance(record, Record) else record or b""
        packet = pack(">ii", 1, opcode) + body
        operation = OPERATIONS[opcode]
        request = Request(answering, client.session_id, 1, operation, packet, 0, client.identities)
        self.prep.process(request)
        self.sync.take_batch()
        assert self.prepared[-1] is request
        if request.txn_type is not None:
            self._check_logged(request)
        return request

    def _check_logged(self, request: Request) -> None:
        """The log holds what will be applied, encoded anew or taken from the request."""
        header, txn, digest = decode_payload(self.payloads[-1])
        assert (header.zxid, header.type) == (request.zxid, request.txn_type)
        assert (digest is None) is (request.digest is None)
        if isinstance(request.txn, PreparedMulti):
            logged_as = {OpCode.CREATE2: OpCode.CREATE}
            assert txn == MultiTxn(
                tuple(
                    Txn(logged_as.get(OpCode(op.opcode), op.opcode), record.encode())
                    for op, record in request.txn.ops
                )
            )
        else:
            assert txn == request.txn
            assert txn is None or txn.encode() == request.txn.encode()

    def apply_next(self) -> Request:
        """Apply the oldest prepared request."""
        request = self.prepared.popleft()
        self.final.process(request)
        return request

    def apply_all(self) -> None:
        while self.prepared:
            self.apply_next()

    def run(self, client: Client | int, opcode: OpCode, record: Any) -> Request:
        """Prepare a request and apply everything."""
        request = self.submit(client, opcode, record)
        self.apply_all()
        return request

    def error_of(self, client: Client | int, operation: tuple[OpCode, Any]) -> int:
        """Run a request; the error it ends with, 0 for none."""
        request = self.run(client, *operation)
        assert request.zxid == self.tree.last_processed_zxid, "every decodable write takes a zxid"
        return request.error

    def read(self, client: Client | int, opcode: OpCode, record: Any) -> bytes:
        """The body of a read's reply. Raises KeeperError."""
        if isinstance(client, int):
            client = Client(client)
        final = OPERATIONS[opcode].final
        assert final is not None
        context = ReadContext(self.tree, self.access, OPERATIONS)
        context.identities = client.identities
        return final(context, client, record)

    def alter(self, path: str, **values: Any) -> None:
        """Give a node other metadata, as if it had come that way from disk."""
        node = self.tree.get(path)
        for name, value in values.items():
            setattr(node, name, value)
        digest = node_digest(path, node)
        self.tree.digest += digest - node.digest
        node.digest = digest
        node.tail = None
        assert not list(self.changes)
        self.changes.digest = self.tree.digest

    # Short forms

    def open_session(self, session_id: int, timeout_ms: int = 4000) -> Request:
        return self.run(session_id, OpCode.CREATE_SESSION, CreateSessionTxn(timeout_ms))

    def create(
        self,
        path: str,
        data: bytes | None = b"",
        *,
        flags: int = 0,
        acl: AclTuple = OPEN_ACL,
        session: Client | int = 1,
    ) -> Request:
        return self.run(session, OpCode.CREATE, CreateRequest(path, data, acl, flags))


def multi_body(*operations: tuple[OpCode, Record]) -> bytes:
    """Body of a multi or multiRead request."""
    return b"".join(MultiHeader(op, False, -1).encode() + record.encode() for op, record in operations) + END


def create(
    path: str | None, data: bytes | None = b"", flags: int = 0, acl: Any = OPEN_ACL
) -> tuple[OpCode, Record]:
    """An operation for `error_of`, `run` and `multi_body`."""
    return OpCode.CREATE, CreateRequest(path, data, acl, flags)


def delete(path: str | None, version: int = -1) -> tuple[OpCode, Record]:
    return OpCode.DELETE, DeleteRequest(path, version)


def set_data(path: str | None, data: bytes | None = b"new", version: int = -1) -> tuple[OpCode, Record]:
    return OpCode.SET_DATA, SetDataRequest(path, data, version)


def set_acl(path: str | None, acl: AclTuple | None, version: int = -1) -> tuple[OpCode, Record]:
    return OpCode.SET_ACL, SetACLRequest(path, acl, version)


def facts(tree: DataTree) -> dict[str, tuple[object, ...]]:
    """Everything a tree says about each node, to compare trees by."""
    return {
        path: (
            node.data,
            tuple(node.acl),
            node.czxid,
            node.mzxid,
            node.ctime,
            node.mtime,
            node.version,
            node.cversion,
            node.aversion,
            node.ephemeral_owner,
            node.pzxid,
            frozenset(node.children or ()),
        )
        for path, node in tree.nodes.items()
    }


def check_tree(tree: DataTree) -> None:
    """Assert what holds of every tree at every moment, computed anew from its nodes."""
    nodes = tree.nodes
    assert nodes["/"] is nodes[""]
    named = {path: node for path, node in nodes.items() if path != "/"}
    children: dict[str, set[str]] = {path: set() for path in named}
    for path in named:
        if path:
            parent, _, name = path.rpartition("/")
            children[parent].add(name)
    for path, node in named.items():
        assert set(node.children or ()) == children[path], path
        assert node.children is None or node.children, f"{path}: an empty container of children"
        expected_data = b"\xff" * 4 if node.data is None else len(node.data).to_bytes(4, "big") + node.data
        assert (node.tail or tree.replies.data(node)) == expected_data + node.stat().encode(), path
        names = GetChildrenResponse(tuple(node.children or ())).encode()
        assert (node.names or tree.replies.children(node)) == names, path
    owned: dict[int, set[str]] = {}
    containers: set[str] = set()
    ttls: set[str] = set()
    for path, node in named.items():
        owner = node.ephemeral_owner
        if owner and wire_owner(owner):
            owned.setdefault(owner, set()).add(path)
        elif owner:
            (containers if owner == CONTAINER_OWNER else ttls).add(path)
    assert (set(tree.containers), set(tree.ttls)) == (containers, ttls)
    assert {owner: set(paths) for owner, paths in tree.ephemerals.items()} == owned
    assert tree.ephemeral_count() == sum(map(len, owned.values()))
    used = {node.acl for node in named.values() if node.acl is not OPEN_ACL}
    assert set(tree.acls.table().values()) == used
    # The root's data counts once or, after a restart, under both of its names, as in the original.
    root_bytes = len(nodes[""].data or b"")
    counted = tree.data_bytes - sum(len(path) + len(node.data or b"") for path, node in named.items())
    assert counted in (1, 1 + root_bytes)
    if tree.digest_enabled:
        for path, node in named.items():
            assert node.digest == node_digest(path, node), path
        assert tree.digest == sum(node.digest for node in named.values())
