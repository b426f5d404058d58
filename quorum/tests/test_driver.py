"""A member on real sockets: its ports, what strangers may do at them, and how it ends.

Whole ensembles of such members are in `testing/tests/test_ensemble.py`.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from zoolet.jute.election import Opening, ServerState
from zoolet.jute.ids import Sid
from zoolet.quorum.config import EnsembleConfig
from zoolet.quorum.driver import ElectionPortError, EnsembleServer
from zoolet.quorum.launcher.reserved_port import LOOPBACK, ReservedPort
from zoolet.quorum.members import Address, Member
from zoolet.quorum.verifier import Majority
from zoolet.server.config import config_from
from zoolet.server.event_loop import EventLoop
from zoolet.server.log_thread import LogThread
from zoolet.server.memory_budget import MemoryBudget
from zoolet.server.pauses import Pauses
from zoolet.storage.errors import StorageError
from zoolet.storage.sim_disk import SimDisk

PATIENCE_S = 20


class Watch:
    """Lets everything through, and notices what becomes of the member."""

    def __init__(self) -> None:
        self._changed = trio.Event()

    def may_dial(self, host: str, port: int) -> bool:
        return True

    def status_changed(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await self._changed.wait()


class Ports:
    """The ports of member 2, and the disk of its only run."""

    def __init__(self) -> None:
        self.watch = Watch()
        self.quorum, self.election = ReservedPort(), ReservedPort()
        self.disk = SimDisk()

    def server(self, *, voters: int = 1, **settings: Any) -> EnsembleServer:
        """Member 2; with one voter it is that one, and leads."""
        config = config_from(
            {},
            **{
                "data_dir": "/data",
                "client_port": 0,
                "client_port_address": LOOPBACK,
                "tick_time_ms": 100,
                "init_limit_ticks": 4,
                "sync_limit_ticks": 4,
                "standalone_enabled": False,
                "election_port_bind_retry": 1,
                "pre_alloc_size_kb": 64,
                **settings,
            },
        )
        me = Member(Sid(2), (Address(LOOPBACK, self.quorum.port),), (Address(LOOPBACK, self.election.port),))
        others = (
            Member(Sid(sid), (Address("no.such.host..", 1),), (Address(f"{sid}..", 1),)) for sid in (1, 3)
        )
        verifier = Majority((me, *others) if voters == 3 else (me,))
        ensemble = EnsembleConfig(my_id=Sid(2), verifier=verifier)
        return EnsembleServer(config, ensemble, self.disk, network=self.watch)


@pytest.fixture
def ports() -> Iterator[Ports]:
    ports = Ports()
    yield ports
    ports.quorum.release()
    ports.election.release()


@asynccontextmanager
async def running(server: EnsembleServer) -> AsyncIterator[EnsembleServer]:
    async with trio.open_nursery() as nursery:
        await nursery.start(server.serve)
        yield server
        server.request_stop()


def patiently(story: Callable[[], Awaitable[None]]) -> None:
    """Run it, but not for ever."""

    async def run() -> None:
        with trio.fail_after(PATIENCE_S):
            await story()

    trio.run(run)


def can_connect(port: int) -> bool:
    """At this very moment: a listening socket answers without its owner."""
    with socket.socket() as client:
        return client.connect_ex((LOOPBACK, port)) == 0


def test_the_quorum_port_is_open_while_the_member_leads_and_only_then(ports: Ports) -> None:
    async def story() -> None:
        async with running(ports.server()) as server:
            await ports.watch.until(lambda: server.status.is_serving)
            assert server.status[:3] == (ServerState.LEADING, True, 2)
            assert can_connect(ports.quorum.port)
            server._peer.role_ended(server._peer.role, "the test wants it")  # type: ignore[arg-type]
            assert not can_connect(ports.quorum.port)
            server._loop.pump()
            await ports.watch.until(lambda: server.status.is_serving)
            assert can_connect(ports.quorum.port)
        assert not can_connect(ports.quorum.port)
        assert not can_connect(ports.election.port)

    patiently(story)


def test_a_quorum_port_that_is_taken_is_tried_again(ports: Ports) -> None:
    async def story() -> None:
        thief = socket.socket()
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        thief.bind((LOOPBACK, ports.quorum.port))
        thief.listen()
        async with running(ports.server()) as server:
            await trio.sleep(0.05)
            assert not server.status.is_serving
            assert server._peer.epochs.accepted == 0
            thief.close()
            await ports.watch.until(lambda: server.status.is_serving)

    patiently(story)


def test_an_election_port_that_is_taken_ends_the_member_and_frees_its_other_port(ports: Ports) -> None:
    async def story() -> None:
        client_port = ReservedPort()
        with socket.socket() as thief:
            thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            thief.bind((LOOPBACK, ports.election.port))
            thief.listen()
            server = ports.server(client_port=client_port.port)
            with pytest.raises(ElectionPortError, match=str(ports.election.port)):
                await server.serve()
        assert not can_connect(client_port.port)
        client_port.release()
        assert ports.disk.locked == set()

    patiently(story)


@pytest.mark.parametrize("host", ["a..b", "x" * 70, "xn--\u1234", "\u200d", "\0"])
def test_a_caller_with_an_address_that_is_none_does_no_harm(ports: Ports, host: str) -> None:
    """Whoever has a smaller number is called back, where it says it is."""

    async def story() -> None:
        async with running(ports.server()) as server:
            await ports.watch.until(lambda: server.status.is_serving)
            for _ in range(3):
                async with await trio.open_tcp_stream(LOOPBACK, ports.election.port) as stream:
                    await stream.send_all(Opening(Sid(1), ((host, 1),)).encode())
                    assert await stream.receive_some() == b""
            await trio.sleep(0.05)
            assert server.status.is_serving

    patiently(story)


def test_members_whose_addresses_are_none_are_never_reached_and_do_no_harm(ports: Ports) -> None:
    async def story() -> None:
        async with running(ports.server(voters=3)) as server:
            peer = server._peer
            peer.election.designate(Sid(1), peer.last_zxid)
            server._loop.pump()
            role = peer.role
            assert role is not None
            await ports.watch.until(lambda: peer.role is not role)
            assert server.status.state is ServerState.LOOKING

    patiently(story)


def test_a_stranger_at_the_quorum_port_is_cut_off(ports: Ports) -> None:
    async def story() -> None:
        async with running(ports.server()) as server:
            await ports.watch.until(lambda: server.status.is_serving)
            async with await trio.open_tcp_stream(LOOPBACK, ports.quorum.port) as chatty:
                await chatty.send_all(b"GET / HTTP/1.1\r\n\r\n" * 3)
                assert await chatty.receive_some() == b""
            async with await trio.open_tcp_stream(LOOPBACK, ports.quorum.port) as silent:
                assert await silent.receive_some() == b"", "after initLimit"
            assert server.status.is_serving

    patiently(story)


def test_a_disk_that_fails_ends_the_member_with_its_error(ports: Ports) -> None:
    async def story() -> None:
        server = ports.server()
        errors: list[StorageError] = []

        async def serve(*, task_status: trio.TaskStatus[EnsembleServer]) -> None:
            try:
                await server.serve(task_status=task_status)
            except StorageError as error:
                errors.append(error)

        async with trio.open_nursery() as nursery:
            await nursery.start(serve)
            await ports.watch.until(lambda: server.status.is_serving)
            ports.disk.fail_at = ports.disk.changes + 1
            connect = bytes(12) + (10_000).to_bytes(4) + bytes(8) + (16).to_bytes(4) + bytes(17)
            async with await trio.open_tcp_stream(LOOPBACK, server.port) as stream:
                await stream.send_all(len(connect).to_bytes(4) + connect)
                assert await stream.receive_some() == b"", "nothing was answered"
        assert len(errors) == 1
        assert ports.disk.locked == set()

    patiently(story)


# -- endings that the other end does not help with ---------------------------------------------------------


class Stubborn:
    """An endpoint that closes with much to say, to somebody who does not listen."""

    def __init__(self) -> None:
        self.out = [bytes(50_000_000)]
        self.unsent_bytes = 50_000_000
        self.close_deadline_ms = 0
        self.is_closing = False
        self.wants_input = False
        self.has_backlog = False
        self.was_closed = trio.Event()

    def receive(self, chunk: bytes) -> None:
        raise AssertionError("it is not read")

    def resume(self) -> None:
        raise AssertionError("its output has not gone")

    def abort(self, reason: str) -> None:
        raise AssertionError("its socket is all right")

    def closed(self) -> None:
        self.was_closed.set()


class NoCore:
    """Nothing ever happens here."""

    def __init__(self) -> None:
        self.dirty: dict[Any, None] = {}
        self.now_ms = 0
        self.idle = True
        self.time_is_up: Callable[[], bool] = lambda: False
        self.memory = MemoryBudget(1 << 26, 1 << 20)
        self.pauses = Pauses()

    def set_time(self, now_ms: int, wall_ms: int) -> None:
        self.now_ms = now_ms

    def tick(self) -> None:
        pass

    def next_tick_ms(self) -> int:
        return 20

    def take_batch(self) -> None:
        return None

    def flushed(self) -> None:
        raise AssertionError("nothing was written")


def test_a_connection_that_closes_is_not_kept_for_who_does_not_take_the_rest() -> None:
    async def story() -> None:
        core, log_thread = NoCore(), LogThread(1000)
        loop = EventLoop(core, log_thread)
        ours, theirs = _tcp_pair()
        endpoint = Stubborn()
        loop.set_time()
        loop.adopt(ours, endpoint)
        endpoint.is_closing = True
        endpoint.close_deadline_ms = core.now_ms + 100
        core.dirty[endpoint] = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(loop.run_ticks)
            await endpoint.was_closed.wait()
            nursery.cancel_scope.cancel()
        theirs.close()
        loop.close()
        log_thread.close(1)

    patiently(story)


def _tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        listener.listen()
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    ours.setblocking(False)
    return ours, theirs
