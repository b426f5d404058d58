"""What the mark of the last sync decides: which missing bytes are a loss, and which nobody was told about."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoolet.jute.ids import Zxid
from zoolet.storage.errors import Corrupt
from zoolet.storage.log_record import FILE_HEADER, frame
from zoolet.storage.proposal_reader import read_proposals
from zoolet.storage.sim_disk import KEEP_ALL, LOSE_ALL, Crashed, SimDisk, Survival
from zoolet.storage.tests.samples import log_bytes, payload
from zoolet.storage.txn_log import TxnLog
from zoolet.storage.watermark import WATERMARK_FILE, LogEnd, Watermark, WatermarkFile

FOLDER = "/data/version-2"
MARK = f"{FOLDER}/{WATERMARK_FILE}"


@pytest.fixture
def disk() -> SimDisk:
    disk = SimDisk()
    disk.makedirs(FOLDER)
    return disk


def open_log(disk: SimDisk, *, sync: bool = True) -> TxnLog:
    return TxnLog(disk, FOLDER, preallocate_bytes=2048, sync=sync)


def write(log: TxnLog, *zxids: int) -> None:
    for zxid in zxids:
        log.append(Zxid(zxid), payload(zxid))
    batch = log.take_batch()
    assert batch is not None
    batch.write()


def recovered(disk: SimDisk) -> list[int]:
    return [entry.zxid for entry in open_log(disk).recover(0)]


def mark_of(disk: SimDisk) -> Watermark | None:
    return WatermarkFile(disk, FOLDER).read()


def ends_of(disk: SimDisk) -> dict[int, LogEnd]:
    return WatermarkFile(disk, FOLDER).read_with_ends()[1]


def test_mark_names_log_end_and_zxid_of_the_last_batch(disk: SimDisk) -> None:
    log = open_log(disk)
    write(log, 5)
    write(log, 6, 7)
    end = len(log_bytes(payload(5), payload(6), payload(7)))
    assert mark_of(disk) == Watermark(2, 5, end, 7)
    log.roll()
    write(log, 8)
    assert mark_of(disk) == Watermark(3, 8, len(log_bytes(payload(8))), 8)


def test_marks_go_on_over_a_restart(disk: SimDisk) -> None:
    write(open_log(disk), 5)
    write(open_log(disk), 6)
    assert mark_of(disk) == Watermark(2, 6, len(log_bytes(payload(6))), 6)


@pytest.mark.parametrize("slot", [0, 512])
def test_damaged_slot_leaves_the_mark_before(disk: SimDisk, slot: int) -> None:
    log = open_log(disk)
    write(log, 5)
    write(log, 6)
    disk.put(MARK, disk.get(MARK)[:slot] + b"\xff" + disk.get(MARK)[slot + 1 :])
    mark = mark_of(disk)
    assert mark is not None
    assert mark.zxid == (5 if slot == 0 else 6)


@pytest.mark.parametrize("slot", [0, 512])
def test_torn_mark_is_not_replaced_by_one_of_the_log_before(disk: SimDisk, slot: int) -> None:
    """Then the rest of a batch that nobody was told about would be damage."""
    log = open_log(disk)
    write(log, 5)
    log.roll()
    write(log, 6)
    disk = disk.crashed(LOSE_ALL)
    disk.put(MARK, disk.get(MARK)[:slot] + b"\xff" + disk.get(MARK)[slot + 1 :])
    mark = mark_of(disk)
    assert mark is not None
    assert mark.log_zxid == 6


def test_zeros_where_acknowledged_records_were_are_damage(disk: SimDisk) -> None:
    """To the original they are the end of the log, and the writes behind it never happened."""
    log = open_log(disk)
    write(log, 1)
    write(log, 2)
    content = disk.get(f"{FOLDER}/log.1")
    second = len(log_bytes(payload(1)))
    disk.put(f"{FOLDER}/log.1", content[:second] + bytes(len(content) - second))
    with pytest.raises(Corrupt, match=r"zeros, but \.zoolet\.synced says .* zxid 0x0*2, was there"):
        recovered(disk)


def test_missing_newest_log_is_damage(disk: SimDisk) -> None:
    log = open_log(disk)
    write(log, 1)
    log.roll()
    write(log, 2)
    disk.unlink(f"{FOLDER}/log.2")
    with pytest.raises(Corrupt, match=r"log\.2 .* it is missing"):
        recovered(disk)
    disk.unlink(f"{FOLDER}/log.1")
    with pytest.raises(Corrupt, match=r"log\.2 .* it is missing"):
        recovered(disk)
    assert list(open_log(disk).recover(3)) == []  # a snapshot covers it


def test_unsynced_batch_that_arrived_in_another_order_is_cut_off(disk: SimDisk) -> None:
    """Its first page is missing and its second is there: without the mark that would be damage."""
    write(open_log(disk), 1)
    path = f"{FOLDER}/log.1"
    good = log_bytes(payload(1))
    lost = frame(payload(2))
    disk.put(path, good + bytes(len(lost)) + frame(payload(3)))
    assert recovered(disk) == [1]
    assert disk.get(path) == good
    write(open_log(disk), 2)
    assert recovered(disk) == [1, 2]

    disk.put(path, good + bytes(len(lost)) + frame(payload(3)))
    disk.unlink(MARK)
    disk.unlink(f"{FOLDER}/log.2")
    with pytest.raises(Corrupt):
        recovered(disk)


def test_log_that_another_program_began_makes_the_mark_void(disk: SimDisk) -> None:
    """The original went on with the folder, and cut our log back before it did."""
    write(open_log(disk), 1, 2, 3)
    disk.put(f"{FOLDER}/log.1", log_bytes(payload(1)))
    disk.put(f"{FOLDER}/log.100000001", log_bytes(payload(0x100000001)))
    assert recovered(disk) == [1, 0x100000001]


def test_changed_history_has_no_mark(disk: SimDisk) -> None:
    log = open_log(disk)
    write(log, 1, 2, 3)
    log.truncate(2)
    assert mark_of(disk.crashed(LOSE_ALL)) is None
    assert recovered(disk) == [1, 2]
    write(log, 3)
    assert recovered(disk) == [1, 2, 3]


def test_without_sync_there_is_no_mark(disk: SimDisk) -> None:
    write(open_log(disk), 1)
    log = open_log(disk, sync=False)
    write(log, 2)
    assert not disk.exists(MARK)


@given(
    batches=st.lists(st.integers(1, 4), min_size=1, max_size=6),
    roll=st.integers(0, 5),
    survival=st.builds(Survival, st.integers(0, 3), st.integers(0, 300), st.integers(0, 2)),
)
def test_after_a_power_loss_the_mark_never_promises_too_much(
    batches: list[int], roll: int, survival: Survival
) -> None:
    disk = SimDisk()
    disk.makedirs(FOLDER)
    log = open_log(disk)
    zxid = 0
    for number, count in enumerate(batches):
        if number == roll:
            log.roll()
        write(log, *range(zxid + 1, zxid + count + 1))
        zxid += count
    log.append(Zxid(zxid + 1), payload(zxid + 1))
    after = disk.crashed(survival)
    assert recovered(after) == list(range(1, zxid + 1))
    assert after.get(f"{FOLDER}/log.1").startswith(FILE_HEADER)


NEXT_EPOCH = 1 << 32 | 1


def epochs(disk: SimDisk) -> TxnLog:
    """Two txns of one epoch, and a log with two of the next one."""
    log = open_log(disk)
    write(log, 1)
    write(log, 2)
    log.roll()
    write(log, NEXT_EPOCH)
    write(log, NEXT_EPOCH + 1)
    return log


def test_the_end_of_an_epochs_log_is_missed_though_its_zxids_would_not_tell(disk: SimDisk) -> None:
    """Zeros at the end of a log look like its end, and behind an epoch's last txn any epoch may follow."""
    log = epochs(disk)
    assert recovered(disk) == [1, 2, NEXT_EPOCH, NEXT_EPOCH + 1]
    content = disk.get(f"{FOLDER}/log.1")
    second = len(log_bytes(payload(1)))
    disk.put(f"{FOLDER}/log.1", content[:second] + bytes(len(content) - second))
    with pytest.raises(Corrupt, match=r"log\.1 .* zxid 0x0*2, was there when log\.100000001 was begun"):
        recovered(disk)
    with pytest.raises(Corrupt, match="was there when"):
        list(log.read(1))
    assert [entry.zxid for entry in open_log(disk).recover(3)] == [
        NEXT_EPOCH,
        NEXT_EPOCH + 1,
    ]  # not asked for


def test_a_missing_log_of_a_whole_epoch_is_damage(disk: SimDisk) -> None:
    log = epochs(disk)
    log.roll()
    write(log, 2 << 32 | 1)
    disk.unlink(f"{FOLDER}/log.100000001")
    with pytest.raises(Corrupt, match=r"log\.100000001 .* it is missing"):
        recovered(disk)
    assert [entry.zxid for entry in open_log(disk).recover(NEXT_EPOCH + 2)] == [2 << 32 | 1]


def test_a_missing_log_is_not_missed_by_who_reads_up_to_before_it(disk: SimDisk) -> None:
    log = epochs(disk)
    log.roll()
    write(log, 2 << 32 | 1)
    disk.unlink(f"{FOLDER}/log.100000001")
    assert [entry.zxid for entry in log.read(1, 2)] == [1, 2]
    assert [zxid for zxid, _ in read_proposals(disk, FOLDER, 1, 2) or ()] == [1, 2]
    with pytest.raises(Corrupt, match="it is missing"):
        list(log.read(1, NEXT_EPOCH))
    log.truncate(1)
    assert recovered(disk) == [1]


def test_logs_that_were_purged_are_not_missed(disk: SimDisk) -> None:
    epochs(disk)
    disk.unlink(f"{FOLDER}/log.1")
    assert [entry.zxid for entry in open_log(disk).recover(3)] == [NEXT_EPOCH, NEXT_EPOCH + 1]


def test_a_log_that_the_original_has_cut_and_continued_is_no_damage(disk: SimDisk) -> None:
    """Its leader said TRUNC: it cuts the file, removes those behind it, and begins one of another epoch."""
    epochs(disk)
    disk.unlink(f"{FOLDER}/log.100000001")
    disk.put(f"{FOLDER}/log.1", disk.get(f"{FOLDER}/log.1")[: len(log_bytes(payload(1)))])
    disk.put(f"{FOLDER}/log.200000001", log_bytes(payload(2 << 32 | 1)))
    assert recovered(disk) == [1, 2 << 32 | 1]


def test_the_ends_of_many_logs_are_known(disk: SimDisk) -> None:
    log = open_log(disk)
    for epoch in range(1, 50):
        write(log, epoch << 32 | 1)
        log.roll()
    ends = ends_of(disk)
    assert list(ends) == [epoch << 32 | 1 for epoch in range(17, 49)]
    assert all(end.next_zxid == end.log_zxid + (1 << 32) for end in ends.values())


def test_who_is_killed_while_a_log_is_begun_leaves_the_mark_or_the_end_of_the_one_before() -> None:
    for call in range(1, 100):
        disk = SimDisk()
        disk.makedirs(FOLDER)
        log = open_log(disk)
        write(log, 1)
        write(log, 2)
        log.roll()
        disk.crash_at = disk.changes + call
        is_over = True
        try:
            write(log, NEXT_EPOCH)
        except Crashed:
            is_over = False
        mark, ends = WatermarkFile(disk.crashed(KEEP_ALL), FOLDER).read_with_ends()
        assert mark is not None
        assert mark.zxid == 2 or [end.zxid for end in ends.values()] == [2], f"killed at {call}"
        if is_over:
            return
    raise AssertionError("it does not end")


def test_history_that_was_cut_has_no_ends(disk: SimDisk) -> None:
    log = epochs(disk)
    log.truncate(1)
    assert ends_of(disk) == {}
    write(log, 2 << 32 | 1)
    assert recovered(disk) == [1, 2 << 32 | 1]
