"""The network of the nemesis does what it says: it is the judge's witness, so it is judged first."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import time
from collections.abc import Iterator

import pytest

from .nemesis_network import Channel, Cut, Network

PATIENCE_S = 5.0
A, B = 1, 2


class Pair:
    """Member A, which has dialled member B through the network."""

    def __init__(self, channel: Channel = Channel.QUORUM) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(PATIENCE_S)
        self.network = Network()
        port = self.listener.getsockname()[1]
        self.there = self.network.add_route(A, B, channel, port)
        self.back = self.network.add_route(B, A, channel, port)
        self.network.start()
        self.ends: list[socket.socket] = [self.listener]

    def dial(self) -> socket.socket:
        end = socket.create_connection(("127.0.0.1", self.there.port), timeout=PATIENCE_S)
        self.ends.append(end)
        return end

    def accept(self) -> socket.socket:
        end, _ = self.listener.accept()
        end.settimeout(PATIENCE_S)
        self.ends.append(end)
        return end

    def connect(self) -> tuple[socket.socket, socket.socket]:
        return self.dial(), self.accept()

    def close(self) -> None:
        for end in self.ends:
            end.close()
        self.network.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    made.close()


def has_something(end: socket.socket) -> bool:
    """Whether bytes or an end arrive within a moment in which they would."""
    return bool(select.select([end], [], [], 0.1)[0])


def is_broken(end: socket.socket) -> bool:
    try:
        return end.recv(1) == b""
    except ConnectionResetError:
        return True


def test_bytes_go_both_ways(pair: Pair) -> None:
    a, b = pair.connect()
    a.sendall(b"there")
    assert b.recv(10) == b"there"
    b.sendall(b"back")
    assert a.recv(10) == b"back"


def test_much_goes_through_unchanged(pair: Pair) -> None:
    a, b = pair.connect()
    sent = bytes(range(256)) * 20_000
    received = bytearray()
    a.setblocking(False)
    position = 0
    while len(received) < len(sent):
        readable, writable, _ = select.select([b], [a] if position < len(sent) else [], [], PATIENCE_S)
        assert readable or writable
        if writable:
            position += a.send(sent[position : position + 65536])
        if readable:
            received += b.recv(65536)
    assert received == sent


def test_a_closed_end_is_told_to_the_other_after_all_bytes(pair: Pair) -> None:
    a, b = pair.connect()
    a.sendall(b"last words")
    a.close()
    assert b.recv(100) == b"last words"
    assert b.recv(1) == b""


def test_a_silent_cut_holds_one_direction_until_it_is_healed(pair: Pair) -> None:
    a, b = pair.connect()
    pair.network.cut([(A, B)], Cut.SILENT)
    a.sendall(b"held")
    b.sendall(b"heard")
    assert a.recv(10) == b"heard"
    assert not has_something(b)
    pair.network.heal()
    assert b.recv(10) == b"held"


def test_a_silent_cut_holds_new_connections_too(pair: Pair) -> None:
    pair.network.cut([(A, B), (B, A)], Cut.SILENT)
    a = pair.dial()
    a.sendall(b"hello")
    assert not has_something(pair.listener)
    pair.network.heal()
    assert pair.accept().recv(10) == b"hello"


def test_a_connection_given_up_during_a_silent_cut_never_arrives(pair: Pair) -> None:
    pair.network.cut([(A, B)], Cut.SILENT)
    pair.dial().close()
    pair.network.heal()
    a, b = pair.connect()
    a.sendall(b"only one")
    assert b.recv(10) == b"only one"
    assert not has_something(pair.listener)


def test_a_reset_breaks_connections_and_refuses_new_ones(pair: Pair) -> None:
    a, b = pair.connect()
    pair.network.cut([(A, B)], Cut.RESET)
    assert is_broken(a)
    assert is_broken(b)
    with contextlib.suppress(ConnectionResetError):
        assert is_broken(pair.dial())
    pair.network.heal()
    a, b = pair.connect()
    a.sendall(b"again")
    assert b.recv(10) == b"again"


def test_slow_bytes_keep_their_order_and_take_their_time(pair: Pair) -> None:
    a, b = pair.connect()
    pair.network.slow([(A, B)], 0.1)
    before = time.monotonic()
    a.sendall(b"1")
    assert not select.select([b], [], [], 0.02)[0]
    a.sendall(b"2")
    received = b""
    while len(received) < 2:
        received += b.recv(2)
    assert received == b"12"
    assert time.monotonic() - before >= 0.1


def test_a_learner_that_dials_too_early_is_let_through_when_the_leader_listens(pair: Pair) -> None:
    port = pair.listener.getsockname()[1]
    pair.listener.close()
    a = pair.dial()
    a.sendall(b"early")
    pair.listener = socket.create_server(("127.0.0.1", port))
    pair.listener.settimeout(PATIENCE_S)
    pair.ends.append(pair.listener)
    assert pair.accept().recv(10) == b"early"


@pytest.mark.parametrize("version", [-65536, -65535])
def test_an_election_handshake_names_the_way_back(version: int) -> None:
    pair = Pair(Channel.ELECTION)
    try:
        a, b = pair.connect()
        address = b"127.0.0.1:1"
        opening = struct.pack(">qqi", version, A, len(address)) + address + b"and more"
        for byte in opening:
            a.sendall(bytes([byte]))
        expected = f"127.0.0.1:{pair.back.port}".encode()
        wanted = struct.pack(">qqi", version, A, len(expected)) + expected + b"and more"
        received = b""
        while len(received) < len(wanted):
            received += b.recv(100)
        assert received == wanted
    finally:
        pair.close()


def test_an_old_election_handshake_is_left_alone() -> None:
    pair = Pair(Channel.ELECTION)
    try:
        a, b = pair.connect()
        a.sendall(struct.pack(">q", A) + b"more")
        received = b""
        while len(received) < 12:
            received += b.recv(100)
        assert received == struct.pack(">q", A) + b"more"
    finally:
        pair.close()
