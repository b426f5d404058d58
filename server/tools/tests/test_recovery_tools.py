"""What a start would find, without starting; the tree behind earlier txns; one node's history."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from zoolet.server.tools.folder import NotThere, find_folder, find_logs, find_snapshot
from zoolet.server.tools.node_history import node_history
from zoolet.server.tools.recovery import covered, recover, recover_at
from zoolet.server.tools.tests.folders import JAVA_38, contents, damage, java_folder, our_folder, payload
from zoolet.storage.disk import File
from zoolet.storage.errors import Corrupt
from zoolet.storage.log_record import frame
from zoolet.storage.real_disk import RealDisk

DISK = RealDisk()


def test_a_folder_of_javas_is_recovered_and_not_touched(tmp_path: Path) -> None:
    folder = java_folder(tmp_path, JAVA_38)
    before = contents(folder)
    recovered = recover(DISK, folder, check_digests=True)
    assert (recovered.zxid, recovered.node_count, recovered.replayed) == (0x16, 12, 6)
    assert recovered.snapshot.endswith("/snapshot.10")
    assert recovered.digest_checks == 1
    assert recovered.database.digest_mismatches == 0
    assert recovered.changes == ()
    assert contents(folder) == before


class BusyFile:
    """A log into which a server writes a txn whenever it is read."""

    def __init__(self, file: File, path: Path, zxids: Iterator[int]) -> None:
        self._file = file
        self._path = path
        self._zxids = zxids
        self.size, self.next_data, self.close = file.size, file.next_data, file.close

    def pread(self, length: int, offset: int) -> bytes:
        data = self._file.pread(length, offset)
        damage(self._path, len(self._path.read_bytes().rstrip(b"\0")), frame(payload(next(self._zxids))))
        return data


class BusyDisk(RealDisk):
    """The disk of a server that writes."""

    __slots__ = ("log", "zxids")

    def __init__(self, log: str, zxids: Iterator[int]) -> None:
        self.log = log
        self.zxids = zxids

    def open(self, path: str, *, writable: bool = False):  # type: ignore[no-untyped-def]
        file = super().open(path, writable=writable)
        return BusyFile(file, Path(path), self.zxids) if path == self.log else file


def test_recovery_beside_a_server_that_writes_writes_nothing_again(tmp_path: Path) -> None:
    """A real start does, above the mark; here that would read the whole log into memory."""
    folder = our_folder(tmp_path, range(1, 10))
    log = Path(folder.log_directory, "log.1")
    log.write_bytes(log.read_bytes() + frame(payload(10)) + bytes(100_000))
    recovered = recover(BusyDisk(str(log), count(11)), folder)
    assert recovered.zxid >= 10
    assert "write" not in [change.kind for change in recovered.changes]


def test_recovery_refuses_damage_as_a_start_does(tmp_path: Path) -> None:
    folder = our_folder(tmp_path, range(1, 10))
    damage(Path(folder.log_directory, "log.1"), 200)
    before = contents(folder)
    with pytest.raises(Corrupt):
        recover(DISK, folder)
    assert contents(folder) == before


def test_the_tree_behind_every_earlier_txn_can_be_had(tmp_path: Path) -> None:
    folder = our_folder(tmp_path, range(1, 6), range(6, 11), snapshot_before=(6,))
    for zxid in range(1, 11):
        recovered = recover_at(DISK, folder, zxid)
        assert recovered.zxid == zxid
        assert recovered.database.tree.nodes["/a"].mzxid == zxid
        assert recovered.snapshot.endswith("/snapshot.5" if zxid >= 5 else "/snapshot.0")
    assert "/a" not in recover_at(DISK, folder, 0).database.tree.nodes
    assert covered(DISK, folder) == (0, 10)


def test_damage_behind_the_txn_does_not_matter(tmp_path: Path) -> None:
    folder = our_folder(tmp_path, range(1, 10))
    log = Path(folder.log_directory, "log.1")
    damage(log, log.stat().st_size // 2)
    assert recover_at(DISK, folder, 2).database.tree.nodes["/a"].mzxid == 2


def test_a_txn_before_the_oldest_snapshot_cannot_be_reached(tmp_path: Path) -> None:
    folder = our_folder(tmp_path, range(1, 6), range(6, 11), snapshot_before=(6,))
    Path(folder.snap_directory, "snapshot.0").unlink()
    with pytest.raises(NotThere, match=r"the oldest in .* is snapshot\.5; the logs go back to 0x1"):
        recover_at(DISK, folder, 3)


def test_a_fuzzy_snapshot_is_not_taken_for_what_it_only_says_in_its_name(tmp_path: Path) -> None:
    """Its digest tells that it knows of later txns, so the one before it has to do."""
    folder = our_folder(tmp_path, range(1, 6), range(6, 11), snapshot_before=(6,))
    names = Path(folder.snap_directory)
    (names / "snapshot.5").rename(names / "snapshot.3")
    assert recover_at(DISK, folder, 4).snapshot.endswith("/snapshot.0")


def test_a_nodes_history_is_every_txn_that_touched_it(tmp_path: Path) -> None:
    folder = java_folder(tmp_path, JAVA_38)
    touches = [(touch.txn.header.zxid, touch.what) for touch in node_history(DISK, folder, "/app/empty")]
    assert touches == [(0x3, "create"), (0xB, "setData"), (0xD, "setACL")]


def test_a_multi_counts_if_it_did_not_fail(tmp_path: Path) -> None:
    """Java logs the parts of a failed multi that were good, up to the one that was not."""
    folder = java_folder(tmp_path, JAVA_38)
    assert [touch.txn.header.zxid for touch in node_history(DISK, folder, "/app/multi")] == [0xF, 0x13]
    assert list(node_history(DISK, folder, "/app/multi2")) == []


def test_children_that_come_and_go_are_told_of_when_asked_for(tmp_path: Path) -> None:
    folder = java_folder(tmp_path, JAVA_38)
    children = [
        touch.child for touch in node_history(DISK, folder, "/app", with_children=True) if touch.child
    ]
    assert children[:3] == ["/app/empty", "/app/umlaut-ä漢", "/app/secret"]
    assert children[-1] == "/app/multi"


def test_version_2_itself_may_be_named(tmp_path: Path) -> None:
    folder = our_folder(tmp_path, range(1, 3))
    assert find_folder(DISK, folder.snap_directory) == folder
    assert [log.zxid for log in find_logs(DISK, folder.log_directory)] == [1]
    assert find_snapshot(DISK, folder.data_dir).name == "snapshot.0"


def test_what_is_no_data_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotThere, match="is no data folder: it has no version-2"):
        find_folder(DISK, str(tmp_path))
    with pytest.raises(NotThere, match="there are no transaction logs in"):
        find_logs(DISK, str(tmp_path))
    with pytest.raises(NotThere, match="there is no"):
        find_snapshot(DISK, str(tmp_path / "nowhere"))


def test_a_file_may_have_any_name(tmp_path: Path) -> None:
    copied = tmp_path / "copy"
    copied.write_bytes((JAVA_38.parent / "java-3.9.4/snapshot.10.gz").read_bytes())
    found = find_snapshot(DISK, str(copied))
    assert (found.zxid, found.compression) == (-1, "gz")
