"""Writing snapshots, and choosing the newest whole one."""

from __future__ import annotations

import contextlib

import pytest
from zoolet.storage import snap_store
from zoolet.storage.compression import METHODS
from zoolet.storage.errors import Corrupt, DiskError, DiskFull
from zoolet.storage.sim_disk import LOSE_ALL, SimDisk, Survival, disk_full
from zoolet.storage.snap_store import SnapshotSource, SnapStore
from zoolet.storage.tests.samples import DIGEST, NODES, snapshot_bytes

FOLDER = "/data/version-2"


@pytest.fixture
def disk() -> SimDisk:
    disk = SimDisk()
    disk.makedirs(FOLDER)
    return disk


def save(disk: SimDisk, zxid: int, *, compression: str = "", step: int = 100) -> None:
    file = SnapStore(disk, FOLDER, compression=compression).begin(zxid)
    content = snapshot_bytes()
    for start in range(0, len(content), step):
        file.write(content[start : start + step])
    file.finish()


def newest(disk: SimDisk) -> tuple[int, list[int]]:
    """Zxids of the chosen snapshot (-1: none) and of the rejected ones."""
    source, rejected = SnapStore(disk, FOLDER).newest_valid()
    return (source.zxid if source else -1), [item.file.zxid for item in rejected]


def check_contents(source: SnapshotSource | None) -> None:
    assert source is not None
    with source.open() as decoder:
        assert list(decoder.nodes()) == NODES
        assert decoder.zxid_digest == DIGEST


def test_snapshot_has_its_name_only_when_finished(disk: SimDisk) -> None:
    file = SnapStore(disk, FOLDER).begin(0x1F)
    file.write(snapshot_bytes())
    assert disk.listdir(FOLDER) == ["new.snapshot.1f"]
    file.finish()
    assert disk.listdir(FOLDER) == ["snapshot.1f"]
    assert disk.get(file.path) == snapshot_bytes()


def test_snapshot_is_durable_when_finish_returns(disk: SimDisk) -> None:
    save(disk, 7)
    after = disk.crashed(LOSE_ALL)
    assert newest(after) == (7, [])


def test_a_long_snapshot_is_synced_piece_by_piece(disk: SimDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that there is never much that the syncs of the log have to wait for."""
    monkeypatch.setattr(snap_store, "SYNC_BYTES", 1000)
    file = SnapStore(disk, FOLDER).begin(7)
    unsynced = []
    for _ in range(10):
        file.write(bytes(400))
        disk.fsync_dir(FOLDER)
        content = disk.crashed(LOSE_ALL).get(f"{FOLDER}/new.snapshot.7") or b""
        unsynced.append(disk.get(f"{FOLDER}/new.snapshot.7") != content)
    assert unsynced == [True, True, False] * 3 + [True]


def test_crash_while_writing_leaves_the_previous_snapshot() -> None:
    for change in range(1, 8):
        for luck in (LOSE_ALL, Survival(1, 40, 0), Survival(1, 40, 1)):
            disk = SimDisk()
            disk.makedirs(FOLDER)
            save(disk, 5)
            disk.fail_at = disk.changes + change
            with pytest.raises(DiskError):
                save(disk, 9, step=400)
            chosen, rejected = newest(disk.crashed(luck))
            assert chosen in (5, 9)
            assert rejected == []


def test_snapshot_of_the_same_zxid_replaces_the_old_one(disk: SimDisk) -> None:
    disk.put(f"{FOLDER}/snapshot.7", b"damaged")
    save(disk, 7)
    assert newest(disk) == (7, [])


def test_abort_after_a_failed_finish_is_safe() -> None:
    for change in range(1, 5):
        disk = SimDisk()
        disk.makedirs(FOLDER)
        file = SnapStore(disk, FOLDER).begin(9)
        file.write(snapshot_bytes())
        disk.fail_at = disk.changes + change
        with contextlib.suppress(DiskError):
            file.finish()
        file.abort()
        assert disk.listdir(FOLDER) in ([], ["snapshot.9"])
        assert newest(disk)[1] == []


def test_abort_leaves_nothing(disk: SimDisk) -> None:
    file = SnapStore(disk, FOLDER).begin(3)
    file.write(b"abc")
    file.abort()
    assert disk.listdir(FOLDER) == []


def test_full_disk_is_reported_and_can_be_cleaned_up(disk: SimDisk) -> None:
    save(disk, 5)
    file = SnapStore(disk, FOLDER).begin(9)
    disk.error = disk_full
    disk.fail_at = disk.changes + 1
    with pytest.raises(DiskFull):
        file.write(snapshot_bytes())
    file.abort()
    assert disk.listdir(FOLDER) == ["snapshot.5"]


@pytest.mark.parametrize("method", METHODS)
def test_compressed_snapshots_are_read_by_their_name(disk: SimDisk, method: str) -> None:
    save(disk, 12, compression=method)
    assert disk.listdir(FOLDER) == [f"snapshot.c.{method}".rstrip(".")]
    store = SnapStore(disk, FOLDER)
    assert store.looks_whole(store.stored()[0])
    check_contents(store.newest_valid()[0])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "garbage"])
def test_damaged_newest_snapshot_falls_back_to_the_previous(disk: SimDisk, method: str, damage: str) -> None:
    save(disk, 5)
    save(disk, 9, compression=method)
    path = f"{FOLDER}/snapshot.9.{method}".rstrip(".")
    content = bytearray(disk.get(path))
    if damage == "flip":
        content[len(content) // 2] ^= 4
    elif damage == "cut":
        del content[len(content) // 2 :]
    elif damage == "empty":
        content.clear()
    else:
        content[:] = b"\x82SNAPPY\0 garbage" * 3
    disk.put(path, bytes(content))

    source, rejected = SnapStore(disk, FOLDER).newest_valid()

    check_contents(source)
    assert source is not None
    assert source.zxid == 5
    [passed_over] = rejected
    assert passed_over.file.path == path
    assert isinstance(passed_over.error, Corrupt)
    assert path in str(passed_over)


def test_unreadable_newest_snapshot_falls_back_to_the_previous(disk: SimDisk) -> None:
    save(disk, 5)
    save(disk, 9)
    disk.fail_reads.add(f"{FOLDER}/snapshot.9")
    assert newest(disk) == (5, [9])


def test_newest_is_by_number_not_by_name(disk: SimDisk) -> None:
    for zxid in (0xFF, 0x9, 0x100, 0xA):
        save(disk, zxid)
    assert newest(disk) == (0x100, [])
    assert [file.zxid for file in SnapStore(disk, FOLDER).stored()] == [0x100, 0xFF, 0xA, 0x9]


def test_leftovers_and_copies_are_not_snapshots(disk: SimDisk) -> None:
    for name in ("new.snapshot.9", "snapshot.9.tmp", "snapshot.9.bak", "snapshot", "snapshot.x", "log.9"):
        disk.put(f"{FOLDER}/{name}", snapshot_bytes())
    assert newest(disk) == (-1, [])


def test_looks_whole_is_the_quick_test_of_the_original(disk: SimDisk) -> None:
    store = SnapStore(disk, FOLDER)
    for content, expected in (
        (snapshot_bytes(), True),
        (bytes(20) + b"\0\0\0\1/", True),
        (b"\0\0\0\1/", False),
        (snapshot_bytes()[:-1], False),
        (b"", False),
    ):
        disk.put(f"{FOLDER}/snapshot.1", content)
        assert store.looks_whole(store.stored()[0]) is expected
