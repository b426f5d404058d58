"""Power loss at every change of the disk, and what the next start finds.

One story is told again and again, each time ending one call earlier, and then continued by the next process
under different luck: everything unsynced lost, everything kept, or cut in the middle.
"""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zoolet.jute.ids import Zxid
from zoolet.storage.file_names import list_leftovers
from zoolet.storage.sim_disk import KEEP_ALL, LOSE_ALL, Crashed, SimDisk, Survival
from zoolet.storage.snap_log import FileTxnSnapLog, StartingPoint, StorageSettings
from zoolet.storage.snapshot import SnapshotEncoder
from zoolet.storage.tests.samples import ACLS, NODES, SESSIONS, payload

SETTINGS = StorageSettings(preallocate_bytes=6000)
LUCK = [LOSE_ALL, KEEP_ALL, *(Survival(writes, torn, 1) for writes in (0, 1) for torn in (0, 5, 17, 60, 200))]


class Story:
    """A server's life on a disk; `acknowledged` is the last zxid its clients were told about."""

    def __init__(self, disk: SimDisk) -> None:
        self.disk = disk
        self.acknowledged = 0
        self.snapshot = -1
        self.appended = 0

    def live(self) -> None:
        """Start, write batches, snapshot, roll, write on."""
        store = FileTxnSnapLog(self.disk, "/data", "/data", SETTINGS)
        plan = store.open()
        last = 0
        if plan.start is StartingPoint.EMPTY:
            self.save(store, 0)
        else:
            assert plan.snapshot is not None
            with plan.snapshot.open() as decoder:
                assert list(decoder.nodes()) == NODES
            last = plan.snapshot.zxid
            for entry in plan.entries():
                assert entry.payload == payload(entry.zxid)
                assert entry.zxid == last + 1
                last = entry.zxid
        # What was promised is there, and nothing that was never written.
        assert self.acknowledged <= last <= max(self.appended, self.acknowledged)
        self.appended = last
        assert list_leftovers(self.disk, store.log_directory) == []
        self.write(store, 3)
        self.write(store, 1)
        self.write(store, 20)
        self.save(store, self.acknowledged)
        store.txn_log.roll()
        self.write(store, 2)
        self.write(store, 2)
        store.close()

    def write(self, store: FileTxnSnapLog, count: int) -> None:
        for _ in range(count):
            self.appended += 1
            store.txn_log.append(Zxid(self.appended), payload(self.appended))
        batch = store.txn_log.take_batch()
        assert batch is not None
        batch.write()
        self.acknowledged = self.appended

    def save(self, store: FileTxnSnapLog, zxid: int) -> None:
        encoder = SnapshotEncoder()
        encoder.start(SESSIONS, ACLS)
        file = store.snap_store.begin(zxid)
        for node in NODES:
            encoder.add_node(*node)
            file.write(encoder.take_chunk())
        file.write(encoder.finish(None, None))
        file.finish()
        self.snapshot = zxid


def count_changes() -> int:
    disk = SimDisk()
    Story(disk).live()
    return disk.changes


@pytest.mark.parametrize("luck", LUCK, ids=str)
@pytest.mark.parametrize("crash_at", range(1, count_changes() + 1))
def test_every_acknowledged_transaction_survives_a_crash_at_any_change(crash_at: int, luck: Survival) -> None:
    disk = SimDisk()
    story = Story(disk)
    disk.crash_at = crash_at
    with pytest.raises(Crashed):
        story.live()

    story.disk = disk.crashed(luck)
    story.live()
    story.disk = story.disk.crashed(LOSE_ALL)
    story.live()


@settings(max_examples=200, deadline=None)
@given(
    lives=st.lists(
        st.tuples(
            st.integers(1, 60),
            st.builds(Survival, st.integers(0, 3), st.integers(0, 400), st.integers(0, 3)),
        ),
        max_size=6,
    )
)
def test_acknowledged_transactions_survive_any_series_of_crashes(lives: list[tuple[int, Survival]]) -> None:
    disk = SimDisk()
    story = Story(disk)
    for crash_at, luck in lives:
        disk.crash_at = crash_at
        with contextlib.suppress(Crashed):
            story.live()
        disk = story.disk = disk.crashed(luck)
    story.live()


def test_new_log_appears_with_its_first_records_or_not_at_all() -> None:
    """The original can leave half a header behind, and then refuses to start."""
    for crash_at in range(1, 20):
        for luck in LUCK:
            disk = SimDisk()
            disk.crash_at = crash_at
            with contextlib.suppress(Crashed):
                Story(disk).live()
            after = disk.crashed(luck)
            for path in after.names:
                if "/log." in path:
                    assert after.get(path).startswith(b"ZKLG")
