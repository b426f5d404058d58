"""DIFF, TRUNC or SNAP: each case of the table, and that every plan makes a learner's history the leader's."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoolet.jute.codes import PacketType
from zoolet.jute.ids import Zxid
from zoolet.quorum.sync_plan import Proposal, SyncPlan, plan_sync

DIFF, TRUNC, SNAP = PacketType.DIFF, PacketType.TRUNC, PacketType.SNAP


def z(epoch: int, counter: int) -> Zxid:
    return Zxid(epoch << 32 | counter)


def txns(*zxids: int) -> list[Proposal]:
    return [(Zxid(zxid), b"txn %x" % zxid) for zxid in zxids]


def epoch(number: int, first: int, last: int) -> list[Proposal]:
    return txns(*(z(number, counter) for counter in range(first, last + 1)))


@dataclass
class Leader:
    """A leader with a log, of which the last txns are in memory too."""

    history: list[Proposal]
    window: int = 3
    logged_from: int = 0
    """Older ones are only in a snapshot."""
    started_epoch: int = 0
    """Set once it serves: then what it processed last is (epoch, 0), until there is a txn."""
    reads: list[tuple[Zxid, Zxid]] = field(default_factory=list)

    @property
    def last_processed(self) -> Zxid:
        last = Zxid(self.history[-1][0] if self.history else 0)
        return max(last, z(self.started_epoch, 0))

    def read_log(self, after: Zxid, to: Zxid) -> list[Proposal] | None:
        self.reads.append((after, to))
        log = self.history[self.logged_from :]
        older = [index for index, (zxid, _) in enumerate(log) if zxid <= after]
        return [txn for txn in log[older[-1] :] if txn[0] <= to] if older else None

    def plan(self, learner_zxid: int, *, disk: bool = True, force_snapshot: bool = False) -> SyncPlan:
        return plan_sync(
            Zxid(learner_zxid),
            self.last_processed,
            deque(self.history[-self.window :] if self.window else []),
            read_log=self.read_log if disk else None,
            force_snapshot=force_snapshot,
        )


def short(plan: SyncPlan) -> tuple[PacketType, int, list[int], int]:
    return plan.kind, plan.zxid, [zxid for zxid, _ in plan.proposals], plan.forward_after


LEADER = Leader(epoch(1, 1, 9), started_epoch=1)


# --- the cases of the table -----------------------------------------------------------------------------


def test_learner_in_step_gets_an_empty_diff() -> None:
    assert short(LEADER.plan(z(1, 9))) == (DIFF, z(1, 9), [], z(1, 9))


def test_snapshot_can_be_forced_even_for_a_learner_in_step() -> None:
    assert short(LEADER.plan(z(1, 9), force_snapshot=True)) == (SNAP, z(1, 9), [], z(1, 9))


def test_learner_ahead_is_truncated_to_the_last_committed() -> None:
    assert short(LEADER.plan(z(1, 12))) == (TRUNC, z(1, 9), [], z(1, 9))


def test_truncation_to_the_last_committed_may_cross_epochs() -> None:
    leader = Leader(epoch(1, 1, 9), started_epoch=3)
    assert short(leader.plan(z(2, 4))) == (TRUNC, z(1, 9), [], z(1, 9))


def test_learner_ahead_at_the_start_of_an_epoch_gets_a_snapshot() -> None:
    """There is no such txn in its log: it cannot cut there."""
    leader = Leader(epoch(1, 1, 9), started_epoch=3)
    assert short(leader.plan(z(2, 0))) == (SNAP, z(3, 0), [], z(3, 0))


def test_learner_in_the_window_gets_what_follows() -> None:
    assert short(LEADER.plan(z(1, 7))) == (DIFF, z(1, 9), [z(1, 8), z(1, 9)], z(1, 9))
    assert LEADER.reads == []


def test_proposals_keep_their_payload() -> None:
    assert LEADER.plan(z(1, 8)).proposals == [(z(1, 9), b"txn 100000009")]


def test_learner_at_the_end_of_the_window_of_a_new_leader_gets_an_empty_diff_up_to_there() -> None:
    """The leader's last processed is the start of its epoch by then; nothing but forwarding is left."""
    leader = Leader(epoch(1, 1, 9), started_epoch=2)
    assert short(leader.plan(z(1, 9))) == (DIFF, z(1, 9), [], z(1, 9))


def test_learner_with_a_txn_we_never_had_is_cut_back_to_the_one_before() -> None:
    leader = Leader(txns(z(1, 1), z(1, 2), z(1, 4), z(1, 5)), window=4)
    assert short(leader.plan(z(1, 3))) == (TRUNC, z(1, 2), [z(1, 4), z(1, 5)], z(1, 5))


def test_dead_tail_of_an_older_epoch_needs_a_snapshot() -> None:
    """TRUNC must not cross epochs: once the new epoch has txns, an old leader's tail cannot be cut off."""
    leader = Leader([*epoch(1, 7, 8), *epoch(2, 1, 2)], window=4)
    assert short(leader.plan(z(1, 9))) == (SNAP, z(2, 2), [], z(2, 2))


def test_start_of_an_epoch_in_the_window_is_taken_for_known() -> None:
    leader = Leader([*epoch(1, 7, 8), *epoch(2, 1, 2)], window=4)
    assert short(leader.plan(z(2, 0))) == (DIFF, z(2, 2), [z(2, 1), z(2, 2)], z(2, 2))


def test_learner_behind_the_window_is_helped_from_disk() -> None:
    leader = Leader(epoch(1, 1, 9))
    plan = leader.plan(z(1, 2))
    assert short(plan) == (DIFF, z(1, 9), [z(1, counter) for counter in range(3, 10)], z(1, 9))
    assert leader.reads == [(z(1, 2), z(1, 7))]


def test_dead_tail_behind_the_window_needs_a_snapshot_too() -> None:
    leader = Leader([*epoch(1, 1, 4), *epoch(2, 1, 9)])
    assert short(leader.plan(z(1, 5))) == (SNAP, z(2, 9), [], z(2, 9))


def test_start_of_an_epoch_behind_the_window_gets_diff_from_disk() -> None:
    leader = Leader([*epoch(1, 1, 4), *epoch(2, 1, 9)])
    assert short(leader.plan(z(2, 0)))[:2] == (DIFF, z(2, 9))


def test_without_disk_what_is_behind_the_window_gets_a_snapshot() -> None:
    assert short(LEADER.plan(z(1, 6), disk=False)) == (SNAP, z(1, 9), [], z(1, 9))


def test_log_that_does_not_reach_back_leads_to_a_snapshot() -> None:
    leader = Leader(epoch(1, 1, 9), logged_from=4)
    assert leader.plan(z(1, 5)).kind is DIFF
    assert leader.plan(z(1, 4)).kind is SNAP


def test_log_that_starts_behind_the_learner_leads_to_a_snapshot_even_if_it_is_handed_out() -> None:
    plan = plan_sync(z(1, 2), z(1, 9), epoch(1, 7, 9), read_log=lambda *_: epoch(1, 3, 9))
    assert plan.kind is SNAP


def test_empty_learner_facing_a_leader_that_has_logged_nothing_gets_a_snapshot() -> None:
    leader = Leader([], started_epoch=1)
    assert short(leader.plan(0)) == (SNAP, z(1, 0), [], z(1, 0))


def test_empty_learner_facing_an_empty_leader_that_does_not_serve_yet_gets_an_empty_diff() -> None:
    assert short(Leader([]).plan(0)) == (DIFF, 0, [], 0)


def test_without_a_window_the_last_processed_stands_for_it() -> None:
    assert short(plan_sync(z(1, 12), z(1, 9), [])) == (TRUNC, z(1, 9), [], z(1, 9))
    assert short(plan_sync(z(1, 3), z(1, 9), [])) == (SNAP, z(1, 9), [], z(1, 9))


def test_without_a_window_the_log_must_reach_the_last_processed() -> None:
    def plan(log: list[Proposal]) -> SyncPlan:
        return plan_sync(z(1, 7), z(1, 9), [], read_log=lambda *_: log)

    assert short(plan(epoch(1, 6, 9))) == (DIFF, z(1, 9), [z(1, 8), z(1, 9)], z(1, 9))
    assert plan(epoch(1, 6, 8)).kind is SNAP


@pytest.mark.parametrize("hole", [4, 5, 6])
def test_hole_in_the_log_leads_to_a_snapshot(hole: int) -> None:
    """The original sends it all the same; the learner breaks off, and tries again, for ever."""
    log = [txn for txn in epoch(1, 1, 7) if txn[0] != z(1, hole)]
    assert plan_sync(z(1, 2), z(1, 9), epoch(1, 7, 9), read_log=lambda *_: log).kind is SNAP


def test_hole_between_log_and_window_leads_to_a_snapshot() -> None:
    assert plan_sync(z(1, 2), z(1, 9), epoch(1, 7, 9), read_log=lambda *_: epoch(1, 1, 6)).kind is SNAP


def test_txns_that_are_logged_twice_are_sent_once() -> None:
    log: Iterable[Proposal] = [*epoch(1, 1, 5), *epoch(1, 4, 8)]
    plan = plan_sync(z(1, 2), z(1, 9), epoch(1, 7, 9), read_log=lambda *_: log)
    assert [zxid & 0xFF for zxid, _ in plan.proposals] == [3, 4, 5, 6, 7, 8, 9]


# --- any history ----------------------------------------------------------------------------------------


def learner_after(plan: SyncPlan, learner: list[Proposal], leader: list[Proposal]) -> list[Proposal]:
    """The learner's history when it has done as it is told; it checks what the original's learner checks."""
    if plan.kind is SNAP:
        return [txn for txn in leader if txn[0] <= plan.zxid]
    if plan.kind is TRUNC:
        assert plan.zxid == 0 or plan.zxid in [zxid for zxid, _ in learner], "told to cut where nothing is"
        learner = [txn for txn in learner if txn[0] <= plan.zxid]
    last = 0
    for txn in plan.proposals:
        assert not last or txn[0] == last + 1 or txn[0] >> 32 > last >> 32, "proposals with a hole"
        assert txn[0] > (learner[-1][0] if learner else 0), "a proposal the learner has"
        last = txn[0]
        learner = [*learner, txn]
    return learner


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Proposal], list[Proposal], Zxid, int]:
    """The leader's history, a learner's, the zxid that the learner names, and the leader's epoch.

    As Zab makes them: epochs in order, each txn the next one of its epoch; the learner's is a beginning of
    the leader's, and perhaps a tail that nobody else has. The tail is of an older epoch than the leader's,
    and nothing that the leader has of earlier epochs is missing before it.
    """
    leader: list[Proposal] = []
    last_epoch = 0
    for _ in range(draw(st.integers(0, 4))):
        last_epoch += draw(st.integers(1, 2))
        leader += epoch(last_epoch, 1, draw(st.integers(0, 5)))
    current = last_epoch + draw(st.integers(0, 2))
    shared = draw(st.integers(0, len(leader)))
    learner = leader[:shared]
    last = Zxid(learner[-1][0] if learner else 0)
    following = leader[shared][0] >> 32 if shared < len(leader) else current
    epochs = range((last >> 32) + 1, following + 1)
    if epochs and draw(st.booleans()):
        # In step when an epoch began: that is what it names, until there is a txn in it.
        return leader, learner, z(draw(st.sampled_from(epochs)), 0), current
    dead_epochs = range(max(last >> 32, 1), following)
    if dead_epochs and draw(st.booleans()):
        dead_epoch = draw(st.sampled_from(dead_epochs))
        first = (last & 0xFFFFFFFF) + 1 if dead_epoch == last >> 32 else 1
        dead = epoch(dead_epoch, first, first + draw(st.integers(0, 2)))
        learner = [*learner, *((zxid, b"dead") for zxid, _ in dead)]
        last = Zxid(learner[-1][0])
    return leader, learner, last, current


@given(
    case=histories(),
    window=st.integers(0, 8),
    logged_from=st.integers(0, 5),
    disk=st.booleans(),
    force_snapshot=st.booleans(),
    serves=st.booleans(),
)
def test_every_plan_makes_the_learners_history_the_leaders(
    case: tuple[list[Proposal], list[Proposal], Zxid, int],
    window: int,
    logged_from: int,
    disk: bool,
    force_snapshot: bool,
    serves: bool,
) -> None:
    history, learner, learner_zxid, current = case
    leader = Leader(history, window, logged_from, current if serves else 0)

    plan = leader.plan(learner_zxid, disk=disk, force_snapshot=force_snapshot)

    assert learner_after(plan, learner, history) == [txn for txn in history if txn[0] <= plan.forward_after]
    if plan.kind is SNAP:
        assert plan.zxid == plan.forward_after == leader.last_processed
    if force_snapshot:
        assert plan.kind is SNAP
    if learner_zxid in [zxid for zxid, _ in history[-window:]][:window] and not force_snapshot:
        assert plan.kind is DIFF, "nothing more is sent than is needed"
