"""Local sessions: they make no txn until they want to own a node. The answers are those of Java 3.9.4."""

from __future__ import annotations

from struct import pack

import pytest
from zoolet.jute.codes import ErrorCode, OpCode
from zoolet.jute.data import OPEN_ACL
from zoolet.jute.proto import CheckVersionRequest, ConnectResponse, CreateRequest, SyncRequest
from zoolet.quorum.local_sessions import makes_ephemeral
from zoolet.quorum.tests.members_lab import Lab, LabMember
from zoolet.server.ops.table import OPERATIONS
from zoolet.server.request import Request
from zoolet.server.tests.harness import Client
from zoolet.server.tests.pipeline import multi_body

EPHEMERAL, EPHEMERAL_SEQUENTIAL = 1, 3
FOLLOWER, LEADER, OBSERVER = 1, 2, 3
EVERYWHERE = pytest.mark.parametrize(
    "sid", [FOLLOWER, LEADER, OBSERVER], ids=["follower", "leader", "observer"]
)


def make_lab(*, upgrading: bool = True) -> Lab:
    return Lab.settled(
        2,
        1,
        local_sessions_enabled=True,
        local_sessions_upgrading_enabled=upgrading,
        min_session_timeout_ms=4000,
    )


@pytest.fixture
def lab() -> Lab:
    return make_lab()


def last_zxid(lab: Lab) -> int:
    return lab[LEADER].peer.last_zxid


def sessions(member: LabMember) -> tuple[int, int]:
    """How many are local to it, and how many global."""
    monitor = member.monitor()
    return int(monitor["local_sessions"]), int(monitor["global_sessions"])


def resume(member: LabMember, session_id: int) -> tuple[Client, bool]:
    """A connection that asks for a session, and whether it got it."""
    client = member.client()
    response = client.connect(session_id=session_id)
    return client, response.sessionId == session_id


def results(body: bytes) -> list[int]:
    """Errors of the operations of a failed multi."""
    return [int.from_bytes(body[at + 5 : at + 9], "big", signed=True) for at in range(0, len(body) - 9, 13)]


# --- a life without txns ------------------------------------------------------------------------------------


@EVERYWHERE
def test_a_session_begins_and_ends_on_its_server_alone(lab: Lab, sid: int) -> None:
    before = last_zxid(lab)
    client = lab[sid].connected()
    assert sessions(lab[sid]) == (1, 0)
    assert all(sessions(member) == (0, 0) for member in lab.running if member.sid != sid)
    assert client.get_children("/").err == 0
    reply = client.call(OpCode.CLOSE_SESSION)
    assert (reply.xid, reply.err, client.is_open) == (2, 0, False)
    assert sessions(lab[sid]) == (0, 0)
    assert last_zxid(lab) == before, "nothing was logged"
    assert not resume(lab[sid], client.session_id)[1]


@EVERYWHERE
def test_a_silent_session_expires_on_its_server_without_a_txn(lab: Lab, sid: int) -> None:
    client = lab[sid].connected(timeout_ms=4000)
    before = last_zxid(lab)
    lab.advance(3000)
    assert client.is_open
    lab.advance(5000)
    assert not client.is_open
    assert sessions(lab[sid]) == (0, 0)
    assert last_zxid(lab) == before


@EVERYWHERE
def test_a_session_that_is_used_lives_on_though_no_other_server_hears_of_it(lab: Lab, sid: int) -> None:
    client = lab[sid].connected(timeout_ms=4000)
    for _ in range(10):
        lab.advance(2000)
        assert client.call(OpCode.PING, xid=-2).err == 0
    assert sessions(lab[sid]) == (1, 0)


@EVERYWHERE
def test_a_session_comes_back_to_its_own_server_only(lab: Lab, sid: int) -> None:
    client = lab[sid].connected()
    for member in lab.running:
        if member.sid != sid:
            assert not resume(member, client.session_id)[1]
    assert client.get_children("/").err == 0, "and is no worse for it"
    again, resumed = resume(lab[sid], client.session_id)
    assert resumed
    assert not client.is_open
    assert again.get_children("/").err == 0


@EVERYWHERE
def test_a_local_session_may_write(lab: Lab, sid: int) -> None:
    client = lab[sid].connected()
    assert client.create("/a").err == 0
    assert client.set_data("/a", b"1").err == 0
    assert client.call(OpCode.SYNC, SyncRequest("/")).err == 0
    checked = multi_body(
        (OpCode.CREATE, CreateRequest("/b", b"", OPEN_ACL, 0)), (OpCode.CHECK, CheckVersionRequest("/a", 1))
    )
    assert client.call(OpCode.MULTI, checked).body[:9] == pack(">i?i", 1, False, 0)
    assert sessions(lab[sid]) == (1, 0)


def test_local_sessions_are_gone_when_the_role_ends(lab: Lab) -> None:
    client = lab[FOLLOWER].connected()
    lab.stop(LEADER)
    assert not client.is_open
    lab.start(LEADER)
    lab.settle()
    assert not resume(lab[FOLLOWER], client.session_id)[1]


def test_a_client_that_asks_for_another_session_gets_its_own_again_without_a_txn(lab: Lab) -> None:
    client = lab[LEADER].connected()
    before = last_zxid(lab)
    client.send(client.request(OpCode.CREATE_SESSION, pack(">i", 4000)))
    assert ConnectResponse.parse(client.take_frame()).sessionId == client.session_id
    assert last_zxid(lab) == before


# --- becoming global ----------------------------------------------------------------------------------------


@EVERYWHERE
@pytest.mark.parametrize("opcode", [OpCode.CREATE, OpCode.CREATE2, OpCode.MULTI])
def test_an_ephemeral_node_makes_its_session_everybodys(lab: Lab, sid: int, opcode: OpCode) -> None:
    client = lab[sid].connected()
    before = last_zxid(lab)
    record = CreateRequest("/e", b"", OPEN_ACL, EPHEMERAL)
    client.create("/p")
    reply = client.call(opcode, multi_body((OpCode.CREATE2, record)) if opcode == OpCode.MULTI else record)
    assert (reply.err, reply.zxid) == (0, before + 3), "createSession went ahead of it"
    assert lab[LEADER].peer.database.tree.nodes["/e"].ephemeral_owner == client.session_id
    assert all(sessions(member) == (0, 1) for member in lab.running)
    lab.advance(1)
    again, resumed = resume(lab[1 + sid % 3], client.session_id)
    assert resumed, "it may move now"
    assert again.call(OpCode.CLOSE_SESSION).err == 0
    assert "/e" not in lab[LEADER].peer.database.tree.nodes
    assert all(sessions(member) == (0, 0) for member in lab.running)


@EVERYWHERE
def test_an_upgraded_session_is_kept_alive_by_its_server_and_expired_by_the_leader(
    lab: Lab, sid: int
) -> None:
    """ZOOKEEPER-3471: a node of a half-upgraded session was nobody's to remove."""
    client = lab[sid].connected(timeout_ms=4000)
    assert client.create("/e", flags=EPHEMERAL_SEQUENTIAL).err == 0
    for _ in range(5):
        lab.advance(2000)
        assert client.call(OpCode.PING, xid=-2).err == 0
    lab.advance(10_000)
    assert not client.is_open
    assert all(sessions(member) == (0, 0) for member in lab.running)
    assert lab[LEADER].peer.database.tree.ephemeral_count() == 0


@EVERYWHERE
def test_only_the_first_ephemeral_costs_a_session_txn(lab: Lab, sid: int) -> None:
    client = lab[sid].connected()
    before = last_zxid(lab)
    # Both are under way before the first is answered.
    frames = [
        client.request(OpCode.CREATE, CreateRequest(path, b"", OPEN_ACL, EPHEMERAL)) for path in ("/a", "/b")
    ]
    client.send(b"".join(frames))
    assert [(reply.xid, reply.err, reply.zxid - before) for reply in client.replies()] == [
        (1, 0, 2),
        (2, 0, 3),
    ]


@EVERYWHERE
def test_a_failing_ephemeral_create_upgrades_all_the_same(lab: Lab, sid: int) -> None:
    client = lab[sid].connected()
    assert client.create("/missing/e", flags=EPHEMERAL).err == ErrorCode.NO_NODE
    assert sessions(lab[sid]) == (0, 1)


@EVERYWHERE
def test_what_cannot_be_read_upgrades_nothing(lab: Lab, sid: int) -> None:
    client = lab[sid].connected()
    assert client.call(OpCode.CREATE, b"\0").err == ErrorCode.MARSHALLING_ERROR
    broken = multi_body((OpCode.CREATE, CreateRequest("/e", b"", OPEN_ACL, EPHEMERAL)))[:-9] + b"\0"
    assert client.call(OpCode.MULTI, broken).err == ErrorCode.MARSHALLING_ERROR
    bad_flag = CreateRequest("/e", b"", OPEN_ACL, 9)
    assert client.call(OpCode.CREATE, bad_flag).err == ErrorCode.BAD_ARGUMENTS
    assert sessions(lab[sid]) == (1, 0)


# --- where sessions may not be upgraded ---------------------------------------------------------------------


@EVERYWHERE
def test_without_upgrading_an_ephemeral_is_refused_and_the_session_stays_local(sid: int) -> None:
    lab = make_lab(upgrading=False)
    client = lab[sid].connected()
    before = last_zxid(lab)
    for opcode in (OpCode.CREATE, OpCode.CREATE2):
        refused = client.call(opcode, CreateRequest("/e", b"", OPEN_ACL, EPHEMERAL))
        assert refused.err == ErrorCode.EPHEMERAL_ON_LOCAL_SESSION
    assert last_zxid(lab) == before + 2, "a refused write is one in the log"
    assert client.create("/p").err == 0
    assert sessions(lab[sid]) == (1, 0)


@EVERYWHERE
def test_inside_a_multi_the_leaders_clients_alone_hear_why(sid: int) -> None:
    """A learner does not know which operation it was; its client gets what the leader wrote down."""
    lab = make_lab(upgrading=False)
    client = lab[sid].connected()
    body = multi_body(
        (OpCode.CREATE, CreateRequest("/p", b"", OPEN_ACL, 0)),
        (OpCode.CREATE, CreateRequest("/e", b"", OPEN_ACL, EPHEMERAL)),
        (OpCode.CREATE, CreateRequest("/q", b"", OPEN_ACL, 0)),
    )
    reply = client.call(OpCode.MULTI, body)
    why = ErrorCode.EPHEMERAL_ON_LOCAL_SESSION if sid == LEADER else ErrorCode.SESSION_EXPIRED
    assert reply.err == 0
    assert results(reply.body) == [0, why, ErrorCode.RUNTIME_INCONSISTENCY]
    assert "/p" not in lab[LEADER].peer.database.tree.nodes


# --- order --------------------------------------------------------------------------------------------------


@EVERYWHERE
def test_the_end_of_a_local_session_is_answered_behind_everything_before_it(lab: Lab, sid: int) -> None:
    client = lab[sid].connected()
    client.send(
        b"".join(
            (
                client.request(OpCode.CREATE, CreateRequest("/a", b"", OPEN_ACL, 0)),
                client.request(OpCode.CREATE, b"junk"),
                client.request(OpCode.SYNC, SyncRequest("/")),
                client.request(OpCode.CREATE, b"junk"),
                client.request(OpCode.CLOSE_SESSION),
            )
        )
    )
    undecodable = ErrorCode.MARSHALLING_ERROR
    replies = [(reply.xid, reply.err) for reply in client.replies()]
    assert replies == [(1, 0), (2, undecodable), (3, 0), (4, undecodable), (5, 0)]
    assert not client.is_open


@EVERYWHERE
def test_what_comes_behind_the_end_of_a_local_session_does_not_open_it_for_everybody(
    lab: Lab, sid: int
) -> None:
    """The end waits for a write before it; a session made global meanwhile would outlive its client."""
    client = lab[sid].connected()
    for request in (
        client.request(OpCode.CREATE, CreateRequest("/a", b"", OPEN_ACL, 0)),
        client.request(OpCode.CLOSE_SESSION),
        client.request(OpCode.CREATE, CreateRequest("/mine", b"", OPEN_ACL, EPHEMERAL)),
    ):
        client.inbox += request
        lab[sid].serve_clients()
    lab.run()
    assert [(reply.xid, reply.err) for reply in client.replies()] == [(1, 0), (2, 0)]
    assert sessions(lab[sid]) == (0, 0)
    assert "/mine" not in lab[LEADER].peer.database.tree.nodes


# --- which requests want an ephemeral node ------------------------------------------------------------------


def wants(opcode: OpCode, body: bytes) -> bool:
    return makes_ephemeral(Request(None, 1, 1, OPERATIONS[opcode], bytes(8) + body, 0))  # type: ignore[arg-type]


@pytest.mark.parametrize("flags", range(-1, 8))
def test_the_flag_decides_and_not_the_opcode(flags: int) -> None:
    record = CreateRequest("/a", b"", OPEN_ACL, flags)
    is_ephemeral = flags in (EPHEMERAL, EPHEMERAL_SEQUENTIAL)
    assert wants(OpCode.CREATE, record.encode()) is is_ephemeral
    assert wants(OpCode.CREATE2, record.encode()) is is_ephemeral
    assert wants(OpCode.MULTI, multi_body((OpCode.CREATE, record))) is is_ephemeral
    assert not wants(OpCode.CREATE_CONTAINER, record.encode())
    assert not wants(OpCode.SET_DATA, record.encode())


@pytest.mark.parametrize("body", [b"", b"\0\0\0\1", bytes(30)])
def test_junk_wants_none(body: bytes) -> None:
    for opcode in (OpCode.CREATE, OpCode.MULTI):
        assert not wants(opcode, body)
