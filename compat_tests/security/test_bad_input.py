"""Bad input that once stopped the original, by its number there: ours answers or closes, and serves on."""

from __future__ import annotations

from random import Random
from struct import pack

import pytest
from zoolet.jute.codes import ErrorCode, OpCode
from zoolet.jute.data import ACL, OPEN_ACL, Id
from zoolet.jute.proto import CheckVersionRequest, CreateRequest, SetDataRequest, SetWatches
from zoolet.server.config import config_from
from zoolet.server.connection import READS_WAITING_MAX
from zoolet.server.tests.harness import Client, Server
from zoolet.server.tests.pipeline import multi_body
from zoolet.server.throttle import ConnectionThrottle


@pytest.fixture
def server() -> Server:
    return Server()


def still_serves(server: Server) -> bool:
    """Another client's write and read work, and what is on disk can be read back."""
    client = server.connected()
    path = f"/alive-{client.session_id}"
    works = client.create(path).err == 0 and client.get_data(path).err == 0
    after = server.restart()
    return works and path in after.tree.nodes and after.core.database.digest_mismatches == 0


def test_zookeeper_2623_a_check_outside_of_a_multi_is_no_operation(server: Server) -> None:
    """It ended in a null pointer; later versions answer -6."""
    client = server.connected()
    reply = client.call(OpCode.CHECK, CheckVersionRequest("/", 0))
    assert reply.err == ErrorCode.UNIMPLEMENTED
    assert still_serves(server)


@pytest.mark.parametrize("path", ["", None, "nowhere", "/a/", "/a//b", "/\0"])
def test_zookeeper_2213_a_write_to_an_empty_or_odd_path_is_refused_before_it_is_logged(
    path: str | None, server: Server
) -> None:
    """setData with an empty path crashed the server, and again at every start that replayed it."""
    client = server.connected()
    for opcode, record in (
        (OpCode.SET_DATA, SetDataRequest(path, b"x", -1)),
        (OpCode.CREATE, CreateRequest(path, b"x", OPEN_ACL, 0)),
    ):
        assert client.call(opcode, record).err != 0
        assert client.is_open
    body = multi_body((OpCode.SET_DATA, SetDataRequest(path, b"x", -1)))
    client.call(OpCode.MULTI, body)
    assert still_serves(server)


@pytest.mark.parametrize(
    "acl",
    [None, (), (ACL(31, Id("", "")),), (ACL(31, Id(None, None)),), (ACL(31, Id("digest", None)),)],
    ids=["null", "empty", "nameless", "null scheme", "null id"],
)
def test_zookeeper_1877_an_acl_without_a_proper_identity_is_refused(
    acl: tuple[ACL, ...] | None, server: Server
) -> None:
    """A null in the wrong place ended the thread that prepares requests, and with it all writes."""
    client = server.connected()
    reply = client.call(OpCode.CREATE, CreateRequest("/x", b"", acl, 0))
    assert reply.err in (ErrorCode.INVALID_ACL, ErrorCode.MARSHALLING_ERROR)
    assert "/x" not in server.tree.nodes
    assert still_serves(server)


def test_zookeeper_2101_and_3496_no_transaction_is_longer_than_can_be_read_back() -> None:
    """A request just below the limit becomes a txn above it, which no restart could read."""
    server = Server(jute_max_buffer_bytes=10_000, jute_max_buffer_extra_bytes=1024)
    client = server.connected()
    for length in range(9_900, 10_000):
        client.send(client.request(OpCode.CREATE, CreateRequest("/n", bytes(length - 60), OPEN_ACL, 2)))
    longest = max(len(entry.payload) for entry in server.storage.txn_log.read(0))
    assert longest <= 10_000 + 1024
    assert still_serves(server)


def test_zookeeper_706_watches_of_a_whole_session_are_set_again_in_one_request(server: Server) -> None:
    """Clients that put them all into one packet must be able to: up to the largest frame."""
    client = server.connected()
    paths = tuple(f"/some/rather/long/path/of/a/node/{number:06d}" for number in range(20_000))
    request = SetWatches(1 << 40, (), paths, ())
    assert len(request.encode()) > 800_000
    client.send(client.request(OpCode.SET_WATCHES, request, xid=-8))
    [reply] = client.replies()
    assert (reply.xid, reply.err) == (-8, 0)
    assert server.core.watch_count == 20_000


@pytest.mark.parametrize("word", [b"stat", b"cons", b"dump", b"mntr", b"wchp"])
def test_zookeeper_2224_a_word_whose_answer_is_not_taken_holds_up_nobody(word: bytes, server: Server) -> None:
    """The original's words were answered by threads that waited for the network."""
    slow = server.client()
    slow.reads = False
    slow.send(word)
    assert slow.connection.outstanding_requests == 0
    assert still_serves(server)


def test_zookeeper_2201_who_takes_nothing_does_not_hold_up_writes(server: Server) -> None:
    """A lock was held while a snapshot or a reply went out, so that one bad network stopped everybody."""
    server.connected().create("/big", bytes(500_000))
    slow: list[Client] = [server.connected() for _ in range(5)]
    for client in slow:
        client.reads = False
        get = b"".join(client.request(OpCode.GET_DATA, pack(">i", 4) + b"/big\0") for _ in range(20))
        client.send(get)
    assert still_serves(server)


def test_zookeeper_4933_a_throttle_that_was_idle_for_long_admits_again() -> None:
    """The number of tokens to come back overflowed, and every connection was refused from then on."""
    config = config_from(
        {},
        data_dir="/data",
        client_port=2181,
        connection_throttle_tokens=10,
        connection_throttle_fill_count=1000,
    )
    throttle = ConnectionThrottle.from_config(config, Random(1), 0)
    assert throttle is not None
    assert throttle.admits(False, 1)
    for now_ms in (2**31, 2**40, 2**62):
        assert throttle.admits(False, now_ms)


def test_zookeeper_4814_an_old_client_hears_no_more_than_it_understands(server: Server) -> None:
    """Whoever sends no read-only flag must not be sent one: the byte was taken for the next reply's first."""
    old, new, stranger = server.client(), server.client(), server.client()
    old.send(old.connect_frame(read_only=None))
    new.send(new.connect_frame(read_only=False))
    stranger.send(stranger.connect_frame(read_only=None, session_id=77))
    assert [len(client.take_frame()) for client in (old, new, stranger)] == [36, 37, 36]
    assert old.exists("/").err == 0


@pytest.mark.parametrize("length", [-1, -(2**31), 2**31 - 1, 1_048_576])
def test_lengths_that_no_request_has_close_the_connection(length: int, server: Server) -> None:
    client = server.connected()
    client.send(pack(">i", length) + bytes(100))
    assert not client.is_open
    assert still_serves(server)


@pytest.mark.parametrize("count", [2**31 - 1, 100_000_000, -2, -(2**31)])
def test_vectors_that_announce_more_than_there_is_are_malformed(count: int, server: Server) -> None:
    """Nothing is allocated for what has not come."""
    client = server.connected()
    reply = client.call(OpCode.SET_WATCHES, pack(">qi", 0, count))
    assert reply.err == ErrorCode.MARSHALLING_ERROR
    assert still_serves(server)


def test_reads_behind_a_write_have_a_number_whatever_their_size(server: Server) -> None:
    """Traps C.3: answers far larger than their requests."""
    client = server.connected()
    client.create("/big", bytes(100_000))
    server.disk_works = False
    client.send(client.request(OpCode.SET_DATA, SetDataRequest("/", b"", -1)))
    client.send(b"".join(client.request(OpCode.GET_DATA, pack(">i", 4) + b"/big\0") for _ in range(1000)))
    assert client.connection.unsent_bytes == 0
    client.reads = False
    server.disk_works = True
    server.run()
    assert client.connection.unsent_bytes < (READS_WAITING_MAX + 20) * 100_200
