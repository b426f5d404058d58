"""What a stranger gets out of each operation on nodes that are not open to it: an error, and no data.

The owner's nodes are open to nobody else. Every operation a client can send is tried, alone and inside multi
and multiRead; the first test makes sure that none is forgotten.
"""

from __future__ import annotations

import pytest
from zoolet.jute.codes import AddWatchMode, ErrorCode, OpCode, Perms, WatcherType
from zoolet.jute.data import ACL, OPEN_ACL, ClientInfo, Id
from zoolet.jute.proto import (
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
    GetEphemeralsResponse,
    RemoveWatchesRequest,
    SetACLRequest,
    SetDataRequest,
    SetWatches,
    SetWatches2,
    SyncRequest,
    WhoAmIResponse,
)
from zoolet.jute.record import Record
from zoolet.server.ops.context import Kind
from zoolet.server.ops.table import OPERATIONS
from zoolet.server.tests.harness import Client, Reply, Server, event_of
from zoolet.server.tests.pipeline import multi_body

SECRET = b"the combination is 12345"
NO_AUTH = ErrorCode.NO_AUTH

REFUSED: dict[OpCode, Record] = {
    OpCode.CREATE: CreateRequest("/closed/new", b"", OPEN_ACL, 0),
    OpCode.CREATE2: CreateRequest("/closed/new", b"", OPEN_ACL, 0),
    OpCode.CREATE_CONTAINER: CreateRequest("/closed/new", b"", OPEN_ACL, 4),
    OpCode.CREATE_TTL: CreateTTLRequest("/closed/new", b"", OPEN_ACL, 5, 1000),
    OpCode.DELETE: DeleteRequest("/closed/child", -1),
    OpCode.EXISTS: ExistsRequest("/closed", True),
    OpCode.GET_DATA: GetDataRequest("/closed", True),
    OpCode.SET_DATA: SetDataRequest("/closed", b"mine", -1),
    OpCode.GET_ACL: GetACLRequest("/closed"),
    OpCode.SET_ACL: SetACLRequest("/closed", OPEN_ACL, -1),
    OpCode.GET_CHILDREN: GetChildrenRequest("/closed", True),
    OpCode.GET_CHILDREN2: GetChildren2Request("/closed", True),
    OpCode.GET_ALL_CHILDREN_NUMBER: GetAllChildrenNumberRequest("/closed"),
}
"""Answered with -102."""
IN_MULTI: dict[OpCode, Record] = {
    OpCode.CHECK: CheckVersionRequest("/closed", -1),
    **{
        opcode: REFUSED[opcode]
        for opcode in (
            OpCode.CREATE,
            OpCode.CREATE2,
            OpCode.CREATE_CONTAINER,
            OpCode.CREATE_TTL,
            OpCode.DELETE,
            OpCode.SET_DATA,
        )
    },
}
IN_MULTI_READ = (OpCode.GET_DATA, OpCode.GET_CHILDREN)
TESTED_BELOW = {
    OpCode.CHECK,
    OpCode.MULTI,
    OpCode.MULTI_READ,
    OpCode.DELETE_CONTAINER,
    OpCode.RECONFIG,
    OpCode.SYNC,
    OpCode.SET_WATCHES,
    OpCode.SET_WATCHES2,
    OpCode.ADD_WATCH,
    OpCode.CHECK_WATCHES,
    OpCode.REMOVE_WATCHES,
    OpCode.GET_EPHEMERALS,
    OpCode.WHO_AM_I,
}
ABOUT_ONESELF = {OpCode.PING, OpCode.AUTH, OpCode.SASL, OpCode.CREATE_SESSION, OpCode.CLOSE_SESSION}
"""They name no node and no other session."""


@pytest.fixture
def server() -> Server:
    return Server(extended_types_enabled=True)


@pytest.fixture
def owner(server: Server) -> Client:
    """Has `/closed` and `/closed/child`, which nobody else may touch."""
    client = server.connected()
    client.send(client.request(OpCode.AUTH, AuthPacket(0, "digest", b"owner:password"), xid=-4))
    client.take_bytes()
    mine = (ACL(Perms.ALL, Id("auth", "")),)
    assert client.create("/closed", SECRET, acl=mine).err == 0
    assert client.create("/closed/child", SECRET, acl=mine).err == 0
    assert client.create("/closed/going", SECRET, flags=1, acl=mine).err == 0
    return client


@pytest.fixture
def stranger(server: Server, owner: Client) -> Client:
    return server.connected()


def test_every_operation_of_a_client_is_tried() -> None:
    from_clients = {op.opcode for op in OPERATIONS.values() if op.kind is not Kind.INTERNAL}
    tried = {int(opcode) for opcode in (*REFUSED, *TESTED_BELOW, *ABOUT_ONESELF)}
    assert from_clients - tried == set(), "an operation without an attempt: add one"
    assert {op.opcode for op in OPERATIONS.values() if op.in_multi} == set(map(int, IN_MULTI))
    assert {op.opcode for op in OPERATIONS.values() if op.in_multi_read} == set(map(int, IN_MULTI_READ))


@pytest.mark.parametrize("opcode", REFUSED, ids=lambda opcode: opcode.name)
def test_it_is_refused(opcode: OpCode, server: Server, stranger: Client) -> None:
    before = {path: (node.data, node.acl, node.pzxid) for path, node in server.tree.nodes.items()}
    reply = stranger.call(opcode, REFUSED[opcode])
    assert (reply.err, reply.body) == (NO_AUTH, b"")
    assert {path: (node.data, node.acl, node.pzxid) for path, node in server.tree.nodes.items()} == before


@pytest.mark.parametrize("opcode", REFUSED, ids=lambda opcode: opcode.name)
def test_a_refused_operation_leaves_no_watch(opcode: OpCode, server: Server, stranger: Client) -> None:
    stranger.call(opcode, REFUSED[opcode])
    assert server.tree.watches.empty


@pytest.mark.parametrize("opcode", IN_MULTI, ids=lambda opcode: opcode.name)
def test_it_is_refused_inside_a_multi_and_takes_the_others_with_it(
    opcode: OpCode, server: Server, stranger: Client
) -> None:
    allowed = (OpCode.CREATE, CreateRequest("/allowed", b"", OPEN_ACL, 0))
    reply = stranger.call(OpCode.MULTI, multi_body(allowed, (opcode, IN_MULTI[opcode])))
    assert NO_AUTH.to_bytes(4, "big", signed=True) in reply.body, "the result of that operation"
    assert "/allowed" not in server.tree.nodes
    assert SECRET not in reply.body


@pytest.mark.parametrize("opcode", IN_MULTI_READ, ids=lambda opcode: opcode.name)
def test_it_is_refused_inside_a_multi_read(opcode: OpCode, stranger: Client) -> None:
    reply = stranger.call(OpCode.MULTI_READ, multi_body((opcode, REFUSED[opcode])))
    assert reply.err == 0, "each read has its own result"
    assert NO_AUTH.to_bytes(4, "big", signed=True) in reply.body
    assert SECRET not in reply.body
    assert b"child" not in reply.body


def test_a_check_alone_is_no_operation(stranger: Client) -> None:
    """It would tell versions; ZOOKEEPER-2623."""
    assert stranger.call(OpCode.CHECK, IN_MULTI[OpCode.CHECK]).err == ErrorCode.UNIMPLEMENTED
    assert not stranger.is_open


def test_delete_container_is_not_for_clients(server: Server, owner: Client) -> None:
    """The original takes it from anybody and checks no permission."""
    everyone = server.connected()
    assert everyone.create("/empty").err == 0
    body = b"\0\0\0\6/empty"
    assert server.connected().call(OpCode.DELETE_CONTAINER, body).err == ErrorCode.UNIMPLEMENTED
    assert "/empty" in server.tree.nodes


def test_reconfig_is_refused_where_it_is_not_enabled(stranger: Client) -> None:
    body = b"\xff\xff\xff\xff" * 3 + (-1).to_bytes(8, "big", signed=True)
    assert stranger.call(OpCode.RECONFIG, body).err == ErrorCode.RECONFIG_DISABLED


def test_sync_tells_nothing_but_what_it_was_told(stranger: Client) -> None:
    there = stranger.call(OpCode.SYNC, SyncRequest("/closed"))
    not_there = stranger.call(OpCode.SYNC, SyncRequest("/closer"))
    assert (there.err, not_there.err) == (0, 0)
    assert there.body == not_there.body.replace(b"closer", b"closed")


def test_a_watch_on_everything_hears_nothing_of_closed_nodes(owner: Client, stranger: Client) -> None:
    """CVE-2024-23944: a persistent watch on a parent told the paths of its children to anybody."""
    for mode in AddWatchMode:
        assert stranger.call(OpCode.ADD_WATCH, AddWatchRequest("/", mode)).err == 0
    assert stranger.call(OpCode.ADD_WATCH, AddWatchRequest("/closed", AddWatchMode.PERSISTENT)).err == 0
    mine = (ACL(Perms.ALL, Id("auth", "")),)
    assert owner.set_data("/closed", b"new").err == 0
    assert owner.create("/closed/other", acl=mine).err == 0
    assert owner.call(OpCode.DELETE, DeleteRequest("/closed/child", -1)).err == 0
    assert owner.call(OpCode.MULTI, multi_body((OpCode.DELETE, DeleteRequest("/closed/other", -1)))).err == 0
    assert owner.call(OpCode.CLOSE_SESSION).err == 0
    assert stranger.replies() == []


def test_a_watch_set_before_the_node_was_closed_tells_nothing_afterwards(
    owner: Client, stranger: Client
) -> None:
    assert owner.create("/open").err == 0
    assert stranger.get_data("/open", watch=True).err == 0
    assert owner.call(OpCode.SET_ACL, SetACLRequest("/open", (ACL(Perms.ALL, Id("auth", "")),), -1)).err == 0
    assert owner.set_data("/open", SECRET).err == 0
    assert stranger.replies() == []


@pytest.mark.parametrize("request_type", [SetWatches, SetWatches2])
def test_setwatches_tells_no_data_of_closed_nodes(
    request_type: type[SetWatches | SetWatches2], owner: Client, stranger: Client
) -> None:
    """That they are there, and whether they have changed, it does tell, as the original does."""
    lists = (("/closed", "/closed/child"),) * 3
    more = ((), ()) if request_type is SetWatches2 else ()
    opcode = OpCode.SET_WATCHES2 if request_type is SetWatches2 else OpCode.SET_WATCHES
    stranger.send(stranger.request(opcode, request_type(0, *lists, *more), xid=-8))
    frames = stranger.replies()
    assert all(SECRET not in frame.body for frame in frames)
    assert {event_of(frame)[1] for frame in frames[:-1]} == {"/closed", "/closed/child"}
    assert frames[-1].xid == -8
    assert owner.set_data("/closed", b"new").err == 0
    assert stranger.replies() == [], "later events are held back"


def test_recursive_watches_set_again_hear_nothing_of_closed_nodes(owner: Client, stranger: Client) -> None:
    again = SetWatches2(1 << 60, (), (), (), ("/closed",), ("/",))
    stranger.send(stranger.request(OpCode.SET_WATCHES2, again, xid=-8))
    stranger.replies()
    assert owner.set_data("/closed", b"new").err == 0
    assert stranger.replies() == []


@pytest.mark.parametrize("opcode", [OpCode.CHECK_WATCHES, OpCode.REMOVE_WATCHES], ids=lambda op: op.name)
def test_nobody_sees_or_removes_watches_of_others(opcode: OpCode, owner: Client, stranger: Client) -> None:
    assert owner.get_data("/closed", watch=True).err == 0
    record = CheckWatchesRequest if opcode is OpCode.CHECK_WATCHES else RemoveWatchesRequest
    for kind in WatcherType:
        assert stranger.call(opcode, record("/closed", kind)).err == ErrorCode.NO_WATCHER
    owner.send(owner.request(OpCode.SET_DATA, SetDataRequest("/closed", b"new", -1)))
    assert [reply.xid for reply in owner.replies()] == [-1, owner.xid]


def test_get_ephemerals_lists_ones_own(owner: Client, stranger: Client) -> None:
    def listed(client: Client) -> tuple[str | None, ...] | None:
        reply = client.call(OpCode.GET_EPHEMERALS, GetEphemeralsRequest("/"))
        assert reply.err == 0
        return GetEphemeralsResponse.parse(reply.body).ephemerals

    assert listed(owner) == ("/closed/going",)
    assert listed(stranger) == ()


def test_who_am_i_tells_ones_own_identities_without_passwords(owner: Client, stranger: Client) -> None:
    def told(client: Client) -> set[tuple[str | None, str | None]]:
        infos: tuple[ClientInfo, ...] = (
            WhoAmIResponse.parse(client.call(OpCode.WHO_AM_I).body).clientInfo or ()
        )
        return {(info.authScheme, info.user) for info in infos}

    assert told(owner) == {("ip", "127.0.0.1"), ("digest", "owner")}
    assert told(stranger) == {("ip", "127.0.0.1")}


def test_an_identity_is_not_left_to_the_next_request(server: Server, owner: Client, stranger: Client) -> None:
    """Reads are answered with a context that all connections share."""
    assert owner.get_data("/closed").err == 0
    assert stranger.get_data("/closed").err == NO_AUTH
    server.disk_works = False
    owner.send(owner.request(OpCode.SET_DATA, SetDataRequest("/closed", b"", -1)))
    owner.send(owner.request(OpCode.GET_DATA, GetDataRequest("/closed", False)))
    stranger.send(stranger.request(OpCode.SET_DATA, SetDataRequest("/closed", b"", -1)))
    stranger.send(stranger.request(OpCode.GET_DATA, GetDataRequest("/closed", False)))
    server.disk_works = True
    server.run()
    assert [reply.err for reply in owner.replies()] == [0, 0]
    assert [reply.err for reply in stranger.replies()] == [NO_AUTH, NO_AUTH]


def test_identities_do_not_survive_the_connection(server: Server, owner: Client) -> None:
    """A session that comes back has to prove who it is again."""
    back = server.client()
    back.connect(session_id=owner.session_id)
    reply: Reply = back.get_data("/closed")
    assert reply.err == NO_AUTH
