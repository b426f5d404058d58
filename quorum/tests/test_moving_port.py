"""A port that moves: where it is listened on before, while and after."""

from __future__ import annotations

import errno
import socket
from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked
from zoolet.quorum.members import Address
from zoolet.quorum.moving_port import MovingPort
from zoolet.server.sockets import bind

HERE = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    sockets = [bind(HERE, 0, -1) for _ in range(count)]
    numbers = [int(sock.getsockname()[1]) for sock in sockets]
    for sock in sockets:
        sock.close()
    return numbers


class Room:
    """Keeps what is listened on."""

    def __init__(self, *ports: int) -> None:
        self.listening: list[socket.socket] = []
        self.moves = 0
        self.can_bind = True
        addresses = tuple(Address(HERE, port) for port in ports)
        self.port = MovingPort(
            "tests", addresses, self.bind(addresses), bind=self.bind, listen=self.listen, stop=self.stop
        )
        self.listening += [*self.port._sockets]

    def bind(self, addresses: tuple[Address, ...]) -> list[socket.socket]:
        if not self.can_bind:
            raise OSError(errno.EADDRINUSE, "Address already in use")
        return [bind("" if host == "0.0.0.0" else host, port, -1) for host, port in addresses]

    def listen(self, sock: socket.socket) -> None:
        self.listening.append(sock)

    def stop(self, sock: socket.socket) -> None:
        self.listening.remove(sock)
        sock.close()

    def moved(self) -> None:
        self.moves += 1

    @property
    def numbers(self) -> list[int]:
        return [int(sock.getsockname()[1]) for sock in self.listening]

    def wants(self, *ports: int, host: str = HERE) -> bool:
        return self.port.is_elsewhere(tuple(Address(host, port) for port in ports))

    async def move(self) -> None:
        await self.port.move(self.moved)

    def close(self) -> None:
        for sock in self.listening:
            sock.close()


def told(story: Callable[[], Awaitable[None]]) -> None:
    """Pauses take no time."""

    async def run() -> None:
        with trio.fail_after(10_000):
            await story()

    trio.run(run, clock=MockClock(autojump_threshold=0))


def test_it_moves_at_once() -> None:
    async def story() -> None:
        old, new, newer = free_ports(3)
        room = Room(old)
        assert not room.wants(old)
        for port in (new, newer):
            assert room.wants(port)
            await room.move()
            assert room.numbers == [port]
            assert room.port.number == port
        assert room.moves == 2
        room.close()

    told(story)


def test_what_was_not_listened_on_is_from_then_on() -> None:
    async def story() -> None:
        [new] = free_ports(1)
        room = Room()
        assert room.port.number == -1
        assert room.wants(new)
        await room.move()
        assert room.numbers == [new]
        room.close()

    told(story)


def test_the_same_number_on_other_addresses_is_no_obstacle() -> None:
    async def story() -> None:
        [port] = free_ports(1)
        room = Room(port)
        assert room.wants(port, host="0.0.0.0")
        await room.move()
        assert room.wants(port)
        await room.move()
        assert room.listening[0].getsockname() == (HERE, port)
        room.close()

    told(story)


def test_a_port_that_is_taken_is_tried_again_and_the_old_one_stays(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        [old] = free_ports(1)
        taken = bind(HERE, 0, -1)
        room = Room(old)
        assert room.wants(int(taken.getsockname()[1]))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(room.move)
            await trio.sleep(100)
            assert room.numbers == [old]
            assert room.moves == 0
            new = int(taken.getsockname()[1])
            taken.close()
        assert room.numbers == [new]
        room.close()

    told(story)
    [line] = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert "Address already in use; the old one stays for now" in line


def test_another_configuration_with_the_same_port_does_not_end_the_wait_for_it() -> None:
    async def story() -> None:
        [old] = free_ports(1)
        taken = bind(HERE, 0, -1)
        new = int(taken.getsockname()[1])
        room = Room(old)
        assert room.wants(new)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(room.move)
            await wait_all_tasks_blocked()
            assert not room.wants(new)
            taken.close()
        assert room.numbers == [new]
        room.close()

    told(story)


def test_a_later_configuration_ends_an_earlier_wait() -> None:
    async def story() -> None:
        old, newer = free_ports(2)
        taken = bind(HERE, 0, -1)
        room = Room(old)
        assert room.wants(int(taken.getsockname()[1]))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(room.move)
            await wait_all_tasks_blocked()
            assert room.wants(newer)
            nursery.start_soon(room.move)
        assert room.numbers == [newer]
        assert room.moves == 1
        taken.close()
        room.close()

    told(story)


def test_the_old_port_is_listened_on_again_where_the_other_address_cannot_be() -> None:
    async def story() -> None:
        [port] = free_ports(1)
        room = Room(port)
        assert room.wants(port, host="192.0.2.1")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(room.move)
            await wait_all_tasks_blocked()
            assert room.numbers == [port]
            nursery.cancel_scope.cancel()
        room.close()

    told(story)


def test_a_configuration_that_goes_back_to_a_port_which_was_lost_has_it_listened_on_again() -> None:
    """The old one was closed to make room, and somebody else was faster."""

    async def story() -> None:
        [port] = free_ports(1)
        room = Room(port)
        assert room.wants(port, host="192.0.2.1")
        async with trio.open_nursery() as nursery:
            room.can_bind = False
            nursery.start_soon(room.move)
            await wait_all_tasks_blocked()
            assert room.numbers == []
            room.can_bind = True
            assert room.wants(port)
            nursery.start_soon(room.move)
        assert room.numbers == [port]
        room.close()

    told(story)
