"""Verification of folders, and repair: what is cut, what is kept, what is said."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from zoolet.server.tools.check import Check, Level
from zoolet.server.tools.folder import Folder
from zoolet.server.tools.log_files import LogFile
from zoolet.server.tools.recovery import recover
from zoolet.server.tools.repair import CannotRepair, hold, plan_repair, repair
from zoolet.server.tools.tests.folders import JAVA_38, JAVA_39, contents, damage, java_folder, our_folder
from zoolet.storage.errors import DirectoryInUse
from zoolet.storage.file_names import list_logs
from zoolet.storage.real_disk import RealDisk

DISK = RealDisk()


def texts(folder: Folder, *levels: Level) -> list[str]:
    """The findings of these levels, all but the good ones if there are none."""
    wanted = levels or (Level.NOTE, Level.BAD)
    return [f"{f.subject}: {f.text}" for f in Check(DISK, folder).findings() if f.level in wanted]


def is_good(folder: Folder) -> bool:
    checked = Check(DISK, folder)
    list(checked.findings())
    return not checked.is_bad


@pytest.mark.parametrize("golden", [JAVA_38, JAVA_39], ids=lambda path: path.name)
def test_a_folder_of_javas_is_found_good(tmp_path: Path, golden: Path) -> None:
    folder = java_folder(tmp_path, golden)
    assert texts(folder) == []
    assert is_good(folder)


def test_a_folder_of_ours_is_found_good_and_its_mark_is_told_of(tmp_path: Path) -> None:
    folder = our_folder(tmp_path, range(1, 5), range(5, 9))
    before = contents(folder)
    assert texts(folder) == []
    good = texts(folder, Level.GOOD)
    assert any(re.fullmatch(r"\.zoolet\.synced: log\.5 was synced up to .*, zxid 0x8", text) for text in good)
    assert "recovery: starts from snapshot.0, replays 8 txns; then zxid 0x8, 5 nodes, 0 sessions" in good
    assert contents(folder) == before


def test_a_torn_tail_is_no_damage(tmp_path: Path) -> None:
    folder = our_folder(tmp_path, range(1, 5))
    with Path(folder.log_directory, "log.1").open("r+b") as file:
        file.truncate(_end(folder))
        file.seek(0, 2)
        file.write(b"\0\0\0\0abcd\0\0")
    [finding] = texts(folder)
    assert finding.startswith("log.1: 4 txns, 0x1 to 0x4; then a torn tail at offset")
    assert is_good(folder)


def test_what_the_mark_does_not_vouch_for_is_no_damage(tmp_path: Path) -> None:
    """A batch of which only a later page reached the disk: a start cuts it off."""
    folder = our_folder(tmp_path, range(1, 5))
    end = _end(folder)
    with Path(folder.log_directory, "log.1").open("r+b") as file:
        file.seek(end + 4096)
        file.write(b"a later page")
    first, second = texts(folder)
    assert f"nobody was told about, at offset {end}; a start cuts it off" in first
    assert second == f"recovery: log.1 would be cut to {end} bytes"
    assert is_good(folder)


def test_damage_is_told_with_what_lies_behind_it(tmp_path: Path) -> None:
    folder = our_folder(tmp_path, range(1, 9))
    offset = _offset(folder, 4)
    damage(Path(folder.log_directory, "log.1"), offset + 30)
    bad = texts(folder, Level.BAD)
    assert bad[0].startswith(f"log.1: 3 txns, 0x1 to 0x3; then damage at offset {offset}: CRC")
    assert bad[0].endswith("4 whole txns lie behind it, 0x5 to 0x8")
    assert bad[1].startswith("recovery: a server would not start: ")
    assert not is_good(folder)


def test_a_damaged_snapshot_is_found_where_recovery_passes_it_over(tmp_path: Path) -> None:
    folder = our_folder(tmp_path, range(1, 6), range(6, 11), snapshot_before=(6,))
    damage(Path(folder.snap_directory, "snapshot.5"), 100)
    assert [text.partition(":")[0] for text in texts(folder, Level.BAD)] == ["snapshot.5"]
    assert [text[:31] for text in texts(folder, Level.NOTE)] == [
        "recovery: passes over " + folder.data_dir[:9]
    ]


def test_a_missing_log_is_found(tmp_path: Path) -> None:
    folder = our_folder(tmp_path, range(1, 4), range(4, 7), range(7, 10))
    Path(folder.log_directory, "log.4").unlink()
    assert "it is missing" in texts(folder, Level.BAD)[0]


def test_misplaced_files_leftovers_and_strangers_are_told_of(tmp_path: Path) -> None:
    folder = our_folder(tmp_path, range(1, 4))
    logs = Path(tmp_path, "logs", "version-2")
    logs.mkdir(parents=True)
    snaps = Path(folder.snap_directory)
    (snaps / "log.1").rename(logs / "log.1")
    (logs / "snapshot.7").write_bytes(b"")
    (snaps / "new.snapshot.3").write_bytes(b"")
    (snaps / "old.snapshot.1").write_bytes(b"")
    (snaps / "log.5.bak").write_bytes(b"")
    (snaps / "notes.txt").write_bytes(b"")
    apart = Folder(folder.data_dir, str(tmp_path / "logs"))
    found = {text.partition(":")[0]: text.partition(": ")[2] for text in texts(apart)}
    assert found["snapshot.7"].startswith("a snapshot in the folder of the logs")
    assert found["log.5.bak"].startswith("a log in the folder of the snapshots")
    assert "a start removes it" in found["new.snapshot.3"]
    assert "never read" in found["old.snapshot.1"]
    assert "none of a server's files" in found["notes.txt"]
    assert "belongs into" in found["recovery"]


def test_epochs_are_checked_where_there_are_any(tmp_path: Path) -> None:
    folder = our_folder(tmp_path, range(1, 4))
    Path(folder.snap_directory, "currentEpoch").write_text("4")
    Path(folder.snap_directory, "acceptedEpoch").write_text("3")
    [bad] = texts(folder, Level.BAD)
    assert bad.startswith("epochs: a member would not start: ")
    assert bad.endswith("/acceptedEpoch: 3 is less than currentEpoch, 4")


def test_repair_cuts_at_the_damage_says_what_is_lost_and_keeps_a_copy(tmp_path: Path) -> None:
    folder = our_folder(tmp_path, range(1, 9))
    log = Path(folder.log_directory, "log.1")
    damage(log, _offset(folder, 4) + 30)
    before = contents(folder)
    plan = plan_repair(DISK, folder)
    assert contents(folder) == before
    assert [step.path.rpartition("/")[2] for step in plan.steps] == ["log.1", ".zoolet.synced"]
    assert (plan.recovered.zxid, plan.lost, plan.acknowledged) == (3, [5, 6, 7, 8], 8)
    with hold(DISK, folder):
        told = list(repair(DISK, folder, plan))
    assert told[0] == f"Copied what will be changed to {folder.log_directory}.backup"
    kept = {path.name: path.read_bytes() for path in Path(f"{folder.log_directory}.backup").iterdir()}
    assert kept == {name: before[f"version-2/{name}"] for name in (".zoolet.synced", "log.1")}
    assert is_good(folder)
    assert recover(DISK, folder).zxid == 3
    assert plan_repair(DISK, folder).steps == []


def test_repair_of_an_older_log_gives_up_the_later_ones(tmp_path: Path) -> None:
    folder = our_folder(tmp_path, range(1, 5), range(5, 9), range(9, 12))
    damage(Path(folder.log_directory, "log.1"), 40)
    plan = plan_repair(DISK, folder)
    names = [(step.path.rpartition("/")[2], step.size) for step in plan.steps]
    assert names == [("log.9", None), ("log.5", None), ("log.1", None), (".zoolet.synced", None)]
    assert plan.lost == list(range(2, 12))
    list(repair(DISK, folder, plan))
    assert recover(DISK, folder).zxid == 0


SECOND_EPOCH = range(0x100000001, 0x100000004)
THIRD_EPOCH = range(0x200000001, 0x200000003)


def three_epochs(path: Path) -> tuple[Folder, Path]:
    """A folder with a log for each of three epochs, and the first log."""
    folder = our_folder(path, range(1, 4), SECOND_EPOCH, THIRD_EPOCH)
    return folder, Path(folder.log_directory, "log.1")


def assert_repaired_up_to(folder: Folder, zxid: int, *lost: int) -> None:
    """Nothing behind a hole is kept, and what is lost is said."""
    before = contents(folder)
    plan = plan_repair(DISK, folder)
    assert (plan.recovered.zxid, plan.lost) == (zxid, [*lost])
    assert plan.acknowledged == THIRD_EPOCH[-1]
    assert plan.steps[-1].path.endswith("/.zoolet.synced"), "until the end it tells that something is missing"
    assert contents(folder) == before
    list(repair(DISK, folder, plan))
    assert recover(DISK, folder).zxid == zxid
    assert is_good(folder)


@pytest.mark.parametrize("content", [bytes(60), b"\0\0\0\0abcd"], ids=["zeros", "another CRC"])
def test_repair_of_an_epochs_last_txn_gives_up_the_later_epochs(tmp_path: Path, content: bytes) -> None:
    """Between epochs zxids do not tell that something is missing."""
    folder, log = three_epochs(tmp_path)
    damage(log, _offset(folder, 3), content.ljust(log.stat().st_size - _offset(folder, 3), b"\0"))
    assert_repaired_up_to(folder, 2, *SECOND_EPOCH, *THIRD_EPOCH)


def test_repair_without_the_log_of_an_epoch_gives_up_the_later_ones(tmp_path: Path) -> None:
    folder, _ = three_epochs(tmp_path)
    Path(folder.log_directory, "log.100000001").unlink()
    assert_repaired_up_to(folder, 3, *THIRD_EPOCH)


def test_repair_of_two_epochs_stops_before_the_first_damage(tmp_path: Path) -> None:
    folder, log = three_epochs(tmp_path)
    damage(log, _offset(folder, 3), bytes(log.stat().st_size - _offset(folder, 3)))
    Path(folder.log_directory, "log.200000001").unlink()
    assert_repaired_up_to(folder, 2, *SECOND_EPOCH)


def test_repair_keeps_no_epoch_behind_damage_of_which_no_mark_tells(tmp_path: Path) -> None:
    folder, log = three_epochs(tmp_path)
    Path(folder.log_directory, ".zoolet.synced").unlink()
    damage(log, _offset(folder, 3) + 30)
    plan = plan_repair(DISK, folder)
    assert (plan.recovered.zxid, plan.damaged) == (2, 1)
    assert plan.lost == [*SECOND_EPOCH, *THIRD_EPOCH]


def test_repair_keeps_the_epochs_behind_damage_in_a_log_that_is_known_to_be_whole(tmp_path: Path) -> None:
    folder, log = three_epochs(tmp_path)
    end = log.stat().st_size
    with log.open("ab") as file:
        file.write(b"\0\0\0\0abcd" * 9)
    plan = plan_repair(DISK, folder)
    assert [(step.path, step.size) for step in plan.steps] == [(str(log), end)]
    assert (plan.recovered.zxid, plan.lost, plan.acknowledged) == (THIRD_EPOCH[-1], [], -1)


def test_repair_keeps_no_epoch_behind_logs_that_do_not_continue_the_snapshot(tmp_path: Path) -> None:
    folder, log = three_epochs(tmp_path)
    log.unlink()
    Path(folder.log_directory, ".zoolet.synced").unlink()
    Path(folder.snap_directory, "snapshot.0").rename(Path(folder.snap_directory, "snapshot.100000001"))
    Path(folder.log_directory, "log.100000001").rename(Path(folder.log_directory, "log.100000003"))
    plan = plan_repair(DISK, folder)
    assert plan.recovered.zxid == 0x100000001
    assert plan.lost == [0x100000002, 0x100000003, *THIRD_EPOCH]


def test_repair_loses_nothing_that_a_later_snapshot_has(tmp_path: Path) -> None:
    folder = our_folder(tmp_path, range(1, 6), range(6, 11), snapshot_before=(6,))
    damage(Path(folder.log_directory, "log.1"), _offset(folder, 3) + 30)
    plan = plan_repair(DISK, folder)
    assert (plan.steps, plan.lost, plan.recovered.zxid) == ([], [], 10)


def test_repair_cuts_a_torn_tail(tmp_path: Path) -> None:
    folder = our_folder(tmp_path, range(1, 5))
    end = _end(folder)
    with Path(folder.log_directory, "log.1").open("r+b") as file:
        file.truncate(end)
        file.seek(0, 2)
        file.write(b"\0\0\0\0abcd\0\0")
    plan = plan_repair(DISK, folder)
    assert [(step.path.rpartition("/")[2], step.size) for step in plan.steps] == [("log.1", end)]
    assert (plan.lost, plan.acknowledged, plan.torn, plan.damaged) == ([], -1, 1, 0)
    list(repair(DISK, folder, plan))
    assert texts(folder) == []


def test_zeros_over_the_end_are_given_up_only_by_repair(tmp_path: Path) -> None:
    """Only the mark tells that there was something: the original would start without a word."""
    folder = our_folder(tmp_path, range(1, 9))
    offset = _offset(folder, 7)
    damage(Path(folder.log_directory, "log.1"), offset, bytes(_end(folder) - offset))
    plan = plan_repair(DISK, folder)
    assert [step.path.rpartition("/")[2] for step in plan.steps] == [".zoolet.synced"]
    assert (plan.recovered.zxid, plan.acknowledged) == (6, 8)


def test_without_a_snapshot_nothing_can_be_repaired(tmp_path: Path) -> None:
    folder = our_folder(tmp_path, range(1, 5))
    Path(folder.snap_directory, "snapshot.0").unlink()
    with pytest.raises(CannotRepair, match="no valid snapshot"):
        plan_repair(DISK, folder)


def test_repair_keeps_servers_off(tmp_path: Path) -> None:
    folder = our_folder(tmp_path, range(1, 3))
    with hold(DISK, folder), pytest.raises(DirectoryInUse):
        hold(RealDisk(), folder)


def _offset(folder: Folder, zxid: int) -> int:
    """Where a record begins in the log."""
    for log in list_logs(DISK, folder.log_directory):
        for entry in LogFile(DISK, log):
            if entry.zxid == zxid:
                return entry.offset
    raise AssertionError(zxid)


def _end(folder: Folder) -> int:
    """Where the last record of the newest log ends."""
    log = LogFile(DISK, list_logs(DISK, folder.log_directory)[-1])
    list(log)
    return log.end
