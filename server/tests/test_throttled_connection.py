"""Requests that wait for their turn, and large ones, on a whole server in memory."""

from __future__ import annotations

from typing import Any

from zoolet.jute.codes import ErrorCode, OpCode
from zoolet.jute.data import OPEN_ACL
from zoolet.jute.proto import AuthPacket, CreateRequest, ExistsRequest, GetDataRequest, SetDataRequest
from zoolet.server.connection import ServerConnection
from zoolet.server.tests.harness import Client, Server
from zoolet.server.throttled_connection import ThrottledConnection


def create_frame(client: Client, path: str) -> bytes:
    return client.request(OpCode.CREATE, CreateRequest(path, b"", OPEN_ACL, 0))


def exists_frame(client: Client, path: str = "/") -> bytes:
    return client.request(OpCode.EXISTS, ExistsRequest(path, False))


def stalled_server(**settings: Any) -> Server:
    return Server(request_throttle_max_requests=1, **settings)


def test_a_connection_is_engaged_only_while_its_requests_are_handled() -> None:
    """Otherwise its pings would not be heard in the pauses of others' requests."""
    server = stalled_server()
    client, other = server.connected(), server.connected()
    core, connection = server.core, client.connection
    assert isinstance(connection, ThrottledConnection)
    for outer in (None, other.connection):
        core.engaged = outer
        connection._stalled += 2
        connection.refuse(exists_frame(client)[4:])
        assert core.engaged is outer
        connection.serve(exists_frame(client)[4:])
        assert core.engaged is outer


def test_a_request_that_breaks_off_leaves_nobody_engaged() -> None:
    def fail(request: object) -> None:
        raise RuntimeError("of all things")

    server = Server()
    client = server.connected()
    server.core.submit = fail
    client.send(create_frame(client, "/a"))
    assert not client.is_open
    assert server.core.engaged is None


# --- the throttler --------------------------------------------------------------------------------------


def test_without_these_settings_connections_are_plain_ones() -> None:
    assert type(Server().connected().connection) is ServerConnection


def test_requests_above_the_maximum_wait_and_keep_their_order() -> None:
    server = stalled_server()
    writer, reader = server.connected(), server.connected()
    server.disk_works = False
    writer.send(create_frame(writer, "/a") + exists_frame(writer, "/a") + create_frame(writer, "/b"))
    reader.send(exists_frame(reader, "/a"))
    assert server.core.in_process == 1
    assert writer.connection.outstanding_requests == 3
    assert reader.replies() == [], "it waits for its turn, on another connection too"
    server.disk_works = True
    server.run()
    assert [(reply.xid, reply.err) for reply in writer.replies()] == [(1, 0), (2, 0), (3, 0)]
    assert [reply.err for reply in reader.replies()] == [0]
    assert server.core.in_process == 0


def test_auth_is_not_throttled() -> None:
    server = stalled_server()
    client = server.connected()
    server.disk_works = False
    client.send(create_frame(client, "/a") + exists_frame(client))
    client.send(client.request(OpCode.AUTH, AuthPacket(0, "digest", b"a:b"), xid=-4))
    assert [reply.xid for reply in client.replies()] == [-4]
    server.disk_works = True
    server.run()
    assert [reply.xid for reply in client.replies()] == [1, 2]


def test_what_waits_with_the_handshake_passes_the_throttler_too() -> None:
    server = stalled_server()
    other = server.connected()
    client = server.client()
    server.disk_works = False
    other.send(create_frame(other, "/a"))
    client.send(client.connect_frame() + create_frame(client, "/b") + exists_frame(client, "/b"))
    server.disk_works = True
    server.run()
    frames = client.take_frames()
    assert len(frames) == 3
    assert "/b" in server.tree.nodes


def test_requests_of_a_closed_connection_are_dropped() -> None:
    server = stalled_server()
    busy, gone = server.connected(), server.connected()
    server.disk_works = False
    busy.send(create_frame(busy, "/a"))
    gone.send(create_frame(gone, "/b") + create_frame(gone, "/c"))
    gone.disconnect()
    server.disk_works = True
    server.run()
    assert "/a" in server.tree.nodes
    assert "/b" not in server.tree.nodes


def test_they_are_carried_out_where_that_does_not_make_them_stale() -> None:
    server = stalled_server(request_stale_connection_check=False)
    busy, gone = server.connected(), server.connected()
    server.disk_works = False
    busy.send(create_frame(busy, "/a"))
    gone.send(create_frame(gone, "/b") + exists_frame(gone))
    gone.disconnect()
    server.disk_works = True
    server.run()
    assert "/b" in server.tree.nodes
    assert server.core.in_process == 0


def test_a_closed_session_is_closed_even_if_its_connection_went_meanwhile() -> None:
    server = stalled_server()
    busy, gone = server.connected(), server.connected()
    server.disk_works = False
    busy.send(create_frame(busy, "/a"))
    gone.send(gone.request(OpCode.CLOSE_SESSION))
    gone.disconnect()
    server.disk_works = True
    server.run()
    assert gone.session_id not in server.core.sessions.sessions


def test_a_request_older_than_its_session_may_live_is_dropped_with_its_connection() -> None:
    server = stalled_server(request_stale_latency_check=True)
    busy, late = server.connected(timeout_ms=40_000), server.connected(timeout_ms=4_000)
    server.disk_works = False
    busy.send(create_frame(busy, "/a"))
    late.send(create_frame(late, "/b") + create_frame(late, "/c"))
    server.now_ms += 4_001
    server.core.set_time(server.now_ms, server.now_ms)
    server.core.tick()
    server.run()
    assert not late.is_open
    server.disk_works = True
    server.run()
    assert "/b" not in server.tree.nodes


def test_an_operation_that_waited_too_long_is_refused_in_its_turn() -> None:
    server = stalled_server(throttled_op_wait_time_ms=1000)
    client = server.connected(timeout_ms=40_000)
    other = server.connected(timeout_ms=40_000)
    server.disk_works = False
    client.send(create_frame(client, "/a") + create_frame(client, "/b") + client.request(OpCode.PING))
    other.send(exists_frame(other))
    server.now_ms += 1001
    server.core.set_time(server.now_ms, server.now_ms)
    server.disk_works = True
    server.run()
    refused = ErrorCode.THROTTLED_OP
    assert [(r.xid, r.err) for r in client.replies()] == [(1, 0), (2, refused), (-2, 0)]
    assert [r.err for r in other.replies()] == [refused]
    assert "/b" not in server.tree.nodes
    assert server.core.in_process == 0


def test_while_requests_wait_the_server_looks_at_them_every_stall_time() -> None:
    server = stalled_server(request_throttle_stall_time_ms=70)
    client = server.connected()
    assert server.core.next_tick_ms() > 70
    server.disk_works = False
    client.send(create_frame(client, "/a") + create_frame(client, "/b"))
    assert server.core.next_tick_ms() == 70


def test_a_connection_whose_requests_wait_is_not_read_beyond_the_outstanding_limit() -> None:
    server = stalled_server(global_outstanding_limit=5)
    client = server.connected()
    server.disk_works = False
    for _ in range(10):
        client.send(create_frame(client, "/a"))
    assert client.inbox
    server.disk_works = True
    server.run()
    assert len(client.replies()) == 10


def test_what_waits_for_its_client_to_read_goes_on_in_order() -> None:
    server = Server(request_throttle_max_requests=3, large_request_threshold_bytes=1000)
    client = server.connected()
    assert client.create("/big", bytes(900_000)).err == 0
    client.reads = False
    client.send(b"".join(client.request(OpCode.GET_DATA, GetDataRequest("/big", False)) for _ in range(10)))
    client.send(create_frame(client, "/last") + exists_frame(client, "/last"))
    assert "/last" not in server.tree.nodes
    client.reads = True
    server.core.dirty[client.connection] = None
    server.run()
    assert [reply.xid for reply in client.replies()] == list(range(2, 14))
    assert "/last" in server.tree.nodes
    assert server.core.in_process == 0


# --- large requests -------------------------------------------------------------------------------------


def set_data_frame(client: Client, length: int) -> bytes:
    """The body has a path of one character, a length and a version besides the data."""
    return client.request(OpCode.SET_DATA, SetDataRequest("/", bytes(length - 13), -1))


def test_a_large_request_that_leaves_no_room_closes_its_connection() -> None:
    server = Server(large_request_threshold_bytes=1000, large_request_max_bytes=5000)
    one, other = server.connected(), server.connected()
    server.disk_works = False
    one.send(set_data_frame(one, 3000))
    other.send(set_data_frame(other, 900) * 5)
    assert other.is_open, "small ones do not count"
    other.send(set_data_frame(other, 2001))
    assert not other.is_open
    server.disk_works = True
    server.run()
    assert [reply.err for reply in one.replies()] == [0]


def test_large_requests_make_room_when_they_are_through() -> None:
    server = Server(large_request_threshold_bytes=1000, large_request_max_bytes=5000)
    client = server.connected()
    for _ in range(5):
        client.send(set_data_frame(client, 4990))
    assert len(client.replies()) == 5


def test_a_length_alone_is_enough_to_be_refused() -> None:
    """What is announced counts with its header."""
    server = Server(large_request_threshold_bytes=1000, large_request_max_bytes=5000)
    client = server.connected()
    client.send((5000).to_bytes(4, "big"))
    assert client.is_open
    client = server.connected()
    client.send((5001).to_bytes(4, "big"))
    assert not client.is_open
    assert client.session_id in server.core.sessions.sessions


def test_a_large_request_whose_connection_goes_makes_room_too() -> None:
    server = Server(large_request_threshold_bytes=1000, large_request_max_bytes=5000)
    gone, client = server.connected(), server.connected()
    server.disk_works = False
    gone.send(set_data_frame(gone, 4000))
    gone.disconnect()
    server.disk_works = True
    server.run()
    client.send(set_data_frame(client, 4900))
    assert [reply.err for reply in client.replies()] == [0]
