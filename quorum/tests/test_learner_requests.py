"""Requests of a follower's clients on their way to the leader and back; the leader is a script.

What clients hear with a real leader behind it is in `test_learner_server`.
"""

from __future__ import annotations

import pytest
from zoolet.jute.codes import ErrorCode, OpCode, PacketType
from zoolet.jute.data import OPEN_ACL
from zoolet.jute.proto import CreateRequest, DeleteRequest, GetDataRequest, SyncRequest
from zoolet.jute.txn import CloseSessionTxn, DeleteTxn
from zoolet.quorum.packet_data import decode_revalidation, decode_touches
from zoolet.quorum.packets import commit, packet
from zoolet.quorum.tests.wire_lab import (
    DIFF,
    PING,
    SYNC,
    ScriptedLeader,
    WireLab,
    committed,
    create_txn,
    error_txn,
    inform,
    kinds,
    proposed,
    session_txn,
    txn,
    validity,
    zx,
)
from zoolet.server.tests.harness import Client

S, T = 77, 78
"""Sessions that the leader knows."""


class Scene:
    """A follower with two sessions in its table, and its leader."""

    def __init__(self, sid: int = 1, observers: int = 0) -> None:
        self.lab = WireLab(sid, observers=observers)
        self.leader: ScriptedLeader = self.lab.follow(2)
        self.leader.synchronise(committed(session_txn(zx(1, 1), S), session_txn(zx(1, 2), T)))
        self.counter = 2

    def client(self, session_id: int = S) -> Client:
        client = self.lab.me.client()
        self.leader.let_in(client, session_id)
        return client

    def zxid(self) -> int:
        self.counter += 1
        return zx(1, self.counter)

    def created(self, path: str, *, session_id: int = S, cxid: int) -> bytes:
        """PROPOSAL and COMMIT of a create."""
        return committed(create_txn(self.zxid(), path, session_id=session_id, cxid=cxid))


@pytest.fixture
def scene() -> Scene:
    return Scene()


def create(client: Client, path: str, *, xid: int | None = None) -> None:
    record = CreateRequest(path, b"", OPEN_ACL, 0)
    client.send(client.request(OpCode.CREATE, record, xid=xid))


def read(client: Client, path: str) -> None:
    client.send(client.request(OpCode.GET_DATA, GetDataRequest(path, False)))


def answers(client: Client) -> list[tuple[int, int]]:
    """Xid and error of everything that was answered."""
    return [(reply.xid, reply.err) for reply in client.replies()]


# -- forwarding --------------------------------------------------------------------------------------------


def test_a_write_goes_to_the_leader_as_it_is_with_the_clients_identities(scene: Scene) -> None:
    client = scene.client()
    create(client, "/a")
    [(kind, zxid, data, identities)] = scene.leader.heard()
    assert (kind, zxid) == (PacketType.REQUEST, -1)
    assert data is not None
    head = S.to_bytes(8) + (1).to_bytes(4) + (1).to_bytes(4)
    assert data == head + CreateRequest("/a", b"", OPEN_ACL, 0).encode()
    assert [(one.scheme, one.id) for one in identities or ()] == [("ip", "127.0.0.1")]


def test_a_write_is_answered_when_it_is_committed_and_not_when_it_is_proposed(scene: Scene) -> None:
    client = scene.client()
    create(client, "/a")
    payload = create_txn(scene.zxid(), "/a", session_id=S, cxid=1)
    scene.leader.say(proposed(payload))
    assert answers(client) == []
    scene.leader.say(commit(zx(1, 3)))
    assert answers(client) == [(1, 0)]


def test_a_client_reads_its_own_writes_and_not_those_of_others_that_are_under_way(scene: Scene) -> None:
    mine, other = scene.client(S), scene.client(T)
    create(mine, "/a")
    read(mine, "/a")
    read(other, "/a")
    assert answers(other) == [(1, ErrorCode.NO_NODE)]
    assert answers(mine) == []
    scene.leader.say(scene.created("/a", cxid=1))
    assert answers(mine) == [(1, 0), (2, 0)]


def test_an_undecodable_write_is_answered_here_in_its_turn_and_never_forwarded(scene: Scene) -> None:
    """The original's leader never answers it."""
    client = scene.client()
    create(client, "/a")
    client.send(client.request(OpCode.CREATE, b"\0"))
    create(client, "/b")
    assert scene.leader.take_requests() == [(S, 1, OpCode.CREATE), (S, 3, OpCode.CREATE)]
    assert answers(client) == []
    scene.leader.say(scene.created("/a", cxid=1))
    assert answers(client) == [(1, 0), (2, ErrorCode.MARSHALLING_ERROR)]
    scene.leader.say(scene.created("/b", cxid=3))
    assert answers(client) == [(3, 0)]
    assert scene.lab.me.core.in_process == 0


def test_commits_of_others_are_applied_and_answer_nobody(scene: Scene) -> None:
    client = scene.client()
    create(client, "/a")
    scene.leader.say(scene.created("/x", session_id=T, cxid=1), scene.created("/y", session_id=5, cxid=1))
    assert answers(client) == []
    assert scene.lab.nodes == {"/x", "/y"}
    scene.leader.say(scene.created("/a", cxid=1))
    assert answers(client) == [(1, 0)]


# -- whose txn is it? --------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_error", [False, True])
def test_a_session_that_has_moved_here_is_not_answered_with_what_it_left_under_way(
    scene: Scene, *, as_error: bool
) -> None:
    """A client that counts its requests anew after a reconnect (kazoo does) has two with one number."""
    client = scene.lab.me.client()
    client.send(client.connect_frame(session_id=S))
    old_zxid = scene.zxid()
    old = error_txn(old_zxid, -110, session_id=S, cxid=1)
    if not as_error:
        old = create_txn(old_zxid, "/old", session_id=S, cxid=1)
    scene.leader.say(proposed(old), validity(S, valid=True))
    client.take_frames()
    create(client, "/new", xid=1)
    scene.leader.say(commit(old_zxid))
    assert answers(client) == []
    scene.leader.say(scene.created("/new", cxid=1))
    [reply] = client.replies()
    assert (reply.err, reply.body) == (0, b"\0\0\0\4/new")


def test_a_txn_with_another_number_or_of_another_kind_answers_nobody(scene: Scene) -> None:
    client = scene.client()
    create(client, "/a", xid=9)
    scene.leader.say(
        scene.created("/x", cxid=8),
        committed(txn(scene.zxid(), OpCode.DELETE, DeleteTxn("/x"), session_id=S, cxid=9)),
    )
    assert answers(client) == []
    assert scene.lab.nodes == set()
    scene.leader.say(scene.created("/a", cxid=9))
    assert answers(client) == [(9, 0)]


def test_a_sync_is_never_taken_for_a_write(scene: Scene) -> None:
    client = scene.client()
    client.send(client.request(OpCode.SYNC, SyncRequest("/"), xid=1))
    scene.leader.say(committed(error_txn(scene.zxid(), -110, session_id=S, cxid=1)))
    assert answers(client) == []
    scene.leader.say(SYNC)
    assert answers(client) == [(1, 0)]
    assert scene.leader.is_open


def test_what_a_closed_connection_left_under_way_is_not_answered_on_the_next_one(scene: Scene) -> None:
    first = scene.client()
    create(first, "/a", xid=1)
    first.disconnect()
    second = scene.client()
    create(second, "/b", xid=1)
    scene.leader.say(scene.created("/a", cxid=1))
    assert answers(second) == []
    scene.leader.say(scene.created("/b", cxid=1))
    [reply] = second.replies()
    assert reply.body == b"\0\0\0\2/b"
    assert scene.lab.me.core.in_process == 0


def test_an_observers_clients_are_answered_with_what_it_is_informed_of() -> None:
    scene = Scene(4, observers=1)
    client = scene.client()
    create(client, "/a")
    scene.leader.say(inform(create_txn(scene.zxid(), "/a", session_id=S, cxid=1)))
    assert answers(client) == [(1, 0)]


def test_an_error_is_the_leaders_word(scene: Scene) -> None:
    client = scene.client()
    client.send(client.request(OpCode.DELETE, DeleteRequest("/a", -1)))
    scene.leader.say(committed(error_txn(scene.zxid(), ErrorCode.NO_NODE, session_id=S, cxid=1)))
    assert answers(client) == [(1, ErrorCode.NO_NODE)]


# -- sync --------------------------------------------------------------------------------------------------


def test_syncs_are_answered_in_their_order_and_among_the_sessions_writes(scene: Scene) -> None:
    mine, other = scene.client(S), scene.client(T)
    sync = SyncRequest("/")
    create(mine, "/a")
    mine.send(mine.request(OpCode.SYNC, sync))
    other.send(other.request(OpCode.SYNC, sync))
    read(mine, "/a")
    assert kinds(scene.leader.heard()) == ["REQUEST"] * 3
    scene.leader.say(scene.created("/a", cxid=1))
    assert answers(mine) == [(1, 0)]
    scene.leader.say(SYNC)
    assert answers(mine) == [(2, 0), (3, 0)]
    assert answers(other) == []
    scene.leader.say(SYNC)
    assert answers(other) == [(1, 0)]


def test_a_sync_that_nobody_asked_for_is_passed_over(scene: Scene) -> None:
    client = scene.client()
    scene.leader.say(SYNC, SYNC)
    client.send(client.request(OpCode.SYNC, SyncRequest("/")))
    assert answers(client) == []
    scene.leader.say(SYNC)
    assert answers(client) == [(1, 0)]


# -- sessions ----------------------------------------------------------------------------------------------


def test_a_returning_client_is_let_in_by_the_leader_only(scene: Scene) -> None:
    good, bad = scene.lab.me.client(), scene.lab.me.client()
    good.send(good.connect_frame(session_id=S))
    bad.send(bad.connect_frame(session_id=99))
    asked = [
        decode_revalidation(data)
        for kind, _, data, _ in scene.leader.heard()
        if kind == PacketType.REVALIDATE
    ]
    assert asked == [(S, 10_000), (99, 10_000)]
    assert good.take_bytes() == bad.take_bytes() == b""
    scene.leader.say(validity(S, valid=True), validity(99, valid=False))
    assert good.take_frame()[8:16] == S.to_bytes(8)
    assert bad.take_frame()[8:16] == bytes(8)
    assert good.is_open
    assert not bad.is_open


def test_the_later_of_two_connections_of_a_session_gets_it(scene: Scene) -> None:
    first, second = scene.lab.me.client(), scene.lab.me.client()
    for client in (first, second):
        client.send(client.connect_frame(session_id=S))
    assert not first.is_open
    scene.leader.say(validity(S, valid=True), validity(S, valid=True))
    assert len(second.take_frames()) == 1
    assert second.is_open
    assert first.take_bytes() == b""


def test_an_answer_for_a_client_that_has_gone_is_passed_over(scene: Scene) -> None:
    client = scene.lab.me.client()
    client.send(client.connect_frame(session_id=S))
    client.disconnect()
    scene.leader.say(validity(S, valid=True), validity(5, valid=False))
    assert scene.leader.is_open
    assert scene.client(S).is_open


def test_pings_are_answered_with_the_sessions_heard_of_since_the_last_one(scene: Scene) -> None:
    client = scene.client()
    scene.leader.say(PING)
    scene.leader.heard()
    scene.leader.say(PING)
    assert scene.leader.heard() == [(PacketType.PING, 0, b"", None)]
    client.send(client.request(OpCode.PING, xid=-2))
    client.send(client.request(OpCode.PING, xid=-2))
    scene.leader.say(packet(PacketType.PING, zx(1, 2)))
    [(kind, zxid, data, _)] = scene.leader.heard()
    assert (kind, zxid, decode_touches(data)) == (PacketType.PING, zx(1, 2), [(S, 10_000)])


def test_a_closed_session_is_answered_and_its_connection_closed(scene: Scene) -> None:
    client = scene.client()
    client.send(client.request(OpCode.CLOSE_SESSION))
    scene.leader.say(
        committed(txn(scene.zxid(), OpCode.CLOSE_SESSION, CloseSessionTxn(()), session_id=S, cxid=1))
    )
    assert answers(client) == [(1, 0)]
    assert not client.is_open
    assert S not in scene.lab.peer.database.sessions


def test_an_expired_session_loses_its_connection(scene: Scene) -> None:
    client = scene.client()
    scene.leader.say(committed(txn(scene.zxid(), OpCode.CLOSE_SESSION, CloseSessionTxn(()), session_id=S)))
    assert not client.is_open
    assert client.take_bytes() == b""


def test_a_new_session_is_the_leaders_to_open(scene: Scene) -> None:
    client = scene.lab.me.client()
    client.send(client.connect_frame(timeout_ms=7000))
    [(session_id, cxid, opcode)] = scene.leader.take_requests()
    assert (session_id >> 56, cxid, opcode) == (1, 0, OpCode.CREATE_SESSION)
    assert client.take_bytes() == b""
    scene.leader.say(committed(session_txn(scene.zxid(), session_id, 7000)))
    assert client.take_frame()[8:16] == session_id.to_bytes(8)
    assert scene.lab.durable().peer.database.sessions[session_id] == 7000


def test_a_write_refused_because_the_session_moved_closes_the_connection_without_an_answer(
    scene: Scene,
) -> None:
    client = scene.client()
    create(client, "/a")
    scene.leader.say(committed(error_txn(scene.zxid(), ErrorCode.SESSION_MOVED, session_id=S, cxid=1)))
    assert (client.take_bytes(), client.is_open) == (b"", False)


def test_a_client_that_has_seen_more_than_we_have_is_turned_away(scene: Scene) -> None:
    client = scene.lab.me.client()
    client.send(client.connect_frame(last_zxid=zx(1, 3)))
    assert (client.take_bytes(), client.is_open) == (b"", False)


# -- what was under way when the leader went ---------------------------------------------------------------


def test_nothing_that_was_under_way_is_answered_by_the_next_leader(scene: Scene) -> None:
    client = scene.client()
    create(client, "/a")
    client.send(client.request(OpCode.SYNC, SyncRequest("/")))
    scene.leader.hang_up()
    assert not client.is_open
    leader = scene.lab.follow(3)
    leader.synchronise(begin=packet(DIFF, zx(1, 2)), epoch=2)
    again = scene.lab.me.client()
    leader.let_in(again, S)
    read(again, "/a")
    assert answers(again) == [(1, ErrorCode.NO_NODE)]
    leader.say(committed(create_txn(zx(2, 1), "/a", session_id=S, cxid=1)), SYNC)
    assert answers(again) == []
    assert scene.lab.nodes == {"/a"}
