"""The clients of the proof: registers, counters, a sequence, locks and watches, all at once, until told to
stop.

Each worker is a thread with one `RecordedClient` and a random generator of its own; what it does next depends
on that generator and on the answers it got. None of them checks anything: the history is judged afterwards.

Every written value is unique (it names its writer and a number), so that a value that is read tells which
request made it. A read that is marked as fresh follows a `sync`, or a write, of its own session, sent without
waiting for the answer in between.
"""

from __future__ import annotations

import itertools
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from random import Random
from typing import Any, Final

from zoolet.testing.history import History

from .linear_checks import count_of
from .linear_clients import PATIENCE_S, Pending, RecordedClient

REGISTERS: Final = tuple(f"/registers/{n}" for n in range(3))
COUNTERS: Final = tuple(f"/counters/{n}" for n in range(2))
LOCKS: Final = tuple(f"/locks/{n}" for n in range(2))
SEQUENCE: Final = "/sequence"
BARRIERS: Final = "/barriers"

SESSION_TIMEOUT_S: Final = 4.0
_THINK_S: Final = 0.03
"""Mean pause between two requests of one client."""
_SILENCE_CHANCE: Final = 0.04
_MOVE_CHANCE: Final = 0.01
"""How often, in requests, a client moves to another server; else all would gather on the survivors."""


def prepare(hosts: str, clients: Iterable[str]) -> RecordedClient:
    """Make the nodes that the workers use, and return the client that did, at rest."""
    client = RecordedClient("setup", hosts, timeout_s=10.0)
    client.start()
    counters = [(path, f"0:{path}") for path in COUNTERS]
    others = (*REGISTERS, SEQUENCE, "/locks", BARRIERS, *(f"{BARRIERS}/{name}" for name in clients))
    parents = [(parent, parent) for parent in ("/registers", "/counters")]
    for path, value in (*parents, *counters, *((path, path) for path in others)):
        made = client.create(path, value.encode())
        assert made.wait(), f"{path} cannot be made"
        assert made.is_ok, f"{path} cannot be made: {made.error}"
    client.close_session()
    return client


class Worker(ABC):
    """A client that works in its own thread from `begin` to `end`."""

    def __init__(
        self, name: str, hosts: str, random: Random, *, timeout_s: float = SESSION_TIMEOUT_S
    ) -> None:
        self.client = RecordedClient(name, hosts, timeout_s=timeout_s)
        self.name = name
        self.random = random
        self.acknowledged = 0
        self.failure: BaseException | None = None
        self._stopping = threading.Event()
        self._numbers = itertools.count(1)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def begin(self) -> None:
        """Connect in the background and go to work."""
        self.client.start_soon()
        self._thread.start()

    def end(self) -> bool:
        """Finish the current request, say what is left to say, and close the session; False if it cannot.

        What the thread died of, if it did, is in `failure`.
        """
        self._stopping.set()
        self._thread.join(6 * PATIENCE_S)
        if self._thread.is_alive():
            return False
        self.client.close_session()
        return True

    def halt(self) -> None:
        """Stop at once, whatever is under way. Harmless after `end`."""
        self._stopping.set()
        self.client.halt()
        if self._thread.ident is not None:
            self._thread.join(2 * PATIENCE_S)

    def collect(self, history: History) -> None:
        """See `RecordedClient.collect`."""
        self.client.collect(history)

    @abstractmethod
    def act(self) -> None:
        """Make one or a few requests."""

    def finish(self) -> None:  # noqa: B027
        """The last requests, when all faults are over; none unless a role has some."""

    def value(self, prefix: str = "") -> bytes:
        """A value that nobody else writes, and that is written once."""
        return f"{prefix}{self.name}-{next(self._numbers)}".encode()

    def pause(self, seconds: float) -> None:
        """Think; cut short when the work is over."""
        self._stopping.wait(seconds)

    def done(self, pending: Pending) -> bool:
        """Wait for the answer; True when it is a good one."""
        pending.wait()
        if pending.is_ok:
            self.acknowledged += 1
        elif pending.error is None or not pending.reply_zxid:
            # Without a connection requests fail at once, as fast as they can be made.
            self.pause(0.1)
        return pending.is_ok

    def fresh_get(self, path: str, *, by_write: bool = False) -> Pending:
        """A read that must show everything acknowledged before now."""
        if by_write:
            barrier = self.client.set(f"{BARRIERS}/{self.name}", self.value())
        else:
            barrier = self.client.sync(path)
        return self.client.get(path, behind=barrier)

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self.act()
                if self.random.random() < _MOVE_CHANCE:
                    self.client.reconnect()
                self.pause(self.random.expovariate(1 / _THINK_S))
            self.finish()
        except BaseException as failure:
            self.failure = failure


class RegisterWorker(Worker):
    """Reads, writes and compares-and-sets registers; sometimes a row of writes without waiting."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._versions: dict[str, int] = {}

    def act(self) -> None:
        path = self.random.choice(REGISTERS)
        match self.random.choices(
            ("set", "compare", "get", "synced get", "get behind a write", "row"),
            (25, 25, 15, 20, 10, 5),
        )[0]:
            case "set":
                self._set(path)
            case "compare":
                self._set(path, self._versions.get(path, 0))
            case "get":
                self._learn(path, self.client.get(path))
            case "synced get":
                self._learn(path, self.fresh_get(path))
            case "get behind a write":
                self._learn(path, self.fresh_get(path, by_write=True))
            case "row":
                row = [
                    self.client.set(self.random.choice(REGISTERS), self.value())
                    for _ in range(self.random.randint(2, 8))
                ]
                self.done(row[-1])

    def _set(self, path: str, expected: int = -1) -> None:
        pending = self.client.set(path, self.value(), expected)
        if self.done(pending):
            self._versions[path] = pending.response.version
        elif expected >= 0:
            self._learn(path, self.client.get(path))

    def _learn(self, path: str, pending: Pending) -> None:
        if self.done(pending):
            self._versions[path] = pending.response[1].version


class CounterWorker(Worker):
    """Adds one: reads a count and sets the next, on condition that nobody else did."""

    def act(self) -> None:
        path = self.random.choice(COUNTERS)
        read = self.fresh_get(path) if self.random.random() < 0.3 else self.client.get(path)
        if self.done(read):
            data, stat = read.response
            self.done(self.client.set(path, self.value(f"{count_of(data) + 1}:"), stat.version))


class SequenceWorker(Worker):
    """Makes sequential nodes, several at once now and then, and lists them."""

    def act(self) -> None:
        if self.random.random() < 0.15:
            self.done(self.client.children(SEQUENCE, behind=self.client.sync(SEQUENCE)))
            return
        row = [
            self.client.create(f"{SEQUENCE}/n-", self.value(), sequential=True)
            for _ in range(self.random.choice((1, 1, 1, 4)))
        ]
        self.done(row[-1])
        self.pause(0.05)


class LockWorker(Worker):
    """Takes a lock by making an ephemeral node; gives it back, or ends its session, or falls silent."""

    def act(self) -> None:
        path = self.random.choice(LOCKS)
        if self.done(self.client.create(path, self.value(), ephemeral=True)):
            self.pause(self.random.uniform(0.0, 0.3))
            self.done(self.client.get(path))
            self._release(path)
            return
        read = self.fresh_get(path, by_write=self.random.random() < 0.5)
        if self.done(read) and read.response[1].ephemeralOwner == self.client.session:
            # It is ours: the answer to its creation, or to its deletion, got lost.
            self._release(path)
        self.pause(self.random.uniform(0.0, 0.2))

    def _release(self, path: str) -> None:
        fate = self.random.random()
        if fate < 0.7:
            self.done(self.client.delete(path, 0))
        elif fate < 0.85:
            self.client.close_session()
            self.client.begin_session()
        else:
            self.client.abandon_session()
            self.client.begin_session()


class ReadWorker(Worker):
    """Only reads, so that no write of its own holds it up on a server that has fallen behind.

    It falls silent now and then: then it may ask a leader that has been replaced meanwhile and does not know.
    """

    def act(self) -> None:
        if self.random.random() < _SILENCE_CHANCE:
            self.pause(self.random.uniform(0.5, 2.0))
        path = self.random.choice((*REGISTERS, *COUNTERS))
        if self.random.random() < 0.6:
            self.done(self.fresh_get(path))
        else:
            self.done(self.client.get(path))


class WatchWorker(Worker):
    """Watches registers and counters for changes and the sequence for new nodes, and reads in between."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._is_armed: dict[str, int] = {}  # the session in which a watch was set
        self.events = 0

    def act(self) -> None:
        for path in (*REGISTERS[:2], COUNTERS[0], SEQUENCE):
            session = self.client.session
            if session and self._is_armed.get(path) != session:
                self._is_armed[path] = session
                read = self.client.children if path == SEQUENCE else self.client.get
                pending = read(path, watcher=self._notice)
                if not self.done(pending):
                    self._is_armed.pop(path, None)
        self.done(self.client.get(self.random.choice(REGISTERS)))

    def finish(self) -> None:
        """What is armed must fire before the answer to this."""
        self.done(self.fresh_get(REGISTERS[0]))

    def _notice(self, event: Any) -> None:
        self.events += 1
        self._is_armed.pop(event.path, None)


ROLES: Final[tuple[type[Worker], ...]] = (
    RegisterWorker,
    CounterWorker,
    SequenceWorker,
    LockWorker,
    WatchWorker,
    ReadWorker,
)


def make_workers(hosts: str, random: Random, count: int = 12) -> list[Worker]:
    """`count` workers, the roles in turn, each with a generator of its own."""
    return [
        ROLES[index % len(ROLES)](
            f"{ROLES[index % len(ROLES)].__name__.removesuffix('Worker').lower()}-{index}",
            hosts,
            Random(random.getrandbits(64)),
        )
        for index in range(count)
    ]


def await_progress(workers: Iterable[Worker], patience_s: float) -> list[Worker]:
    """Wait until each worker has had a good answer from now on; returns those that had none in time."""
    waiting = {worker: worker.acknowledged for worker in workers}
    deadline = time.monotonic() + patience_s
    while waiting and time.monotonic() < deadline:
        waiting = {worker: before for worker, before in waiting.items() if worker.acknowledged == before}
        # Many threads may make the condition true; none of them tells.
        time.sleep(0.02)
    return list(waiting)
