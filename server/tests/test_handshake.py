"""The handshake: new sessions, sessions that come back, and connections that get none."""

from __future__ import annotations

from struct import pack

import pytest
from zoolet.jute.codes import ErrorCode, OpCode
from zoolet.jute.data import OPEN_ACL
from zoolet.jute.framing import frame
from zoolet.jute.proto import ConnectResponse, CreateRequest, ExistsRequest, SyncRequest
from zoolet.jute.txn import CreateSessionTxn
from zoolet.server.connection import State
from zoolet.server.session_passwords import session_password
from zoolet.server.tests.harness import START_MS, Client, Server, event_of

REFUSED = ConnectResponse(0, 0, 0, bytes(16), False)


@pytest.fixture
def server() -> Server:
    return Server()


def assert_closed(client: Client) -> None:
    assert not client.is_open
    assert client.connection.state is State.CLOSED
    assert client.connection not in client.server.core.open_connections
    assert client.connection not in client.server.core.by_session.values()


# --- a new session --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("read_only", "answer_bytes"), [(None, 36), (False, 37), (True, 37)])
def test_the_answer_has_a_read_only_byte_exactly_if_the_request_had_one(
    server: Server, read_only: bool | None, answer_bytes: int
) -> None:
    client = server.client()
    client.send(client.connect_frame(read_only=read_only))
    answer = client.take_frame()
    assert len(answer) == answer_bytes
    response = ConnectResponse.parse(answer)
    assert response.readOnly is (None if read_only is None else False)
    assert response.passwd == session_password(response.sessionId)
    assert response.protocolVersion == 0


@pytest.mark.parametrize(
    ("asked_ms", "granted_ms"),
    [(0, 4000), (-5, 4000), (1, 4000), (4000, 4000), (4001, 4001), (40_000, 40_000), (2**31 - 1, 40_000)],
)
def test_the_timeout_is_clamped_to_two_and_twenty_ticks(
    server: Server, asked_ms: int, granted_ms: int
) -> None:
    client = server.client()
    assert client.connect(timeout_ms=asked_ms).timeOut == granted_ms
    assert server.core.database.sessions == {client.session_id: granted_ms}


def test_the_limits_of_the_timeout_can_be_set() -> None:
    server = Server(min_session_timeout_ms=100, max_session_timeout_ms=200)
    assert server.client().connect(timeout_ms=1).timeOut == 100
    assert server.client().connect(timeout_ms=1000).timeOut == 200


def test_session_ids_carry_the_server_the_time_and_a_counter(server: Server) -> None:
    first, second = server.client().connect().sessionId, server.client().connect().sessionId
    assert first == (1 << 56) + (START_MS << 16)
    assert second == first + 1


def test_protocol_version_and_password_of_a_new_session_are_ignored(server: Server) -> None:
    client = server.client()
    request = pack(">iqiq", 77, 0, 5000, 0) + pack(">i", 3) + b"abc" + b"\1"
    client.send(frame(request))
    response = ConnectResponse.parse(client.take_frame())
    assert (response.protocolVersion, response.timeOut) == (0, 5000)
    assert response.sessionId != 0


def test_a_new_session_is_answered_when_its_txn_is_durable(server: Server) -> None:
    server.disk_works = False
    client = server.client()
    client.send(client.connect_frame())
    assert client.take_bytes() == b""
    assert client.connection.state is State.OPENING
    server.write_batch()
    server.run()
    assert ConnectResponse.parse(client.take_frame()).sessionId != 0
    assert server.core.last_processed_zxid == 1


def test_requests_sent_before_the_answer_are_handled_behind_it_in_order(server: Server) -> None:
    client = server.client()
    requests = [
        client.request(OpCode.SYNC, SyncRequest("/first")),
        client.request(OpCode.PING),
        client.request(OpCode.SYNC, SyncRequest("/second")),
    ]
    client.send(client.connect_frame() + b"".join(requests))
    answer, *replies = client.take_frames()
    assert ConnectResponse.parse(answer).sessionId != 0
    assert [reply[:4] for reply in replies] == [pack(">i", xid) for xid in (1, -2, 3)]


def test_while_the_session_opens_nothing_more_is_read(server: Server) -> None:
    server.disk_works = False
    client = server.client()
    client.send(client.connect_frame() + client.request(OpCode.PING))
    assert not client.connection.wants_input
    client.send(client.request(OpCode.SYNC, SyncRequest("/")))
    assert client.inbox
    server.disk_works = True
    server.run()
    assert len(client.take_frames()) == 3
    assert client.connection.wants_input


def test_a_client_that_leaves_while_its_session_opens_leaves_a_session_that_expires(server: Server) -> None:
    server.disk_works = False
    client = server.client()
    client.send(client.connect_frame(timeout_ms=4000))
    client.disconnect()
    server.disk_works = True
    server.run()
    assert_closed(client)
    assert len(server.core.sessions.sessions) == 1
    server.advance(8000)
    assert server.core.sessions.sessions == {}
    assert server.core.database.sessions == {}
    assert server.core.in_process == 0


# --- zxids ----------------------------------------------------------------------------------------------


def test_a_client_that_has_seen_more_than_the_server_is_closed_without_an_answer(server: Server) -> None:
    server.connected()
    client = server.client()
    client.send(client.connect_frame(last_zxid=2))
    assert client.take_bytes() == b""
    assert_closed(client)
    assert server.client().connect(last_zxid=1).sessionId != 0


# --- a session that comes back --------------------------------------------------------------------------


def test_a_session_is_reattached_by_id_and_password(server: Server) -> None:
    client = server.connected(timeout_ms=5000)
    client.create("/e", flags=1)
    client.disconnect()
    again = server.client()
    response = again.connect(session_id=client.session_id, timeout_ms=6000)
    assert (response.sessionId, response.timeOut) == (client.session_id, 6000)
    assert response.passwd == session_password(client.session_id)
    assert again.get_data("/e").err == 0
    assert again.call(OpCode.CLOSE_SESSION).err == 0
    assert "/e" not in server.tree.nodes


def test_a_reattached_session_expires_by_its_new_timeout(server: Server) -> None:
    client = server.connected(timeout_ms=4000)
    client.disconnect()
    again = server.client()
    again.connect(session_id=client.session_id, timeout_ms=30_000)
    server.advance(20_000)
    assert again.is_open
    server.advance(14_000)
    assert_closed(again)


def test_reattaching_takes_no_zxid(server: Server) -> None:
    client = server.connected()
    client.disconnect()
    server.client().connect(session_id=client.session_id)
    assert server.core.last_processed_zxid == 1


@pytest.mark.parametrize("password", [b"", bytes(16), b"x" * 16, b"x" * 15])
def test_a_wrong_password_is_refused_and_the_session_lives_on(server: Server, password: bytes) -> None:
    client = server.connected()
    client.disconnect()
    thief = server.client()
    assert thief.connect(session_id=client.session_id, password=password) == REFUSED
    assert_closed(thief)
    assert server.client().connect(session_id=client.session_id).sessionId == client.session_id


def test_a_wrong_password_still_closes_the_owners_connection(server: Server) -> None:
    """The original looks at the password after it has closed the session's other connection."""
    owner = server.connected()
    thief = server.client()
    thief.connect(session_id=owner.session_id, password=bytes(16))
    assert_closed(owner)
    assert_closed(thief)
    assert owner.session_id in server.core.sessions.sessions


def test_an_old_client_is_refused_without_the_read_only_byte(server: Server) -> None:
    client = server.client()
    client.send(client.connect_frame(session_id=99, password=bytes(16), read_only=None))
    assert client.take_frame() == bytes(4 + 4 + 8) + pack(">i", 16) + bytes(16)


@pytest.mark.parametrize("session_id", [1, -1, 2**63 - 1])
def test_an_unknown_session_is_refused_as_expired(server: Server, session_id: int) -> None:
    client = server.client()
    assert client.connect(session_id=session_id) == REFUSED
    assert_closed(client)


def test_refused_sessions_leave_nothing_behind(server: Server) -> None:
    owner = server.connected()
    for session_id in (5, 6, owner.session_id):
        server.client().connect(session_id=session_id, password=b"wrong")
    assert server.core.by_session == {}
    assert server.core.open_connections == {}


def test_a_second_connection_takes_the_session_over(server: Server) -> None:
    first = server.connected()
    first.get_data("/", watch=True)
    second = server.client()
    assert second.connect(session_id=first.session_id).sessionId == first.session_id
    assert_closed(first)
    assert server.core.by_session == {first.session_id: second.connection}
    # The watch was the connection's, not the session's: only the reply arrives.
    assert second.set_data("/", b"x").err == 0


def test_a_reattached_session_reads_what_its_last_connection_wrote(server: Server) -> None:
    """The write is still on its way to the disk when the client comes back."""
    first = server.connected()
    server.disk_works = False
    first.send(first.request(OpCode.CREATE, CreateRequest("/a", b"", OPEN_ACL, 0)))
    second = server.client()
    second.send(
        second.connect_frame(session_id=first.session_id)
        + second.request(OpCode.EXISTS, ExistsRequest("/a", False))
    )
    assert second.take_bytes() == b""
    server.disk_works = True
    server.run()
    answer, exists = second.take_frames()
    assert ConnectResponse.parse(answer).sessionId == first.session_id
    assert exists[12:16] == pack(">i", ErrorCode.OK)


def test_an_expired_session_does_not_come_back(server: Server) -> None:
    client = server.connected(timeout_ms=4000)
    client.create("/e", flags=1)
    client.disconnect()
    server.advance(10_000)
    assert "/e" not in server.tree.nodes
    assert server.client().connect(session_id=client.session_id) == REFUSED


def test_a_session_whose_end_is_under_way_does_not_come_back(server: Server) -> None:
    client = server.connected()
    server.disk_works = False
    client.send(client.request(OpCode.CLOSE_SESSION))
    again = server.client()
    again.send(again.connect_frame(session_id=client.session_id))
    assert ConnectResponse.parse(again.take_frame()) == REFUSED


def test_sessions_outlive_a_restart_by_a_full_timeout(server: Server) -> None:
    client = server.connected(timeout_ms=8000)
    client.create("/e", flags=1)
    server.advance(7000)
    after = server.restart()
    after.advance(7000)
    assert "/e" in after.tree.nodes
    again = after.client()
    assert again.connect(session_id=client.session_id).sessionId == client.session_id
    assert again.get_data("/e").err == 0


def test_sessions_that_are_not_heard_of_after_a_restart_expire(server: Server) -> None:
    watcher_before = server.connected(timeout_ms=40_000)
    server.connected(timeout_ms=8000).create("/e", flags=1)
    after = server.restart()
    watcher = after.client()
    watcher.connect(session_id=watcher_before.session_id, timeout_ms=40_000)
    watcher.exists("/e", watch=True)
    after.advance(12_000)
    assert [event_of(reply) for reply in watcher.replies()] == [(2, "/e")]


# --- connections that get no session --------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"",
        bytes(27),
        pack(">iqiq", 0, 0, 5000, 0),
        pack(">iqiqi", 0, 0, 5000, 0, 17) + bytes(16),
        pack(">iqiqi", 0, 0, 5000, 0, -2),
        pack(">iqiqi", 0, 0, 5000, 0, 2**31 - 1),
    ],
)
def test_a_malformed_handshake_is_closed_without_an_answer(server: Server, request_bytes: bytes) -> None:
    client = server.client()
    client.send(frame(request_bytes) + client.request(OpCode.PING))
    assert client.take_bytes() == b""
    assert_closed(client)
    assert server.core.last_processed_zxid == 0


def test_bytes_behind_the_handshakes_fields_are_ignored(server: Server) -> None:
    client = server.client()
    payload = client.connect_frame(read_only=True)[4:] + b"and more"
    client.send(frame(payload))
    assert ConnectResponse.parse(client.take_frame()).sessionId != 0


@pytest.mark.parametrize("length", [-1, 1_048_576, 2**31 - 1])
def test_an_absurd_first_length_closes_at_once(server: Server, length: int) -> None:
    client = server.client()
    client.send(pack(">i", length))
    assert client.take_bytes() == b""
    assert_closed(client)


@pytest.mark.parametrize("sent", [b"", b"ru", pack(">i", 44), pack(">i", 44) + bytes(20)])
def test_a_connection_that_does_not_get_to_a_session_is_closed_in_time(server: Server, sent: bytes) -> None:
    client = server.client()
    if sent:
        client.send(sent)
    server.advance(10_000)
    assert client.is_open
    server.advance(2000)
    assert_closed(client)


def test_a_connection_with_a_session_stays(server: Server) -> None:
    client = server.connected(timeout_ms=40_000)
    server.advance(30_000)
    assert client.is_open


def test_addresses_have_a_limited_number_of_connections() -> None:
    server = Server(max_client_cnxns=2)
    first = server.client("10.0.0.1")
    server.client("10.0.0.1")
    assert server.core.accept(("10.0.0.1", 5)) is None
    server.client("10.0.0.2")
    first.disconnect()
    server.client("10.0.0.1")
    assert server.core.accept(("10.0.0.1", 6)) is None


def test_addresses_that_have_gone_are_forgotten(server: Server) -> None:
    for host in ("10.0.0.1", "10.0.0.2", "10.0.0.1"):
        server.client(host)
    for client in server.clients:
        client.disconnect()
    assert server.core._per_host == {}


def test_the_server_has_a_limited_number_of_connections() -> None:
    server = Server(max_cnxns=2)
    first = server.connected("10.0.0.1")
    server.connected("10.0.0.2")
    assert server.core.accept(("10.0.0.3", 5)) is None
    first.call(OpCode.CLOSE_SESSION)
    assert server.core.accept(("10.0.0.3", 5)) is not None


def test_createsession_sent_as_a_request_answers_like_a_handshake(server: Server) -> None:
    """It takes a zxid and has no reply header, as in the original."""
    client = server.connected()
    client.send(client.request(OpCode.CREATE_SESSION, CreateSessionTxn(5000)) + client.request(OpCode.PING))
    second_answer, ping = client.take_frames()
    assert ConnectResponse.parse(second_answer).sessionId == client.session_id
    assert ping[:4] == pack(">i", -2)
    assert server.core.last_processed_zxid == 2
    assert server.core.in_process == 0
