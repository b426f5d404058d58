"""An established connection: order, xids, authentication, the end of sessions, packets that are none."""

from __future__ import annotations

from struct import pack

import pytest
from zoolet.jute.codes import ErrorCode, OpCode
from zoolet.jute.data import ACL, OPEN_ACL, Id
from zoolet.jute.framing import frame
from zoolet.jute.proto import (
    AuthPacket,
    CreateRequest,
    DeleteRequest,
    ExistsRequest,
    GetDataRequest,
    GetDataResponse,
    GetSASLRequest,
    SetDataRequest,
    SetWatches,
    SyncRequest,
    SyncResponse,
    WhoAmIResponse,
)
from zoolet.server.connection import State
from zoolet.server.identification import IDENTITIES_MAX
from zoolet.server.tests.harness import Client, Reply, Server, event_of
from zoolet.server.tests.pipeline import create, multi_body

BOB_ONLY = (ACL(31, Id("digest", "bob:fyVmFCwVbTJYrznoSu1koqYEYF0=")),)
BOB = AuthPacket(0, "digest", b"bob:secret")


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def client(server: Server) -> Client:
    return server.connected()


def create_frame(client: Client, path: str) -> bytes:
    return client.request(OpCode.CREATE, CreateRequest(path, b"", OPEN_ACL, 0))


def exists_frame(client: Client, path: str) -> bytes:
    return client.request(OpCode.EXISTS, ExistsRequest(path, False))


def outcome(replies: list[Reply]) -> list[tuple[int, int]]:
    return [(reply.xid, reply.err) for reply in replies]


# --- replies --------------------------------------------------------------------------------------------


def test_a_reply_has_the_xid_the_last_zxid_and_the_error(server: Server, client: Client) -> None:
    assert client.create("/a") == Reply(1, 2, 0, b"\0\0\0\2/a")
    assert client.create("/a") == Reply(2, 3, ErrorCode.NODE_EXISTS, b"")
    assert client.exists("/b") == Reply(3, 3, ErrorCode.NO_NODE, b"")
    other = server.connected()
    assert other.exists("/b").zxid == 4


@pytest.mark.parametrize("xid", [1, 0, -1, -2, -8, 2**31 - 1, -(2**31)])
def test_every_xid_is_echoed(client: Client, xid: int) -> None:
    assert client.call(OpCode.SYNC, SyncRequest("/"), xid=xid).xid == xid
    assert client.call(OpCode.EXISTS, ExistsRequest("/", False), xid=xid).xid == xid


def test_a_ping_is_answered_with_its_own_xid_whatever_was_sent(server: Server, client: Client) -> None:
    assert client.call(OpCode.PING, xid=5) == Reply(-2, 1, 0, b"")
    server.disk_works = False
    client.send(create_frame(client, "/a") + client.request(OpCode.PING, xid=7))
    server.disk_works = True
    server.run()
    assert [reply.xid for reply in client.replies()] == [1, -2]


# --- order ----------------------------------------------------------------------------------------------


def test_a_write_is_answered_when_it_is_durable(server: Server, client: Client) -> None:
    server.disk_works = False
    client.send(create_frame(client, "/a"))
    assert client.take_bytes() == b""
    assert "/a" not in server.tree.nodes
    server.write_batch()
    server.run()
    assert outcome(client.replies()) == [(1, 0)]


def test_a_sessions_reads_wait_behind_its_own_writes(server: Server, client: Client) -> None:
    server.disk_works = False
    client.send(exists_frame(client, "/a") + create_frame(client, "/a") + exists_frame(client, "/a"))
    client.send(create_frame(client, "/b") + exists_frame(client, "/b"))
    assert outcome(client.replies()) == [(1, ErrorCode.NO_NODE)]
    server.disk_works = True
    server.run()
    assert outcome(client.replies()) == [(2, 0), (3, 0), (4, 0), (5, 0)]


def test_reads_of_others_do_not_wait(server: Server, client: Client) -> None:
    reader = server.connected()
    server.disk_works = False
    client.send(create_frame(client, "/a") + exists_frame(client, "/a"))
    assert reader.exists("/a").err == ErrorCode.NO_NODE
    assert client.take_bytes() == b""


def test_a_read_between_two_writes_of_one_batch_sees_the_first_only(server: Server, client: Client) -> None:
    client.create("/a", b"0")
    server.disk_works = False
    for value in (b"1", b"2"):
        client.send(client.request(OpCode.SET_DATA, SetDataRequest("/a", value, -1)))
        client.send(client.request(OpCode.GET_DATA, GetDataRequest("/a", False)))
    server.disk_works = True
    server.run()
    replies = client.replies()
    assert [reply.xid for reply in replies] == [2, 3, 4, 5]
    assert [GetDataResponse.parse(replies[i].body).data for i in (1, 3)] == [b"1", b"2"]
    assert replies[1].zxid == replies[0].zxid < replies[2].zxid


def test_sync_comes_back_behind_every_earlier_write(server: Server, client: Client) -> None:
    other = server.connected()
    server.disk_works = False
    client.send(create_frame(client, "/a"))
    other.send(other.request(OpCode.SYNC, SyncRequest("/whatever")))
    other.send(exists_frame(other, "/a"))
    assert other.take_bytes() == b""
    server.disk_works = True
    server.run()
    assert outcome(other.replies()) == [(1, 0), (2, 0)]
    assert server.batches == 3  # two sessions, then the create: a sync writes nothing


@pytest.mark.parametrize("path", ["/a", "", "junk", "\ufffd", None])
def test_sync_echoes_any_path(client: Client, path: str | None) -> None:
    reply = client.call(OpCode.SYNC, SyncRequest(path))
    assert SyncResponse.parse(reply.body).path == path
    assert reply.zxid == 1


def test_an_event_comes_before_the_reply_of_the_write_that_caused_it(client: Client) -> None:
    client.exists("/a", watch=True)
    client.send(create_frame(client, "/a"))
    event, reply = client.replies()
    assert event_of(event) == (1, "/a")
    assert event.zxid == reply.zxid == 2


def test_an_event_comes_before_any_read_that_sees_the_change(server: Server, client: Client) -> None:
    writer = server.connected()
    client.get_data("/", watch=True)
    server.disk_works = False
    writer.send(writer.request(OpCode.SET_DATA, SetDataRequest("/", b"new", -1)))
    client.send(create_frame(client, "/x") + client.request(OpCode.GET_DATA, GetDataRequest("/", False)))
    server.disk_works = True
    server.run()
    event, created, read = client.replies()
    assert event_of(event) == (3, "/")
    assert created.xid < read.xid
    assert GetDataResponse.parse(read.body).data == b"new"


def test_events_of_one_multi_come_in_its_order(server: Server, client: Client) -> None:
    watcher = server.connected()
    watcher.exists("/b", watch=True)
    watcher.exists("/a", watch=True)
    client.call(OpCode.MULTI, multi_body(create("/a"), create("/b")))
    assert [event_of(event) for event in watcher.replies()] == [(1, "/a"), (1, "/b")]


def test_a_disconnected_clients_watches_are_gone(server: Server, client: Client) -> None:
    client.exists("/a", watch=True)
    client.disconnect()
    assert server.tree.watches.empty
    server.connected().create("/a")
    assert client.take_bytes() == b""


def test_catch_up_events_come_before_the_reply_and_carry_no_zxid(client: Client) -> None:
    client.create("/a")
    request = SetWatches(1, ("/gone", "/a"), ("/a",), ("/",))
    client.send(client.request(OpCode.SET_WATCHES, request, xid=-8))
    *events, reply = client.replies()
    assert [event_of(event) for event in events] == [(2, "/gone"), (3, "/a"), (1, "/a"), (4, "/")]
    assert {event.zxid for event in events} == {-1}
    assert (reply.xid, reply.err, reply.body) == (-8, 0, b"")


def test_events_are_filtered_by_the_nodes_acl(server: Server, client: Client) -> None:
    """CVE-2024-23944; a filtered event still uses the watch up."""
    stranger = server.connected()
    for path in ("/secret", "/open"):
        stranger.exists(path, watch=True)
    client.call(OpCode.AUTH, BOB, xid=-4)
    client.create("/secret", acl=BOB_ONLY)
    client.create("/open")
    assert [event_of(event) for event in stranger.replies()] == [(1, "/open")]
    assert server.tree.watches.empty


# --- authentication -------------------------------------------------------------------------------------


def who_am_i(client: Client) -> list[tuple[str | None, str | None]]:
    infos = WhoAmIResponse.parse(client.call(OpCode.WHO_AM_I).body).clientInfo
    return [(info.authScheme, info.user) for info in infos or ()]


def test_every_connection_is_its_address(server: Server) -> None:
    assert who_am_i(server.connected("10.1.2.3")) == [("ip", "10.1.2.3")]


def test_auth_adds_an_identity_and_shows_no_secret(client: Client) -> None:
    assert client.call(OpCode.AUTH, BOB, xid=-4) == Reply(-4, 0, 0, b"")
    assert client.call(OpCode.AUTH, BOB, xid=-4).err == 0
    client.call(OpCode.AUTH, AuthPacket(0, "digest", b"eve:secret"), xid=-4)
    assert sorted(who_am_i(client)) == [("digest", "bob"), ("digest", "eve"), ("ip", "127.0.0.1")]


@pytest.mark.parametrize("auth", [b"", b"bob", b"a:b:c", b"\xff\xfe"])
def test_digest_takes_anything(client: Client, auth: bytes) -> None:
    assert client.call(OpCode.AUTH, AuthPacket(0, "digest", auth), xid=-4).err == 0


@pytest.mark.parametrize("auth", [b"", None])
def test_ip_earns_the_address_it_has(client: Client, auth: bytes | None) -> None:
    assert client.call(OpCode.AUTH, AuthPacket(0, "ip", auth), xid=-4).err == 0
    assert who_am_i(client) == [("ip", "127.0.0.1")]


@pytest.mark.parametrize("scheme", ["world", "super", "sasl", "auth", "unheard", "", None])
def test_an_unknown_scheme_fails_and_closes_and_keeps_the_session(
    server: Server, client: Client, scheme: str | None
) -> None:
    client.send(
        client.request(OpCode.AUTH, AuthPacket(0, scheme, b"x"), xid=-4) + client.request(OpCode.PING)
    )
    assert client.replies() == [Reply(-4, 0, ErrorCode.AUTH_FAILED, b"")]
    assert not client.is_open
    assert server.core.stats.auth_failed_count == 0  # which only counts TLS handshakes
    assert server.client().connect(session_id=client.session_id).sessionId == client.session_id


@pytest.mark.parametrize("body", [b"", b"\0\0\0\0", b"\0\0\0\0\0\0\0\x09ip", b"\0\0\0\0\0\0\0\2ip\0\0\0\1"])
def test_an_undecodable_auth_packet_closes_without_an_answer(client: Client, body: bytes) -> None:
    client.send(client.request(OpCode.AUTH, body, xid=-4))
    assert client.take_bytes() == b""
    assert not client.is_open


def test_auth_overtakes_the_pipeline_and_counts_for_later_requests_only(
    server: Server, client: Client
) -> None:
    client.call(OpCode.AUTH, BOB, xid=-4)
    client.create("/secret", b"", acl=BOB_ONLY)
    other = server.connected()
    server.disk_works = False
    other.send(create_frame(other, "/x"))
    other.send(other.request(OpCode.GET_DATA, GetDataRequest("/secret", False)))
    other.send(other.request(OpCode.SET_DATA, SetDataRequest("/secret", b"", -1)))
    other.send(other.request(OpCode.AUTH, BOB, xid=-4))
    other.send(other.request(OpCode.GET_DATA, GetDataRequest("/secret", False)))
    other.send(other.request(OpCode.SET_DATA, SetDataRequest("/secret", b"", -1)))
    assert outcome(other.replies()) == [(-4, 0)]
    server.disk_works = True
    server.run()
    denied = ErrorCode.NO_AUTH
    assert outcome(other.replies()) == [(1, 0), (2, denied), (3, denied), (4, 0), (5, 0)]


def test_super_may_do_everything() -> None:
    server = Server(super_digest="bob:fyVmFCwVbTJYrznoSu1koqYEYF0=")
    owner = server.connected()
    owner.call(OpCode.AUTH, AuthPacket(0, "digest", b"eve:secret"), xid=-4)
    owner.create("/secret", acl=(ACL(31, Id("auth", "")),))
    client = server.connected()
    assert client.get_data("/secret").err == ErrorCode.NO_AUTH
    client.call(OpCode.AUTH, BOB, xid=-4)
    assert client.get_data("/secret").err == 0
    assert client.set_data("/zookeeper/config", b"").err == 0


def test_skip_acl_lets_everyone_do_everything() -> None:
    server = Server(skip_acl=True)
    client = server.connected()
    client.create("/secret", acl=BOB_ONLY)
    assert client.get_data("/secret").err == 0


def test_without_the_digest_provider_its_scheme_is_unknown() -> None:
    server = Server(digest_auth_enabled=False)
    client = server.connected()
    assert client.call(OpCode.AUTH, BOB, xid=-4).err == ErrorCode.AUTH_FAILED
    assert not client.is_open


def test_identities_of_a_connection_are_limited(client: Client) -> None:
    packets = [AuthPacket(0, "digest", b"user%d:x" % i) for i in range(IDENTITIES_MAX)]
    client.send(b"".join(client.request(OpCode.AUTH, packet, xid=-4) for packet in packets))
    assert [reply.err for reply in client.replies()] == [0] * (IDENTITIES_MAX - 1) + [ErrorCode.AUTH_FAILED]
    assert not client.is_open


def test_sasl_without_a_mechanism_answers_an_empty_token(client: Client) -> None:
    reply = client.call(OpCode.SASL, GetSASLRequest(b"token"))
    assert reply == Reply(1, 0, 0, b"\xff\xff\xff\xff")
    assert client.create("/a").err == 0


# --- the end of a session -------------------------------------------------------------------------------


def test_close_session_takes_the_ephemerals_answers_and_closes(server: Server, client: Client) -> None:
    watcher = server.connected()
    client.create("/e", flags=1)
    watcher.exists("/e", watch=True)
    reply = client.call(OpCode.CLOSE_SESSION)
    assert reply == Reply(2, 4, 0, b"")
    assert not client.is_open
    assert "/e" not in server.tree.nodes
    assert [event_of(event) for event in watcher.replies()] == [(2, "/e")]
    assert client.session_id not in server.core.sessions.sessions
    assert client.session_id not in server.core.database.sessions


def test_an_own_event_comes_before_the_reply_to_close_session(client: Client) -> None:
    client.create("/e", flags=1)
    client.exists("/e", watch=True)
    client.send(client.request(OpCode.CLOSE_SESSION))
    event, reply = client.replies()
    assert event_of(event) == (2, "/e")
    assert reply.xid == 3


def test_requests_behind_close_session_are_dropped(server: Server, client: Client) -> None:
    server.disk_works = False
    client.send(
        create_frame(client, "/a") + client.request(OpCode.CLOSE_SESSION) + create_frame(client, "/b")
    )
    client.send(exists_frame(client, "/a") + client.request(OpCode.PING) + client.request(99))
    server.disk_works = True
    server.run()
    assert outcome(client.replies()) == [(1, 0), (2, 0)]
    assert not client.is_open
    assert "/b" not in server.tree.nodes
    assert server.core.in_process == 0


def test_close_session_takes_ephemerals_that_are_still_under_way(server: Server, client: Client) -> None:
    server.disk_works = False
    client.send(client.request(OpCode.CREATE, CreateRequest("/e", b"", OPEN_ACL, 1)))
    client.send(client.request(OpCode.CLOSE_SESSION))
    server.disk_works = True
    server.run()
    assert outcome(client.replies()) == [(1, 0), (2, 0)]
    assert "/e" not in server.tree.nodes
    assert server.tree.ephemerals == {}


def test_an_expired_sessions_connection_is_closed_and_its_requests_dropped(
    server: Server, client: Client
) -> None:
    client.create("/e", flags=1)
    server.now_ms += 20_000
    server.disk_works = False
    server.core.set_time(server.now_ms, server.now_ms)
    server.core.tick()
    client.send(create_frame(client, "/a") + exists_frame(client, "/e"))
    assert client.take_bytes() == b""
    server.disk_works = True
    server.run()
    assert client.take_bytes() == b""
    assert not client.is_open
    assert sorted(server.tree.get("/").children or ()) == ["zookeeper"]


def test_any_request_keeps_the_session_alive(server: Server) -> None:
    client = server.connected(timeout_ms=4000)
    for opcode, record in (
        (OpCode.PING, b""),
        (OpCode.EXISTS, ExistsRequest("/", False)),
        (OpCode.SYNC, SyncRequest("/")),
        (OpCode.AUTH, BOB),
        (OpCode.DELETE, DeleteRequest("/nope", -1)),
    ):
        server.advance(3500)
        client.call(opcode, record)
        assert client.is_open
    server.advance(9000)
    assert not client.is_open


# --- packets that are none ------------------------------------------------------------------------------


@pytest.mark.parametrize("opcode", [0, 10, 13, 23, 99, 108, 500, -1, -3, -12, 2**31 - 1, -(2**31)])
def test_an_unknown_or_internal_opcode_is_unimplemented_and_closes(
    server: Server, client: Client, opcode: int
) -> None:
    client.send(client.request(opcode) + create_frame(client, "/a"))
    assert client.replies() == [Reply(1, -1, ErrorCode.UNIMPLEMENTED, b"")]
    assert not client.is_open
    assert "/a" not in server.tree.nodes
    assert server.client().connect(session_id=client.session_id).sessionId == client.session_id


def test_writes_before_an_unknown_opcode_are_carried_out(server: Server, client: Client) -> None:
    server.disk_works = False
    client.send(create_frame(client, "/a") + client.request(99))
    server.disk_works = True
    server.run()
    assert "/a" in server.tree.nodes
    assert server.core.in_process == 0


@pytest.mark.parametrize("payload", [b"", b"\0\0\0\1", b"\0\0\0\1\0\0\0"])
def test_a_packet_without_a_header_closes(client: Client, payload: bytes) -> None:
    client.send(client.request(OpCode.PING) + frame(payload))
    assert [reply.xid for reply in client.replies()] == [-2]
    assert not client.is_open


def test_an_undecodable_write_is_a_marshalling_error_without_a_zxid(server: Server, client: Client) -> None:
    reply = client.call(OpCode.CREATE, b"\0\0\0\2/a")
    assert reply == Reply(1, 1, ErrorCode.MARSHALLING_ERROR, b"")
    assert client.create("/a").zxid == 2


def test_an_undecodable_multi_takes_a_zxid(client: Client) -> None:
    assert client.call(OpCode.MULTI, b"\0\0\0\1") == Reply(1, 2, ErrorCode.MARSHALLING_ERROR, b"")


@pytest.mark.parametrize("opcode", [OpCode.GET_DATA, OpCode.SYNC, OpCode.GET_ACL, OpCode.SET_WATCHES])
@pytest.mark.parametrize("body", [b"", b"\0\0\0\x09/a", b"\x7f\xff\xff\xff/a", b"\xff\xff\xff\xfe"])
def test_an_undecodable_read_is_a_marshalling_error(client: Client, opcode: OpCode, body: bytes) -> None:
    reply = client.call(opcode, body)
    assert reply == Reply(1, 1, ErrorCode.MARSHALLING_ERROR, b"")
    assert client.is_open


def test_an_undecodable_read_behind_a_write_keeps_its_place(server: Server, client: Client) -> None:
    server.disk_works = False
    client.send(
        create_frame(client, "/a") + client.request(OpCode.GET_DATA, b"") + exists_frame(client, "/a")
    )
    client.send(client.request(OpCode.SYNC, b"\0\0\0\1") + exists_frame(client, "/a"))
    server.disk_works = True
    server.run()
    bad = ErrorCode.MARSHALLING_ERROR
    assert outcome(client.replies()) == [(1, 0), (2, bad), (3, 0), (4, bad), (5, 0)]


def test_bytes_behind_a_request_are_ignored(client: Client) -> None:
    body = CreateRequest("/a", b"", OPEN_ACL, 0).encode() + b"and more"
    assert client.call(OpCode.CREATE, body).err == 0


@pytest.mark.parametrize("length", [1_048_576, 2**31 - 1, -1, -(2**31)])
def test_an_absurd_length_closes_and_keeps_the_session(server: Server, client: Client, length: int) -> None:
    client.send(create_frame(client, "/a") + pack(">i", length))
    assert not client.is_open
    assert "/a" in server.tree.nodes
    assert server.client().connect(session_id=client.session_id).sessionId == client.session_id


def test_the_largest_frame_is_exactly_the_limit(server: Server, client: Client) -> None:
    header_and_rest = len(client.request(OpCode.SET_DATA, SetDataRequest("/", b"", -1))) - 4
    data = bytes(1_048_575 - header_and_rest)
    assert client.set_data("/", data).err == 0
    reply = client.get_data("/")  # a reply may be longer than any request
    assert GetDataResponse.parse(reply.body).data == data
    client.send(client.request(OpCode.SET_DATA, SetDataRequest("/", data + b"x", -1)))
    assert client.take_bytes() == b""
    assert not client.is_open


def test_a_closing_connection_ignores_what_still_comes(server: Server, client: Client) -> None:
    client.reads = False
    client.send(client.request(OpCode.EXISTS, ExistsRequest("/", False)) + client.request(99))
    assert client.connection.state is State.CLOSING
    client.connection.receive(create_frame(client, "/a"))
    server.run()
    client.reads = True
    server.core.dirty[client.connection] = None
    server.run()
    assert [reply.xid for reply in client.replies()] == [1, 2]
    assert "/a" not in server.tree.nodes


# --- counting -------------------------------------------------------------------------------------------


def test_requests_under_way_are_counted_and_all_are_answered(server: Server, client: Client) -> None:
    server.disk_works = False
    client.send(create_frame(client, "/a") + exists_frame(client, "/a") + create_frame(client, "/b"))
    assert server.core.in_process == 3
    assert client.connection.outstanding_requests == 3
    server.disk_works = True
    server.run()
    assert server.core.in_process == 0
    assert client.connection.outstanding_requests == 0


def test_a_client_that_leaves_takes_its_requests_off_the_count(server: Server, client: Client) -> None:
    server.disk_works = False
    client.send(create_frame(client, "/a") + exists_frame(client, "/a") + exists_frame(client, "/a"))
    client.disconnect()
    assert server.core.in_process == 1  # the write is on its way
    server.disk_works = True
    server.run()
    assert server.core.in_process == 0
    assert "/a" in server.tree.nodes


def test_packets_are_counted_both_ways(server: Server) -> None:
    client = server.connected()
    client.create("/a")
    client.exists("/a", watch=True)
    client.send(client.request(OpCode.SET_DATA, SetDataRequest("/a", b"", -1)))
    assert len(client.take_frames()) == 2
    stats = client.connection.stats
    assert (stats.packets_received, stats.packets_sent) == (4, 5)
    assert (server.core.stats.packets_received, server.core.stats.packets_sent) == (4, 5)
    assert stats.last_operation == "SETD"
