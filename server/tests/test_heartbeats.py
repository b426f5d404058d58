"""Pings are answered in the middle of a request that takes long, and nothing else is."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from contextlib import suppress
from struct import pack
from typing import Any

import pytest
import trio
from zoolet.jute.codes import ErrorCode, OpCode
from zoolet.jute.framing import frame
from zoolet.jute.proto import CheckVersionRequest, GetDataRequest, SetDataRequest
from zoolet.server import event_loop, heartbeats
from zoolet.server.connection import ServerConnection
from zoolet.server.event_loop import EventLoop
from zoolet.server.heartbeats import Heartbeats
from zoolet.server.log_thread import LogThread
from zoolet.server.pauses import nothing
from zoolet.server.pings import PING_BYTES, answer_ping, is_ping
from zoolet.server.tests.harness import Client, Server
from zoolet.server.tests.pipeline import multi_body
from zoolet.server.tests.wires import Wire, tcp_pair

PING = frame(pack(">ii", -2, OpCode.PING))
READ = frame(pack(">ii", 7, OpCode.GET_DATA) + GetDataRequest("/", False).encode())
REPLY_BYTES = 20
PATIENCE_S = 30


def checks(count: int) -> bytes:
    """The body of a multi."""
    return multi_body(*[(OpCode.CHECK, CheckVersionRequest("/", -1))] * count)


def heard(client: Client, now_ms: int = 0) -> bool:
    """What the sockets do in a pause, for one client that pings."""
    connection = client.connection
    return connection.is_free and answer_ping(connection, PING, now_ms or client.server.now_ms)


# --- what a connection answers -----------------------------------------------------------------------------


def test_a_ping_is_told_from_other_requests() -> None:
    assert len(PING) == PING_BYTES
    assert is_ping(PING)
    assert is_ping(frame(pack(">ii", 5, OpCode.PING)))
    assert not is_ping(READ[:PING_BYTES])
    assert not is_ping(pack(">iii", 9, -2, OpCode.PING))
    assert not is_ping(PING[:-1])
    assert not is_ping(b"")


@pytest.mark.parametrize("xid", [-2, 5])
def test_the_answer_and_what_is_counted_are_the_same_as_in_turn(xid: int) -> None:
    ping = frame(pack(">ii", xid, OpCode.PING))
    in_turn, in_a_pause = Server(), Server()
    for server in (in_turn, in_a_pause):
        server.connected().create("/a")
    client = in_turn.clients[0]
    client.send(ping)
    expected = client.take_bytes()

    other = in_a_pause.clients[0]
    assert other.connection.is_free
    assert answer_ping(other.connection, ping, in_a_pause.now_ms)
    in_a_pause.run()
    assert other.take_bytes() == expected
    assert counts(in_a_pause.core.stats) == counts(in_turn.core.stats)
    assert counts(other.connection.stats) == counts(client.connection.stats)


def counts(stats: Any) -> list[Any]:
    return [getattr(stats, name) for name in type(stats).__slots__]


def test_it_keeps_the_session_alive() -> None:
    server = Server()
    client = server.connected(timeout_ms=4000)
    server.advance(3000)
    assert heard(client)
    server.advance(3000)
    assert client.is_open
    assert client.session_id in server.core.sessions.sessions


def test_a_client_is_heard_while_the_multi_of_another_is_half_done() -> None:
    server = Server()
    busy, good = server.connected(), server.connected()
    answers: list[bytes] = []

    def pause() -> None:
        assert not heard(busy)
        zxid = server.tree.last_processed_zxid
        assert heard(good)
        answers.append(b"".join(good.connection.out))
        good.connection.out.clear()
        good.connection.unsent_bytes = 0
        assert server.tree.last_processed_zxid == zxid

    server.core.pauses.take = pause
    reply = busy.call(OpCode.MULTI, checks(100))
    assert reply.err == 0
    assert len(answers) > 10
    assert {len(answer) for answer in answers} == {REPLY_BYTES}


def test_nothing_of_a_clients_own_is_overtaken() -> None:
    server = Server()
    client = server.connected()
    assert heard(client)
    server.run()
    client.take_bytes()

    server.disk_works = False
    client.send(client.request(OpCode.SET_DATA, SetDataRequest("/", b"", -1)))
    assert not heard(client), "its write is under way"
    server.disk_works = True
    server.run()
    assert heard(client)

    client.send(READ[:10])
    assert not heard(client), "half a request is there"
    client.send(READ[10:])
    assert heard(client)

    server.core.engaged = client.connection
    assert not heard(client), "its requests are being handled"


def test_reads_that_waited_behind_a_write_are_answered_before_a_ping() -> None:
    server = Server()
    client = server.connected()
    server.disk_works = False
    client.send(client.request(OpCode.SET_DATA, SetDataRequest("/", b"", -1)))
    client.send(client.request(OpCode.MULTI_READ, read_root(50)))
    tried: list[bool] = []
    server.core.pauses.take = lambda: tried.append(heard(client))
    server.disk_works = True
    server.run()
    assert len(client.replies()) == 2
    assert len(tried) >= 50
    assert not any(tried)
    assert server.core.engaged is None


def read_root(count: int) -> bytes:
    return multi_body(*[(OpCode.GET_DATA, GetDataRequest("/", False))] * count)


def test_only_sessions_that_live_are_heard() -> None:
    server = Server()
    fresh, client, closed = server.client(), server.connected(), server.connected()
    assert not heard(fresh)
    assert not answer_ping(fresh.connection, PING, server.now_ms)
    closed.connection.close("it is over")
    assert not closed.connection.is_free
    server.core.sessions.set_closing(client.session_id)
    assert not heard(client)
    assert client.connection.out == []


def test_who_has_to_prove_an_identity_is_not_heard_before() -> None:
    server = Server(properties={"enforce.auth.enabled": "true", "enforce.auth.schemes": "digest"})
    client = server.connected()
    assert not heard(client)
    client.send(PING)
    [reply] = client.replies()
    assert reply.err == ErrorCode.SESSION_CLOSED_REQUIRE_SASL_AUTH


def test_where_requests_are_throttled_pings_come_in_their_turn() -> None:
    throttled = Server(request_throttle_max_requests=5)
    assert not throttled.connected().connection.is_free
    limited = Server(large_request_threshold_bytes=1000)
    assert limited.connected().connection.is_free


# --- sockets -----------------------------------------------------------------------------------------------


class Sockets:
    """Some wires, and what looks at them in a pause."""

    def __init__(self, count: int) -> None:
        self.server = Server()
        self.epoll = select.epoll()
        self.wires = [Wire(self.server) for _ in range(count)]
        for wire in self.wires:
            self.epoll.register(wire.socket.fileno(), select.EPOLLIN)
        self.by_endpoint: dict[Any, Wire] = {wire.endpoint: wire for wire in self.wires}
        self.heartbeats = Heartbeats(
            self.epoll,
            {wire.socket.fileno(): wire for wire in self.wires},
            self.by_endpoint,
            self.server.core.dirty,
        )

    def close(self) -> None:
        self.epoll.close()
        for wire in self.wires:
            wire.socket.close()
            wire.theirs.close()


@pytest.fixture
def three() -> Iterator[Sockets]:
    sockets = Sockets(3)
    yield sockets
    sockets.close()


def test_pings_are_taken_and_the_rest_stays(three: Sockets) -> None:
    pings, reads, both = three.wires
    pings.theirs.send(PING)
    reads.theirs.send(READ + PING)
    both.theirs.send(PING + READ)
    three.heartbeats.take()
    assert len(pings.answer()) == REPLY_BYTES
    assert pings.left() == b""
    assert reads.answer() == b""
    assert reads.left() == READ + PING
    assert len(both.answer()) == REPLY_BYTES
    assert both.left() == READ


def test_what_was_answered_before_the_long_request_goes_out(three: Sockets) -> None:
    """Otherwise it would wait for the end of the turn, and for all that comes in it."""
    early, engaged, wrapped = three.wires
    core = three.server.core
    three.by_endpoint[wrapped.endpoint] = early  # another endpoint has the socket, such as that of TLS
    for wire in three.wires:
        wire.endpoint.out.append(b"answer")
        wire.endpoint.unsent_bytes = 6
        core.dirty[wire.endpoint] = None
    core.engaged = engaged.endpoint
    three.heartbeats.take()
    assert early.answer() == b"answer"
    assert early.endpoint.unsent_bytes == 0
    assert engaged.answer() == wrapped.answer() == b""
    assert engaged.endpoint.out == wrapped.endpoint.out == [b"answer"]


def test_pause_by_pause_everybody_gets_what_was_answered() -> None:
    """However many there are, and though those in front have too much to say."""
    long = heartbeats.SHORT_BYTES + 1
    sockets = Sockets(2 * heartbeats.SENT_MAX + 3)
    for number, wire in enumerate(sockets.wires):
        length = long if number < 2 else 6
        wire.endpoint.out.append(bytes(length))
        wire.endpoint.unsent_bytes = length
        sockets.server.core.dirty[wire.endpoint] = None
    left = []
    for _ in range(3):
        sockets.heartbeats.due_s = 0
        sockets.heartbeats.take()
        left.append(sum(1 for wire in sockets.wires if wire.endpoint.unsent_bytes == 6))
    assert left == [heartbeats.SENT_MAX + 1, 1, 0]
    assert [len(wire.answer()) for wire in sockets.wires] == [0, 0] + [6] * (len(sockets.wires) - 2)
    assert len(sockets.server.core.dirty) == len(sockets.wires), "their turn comes all the same"
    sockets.close()


def test_half_a_ping_stays(three: Sockets) -> None:
    wire = three.wires[0]
    wire.theirs.send(PING[:7])
    three.heartbeats.take()
    assert wire.left() == PING[:7]
    wire.theirs.send(PING[7:])
    three.heartbeats.due_s = 0
    three.heartbeats.take()
    assert len(wire.answer()) == REPLY_BYTES


def test_no_pause_is_taken_before_it_is_due(three: Sockets) -> None:
    wire = three.wires[0]
    wire.theirs.send(PING)
    three.heartbeats.due_s = float("inf")
    three.heartbeats.take()
    assert wire.left() == PING


def test_an_event_goes_out_in_front_of_the_answer(three: Sockets) -> None:
    wire = three.wires[0]
    wire.endpoint.out.append(b"event")
    wire.endpoint.unsent_bytes += 5
    wire.theirs.send(PING)
    three.heartbeats.take()
    said = wire.answer()
    assert said.startswith(b"event")
    assert len(said) == 5 + REPLY_BYTES
    assert wire.endpoint.unsent_bytes == 0
    assert wire.unsent is None


def test_what_a_full_socket_does_not_take_goes_later_and_in_order(three: Sockets) -> None:
    wire = three.wires[0]
    fill(wire.socket)
    wire.theirs.send(PING)
    three.heartbeats.take()
    assert wire.unsent is not None
    assert len(wire.unsent) == REPLY_BYTES == wire.endpoint.unsent_bytes
    wire.theirs.send(PING)
    three.heartbeats.due_s = 0
    three.heartbeats.take()
    assert wire.left() == PING, "nothing more is taken while something waits to be sent"


def test_a_client_that_is_gone_is_left_to_its_turn(three: Sockets) -> None:
    gone, reset, good = three.wires
    gone.theirs.close()
    reset.theirs.send(PING)
    reset.theirs.close()
    good.theirs.send(PING)
    three.heartbeats.take()
    assert len(good.answer()) == REPLY_BYTES
    for wire in (gone, reset):
        assert not wire.endpoint.is_closing


def test_the_work_around_a_pause_does_not_hear_of_what_goes_wrong_in_it(
    three: Sockets, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*arguments: object) -> bool:
        raise RuntimeError("of all things")

    monkeypatch.setattr(heartbeats, "answer_ping", fail)
    three.wires[0].theirs.send(PING)
    three.heartbeats.take()
    assert "of all things" in caplog.text


def test_the_loop_answers_a_ping_that_comes_during_a_long_multi(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_loop, "REQUESTS_S", 0.0)
    monkeypatch.setattr(heartbeats, "EVERY_S", 0.0)
    server = Server()
    core = server.core
    answered: list[bytes] = []

    async def story() -> None:
        log_thread = LogThread(1000)
        loop = EventLoop(core, log_thread)
        wires = [Wire(server, tcp_pair) for _ in range(2)]
        for wire in wires:
            loop.adopt(wire.socket, wire.endpoint)
        busy, good = wires
        submit = core.submit

        def submit_while_somebody_pings(request: Any) -> None:
            good.theirs.send(PING)
            submit(request)
            answered.append(good.answer())

        core.submit = submit_while_somebody_pings
        busy.theirs.settimeout(PATIENCE_S)
        busy.theirs.send(frame(pack(">ii", 1, OpCode.MULTI) + checks(1000)))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(loop.run)
            await trio.to_thread.run_sync(busy.theirs.recv, 1000)
            nursery.cancel_scope.cancel()
        loop.close()
        assert core.pauses.take is nothing
        for wire in wires:
            wire.theirs.close()
        log_thread.close(PATIENCE_S)

    trio.run(story)
    assert [len(answer) for answer in answered] == [REPLY_BYTES]


def fill(sock: socket.socket) -> None:
    """Send until the other end has enough."""
    with suppress(BlockingIOError):
        while True:
            sock.send(bytes(1 << 16))


def test_every_connection_of_the_server_is_one_that_can_be_heard() -> None:
    assert isinstance(Server().client().connection, ServerConnection)
