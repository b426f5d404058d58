"""The first reply of a starting server is noticed, whatever happens to the connections before it."""

from __future__ import annotations

import struct

import pytest

from bench.errors import BenchError
from bench.readiness import await_first_reply, await_replies
from bench.tests.fake_server import ZXID, running


def test_first_reply_is_found_behind_connections_that_are_never_answered() -> None:
    """Java accepts connections while it starts and forgets some of them for good."""
    with running(deaf=2) as server:
        await_first_reply(server.port, "/first", deadline_s=30, is_alive=lambda: True)
        assert server.connections >= 3


def test_a_dead_server_is_not_waited_for() -> None:
    with pytest.raises(BenchError, match="ended before its first reply"):
        await_first_reply(1, "/first", deadline_s=30, is_alive=lambda: False)


def test_a_silent_server_is_given_up_at_the_deadline() -> None:
    with running(deaf=1000) as server, pytest.raises(BenchError, match="no reply within"):
        await_first_reply(server.port, "/first", deadline_s=0.1, is_alive=lambda: True)


def test_an_error_is_not_a_first_reply() -> None:
    with (
        running(lambda reply: reply[:12] + struct.pack(">i", -4)) as server,
        pytest.raises(BenchError, match="error -4"),
    ):
        await_first_reply(server.port, "/first", deadline_s=30, is_alive=lambda: True)


def test_each_of_several_servers_is_waited_for() -> None:
    with running() as one, running(deaf=1) as other:
        replied = await_replies([one.port, other.port], "/first", deadline_s=30, is_alive=lambda: True)
        assert set(replied) == {one.port, other.port}


def test_the_first_reply_of_any_ends_the_wait_when_one_is_enough() -> None:
    with running(deaf=1000) as silent, running() as other:
        ports = [silent.port, other.port]
        replied = await_replies(ports, "/first", deadline_s=30, is_alive=lambda: True, replies=1)
        assert set(replied) == {other.port}


@pytest.mark.parametrize(("epoch", "counts"), [((ZXID >> 32) - 1, True), (ZXID >> 32, False)])
def test_what_the_killed_leader_still_decided_is_no_failover(epoch: int, counts: bool) -> None:
    with running() as server:
        if counts:
            await_replies([server.port], "/first", deadline_s=30, is_alive=lambda: True, after_epoch=epoch)
            return
        with pytest.raises(BenchError, match="no reply within"):
            await_replies([server.port], "/first", deadline_s=0.1, is_alive=lambda: True, after_epoch=epoch)
