"""The epoch files: what a start finds, decides, repairs and refuses, also after a crash at every change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoolet.jute.ids import Epoch, Zxid, make_zxid
from zoolet.storage.epoch_files import EpochFiles
from zoolet.storage.errors import DiskError, EpochError
from zoolet.storage.sim_disk import KEEP_ALL, LOSE_ALL, Crashed, SimDisk, Survival

FOLDER = "/data/version-2"
LUCK = [LOSE_ALL, KEEP_ALL, *(Survival(writes, 0, names) for writes in (0, 1) for names in (0, 1, 2))]


def disk_with(**files: bytes) -> SimDisk:
    disk = SimDisk()
    disk.makedirs(FOLDER)
    for name, content in files.items():
        disk.put(f"{FOLDER}/{name.replace('_', '.')}", content)
    return disk


def load(disk: SimDisk, last_zxid: Zxid | int = 0) -> EpochFiles:
    files = EpochFiles(disk, FOLDER)
    files.load(last_zxid)
    return files


def zxid(epoch: int, counter: int = 1) -> Zxid:
    return make_zxid(Epoch(epoch), counter)


def on_disk(disk: SimDisk) -> dict[str, bytes]:
    return {path.rpartition("/")[2]: disk.get(path) for path in disk.names}


def test_both_are_read() -> None:
    disk = disk_with(acceptedEpoch=b"7", currentEpoch=b"5")
    epochs = EpochFiles(disk, FOLDER).load(zxid(5))
    assert (epochs.accepted, epochs.current, epochs.repairs) == (7, 5, ())
    assert disk.changes == 1  # the folder: nothing was written


def test_missing_files_get_the_epoch_of_the_last_zxid() -> None:
    """A server that was standalone, or comes from a version without these files."""
    disk = disk_with()
    epochs = EpochFiles(disk, FOLDER).load(zxid(3, 99))
    assert (epochs.accepted, epochs.current) == (3, 3)
    assert epochs.repairs == ("currentEpoch was missing: set to 3", "acceptedEpoch was missing: set to 3")
    assert on_disk(disk.crashed()) == {"acceptedEpoch": b"3", "currentEpoch": b"3"}


@pytest.mark.parametrize("last_zxid", [0, -1])
def test_empty_database_is_of_epoch_zero(last_zxid: int) -> None:
    files = load(disk_with(), last_zxid)
    assert (files.accepted, files.current) == (0, 0)


def test_missing_accepted_epoch_alone_gets_the_epoch_of_the_last_zxid() -> None:
    assert load(disk_with(currentEpoch=b"3"), zxid(3)).accepted == 3


@pytest.mark.parametrize("content", [b"5\n", b"5\r\n", b"5\nmore", b"+5", b"005"])
def test_only_the_first_line_counts_and_java_numbers_are_numbers(content: bytes) -> None:
    assert load(disk_with(acceptedEpoch=content, currentEpoch=b"5"), zxid(5)).accepted == 5


@pytest.mark.parametrize(
    "content", [b"", b"\n5", b"five", b"5 ", b" 5", b"0x5", b"5.0", b"\xff", b"-", b"\0"]
)
@pytest.mark.parametrize("name", ["acceptedEpoch", "currentEpoch"])
def test_empty_file_or_junk_is_refused_by_name(name: str, content: bytes) -> None:
    files = {"acceptedEpoch": b"5", "currentEpoch": b"5"} | {name: content}
    disk = disk_with(**files)
    with pytest.raises(EpochError, match=f"{FOLDER}/{name}: found .* instead of a number"):
        load(disk, zxid(5))
    assert on_disk(disk) == files


@pytest.mark.parametrize("content", [b"-2", b"2147483648", b"9223372036854775807", b"9" * 100])
def test_number_that_is_no_epoch_is_refused(content: bytes) -> None:
    with pytest.raises(EpochError, match="which is no epoch"):
        load(disk_with(acceptedEpoch=content, currentEpoch=b"5"), zxid(5))


def test_minus_one_is_what_the_original_writes_beside_an_empty_untrusted_database() -> None:
    files = load(disk_with(acceptedEpoch=b"-1", currentEpoch=b"-1"), -1)
    assert (files.accepted, files.current) == (0, 0)


def test_accepted_epoch_below_current_epoch_is_refused() -> None:
    disk = disk_with(acceptedEpoch=b"4", currentEpoch=b"5")
    with pytest.raises(EpochError, match="acceptedEpoch: 4 is less than currentEpoch, 5"):
        load(disk, zxid(4))


def test_data_of_an_epoch_that_was_never_accepted_is_refused() -> None:
    """Somebody else's data, or epoch files from a backup."""
    files = {"acceptedEpoch": b"5", "currentEpoch": b"5"}
    disk = disk_with(**files)
    with pytest.raises(EpochError, match="currentEpoch: 5 is older than the last zxid, 0x600000001"):
        load(disk, zxid(6))
    with pytest.raises(EpochError, match="currentEpoch: 5 is older than the last zxid, 0x600000001"):
        load(disk_with(currentEpoch=b"5"), zxid(6))
    assert on_disk(disk) == files


@pytest.mark.parametrize("leftover", [None, b"", b"7", b"6", b"junk"])
def test_crash_between_the_txns_of_a_new_epoch_and_its_file_does_not_lock_a_server_out(
    leftover: bytes | None,
) -> None:
    """ZOOKEEPER-2307: the original never starts again, unless `currentEpoch.tmp` was there already.

    What is claimed is the epoch of the last txn, even if the leader's was a later one: its history may not
    have been taken over whole.
    """
    disk = disk_with(acceptedEpoch=b"7", currentEpoch=b"5")
    if leftover is not None:
        disk.put(f"{FOLDER}/currentEpoch.tmp", leftover)
    files = load(disk, zxid(6, 4))
    assert (files.accepted, files.current) == (7, 6)
    assert on_disk(disk.crashed())["currentEpoch"] == b"6"


def test_leftover_of_a_crash_is_removed() -> None:
    """The original would take it for the current epoch, one day; or not start for it (ZOOKEEPER-4269)."""
    disk = disk_with(acceptedEpoch=b"7", currentEpoch=b"5", currentEpoch_tmp=b"6", acceptedEpoch_tmp=b"")
    assert load(disk, zxid(5)).current == 5
    assert sorted(on_disk(disk)) == ["acceptedEpoch", "currentEpoch"]


def test_epochs_written_are_found_after_a_crash() -> None:
    disk = disk_with()
    files = load(disk)
    files.accept(Epoch(3))
    files.take_over(Epoch(2))
    again = load(disk.crashed(), zxid(2))
    assert (again.accepted, again.current) == (3, 2)


def test_epochs_never_go_back() -> None:
    files = load(disk_with(acceptedEpoch=b"5", currentEpoch=b"4"), zxid(4))
    with pytest.raises(AssertionError, match="accept epoch 4 after 5"):
        files.accept(Epoch(4))
    with pytest.raises(AssertionError, match="take over epoch 6"):
        files.take_over(Epoch(6))
    with pytest.raises(AssertionError, match="take over epoch 3"):
        files.take_over(Epoch(3))


def test_failed_write_leaves_the_old_value_known() -> None:
    for change in range(1, 6):
        disk = disk_with(acceptedEpoch=b"5", currentEpoch=b"5")
        files = load(disk, zxid(5))
        disk.fail_at = disk.changes + change
        with pytest.raises(DiskError):
            files.accept(Epoch(6))
        assert files.accepted == 5


class Life:
    """A member that follows ever newer leaders; `promised` is the last epoch it told anyone it accepted."""

    def __init__(self, disk: SimDisk) -> None:
        self.disk = disk
        self.promised = 0
        self.claimed = 0
        self.last_zxid = Zxid(0)

    def live(self) -> None:
        files = EpochFiles(self.disk, FOLDER)
        files.load(self.last_zxid)
        assert files.accepted >= self.promised, "a promise was forgotten"
        assert files.current >= self.claimed, "a history was forgotten"
        assert files.current >= self.last_zxid >> 32
        for _ in range(2):
            epoch = Epoch(files.accepted + 2)
            files.accept(epoch)
            self.promised = epoch
            self.last_zxid = zxid(epoch - 1)  # txns of an older epoch, then of the new one
            self.last_zxid = zxid(epoch)
            files.take_over(epoch)
            self.claimed = epoch


def count_changes() -> int:
    disk = disk_with()
    Life(disk).live()
    return disk.changes


@pytest.mark.parametrize("luck", LUCK, ids=str)
@pytest.mark.parametrize("crash_at", range(2, count_changes() + 1))
def test_promises_survive_a_crash_at_any_change(crash_at: int, luck: Survival) -> None:
    disk = disk_with()
    life = Life(disk)
    disk.crash_at = crash_at
    with pytest.raises(Crashed):
        life.live()
    life.disk = disk.crashed(luck)
    life.live()
    life.disk = life.disk.crashed(LOSE_ALL)
    life.live()


numbers = st.none() | st.sampled_from([b"", b"x", b"0", b"1", b"2", b"3", b"-1"])


@given(accepted=numbers, current=numbers, leftover=numbers, epoch=st.integers(0, 3))
def test_what_a_start_accepts_it_accepts_again(
    accepted: bytes | None, current: bytes | None, leftover: bytes | None, epoch: int
) -> None:
    disk = disk_with()
    for name, content in (
        ("acceptedEpoch", accepted),
        ("currentEpoch", current),
        ("currentEpoch.tmp", leftover),
    ):
        if content is not None:
            disk.put(f"{FOLDER}/{name}", content)
    before = on_disk(disk)
    files = EpochFiles(disk, FOLDER)
    try:
        found = files.load(zxid(epoch))
    except EpochError:
        assert on_disk(disk) == before
        return
    assert found.accepted >= found.current >= epoch
    again = EpochFiles(disk.crashed(), FOLDER).load(zxid(epoch))
    assert (again.accepted, again.current, again.repairs) == (found.accepted, found.current, ())
