"""Clients of the leader, and what it decides about the sessions of all others."""

from __future__ import annotations

import pytest
from zoolet.jute.codes import ErrorCode, OpCode, PacketType
from zoolet.jute.data import OPEN_ACL
from zoolet.jute.proto import CreateRequest, GetDataRequest, SyncRequest
from zoolet.quorum.packet_data import encode_int, encode_request, encode_revalidation
from zoolet.quorum.packets import ack, packet
from zoolet.quorum.tests.members_lab import Lab
from zoolet.quorum.tests.wire_lab import (
    PING,
    TICK_MS,
    ScriptedLearner,
    WireLab,
    kinds,
    said,
    zx,
)
from zoolet.server.tests.harness import Client

SESSION = 0x0200000000000001


class Scene:
    """Member 1 leads, 2 follows; a client of the leader's own."""

    def __init__(self) -> None:
        self.lab = WireLab()
        [self.follower] = self.lab.serving_leader(2)
        self.client = self.lab.me.client()
        self.client.send(self.client.connect_frame())
        self.acknowledge()
        assert len(self.client.take_frames()) == 1
        self.client.session_id = self.client.connection.session_id

    def acknowledge(self) -> None:
        """Everything that is proposed."""
        last = self.lab.leader_role.last_proposed
        for zxid in range(self.lab.leader_role.last_committed + 1, last + 1):
            self.follower.say(ack(zxid))
        self.follower.heard()

    def create(self, path: str, client: Client | None = None) -> None:
        record = CreateRequest(path, b"", OPEN_ACL, 0)
        client = client or self.client
        client.send(client.request(OpCode.CREATE, record))

    def forward(self, opcode: int, body: bytes, *, session_id: int = SESSION, cxid: int = 1) -> None:
        data = encode_request(session_id, cxid, opcode, body)
        self.follower.say(packet(PacketType.REQUEST, -1, data))

    def tick(self, count: int = 1) -> None:
        for _ in range(count):
            self.lab.advance(TICK_MS)
            self.follower.heard()
            self.follower.say(PING)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def answers(client: Client) -> list[tuple[int, int]]:
    return [(reply.xid, reply.err) for reply in client.replies()]


def test_a_write_is_answered_when_it_is_committed_and_reads_behind_it_then(scene: Scene) -> None:
    scene.create("/a")
    scene.client.send(scene.client.request(OpCode.GET_DATA, GetDataRequest("/a", False)))
    assert answers(scene.client) == []
    scene.acknowledge()
    assert answers(scene.client) == [(1, 0), (2, 0)]
    assert scene.lab.me.core.in_process == 0


def test_an_undecodable_write_waits_for_those_before_it_and_takes_no_zxid(scene: Scene) -> None:
    scene.create("/a")
    last = scene.lab.leader_role.last_proposed
    scene.client.send(scene.client.request(OpCode.CREATE, b"\0"))
    assert scene.lab.leader_role.last_proposed == last
    assert answers(scene.client) == []
    scene.acknowledge()
    assert answers(scene.client) == [(1, 0), (2, ErrorCode.MARSHALLING_ERROR)]


def test_a_sync_of_the_leaders_own_client_waits_for_what_is_outstanding(scene: Scene) -> None:
    sync = scene.client.request(OpCode.SYNC, SyncRequest("/"))
    scene.client.send(sync)
    assert answers(scene.client) == [(1, 0)]
    scene.create("/a")
    scene.client.send(scene.client.request(OpCode.SYNC, SyncRequest("/")))
    assert answers(scene.client) == []
    scene.acknowledge()
    assert answers(scene.client) == [(2, 0), (3, 0)]


def test_a_sync_without_a_quorum_is_not_answered(scene: Scene) -> None:
    """Another leader may have committed already what it has to show."""
    scene.follower.hang_up()
    scene.client.send(scene.client.request(OpCode.SYNC, SyncRequest("/")))
    assert answers(scene.client) == []
    again = scene.lab.learner(2)
    again.join(scene.lab.peer.last_zxid)
    assert answers(scene.client) == [(1, 0)]


def test_a_returning_client_waits_for_what_its_last_connection_left_under_way(scene: Scene) -> None:
    scene.create("/a")
    again = scene.lab.me.client()
    again.send(again.connect_frame(session_id=scene.client.session_id))
    assert not scene.client.is_open
    again.send(again.request(OpCode.GET_DATA, GetDataRequest("/a", False)))
    assert again.take_bytes() == b""
    scene.acknowledge()
    [_, reply] = again.take_frames()
    assert reply[12:16] == bytes(4), "it reads its own write"


def test_a_session_that_comes_to_the_leader_is_the_leaders(scene: Scene) -> None:
    scene.forward(OpCode.CREATE_SESSION, encode_int(10_000), cxid=0)
    scene.acknowledge()
    client = scene.lab.me.client()
    client.send(client.connect_frame(session_id=SESSION))
    client.session_id = SESSION
    assert len(client.take_frames()) == 1
    scene.forward(OpCode.CREATE, CreateRequest("/late", b"", OPEN_ACL, 0).encode())
    scene.create("/mine", client)
    scene.acknowledge()
    assert scene.lab.nodes == {"/mine"}


def test_a_session_that_goes_to_a_follower_is_that_followers(scene: Scene) -> None:
    asked = packet(PacketType.REVALIDATE, -1, encode_revalidation(scene.client.session_id, 10_000))
    scene.follower.say(asked)
    scene.create("/late")
    scene.acknowledge()
    assert (scene.client.take_bytes(), scene.client.is_open) == (b"", False)
    assert scene.lab.nodes == set()


@pytest.mark.parametrize("session_id", [1, SESSION + 9, -1])
def test_a_session_that_nobody_knows_is_refused_at_once(scene: Scene, session_id: int) -> None:
    client = scene.lab.me.client()
    client.send(client.connect_frame(session_id=session_id))
    assert client.take_frame()[8:16] == bytes(8)
    assert not client.is_open


def test_the_leader_ends_the_sessions_of_all_members(scene: Scene) -> None:
    scene.forward(OpCode.CREATE_SESSION, encode_int(4000), cxid=0)
    ephemeral = CreateRequest("/e", b"", OPEN_ACL, 1).encode()
    scene.forward(OpCode.CREATE, ephemeral)
    scene.acknowledge()
    assert scene.lab.nodes == {"/e"}
    scene.tick(4)
    scene.acknowledge()
    assert scene.lab.nodes == set()
    assert SESSION not in scene.lab.peer.database.sessions
    asked = packet(PacketType.REVALIDATE, -1, encode_revalidation(SESSION, 4000))
    scene.follower.say(asked)
    [answer] = [data for kind, _, data, _ in scene.follower.heard() if kind == PacketType.REVALIDATE]
    assert answer == SESSION.to_bytes(8) + b"\0"


def test_a_session_whose_end_is_under_way_can_t_come_back(scene: Scene) -> None:
    scene.forward(OpCode.CREATE_SESSION, encode_int(10_000), cxid=0)
    scene.acknowledge()
    scene.forward(OpCode.CLOSE_SESSION, b"")
    scene.follower.heard()
    scene.follower.say(packet(PacketType.REVALIDATE, -1, encode_revalidation(SESSION, 10_000)))
    [(_, _, answer, _)] = scene.follower.heard()
    assert answer == SESSION.to_bytes(8) + b"\0"
    client = scene.lab.me.client()
    client.send(client.connect_frame(session_id=SESSION))
    assert client.take_frame()[8:16] == bytes(8)


def test_sessions_start_their_time_anew_with_every_leader() -> None:
    """Nobody knows when they were last heard of: they must not all be gone at once."""
    lab = WireLab()
    leader = lab.serving_leader(2)[0]
    data = encode_request(SESSION, 0, OpCode.CREATE_SESSION, encode_int(10_000))
    leader.say(packet(PacketType.REQUEST, -1, data))
    leader.say(ack(zx(1, 1)))
    leader.hang_up()
    lab.advance(30_000)
    assert SESSION in lab.peer.database.sessions
    [follower] = lab.serving_leader(2)
    for _ in range(4):
        lab.advance(TICK_MS)
        follower.say(PING)
    assert kinds(follower.heard())[-1:] != ["PROPOSAL"]
    for _ in range(4):
        lab.advance(TICK_MS)
        follower.say(PING)
    assert kinds(follower.heard())[-1:] == ["PROPOSAL"]


def test_what_the_leader_shows_of_its_learners() -> None:
    lab = WireLab(voters=3, observers=1)
    lab.serving_leader(2)
    observer, guest = lab.learner(4), lab.learner(99)
    observer.join(zx(1, 0), observer=True)
    guest.join(zx(1, 0))
    shown = lab.me.monitor()
    assert shown["server_state"] == "leader"
    wanted = ("learners", "synced_followers", "synced_non_voting_followers", "synced_observers")
    assert [shown[name] for name in wanted] == ["3", "2", "1", "1"]
    assert (shown["pending_syncs"], shown["quorum_size"]) == ("0", "3")


def test_every_member_has_its_part_of_the_outstanding_limit() -> None:
    lab = Lab.settled(5, 1, global_outstanding_limit=1000)
    limits = {sid: member.core.outstanding_limit for sid, member in lab.members.items()}
    assert limits == {1: 250, 2: 250, 3: 250, 4: 250, 5: 250, 6: 1000}


def test_a_write_of_a_learner_that_is_not_up_to_date_yet_is_refused(scene: Scene) -> None:
    early: ScriptedLearner = scene.lab.learner(3)
    early.introduce()
    early.ack_epoch(scene.lab.peer.last_zxid)
    data = encode_request(SESSION, 0, OpCode.CREATE_SESSION, encode_int(10_000))
    early.say(packet(PacketType.REQUEST, -1, data))
    assert not early.is_open
    assert said(scene.follower.heard()) == []
