"""The log being written: file names, growth, batches, and what happens after a failure."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoolet.jute.ids import Zxid
from zoolet.storage.errors import Corrupt, DiskError, DiskFull, LogFailed, StorageError
from zoolet.storage.file_names import list_logs
from zoolet.storage.log_record import FILE_HEADER, frame
from zoolet.storage.real_disk import RealDisk
from zoolet.storage.sim_disk import SimDisk, disk_full
from zoolet.storage.tests.samples import log_bytes, payload
from zoolet.storage.txn_log import TxnLog, padded_size

FOLDER = "/log/version-2"


@pytest.fixture
def disk() -> SimDisk:
    disk = SimDisk()
    disk.makedirs(FOLDER)
    return disk


def log_names(disk: SimDisk) -> list[str]:
    return [log.name for log in list_logs(disk, FOLDER)]


def open_log(
    disk: SimDisk, *, preallocate_bytes: int = 1 << 16, size_limit_bytes: int = -1, sync: bool = True
) -> TxnLog:
    return TxnLog(
        disk, FOLDER, preallocate_bytes=preallocate_bytes, size_limit_bytes=size_limit_bytes, sync=sync
    )


def write(log: TxnLog, *zxids: int) -> None:
    for zxid in zxids:
        log.append(Zxid(zxid), payload(zxid))
    batch = log.take_batch()
    assert batch is not None
    batch.write()


def read(log: TxnLog, from_zxid: int = 0) -> list[int]:
    return [entry.zxid for entry in log.read(from_zxid)]


def test_file_is_named_by_its_first_zxid_and_holds_header_and_frames(disk: SimDisk) -> None:
    write(open_log(disk), 0x1A, 0x1B)

    assert log_names(disk) == ["log.1a"]
    content = disk.get(f"{FOLDER}/log.1a")
    assert content.rstrip(b"\0") == FILE_HEADER + frame(payload(0x1A)) + frame(payload(0x1B))


def test_nothing_is_created_before_the_first_append(disk: SimDisk) -> None:
    log = open_log(disk)
    assert log.take_batch() is None
    log.roll()
    log.close()
    assert log_names(disk) == []


def test_batch_is_one_write_and_one_sync(disk: SimDisk) -> None:
    log = open_log(disk)
    write(log, 1)
    changes, syncs = disk.changes, disk.syncs

    write(log, *range(2, 100))

    assert (disk.changes - changes, disk.syncs - syncs) == (3, 1)  # records, zeros ahead, mark


def test_batch_says_what_it_holds(disk: SimDisk) -> None:
    log = open_log(disk)
    log.append(Zxid(7), payload(7))
    log.append(Zxid(9), payload(9))
    assert log.pending_count == 2

    batch = log.take_batch()

    assert batch is not None
    assert (batch.last_zxid, batch.count) == (9, 2)
    assert log.pending_count == 0
    assert log.take_batch() is None


def test_appends_while_a_batch_is_written_go_into_the_next_one(disk: SimDisk) -> None:
    log = open_log(disk)
    log.append(Zxid(1), payload(1))
    first = log.take_batch()
    log.append(Zxid(2), payload(2))
    second = log.take_batch()
    log.append(Zxid(3), payload(3))
    assert first
    assert second
    first.write()
    second.write()
    assert read(log) == [1, 2]


def test_roll_starts_a_file_at_the_next_append(disk: SimDisk) -> None:
    log = open_log(disk)
    write(log, 1, 2)
    log.roll()
    assert log_names(disk) == ["log.1"]
    write(log, 3)
    assert log_names(disk) == ["log.1", "log.3"]
    assert read(log) == [1, 2, 3]


def test_roll_in_the_middle_of_a_batch_splits_it(disk: SimDisk) -> None:
    log = open_log(disk)
    write(log, 1)
    for zxid in (2, 3):
        log.append(Zxid(zxid), payload(zxid))
    log.roll()
    for zxid in (4, 5):
        log.append(Zxid(zxid), payload(zxid))
    log.roll()
    batch = log.take_batch()
    assert batch
    batch.write()
    write(log, 6)
    assert log_names(disk) == ["log.1", "log.4", "log.6"]
    assert read(log) == [1, 2, 3, 4, 5, 6]


def test_size_limit_starts_a_new_file_once_it_is_passed(disk: SimDisk) -> None:
    record_bytes = len(frame(payload(1)))
    log = open_log(disk, size_limit_bytes=len(FILE_HEADER) + 2 * record_bytes)
    for zxid in range(1, 8):
        write(log, zxid)
    assert log_names(disk) == ["log.1", "log.4", "log.7"]
    assert read(log) == list(range(1, 8))


def test_restart_never_appends_to_an_existing_file(disk: SimDisk) -> None:
    write(open_log(disk), 1, 2)
    before = disk.get(f"{FOLDER}/log.1")
    write(open_log(disk), 3)
    assert disk.get(f"{FOLDER}/log.1") == before
    assert log_names(disk) == ["log.1", "log.3"]


@pytest.mark.parametrize("old", [b"", FILE_HEADER, log_bytes(payload(3))[:-4], bytes(4096)])
def test_file_without_a_whole_record_is_replaced(disk: SimDisk, old: bytes) -> None:
    """A crash left log.3 behind before its first record was whole, so zxid 3 is given again."""
    disk.put(f"{FOLDER}/log.3", old)
    log = open_log(disk)
    write(log, 3)
    assert read(log) == [3]


def test_file_with_records_is_never_replaced(disk: SimDisk) -> None:
    write(open_log(disk), 3, 4)
    before = disk.get(f"{FOLDER}/log.3")
    with pytest.raises(StorageError, match="not overwritten"):
        write(open_log(disk), 3)
    assert disk.get(f"{FOLDER}/log.3") == before


def test_file_grows_in_steps_of_the_preallocated_size(disk: SimDisk) -> None:
    log = open_log(disk, preallocate_bytes=10_000)
    write(log, 1)
    assert len(disk.get(f"{FOLDER}/log.1")) == 10_016  # as the original: header plus one step
    for zxid in range(2, 200):
        write(log, zxid)
    size = len(disk.get(f"{FOLDER}/log.1"))
    assert size % 10_000 == 16
    assert read(log) == list(range(1, 200))


def test_batch_larger_than_a_step_fits(disk: SimDisk) -> None:
    log = open_log(disk, preallocate_bytes=5000)
    write(log, 1)
    write(log, *range(2, 300))
    write(log, 300)
    assert len(disk.get(f"{FOLDER}/log.1")) % 5000 == 0
    assert read(log) == list(range(1, 301))


@pytest.mark.parametrize("sync", [True, False])
def test_preallocation_can_be_switched_off(disk: SimDisk, sync: bool) -> None:
    log = open_log(disk, preallocate_bytes=0, sync=sync)
    write(log, 1)
    write(log, 2)
    assert disk.get(f"{FOLDER}/log.1") == log_bytes(payload(1), payload(2))


def test_real_log_is_preallocated_without_taking_the_space(tmp_path: Path) -> None:
    log = TxnLog(RealDisk(), str(tmp_path))
    write(log, 1, 2)
    write(log, 3)
    assert read(log) == [1, 2, 3]
    log.close()
    status = (tmp_path / "log.1").stat()
    assert status.st_size == len(FILE_HEADER) + (64 << 20)
    assert status.st_blocks * 512 < 1 << 20


def test_padded_size_is_that_of_the_original() -> None:
    step = 1 << 26
    assert padded_size(16, 16, step) == 16 + step
    assert padded_size(100, 16 + step, step) == 16 + step
    assert padded_size(16 + step - 4097, 16 + step, step) == 16 + step
    assert padded_size(16 + step - 4096, 16 + step, step) == 16 + 2 * step
    assert padded_size(16 + step + 5, 16 + step, step) == 2 * step
    assert padded_size(100, 100, 0) == 100


def test_without_sync_nothing_is_synced(disk: SimDisk) -> None:
    log = open_log(disk, sync=False)
    for zxid in range(1, 50):
        write(log, zxid)
    assert disk.syncs == 0
    assert read(log) == list(range(1, 50))


@pytest.mark.parametrize("change", range(1, 12))
@pytest.mark.parametrize("full", [False, True])
def test_after_a_failed_call_nothing_more_is_accepted(change: int, full: bool) -> None:
    """Whichever call fails; and what had been written before can still be read."""
    disk = SimDisk()
    disk.makedirs(FOLDER)
    disk.fail_at = disk.changes + change
    if full:
        disk.error = disk_full
    log = open_log(disk)
    written: list[int] = []

    def write_all() -> None:
        for zxid in range(1, 9):
            write(log, zxid)
            written.append(zxid)

    with pytest.raises(DiskFull if full else DiskError):
        write_all()
    failure = log.failure
    changes = disk.changes

    with pytest.raises(LogFailed) as refused:
        log.append(Zxid(10), payload(10))
    assert str(failure) in str(refused.value)
    with pytest.raises(LogFailed):
        log.truncate(1)
    log.close()

    assert disk.changes == changes
    assert isinstance(failure, DiskFull if full else DiskError)
    survivors = read(open_log(disk.crashed()))
    assert survivors[: len(written)] == written


def test_batches_taken_before_a_failure_are_refused_too(disk: SimDisk) -> None:
    log = open_log(disk)
    write(log, 1)
    batches = []
    for zxid in (2, 3):
        log.append(Zxid(zxid), payload(zxid))
        batches.append(log.take_batch())
    log.append(Zxid(4), payload(4))
    disk.fail_at = disk.changes + 2  # the sync of the first
    assert batches[0]
    assert batches[1]
    with pytest.raises(DiskError):
        batches[0].write()
    with pytest.raises(LogFailed):
        batches[1].write()
    with pytest.raises(LogFailed):
        log.take_batch()
    assert read(open_log(disk.crashed())) == [1]


def test_zxids_must_increase(disk: SimDisk) -> None:
    log = open_log(disk)
    write(log, 5)
    with pytest.raises(AssertionError, match="0x5 after 0x5"):
        log.append(Zxid(5), payload(5))


def test_payload_must_hold_a_transaction_header(disk: SimDisk) -> None:
    with pytest.raises(AssertionError, match="31 bytes"):
        open_log(disk).append(Zxid(5), bytes(31))


@given(
    files=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    cut=st.integers(0, 22),
    torn=st.booleans(),
)
def test_truncate_keeps_exactly_what_is_not_after_the_zxid(files: list[int], cut: int, torn: bool) -> None:
    disk = SimDisk()
    disk.makedirs(FOLDER)
    zxid = 1
    for count in files:
        write(open_log(disk), *range(zxid, zxid + count))
        zxid += count
    if torn:
        disk.put(f"{FOLDER}/log.{zxid:x}", FILE_HEADER + frame(payload(zxid))[:-3])
    log = open_log(disk)
    cut = min(cut, zxid - 1)

    log.truncate(cut)

    expected = list(range(1, cut + 1))
    assert read(log) == expected
    assert read(open_log(disk.crashed())) == expected
    write(log, cut + 1)
    assert read(log) == [*expected, cut + 1]


def test_truncate_keeps_no_gap_when_it_is_interrupted() -> None:
    for crash_at in range(1, 10):
        disk = SimDisk()
        disk.makedirs(FOLDER)
        for first in (1, 4, 7, 10):
            write(open_log(disk), first, first + 1, first + 2)
        change = disk.changes
        disk.fail_at = change + crash_at
        with contextlib.suppress(DiskError):
            open_log(disk).truncate(5)
        left = read(open_log(disk.crashed()))
        assert left == list(range(1, len(left) + 1))
        assert len(left) >= 5


def test_truncate_does_not_cut_at_damage(disk: SimDisk) -> None:
    content = bytearray(log_bytes(*(payload(zxid) for zxid in range(1, 6))))
    content[100] ^= 1
    disk.put(f"{FOLDER}/log.1", bytes(content))
    with pytest.raises(Corrupt):
        open_log(disk).truncate(4)
    assert disk.get(f"{FOLDER}/log.1") == bytes(content)


def test_truncate_without_logs_only_moves_the_end(disk: SimDisk) -> None:
    log = open_log(disk)
    log.truncate(4)
    with pytest.raises(AssertionError, match="0x4 after 0x4"):
        log.append(Zxid(4), payload(4))
    write(log, 5)


def test_log_restarted_behind_a_gap_or_further_back_begins_a_new_file(disk: SimDisk) -> None:
    log = open_log(disk)
    write(log, 5)
    log.restart(10)
    write(log, 11)
    assert log_names(disk) == ["log.5", "log.b"]
    log.restart(2)
    write(log, 3)
    assert log_names(disk) == ["log.3", "log.5", "log.b"]


def test_log_that_was_told_to_fail_accepts_nothing_more(disk: SimDisk) -> None:
    log = open_log(disk)
    log.fail(StorageError("half of the folder was renamed"))
    with pytest.raises(LogFailed, match="half of the folder"):
        log.append(Zxid(1), payload(1))
    with pytest.raises(LogFailed):
        log.restart(0)
