"""What every disk door does: the real one in a temporary folder, and the simulated one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from zoolet.storage.atomic_file import NewFile, write_atomically
from zoolet.storage.disk import Disk
from zoolet.storage.errors import DirectoryInUse, DiskError, DiskFull
from zoolet.storage.real_disk import RealDisk
from zoolet.storage.sim_disk import KEEP_ALL, LOSE_ALL, SimDisk, Survival, disk_full


@pytest.fixture(params=["real", "simulated"])
def disk(request: pytest.FixtureRequest) -> Disk:
    return RealDisk() if request.param == "real" else SimDisk()


@pytest.fixture
def folder(disk: Disk, tmp_path: Path) -> str:
    path = str(tmp_path / "a" / "b")
    disk.makedirs(path)
    return path


def test_file_is_written_and_read_at_offsets(disk: Disk, folder: str) -> None:
    file = disk.create(f"{folder}/f")
    file.pwrite(b"world", 6)
    file.pwrite(b"hello", 0)
    assert file.size() == 11
    assert file.pread(100, 0) == b"hello\0world"
    assert file.pread(3, 7) == b"orl"
    assert file.pread(3, 11) == b""
    file.fdatasync()
    file.close()
    file.close()
    reopened = disk.open(f"{folder}/f")
    assert reopened.pread(11, 0) == b"hello\0world"
    reopened.close()


def test_file_grows_with_zeros_and_shrinks(disk: Disk, folder: str) -> None:
    file = disk.create(f"{folder}/f")
    file.pwrite(b"abc", 0)
    file.truncate(10_000_000)
    assert file.size() == 10_000_000
    assert file.pread(5, 0) == b"abc\0\0"
    assert file.pread(5, 9_999_998) == b"\0\0"
    file.truncate(2)
    assert file.pread(5, 0) == b"ab"
    file.close()


def test_next_data_never_skips_a_byte_that_is_not_zero(disk: Disk, folder: str) -> None:
    file = disk.create(f"{folder}/f")
    file.pwrite(b"abc", 0)
    file.truncate(10_000_000)
    file.pwrite(b"x", 5_000_000)
    for offset in (0, 2, 4096, 1_000_000, 5_000_000):
        assert offset <= file.next_data(offset) <= max(5_000_000, offset)
    assert 5_000_001 <= file.next_data(5_000_001) <= 10_000_000
    assert file.next_data(10_000_000) == 10_000_000
    file.close()


def test_create_replaces_what_was_there(disk: Disk, folder: str) -> None:
    for content in (b"long content", b"short"):
        file = disk.create(f"{folder}/f")
        file.pwrite(content, 0)
        file.close()
    assert disk.open(f"{folder}/f").size() == 5


def test_names_are_listed_renamed_and_removed(disk: Disk, folder: str) -> None:
    for name in ("c", "a", "b"):
        disk.create(f"{folder}/{name}").close()
    assert disk.listdir(folder) == ["a", "b", "c"]
    disk.rename(f"{folder}/a", f"{folder}/c")
    disk.unlink(f"{folder}/b")
    disk.fsync_dir(folder)
    assert disk.listdir(folder) == ["c"]
    assert disk.exists(f"{folder}/c")
    assert disk.exists(folder)
    assert not disk.exists(f"{folder}/a")
    assert not disk.exists(f"{folder}/c/d")


def test_makedirs_makes_parents_and_accepts_existing_ones(disk: Disk, folder: str) -> None:
    disk.makedirs(f"{folder}/x/y")
    disk.makedirs(f"{folder}/x/y")
    assert disk.listdir(folder) == ["x"]
    assert disk.listdir(f"{folder}/x") == ["y"]


def test_missing_files_are_disk_errors_that_name_them(disk: Disk, folder: str) -> None:
    missing = f"{folder}/missing"
    for call in (disk.open, disk.unlink, disk.listdir):
        with pytest.raises(DiskError, match="missing: No such file") as caught:
            call(missing)
        assert caught.value.path == missing


def test_file_opened_for_reading_cannot_be_written(disk: Disk, folder: str) -> None:
    disk.create(f"{folder}/f").close()
    file = disk.open(f"{folder}/f")
    with pytest.raises(DiskError):
        file.pwrite(b"x", 0)
    file.close()
    writable = disk.open(f"{folder}/f", writable=True)
    writable.pwrite(b"x", 0)
    writable.close()


def test_lock_has_one_holder_until_it_is_released(disk: Disk, folder: str) -> None:
    lock = disk.lock(f"{folder}/lock", directory=folder)
    with pytest.raises(DirectoryInUse, match=f"{folder} is in use by process") as caught:
        disk.lock(f"{folder}/lock", directory=folder)
    assert caught.value.directory == folder
    lock.release()
    lock.release()
    disk.lock(f"{folder}/lock", directory=folder).release()


def test_new_file_has_its_name_only_when_published(disk: Disk, folder: str) -> None:
    new = NewFile(disk, folder, "log.1")
    new.file.pwrite(b"abc", 0)
    assert disk.listdir(folder) == ["new.log.1"]
    new.publish()
    assert disk.listdir(folder) == ["log.1"]
    new.file.pwrite(b"def", 3)
    assert disk.open(f"{folder}/log.1").pread(10, 0) == b"abcdef"
    new.file.close()


def test_discarded_file_leaves_nothing(disk: Disk, folder: str) -> None:
    new = NewFile(disk, folder, "log.1")
    new.file.pwrite(b"abc", 0)
    new.discard()
    assert disk.listdir(folder) == []


def test_small_file_is_replaced(disk: Disk, folder: str) -> None:
    write_atomically(disk, folder, "currentEpoch", b"1")
    write_atomically(disk, folder, "currentEpoch", b"22")
    assert disk.listdir(folder) == ["currentEpoch"]
    assert disk.open(f"{folder}/currentEpoch").pread(10, 0) == b"22"


def test_small_file_is_old_or_new_after_a_crash_at_any_change() -> None:
    for crash_at in range(1, 7):
        for luck in (LOSE_ALL, KEEP_ALL, Survival(0, 1, 1), Survival(1, 0, 5)):
            disk = SimDisk()
            disk.put("/d/epoch", b"old")
            disk.fail_at = crash_at
            try:
                write_atomically(disk, "/d", "epoch", b"newer")
                done = True
            except DiskError:
                done = False
            left = disk.crashed(luck).get("/d/epoch")
            assert left in ((b"newer",) if done else (b"old", b"newer"))


def test_lock_ends_with_the_process_that_held_it(tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "from zoolet.storage.real_disk import RealDisk\n"
        "lock = RealDisk().lock(sys.argv[1], directory='d')\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
        "os._exit(9)\n"
    )
    path = str(tmp_path / "lock")
    with subprocess.Popen(
        [sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stdin
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(DirectoryInUse, match=f"process {process.pid}"):
            RealDisk().lock(path, directory="d")
        process.stdin.close()
        process.wait()
    RealDisk().lock(path, directory="d").release()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_full_disk_is_an_error_of_its_own() -> None:
    file = RealDisk().open("/dev/full", writable=True)
    with pytest.raises(DiskFull, match="No space left"):
        file.pwrite(b"x", 0)
    file.close()


def test_simulated_crash_keeps_only_what_was_synced() -> None:
    disk = SimDisk()
    disk.makedirs("/d")
    file = disk.create("/d/f")
    file.pwrite(b"abc", 0)
    file.fdatasync()
    assert disk.crashed().listdir("/d") == []
    disk.fsync_dir("/d")
    file.pwrite(b"DEF", 0)
    assert disk.crashed().get("/d/f") == b"abc"
    assert disk.crashed(Survival(torn_bytes=1)).get("/d/f") == b"Dbc"
    assert disk.crashed(KEEP_ALL).get("/d/f") == b"DEF"


def test_simulated_sync_that_fails_loses_the_data_for_good() -> None:
    disk = SimDisk()
    disk.makedirs("/d")
    file = disk.create("/d/f")
    disk.fsync_dir("/d")
    file.pwrite(b"abc", 0)
    disk.fail_at = disk.changes + 1
    with pytest.raises(DiskError):
        file.fdatasync()
    file.fdatasync()
    assert disk.get("/d/f") == b"abc"
    assert disk.crashed(KEEP_ALL).get("/d/f") == b""


def test_simulated_full_disk_takes_half_of_a_write() -> None:
    disk = SimDisk()
    disk.makedirs("/d")
    file = disk.create("/d/f")
    disk.error = disk_full
    disk.fail_at = disk.changes + 1
    with pytest.raises(DiskFull):
        file.pwrite(b"abcd", 0)
    assert disk.get("/d/f") == b"ab"


def test_error_on_a_file_that_was_renamed_names_it_as_it_is_called_now(tmp_path: Path) -> None:
    disk = RealDisk()
    disk.create(f"{tmp_path}/new.log.1").close()
    file = disk.open(f"{tmp_path}/new.log.1")
    disk.rename(f"{tmp_path}/new.log.1", f"{tmp_path}/log.1")
    with pytest.raises(DiskError) as refused:
        file.pwrite(b"x", 0)
    assert refused.value.path == f"{tmp_path}/log.1"
    file.close()


def test_failed_write_that_the_system_tells_of_when_the_file_is_closed_is_an_error(tmp_path: Path) -> None:
    """Network file systems do that. A descriptor that somebody else has closed stands in for it."""
    file = RealDisk().create(f"{tmp_path}/file")
    os.close(file._fd)
    with pytest.raises(DiskError, match=f"close {tmp_path}/file: Bad file descriptor"):
        file.close()
