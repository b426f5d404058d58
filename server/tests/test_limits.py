"""Every bound of a connection and of the server, and what happens when it is reached."""

from __future__ import annotations

import pytest
from zoolet.jute.codes import ErrorCode, OpCode
from zoolet.jute.data import OPEN_ACL
from zoolet.jute.proto import CreateRequest, ExistsRequest, GetDataRequest, GetDataResponse, SetDataRequest
from zoolet.server import connection as connection_module
from zoolet.server import core as core_module
from zoolet.server.connection import (
    LINGER_MS,
    OUTSTANDING_BYTES_MAX,
    READS_WAITING_MAX,
    State,
)
from zoolet.server.memory_budget import OUT_BYTES_MAX
from zoolet.server.ops import multi as multi_module
from zoolet.server.tests.harness import Client, Server
from zoolet.server.tests.pipeline import multi_body

BIG = bytes(200_000)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def client(server: Server) -> Client:
    client = server.connected()
    assert client.create("/big", BIG).err == 0
    return client


def get_big(client: Client, count: int) -> bytes:
    return b"".join(client.request(OpCode.GET_DATA, GetDataRequest("/big", False)) for _ in range(count))


def create_frame(client: Client, path: str, data: bytes = b"") -> bytes:
    return client.request(OpCode.CREATE, CreateRequest(path, data, OPEN_ACL, 0))


def exists_frame(client: Client) -> bytes:
    return client.request(OpCode.EXISTS, ExistsRequest("/", False))


# --- output that is not taken ---------------------------------------------------------------------------


def test_replies_that_are_not_read_are_not_made(server: Server, client: Client) -> None:
    client.reads = False
    client.send(get_big(client, 100) + create_frame(client, "/last"))
    assert client.connection.unsent_bytes <= OUT_BYTES_MAX + len(BIG) + 100
    assert not client.connection.wants_input
    assert "/last" not in server.tree.nodes
    client.send(get_big(client, 1000))
    assert client.inbox, "the socket is not read meanwhile"

    client.reads = True
    server.core.dirty[client.connection] = None
    server.run()
    replies = client.replies()
    assert [reply.xid for reply in replies] == list(range(2, 1103))
    assert all(GetDataResponse.parse(replies[i].body).data == BIG for i in (0, 50, 99, 101, 1100))
    assert "/last" in server.tree.nodes
    assert client.connection.wants_input


def test_replies_to_reads_behind_a_write_are_bounded_by_their_number(server: Server, client: Client) -> None:
    """They have to be answered before the session's next write is applied, whatever their size."""
    client.reads = False
    server.disk_works = False
    requests = (
        create_frame(client, "/a") + get_big(client, 2 * READS_WAITING_MAX) + create_frame(client, "/b")
    )
    client.send(requests + get_big(client, 10))
    server.disk_works = True
    server.run()
    assert client.connection.unsent_bytes <= (READS_WAITING_MAX + 1) * (len(BIG) + 200)
    assert "/b" not in server.tree.nodes
    client.reads = True
    server.core.dirty[client.connection] = None
    server.run()
    assert [reply.xid for reply in client.replies()] == list(range(2, 14 + 2 * READS_WAITING_MAX))
    assert server.core.in_process == 0


def test_replies_keep_their_order_when_output_fills_up_between_writes(server: Server, client: Client) -> None:
    client.reads = False
    server.disk_works = False
    for i in range(5):
        client.send(create_frame(client, f"/a{i}") + get_big(client, 4))
    server.disk_works = True
    server.run()
    client.reads = True
    server.core.dirty[client.connection] = None
    server.run()
    assert [reply.xid for reply in client.replies()] == list(range(2, 27))
    assert server.core.in_process == 0


def test_others_are_served_while_one_does_not_read(server: Server, client: Client) -> None:
    client.reads = False
    client.send(get_big(client, 100))
    other = server.connected()
    assert other.create("/a").err == 0
    assert other.exists("/a").err == 0


def test_a_client_that_does_not_take_its_events_is_cut_off(
    server: Server, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "UNSENT_EVENTS_BYTES_MAX", 10_000)
    watcher = server.connected()
    watcher.call(OpCode.ADD_WATCH, b"\0\0\0\1/\0\0\0\1")
    watcher.reads = False
    for _ in range(400):
        client.set_data("/big", b"")
    assert not watcher.is_open
    assert watcher.session_id in server.core.sessions.sessions
    assert server.tree.watches.empty


def test_a_closing_connection_has_some_time_for_its_last_bytes(server: Server, client: Client) -> None:
    client.reads = False
    client.send(get_big(client, 3) + client.request(99))
    assert client.connection.state is State.CLOSING
    server.advance(LINGER_MS - 1)
    assert client.is_open
    client.reads = True
    server.core.dirty[client.connection] = None
    server.run()
    assert [reply.err for reply in client.replies()] == [0, 0, 0, ErrorCode.UNIMPLEMENTED]
    assert not client.is_open


def test_a_closing_connection_that_takes_nothing_is_dropped(server: Server, client: Client) -> None:
    client.reads = False
    client.send(get_big(client, 3) + client.request(99))
    server.advance(LINGER_MS + 4000)
    assert not client.is_open
    assert client.take_bytes() == b""


# --- writes under way -----------------------------------------------------------------------------------


def test_a_busy_connection_is_not_read_beyond_the_global_outstanding_limit() -> None:
    server = Server(global_outstanding_limit=10)
    busy, idle = server.connected(), server.connected()
    server.disk_works = False
    for i in range(20):
        busy.send(create_frame(busy, f"/a{i}"))
    assert server.core.in_process == 11
    assert not busy.connection.wants_input
    assert idle.connection.wants_input, "a connection without requests under way is read"
    assert idle.exists("/a0").err == ErrorCode.NO_NODE
    server.disk_works = True
    server.run()
    assert [reply.err for reply in busy.replies()] == [0] * 20
    assert server.core.in_process == 0


def test_a_connection_is_not_read_beyond_four_mebibytes_of_its_writes(server: Server, client: Client) -> None:
    server.disk_works = False
    data = bytes(900_000)
    for _ in range(10):
        client.send(client.request(OpCode.SET_DATA, SetDataRequest("/big", data, -1)))
    under_way = client.connection.outstanding_requests * len(data)
    assert OUTSTANDING_BYTES_MAX < under_way < OUTSTANDING_BYTES_MAX + 2 * len(data)
    assert not client.connection.wants_input
    server.disk_works = True
    server.run()
    assert [reply.err for reply in client.replies()] == [0] * 10
    assert client.connection.wants_input


def test_reads_behind_writes_count_as_under_way() -> None:
    server = Server(global_outstanding_limit=10)
    client = server.connected()
    server.disk_works = False
    client.send(create_frame(client, "/a") + b"".join(exists_frame(client) for _ in range(20)))
    client.send(exists_frame(client))
    assert client.inbox
    server.disk_works = True
    server.run()
    assert [reply.xid for reply in client.replies()] == list(range(1, 23))


def test_a_long_batch_is_interrupted_for_others_and_then_goes_on(server: Server, client: Client) -> None:
    """Time comes in from outside: here it is always up."""
    server.core.time_is_up = lambda: True
    client.send(b"".join(exists_frame(client) for _ in range(100)) + create_frame(client, "/a"))
    assert [reply.xid for reply in client.replies()] == list(range(2, 103))
    assert "/a" in server.tree.nodes


# --- answers --------------------------------------------------------------------------------------------


def test_a_multi_read_with_too_large_an_answer_is_refused(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multi_module, "REPLY_BYTES_MAX", 5 * len(BIG))
    reads = [(OpCode.GET_DATA, GetDataRequest("/big", False))]
    assert client.call(OpCode.MULTI_READ, multi_body(*reads * 4)).err == 0
    assert client.call(OpCode.MULTI_READ, multi_body(*reads * 6)).err == ErrorCode.MARSHALLING_ERROR
    assert client.is_open


# --- txns that could not be read back -------------------------------------------------------------------


def test_the_end_of_a_session_with_megabytes_of_paths_can_be_read_back(server: Server) -> None:
    """ZOOKEEPER-4306: the original logs a record that it refuses at the next start."""
    client = server.connected(timeout_ms=40_000)
    for i in range(4):
        client.create(f"/{'p' * 100_000}{i}")
        for j in range(6):
            assert client.create(f"/{'p' * 100_000}{i}/{'e' * 100_000}{j}", flags=1).err == 0
    assert client.call(OpCode.CLOSE_SESSION).err == 0
    longest = max(len(entry.payload) for entry in server.storage.txn_log.read(0))
    assert longest <= 2 * 1_048_575
    after = server.restart()
    assert after.tree.ephemerals == {}
    assert after.tree.digest == server.tree.digest
    assert after.core.database.digest_mismatches == 0


# --- connections ----------------------------------------------------------------------------------------


def test_no_more_connections_than_max_cnxns_are_taken() -> None:
    server = Server(max_cnxns=3)
    clients = [server.connected() for _ in range(3)]
    assert server.core.accept(("10.0.0.1", 1)) is None
    clients[0].disconnect()
    assert server.core.accept(("10.0.0.1", 1)) is not None


@pytest.mark.parametrize("max_cnxns", [0, 10_000])
def test_some_file_descriptors_are_kept_for_logs_and_snapshots(
    max_cnxns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    descriptors = core_module.DESCRIPTORS_NOT_FOR_CLIENTS + 2
    monkeypatch.setattr(core_module, "file_descriptors_max", lambda: descriptors)
    server = Server(max_cnxns=max_cnxns)
    assert server.core.accept(("10.0.0.1", 1)) is not None
    assert server.core.accept(("10.0.0.1", 2)) is not None
    assert server.core.accept(("10.0.0.1", 3)) is None


def test_a_paused_connection_is_not_read_and_goes_on_when_there_is_room() -> None:
    """The budget has room for thirteen requests of a megabyte."""
    server = Server()
    clients = [server.connected() for _ in range(15)]
    data = bytes(1_000_000)
    frames = [client.request(OpCode.SET_DATA, SetDataRequest("/", data, -1)) for client in clients]
    for client, frame in zip(clients, frames, strict=True):
        client.send(frame[:-1])
    waiting = [client for client in clients if not client.connection.wants_input]
    assert len(waiting) == 2
    assert all(client.inbox for client in waiting)
    for client, frame in zip(clients, frames, strict=True):
        client.send(frame[-1:])
    server.run()
    assert [reply.err for client in clients for reply in client.replies()] == [0] * 15
    assert server.core.memory.used_bytes == 0


def test_a_connection_whose_request_stalls_goes_when_others_wait_for_it() -> None:
    server = Server()
    clients = [server.connected(timeout_ms=40_000) for _ in range(14)]
    for client in clients:
        frame = client.request(OpCode.SET_DATA, SetDataRequest("/", bytes(1_000_000), -1))
        client.send(frame[:-1])
    other = server.connected()
    server.advance(5000)
    assert sum(client.is_open for client in clients) == 1
    assert other.exists("/").err == 0


def test_a_flood_of_watches_ends_the_connection_and_no_other(client: Client, server: Server) -> None:
    other = server.connected()
    assert other.exists("/mine", watch=True).err == ErrorCode.NO_NODE
    for number in range(60):
        if client.is_open:
            client.send(client.request(OpCode.EXISTS, ExistsRequest(f"/{number}" + "x" * 1_000_000, True)))
    assert not client.is_open
    assert other.is_open
    assert server.core.watch_count == 1
