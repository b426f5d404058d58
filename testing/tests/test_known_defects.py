"""Defects that the original had (or has) in ZAB, each as a story that must end well here.

The number is that of the ZOOKEEPER issue. In every story all invariants of the simulation are watched, so
most of them end with ``until_equal``: equal trees, and disks from which everybody would come back with them.
Not here, because they are about files and not about the protocol: 2325, 2332, 3231, 4269 (``storage/tests``).
"""

from __future__ import annotations

import pytest
from zoolet.jute.codes import CreateMode, PacketType
from zoolet.jute.ids import Sid, Zxid, epoch_of
from zoolet.quorum.learner import Phase
from zoolet.testing.simulation.member import SimMember
from zoolet.testing.simulation.scenario import Scenario, StoryClient


def three(**settings: object) -> Scenario:
    """Three members; nothing is taken from the disk but what was synced."""
    return Scenario(3, **settings)  # type: ignore[arg-type]


def started(story: Scenario) -> StoryClient:
    """All run, 3 leads (it has the largest number), and a client of 3 has made /a."""
    story.boot(*story.members)
    story.until_all_serve()
    assert story.leader == 3
    client = story.client(at=3)
    client.create("/a", b"0")
    story.until_equal()
    return client


def with_tail_on(story: Scenario, client: StoryClient, sid: int, *values: bytes) -> None:
    """The leader logs writes that no other member gets."""
    assert story.leader == sid
    for other in story.members:
        if other != sid:
            story.cut(sid, other)
    for value in values:
        client.ask_create(f"/{value.decode()}", value)
    story.until(
        lambda: story.peer(sid).role is not None and len(story.peer(sid).role._outstanding) == len(values)
    )
    story.until(lambda: story.peer(sid).idle, "the tail is on the leader's disk")


def test_1277_the_counter_of_an_epoch_never_overflows() -> None:
    with three(**{"testingonly.initialZxid": 0xFFFFFFFC}) as story:
        client = started(story)
        for number in range(12):
            if not client.client.is_connected:
                story.until(lambda: client.client.is_connected)
            client.client.timeout_ms = 60_000
            epoch = story.peer(story.leader).epochs.current
            client.ask_set("/a", b"%d" % number)
            story.pass_ms(3000)
            story.until_all_serve()
            assert story.peer(story.leader).epochs.current >= epoch
        assert epoch_of(Zxid(story.last(1))) > 3, "epochs were used up one after the other"
        story.until_equal()


def test_2307_and_2354_a_crash_between_the_epoch_files_does_not_keep_a_member_from_starting() -> None:
    """Every call to the disk of a follower that takes over a new epoch is interrupted once."""
    for call in range(1, 40):
        with three() as story:
            started(story)
            story.kill(3)
            story.until_all_serve(1, 2)
            story.boot(3)
            story.until_all_serve()
            leader = story.leader
            follower = 1 if leader != 1 else 2
            story.client(at=leader).set("/a", b"1")
            story.kill(leader)
            disk = story.members[Sid(follower)].disk
            disk.crash_at = disk.changes + call
            story.pass_ms(3000)
            if story.members[Sid(follower)].is_up:
                return  # the last call has been reached
            story.boot(follower, leader)
            story.until_all_serve()
            story.until_equal()
    pytest.fail("there is no end to the calls")


def test_2845_an_old_leaders_uncommitted_txns_are_not_in_its_tree_when_they_were_never_committed() -> None:
    with three() as story:
        client = started(story)
        with_tail_on(story, client, 3, b"dead1", b"dead2")
        story.until_led_by_one_of(1, 2)
        survivor = story.client(at=story.leader)
        survivor.set("/a", b"kept")
        story.heal(3)
        story.until_all_serve()
        story.until_equal()
        assert story.client(at=3).get("/a") == b"kept"
        assert story.client(at=3).get("/dead1") is None


def test_2845_a_leader_that_is_elected_again_has_its_uncommitted_txns_committed_everywhere() -> None:
    """The tail is in the log of the only member with it, so it wins the election; its tree has to have it."""
    with three() as story:
        client = started(story)
        story.kill(1, 2)
        client.ask_set("/a", b"tail")
        story.until(lambda: story.peer(3).role is None or story.peer(3).idle)
        story.pass_ms(20)
        story.boot(1, 2)
        story.until_all_serve()
        story.until_equal()
        values = {story.client(at=sid).get("/a") for sid in (1, 2, 3)}
        assert values == {b"tail"}


@pytest.mark.parametrize("behind_ms", [0, 1, 2, 5])
def test_3911_4646_4685_a_follower_that_acks_newleader_has_everything_on_disk(behind_ms: float) -> None:
    """The new leader's history counts as committed then; all lose their power right behind the ack."""
    with three() as story:
        client = started(story)
        story.cut(3, 1)
        story.cut(2, 1)
        for value in (b"1", b"2", b"3"):
            client.set("/a", value)  # 2 and 3 have it, 1 has not
        story.lose_power(3)
        story.heal(1, 2)
        story.heal(1, 3)
        acked: list[int] = []
        story.when(PacketType.ACK, lambda sender, receiver: acked.append(sender.sid), sender=1, receiver=2)
        story.until(lambda: bool(acked), "1 acknowledges 2 as the leader")
        story.pass_ms(behind_ms)
        story.lose_power(1, 2)
        # 1 alone has to know it, whoever else comes back.
        story.boot(1, 3)
        story.until_all_serve(1, 3)
        assert story.client(at=1).get("/a") == b"3"
        story.boot(2)
        story.until_all_serve()
        story.until_equal()


def test_4643_the_epoch_is_not_taken_over_before_the_txns_that_come_with_it() -> None:
    """With the epoch and without the txns 1 would win against those that have them, and cut them off."""
    for call in range(1, 60):
        with three() as story:
            client = started(story)
            story.cut(3, 1)
            story.cut(2, 1)
            client.set("/a", b"committed")
            story.lose_power(3)
            disk = story.members[Sid(1)].disk
            story.heal(1, 2)
            story.heal(1, 3)
            disk.crash_at = disk.changes + call
            story.pass_ms(2500)
            crashed = not story.members[Sid(1)].is_up
            disk.crash_at = -1
            story.kill(2)
            if crashed:
                story.boot(1)
            story.boot(3)
            story.until_all_serve(1, 3)
            assert story.client(at=1).get("/a") == b"committed"
            if not crashed:
                return
    pytest.fail("there is no end to the calls")


def test_3023_4394_proposals_under_way_while_a_follower_joins_are_committed_in_their_turn() -> None:
    """DIFF, PROPOSAL, COMMIT, PROPOSAL, NEWLEADER, UPTODATE, COMMIT."""
    with three() as story:
        client = started(story)
        story.kill(1)
        client.set("/a", b"1")
        story.members[Sid(2)].disk_is_stuck = True
        client.ask_set("/a", b"2")
        client.ask_set("/a", b"3")
        story.pass_ms(50)
        proposed: list[PacketType] = []
        story.boot(1)
        story.until(lambda: story.phase(1) is Phase.AWAIT_SERVING or story.phase(1) is Phase.BROADCAST)
        story.members[Sid(2)].release_disk()
        story.until_all_serve()
        story.until_equal()
        proposed = [kind for _, to, kind in story.packets if to == 1 and kind != PacketType.PING]
        newleader = len(proposed) - 1 - proposed[::-1].index(PacketType.NEWLEADER)
        assert proposed[newleader - 1] is PacketType.PROPOSAL, "it was under way"
        assert story.client(at=1).get("/a") == b"3"


def test_4785_nothing_that_a_diff_brought_is_lost_when_the_follower_is_bounced() -> None:
    with three() as story:
        client = started(story)
        story.kill(1)
        for number in range(20):
            client.set("/a", b"%d" % number)
        story.boot(1)
        story.when(PacketType.ACK, lambda sender, receiver: story.lose_power(1), sender=1)
        story.until(lambda: not story.members[Sid(1)].is_up)
        story.lose_power(2)
        story.boot(1)
        story.until_all_serve(1, 3)
        story.lose_power(3)
        story.boot(2)
        story.until_all_serve(1, 2)
        assert story.client(at=2).get("/a") == b"19"


def test_4712_what_was_on_its_way_to_the_log_when_a_role_ended_comes_to_rest_before_the_election() -> None:
    with three() as story:
        client = started(story)
        story.members[Sid(1)].disk_is_stuck = True
        client.set("/a", b"1")
        client.ask_set("/a", b"2")
        story.pass_ms(30)
        story.cut(1)
        story.until(lambda: story.peer(1).role is None, "1 gives up")
        story.pass_ms(3000)
        assert not story.peer(1).idle
        assert story.peer(1).election.decided is not None, "it has not begun to look"
        story.members[Sid(1)].release_disk()
        story.heal(1)
        story.until_all_serve()
        story.until_equal()


def test_4925_a_follower_that_was_synchronised_has_no_hole_in_its_committed_log() -> None:
    with three(committed_count=50) as story:
        client = started(story)
        story.kill(1)
        client.set("/a", b"1")
        client.set("/a", b"2")
        story.boot(1)
        story.until_all_serve()
        client.set("/a", b"3")
        story.until_equal()
        window = [zxid for zxid, _ in story.peer(1).committed.entries]
        assert window == list(range(window[0], window[-1] + 1)), "without a gap"


def test_4925_a_stale_member_is_not_led_over_a_hole_by_a_leader_that_was_stale_itself() -> None:
    with Scenario(5) as story:
        story.boot(1, 2, 3, 4, 5)
        story.until_all_serve()
        client = story.client(at=5)
        client.create("/a", b"0")
        story.until_equal()
        story.kill(1, 5)
        story.until_led_by_one_of(2, 3, 4)
        client = story.client(at=4)
        client.create("/b", b"1")
        client.create("/c", b"2")
        story.boot(5)
        story.until_all_serve(2, 3, 4, 5)
        client.set("/a", b"3")
        story.until_equal()
        story.kill(4)
        story.until_led_by_one_of(5, 2, 3)
        assert story.leader == 5, "the one that was stale"
        story.boot(1)
        story.until_all_serve(1, 2, 3, 5)
        story.until_equal()
        assert story.client(at=1).get("/c") == b"2"


def snapped(story: Scenario, sid: int) -> StoryClient:
    """A member is so far behind that it gets a snapshot; it is down."""
    client = started(story)
    story.kill(sid)
    for number in range(8):
        client.set("/a", b"%d" % number)
    return client


FAR_BEHIND: dict[str, object] = {"committed_count": 2, "snapshotSizeFactor": -1}


@pytest.mark.parametrize("victim", ["leader", "both"])
def test_2872_3642_an_interrupted_snapshot_leaves_the_old_history(victim: str) -> None:
    """Between SNAP and NEWLEADER the leader goes away; the next one must not think that 1 has it all."""
    with three(**FAR_BEHIND, chunk_bytes=200) as story:
        snapped(story, 1)
        story.when(PacketType.SNAP, lambda sender, receiver: story.lose_power(sender), receiver=1)
        story.boot(1)
        story.until(lambda: not story.members[Sid(3)].is_up, "SNAP was sent")
        if victim == "both":
            story.pass_ms(1)
            story.lose_power(1)
            story.boot(1)
        story.until_all_serve(1, 2)
        story.lose_power(2)
        story.lose_power(1)
        story.boot(1, 2)
        story.until_all_serve(1, 2)
        assert story.client(at=1).get("/a") == b"7"
        story.boot(3)
        story.until_all_serve()
        story.until_equal()


@pytest.mark.parametrize("call", range(1, 30, 3))
def test_2872_a_crash_while_a_leaders_snapshot_is_written_leaves_a_member_that_starts(call: int) -> None:
    with three(**FAR_BEHIND) as story:
        client = snapped(story, 1)
        disk = story.members[Sid(1)].disk

        def arm(sender: SimMember, receiver: SimMember) -> None:
            disk.crash_at = disk.changes + call

        story.when(PacketType.NEWLEADER, arm, receiver=1)
        story.boot(1)
        disk = story.members[Sid(1)].disk
        story.pass_ms(2000)
        if not story.members[Sid(1)].is_up:
            story.boot(1)
        story.until_all_serve()
        client.set("/a", b"after")
        story.until_equal()


def test_3104_newleader_is_behind_the_whole_snapshot_and_acked_when_it_is_on_disk() -> None:
    with three(**FAR_BEHIND, chunk_bytes=200) as story:
        client = snapped(story, 1)
        story.members[Sid(1)].disk_is_stuck = True
        story.boot(1)
        story.until(lambda: story.phase(1) is Phase.SAVING, "the tree is there")
        for number in range(5):
            client.set("/a", b"meanwhile %d" % number)
        assert (1, 3, PacketType.ACK) not in story.packets[-40:] or story.phase(1) is Phase.SAVING
        acks = [packet for packet in story.packets if packet == (1, 3, PacketType.ACK)]
        story.pass_ms(100)
        assert acks == [packet for packet in story.packets if packet == (1, 3, PacketType.ACK)]
        story.members[Sid(1)].release_disk()
        story.until_all_serve()
        story.until_equal()
        assert PacketType.SNAP in story.sync_kinds(1)


def test_3127_a_snapshot_never_holds_half_a_multi() -> None:
    """Operations of a multi have one zxid; a tree is never seen between them."""
    with three(snapCount=2) as story:
        client = started(story)
        client.create("/b", b"0")
        for number in range(10):
            client.multi_set({"/a": b"%d" % number, "/b": b"%d" % number})
            story.lose_power(1)
            story.boot(1)
            story.until_all_serve()
            reader = story.client(at=1)
            assert reader.get("/a") == reader.get("/b") == b"%d" % number
        story.until_equal()


def test_3701_4882_a_member_whose_disk_fails_ends_and_has_no_hole_when_it_comes_back() -> None:
    """Commits do not wait for a follower's own disk; its tree may be ahead of its log."""
    with three() as story:
        client = started(story)
        failing = story.members[Sid(1)]
        failing.disk.fail_at = failing.disk.changes + 1
        story.run.observer.expected_deaths.add(Sid(1))
        client.set("/a", b"1")
        client.set("/a", b"2")
        story.until(lambda: not failing.is_up, "1 ends because of its disk")
        client.set("/a", b"3")
        story.boot(1)
        story.until_all_serve()
        story.lose_power(1)
        story.boot(1)
        story.until_all_serve()
        story.until_equal()
        assert story.client(at=1).get("/a") == b"3"


def test_3701_no_snapshot_is_left_of_a_tree_that_never_came_to_be() -> None:
    """The disk is full when the leader's tree is to be written: the member ends with its old history."""
    with three(**FAR_BEHIND) as story:
        snapped(story, 1)
        member = story.members[Sid(1)]

        def arm(sender: SimMember, receiver: SimMember) -> None:
            member.disk.fail_at = member.disk.changes + 2
            story.run.observer.expected_deaths.add(Sid(1))

        story.when(PacketType.NEWLEADER, arm, receiver=1)
        story.boot(1)
        story.until(lambda: not member.is_up, "1 ends because of its disk")
        story.boot(1)
        story.until_all_serve()
        story.until_equal()


def test_4352_a_leader_without_committed_txns_in_memory_sends_nothing_for_everything() -> None:
    """A leader that has just come back knows no txns; a member behind it still gets them all."""
    with three() as story:
        client = started(story)
        story.kill(1)
        client.set("/a", b"1")
        client.create("/e", b"", CreateMode.EPHEMERAL)
        story.kill(2, 3)
        story.boot(2, 3)
        story.until_all_serve(2, 3)
        story.boot(1)
        story.until_all_serve()
        story.until_equal()
        assert story.client(at=1).get("/a") == b"1"


def test_5094_an_interrupted_truncation_leaves_a_history_that_is_on_disk() -> None:
    """1 has a tail that nobody has; it is told to cut it off, and the leader goes before NEWLEADER."""
    for call in range(1, 30):
        with three() as story:
            client = started(story)
            with_tail_on(story, client, 3, b"dead1", b"dead2")
            story.until_led_by_one_of(1, 2)
            story.heal(3)
            disk = story.members[Sid(3)].disk
            disk.crash_at = disk.changes + call
            story.pass_ms(3000)
            crashed = not story.members[Sid(3)].is_up
            disk.crash_at = -1
            if crashed:
                story.boot(3)
            story.until_all_serve()
            assert PacketType.TRUNC in story.sync_kinds(3) or PacketType.SNAP in story.sync_kinds(3)
            story.until_equal()
            if not crashed:
                return
    pytest.fail("there is no end to the calls")


@pytest.mark.parametrize("call", range(1, 13))
@pytest.mark.parametrize("voters", [3, 5])
def test_what_a_killed_process_left_unsynced_is_not_counted_as_durable_by_the_next_one(
    voters: int, call: int
) -> None:
    """``kill -9`` in the middle of a write: the next process reads from the cache what is not on the disk.

    The wiretap compares what a member acknowledges with what it would find after a power loss.
    """
    with Scenario(voters) as story:
        story.boot(*story.members)
        story.until_all_serve()
        others = [sid for sid in story.members if sid != story.leader]
        member = story.members[Sid(1)]
        member.crash_is_kill = True
        member.disk.crash_at = member.disk.changes + call
        story.restart_when_lost()
        leader = story.leader
        story.kill(leader)
        story.until_led_by_one_of(*others)
        story.boot(leader)
        story.until_all_serve(*story.members)
        story.client(at=2).create("/b")
        story.until_equal()
