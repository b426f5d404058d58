"""After a purge there are so many snapshots, and whatever a start restores is what it was before."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zoolet.storage.errors import DiskError
from zoolet.storage.file_names import list_logs, list_snapshots
from zoolet.storage.purge import PurgePlan, carry_out, plan_purge
from zoolet.storage.sim_disk import LOSE_ALL, SimDisk
from zoolet.storage.tests.test_history import DATA, Member, reborn, span


def member_with_snapshots(*zxids: int, until: int) -> Member:
    """A server that took snapshots at these zxids, of which each begins a new log, and wrote on."""
    member = Member(SimDisk())
    last = 0
    for zxid in zxids:
        member.write(span(last + 1, zxid))
        member.save(zxid, zxid)
        last = zxid
    member.write(span(last + 1, until))
    return member


def purge(member: Member, retain_count: int = 3) -> list[str]:
    """The names of what went."""
    plan = plan_purge(member.disk, DATA, DATA, retain_count)
    return [stored.name for stored in carry_out(member.disk, plan)]


def names(member: Member) -> set[str]:
    return {stored.name for stored in [*list_snapshots(member.disk, DATA), *list_logs(member.disk, DATA)]}


def test_the_newest_snapshots_stay_and_the_logs_behind_them() -> None:
    member = member_with_snapshots(3, 6, 9, 12, until=14)
    assert purge(member) == ["snapshot.0", "snapshot.3", "log.1"]
    # log.4 holds nothing behind snapshot.6; but it is the one before, as in the original.
    assert names(member) == {"snapshot.6", "snapshot.9", "snapshot.c", "log.4", "log.7", "log.a", "log.d"}
    assert reborn(member).history == span(1, 14)


def test_nothing_is_left_to_do_the_second_time() -> None:
    member = member_with_snapshots(3, 6, 9, 12, until=14)
    purge(member)
    assert purge(member) == []


def test_a_snapshot_in_the_middle_of_a_log_needs_that_log() -> None:
    member = member_with_snapshots(3, until=5)
    for zxid in (6, 8, 10):
        member.fill(member.store.snap_store.begin(zxid), span(1, zxid), zxid).finish()
        member.write(span(member.history[-1][0] + 1, zxid + 2))
    assert purge(member) == ["snapshot.0", "snapshot.3", "log.1"]
    assert reborn(member).history == span(1, 12)


def test_fewer_snapshots_than_asked_for_are_all_kept() -> None:
    member = member_with_snapshots(3, until=4)
    before = names(member)
    assert purge(member) == []
    assert names(member) == before


def test_a_count_below_three_is_refused() -> None:
    with pytest.raises(ValueError, match="3"):
        plan_purge(SimDisk(), DATA, DATA, 2)


def test_a_damaged_snapshot_is_none_of_those_that_stay() -> None:
    """ZOOKEEPER-3231: with the newest ones damaged, the original purged what a start had to fall back to."""
    member = member_with_snapshots(3, 6, 9, 12, until=14)
    path = f"{DATA}/snapshot.c"
    content = bytearray(member.disk.get(path))
    content[20] ^= 1
    member.disk.put(path, bytes(content))
    assert purge(member) == ["snapshot.0"]
    assert "snapshot.c" in names(member), "it is newer than what stays"


def test_nothing_goes_while_no_snapshot_is_whole() -> None:
    member = member_with_snapshots(3, until=5)
    for stored in list_snapshots(member.disk, DATA):
        member.disk.put(stored.path, b"")
    before = names(member)
    assert purge(member) == []
    assert names(member) == before


def test_what_is_set_aside_or_under_construction_is_left_alone() -> None:
    member = member_with_snapshots(3, 6, 9, 12, until=14)
    others = {"old.snapshot.1", "old.log.1", "new.snapshot.2", "log.1.bak", "currentEpoch", "snapshot.1.txt"}
    for name in others:
        member.disk.put(f"{DATA}/{name}", b"x")
    purge(member)
    assert others <= set(member.disk.listdir(DATA))


def test_nothing_goes_while_the_history_is_being_changed() -> None:
    member = member_with_snapshots(3, 6, 9, 12, until=14)
    plan = plan_purge(member.disk, DATA, DATA, 3)
    member.disk.put(f"{DATA}/.zoolet.intent", b"truncate 5\n")
    assert list(carry_out(member.disk, plan)) == []
    assert plan_purge(member.disk, DATA, DATA, 3).keep == ()


def test_it_ends_when_what_was_to_stay_does_not() -> None:
    member = member_with_snapshots(3, 6, 9, 12, until=14)
    plan = plan_purge(member.disk, DATA, DATA, 3)
    member.disk.unlink(f"{DATA}/snapshot.9")
    assert list(carry_out(member.disk, plan)) == []


def test_what_somebody_else_removed_is_passed_over() -> None:
    member = member_with_snapshots(3, 6, 9, 12, until=14)
    plan = plan_purge(member.disk, DATA, DATA, 3)
    member.disk.unlink(f"{DATA}/log.1")
    assert [stored.name for stored in carry_out(member.disk, plan)] == ["snapshot.0", "snapshot.3"]


def test_a_leaders_snapshot_may_be_adopted_while_old_files_go() -> None:
    member = member_with_snapshots(3, 6, 9, 12, until=14)
    plan = plan_purge(member.disk, DATA, DATA, 3)
    steps = carry_out(member.disk, plan)
    next(steps)
    member.adopt(span(1, 20, "theirs"), 20)
    assert list(steps) == []
    assert reborn(member).history == span(1, 20, "theirs")


@given(
    gaps=st.lists(st.integers(1, 4), min_size=1, max_size=8),
    rest=st.integers(1, 4),
    retain_count=st.integers(3, 5),
    crash_after=st.none() | st.integers(0, 12),
)
@settings(max_examples=60, deadline=None)
def test_a_start_restores_what_it_did_before(
    gaps: list[int], rest: int, retain_count: int, crash_after: int | None
) -> None:
    zxids = [sum(gaps[: index + 1]) for index in range(len(gaps))]
    member = member_with_snapshots(*zxids, until=zxids[-1] + rest)
    plan: PurgePlan = plan_purge(member.disk, DATA, DATA, retain_count)
    for step, _ in enumerate(carry_out(member.disk, plan)):
        if step == crash_after:
            break
    found = Member(member.disk.crashed(LOSE_ALL))
    assert found.history == span(1, zxids[-1] + rest)
    # A damaged newest snapshot is made up for by those that stayed, as long as there are three.
    newest = list_snapshots(found.disk, DATA)[0]
    if len(list_snapshots(found.disk, DATA)) > 1:
        found.disk.put(newest.path, found.disk.get(newest.path)[:-1])
        assert Member(found.disk.crashed()).history == span(1, zxids[-1] + rest)


def test_a_disk_that_fails_is_said() -> None:
    member = member_with_snapshots(3, 6, 9, 12, until=14)
    plan = plan_purge(member.disk, DATA, DATA, 3)
    member.disk.fail_at = member.disk.changes + 1
    with pytest.raises(DiskError):
        list(carry_out(member.disk, plan))
