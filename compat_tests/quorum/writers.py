"""Clients that write all the time and keep exact books, so that one lost or doubled write shows.

When a connection is lost in the middle of a write nobody knows whether it was applied. Each writer finds
that out before it goes on, as a careful program does: it comes back, possibly at another member, awaits
`sync`, and looks. That is exact because a session that has moved may not write through its old member any
more, so that nothing of it can arrive late.

    CounterWriter    adds one to a node's number, by its version
    SequenceWriter   adds sequential nodes to a queue that all writers share
    EphemeralWriter  keeps one ephemeral for its whole life, and makes and deletes another one again and again
"""

from __future__ import annotations

import itertools
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

from kazoo.client import KazooState
from kazoo.exceptions import ConnectionClosedError, ConnectionLoss

from .clients import connect, disconnect
from .ensemble import PATIENCE_S

QUEUE = "queue"
PAUSE_S = 0.004
"""Between two writes, so that the load leaves the processor to the servers under test."""

_UNKNOWN_OUTCOMES = (ConnectionLoss, ConnectionClosedError)


class Writer(ABC, Thread):
    """One session that writes below `root` until it is told to stop."""

    def __init__(self, hosts: str, root: str, name: str, pause_s: float, **arguments: Any) -> None:
        super().__init__(name=name, daemon=True)
        self._pause_s = pause_s
        self.client = connect(hosts, **arguments)
        self.session_id = self.client.client_id[0]
        self.session_ends = 0
        """How often its session was lost; the ensemble was never away for that long."""
        self.confirmed = 0
        """Writes that were acknowledged, or found applied after their answer was lost."""
        self.unanswered = 0
        """Writes whose answer was lost."""
        self.failure: BaseException | None = None
        self.root = root
        self._halt = Event()
        self._progress = Event()
        self.client.add_listener(self._listen)

    def _listen(self, state: str) -> None:
        if state == KazooState.LOST and not self._halt.is_set():
            self.session_ends += 1

    def run(self) -> None:
        try:
            while not self._halt.wait(self._pause_s):
                self._write_once()
                self._progress.set()
        except BaseException as error:
            self.failure = error
        finally:
            self._progress.set()

    def _write_once(self) -> None:
        try:
            self.write()
        except _UNKNOWN_OUTCOMES:
            self.unanswered += 1
            if not self._ask(self.was_applied):
                return
        self.confirmed += 1

    def _ask(self, question: Callable[[], bool]) -> bool:
        """Ask until there is an answer, behind a `sync` of its own each time."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                self.client.sync(self.root)
                return question()
            except _UNKNOWN_OUTCOMES:
                time.sleep(PAUSE_S)
        raise AssertionError(f"{self.name} found no server for {PATIENCE_S} s")

    def prepare(self) -> None:
        """Make what its writes need, before the first one."""

    @abstractmethod
    def write(self) -> None:
        """One write. Raises what kazoo raises."""

    @abstractmethod
    def was_applied(self) -> bool:
        """Whether the write whose answer was lost is in the tree."""

    @abstractmethod
    def audit(self, client: Any) -> None:
        """After it has stopped: compare the tree with the books, through another client."""

    def await_progress(self) -> None:
        """Wait until a write that begins from now on is confirmed. Raises what ended the writer."""
        for _ in range(2):  # the first one may have begun before
            self._progress.clear()
            assert self._progress.wait(PATIENCE_S), f"{self.name} made no progress"
            if self.failure is not None:
                raise self.failure

    def catch_up(self) -> None:
        """Let its client see everything that was committed before."""
        self._ask(lambda: True)

    def stop_soon(self) -> None:
        """Begin no further write."""
        self._halt.set()

    def halt(self) -> None:
        """Stop writing and wait for the last write; the session lives on."""
        self.stop_soon()
        self.join(2 * PATIENCE_S)
        assert not self.is_alive(), f"{self.name} does not end"
        if self.failure is not None:
            raise self.failure


class CounterWriter(Writer):
    """Sets a node's number to the next one, on condition that nobody else has."""

    @property
    def path(self) -> str:
        return f"{self.root}/{self.name}"

    def prepare(self) -> None:
        self.client.create(self.path, b"0")

    def write(self) -> None:
        self.client.set(self.path, str(self.confirmed + 1).encode(), version=self.confirmed)

    def was_applied(self) -> bool:
        data, stat = self.client.get(self.path)
        assert stat.version in (self.confirmed, self.confirmed + 1), (
            f"{self.path} has version {stat.version} after {self.confirmed} confirmed writes"
        )
        assert data == str(stat.version).encode()
        return bool(stat.version == self.confirmed + 1)

    def audit(self, client: Any) -> None:
        data, stat = client.get(self.path)
        assert (int(data), stat.version) == (self.confirmed, self.confirmed), f"{self.path}: lost or doubled"


class SequenceWriter(Writer):
    """Appends to the shared queue; each item's data says whose it is and the how-manieth."""

    def write(self) -> None:
        self.client.create(
            f"{self.root}/{QUEUE}/{self.name}.{self.confirmed}.", self._item(self.confirmed), sequence=True
        )

    def was_applied(self) -> bool:
        prefix = f"{self.name}.{self.confirmed}."
        return any(name.startswith(prefix) for name in self.client.get_children(f"{self.root}/{QUEUE}"))

    def audit(self, client: Any) -> None:
        mine = sorted(
            (int(name.rpartition(".")[2]), name)
            for name in client.get_children(f"{self.root}/{QUEUE}")
            if name.startswith(f"{self.name}.")
        )
        seen = [int(name.split(".")[1]) for _, name in mine]
        assert seen == list(range(self.confirmed)), f"{self.name}'s items: lost, doubled or in another order"

    def _item(self, number: int) -> bytes:
        return f"{self.name} {number}".encode()


class EphemeralWriter(Writer):
    """Holds an ephemeral and makes another one come and go."""

    def prepare(self) -> None:
        self.client.create(f"{self.root}/{self.name}", b"", ephemeral=True)

    def write(self) -> None:
        if self.confirmed % 2:
            self.client.delete(self._flicker, version=0)
        else:
            self.client.create(self._flicker, str(self.confirmed).encode(), ephemeral=True)

    def was_applied(self) -> bool:
        stat = self.client.exists(self._flicker)
        assert stat is None or stat.ephemeralOwner == self.session_id
        return (stat is None) == bool(self.confirmed % 2)

    def audit(self, client: Any) -> None:
        stat = client.exists(f"{self.root}/{self.name}")
        assert stat is not None, f"the ephemeral of {self.name} is gone"
        assert stat.ephemeralOwner == self.session_id, f"the ephemeral of {self.name} has another owner"
        assert (client.exists(self._flicker) is not None) == bool(self.confirmed % 2)

    @property
    def _flicker(self) -> str:
        return f"{self.root}/{self.name}-flickers"


_KINDS: tuple[Callable[..., Writer], ...] = (CounterWriter, SequenceWriter, EphemeralWriter)


@contextmanager
def writers(
    hosts: Sequence[str], root: str, *, pause_s: float = PAUSE_S, **arguments: Any
) -> Iterator[list[Writer]]:
    """Start one writer of each kind per connect string; in the end they stop and their books are checked.

    `root` must not exist yet. A writer pauses between two writes; `arguments` are for its client. When the
    context is left with an error nothing more is checked.
    """
    setup = connect(hosts[0])
    active: list[Writer] = []
    try:
        setup.create(root)
        setup.create(f"{root}/{QUEUE}")
        for number, (one, kind) in enumerate(itertools.product(hosts, _KINDS)):
            active.append(kind(one, root, f"w{number}", pause_s, **arguments))
        for writer in active:
            writer.client.sync(root)
            writer.prepare()
            writer.start()
        for writer in active:
            writer.await_progress()
        yield active
        for writer in active:
            writer.halt()
        _audit(active, root)
    finally:
        for writer in active:
            writer.stop_soon()
        for writer in active:
            disconnect(writer.client)
        disconnect(setup)


def _audit(active: Sequence[Writer], root: str) -> None:
    """Every book agrees with the tree as every writer's own client shows it, and no session was lost."""
    for writer in active:
        assert writer.session_ends == 0, f"the session of {writer.name} ended"
    for witness in active:
        witness.catch_up()
        for writer in active:
            writer.audit(witness.client)
    queue = active[0].client.get_children(f"{root}/{QUEUE}")
    numbers = sorted(int(name.rpartition(".")[2]) for name in queue)
    assert numbers == list(range(len(queue))), "a sequence number was skipped or given twice"
