"""Clients of followers and observers: what they hear of writes that the leader decides, and when."""

from __future__ import annotations

from struct import pack

import pytest
from zoolet.jute.codes import ErrorCode, OpCode
from zoolet.jute.data import OPEN_ACL
from zoolet.jute.proto import (
    CheckVersionRequest,
    CreateRequest,
    DeleteRequest,
    ErrorResponse,
    SetDataRequest,
    SyncRequest,
)
from zoolet.quorum.tests.members_lab import Lab
from zoolet.server.tests.pipeline import multi_body

FOLLOWER, LEADER, OBSERVER = 1, 2, 3
EVERYWHERE = pytest.mark.parametrize(
    "sid", [FOLLOWER, LEADER, OBSERVER], ids=["follower", "leader", "observer"]
)
MARSHALLING_ERROR = ErrorCode.MARSHALLING_ERROR
END_OF_MULTI = pack(">i?i", -1, True, -1)


@pytest.fixture
def lab() -> Lab:
    return Lab.settled(2, 1)


def create(path: str, flags: int = 0) -> CreateRequest:
    return CreateRequest(path, b"", OPEN_ACL, flags)


@EVERYWHERE
def test_every_reply_comes_in_its_turn_wherever_the_request_ends(lab: Lab, sid: int) -> None:
    """Writes and syncs go to the leader and back, what can't be decoded goes nowhere, reads are local."""
    client = lab[sid].connected()
    junk = b"\0"
    requests = [
        (OpCode.CREATE, create("/a").encode()),
        (OpCode.CREATE, junk),
        (OpCode.SYNC, SyncRequest("/").encode()),
        (OpCode.SET_DATA, junk),
        (OpCode.SYNC, SyncRequest("/").encode()),
        (OpCode.PING, b""),
        (OpCode.SET_DATA, SetDataRequest("/a", b"1", -1).encode()),
        (OpCode.DELETE, DeleteRequest("/nothing", -1).encode()),
        (OpCode.DELETE, junk),
    ]
    client.send(b"".join(client.request(opcode, body) for opcode, body in requests))
    errors = [(reply.xid, reply.err) for reply in client.replies()]
    assert errors == [
        (1, 0),
        (2, MARSHALLING_ERROR),
        (3, 0),
        (4, MARSHALLING_ERROR),
        (5, 0),
        (-2, 0),
        (7, 0),
        (8, ErrorCode.NO_NODE),
        (9, MARSHALLING_ERROR),
    ]
    assert lab[sid].core.in_process == 0
    assert lab[sid].monitor()["outstanding_requests"] == "0"


@EVERYWHERE
def test_a_multi_is_answered_as_on_a_server_of_its_own(lab: Lab, sid: int) -> None:
    client = lab[sid].connected()
    reply = client.call(
        OpCode.MULTI,
        multi_body(
            (OpCode.CREATE, create("/m")),
            (OpCode.CREATE2, create("/m/s-", 2)),
            (OpCode.SET_DATA, SetDataRequest("/m", b"1", 0)),
            (OpCode.CHECK, CheckVersionRequest("/m", 1)),
            (OpCode.DELETE, DeleteRequest("/m/s-0000000000", -1)),
        ),
    )
    assert reply.err == 0
    assert reply.body.startswith(pack(">i?i", OpCode.CREATE, False, 0) + b"\0\0\0\2/m")
    assert reply.body.endswith(pack(">i?i", OpCode.DELETE, False, 0) + END_OF_MULTI)
    assert pack(">i?i", OpCode.CREATE2, False, 0) + b"\0\0\0\x0f/m/s-0000000000" in reply.body
    stat = lab[sid].peer.database.tree.nodes["/m"].stat_bytes()
    assert stat[:12] in reply.body


@EVERYWHERE
def test_a_failed_multi_tells_which_operation_it_was(lab: Lab, sid: int) -> None:
    client = lab[sid].connected()
    reply = client.call(
        OpCode.MULTI,
        multi_body(
            (OpCode.CREATE, create("/m")),
            (OpCode.CHECK, CheckVersionRequest("/nothing", 0)),
            (OpCode.CREATE, create("/n")),
        ),
    )
    codes = (0, ErrorCode.NO_NODE, ErrorCode.RUNTIME_INCONSISTENCY)
    results = b"".join(pack(">i?i", -1, False, code) + ErrorResponse(code).encode() for code in codes)
    assert (reply.err, reply.body) == (0, results + END_OF_MULTI)
    assert "/m" not in lab[sid].peer.database.tree.nodes


@EVERYWHERE
@pytest.mark.parametrize("as_multi", [False, True], ids=["create", "multi"])
def test_a_late_write_of_a_session_that_moved_on_closes_its_connection(
    lab: Lab, sid: int, *, as_multi: bool
) -> None:
    """An answer would be read as one to the new connection's requests (ZOOKEEPER-710)."""
    elsewhere = lab[1 + sid % 3]
    old = lab[sid].connected()
    new = elsewhere.client()
    assert new.connect(session_id=old.session_id).sessionId == old.session_id
    assert new.create("/a").err == 0
    before = lab[LEADER].peer.last_zxid
    if as_multi:
        old.send(old.request(OpCode.MULTI, multi_body((OpCode.CREATE, create("/b")))))
    else:
        old.send(old.request(OpCode.CREATE, create("/b")))
    assert (old.take_bytes(), old.is_open) == (b"", False)
    assert lab[LEADER].peer.last_zxid == before + 1, "it is in the log as one that failed"
    assert "/b" not in lab[LEADER].peer.database.tree.nodes
    assert new.create("/c").err == 0


@EVERYWHERE
def test_a_session_with_a_wrong_password_is_refused_without_asking_the_leader(lab: Lab, sid: int) -> None:
    owner = lab[sid].connected()
    thief = lab[sid].client()
    assert thief.connect(session_id=owner.session_id, password=bytes(16)).sessionId == 0
    again = lab[sid].client()
    assert again.connect(session_id=owner.session_id).sessionId == owner.session_id


@EVERYWHERE
def test_a_session_lives_as_long_as_its_client_is_heard_of_anywhere(lab: Lab, sid: int) -> None:
    client = lab[sid].connected(timeout_ms=4000)
    assert client.create("/e", flags=1).err == 0
    for _ in range(6):
        lab.advance(2000)
        assert client.call(OpCode.PING, xid=-2).err == 0
    assert "/e" in lab[LEADER].peer.database.tree.nodes
    lab.advance(12_000)
    assert not client.is_open
    assert all("/e" not in member.peer.database.tree.nodes for member in lab.running)
