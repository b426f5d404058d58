"""Members whose disks have lost something that was durable: they get it back, and do no harm until then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from zoolet.jute.codes import PacketType
from zoolet.jute.ids import Sid
from zoolet.quorum.learner import Phase
from zoolet.storage.errors import Corrupt, EpochError, NoValidSnapshot
from zoolet.storage.sim_disk import KEEP_ALL, SimDisk
from zoolet.testing.simulation.mutations import applied
from zoolet.testing.simulation.rot import records
from zoolet.testing.simulation.scenario import Scenario, StoryClient, Violation

FOLDER = "/data/version-2"
PATIENCE_MS = 30_000
REFUSING: dict[str, Any] = {"zoolet.refetchDamagedData": "false"}
READ_ONLY: dict[str, Any] = {"readonlymode.enabled": "true"}


def started(story: Scenario) -> StoryClient:
    """All run, the last one leads, and there is a history of several transactions."""
    story.boot(*story.members)
    story.until_all_serve()
    client = story.client(at=story.leader)
    for number in range(5):
        client.create(f"/before{number}", b"x" * 50)
    story.until_equal()
    return client


def warnings(story: Scenario, text: str) -> list[str]:
    """What the members have warned of, in these words."""
    return [line for line in story.run.journal.lines if "warning: " in line and text in line]


def disk_of(story: Scenario, sid: int) -> SimDisk:
    return story.members[Sid(sid)].disk


def files(story: Scenario, sid: int, prefix: str) -> list[str]:
    return [name for name in disk_of(story, sid).listdir(FOLDER) if name.startswith(prefix)]


def in_a_record(story: Scenario, sid: int) -> None:
    """A bit of a record in the middle of the newest log is another one."""
    name = max(files(story, sid, "log."), key=lambda name: int(name[4:], 16))
    path, disk = f"{FOLDER}/{name}", disk_of(story, sid)
    at = records(disk, path)[3][0] + 60
    disk.rot(path, at, bytes([disk.get(path)[at] ^ 0x10]))


def zeroed(story: Scenario, sid: int) -> None:
    """From somewhere in the newest log on there are zeros: that looks like its end."""
    name = max(files(story, sid, "log."), key=lambda name: int(name[4:], 16))
    path, disk = f"{FOLDER}/{name}", disk_of(story, sid)
    at = records(disk, path)[1][0]
    disk.rot(path, at, bytes(len(disk.get(path)) - at))


def without_log(story: Scenario, sid: int) -> None:
    """The newest log is gone."""
    name = max(files(story, sid, "log."), key=lambda name: int(name[4:], 16))
    disk_of(story, sid).lose(f"{FOLDER}/{name}")


def no_snapshot_whole(story: Scenario, sid: int) -> None:
    """A bit in each snapshot is another one."""
    disk = disk_of(story, sid)
    for name in files(story, sid, "snapshot."):
        data = disk.get(f"{FOLDER}/{name}")
        disk.rot(f"{FOLDER}/{name}", len(data) // 2, bytes([data[len(data) // 2] ^ 1]))


def no_current_epoch(story: Scenario, sid: int) -> None:
    """`currentEpoch` holds no number."""
    disk_of(story, sid).rot(f"{FOLDER}/currentEpoch", 0, b"\xff")


DAMAGE = (in_a_record, zeroed, without_log, no_snapshot_whole, no_current_epoch)
Damage = Callable[[Scenario, int], None]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_member_comes_back_with_everything(damage: Damage) -> None:
    with Scenario(3) as story:
        client = started(story)
        story.kill(1)
        client.create("/while-it-was-down")
        before = {name: disk_of(story, 1).get(f"{FOLDER}/{name}") for name in files(story, 1, "")}
        durable = story.run.observer.durable[Sid(1)]
        durable.loses()
        damage(story, 1)
        story.boot(1)
        assert story.peer(1).last_zxid == -1
        assert files(story, 1, "damaged.") == []
        story.until_all_serve()
        assert story.sync_kinds(1)[-1] is PacketType.SNAP
        client.create("/afterwards")
        story.until_equal()

        logs_and_snapshots = [name for name in before if name.startswith(("log.", "snapshot."))]
        if damage is without_log:
            logs_and_snapshots.remove(max(name for name in before if name.startswith("log.")))
        assert files(story, 1, "damaged.") == sorted(f"damaged.{name}" for name in logs_and_snapshots)
        assert FOLDER in warnings(story, "has no say until")[0]
        assert "damaged." in warnings(story, "is a leader's now")[0]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_member_does_not_help_to_elect_a_leader_without_what_it_has_lost(damage: Damage) -> None:
    """Of three, 1 and 3 have a write, 2 lags behind; 1 is damaged, 3 stops: 1 and 2 are no quorum."""
    with Scenario(3) as story:
        client = started(story)
        story.cut(2)
        client.create("/only-on-1-and-3")
        story.kill(1)
        story.run.observer.durable[Sid(1)].loses()
        damage(story, 1)
        story.kill(3)
        story.heal(2)
        story.boot(1)
        story.pass_ms(PATIENCE_MS)
        assert story.peer(1).role is None
        assert story.peer(2).role is None
        story.boot(3)
        story.until_all_serve()
        assert story.leader == 3
        story.until_equal()
        assert all("/only-on-1-and-3" in story.peer(sid).database.tree.nodes for sid in (1, 2, 3))


@pytest.mark.parametrize(
    "mistake", ["a damaged member votes with what it can still read", "a damaged member votes with nothing"]
)
def test_that_story_fails_when_a_damaged_member_votes(mistake: str) -> None:
    with applied(mistake), pytest.raises((AssertionError, Violation)):
        test_a_damaged_member_does_not_help_to_elect_a_leader_without_what_it_has_lost(in_a_record)


def test_a_leader_whose_data_is_damaged_is_not_elected_again_by_those_who_still_follow_it() -> None:
    """It is back before anybody noticed, and all others say that it leads, in the same round."""
    with Scenario(3) as story:
        started(story)
        story.cut(3)
        story.kill(3)
        story.run.observer.durable[Sid(3)].loses()
        in_a_record(story, 3)
        story.heal(3)
        story.boot(3)
        story.until_led_by_one_of(1, 2)
        story.until_all_serve()
        story.until_equal()


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_only_a_restored_member_has_wins_against_who_lags_behind_in_the_same_epoch(
    damage: Damage,
) -> None:
    """1 has fetched everything, and 3, which it got that from, ends before it is written down."""
    with Scenario(3) as story:
        client = started(story)
        story.cut(2, 3)
        client.create("/only-on-1-and-3")
        story.kill(1)
        story.run.observer.durable[Sid(1)].loses()
        damage(story, 1)
        story.boot(1)
        member = story.members[Sid(1)]
        story.until(lambda: story.phase(1) is Phase.SAVING)
        member.disk_is_stuck = True
        story.kill(3)
        for stream in list(member.streams.values()):
            story.world.network.reset(stream)
        story.until(lambda: story.peer(1).role is None)
        member.release_disk()
        story.until_led_by_one_of(1, 2)
        assert story.leader == 1
        story.heal(2, 3)
        story.boot(3)
        story.until_all_serve()
        story.until_equal()
        assert all("/only-on-1-and-3" in story.peer(sid).database.tree.nodes for sid in (1, 2, 3))


def test_with_most_members_damaged_nothing_is_given_up() -> None:
    """They wait, say so again and again, and leave everything as it is; what is repaired by hand may vote."""
    with Scenario(3) as story:
        started(story)
        story.kill(1, 2, 3)
        for sid in (1, 2):
            story.run.observer.durable[Sid(sid)].loses()
            in_a_record(story, sid)
        before = [files(story, sid, "") for sid in (1, 2)]
        story.boot(1, 2, 3)
        story.pass_ms(5 * PATIENCE_MS)
        assert [story.peer(sid).role for sid in (1, 2, 3)] == [None, None, None]
        assert [files(story, sid, "") for sid in (1, 2)] == before
        reminders = warnings(story, "no leader has been found")
        assert len(reminders) >= 4
        assert all(
            "zoolet check /data --repair" in line and "damaged at offset" in line for line in reminders
        )


def test_a_crash_while_the_damaged_files_are_set_aside_leaves_all_of_them() -> None:
    """Every call to the disk from the start on is interrupted once."""
    calls_max = 60
    for call in range(1, calls_max):
        with Scenario(3) as story:
            started(story)
            story.kill(1)
            story.members[Sid(1)].disk = disk_of(story, 1).crashed(KEEP_ALL)  # the kernel has written it all
            story.run.observer.durable[Sid(1)].loses()
            in_a_record(story, 1)
            contents = {
                disk_of(story, 1).get(f"{FOLDER}/{name}")
                for name in (*files(story, 1, "log."), *files(story, 1, "snapshot."))
            }
            story.restart_when_lost()
            disk = disk_of(story, 1)
            disk.crash_at = disk.changes + call
            story.boot(1)
            story.pass_ms(3000)
            story.until_all_serve(1, 2, 3)
            story.until_equal()
            kept = {disk_of(story, 1).get(f"{FOLDER}/{name}") for name in files(story, 1, "damaged.")}
            assert contents <= kept, f"crash at call {call}"
            if disk_of(story, 1) is disk:
                break
    else:
        raise AssertionError(f"there are more than {calls_max} calls")


def test_a_member_that_is_damaged_twice_keeps_both_sets_of_files() -> None:
    with Scenario(3) as story:
        client = started(story)
        for number in range(2):
            story.kill(1)
            story.run.observer.durable[Sid(1)].loses()
            no_snapshot_whole(story, 1)
            story.boot(1)
            story.until_all_serve()
            client.create(f"/{number}")
            story.until_equal()
        assert len(files(story, 1, "damaged.")) == 4


def test_an_observer_that_is_damaged_comes_back_with_everything() -> None:
    with Scenario(3, 1) as story:
        client = started(story)
        story.kill(4)
        in_a_record(story, 4)
        story.boot(4)
        assert story.peer(4).last_zxid == -1
        story.until_all_serve()
        client.create("/afterwards")
        story.until_equal()
        assert files(story, 4, "damaged.log.")


def test_what_was_promised_must_be_known() -> None:
    """Without `acceptedEpoch` a damaged member might follow a leader that it has promised to refuse."""
    for content in (None, b"", b"x", b"0"):
        with Scenario(3) as story:
            started(story)
            story.kill(1)
            in_a_record(story, 1)
            disk = disk_of(story, 1)
            if content is None:
                disk.lose(f"{FOLDER}/acceptedEpoch")
            else:
                disk.put(f"{FOLDER}/acceptedEpoch", content)
            story.run.observer.expected_deaths.add(Sid(1))
            with pytest.raises((Corrupt, EpochError)):
                start_plainly(story, 1)
            assert files(story, 1, "damaged.") == []


def start_plainly(story: Scenario, sid: int) -> None:
    """Start a member, and let through what its peer raises."""
    member = story.members[Sid(sid)]
    raised: list[Exception] = []
    guarded = member._guarded

    def passing(action: Callable[[], None]) -> bool:
        def noted() -> None:
            try:
                action()
            except Exception as error:
                raised.append(error)
                raise

        return guarded(noted)

    member._guarded = passing  # type: ignore[method-assign]
    member.boot()
    member._guarded = guarded  # type: ignore[method-assign]
    if raised:
        raise raised[0]


def test_it_can_be_switched_off() -> None:
    with Scenario(3, **REFUSING) as story:
        started(story)
        story.kill(1)
        in_a_record(story, 1)
        story.run.observer.expected_deaths.add(Sid(1))
        with pytest.raises(Corrupt, match="is damaged at offset"):
            start_plainly(story, 1)


def test_a_member_whose_whole_history_is_gone_is_not_taken_for_a_new_one() -> None:
    """Its epochs show that it once was there; a file `initialize` says that it is meant to be empty."""
    with Scenario(3) as story:
        client = started(story)
        story.kill(1)
        for name in files(story, 1, ""):
            if "Epoch" not in name:
                disk_of(story, 1).lose(f"{FOLDER}/{name}")
        story.boot(1)
        assert story.peer(1).last_zxid == -1
        story.until_all_serve()
        client.create("/afterwards")
        story.until_equal()


def test_with_refetching_switched_off_a_member_whose_whole_history_is_gone_does_not_start() -> None:
    with Scenario(3, **REFUSING) as story:
        started(story)
        story.kill(1)
        for name in files(story, 1, ""):
            if "Epoch" not in name:
                disk_of(story, 1).lose(f"{FOLDER}/{name}")
        story.run.observer.expected_deaths.add(Sid(1))
        with pytest.raises(NoValidSnapshot, match="neither snapshots nor logs, but epochs"):
            start_plainly(story, 1)


def test_no_read_only_client_is_shown_the_empty_tree_of_a_damaged_member() -> None:
    with Scenario(3, **READ_ONLY) as story:
        started(story)
        story.kill(1, 2, 3)
        in_a_record(story, 1)
        story.boot(1)
        story.pass_ms(PATIENCE_MS)
        assert not story.peer(1).server.is_serving
        story.boot(2, 3)
        story.until_all_serve()
        story.until_equal()


# --- damage that is met while running -------------------------------------------------------------------


def test_a_learner_gets_a_snapshot_where_the_leaders_log_cannot_be_read() -> None:
    with Scenario(3, committed_count=1, snapshotSizeFactor="1000") as story:
        client = started(story)
        story.kill(1)
        for number in range(5):
            client.create(f"/while-it-was-down{number}")
        assert story.leader == 3
        in_a_record(story, 3)
        story.boot(1)
        story.until_all_serve()
        assert story.sync_kinds(1)[-1] is PacketType.SNAP
        assert warnings(story, "cannot be read for a learner, which gets a snapshot instead")


@pytest.mark.parametrize(("damage", "prefix"), [(in_a_record, "damaged."), (without_log, "old.")])
def test_a_member_that_cannot_truncate_its_log_begins_anew(damage: Damage, prefix: str) -> None:
    with Scenario(3) as story:
        client = started(story)
        story.cut(3)
        client.ask_create("/only-on-3")
        story.until(lambda: story.peer(3).role is not None and bool(story.peer(3).role._outstanding))
        story.until(lambda: story.peer(3).idle)
        story.kill(3)
        story.until_led_by_one_of(1, 2)
        story.boot(3)
        # What a start has read is damaged before the leader says TRUNC.
        damage(story, 3)
        story.run.observer.durable[Sid(3)].loses()
        story.heal(3)
        story.until_all_serve()
        assert story.sync_kinds(3) == [PacketType.TRUNC, PacketType.SNAP]
        assert warnings(story, "has no say until")
        story.client(at=1).create("/afterwards")
        story.until_equal()
        assert f"{prefix}snapshot.0" in files(story, 3, "")
