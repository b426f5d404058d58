"""Synchronisation with a leader, cut at every byte and interrupted at every packet.

After every interruption the member looks for a leader again: it may claim nothing that is not on its disk,
and the next leader must be able to bring it to its own history from there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from zoolet.jute.ids import Zxid
from zoolet.quorum.learner import Phase
from zoolet.quorum.packets import commit, packet
from zoolet.quorum.sync_plan import plan_sync
from zoolet.quorum.tests.wire_lab import (
    DIFF,
    SNAP,
    TRUNC,
    UPTODATE,
    ScriptedLeader,
    WireLab,
    committed,
    create_txn,
    proposed,
    said,
    snapshot_of,
    zx,
)
from zoolet.server.database import decode_payload

A, B = create_txn(zx(1, 1), "/a"), create_txn(zx(1, 2), "/b")
TAIL = create_txn(zx(1, 3), "/tail")
C, D = create_txn(zx(2, 1), "/c"), create_txn(zx(2, 2), "/d")
E, F = create_txn(zx(3, 1), "/e"), create_txn(zx(3, 2), "/f")
HISTORY = (A, B, C, D, E, F)
PATHS = {"/a", "/b", "/c", "/d", "/e", "/f"}


def member_with_history(*, tail: bool = False) -> WireLab:
    """It has A and B, perhaps TAIL too, of which nobody else has heard; its leader is gone."""
    lab = WireLab()
    leader = lab.follow(2)
    leader.synchronise(committed(A, B))
    if tail:
        leader.say(proposed(TAIL))
    leader.hang_up()
    assert lab.peer.role is None
    return lab


DIFF_SCRIPT: list[bytes | str] = [
    packet(DIFF, zx(2, 2)),
    *(proposed(C), commit(zx(2, 1)), proposed(D), commit(zx(2, 2))),
    proposed(E),
    "NEWLEADER",
    *(proposed(F), commit(zx(3, 1))),
    "UPTODATE",
    commit(zx(3, 2)),
]
TRUNC_SCRIPT: list[bytes | str] = [
    packet(TRUNC, zx(1, 2)),
    *(proposed(C), commit(zx(2, 1)), proposed(D), commit(zx(2, 2))),
    "NEWLEADER",
    *(proposed(E), commit(zx(3, 1))),
    "UPTODATE",
    *(proposed(F), commit(zx(3, 2))),
]
SNAP_SCRIPT: list[bytes | str] = [
    snapshot_of(A, B, C),
    *(proposed(D), commit(zx(2, 2))),
    *(proposed(E), commit(zx(3, 1))),
    "NEWLEADER",
    *(proposed(F), commit(zx(3, 2))),
    "UPTODATE",
]
SCRIPTS: dict[str, list[bytes | str]] = {"DIFF": DIFF_SCRIPT, "TRUNC": TRUNC_SCRIPT, "SNAP": SNAP_SCRIPT}
ALL = pytest.mark.parametrize("kind", SCRIPTS)


def play(leader: ScriptedLeader, script: Sequence[bytes | str], *, chunk_bytes: int = 0) -> None:
    leader.open(3)
    for step in script:
        leader.say(spoken(leader, step), chunk_bytes=chunk_bytes)


def spoken(leader: ScriptedLeader, step: bytes | str) -> bytes:
    if isinstance(step, bytes):
        return step
    return leader.new_leader() if step == "NEWLEADER" else UPTODATE


def synchronise_anew(lab: WireLab, leader_id: int, epoch: int) -> None:
    """Another leader, which has all of HISTORY, does what ours would do."""
    leader = lab.follow(leader_id)
    [_, ack_epoch] = leader.open(epoch)
    entries = [(int(decode_payload(payload)[0].zxid), payload) for payload in HISTORY]
    plan = plan_sync(Zxid(ack_epoch[1]), Zxid(entries[-1][0]), entries)
    begin = snapshot_of(*HISTORY) if plan.kind is SNAP else packet(plan.kind, plan.zxid)
    leader.say(begin, committed(*(payload for _, payload in plan.proposals)), leader.new_leader())
    leader.say(UPTODATE)
    assert lab.me.mode == "follower"


def check_is_whole(lab: WireLab) -> None:
    """In memory, and after a power failure."""
    for one in (lab, lab.durable()):
        assert one.nodes == PATHS
        assert one.peer.last_zxid == zx(3, 2)
        assert one.peer.database.digest_mismatches == 0


@ALL
@pytest.mark.parametrize("chunk_bytes", [1, 2, 3, 7, 64])
def test_packets_may_be_cut_anywhere(kind: str, chunk_bytes: int) -> None:
    lab = member_with_history(tail=kind == "TRUNC")
    play(lab.follow(3), SCRIPTS[kind], chunk_bytes=chunk_bytes)
    assert lab.me.mode == "follower"
    check_is_whole(lab)


@ALL
def test_packets_may_come_all_at_once(kind: str) -> None:
    lab = member_with_history(tail=kind == "TRUNC")
    leader = lab.follow(3)
    script = SCRIPTS[kind]
    position = script.index("UPTODATE")
    leader.open(3)
    for part in (script[:position], script[position:]):
        leader.say(*(spoken(leader, step) for step in part))
    check_is_whole(lab)


def interruptions(kind: str) -> range:
    return range(len(SCRIPTS[kind]) + 1)


CUTS = pytest.mark.parametrize(
    ("kind", "after"), [(kind, after) for kind in SCRIPTS for after in interruptions(kind)]
)


@CUTS
@pytest.mark.parametrize("disk_works", [True, False], ids=["", "slow-disk"])
def test_an_interrupted_learner_claims_only_what_is_on_its_disk(
    kind: str, after: int, *, disk_works: bool
) -> None:
    """ZOOKEEPER-3104: a tree that came as a snapshot and was not written down must be forgotten."""
    lab = member_with_history(tail=kind == "TRUNC")
    leader = lab.follow(3)
    leader.open(3)
    lab.disk_works = disk_works
    play_rest(leader, SCRIPTS[kind][:after])
    leader.hang_up()
    if lab.batches or lab.later:
        assert lab.peer.election.decided is not None, "it looks for a leader before its log is at rest"
    lab.let_disk_work()
    assert lab.peer.role is None
    restarted = lab.durable()
    assert lab.peer.last_zxid == restarted.peer.last_zxid
    assert lab.nodes == restarted.nodes
    assert lab.peer.epochs.current <= restarted.peer.epochs.current <= restarted.peer.epochs.accepted
    synchronise_anew(lab, 2, 4)
    check_is_whole(lab)


@CUTS
def test_a_power_failure_during_synchronisation_loses_nothing(kind: str, after: int) -> None:
    lab = member_with_history(tail=kind == "TRUNC")
    leader = lab.follow(3)
    leader.open(3)
    lab.disk_works = False
    play_rest(leader, SCRIPTS[kind][:after])
    restarted = lab.durable()
    assert {"/a", "/b"} <= restarted.nodes, "what was acknowledged"
    synchronise_anew(restarted, 2, 4)
    check_is_whole(restarted)


def play_rest(leader: ScriptedLeader, script: Sequence[bytes | str]) -> None:
    """As far as a real leader would go: UPTODATE only answers the ACK of NEWLEADER."""
    acked = False
    for step in script:
        if step == "UPTODATE" and not acked:
            return
        leader.say(spoken(leader, step))
        acked = acked or ("ACK", zx(3, 0)) in said(leader.heard())


# -- order on the disk -------------------------------------------------------------------------------------


@ALL
def test_newleader_is_acknowledged_when_all_before_it_is_on_disk(kind: str) -> None:
    """ZOOKEEPER-3911, 4643, 4646, 4685, 4785."""
    lab = member_with_history(tail=kind == "TRUNC")
    leader = lab.follow(3)
    leader.open(3)
    lab.disk_works = False
    script = SCRIPTS[kind]
    play_rest(leader, script[: script.index("NEWLEADER") + 1])
    assert said(leader.heard()) == []
    assert lab.learner_role.phase is Phase.SAVING
    assert lab.peer.epochs.current < 3
    lab.let_disk_work()
    assert said(leader.heard()) == [("ACK", zx(3, 0))]
    restarted = lab.durable()
    assert restarted.peer.epochs.current == 3
    assert restarted.nodes >= {"/a", "/b", "/c", "/d"}
    assert "/tail" not in restarted.nodes


def test_an_accepted_epoch_is_on_disk_before_it_is_acknowledged() -> None:
    lab = WireLab()
    leader = lab.follow(2)
    assert said(leader.open(7)) == [("FOLLOWERINFO", 0), ("ACKEPOCH", 0)]
    assert lab.durable().peer.epochs.accepted == 7
    assert lab.durable().peer.epochs.current == 0


def test_proposals_before_newleader_that_are_not_committed_are_logged_behind_uptodate() -> None:
    lab = member_with_history()
    leader = lab.follow(3)
    play(leader, [packet(DIFF, zx(1, 2)), proposed(C), "NEWLEADER"])
    leader.heard()
    assert lab.durable().peer.last_zxid == zx(1, 2)
    leader.say(UPTODATE)
    assert said(leader.heard()) == [("ACK", zx(3, 0)), ("ACK", zx(2, 1))]
    assert "/c" not in lab.nodes
    assert lab.durable().peer.last_zxid == zx(2, 1)
    leader.say(commit(zx(2, 1)))
    assert "/c" in lab.nodes


def test_a_snapshot_replaces_a_history_that_nobody_else_has() -> None:
    lab = member_with_history(tail=True)
    assert "/tail" in lab.nodes
    play(lab.follow(3), [snapshot_of(A, B, zxid=zx(3, 0)), "NEWLEADER", "UPTODATE"])
    assert lab.nodes == lab.durable().nodes == {"/a", "/b"}
    assert lab.durable().peer.last_zxid == zx(3, 0)


@pytest.mark.parametrize("behind", ["NEWLEADER", "UPTODATE"])
def test_what_a_snapshot_holds_already_may_be_proposed_and_committed_again(behind: str) -> None:
    """The original forwards from the zxid it began with, and tells the one of when it sent the tree."""
    lab = WireLab()
    leader = lab.follow(2)
    again = committed(B, C) if behind == "NEWLEADER" else committed(B, C, D)
    play(leader, [snapshot_of(A, B, C), again, "NEWLEADER", "UPTODATE"])
    if behind == "NEWLEADER":
        leader.say(committed(D))
    assert lab.me.mode == "follower"
    for one in (lab, lab.durable()):
        assert one.nodes == {"/a", "/b", "/c", "/d"}
        assert one.peer.last_zxid == zx(2, 2)


# -- what ends it ------------------------------------------------------------------------------------------

BAD_SNAPSHOT = snapshot_of(A)[:-4] + b"Hair"
NONSENSE: dict[str, Callable[[ScriptedLeader], bytes]] = {
    "no signature": lambda _: BAD_SNAPSHOT,
    "a second snapshot": lambda _: snapshot_of(A) + snapshot_of(A),
    "no DIFF, TRUNC or SNAP": lambda leader: leader.new_leader(),
    "UPTODATE without NEWLEADER": lambda _: packet(DIFF, 0) + UPTODATE,
    "NEWLEADER of another epoch": lambda _: packet(DIFF, 0) + packet(10, zx(2, 0)),
    "NEWLEADER twice": lambda leader: packet(DIFF, 0) + leader.new_leader() + leader.new_leader(),
    "a gap": lambda _: packet(DIFF, 0) + proposed(A, TAIL),
    "a commit of nothing": lambda _: packet(DIFF, 0) + commit(zx(1, 1)),
    "a commit out of order": lambda _: packet(DIFF, 0) + proposed(A, B) + commit(zx(1, 2)),
    "a proposal that is no txn": lambda _: packet(DIFF, 0) + packet(2, zx(1, 1), b"\0" * 40),
    "a proposal without data": lambda _: packet(DIFF, 0) + packet(2, zx(1, 1)),
    "a txn of another zxid": lambda _: packet(DIFF, 0) + packet(2, zx(1, 2), A),
    "an observer's packet cut short": lambda _: packet(DIFF, 0) + packet(19, zx(1, 1), b"\0" * 7),
    "SYNC": lambda _: packet(DIFF, 0) + packet(7, 0),
}


@pytest.mark.parametrize("what", NONSENSE)
def test_a_leader_that_says_what_it_must_not_is_left(what: str) -> None:
    lab = member_with_history()
    leader = lab.follow(3)
    leader.open(3)
    leader.say(NONSENSE[what](leader))
    assert not leader.is_open
    assert lab.peer.role is None
    assert lab.nodes == lab.durable().nodes == {"/a", "/b"}
    assert lab.peer.last_zxid == zx(1, 2)
    synchronise_anew(lab, 2, 4)
    check_is_whole(lab)
