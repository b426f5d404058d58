"""Clients that write as fast as they can until the server is gone, and what must be true of the tree after.

Each writer creates nodes of its own below /load and counts up the data of one node below /count. It remembers
what it sent and what was acknowledged: everything acknowledged has to be there later, and nothing that was
never sent. No write may be refused, and none left without an answer while the server is there.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from threading import Condition, Thread
from typing import Final

from zoolet.jute.codes import OpCode
from zoolet.jute.proto import CreateRequest, SetDataRequest

from .differential.wire import Closed
from .quorum.raw_session import OPEN, RawSession
from .waiting import PATIENCE_S

_LOOKED_INTO: Final = 20
"""The data of every so many nodes is read."""

_serial = itertools.count(1)


class Writer(Thread):
    """One client. `window` requests are under way at a time; every other one creates a node."""

    def __init__(self, port: int, *, window: int = 5, data_bytes: int = 100) -> None:
        super().__init__(daemon=True)
        self.serial = next(_serial)
        self.sent: set[str] = set()
        self.acknowledged: set[str] = set()
        self.counted_to = 0
        """The largest number that was acknowledged,"""
        self.sent_to = 0
        """and the largest that was sent."""
        self.problem: BaseException | None = None
        """Anything but the end of the server."""
        self._window = window
        self._data_bytes = data_bytes
        self._session = RawSession(port)
        self._session.create(f"/count/{self.serial}", b"0")
        self._changed = Condition()
        self._stopping = False
        self._over = False

    def run(self) -> None:
        try:
            with self._session:
                for first in itertools.count(1, self._window):
                    if self._stopping:
                        break
                    self._write(range(first, first + self._window))
        except Closed:
            pass
        except BaseException as error:
            self.problem = error
        finally:
            with self._changed:
                self._over = True
                self._changed.notify_all()

    def await_acknowledged(self, count: int) -> None:
        """Wait until so many creations were acknowledged, or the server is gone."""
        with self._changed:
            enough = self._changed.wait_for(lambda: self._over or len(self.acknowledged) >= count, PATIENCE_S)
        assert enough, "the writer does not get on"

    def stop(self) -> None:
        """Write no more once what is under way is answered."""
        self._stopping = True
        self.ended()

    def ended(self) -> None:
        """Wait until it writes no more; nothing but the end of its server, or `stop`, may be the reason."""
        self.join(PATIENCE_S)
        assert not self.is_alive(), "a writer still has a server"
        assert self.problem is None, f"a writer met {self.problem!r}"

    def _write(self, numbers: range) -> None:
        requests: list[tuple[int, bytes]] = []
        for number in numbers:
            if number % 2:
                name = self._node_of(number)
                self.sent.add(name)
                request = CreateRequest(f"/load/{name}", self.data_of(name), OPEN, 0)
                requests.append((OpCode.CREATE, request.encode()))
            else:
                self.sent_to = number
                change = SetDataRequest(f"/count/{self.serial}", str(number).encode(), -1)
                requests.append((OpCode.SET_DATA, change.encode()))
        self._session.send(requests)
        for number in numbers:
            reply = self._session.receive()
            assert reply.error == 0, f"a write was refused with {reply.error}"
            with self._changed:
                if number % 2:
                    self.acknowledged.add(self._node_of(number))
                else:
                    self.counted_to = number
                self._changed.notify_all()

    def data_of(self, name: str) -> bytes:
        """What a node of this writer holds."""
        return name.encode().ljust(self._data_bytes, b".")

    def _node_of(self, number: int) -> str:
        return f"{self.serial}-{number}"


class Load:
    """Several writers on one server, or on several."""

    def __init__(self, ports: Sequence[int], *, windows: Sequence[int] = (1, 5, 20), data_bytes: int = 100):
        self.writers = [
            Writer(port, window=window, data_bytes=data_bytes)
            for port, window in zip(itertools.cycle(ports), windows, strict=False)
        ]
        for writer in self.writers:
            writer.start()

    def await_acknowledged(self, count: int) -> None:
        """Wait until each writer has so many more acknowledged (or has lost its server)."""
        wanted = [len(writer.acknowledged) + count for writer in self.writers]
        for writer, all_of_them in zip(self.writers, wanted, strict=True):
            writer.await_acknowledged(all_of_them)

    def ended(self) -> None:
        """Wait until every writer has lost its server."""
        for writer in self.writers:
            writer.ended()

    def stop(self) -> None:
        """End the writers that still have a server."""
        for writer in self.writers:
            writer.stop()

    def check(self, port: int) -> None:
        """Everything acknowledged is there, and nothing that was not sent."""
        with RawSession(port) as reader:
            self.check_with(reader)

    def check_with(self, reader: RawSession) -> None:
        """The same through a session that is there already."""
        found = reader.children("/load")
        for writer in self.writers:
            mine = {name for name in found if name.startswith(f"{writer.serial}-")}
            lost = writer.acknowledged - mine
            assert not lost, f"{len(lost)} acknowledged writes are lost, such as {min(lost)}"
            assert mine <= writer.sent, "nodes that nobody asked for"
            for name in sorted(mine)[::_LOOKED_INTO]:
                assert reader.get(f"/load/{name}").data == writer.data_of(name)
            counted = int(reader.get(f"/count/{writer.serial}").data or b"-1")
            assert writer.counted_to <= counted <= writer.sent_to


def prepare(port: int) -> None:
    """Make the nodes that writers write below."""
    with RawSession(port) as session:
        session.create("/load")
        session.create("/count")
