"""Backups: what is copied, that it can be started from, and what is refused."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from zoolet.server.tools.backup import BadArchive, back_up, restore_archive
from zoolet.server.tools.folder import Folder, NotThere
from zoolet.server.tools.recovery import recover
from zoolet.server.tools.tests.folders import JAVA_38, contents, damage, java_folder, our_folder, payload
from zoolet.storage.errors import Corrupt
from zoolet.storage.file_names import list_logs
from zoolet.storage.log_record import frame
from zoolet.storage.real_disk import RealDisk
from zoolet.storage.snap_log import FileTxnSnapLog
from zoolet.storage.watermark import WATERMARK_FILE

DISK = RealDisk()


def restored(tmp_path: Path, archive: Path) -> Folder:
    folder = Folder(str(tmp_path / "restored"), str(tmp_path / "restored"))
    restore_archive(DISK, str(archive), folder)
    return folder


@pytest.mark.parametrize("name", ["backup.tar", "backup.tar.gz", "backup.tgz"])
def test_a_backup_can_be_started_from(tmp_path: Path, name: str) -> None:
    folder = our_folder(tmp_path, range(1, 6), range(6, 11), snapshot_before=(6,))
    before = contents(folder)
    names = back_up(DISK, folder, str(tmp_path / name))
    assert names == ["version-2/snapshot.5", "version-2/log.6"]
    assert contents(folder) == before
    again = recover(DISK, restored(tmp_path, tmp_path / name))
    assert again.zxid == 10
    assert again.database.tree.nodes["/a"].mzxid == 10


def test_what_is_javas_can_be_backed_up(tmp_path: Path) -> None:
    folder = java_folder(tmp_path, JAVA_38)
    back_up(DISK, folder, str(tmp_path / "b.tar"))
    assert recover(DISK, restored(tmp_path, tmp_path / "b.tar")).zxid == 0x16


def test_epochs_and_myid_come_along_and_the_watermark_does_not(tmp_path: Path) -> None:
    folder = our_folder(tmp_path, range(1, 4))
    Path(folder.data_dir, "myid").write_text("3\n")
    for name in ("acceptedEpoch", "currentEpoch"):
        Path(folder.snap_directory, name).write_text("0")
    names = back_up(DISK, folder, str(tmp_path / "b.tar"))
    assert set(names[2:]) == {"version-2/acceptedEpoch", "version-2/currentEpoch", "myid"}
    assert not any("synced" in name for name in names)
    assert Path(restored(tmp_path, tmp_path / "b.tar").data_dir, "myid").read_text() == "3\n"


def test_the_padding_of_logs_stays_out(tmp_path: Path) -> None:
    folder = our_folder(tmp_path, range(1, 4))
    log = Path(folder.log_directory, "log.1")
    size = log.stat().st_size
    with log.open("r+b") as file:
        file.truncate(64 << 20)
    back_up(DISK, folder, str(tmp_path / "b.tar"))
    assert Path(restored(tmp_path, tmp_path / "b.tar").log_directory, "log.1").stat().st_size == size


class WritingDisk(RealDisk):
    """A disk on which a server goes on writing: a txn whenever a file is opened, then half of one."""

    __slots__ = ("log", "zxid")

    def __init__(self, log: Path, zxid: int) -> None:
        self.log = log
        self.zxid = zxid

    def open(self, path: str, *, writable: bool = False):  # type: ignore[no-untyped-def]
        if not writable:
            self.zxid += 1
            with self.log.open("ab") as file:
                file.write(frame(payload(self.zxid)))
        return super().open(path, writable=writable)


def test_a_server_may_be_writing_meanwhile(tmp_path: Path) -> None:
    folder = our_folder(tmp_path, range(1, 6), range(6, 11), snapshot_before=(6,))
    disk = WritingDisk(Path(folder.log_directory, "log.6"), 10)
    back_up(disk, folder, str(tmp_path / "b.tar"))
    assert 10 < recover(DISK, restored(tmp_path, tmp_path / "b.tar")).zxid <= disk.zxid


def test_damage_is_not_copied(tmp_path: Path) -> None:
    folder = our_folder(tmp_path, range(1, 6))
    damage(Path(folder.log_directory, "log.1"), 100)
    with pytest.raises(Corrupt):
        back_up(DISK, folder, str(tmp_path / "b.tar"))
    assert not (tmp_path / "b.tar").exists()


def test_zeros_where_the_mark_says_there_was_something_are_damage(tmp_path: Path) -> None:
    folder = our_folder(tmp_path, range(1, 6))
    log = Path(folder.log_directory, "log.1")
    damage(log, 200, bytes(log.stat().st_size - 200))
    with pytest.raises(Corrupt):
        back_up(DISK, folder, str(tmp_path / "b.tar"))


@pytest.mark.parametrize("lost", ["the end of an epoch", "the log of an epoch", "a log inside an epoch"])
def test_what_a_start_would_refuse_is_not_copied(tmp_path: Path, lost: str) -> None:
    """The copy has no mark, which alone tells of some of it: a start would serve it with the hole."""
    second = range(0x100000001, 0x100000004)
    folder = our_folder(tmp_path, range(1, 4), range(4, 6), second, range(0x200000001, 0x200000003))
    log = Path(folder.log_directory, "log.4" if lost != "the log of an epoch" else "log.100000001")
    if lost == "the end of an epoch":
        size = log.stat().st_size
        damage(log, size - 60, bytes(60))
    else:
        log.unlink()
    with pytest.raises(Corrupt):
        back_up(DISK, folder, str(tmp_path / "b.tar"))
    assert not (tmp_path / "b.tar").exists()


class TruncatingDisk(RealDisk):
    """A disk on which a server shortens its history after the mark was read."""

    __slots__ = ("folder", "is_over", "was_marked")

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.is_over = self.was_marked = False

    def open(self, path: str, *, writable: bool = False):  # type: ignore[no-untyped-def]
        if self.was_marked and not self.is_over:
            self.is_over = True
            storage = FileTxnSnapLog(RealDisk(), self.folder.data_dir, self.folder.log_dir)
            storage.open()
            storage.truncate(3)
            storage.close()
        self.was_marked = self.was_marked or path.endswith(WATERMARK_FILE)
        return super().open(path, writable=writable)


def test_a_server_may_shorten_its_history_meanwhile(tmp_path: Path) -> None:
    folder = our_folder(tmp_path, range(1, 6), range(6, 11))
    disk = TruncatingDisk(folder)
    back_up(disk, folder, str(tmp_path / "b.tar"))
    assert disk.is_over
    assert recover(DISK, restored(tmp_path, tmp_path / "b.tar")).zxid == 3


def test_an_archive_is_not_overwritten(tmp_path: Path) -> None:
    folder = our_folder(tmp_path, range(1, 3))
    (tmp_path / "b.tar").write_bytes(b"mine")
    with pytest.raises(NotThere, match="is there already"):
        back_up(DISK, folder, str(tmp_path / "b.tar"))
    assert (tmp_path / "b.tar").read_bytes() == b"mine"


def test_a_folder_with_data_is_not_restored_into(tmp_path: Path) -> None:
    folder = our_folder(tmp_path, range(1, 3))
    back_up(DISK, folder, str(tmp_path / "b.tar"))
    before = contents(folder)
    with pytest.raises(NotThere, match="is not empty"):
        restore_archive(DISK, str(tmp_path / "b.tar"), folder)
    assert contents(folder) == before


def test_logs_are_restored_into_their_own_folder(tmp_path: Path) -> None:
    folder = our_folder(tmp_path, range(1, 5))
    back_up(DISK, folder, str(tmp_path / "b.tar"))
    apart = Folder(str(tmp_path / "data2"), str(tmp_path / "logs2"))
    restore_archive(DISK, str(tmp_path / "b.tar"), apart)
    assert [log.zxid for log in list_logs(DISK, apart.log_directory)] == [1]
    assert recover(DISK, apart).zxid == 4


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/passwd", "version-2/../../evil", "version-2/.zoolet.synced"]
)
def test_an_archive_with_other_files_is_refused(tmp_path: Path, name: str) -> None:
    with tarfile.open(tmp_path / "b.tar", "w") as tar:
        info = tarfile.TarInfo(name)
        info.size = 1
        tar.addfile(info, io.BytesIO(b"x"))
    with pytest.raises(BadArchive, match="which no backup has"):
        restored(tmp_path, tmp_path / "b.tar")


@pytest.mark.parametrize("keep", [0, 10, 600, 1500])
def test_an_archive_that_is_cut_off_is_refused(tmp_path: Path, keep: int) -> None:
    folder = our_folder(tmp_path, range(1, 5))
    back_up(DISK, folder, str(tmp_path / "b.tar"))
    (tmp_path / "b.tar").write_bytes((tmp_path / "b.tar").read_bytes()[:keep])
    with pytest.raises(BadArchive):
        restored(tmp_path, tmp_path / "b.tar")
