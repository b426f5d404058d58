"""A damaged history that is not used: it stays until a leader's snapshot takes its place, and behind that."""

from __future__ import annotations

import contextlib

import pytest
from zoolet.jute.ids import Epoch
from zoolet.storage.epoch_files import EpochFiles
from zoolet.storage.errors import Corrupt, EpochError, NoValidSnapshot
from zoolet.storage.file_names import INTENT_FILE
from zoolet.storage.sim_disk import KEEP_ALL, Crashed, SimDisk
from zoolet.storage.snap_log import FileTxnSnapLog, StorageSettings
from zoolet.storage.tests.test_history import DATA, LUCK, Member, member_with_past, reborn, span

THEIRS = span(1, 12, "theirs")
OURS = ["log.1", "log.5", "log.9", "snapshot.0", "snapshot.3", "snapshot.7"]


def contents(member: Member) -> dict[str, bytes]:
    return {name: member.disk.get(f"{DATA}/{name}") for name in member.names()}


def test_it_stays_as_it_is_until_a_leaders_snapshot_takes_its_place() -> None:
    member = member_with_past()
    before = contents(member)
    member.store.disown_history()
    file = member.fill(member.store.begin_adoption(8), THEIRS, 8)
    assert {name: member.disk.get(f"{DATA}/{name}") for name in OURS} == before
    file.finish()
    assert member.names() == sorted(["snapshot.8", *(f"damaged.{name}" for name in OURS)])
    assert {name: member.disk.get(f"{DATA}/damaged.{name}") for name in OURS} == before
    member.history = THEIRS[:8]
    member.write(span(9, 9, "theirs"))
    assert reborn(member).history == THEIRS[:9]


def test_what_is_damaged_is_kept_for_good_and_what_a_leader_replaced_before_stays_too() -> None:
    member = member_with_past()
    member.adopt(THEIRS, 8)
    replaced = [f"old.{name}" for name in OURS]
    for number in range(2):
        member.store.disown_history()
        member.adopt(THEIRS, 8)
        assert [name for name in member.names() if name.startswith("old.")] == replaced
        assert len([name for name in member.names() if name.startswith("damaged.")]) == number + 1
    member.adopt(THEIRS, 9)
    assert member.names() == ["damaged.2.snapshot.8", "damaged.snapshot.8", "old.snapshot.8", "snapshot.9"]


def test_a_folder_that_a_start_refuses_can_be_disowned() -> None:
    member = member_with_past()
    disk = member.disk.crashed(KEEP_ALL)
    for name in ("snapshot.0", "snapshot.3", "snapshot.7"):
        data = disk.get(f"{DATA}/{name}")
        disk.rot(f"{DATA}/{name}", len(data) // 2, bytes([data[len(data) // 2] ^ 1]))
    store = FileTxnSnapLog(disk, "/data", "/data", StorageSettings())
    with pytest.raises(NoValidSnapshot):
        store.open()
    store.disown_history()
    assert disk.locked, "nobody else may use the folder"
    member.disk, member.store = disk, store
    member.adopt(THEIRS, 8)
    assert reborn(member).history == THEIRS[:8]


def test_a_truncation_that_damage_interrupts_is_not_waited_for() -> None:
    member = member_with_past()
    disk = member.disk
    with contextlib.suppress(Crashed):
        disk.crash_at = disk.changes + 6  # the plan is durable
        member.store.truncate(6)
    disk = disk.crashed(KEEP_ALL)
    assert disk.exists(f"{DATA}/{INTENT_FILE}")
    disk.rot(f"{DATA}/log.5", 40, b"\xff")
    store = FileTxnSnapLog(disk, "/data", "/data", StorageSettings())
    with pytest.raises(Corrupt):
        store.open()
    before = {name: disk.get(f"{DATA}/{name}") for name in disk.listdir(DATA)}
    store.disown_history()
    assert {name: disk.get(f"{DATA}/{name}") for name in disk.listdir(DATA)} == before
    with pytest.raises(Corrupt):
        FileTxnSnapLog(disk.crashed(), "/data", "/data", StorageSettings()).open()
    member.disk, member.store = disk, store
    member.adopt(THEIRS, 8)
    assert reborn(member).history == THEIRS[:8]


def test_after_a_crash_there_is_either_history_and_nothing_is_lost() -> None:
    for call in range(1, 200):
        member = member_with_past()
        before = contents(member)
        member.store.disown_history()
        member.disk.crash_at = member.disk.changes + call
        with contextlib.suppress(Crashed):
            member.adopt(THEIRS, 8)
        is_over = member.disk.changes < member.disk.crash_at
        for luck in LUCK:
            after = reborn(member, luck)
            assert after.history in (span(1, 10), THEIRS[:8])
            found = contents(after)
            kept = [found.get(name, found.get(f"damaged.{name}")) for name in OURS]
            assert kept == [before[name] for name in OURS], f"crash at {call}, {luck}"
        if is_over:
            return
    raise AssertionError("it does not end")


# --- epochs ---------------------------------------------------------------------------------------------


def epoch_files(**contents: bytes) -> EpochFiles:
    disk = SimDisk()
    for name, content in contents.items():
        disk.put(f"{DATA}/{name}", content)
    return EpochFiles(disk, DATA)


def test_promises_outlive_the_data() -> None:
    epochs = epoch_files(acceptedEpoch=b"7", currentEpoch=b"5")
    epochs.load_alone(5 << 32 | 17)
    assert (epochs.accepted, epochs.current) == (7, 5)


@pytest.mark.parametrize("content", [b"", b"x", b"-7"])
def test_whose_history_it_was_need_not_be_known(content: bytes) -> None:
    epochs = epoch_files(acceptedEpoch=b"7", currentEpoch=content)
    epochs.load_alone(-1)
    assert (epochs.accepted, epochs.current) == (7, 0)
    epochs.accept(Epoch(8))
    epochs.take_over(Epoch(8))


@pytest.mark.parametrize("files", [{}, {"acceptedEpoch": b""}, {"acceptedEpoch": b"x", "currentEpoch": b"5"}])
def test_without_a_promise_that_can_be_read_nothing_is_known(files: dict[str, bytes]) -> None:
    with pytest.raises(EpochError, match="acceptedEpoch"):
        epoch_files(**files).load_alone(-1)


def test_a_promise_that_cannot_be_true_is_none() -> None:
    with pytest.raises(EpochError, match="less than currentEpoch"):
        epoch_files(acceptedEpoch=b"4", currentEpoch=b"5").load_alone(-1)
    with pytest.raises(EpochError, match="older than a zxid of the data"):
        epoch_files(acceptedEpoch=b"4").load_alone(5 << 32 | 1)
