"""`enableEagerACLCheck`: what a member's own tree forbids takes no zxid and asks nobody else."""

from __future__ import annotations

import pytest
from zoolet.jute.codes import ErrorCode, OpCode, Perms
from zoolet.jute.data import ACL, OPEN_ACL, Id
from zoolet.jute.proto import AuthPacket, CreateRequest, DeleteRequest, SetACLRequest, SetDataRequest
from zoolet.quorum.tests.members_lab import Lab
from zoolet.server.tests.harness import Client

FOLLOWER, LEADER, OBSERVER = 1, 2, 3
EVERYWHERE = pytest.mark.parametrize(
    "sid", [FOLLOWER, LEADER, OBSERVER], ids=["follower", "leader", "observer"]
)
READ_ONLY = (ACL(Perms.READ, Id("world", "anyone")),)
NO_AUTH, INVALID_ACL, NO_NODE = ErrorCode.NO_AUTH, ErrorCode.INVALID_ACL, ErrorCode.NO_NODE


@pytest.fixture
def lab() -> Lab:
    lab = Lab.settled(2, 1, enable_eager_acl_check=True)
    client = lab[LEADER].connected()
    assert client.create("/closed", acl=READ_ONLY).err == 0
    assert client.create("/open").err == 0
    lab.run()
    return lab


def last_zxid(lab: Lab) -> int:
    return lab[LEADER].peer.last_zxid


@EVERYWHERE
@pytest.mark.parametrize(
    ("opcode", "record", "error"),
    [
        (OpCode.CREATE, CreateRequest("/closed/x", b"", OPEN_ACL, 0), NO_AUTH),
        (OpCode.CREATE2, CreateRequest("/closed/x", b"", OPEN_ACL, 0), NO_AUTH),
        (OpCode.CREATE, CreateRequest("/open/x", b"", (), 0), INVALID_ACL),
        (OpCode.DELETE, DeleteRequest("/closed/x", -1), NO_AUTH),
        (OpCode.SET_DATA, SetDataRequest("/closed", b"", -1), NO_AUTH),
        (OpCode.SET_ACL, SetACLRequest("/closed", OPEN_ACL, -1), NO_AUTH),
        (OpCode.SET_ACL, SetACLRequest("/open", (), -1), INVALID_ACL),
    ],
)
def test_what_is_forbidden_takes_no_zxid(
    lab: Lab, sid: int, opcode: int, record: CreateRequest, error: int
) -> None:
    client = lab[sid].connected()
    lab.run()
    before = last_zxid(lab)
    assert client.call(opcode, record).err == error
    assert last_zxid(lab) == before


@EVERYWHERE
def test_what_is_wrong_otherwise_is_left_to_the_leader(lab: Lab, sid: int) -> None:
    client = lab[sid].connected()
    lab.run()
    before = last_zxid(lab)
    assert client.create("/no/x").err == NO_NODE
    assert client.call(OpCode.DELETE, DeleteRequest("/", -1)).err == ErrorCode.BAD_ARGUMENTS
    assert client.set_data("/no").err == NO_NODE
    assert last_zxid(lab) == before + 3


@EVERYWHERE
def test_what_is_allowed_is_done(lab: Lab, sid: int) -> None:
    client = lab[sid].connected()
    assert client.call(OpCode.AUTH, AuthPacket(0, "digest", b"bob:x"), xid=-4).err == 0
    assert client.create("/mine", acl=(ACL(31, Id("auth", "")),)).err == 0
    assert client.set_data("/mine").err == 0


@EVERYWHERE
def test_a_refusal_waits_for_its_turn(lab: Lab, sid: int) -> None:
    client: Client = lab[sid].connected()
    client.send(
        client.request(OpCode.CREATE, CreateRequest("/open/a", b"", OPEN_ACL, 0))
        + client.request(OpCode.CREATE, CreateRequest("/closed/a", b"", OPEN_ACL, 0))
        + client.request(OpCode.CREATE, CreateRequest("/open/b", b"", OPEN_ACL, 0))
        + client.request(OpCode.WHO_AM_I)
    )
    lab.run()
    replies = client.replies()
    assert [(reply.xid, reply.err) for reply in replies] == [(1, 0), (2, NO_AUTH), (3, 0), (4, 0)]
