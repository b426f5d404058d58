"""Opening a data directory: what it starts from, and what it refuses."""

from __future__ import annotations

import pytest
from zoolet.jute.ids import Zxid
from zoolet.storage.errors import (
    Corrupt,
    DirectoryInUse,
    DirectoryMissing,
    DiskError,
    MisplacedFile,
    NoValidSnapshot,
    StorageError,
)
from zoolet.storage.log_record import FILE_HEADER
from zoolet.storage.sim_disk import SimDisk
from zoolet.storage.snap_log import FileTxnSnapLog, RestorePlan, StartingPoint, StorageSettings
from zoolet.storage.tests.samples import NODES, log_bytes, payload, snapshot_bytes

DATA = "/data/version-2"
LOGS = "/log/version-2"
SNAPSHOT = snapshot_bytes()
BAD_SEAL = SNAPSHOT[:-6] + b"?" + SNAPSHOT[-5:]


def open_store(disk: SimDisk, log_dir: str = "/data", **settings: bool) -> tuple[FileTxnSnapLog, RestorePlan]:
    store = FileTxnSnapLog(disk, "/data", log_dir, StorageSettings(**settings))  # type: ignore[arg-type]
    return store, store.open()


def disk_with(files: dict[str, bytes]) -> SimDisk:
    disk = SimDisk()
    disk.makedirs(DATA)
    for name, content in files.items():
        disk.put(name if name.startswith("/") else f"{DATA}/{name}", content)
    return disk


def log_of(*zxids: int) -> bytes:
    return log_bytes(*(payload(zxid) for zxid in zxids), padding=50)


def plan_zxids(plan: RestorePlan) -> tuple[int, list[int]]:
    return plan.snapshot.zxid if plan.snapshot else -1, [entry.zxid for entry in plan.entries()]


def test_empty_directory_is_created_and_starts_empty() -> None:
    disk = SimDisk()
    store, plan = open_store(disk)
    assert plan.start is StartingPoint.EMPTY
    assert plan.snapshot is None
    assert list(plan.entries()) == []
    assert disk.listdir("/data") == ["version-2"]
    store.close()


def test_missing_directory_is_refused_without_autocreate() -> None:
    disk = SimDisk()
    with pytest.raises(DirectoryMissing, match="/data/version-2"):
        open_store(disk, directory_autocreate=False)
    assert disk.directories == {"/"}


def test_what_a_crash_left_under_construction_is_removed() -> None:
    left = ("new.log.6", "new.snapshot.7.gz", "new.acceptedEpoch", ".zoolet.intent.tmp")
    disk = disk_with({"snapshot.0": SNAPSHOT, **dict.fromkeys(left, b"")})
    open_store(disk)
    assert disk.listdir(DATA) == [".zoolet.lock", "snapshot.0"]


def test_a_folder_into_which_a_backup_is_unpacked_is_refused() -> None:
    disk = disk_with({"snapshot.0": SNAPSHOT, "log.1": log_of(1, 2), ".zoolet.intent": b"restore\n"})
    with pytest.raises(StorageError, match="`zoolet restore`, which has to be called again"):
        open_store(disk)


def test_newest_snapshot_and_the_log_after_it_are_the_plan() -> None:
    disk = disk_with(
        {
            "snapshot.0": SNAPSHOT,
            "snapshot.4": SNAPSHOT,
            "log.1": log_of(1, 2, 3, 4, 5),
            "log.6": log_of(6, 7),
        }
    )
    _, plan = open_store(disk)
    assert plan.start is StartingPoint.DATA
    assert plan.from_zxid == 5
    assert plan_zxids(plan) == (4, [5, 6, 7])
    assert plan.rejected == []
    assert plan.snapshot
    with plan.snapshot.open() as decoder:
        assert list(decoder.nodes()) == NODES


def test_logs_and_snapshots_may_live_in_two_directories() -> None:
    disk = disk_with({"snapshot.0": SNAPSHOT, f"{LOGS}/log.1": log_of(1, 2)})
    store, plan = open_store(disk, "/log")
    assert plan_zxids(plan) == (0, [1, 2])
    store.txn_log.append(Zxid(3), payload(3))
    batch = store.txn_log.take_batch()
    assert batch
    batch.write()
    assert "log.3" in disk.listdir(LOGS)
    assert "log.3" not in disk.listdir(DATA)


@pytest.mark.parametrize("bad", [b"", BAD_SEAL, SNAPSHOT[:-1], b"junk"])
def test_damaged_newest_snapshot_falls_back_to_the_previous_one_and_more_log(bad: bytes) -> None:
    disk = disk_with({"snapshot.0": SNAPSHOT, "snapshot.2": bad, "log.1": log_of(1, 2, 3)})
    _, plan = open_store(disk)
    assert plan_zxids(plan) == (0, [1, 2, 3])
    assert [rejected.file.name for rejected in plan.rejected] == ["snapshot.2"]


def test_fall_back_over_a_gap_that_the_damaged_snapshot_spanned_is_refused() -> None:
    """A learner was sent the tree at 9 and has no log of 4 to 9."""
    disk = disk_with(
        {"snapshot.0": SNAPSHOT, "snapshot.9": BAD_SEAL, "log.1": log_of(1, 2, 3), "log.a": log_of(10, 11)}
    )
    _, plan = open_store(disk)
    with pytest.raises(Corrupt, match=r"log\.a does not continue with 0x4") as caught:
        list(plan.entries())
    assert caught.value.zxid == 3

    disk.put(f"{DATA}/snapshot.9", SNAPSHOT)
    assert plan_zxids(open_store(disk.crashed())[1]) == (9, [10, 11])


def test_fall_back_to_before_the_damaged_snapshot_is_refused() -> None:
    """It was whole once, so 3 to 9 were acknowledged; the original starts without them."""
    disk = disk_with({"snapshot.0": SNAPSHOT, "snapshot.9": BAD_SEAL, "log.1": log_of(1, 2)})
    _, plan = open_store(disk)
    with pytest.raises(Corrupt, match=r"snapshot\.9 cannot be used, and no log has the transactions it held"):
        list(plan.entries())


@pytest.mark.parametrize("cut", [b"", SNAPSHOT[:40], SNAPSHOT[:-1]])
def test_snapshot_of_a_leader_that_was_not_written_to_its_end_was_never_acknowledged(cut: bytes) -> None:
    """The original writes it in place; a learner that crashes meanwhile is what it was before."""
    disk = disk_with({"snapshot.0": SNAPSHOT, "snapshot.9": cut, "log.1": log_of(1, 2)})
    assert plan_zxids(open_store(disk)[1]) == (0, [1, 2])


def test_fall_back_over_the_first_snapshot_of_an_epoch_is_fine() -> None:
    """A new leader's snapshot is named after a zxid that no transaction has."""
    disk = disk_with(
        {
            "snapshot.0": SNAPSHOT,
            "snapshot.200000000": BAD_SEAL,
            "log.1": log_of(1, 2),
            "log.200000001": log_of(0x200000001),
        }
    )
    assert plan_zxids(open_store(disk)[1]) == (0, [1, 2, 0x200000001])


@pytest.mark.parametrize("snapshot", [None, b"", SNAPSHOT[:-1]])
def test_logs_without_a_snapshot_are_refused(snapshot: bytes | None) -> None:
    """ZOOKEEPER-2325: the original started empty, or with the logs alone, when no snapshot could be read."""
    disk = disk_with({"log.1": log_of(1, 2)} | ({"snapshot.0": snapshot} if snapshot is not None else {}))
    with pytest.raises(NoValidSnapshot, match=r"snapshot\.trust\.empty"):
        open_store(disk)
    assert plan_zxids(open_store(disk, trust_empty_snapshot=True)[1]) == (-1, [1, 2])


def test_header_only_log_without_a_snapshot_is_refused_as_the_original_does() -> None:
    with pytest.raises(NoValidSnapshot):
        open_store(disk_with({"log.5": FILE_HEADER}))


@pytest.mark.parametrize("trust", [False, True])
@pytest.mark.parametrize("logs", [{}, {"log.1": log_of(1)}])
def test_snapshot_that_looks_whole_and_is_not_is_never_ignored(trust: bool, logs: dict[str, bytes]) -> None:
    disk = disk_with({"snapshot.0": BAD_SEAL, **logs})
    with pytest.raises(NoValidSnapshot, match=r"none of them whole.*snapshot\.0"):
        open_store(disk, trust_empty_snapshot=trust)


def test_snapshot_cut_off_in_the_very_first_start_is_a_new_start() -> None:
    """The original crashed while writing snapshot.0 in place; nothing can have been acknowledged."""
    disk = disk_with({"snapshot.0": SNAPSHOT[:20]})
    assert open_store(disk)[1].start is StartingPoint.EMPTY


def test_empty_database_is_not_trusted_without_autocreate_or_marker() -> None:
    disk = disk_with({})
    assert open_store(disk, database_autocreate=False)[1].start is StartingPoint.UNKNOWN


def test_initialize_marker_makes_an_empty_database_trusted_once() -> None:
    disk = disk_with({"/data/initialize": b""})
    store, plan = open_store(disk, database_autocreate=False)
    assert plan.start is StartingPoint.EMPTY
    store.remove_initialize_marker()
    assert not disk.exists("/data/initialize")
    store.close()
    assert open_store(disk, database_autocreate=False)[1].start is StartingPoint.UNKNOWN


def test_initialize_marker_stays_until_the_new_database_is_durable() -> None:
    disk = disk_with({"/data/initialize": b""})
    store, _ = open_store(disk, database_autocreate=False)
    store.close()
    assert open_store(disk.crashed(), database_autocreate=False)[1].start is StartingPoint.EMPTY


def test_initialize_marker_beside_data_is_removed() -> None:
    disk = disk_with({"/data/initialize": b"", "snapshot.0": SNAPSHOT})
    assert open_store(disk, database_autocreate=False)[1].start is StartingPoint.DATA
    assert not disk.exists("/data/initialize")


def test_damage_in_the_log_shows_when_it_is_read() -> None:
    content = bytearray(log_of(1, 2, 3))
    content[100] ^= 1
    _, plan = open_store(disk_with({"snapshot.0": SNAPSHOT, "log.1": bytes(content)}))
    with pytest.raises(Corrupt, match="CRC"):
        list(plan.entries())


def test_second_server_on_the_same_directory_is_refused() -> None:
    disk = disk_with({"snapshot.0": SNAPSHOT})
    store, _ = open_store(disk)
    with pytest.raises(DirectoryInUse, match=DATA):
        open_store(disk)
    with pytest.raises(DirectoryInUse, match=DATA):
        open_store(disk, "/log")
    store.close()
    open_store(disk, "/log")[0].close()
    open_store(disk)[0].close()


def test_failed_open_lets_go_of_the_lock() -> None:
    disk = disk_with({"log.1": log_of(1)})
    with pytest.raises(NoValidSnapshot):
        open_store(disk)
    disk.put(f"{DATA}/snapshot.0", SNAPSHOT)
    open_store(disk)


def test_files_in_the_wrong_directory_are_refused() -> None:
    with pytest.raises(MisplacedFile, match=r"/log/version-2/snapshot\.0 belongs into /data/version-2"):
        open_store(disk_with({f"{LOGS}/snapshot.0": SNAPSHOT}), "/log")
    with pytest.raises(MisplacedFile, match=r"/data/version-2/log\.1 belongs into /log/version-2"):
        open_store(disk_with({"log.1": log_of(1)}), "/log")


def test_leftovers_of_a_crash_are_removed_and_nothing_else() -> None:
    files = {
        "snapshot.0": SNAPSHOT,
        "log.1": log_of(1),
        "log.9.bak": b"x",
        "new.txt": b"x",
        "acceptedEpoch": b"1",
    }
    disk = disk_with(files | {"new.log.2": b"half", "new.snapshot.1": b"half", "new.snapshot.1.gz": b"half"})
    open_store(disk)
    assert disk.listdir(DATA) == sorted([".zoolet.lock", *files])


def test_empty_newest_log_is_removed() -> None:
    """Otherwise it would become an empty older log, which is damage, once the next file is started.

    ZOOKEEPER-2332: such a file, left by a crash or a full disk, kept the original from starting.
    """
    disk = disk_with({"snapshot.0": SNAPSHOT, "log.1": log_of(1, 2), "log.3": b""})
    store, plan = open_store(disk)
    assert plan_zxids(plan) == (0, [1, 2])
    assert not disk.exists(f"{DATA}/log.3")
    store.txn_log.append(Zxid(0x100000001), payload(0x100000001))
    batch = store.txn_log.take_batch()
    assert batch
    batch.write()
    store.close()
    assert plan_zxids(open_store(disk)[1]) == (0, [1, 2, 0x100000001])


@pytest.mark.parametrize("change", range(1, 5))
def test_failing_disk_ends_the_start_with_its_error(change: int) -> None:
    disk = disk_with({"new.log.2": b"half", "log.3": b"", "snapshot.0": SNAPSHOT})
    disk.fail_at = disk.changes + change
    with pytest.raises(DiskError):
        open_store(disk)
    assert disk.locked == set()


def test_what_a_failed_sync_left_in_memory_is_written_again_before_anybody_answers_for_it() -> None:
    """A failed sync marks the pages clean: a restart reads them, and one more sync would not write them."""
    disk = SimDisk()
    store, plan = open_store(disk)
    assert plan.start is StartingPoint.EMPTY
    disk.put(f"{DATA}/snapshot.0", SNAPSHOT)
    append(store, 1, 2)
    with pytest.raises(DiskError):
        append(store, 3, 4, failing="sync", on=disk)
    store.close()

    store, plan = open_store(disk)
    replayed = plan_zxids(plan)[1]
    append(store, replayed[-1] + 1)
    store.close()

    _, plan = open_store(disk.crashed())
    assert plan_zxids(plan)[1] == [*replayed, replayed[-1] + 1]


def append(store: FileTxnSnapLog, *zxids: int, failing: str = "", on: SimDisk | None = None) -> None:
    """Log these; `failing` names the first kind of change that does not succeed any more."""
    for zxid in zxids:
        store.txn_log.append(Zxid(zxid), payload(zxid))
    batch = store.txn_log.take_batch()
    assert batch is not None
    if on is not None:
        step = on.step

        def fail(operation: str, path: str) -> None:
            step(operation, path)
            if operation == failing:
                raise DiskError(operation, path, 5, "Input/output error")

        on.step = fail  # type: ignore[method-assign]
    try:
        batch.write()
    finally:
        if on is not None:
            on.step = step  # type: ignore[method-assign]
