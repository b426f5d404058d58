"""Writes wait for others that share their fsync only where the settings say so, and never for ever."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoolet.jute.codes import OpCode
from zoolet.jute.data import OPEN_ACL
from zoolet.jute.ids import SessionId, Zxid
from zoolet.jute.proto import CreateRequest, SetDataRequest, SyncRequest
from zoolet.jute.txn import DeleteTxn
from zoolet.server.config import config_from
from zoolet.server.database import decode_payload
from zoolet.server.metrics import BatchTimes
from zoolet.server.ops.table import OPERATIONS
from zoolet.server.request import Request
from zoolet.server.sync import SnapshotTrigger, SyncRequestProcessor, sync_processor
from zoolet.server.tests.harness import Server
from zoolet.storage.errors import StorageError
from zoolet.storage.sim_disk import SimDisk, io_error
from zoolet.storage.txn_log import LogBatch, TxnLog

FOLDER = "/log/version-2"


class Chain:
    """A sync processor on a log in memory and on virtual time; `passed` is what came out of it."""

    def __init__(self, **settings: object) -> None:
        self.disk = SimDisk()
        self.disk.makedirs(FOLDER)
        self.now_ms = 10_000
        self.passed: list[int] = []
        self.sizes: list[int] = []
        """How many requests each batch had."""
        self.sync: SyncRequestProcessor = sync_processor(
            config_from(settings, data_dir="/data", client_port=2181),
            TxnLog(self.disk, FOLDER, preallocate_bytes=1 << 16),
            SnapshotTrigger(1 << 30, 0, Random(1)),
            lambda requests: self.passed.extend(request.cxid for request in requests),
            lambda: None,
            times=BatchTimes(),
            clock=lambda: self.now_ms,
        )
        self.sent = 0
        self.barriers: set[int] = set()

    def write(self, count: int = 1) -> None:
        """Prepared deletes."""
        client: Any = None
        for _ in range(count):
            self.sent += 1
            request = Request(client, SessionId(1), self.sent, OPERATIONS[OpCode.DELETE], b"", 0)
            request.zxid = Zxid(self.sent)
            request.txn = DeleteTxn(f"/n{self.sent}")
            request.txn_type = OpCode.DELETE
            request.body = request.txn.encode()
            self.sync.process(request)

    def barrier(self) -> None:
        client: Any = None
        self.sent += 1
        request = Request(client, SessionId(1), self.sent, OPERATIONS[OpCode.SYNC], b"", 0)
        request.record = SyncRequest("/")
        self.barriers.add(self.sent)
        self.sync.process(request)

    def look(self) -> None:
        """The end of a batch of inputs, with a disk that takes no time."""
        while (batch := self.sync.take_batch()) is not None:
            self.sizes.append(batch.count)
            batch.write()
            self.sync.flushed()

    def after(self, ms: int) -> None:
        """So much later the deadline is looked at."""
        self.now_ms += ms
        self.look()

    @property
    def on_disk(self) -> set[int]:
        """The writes that a power failure would leave."""
        entries = TxnLog(self.disk.crashed(), FOLDER).read(0)
        return {decode_payload(entry.payload)[0].cxid for entry in entries}


def test_by_default_nothing_waits_and_nothing_is_built_for_it() -> None:
    for settings in ({}, {"flushDelay": "0", "maxWriteQueuePollTime": "50"}, {"flushDelay": "-1"}):
        chain = Chain(**settings)
        assert type(chain.sync) is SyncRequestProcessor
        chain.write()
        assert chain.sync.take_batch() is not None
        assert chain.sync.flush_due_ms is None


def test_a_write_after_a_quiet_time_does_not_wait() -> None:
    chain = Chain(flushDelay="90")
    chain.now_ms += 90
    chain.write()
    chain.look()
    assert chain.passed == [1]


def test_a_write_soon_after_another_waits_until_nothing_more_comes() -> None:
    """`maxWriteQueuePollTime`, which is a third of flushDelay unless it is given."""
    chain = Chain(flushDelay="90")
    chain.now_ms += 90
    chain.write()
    chain.look()
    chain.write()
    chain.look()
    assert chain.sync.flush_due_ms == chain.now_ms + 30
    chain.after(29)
    assert chain.passed == [1]
    chain.after(1)
    assert chain.passed == [1, 2]
    assert chain.sync.flush_due_ms is None


def test_whoever_comes_meanwhile_prolongs_the_waiting_up_to_the_delay() -> None:
    chain = Chain(flushDelay="90")
    chain.look()
    for _ in range(4):
        chain.write()
        chain.after(20)
    assert (chain.passed, chain.sync.flush_due_ms) == ([], chain.now_ms + 10)
    chain.after(10)
    assert (chain.passed, chain.sizes) == ([1, 2, 3, 4], [4])


def test_the_delay_is_counted_from_the_last_flush() -> None:
    chain = Chain(flushDelay="90", maxWriteQueuePollTime="1000")
    chain.after(90)
    chain.write()
    chain.after(0)
    assert chain.passed == [1]
    chain.after(60)
    chain.write()
    chain.look()
    assert chain.sync.flush_due_ms == chain.now_ms + 30
    chain.after(30)
    assert chain.passed == [1, 2]


def test_without_a_pause_only_what_is_there_already_is_waited_for() -> None:
    chain = Chain(flushDelay="90", maxWriteQueuePollTime="0")
    for _ in range(3):
        chain.write()
        chain.look()
    assert chain.passed == [1, 2, 3]


def test_a_full_batch_goes_at_once_and_holds_no_more() -> None:
    chain = Chain(flushDelay="90", maxBatchSize="3")
    chain.write(2)
    chain.look()
    assert chain.passed == []
    chain.write(5)
    chain.look()
    assert (chain.sizes, len(chain.passed)) == ([3, 3], 6)
    assert chain.sync.flush_due_ms == chain.now_ms + 30
    chain.after(30)
    assert chain.sizes == [3, 3, 1]


def test_a_batch_size_bounds_batches_without_a_delay_as_well() -> None:
    chain = Chain(maxBatchSize="4")
    chain.write(10)
    chain.look()
    assert chain.sizes == [4, 4, 2]
    assert chain.passed == list(range(1, 11))


@pytest.mark.parametrize("unlimited", ["0", "-1"])
def test_a_batch_size_below_one_is_no_limit(unlimited: str) -> None:
    chain = Chain(flushDelay="90", maxBatchSize=unlimited)
    chain.write(5000)
    chain.look()
    assert chain.passed == []
    chain.after(30)
    assert chain.sizes == [5000]


def test_what_needs_no_disk_waits_only_for_writes_before_it() -> None:
    chain = Chain(flushDelay="90")
    chain.barrier()
    chain.write()
    chain.barrier()
    chain.look()
    assert chain.passed == [1]
    assert not chain.sync.idle
    chain.after(30)
    assert chain.passed == [1, 2, 3]
    assert chain.sync.idle


def test_what_comes_while_the_disk_is_busy_waits_from_the_end_of_that() -> None:
    chain = Chain(flushDelay="90")
    chain.after(90)
    chain.write()
    batch = chain.sync.take_batch()
    assert batch is not None
    chain.write()
    chain.now_ms += 200
    assert chain.sync.take_batch() is None
    batch.write()
    chain.sync.flushed()
    chain.look()
    assert (chain.passed, chain.sync.flush_due_ms) == ([1], chain.now_ms + 30)
    chain.after(30)
    assert chain.passed == [1, 2]


def test_a_server_that_stops_does_not_wait() -> None:
    chain = Chain(flushDelay="100000")
    chain.write(2)
    chain.look()
    chain.sync.do_not_wait()
    chain.look()
    assert chain.passed == [1, 2]
    assert chain.sync.idle


def test_a_log_that_fails_is_noticed_and_nothing_goes_on() -> None:
    chain = Chain(flushDelay="90")
    chain.write(2)
    chain.disk.error = io_error
    chain.disk.fail_at = chain.disk.changes + 2
    with pytest.raises(StorageError):
        chain.after(90)
    assert chain.passed == []


_STEPS = st.lists(
    st.one_of(
        st.sampled_from(("write", "barrier", "look", "take", "flushed")),
        st.integers(1, 60),
    ),
    max_size=60,
)


@given(_STEPS, st.integers(0, 60), st.integers(-1, 60), st.integers(0, 4))
def test_order_and_durability_hold_however_time_passes(
    steps: list[str | int], delay_ms: int, pause_ms: int, batch_max: int
) -> None:
    """And whatever waits is answered once its deadline has passed."""
    chain = Chain(flushDelay=str(delay_ms), maxWriteQueuePollTime=str(pause_ms), maxBatchSize=str(batch_max))
    batch: LogBatch | None = None
    for step in steps:
        if step == "write":
            chain.write()
        elif step == "barrier":
            chain.barrier()
        elif isinstance(step, int):
            chain.now_ms += step
        elif step == "take" and batch is None:
            batch = chain.sync.take_batch()
            assert batch is None or not batch_max or batch.count <= batch_max
        elif step == "flushed" and batch is not None:
            batch.write()
            chain.sync.flushed()
            batch = None
        elif step == "look" and batch is None:
            chain.look()
        assert chain.passed == list(range(1, len(chain.passed) + 1))
        assert chain.on_disk >= set(chain.passed) - chain.barriers
    if batch is not None:
        batch.write()
        chain.sync.flushed()
    chain.look()
    due_ms = chain.sync.flush_due_ms
    assert (due_ms is None) == (len(chain.passed) == chain.sent) == chain.sync.idle
    if due_ms is not None:
        assert chain.now_ms < due_ms <= chain.now_ms + delay_ms
        chain.now_ms = due_ms
        chain.look()
    assert chain.sync.idle
    assert chain.passed == list(range(1, chain.sent + 1))


def test_a_server_wakes_up_for_what_waits() -> None:
    server = Server(properties={"flushDelay": "120"})
    server.advance(120)
    client = server.connected()
    client.send(client.request(OpCode.SYNC, SyncRequest("/")))
    assert [reply.err for reply in client.replies()] == [0]
    for name in "abc":
        client.send(client.request(OpCode.CREATE, CreateRequest(f"/{name}", b"", OPEN_ACL, 0)))
    assert client.replies() == []
    assert server.core.next_tick_ms() == 40
    batches = server.batches
    server.advance(40)
    assert [reply.err for reply in client.replies()] == [0, 0, 0]
    assert server.batches == batches + 1


def test_a_server_that_stops_answers_what_waits() -> None:
    server = Server(properties={"flushDelay": "120"})
    server.advance(120)
    client = server.connected()
    client.send(client.request(OpCode.CREATE, CreateRequest("/a", b"", OPEN_ACL, 0)))
    assert not server.core.idle
    server.core.do_not_wait()
    server.run()
    assert server.core.idle
    assert [reply.err for reply in client.replies()] == [0]


class Counted(dict[Any, None]):
    """Open connections; counts how often somebody goes through all of them."""

    looks = 0

    def __iter__(self) -> Iterator[Any]:
        self.looks += 1
        return super().__iter__()


def test_connections_are_not_all_looked_at_for_every_flush() -> None:
    server = Server(properties={"flushDelay": "20"}, tick_time_ms=2000)
    server.advance(20)
    client = server.connected()
    server.core.open_connections = connections = Counted(server.core.open_connections)
    batches = server.batches
    for _ in range(100):
        client.send(client.request(OpCode.SET_DATA, SetDataRequest("/", b"", -1)))
        server.advance(20)
    assert server.batches == batches + 100
    assert 1 <= connections.looks <= 3
