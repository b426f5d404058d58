"""Txns for a learner that comes late: read from disk, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoolet.jute.ids import Zxid
from zoolet.storage.log_record import FRAME_BYTES
from zoolet.storage.proposal_reader import read_proposals
from zoolet.storage.sim_disk import SimDisk
from zoolet.storage.snap_log import FileTxnSnapLog
from zoolet.storage.tests.samples import log_bytes, payload, snapshot_bytes

FOLDER = "/data/version-2"
RECORD_BYTES = len(payload(1)) + FRAME_BYTES


def disk_with(*logs: range | list[int]) -> SimDisk:
    """One log per range, named as it should be."""
    disk = SimDisk()
    disk.makedirs(FOLDER)
    for zxids in logs:
        content = log_bytes(*(payload(zxid) for zxid in zxids), padding=100)
        disk.put(f"{FOLDER}/log.{zxids[0]:x}", content)
    return disk


def read(disk: SimDisk, after: int, to: int, limit_bytes: int = 0, *snapshots: int) -> list[int] | None:
    found = read_proposals(disk, FOLDER, after, to, limit_bytes=limit_bytes, snapshot_zxids=snapshots)
    assert found is None or found == [(zxid, payload(zxid)) for zxid, _ in found]
    return None if found is None else [int(zxid) for zxid, _ in found]


def test_txns_from_the_one_asked_for_to_the_last_one_wanted() -> None:
    disk = disk_with(range(1, 5), range(5, 9), range(9, 13))
    assert read(disk, 2, 3) == [2, 3]
    assert read(disk, 4, 10) == [4, 5, 6, 7, 8, 9, 10]
    assert read(disk, 5, 9) == [5, 6, 7, 8, 9]
    assert read(disk, 12, 12) == [12]
    assert read(disk, 1, 100) == list(range(1, 13))


def test_txn_before_the_one_asked_for_comes_first_where_that_is_missing() -> None:
    """The learner may have to be truncated to it."""
    later = 1 << 32
    disk = disk_with([1, 2, 5], [later + 1, later + 2])
    assert read(disk, 3, later + 2) == [2, 5, later + 1, later + 2]
    assert read(disk, 6, later + 2) == [5, later + 1, later + 2]


def test_logs_that_do_not_reach_back_are_not_read() -> None:
    disk = disk_with(range(5, 9))
    assert read(disk, 4, 8) is None
    assert read(disk_with(), 4, 8) is None


def test_limit_does_not_count_the_file_that_is_begun_in() -> None:
    """As in the original: a learner that is behind by less than a file never needs a snapshot."""
    disk = disk_with(range(1, 50), range(50, 60))
    assert read(disk, 1, 49, 1) == list(range(1, 50))
    assert read(disk, 40, 52, 3 * RECORD_BYTES) == list(range(40, 53))
    assert read(disk, 40, 53, 3 * RECORD_BYTES) is None
    assert read(disk, 55, 59, 1) == list(range(55, 60))


def test_hole_that_a_snapshot_spans_is_noticed() -> None:
    """A learner of the original that got SNAP has one; where an epoch begins, its log does not show it."""
    epoch = 1 << 32
    disk = disk_with([1, 2], [epoch + 1, epoch + 2])
    assert read(disk, 1, epoch + 2) == [1, 2, epoch + 1, epoch + 2]
    assert read(disk, 1, epoch + 2, 0, 1, 2, epoch, epoch + 1, epoch + 2) is not None
    assert read(disk, 1, epoch + 2, 0, 7) is None
    assert read(disk, epoch + 1, epoch + 2, 0, 7) == [epoch + 1, epoch + 2]


@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=5),
    st.integers(1, 26),
    st.integers(0, 26),
)
def test_reading_is_a_slice_of_the_history(sizes: list[int], after: int, more: int) -> None:
    first, logs = 1, []
    for size in sizes:
        logs.append(range(first, first + size))
        first += size
    history = [zxid for log in logs for zxid in log]
    found = read(disk_with(*logs), after, after + more)
    assert found == [zxid for zxid in history if min(after, history[-1]) <= zxid <= after + more]


# --- as a leader asks -----------------------------------------------------------------------------------


def store_with(*, snapshot: str = "snapshot.2") -> FileTxnSnapLog:
    disk = disk_with(range(1, 50), range(50, 60))
    disk.put(f"{FOLDER}/{snapshot}", snapshot_bytes())
    store = FileTxnSnapLog(disk, "/data", "/data")
    store.open()
    return store


def zxids(found: list[tuple[Zxid, bytes]] | None) -> list[int] | None:
    return None if found is None else [zxid for zxid, _ in found]


def test_part_of_the_newest_snapshot_is_the_limit() -> None:
    store = store_with()
    snapshot_size = len(snapshot_bytes())
    assert store.snap_store.newest() == (2, snapshot_size)
    fits = snapshot_size // 2 // RECORD_BYTES
    assert fits >= 2
    assert zxids(store.proposals(48, 49 + fits, 0.5)) == list(range(48, 50 + fits))
    assert store.proposals(48, 50 + fits, 0.5) is None
    assert store.proposals(48, 50 + fits // 2, 0.25) is None


def test_factor_of_zero_means_no_limit_and_a_negative_one_no_reading() -> None:
    store = store_with()
    assert zxids(store.proposals(1, 59, 0)) == list(range(1, 60))
    assert store.proposals(1, 59, -1) is None
    assert store.proposals(48, 49, -0.1) is None


def test_log_that_cannot_be_read_means_that_a_snapshot_is_sent() -> None:
    store = store_with()
    disk = store.disk
    assert isinstance(disk, SimDisk)
    disk.fail_reads.add(f"{FOLDER}/log.32")
    assert store.proposals(48, 59, 0) is None
    disk.fail_reads.clear()
    content = bytearray(disk.get(f"{FOLDER}/log.32"))
    content[100] ^= 1
    disk.put(f"{FOLDER}/log.32", bytes(content))
    assert store.proposals(48, 59, 0) is None
    assert zxids(store.proposals(48, 49, 0)) == [48, 49]


def test_without_snapshots_there_is_no_size_to_compare_with() -> None:
    store = store_with()
    for stored in store.snap_store.stored():
        store.disk.unlink(stored.path)
    assert store.snap_store.newest() is None
    assert zxids(store.proposals(48, 59, 0.33)) == list(range(48, 60))


@pytest.mark.parametrize("name", ["snapshot.2", "snapshot.2.gz"])
def test_newest_snapshot_is_the_newest_that_looks_whole(name: str) -> None:
    store = store_with()
    disk = store.disk
    assert isinstance(disk, SimDisk)
    disk.put(f"{FOLDER}/snapshot.9", b"ZKSN cut off")
    assert store.snap_store.newest() == (2, len(snapshot_bytes()))
