"""kazoo beside container and TTL nodes: it has no call for them, but it meets those of other clients.

The requests are made here on kazoo's own codec; everything else is kazoo as it is.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from queue import Queue
from typing import Any, NamedTuple

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import BadArgumentsError, NoNodeError
from kazoo.handlers.threading import SequentialThreadingHandler
from kazoo.protocol.serialization import Create, Create2
from kazoo.protocol.states import ZnodeStat
from kazoo.security import OPEN_ACL_UNSAFE

from ..conftest import StartServer
from ..server_process import ServerProcess
from .client_program import CLIENT_CLOCK, CLIENT_PROPERTIES
from .conftest import PATIENCE_S

CONTAINER, TTL, NUMBERED_TTL = 4, 5, 6


class CreateExtended(NamedTuple):
    """createContainer (19), or createTTL (21) with a time to live in milliseconds."""

    path: str
    flags: int
    ttl_ms: int | None = None

    @property
    def type(self) -> int:
        return 19 if self.ttl_ms is None else 21

    def serialize(self) -> bytearray:
        body: bytearray = Create(self.path, b"", OPEN_ACL_UNSAFE, self.flags).serialize()
        if self.ttl_ms is not None:
            body.extend(struct.pack(">q", self.ttl_ms))
        return body

    @staticmethod
    def deserialize(body: bytes, offset: int) -> tuple[str, ZnodeStat]:
        answer: tuple[str, ZnodeStat] = Create2.deserialize(body, offset)
        return answer


def create(client: Any, request: CreateExtended) -> tuple[str, ZnodeStat]:
    """Send a request that kazoo has no method for."""
    answer = SequentialThreadingHandler.async_result(client.handler)
    client._call(request, answer)
    made: tuple[str, ZnodeStat] = answer.get(timeout=PATIENCE_S)
    return made


@pytest.fixture(scope="module")
def server(new_subject: StartServer) -> Iterator[ServerProcess]:
    """A server that looks for outlived nodes five times a second."""
    with new_subject(settings=CLIENT_CLOCK, properties=CLIENT_PROPERTIES) as running:
        yield running


@pytest.fixture
def client(server: ServerProcess) -> Iterator[Any]:
    kazoo = KazooClient(server.hosts)
    kazoo.start(timeout=PATIENCE_S)
    yield kazoo
    kazoo.stop()
    kazoo.close()


def deletion_of(client: Any, path: str) -> Queue[str]:
    """Where the deletion of a node will be told."""
    told: Queue[str] = Queue()
    assert client.exists(path, watch=lambda event: told.put(event.type)) is not None
    return told


def test_a_container_goes_when_its_last_child_has_gone(client: Any) -> None:
    path, stat = create(client, CreateExtended("/container", CONTAINER))
    assert (path, stat.numChildren) == ("/container", 0)
    client.create("/container/child", ephemeral=True)
    told = deletion_of(client, "/container")
    client.delete("/container/child")
    assert told.get(timeout=PATIENCE_S) == "DELETED"
    with pytest.raises(NoNodeError):
        client.get("/container")


def test_a_ttl_node_goes_when_nobody_writes_to_it(client: Any) -> None:
    path, _ = create(client, CreateExtended("/ttl", TTL, 300))
    assert path == "/ttl"
    assert deletion_of(client, "/ttl").get(timeout=PATIENCE_S) == "DELETED"


def test_ttl_nodes_can_be_numbered(client: Any) -> None:
    client.ensure_path("/numbered")
    made = [create(client, CreateExtended("/numbered/n-", NUMBERED_TTL, 60_000))[0] for _ in range(2)]
    assert made == ["/numbered/n-0000000000", "/numbered/n-0000000001"]
    client.delete("/numbered", recursive=True)


def test_a_time_to_live_of_nothing_is_refused(client: Any) -> None:
    with pytest.raises(BadArgumentsError):
        create(client, CreateExtended("/never", TTL, 0))


def test_kazoo_keeps_a_lock_below_a_container(client: Any) -> None:
    """As Curator's clients make them: both kinds of clients can share a lock's folder."""
    create(client, CreateExtended("/locks", CONTAINER))
    with client.Lock("/locks"):
        assert len(client.get_children("/locks")) == 1
    told: Queue[str] = Queue()
    if client.exists("/locks", watch=lambda event: told.put(event.type)) is not None:
        assert told.get(timeout=PATIENCE_S) == "DELETED"
    with client.Lock("/locks"):
        assert client.exists("/locks") is not None
