"""A scenario nobody wrote: three clients do random things to a handful of nodes, the same for the same seed.

All requests are well-formed; what is random is their order and their meeting. Whatever the reference does
is right.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from zoolet.jute.codes import Perms
from zoolet.jute.data import ACL, Id

from . import operations as op
from .client import Client
from .multi_operations import multi, multi_read
from .operations import Operation
from .scenario import Scenario
from .story import Story

_PATHS = ("/a", "/b", "/a/x", "/a/y", "/b/x", "/a/x/deep", "/c", "/", "/bad/", "/no/parent")
_DATA = (b"", b"data", None, b"longer data \x00\xff")
_VERSIONS = (-1, -1, -1, 0, 1, 2)


class _Walk:
    """Chooses operations. `common_only` keeps to what 3.8 and 3.9 answer alike."""

    def __init__(self, seed: int, *, common_only: bool) -> None:
        self._random = Random(seed)
        writes: list[Callable[[], Operation]] = [self._create] * 5
        writes += [self._delete] * 3 + [self._set_data] * 3
        reads: list[Callable[[], Operation]] = [self._read] * 6
        other: list[Callable[[], Operation]] = [self._multi] * 3 + [self._multi_read, self._set_watches]
        if not common_only:
            other += [self._persistent_watch] * 2 + [self._check_or_remove, self._set_acl, self._set_watches2]
        self._common_only = common_only
        self._choices = (*writes, *reads, *other)

    def next(self) -> Operation:
        """The next operation of whichever client."""
        return self._random.choice(self._choices)()

    def pick(self, clients: list[Client]) -> Client:
        """Whose turn it is."""
        return self._random.choice(clients)

    def turn(self) -> list[Operation]:
        """What a client does in its turn."""
        return [self.next() for _ in range(self._random.choice((1, 1, 2, 4, 8)))]

    def chance(self, probability: float) -> bool:
        """True now and then."""
        return self._random.random() < probability

    def _path(self) -> str:
        return self._random.choice(_PATHS)

    def _version(self) -> int:
        return self._random.choice(_VERSIONS)

    def _create(self, *, inside_multi: bool = False) -> Operation:
        make = (
            op.create if inside_multi and self._common_only else self._random.choice((op.create, op.create2))
        )
        flags = self._random.choice((0, 0, 0, 1, 2, 3))
        # "/" with a sequence number would name a neighbour of the scenario's own node.
        path = self._path().rstrip("/") or "/a"
        return make(path, self._random.choice(_DATA), acl=self._acl(), flags=flags)

    def _delete(self) -> Operation:
        return op.delete(self._path(), self._version())

    def _set_data(self) -> Operation:
        return op.set_data(self._path(), self._random.choice(_DATA), self._version())

    def _read(self) -> Operation:
        watch = self._random.random() < 0.5
        read = self._random.choice((op.exists, op.get_data, op.get_children, op.get_children2))
        if self._random.random() < 0.2:
            other = (op.get_acl, op.get_all_children_number, op.get_ephemerals, op.sync)
            return self._random.choice(other)(self._path())
        return read(self._path(), watch=watch)

    def _multi(self) -> Operation:
        parts = []
        for _ in range(self._random.randrange(5)):
            kind = self._random.randrange(4)
            if kind == 0:
                parts.append(self._create(inside_multi=True))
            elif kind == 1:
                parts.append(self._delete())
            elif kind == 2:
                parts.append(self._set_data())
            else:
                parts.append(op.check(self._path(), self._version()))
        return multi(*parts)

    def _multi_read(self) -> Operation:
        reads = (op.get_data, op.get_children)
        return multi_read(
            *(self._random.choice(reads)(self._path()) for _ in range(self._random.randrange(4)))
        )

    def _paths(self) -> tuple[str, ...]:
        return tuple(self._path() for _ in range(self._random.randrange(3)))

    def _set_watches(self) -> Operation:
        since = self._random.choice((0, 1 << 60))
        return op.set_watches(since, data=self._paths(), exist=self._paths(), child=self._paths())

    def _set_watches2(self) -> Operation:
        since = self._random.choice((0, 1 << 60))
        lists = {"data": self._paths(), "persistent": self._paths(), "recursive": self._paths()}
        return op.set_watches2(since, **lists)

    def _persistent_watch(self) -> Operation:
        return op.add_watch(self._path(), self._random.randrange(2))

    def _check_or_remove(self) -> Operation:
        ask = self._random.choice((op.check_watches, op.remove_watches))
        return ask(self._path(), self._random.randrange(1, 6))

    def _acl(self) -> tuple[ACL, ...]:
        if self._common_only or self._random.random() < 0.8:
            return op.OPEN
        perms = self._random.choice((Perms.READ, Perms.ALL, Perms.WRITE | Perms.ADMIN, 0))
        return (ACL(perms, self._random.choice((Id("world", "anyone"), Id("ip", "127.0.0.1")))),)

    def _set_acl(self) -> Operation:
        return op.set_acl(self._path(), self._acl(), self._version())


def random_walk(seed: int, *, turns: int, common_only: bool) -> Scenario:
    """A scenario of so many random turns."""

    def play(s: Story) -> None:
        walk = _Walk(seed, common_only=common_only)
        clients = [s.connect(name) for name in ("a", "b", "c")]
        for turn in range(turns):
            client = walk.pick(clients)
            if walk.chance(0.01):
                with s.in_any_order():
                    client(op.close_session())
                    client.expect_close()
                clients[clients.index(client)] = s.connect(f"{client.name[0]}{turn}")
            elif walk.chance(0.01):
                client.drop()
                clients[clients.index(client)] = s.connect(f"{client.name[0]}{turn}", session=client)
            else:
                client(*walk.turn())
        for client in clients:
            with s.in_any_order():
                client(op.close_session())
                client.expect_close()

    return Scenario(f"random_walk_{seed}", "random_walk", "a random walk is answered alike", play)
