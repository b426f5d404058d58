"""Workload: what simulated clients do: registers, sequences, ephemerals, watches, multis, syncs, sessions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import Struct
from typing import TYPE_CHECKING

from ...jute.codes import CreateMode, OpCode
from ...jute.data import OPEN_ACL
from ...jute.proto import (
    CheckVersionRequest,
    CreateRequest,
    CreateTTLRequest,
    DeleteRequest,
    ExistsRequest,
    GetChildren2Request,
    GetDataRequest,
    MultiHeader,
    SetDataRequest,
    SyncRequest,
)
from ...jute.record import Record
from .client import SimClient

if TYPE_CHECKING:
    from .world import World

_OPERATION = Struct(">i?i")
_END = _OPERATION.pack(-1, True, -1)


class Workload:
    """What one client asks, one thing after the other.

    Args:
        client: who asks.
        pause_ms: between two requests, at the most.
        depth: requests that may be under way at once.
        registers: how many nodes are fought over.
        data_bytes: length of what is written, at the most.
        containers: whether it makes containers and nodes with a time to live.
    """

    def __init__(
        self,
        client: SimClient,
        *,
        pause_ms: float = 40,
        depth: int = 6,
        registers: int = 4,
        data_bytes: int = 40,
        closes: float = 0.004,
        containers: bool = False,
    ) -> None:
        self.client = client
        self.world: World = client.world
        self.pause_ms = pause_ms
        self.depth = depth
        self.registers = registers
        self.data_bytes = data_bytes
        self.closes = closes
        self.quiet = 0.0
        """Probability that a pause is a long one."""
        self.is_running = False
        self._random = self.world.random(f"workload {client.name}")
        self._count = 0
        self._mine: list[str] = []
        self._choices: list[Callable[[], None]] = []
        choices: tuple[tuple[int, Callable[[], None]], ...] = (
            (30, self._set),
            (8, self._create),
            (6, self._create_ephemeral),
            (6, self._create_sequential),
            (8, self._delete),
            (14, self._get),
            (6, self._watch),
            (6, self._exists),
            (6, self._children),
            (6, self._multi),
            (4, self._sync),
        )
        if containers:
            choices += ((10, self._container), (12, self._below_container), (6, self._ttl))
        for weight, what in choices:
            self._choices += [what] * weight

    def start(self) -> None:
        """Begin, and go on until ``is_running`` is False."""
        self.is_running = True
        self.world.after_ms(self._random.random() * self.pause_ms, self._step)

    def _step(self, _: object) -> None:
        if not self.is_running:
            return
        client, random = self.client, self._random.random
        if client.is_connected:
            if random() < self.closes:
                client.ask(OpCode.CLOSE_SESSION, "", b"")
                self._mine.clear()
            else:
                burst = 1 if random() < 0.6 else 1 + int(random() * self.depth)
                for _ in range(burst):
                    if client.is_connected and len(client.calls) < self.depth:
                        self._choices[int(random() * len(self._choices))]()
        pause_ms = random() * self.pause_ms
        if self.quiet and random() < self.quiet:
            pause_ms += random() * 10 * self.pause_ms
        self.world.after_ms(pause_ms, self._step)

    # -- requests ------------------------------------------------------------------------------------

    def _data(self) -> bytes:
        self._count += 1
        length = int(self._random.random() * self.data_bytes)
        return b"%b:%d:" % (self.client.name.encode(), self._count) + b"x" * length

    def _register(self) -> str:
        return f"/r{int(self._random.random() * self.registers)}"

    def _ask(self, opcode: int, path: str, record: Record, *, watch: bool = False) -> None:
        self.client.ask(opcode, path, record.encode(), watch=watch)

    def _set(self) -> None:
        path = self._register()
        self._ask(OpCode.SET_DATA, path, SetDataRequest(path, self._data(), -1))

    def _create(self) -> None:
        path = self._register()
        self._ask(OpCode.CREATE, path, CreateRequest(path, self._data(), OPEN_ACL, CreateMode.PERSISTENT))

    def _create_ephemeral(self) -> None:
        path = f"/e{int(self._random.random() * 6)}"
        self._ask(OpCode.CREATE, path, CreateRequest(path, self._data(), OPEN_ACL, CreateMode.EPHEMERAL))

    def _create_sequential(self) -> None:
        mode = (
            CreateMode.EPHEMERAL_SEQUENTIAL
            if self._random.random() < 0.7
            else CreateMode.PERSISTENT_SEQUENTIAL
        )
        parent = self._register()
        path = f"{parent}/n-"
        self._ask(OpCode.CREATE, path, CreateRequest(path, self._data(), OPEN_ACL, mode))

    def _delete(self) -> None:
        path = self._register() if self._random.random() < 0.5 else f"/e{int(self._random.random() * 6)}"
        self._ask(OpCode.DELETE, path, DeleteRequest(path, -1))

    def _get(self) -> None:
        path = self._register()
        self._ask(OpCode.GET_DATA, path, GetDataRequest(path, False))

    def _watch(self) -> None:
        path = self._register()
        self._ask(OpCode.GET_DATA, path, GetDataRequest(path, True), watch=True)

    def _exists(self) -> None:
        path = f"/e{int(self._random.random() * 6)}"
        watch = self._random.random() < 0.5
        self._ask(OpCode.EXISTS, path, ExistsRequest(path, watch), watch=watch)

    def _children(self) -> None:
        path = self._register() if self._random.random() < 0.7 else "/"
        self._ask(OpCode.GET_CHILDREN2, path, GetChildren2Request(path, False))

    def _multi(self) -> None:
        first, second = self._register(), self._register()
        parts: list[tuple[int, Record]] = [
            (OpCode.SET_DATA, SetDataRequest(first, self._data(), -1)),
            (OpCode.SET_DATA, SetDataRequest(second, self._data(), -1)),
        ]
        fate = self._random.random()
        if fate < 0.3:
            parts.append((OpCode.CHECK, CheckVersionRequest(first, int(self._random.random() * 30))))
        elif fate < 0.6:
            path = f"{first}/m-"
            mode = CreateMode.EPHEMERAL_SEQUENTIAL
            parts.append((OpCode.CREATE, CreateRequest(path, self._data(), OPEN_ACL, mode)))
        self.client.ask(OpCode.MULTI, first, encode_multi(parts))

    def _container(self) -> None:
        path = f"/c{int(self._random.random() * 3)}"
        self._ask(
            OpCode.CREATE_CONTAINER, path, CreateRequest(path, self._data(), OPEN_ACL, CreateMode.CONTAINER)
        )

    def _below_container(self) -> None:
        path = f"/c{int(self._random.random() * 3)}/k"
        fate = self._random.random()
        if fate < 0.5:
            self._ask(OpCode.DELETE, path, DeleteRequest(path, -1))
        else:
            mode = CreateMode.EPHEMERAL if fate < 0.6 else CreateMode.PERSISTENT
            self._ask(OpCode.CREATE, path, CreateRequest(path, self._data(), OPEN_ACL, mode))

    def _ttl(self) -> None:
        path = f"/t{int(self._random.random() * 3)}"
        if self._random.random() < 0.3:
            self._ask(OpCode.SET_DATA, path, SetDataRequest(path, self._data(), -1))
            return
        ttl_ms = 1 + int(self._random.random() * 1000)
        request = CreateTTLRequest(path, self._data(), OPEN_ACL, CreateMode.PERSISTENT_WITH_TTL, ttl_ms)
        self._ask(OpCode.CREATE_TTL, path, request)

    def _sync(self) -> None:
        self._ask(OpCode.SYNC, "/", SyncRequest("/"))


def encode_multi(parts: Sequence[tuple[int, Record]]) -> bytes:
    """The body of a multi of these operations."""
    return b"".join(_OPERATION.pack(kind, False, -1) + record.encode() for kind, record in parts) + _END


assert MultiHeader(1, False, -1).encode() == _OPERATION.pack(1, False, -1)
