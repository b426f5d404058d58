"""Batches: everything gathered is written at once, and nothing goes on before it is durable."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoolet.jute.codes import OpCode
from zoolet.jute.ids import SessionId, Zxid
from zoolet.jute.proto import SyncRequest
from zoolet.jute.txn import DeleteTxn
from zoolet.server.database import decode_payload
from zoolet.server.ops.table import OPERATIONS
from zoolet.server.request import Request
from zoolet.server.sync import SnapshotTrigger, SyncRequestProcessor
from zoolet.server.tests.harness import Server
from zoolet.storage.errors import StorageError
from zoolet.storage.file_names import list_logs
from zoolet.storage.sim_disk import SimDisk, io_error
from zoolet.storage.txn_log import TxnLog

FOLDER = "/log/version-2"


class Chain:
    """A sync processor on a log in memory; `passed` is what came out of it."""

    def __init__(self, *, snap_count: int = 1 << 30) -> None:
        self.disk = SimDisk()
        self.disk.makedirs(FOLDER)
        self.log = TxnLog(self.disk, FOLDER, preallocate_bytes=1 << 16)
        self.passed: list[int] = []
        self.snapshots = 0
        trigger = SnapshotTrigger(snap_count, 0, Random(1))
        self.sync = SyncRequestProcessor(self.log, trigger, self._next, self._snapshot_due)
        self.zxid = 0
        self.writes: set[int] = set()

    def _next(self, requests: list[Request]) -> None:
        self.passed.extend(request.cxid for request in requests)

    def _snapshot_due(self) -> None:
        self.snapshots += 1

    def write(self, cxid: int) -> None:
        """A prepared delete."""
        client: Any = None
        request = Request(client, SessionId(1), cxid, OPERATIONS[OpCode.DELETE], b"", 0)
        self.zxid += 1
        request.zxid = Zxid(self.zxid)
        request.txn = DeleteTxn(f"/n{cxid}")
        request.txn_type = OpCode.DELETE
        request.body = request.txn.encode()
        self.sync.process(request)
        self.writes.add(cxid)

    def barrier(self, cxid: int) -> None:
        client: Any = None
        request = Request(client, SessionId(1), cxid, OPERATIONS[OpCode.SYNC], b"", 0)
        request.record = SyncRequest("/")
        self.sync.process(request)

    def logged(self) -> list[str]:
        """Paths of the deletes that are on the disk."""
        entries = TxnLog(self.disk.crashed(), FOLDER).read(0)
        return [decode_payload(entry.payload)[1].path for entry in entries]


@pytest.fixture
def chain() -> Chain:
    return Chain()


def test_nothing_goes_on_before_it_is_durable(chain: Chain) -> None:
    chain.write(1)
    batch = chain.sync.take_batch()
    assert batch is not None
    assert (chain.passed, chain.logged()) == ([], [])
    batch.write()
    assert (chain.passed, chain.logged()) == ([], ["/n1"])
    chain.sync.flushed()
    assert chain.passed == [1]


def test_what_comes_while_a_batch_is_written_makes_the_next_one(chain: Chain) -> None:
    for cxid in (1, 2):
        chain.write(cxid)
    first = chain.sync.take_batch()
    assert first is not None
    for cxid in (3, 4, 5):
        chain.write(cxid)
    assert chain.sync.take_batch() is None
    first.write()
    chain.sync.flushed()
    assert chain.passed == [1, 2]
    second = chain.sync.take_batch()
    assert second is not None
    assert (first.count, second.count) == (2, 3)
    second.write()
    chain.sync.flushed()
    assert chain.passed == [1, 2, 3, 4, 5]


def test_a_barrier_keeps_its_place_among_the_writes(chain: Chain) -> None:
    chain.barrier(1)
    chain.write(2)
    chain.barrier(3)
    batch = chain.sync.take_batch()
    assert batch is not None
    assert chain.passed == []
    chain.barrier(4)
    batch.write()
    chain.sync.flushed()
    assert chain.passed == [1, 2, 3]
    assert chain.sync.take_batch() is None  # a barrier alone needs no disk
    assert chain.passed == [1, 2, 3, 4]


def test_a_barrier_waits_for_the_batch_before_it(chain: Chain) -> None:
    chain.write(1)
    batch = chain.sync.take_batch()
    chain.barrier(2)
    assert chain.sync.take_batch() is None
    assert chain.passed == []
    assert batch is not None
    batch.write()
    chain.sync.flushed()
    chain.sync.take_batch()
    assert chain.passed == [1, 2]


def test_idle_means_that_nothing_waits_or_is_written(chain: Chain) -> None:
    assert chain.sync.idle
    chain.write(1)
    assert not chain.sync.idle
    batch = chain.sync.take_batch()
    assert not chain.sync.idle
    assert batch is not None
    batch.write()
    chain.sync.flushed()
    assert chain.sync.idle
    assert chain.sync.take_batch() is None


def test_a_batch_that_cannot_be_written_is_never_handed_on(chain: Chain) -> None:
    chain.write(1)
    batch = chain.sync.take_batch()
    assert batch is not None
    chain.disk.error = io_error
    chain.disk.fail_at = chain.disk.changes + 2
    with pytest.raises(StorageError):
        batch.write()
    assert chain.passed == []
    with pytest.raises(StorageError):
        chain.write(2)
    assert chain.passed == []


@given(st.lists(st.sampled_from(("write", "barrier", "take", "flush")), max_size=60))
def test_order_is_kept_however_batches_fall(steps: list[str]) -> None:
    chain = Chain()
    sent: list[int] = []
    batch = None
    for step in steps:
        if step == "write":
            sent.append(len(sent))
            chain.write(sent[-1])
        elif step == "barrier":
            sent.append(len(sent))
            chain.barrier(sent[-1])
        elif step == "take" and batch is None:
            batch = chain.sync.take_batch()
        elif step == "flush" and batch is not None:
            batch.write()
            chain.sync.flushed()
            batch = None
        assert chain.passed == sent[: len(chain.passed)]
        on_disk = [int(path[2:]) for path in chain.logged()]
        assert on_disk == sorted(on_disk)
        assert chain.writes & set(chain.passed) <= set(on_disk)


# --- snapshots ------------------------------------------------------------------------------------------


@given(st.integers(2, 1000), st.integers(0, 2**32))
def test_a_snapshot_is_due_after_between_half_and_all_of_snap_count(snap_count: int, seed: int) -> None:
    trigger = SnapshotTrigger(snap_count, 0, Random(seed))
    since = 0
    for _ in range(3 * snap_count):
        since += 1
        if trigger.logged(100):
            assert snap_count // 2 < since <= snap_count
            since = 0
    assert since <= snap_count


@given(st.integers(2, 100_000), st.integers(1, 500), st.integers(0, 2**32))
def test_a_snapshot_is_due_after_between_half_and_all_of_the_size_limit(
    limit: int, size: int, seed: int
) -> None:
    trigger = SnapshotTrigger(1 << 30, limit, Random(seed))
    since = 0
    for _ in range(200):
        since += size
        if trigger.logged(size):
            assert limit // 2 < since <= limit + size
            since = 0
    assert since <= limit


@pytest.mark.parametrize("limit", [0, -1, -4096])
def test_a_size_limit_of_zero_or_less_is_none(limit: int) -> None:
    trigger = SnapshotTrigger(1 << 30, limit, Random(1))
    assert not any(trigger.logged(1 << 40) for _ in range(100))


def test_txns_that_were_replayed_count_towards_the_first_snapshot() -> None:
    trigger = SnapshotTrigger(1000, 0, Random(1), 1000)
    assert trigger.logged(1)
    assert not trigger.logged(1)


def test_when_a_snapshot_is_due_the_log_is_rolled() -> None:
    chain = Chain(snap_count=4)
    for cxid in range(1, 21):
        chain.write(cxid)
        batch = chain.sync.take_batch()
        assert batch is not None
        batch.write()
        chain.sync.flushed()
    files = [log.name for log in list_logs(chain.disk, FOLDER)]
    assert chain.snapshots >= 5
    assert len(files) == chain.snapshots + 1 or len(files) == chain.snapshots
    assert chain.passed == list(range(1, 21))
    assert chain.logged() == [f"/n{cxid}" for cxid in range(1, 21)]


def test_a_server_asks_for_snapshots_as_its_settings_say() -> None:
    server = Server(snap_count=10)
    client = server.connected()
    for i in range(40):
        client.create(f"/n{i}")
    assert 4 <= server.snapshots_due <= 8
    after = server.restart()
    assert after.replayed == 41
    assert after.tree.digest == server.tree.digest
