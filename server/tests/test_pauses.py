"""Whatever takes long has pauses, and in between nothing is too long.

How much is done between two pauses is counted in calls of functions, not in time, so that the figure is the
same on every machine. A call takes a tenth of a microsecond, so `CALLS_MAX` of them a few milliseconds.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from struct import pack
from types import FrameType
from typing import Any

import pytest
from zoolet.jute.codes import AddWatchMode, OpCode
from zoolet.jute.data import ACL, OPEN_ACL, Id
from zoolet.jute.errors import JuteError
from zoolet.jute.proto import (
    AddWatchRequest,
    CheckVersionRequest,
    CreateRequest,
    DeleteRequest,
    GetAllChildrenNumberRequest,
    GetChildrenRequest,
    GetChildrenResponse,
    GetDataRequest,
    GetEphemeralsRequest,
    GetEphemeralsResponse,
    SetDataRequest,
    SetWatches,
    SetWatches2,
)
from zoolet.jute.txn import MultiTxn, Txn
from zoolet.server.data_tree import DataTree
from zoolet.server.ops.context import TxnContext
from zoolet.server.ops.multi import apply_multi
from zoolet.server.ops.table import OPERATIONS
from zoolet.server.pauses import SLICE, Pauses, encode_strings, nothing, pausing, slices, with_pauses
from zoolet.server.tests.harness import Client, Server
from zoolet.server.tests.pipeline import multi_body

CALLS_MAX = 25_000


class Stretches:
    """Counts calls from one pause to the next."""

    def __init__(self) -> None:
        self.calls = 0
        self.longest = 0
        self.total = 0
        self.pauses = 0

    def pause(self) -> None:
        """A stretch is over."""
        self.longest = max(self.longest, self.calls)
        self.total += self.calls
        self.calls = 0
        self.pauses += 1

    def _count(self, frame: FrameType, event: str, argument: Any) -> None:
        if event in ("call", "c_call"):
            self.calls += 1

    @contextmanager
    def counting(self) -> Iterator[None]:
        before = sys.getprofile()
        sys.setprofile(self._count)
        try:
            yield
        finally:
            sys.setprofile(before)
            self.pause()


def long_acl(count: int) -> tuple[ACL, ...]:
    return tuple(ACL(1, Id("digest", f"nobody:{number}")) for number in range(count))


def fill(tree: DataTree, parent: str, count: int, owner: int = 0) -> None:
    for number in range(count):
        tree.create(f"{parent}/{number}", b"", OPEN_ACL, owner, -1, 1, 1)


Work = Callable[[Server, Client], bytes]
WORK: dict[str, Work] = {}


def work(prepare: Work) -> Work:
    """A long request: prepares the server for it and returns its frame, or the word."""
    WORK[prepare.__name__] = prepare
    return prepare


@work
def multi_of_checks(server: Server, client: Client) -> bytes:
    return client.request(OpCode.MULTI, multi_body(*[(OpCode.CHECK, CheckVersionRequest("/", -1))] * 5000))


@work
def multi_of_creates_that_are_watched(server: Server, client: Client) -> bytes:
    watcher = server.connected()
    watcher.call(OpCode.ADD_WATCH, AddWatchRequest("/", AddWatchMode.PERSISTENT_RECURSIVE))
    creates = [(OpCode.CREATE2, CreateRequest(f"/{i}", b"", OPEN_ACL, 0)) for i in range(3000)]
    return client.request(OpCode.MULTI, multi_body(*creates))


@work
def multi_that_fails_at_the_end(server: Server, client: Client) -> bytes:
    sets = [(OpCode.SET_DATA, SetDataRequest("/", b"", -1))] * 5000
    return client.request(OpCode.MULTI, multi_body(*sets, (OpCode.DELETE, DeleteRequest("/missing", -1))))


@work
def multi_that_fails_at_the_beginning(server: Server, client: Client) -> bytes:
    sets = [(OpCode.SET_DATA, SetDataRequest("/", b"", -1))] * 8000
    return client.request(OpCode.MULTI, multi_body((OpCode.DELETE, DeleteRequest("/missing", -1)), *sets))


@work
def multi_too_long_for_the_log(server: Server, client: Client) -> bytes:
    server.core._prep.context.txn_bytes_max = 1000
    creates = [(OpCode.CREATE, CreateRequest(f"/{i}", b"", OPEN_ACL, 0)) for i in range(4000)]
    return client.request(OpCode.MULTI, multi_body(*creates))


@work
def multi_read(server: Server, client: Client) -> bytes:
    reads = [(OpCode.GET_DATA, GetDataRequest("/", False))] * 8000
    return client.request(OpCode.MULTI_READ, multi_body(*reads))


@work
def set_watches_of_what_is_unchanged(server: Server, client: Client) -> bytes:
    missing = tuple(f"/{i}" for i in range(20_000))
    return client.request(OpCode.SET_WATCHES, SetWatches(1 << 60, (), missing, ()))


@work
def set_watches_of_what_is_gone(server: Server, client: Client) -> bytes:
    missing = tuple(f"/{i}" for i in range(10_000))
    return client.request(OpCode.SET_WATCHES2, SetWatches2(0, missing, (), missing, missing[:5000], ()))


@work
def children_of_a_large_node(server: Server, client: Client) -> bytes:
    fill(server.tree, "", 40_000)
    return client.request(OpCode.GET_CHILDREN, GetChildrenRequest("/", False))


@work
def number_of_nodes_below(server: Server, client: Client) -> bytes:
    fill(server.tree, "", 1)
    fill(server.tree, "/0", 5000)
    for number in range(5000):
        fill(server.tree, f"/0/{number}", 3)
    return client.request(OpCode.GET_ALL_CHILDREN_NUMBER, GetAllChildrenNumberRequest("/0"))


@work
def ephemerals_of_a_session(server: Server, client: Client) -> bytes:
    fill(server.tree, "", 40_000, owner=client.session_id)
    return client.request(OpCode.GET_EPHEMERALS, GetEphemeralsRequest("/"))


@work
def end_of_a_session_with_many_ephemerals(server: Server, client: Client) -> bytes:
    for number in range(10_000):
        client.connection.receive(
            client.request(OpCode.CREATE, CreateRequest(f"/{number}", b"", OPEN_ACL, 1))
        )
    server.run()
    client.take_bytes()
    return client.request(OpCode.CLOSE_SESSION)


@work
def end_of_a_connection_with_many_watches(server: Server, client: Client) -> bytes:
    watcher = server.connected()
    missing = tuple(f"/{i}" for i in range(30_000))
    watcher.call(OpCode.SET_WATCHES, SetWatches(1 << 60, (), missing, ()))
    return watcher.request(OpCode.CLOSE_SESSION)


@work
def quota_of_a_large_tree(server: Server, client: Client) -> bytes:
    fill(server.tree, "", 1)
    fill(server.tree, "/0", 30_000)
    client.create("/zookeeper/quota/0")
    client.create("/zookeeper/quota/0/zookeeper_limits", b"count=1,bytes=-1")
    stats = CreateRequest("/zookeeper/quota/0/zookeeper_stats", b"count=0,bytes=0", OPEN_ACL, 0)
    return client.request(OpCode.CREATE, stats)


@work
def read_of_a_node_with_a_long_acl(server: Server, client: Client) -> bytes:
    client.connection.identities = (Id("digest", "somebody:1"),)
    server.tree.create("/a", b"", long_acl(80_000), 0, -1, 1, 1)
    return client.request(OpCode.GET_DATA, GetDataRequest("/a", False))


def _watched_a_lot(server: Server) -> None:
    missing = tuple(f"/{i}" for i in range(30_000))
    server.connected().call(OpCode.SET_WATCHES, SetWatches(1 << 60, (), missing, ()))


@work
def word_wchp(server: Server, client: Client) -> bytes:
    _watched_a_lot(server)
    return b"wchp"


@work
def word_wchc(server: Server, client: Client) -> bytes:
    _watched_a_lot(server)
    _watched_a_lot(server)
    return b"wchc"


@work
def word_dump(server: Server, client: Client) -> bytes:
    fill(server.tree, "", 50_000, owner=client.session_id)
    return b"dump"


@work
def word_cons(server: Server, client: Client) -> bytes:
    for _ in range(5000):
        server.client()
    return b"cons"


@pytest.mark.parametrize("name", WORK)
def test_nothing_is_too_long_between_two_pauses(name: str) -> None:
    server = Server(snap_count=1 << 30)
    client = server.connected()
    said = WORK[name](server, client)
    if len(said) == 4:
        client = server.client()
    elif name.startswith("end_of_a_connection"):
        client = server.clients[-1]
    stretches = Stretches()
    server.core.pauses.take = stretches.pause
    with stretches.counting():
        client.send(said)
    assert stretches.longest < CALLS_MAX
    assert stretches.total > 2 * CALLS_MAX, "it is too small to show anything"


def test_many_sessions_that_expire_at_once_are_closed_with_pauses() -> None:
    server = Server()
    tracker = server.core.sessions
    for _ in range(3000):
        server.core.database.sessions[tracker.create(4000, server.now_ms)] = 4000
    stretches = Stretches()
    server.core.pauses.take = stretches.pause
    server.now_ms += 20_000
    server.core.set_time(server.now_ms, server.now_ms)
    with stretches.counting():
        server.core.tick()
        server.run()
    assert not server.core.sessions.sessions
    assert stretches.longest < CALLS_MAX < stretches.total


def test_a_multi_of_another_server_is_applied_with_pauses() -> None:
    """A learner's, and the log's."""
    server = Server()
    check = Txn(OpCode.CHECK, CheckVersionRequest("/", 1).encode())
    stretches = Stretches()
    server.core.pauses.take = stretches.pause
    context = TxnContext(server.tree, OPERATIONS)
    with stretches.counting():
        apply_multi(context, MultiTxn((check,) * 10_000))
    assert stretches.longest < CALLS_MAX < stretches.total


# --- the means ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, SLICE - 1, SLICE, SLICE + 1, 3 * SLICE])
def test_items_come_unchanged_and_in_order(count: int) -> None:
    items = list(range(count))
    taken: list[None] = []

    def pause() -> None:
        taken.append(None)

    assert [item for part in slices(items, pause) for item in part] == items
    assert list(pausing(iter(items), pause)) == items
    assert list(with_pauses(items, pause)) == items
    assert len(taken) == 3 * (max(count - 1, 0) // SLICE)


def test_a_short_list_is_no_more_work_than_without() -> None:
    items = [1, 2, 3]
    assert with_pauses(items, nothing) is items


@pytest.mark.parametrize("names", [(), ("a",), ("ä", "\ud800", "😀"), tuple(map(str, range(3 * SLICE)))])
def test_a_list_of_names_is_encoded_as_its_records_are(names: tuple[str, ...]) -> None:
    assert encode_strings(names, nothing) == GetChildrenResponse(names).encode()
    assert encode_strings(names, nothing) == GetEphemeralsResponse(names).encode()


def test_a_long_vector_is_decoded_with_pauses() -> None:
    paths = tuple(map(str, range(10_000)))
    taken: list[None] = []
    record, _ = SetWatches.decode(SetWatches(0, paths, (), ()).encode(), 0, lambda: taken.append(None))
    assert record.dataWatches == paths
    assert len(taken) >= 9


def test_a_vector_that_claims_too_much_is_refused_as_ever() -> None:
    with pytest.raises(JuteError, match="dataWatches"):
        SetWatches.decode(pack(">qi", 0, 5000) + bytes(10_000))


def test_a_tree_that_takes_the_place_of_another_takes_the_pauses_over() -> None:
    server = Server()
    pauses = server.core.pauses
    tree = server.tree
    assert tree.pauses is tree.watches.account.pauses is tree.replies.pauses is pauses
    assert isinstance(DataTree().pauses, Pauses)
