"""The disk that keeps changes to itself: it reads as if they were made, and nothing was."""

from __future__ import annotations

from pathlib import Path

import pytest
from zoolet.storage.errors import DiskError
from zoolet.storage.overlay_disk import Change, OverlayDisk
from zoolet.storage.real_disk import RealDisk


@pytest.fixture
def folder(tmp_path: Path) -> str:
    (tmp_path / "a").write_bytes(b"0123456789")
    (tmp_path / "b").write_bytes(b"b")
    return str(tmp_path)


@pytest.fixture
def disk(folder: str) -> OverlayDisk:
    return OverlayDisk(RealDisk())


def read(disk: OverlayDisk, path: str) -> bytes:
    file = disk.open(path)
    content = file.pread(1000, 0)
    assert len(content) == file.size()
    file.close()
    return content


def untouched(folder: str) -> bool:
    files = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    return files == {"a": b"0123456789", "b": b"b"}


def test_a_file_that_is_cut_reads_as_if_it_were(disk: OverlayDisk, folder: str) -> None:
    file = disk.open(f"{folder}/a", writable=True)
    file.truncate(4)
    assert read(disk, f"{folder}/a") == b"0123"
    file.truncate(6)
    assert read(disk, f"{folder}/a") == b"0123\0\0"
    assert file.next_data(5) in (5, 6)
    assert file.next_data(9) == 6
    file.close()
    assert disk.changes() == [Change("cut", f"{folder}/a", 6)]
    assert untouched(folder)


def test_what_is_written_reads_back(disk: OverlayDisk, folder: str) -> None:
    file = disk.open(f"{folder}/a", writable=True)
    file.pwrite(b"xy", 9)
    file.pwrite(b"z", 13)
    file.close()
    assert read(disk, f"{folder}/a") == b"012345678xy\0\0z"
    new = disk.create(f"{folder}/c")
    new.pwrite(b"new", 0)
    new.truncate(2)
    assert read(disk, f"{folder}/c") == b"ne"
    assert disk.listdir(folder) == ["a", "b", "c"]
    assert [change.kind for change in disk.changes()] == ["write", "write"]
    assert untouched(folder)


def test_names_change_only_here(disk: OverlayDisk, folder: str) -> None:
    disk.rename(f"{folder}/a", f"{folder}/b")
    assert disk.listdir(folder) == ["b"]
    assert read(disk, f"{folder}/b") == b"0123456789"
    disk.unlink(f"{folder}/b")
    assert disk.listdir(folder) == []
    assert not disk.exists(f"{folder}/b")
    for operation in (disk.open, disk.unlink):
        with pytest.raises(DiskError):
            operation(f"{folder}/b")
    with pytest.raises(DiskError):
        disk.rename(f"{folder}/nothing", f"{folder}/b")
    assert [change.kind for change in disk.changes()] == ["remove", "remove"]
    assert untouched(folder)


def test_folders_and_locks_leave_no_trace(disk: OverlayDisk, folder: str) -> None:
    disk.makedirs(f"{folder}/new/deep")
    assert disk.exists(f"{folder}/new/deep")
    assert disk.listdir(f"{folder}/new/deep") == []
    disk.lock(f"{folder}/lock", directory=folder).release()
    disk.fsync_dir(folder)
    assert disk.changes() == []
    assert untouched(folder)


def test_opening_for_writing_is_no_change(disk: OverlayDisk, folder: str) -> None:
    file = disk.open(f"{folder}/a", writable=True)
    file.fdatasync()
    file.close()
    assert disk.changes() == []
