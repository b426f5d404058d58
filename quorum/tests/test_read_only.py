"""Read-only mode: when it begins and ends, whom it serves, and what it refuses. Answers are Java 3.9.4's."""

from __future__ import annotations

from struct import pack
from typing import Any

import pytest
from zoolet.jute.codes import ErrorCode, OpCode
from zoolet.jute.data import OPEN_ACL
from zoolet.jute.framing import frame
from zoolet.jute.proto import ConnectResponse, CreateRequest, GetDataRequest, SyncRequest
from zoolet.quorum.read_only import grace_ms
from zoolet.quorum.tests.members_lab import TICK_MS, Lab
from zoolet.server.tests.harness import event_of

NOT_READ_ONLY = ErrorCode.NOT_READ_ONLY


def partitioned(*, local: bool = True, **settings: Any) -> Lab:
    """Member 1 alone of two, in read-only mode, with a node `/a` that was made before."""
    lab = Lab.settled(
        2,
        read_only_mode_enabled=True,
        local_sessions_enabled=local,
        local_sessions_upgrading_enabled=local,
        **settings,
    )
    lab[2].connected().create("/a", b"data")
    lab.stop(2)
    lab.advance(grace_ms(TICK_MS))
    assert lab[1].mode == "read-only"
    return lab


@pytest.fixture
def lab() -> Lab:
    return partitioned()


# --- beginning and end --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("tick_ms", "expected_ms"), [(500, 2000), (2000, 2000), (3000, 3000)])
def test_a_member_looks_for_a_leader_for_two_seconds_or_a_tick(tick_ms: int, expected_ms: int) -> None:
    lab = Lab(2, read_only_mode_enabled=True, tick_time_ms=tick_ms)
    lab.start(1)
    assert lab[1].word("isro") == "null"
    lab.advance(expected_ms - 1)
    assert lab[1].word("isro") == "null"
    lab.advance(1)
    assert lab[1].word("isro") == "ro"


def test_the_mode_has_to_be_asked_for() -> None:
    lab = Lab(2)
    lab.start(1)
    lab.advance(10_000)
    assert lab[1].word("isro") == "null"


def test_all_connections_are_closed_when_there_is_a_leader(lab: Lab) -> None:
    client = lab[1].connected(read_only=True)
    silent = lab[1].client()
    lab.start(2)
    lab.settle()
    assert (client.is_open, silent.is_open) == (False, False)
    assert lab[1].word("isro") == "rw"
    again = lab[1].client()
    assert again.connect(session_id=client.session_id, read_only=True).sessionId == 0, (
        "nobody knows it any more"
    )


def test_a_leader_that_is_found_in_time_keeps_the_mode_from_beginning() -> None:
    lab = Lab(2, read_only_mode_enabled=True)
    lab.start(1)
    lab.advance(grace_ms(TICK_MS) - 500)
    lab.start(2)
    lab.settle()
    lab.advance(5000)
    assert lab[1].mode == "follower"


def test_the_grace_begins_anew_with_every_search(lab: Lab) -> None:
    lab.start(2)
    lab.settle()
    lab.stop(2)
    lab.advance(grace_ms(TICK_MS) - 1)
    assert lab[1].word("isro") == "null"
    lab.advance(1)
    assert lab[1].word("isro") == "ro"


# --- whom it serves -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("read_only", [False, None], ids=["no", "old client"])
def test_clients_that_want_more_are_turned_away_without_an_answer(lab: Lab, read_only: bool | None) -> None:
    client = lab[1].client()
    client.send(client.connect_frame(read_only=read_only))
    assert (client.take_bytes(), client.is_open) == (b"", False)


def test_clients_that_have_seen_more_are_turned_away_without_an_answer(lab: Lab) -> None:
    client = lab[1].client()
    client.send(client.connect_frame(read_only=True, last_zxid=1 << 40))
    assert (client.take_bytes(), client.is_open) == (b"", False)


def test_the_answer_to_the_handshake_says_that_it_is_read_only(lab: Lab) -> None:
    client = lab[1].client()
    response = client.connect(read_only=True, timeout_ms=5000)
    assert response.sessionId >> 56 == 1
    assert (response.timeOut, response.readOnly) == (5000, True)


def test_other_servers_say_that_they_are_not() -> None:
    lab = Lab.settled(2, read_only_mode_enabled=True)
    assert lab[1].client().connect(read_only=True).readOnly is False


def test_a_global_session_is_cut_off_even_with_a_wrong_password() -> None:
    lab = Lab.settled(2, read_only_mode_enabled=True)
    session_id = lab[1].connected().session_id
    lab.stop(2)
    lab.advance(5000)
    for password in (None, bytes(16)):
        client = lab[1].client()
        client.send(client.connect_frame(session_id=session_id, password=password, read_only=True))
        assert (client.take_bytes(), client.is_open) == (b"", False)


@pytest.mark.parametrize("right", [True, False])
def test_an_unknown_session_has_expired_where_there_are_local_ones(lab: Lab, *, right: bool) -> None:
    client = lab[1].client()
    response = client.connect(
        session_id=0x0100_0000_0000_1234, password=None if right else bytes(16), read_only=True
    )
    assert (response.sessionId, response.timeOut, response.readOnly) == (0, 0, True)
    assert not client.is_open


def test_without_local_sessions_an_unknown_session_is_let_in() -> None:
    """A quirk of the original: its table of sessions is only asked for those it knows."""
    lab = partitioned(local=False)
    client = lab[1].client()
    assert client.connect(session_id=0x0100_0000_0000_1234, read_only=True).sessionId != 0
    assert client.get_data("/a").err == 0
    wrong = lab[1].client()
    assert wrong.connect(session_id=0x0100_0000_0000_1234, password=bytes(16), read_only=True).sessionId == 0


def test_without_local_sessions_a_new_client_gets_a_bare_refusal() -> None:
    lab = partitioned(local=False)
    client = lab[1].client()
    client.send(client.connect_frame(read_only=True))
    zxid = lab[1].peer.database.tree.last_processed_zxid
    assert client.take_bytes() == frame(pack(">iqi", 0, zxid, NOT_READ_ONLY))
    assert not client.is_open


# --- what it answers ----------------------------------------------------------------------------------------


def test_reads_watches_and_pings_are_answered(lab: Lab) -> None:
    client = lab[1].connected(read_only=True)
    assert client.get_data("/a", watch=True).body[4:8] == b"data"
    assert client.exists("/b", watch=True).err == ErrorCode.NO_NODE
    assert client.call(OpCode.PING, xid=-2).xid == -2
    assert client.call(OpCode.WHO_AM_I).err == 0
    assert lab[1].word("wchs").endswith("Total watches:2\n")


@pytest.mark.parametrize(
    "opcode",
    [
        OpCode.CREATE,
        OpCode.CREATE2,
        OpCode.CREATE_CONTAINER,
        OpCode.CREATE_TTL,
        OpCode.DELETE,
        OpCode.SET_DATA,
        OpCode.SET_ACL,
        OpCode.MULTI,
        OpCode.RECONFIG,
        OpCode.SYNC,
    ],
)
def test_writes_and_syncs_are_refused_unread(lab: Lab, opcode: OpCode) -> None:
    client = lab[1].connected(read_only=True)
    zxid = lab[1].peer.database.tree.last_processed_zxid
    for body in (b"", CreateRequest("/a", b"", OPEN_ACL, 0).encode()):
        reply = client.call(opcode, body)
        assert (reply.zxid, reply.err, reply.body) == (zxid, NOT_READ_ONLY, b"")
    assert lab[1].peer.database.tree.last_processed_zxid == zxid


def test_an_eager_check_of_permissions_has_no_part_in_it() -> None:
    """The original checks in the chains of leaders and learners; here every write ends the same way."""
    client = partitioned(enable_eager_acl_check=True)[1].connected(read_only=True)
    assert client.call(OpCode.CREATE, CreateRequest("/b", b"", (), 0)).err == NOT_READ_ONLY
    assert client.call(OpCode.GET_DATA, GetDataRequest("/a", False)).err == 0


def test_refusals_and_answers_come_in_the_order_of_the_requests(lab: Lab) -> None:
    client = lab[1].connected(read_only=True)
    client.send(
        b"".join(
            client.request(opcode, record)
            for opcode, record in (
                (OpCode.CREATE, CreateRequest("/e", b"", OPEN_ACL, 1)),
                (OpCode.PING, b""),
                (OpCode.SYNC, SyncRequest("/")),
                (OpCode.PING, b""),
            )
        )
    )
    assert [(reply.xid, reply.err) for reply in client.replies()] == [
        (1, NOT_READ_ONLY),
        (-2, 0),
        (3, NOT_READ_ONLY),
        (-2, 0),
    ]


def test_a_local_session_returns_closes_and_expires(lab: Lab) -> None:
    client = lab[1].connected(read_only=True, timeout_ms=4000)
    again = lab[1].client()
    assert again.connect(session_id=client.session_id, read_only=True).sessionId == client.session_id
    assert not client.is_open
    assert again.call(OpCode.CLOSE_SESSION).err == 0
    assert not again.is_open
    assert lab[1].client().connect(session_id=client.session_id, read_only=True).sessionId == 0
    silent = lab[1].connected(read_only=True, timeout_ms=4000)
    lab.advance(8000)
    assert not silent.is_open


def test_a_session_that_cannot_be_closed_is_told_so_and_lives_on() -> None:
    lab = partitioned(local=False)
    client = lab[1].client()
    client.connect(session_id=0x0100_0000_0000_1234, read_only=True)
    assert client.call(OpCode.CLOSE_SESSION).err == NOT_READ_ONLY
    assert client.get_data("/a").err == 0


def test_a_second_session_on_a_connection_is_answered_like_the_first(lab: Lab) -> None:
    client = lab[1].connected(read_only=True)
    client.send(client.request(OpCode.CREATE_SESSION, pack(">i", 4000)))
    assert ConnectResponse.parse(client.take_frame()).readOnly is True


# --- four-letter words --------------------------------------------------------------------------------------


def test_words_tell_of_the_mode_and_nothing_of_the_ensemble(lab: Lab) -> None:
    lines = lab[1].word("srvr").splitlines()
    assert lines[1] == "READ-ONLY mode; serving only read-only clients"
    assert lines[-2:] == ["Mode: read-only", "Node count: 6"]
    monitor = lab[1].monitor()
    assert monitor["server_state"] == "read-only"
    assert not {"peer_state", "quorum_size", "learners"} & monitor.keys()
    assert (
        lab[1]
        .word("conf")
        .endswith(
            "serverId=1\ninitLimit=10\nsyncLimit=5\nelectionAlg=3\nelectionPort=3888\nquorumPort=2888\npeerType=0\n"
        )
    )


def test_dump_tells_local_and_global_sessions_apart(lab: Lab) -> None:
    client = lab[1].connected(read_only=True)
    text = lab[1].word("dump")
    assert "SessionTracker dump:\nLocal Session Sets (1)/(1):\n" in text
    assert f"\t0x{client.session_id:x}\nGlobal Sessions(0):\n" in text


def test_watches_set_while_read_only_end_with_their_connection(lab: Lab) -> None:
    client = lab[1].connected(read_only=True)
    client.get_data("/a", watch=True)
    lab.start(2)
    lab.settle()
    writer = lab[2].connected()
    writer.set_data("/a", b"new")
    assert client.take_bytes() == b""
    assert lab[1].peer.database.tree.watches.data.count == 0
    watcher = lab[1].connected()
    watcher.get_data("/a", watch=True)
    writer.set_data("/a", b"newer")
    [event] = watcher.replies()
    assert event_of(event) == (3, "/a")
