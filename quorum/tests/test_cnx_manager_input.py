"""The election's connections: callers that say nothing, or nothing sensible, harm nobody else."""

from __future__ import annotations

from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoolet.jute.framing import frame
from zoolet.quorum.cnx_manager import (
    STRANGERS_MAX,
    State,
)
from zoolet.quorum.tests.cnx_desk import (
    CALLER,
    THREE,
    Desk,
    opening,
)


def test_a_caller_that_says_nothing_is_closed_after_a_while_and_holds_up_nobody() -> None:
    """ZOOKEEPER-3296: the original takes one caller after the other, and waits for each."""
    desk = Desk(sid=2)
    silent = desk.manager.accept(CALLER)
    assert silent is not None
    desk.manager.set_time(5000)

    assert desk.called_by(opening(3)).state is State.ESTABLISHED
    assert desk.manager.deadline() == 11_000
    desk.manager.tick(10_999)
    assert not silent.is_closing
    desk.manager.tick(11_000)
    assert silent.is_closing
    assert desk.manager.deadline() is None


def test_of_too_many_silent_callers_the_oldest_goes() -> None:
    desk = Desk(sid=2)
    silent = [desk.manager.accept(CALLER) for _ in range(STRANGERS_MAX)]

    assert desk.called_by(opening(3)).state is State.ESTABLISHED
    assert [connection.is_closing for connection in silent if connection][:2] == [True, False]


@pytest.mark.parametrize(
    "data",
    [
        pack(">q", -3),
        pack(">qqi", -65536, 3, 0),
        pack(">qqi", -65536, 3, 2049),
        pack(">qqi4s", -65536, 3, 4, b"zk:x"),
        b"GET / HTTP/1.1\r\n\r\n" + b"\xff" * 20,
    ],
)
def test_an_opening_that_is_none_closes_the_connection(data: bytes) -> None:
    """ZOOKEEPER-2186: in the original such bytes ended the thread that accepts all connections."""
    desk = Desk(sid=2)
    other = desk.called_by(opening(3))

    connection = desk.called_by(data)

    assert connection.is_closing
    assert other.state is State.ESTABLISHED


@pytest.mark.parametrize("length", [0, -1, 512 * 1024 + 1])
def test_a_frame_of_a_bad_length_closes_that_connection_only(length: int) -> None:
    desk = Desk(sid=2)
    other = desk.called_by(opening(4))
    connection = desk.called_by(opening(3))

    connection.receive(frame(b"good") + pack(">i", length) + frame(b"lost"))

    assert desk.heard == [(3, b"good")]
    assert connection.is_closing
    assert other.state is State.ESTABLISHED
    assert not desk.manager.is_connected(THREE)


def test_the_largest_frame_is_taken() -> None:
    desk = Desk(sid=2)
    message = bytes(512 * 1024)

    desk.called_by(opening(3) + frame(message))

    assert desk.heard == [(3, message)]


@given(st.lists(st.integers(0, 80), max_size=8))
def test_bytes_may_come_in_any_pieces(cuts: list[int]) -> None:
    desk = Desk(sid=2)
    data = opening(3) + frame(b"first") + frame(b"second")
    connection = desk.manager.accept(CALLER)
    assert connection is not None

    borders = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for index, start in enumerate(borders[:-1]):
        connection.receive(data[start : borders[index + 1]])

    assert desk.heard == [(3, b"first"), (3, b"second")]


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_random_bytes_never_raise(chunks: list[bytes]) -> None:
    desk = Desk(sid=2)
    fresh = desk.manager.accept(CALLER)
    assert fresh is not None
    for connection in (fresh, desk.called_by(opening(3))):
        for chunk in chunks:
            if connection.wants_input:
                connection.receive(chunk)
