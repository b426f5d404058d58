"""One end of a connection between a leader and a learner: what ends it, and what becomes of its bytes."""

from __future__ import annotations

import pytest
from zoolet.jute.errors import JuteError
from zoolet.quorum.packet_connection import PacketConnection, ProtocolError
from zoolet.quorum.packets import Packet, ack, packet
from zoolet.server.endpoint import Dirty
from zoolet.storage.errors import StorageError


class Recorder(PacketConnection):
    """Notes what it is told; fails when told to."""

    def __init__(self, *, snapshots: bool = False) -> None:
        self.dirty: Dirty = {}
        super().__init__(self.dirty, 100, snapshots=snapshots)
        self.packets: list[int] = []
        self.reasons: list[str] = []
        self.error: Exception | None = None

    def handle(self, received: Packet) -> None:
        self.packets.append(received[1])
        if self.error is not None:
            raise self.error

    def closing(self, reason: str) -> None:
        self.reasons.append(reason)


def test_packets_are_handled_in_order_however_they_are_cut() -> None:
    data = b"".join(ack(zxid) for zxid in range(5))
    for step in (1, 7, 20, 1000):
        end = Recorder()
        for start in range(0, len(data), step):
            end.receive(data[start : start + step])
        assert end.packets == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("error", "reason", "broken"),
    [
        (ProtocolError("not now"), "not now", False),
        (JuteError("X", "y", 0, "bad"), "X.y", False),
        (KeyError("a bug"), "internal error", True),
        (RecursionError("deep"), "internal error", True),
        (AssertionError("never"), "internal error", True),
    ],
)
def test_what_goes_wrong_with_a_packet_ends_the_connection(
    error: Exception, reason: str, *, broken: bool
) -> None:
    end = Recorder()
    end.error = error
    end.receive(ack(1) + ack(2))
    assert end.packets == [1], "nothing behind it is looked at"
    assert len(end.reasons) == 1
    assert reason in end.reasons[0]
    assert (end.is_closing, end.is_broken) == (True, broken)
    end.receive(ack(3))
    assert end.packets == [1]


def test_a_disk_that_fails_is_more_than_a_connections_trouble() -> None:
    end = Recorder()
    end.error = StorageError("no space left")
    with pytest.raises(StorageError):
        end.receive(ack(1))


def test_bytes_that_are_no_packet_end_the_connection() -> None:
    end = Recorder()
    end.receive(packet(1, 7, bytes(101)))
    assert end.packets == []
    assert end.is_closing
    assert not end.is_broken


def test_what_was_said_before_the_end_still_goes_out() -> None:
    end = Recorder()
    end.send(b"last words")
    end.close("enough")
    assert (end.out, end.is_closing, end.wants_input) == ([b"last words"], True, False)
    end.send(b"too late")
    assert end.out == [b"last words"]
    assert end in end.dirty


def test_nothing_goes_to_an_end_that_is_gone() -> None:
    end = Recorder()
    end.send(b"last words")
    end.abort("it has hung up")
    assert end.out == []
    assert end.close_deadline_ms == 0, "nobody waits for it"


def test_it_is_told_once_that_it_closes() -> None:
    end = Recorder()
    end.close("first")
    end.close("second")
    end.abort("third")
    end.closed()
    assert end.reasons == ["first"]
    assert end.unsent_bytes == 0


def test_a_socket_that_goes_without_a_word_closes_it() -> None:
    end = Recorder()
    end.send(b"unheard")
    end.closed()
    assert (end.reasons, end.out, end.unsent_bytes) == (["the connection is lost"], [], 0)


def test_unsent_bytes_are_counted() -> None:
    end = Recorder()
    end.send(b"12345")
    end.send(b"678")
    assert end.unsent_bytes == 8


def test_a_handler_may_close_it_between_two_packets() -> None:
    end = Recorder()

    def handle(received: Packet) -> None:
        end.packets.append(received[1])
        end.close("enough")

    end.handle = handle  # type: ignore[method-assign]
    end.receive(ack(1) + ack(2))
    assert end.packets == [1]
