"""Members that were away: wiped, behind, far behind, or ahead with txns that nobody else has.

How a member was synchronised is read off its folder: a learner that got a DIFF writes no snapshot, one that
got SNAP or TRUNC writes one; TRUNC cuts the log, SNAP leaves it as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from zoolet.jute.codes import OpCode
from zoolet.jute.proto import CreateRequest

from .clients import connect, disconnect
from .compare import assert_members_equal
from .conftest import on
from .ensemble import ProcessEnsemble
from .logged_txns import assert_logs_agree, logged_payloads, repeat_last_txns
from .member import Ending, Kind, Member
from .raw_session import OPEN, RawSession
from .writers import writers

COMMITTED_LOG_TXNS = 500
"""How many txns a leader keeps in memory for those who come back."""

SNAPSHOT_SIZE_FACTOR = 0.33
"""A leader reads its log for a learner as long as that is no longer than this part of a snapshot."""

MARKER = b"a txn that was never committed"


def write_many(member: Member, base: str, count: int, data: bytes = b"") -> None:
    """`count` creations through one member, as fast as it takes them."""
    client = connect(member.hosts)
    try:
        client.create(base)
        pending = [client.create_async(f"{base}/n{number}", data) for number in range(count)]
        for one in pending:
            one.get()
    finally:
        disconnect(client)


def rejoin(ensemble: ProcessEnsemble, sid: int, meanwhile: Callable[[], None]) -> set[int]:
    """Stop a follower, do something, start it again; return the zxids of the snapshots it has written."""
    ensemble.end(sid)
    before = set(ensemble[sid].snapshots)
    meanwhile()
    ensemble.launch(sid)
    ensemble.await_settled()
    return set(ensemble[sid].snapshots) - before


def a_follower(ensemble: ProcessEnsemble) -> Member:
    """The follower that is of another kind than the leader, if there is one."""
    leader = ensemble.leader
    return max(ensemble.followers, key=lambda member: (member.kind is not leader.kind, member.sid))


def reads_log_for(leader: Member, zxid: int) -> bool:
    """Whether a leader would synchronise a learner at `zxid` from its log files rather than by SNAP.

    The file with that zxid in it is not counted, only those behind it.
    """
    first = max((start for start in leader.logs if start <= zxid), default=0)
    log_bytes = sum(path.stat().st_size for start, path in leader.logs.items() if start > first)
    snapshot_bytes = leader.snapshots[max(leader.snapshots)].stat().st_size
    return log_bytes <= SNAPSHOT_SIZE_FACTOR * snapshot_bytes


@on("JZJ", "ZJZ", "ZZZ")
def test_member_a_little_behind_gets_a_diff(ensemble: ProcessEnsemble) -> None:
    leader, follower = ensemble.leader, a_follower(ensemble)
    write_many(leader, "/before", 1)
    written = rejoin(ensemble, follower.sid, lambda: write_many(leader, "/behind", 50))
    assert written == set(), f"{follower} got more than a DIFF"
    missed = [zxid for zxid, payload in logged_payloads(leader).items() if b"/behind/" in payload]
    assert len(missed) == 50
    assert set(missed) <= logged_payloads(follower).keys()
    assert_members_equal(ensemble)
    assert_logs_agree(ensemble)


@on("JZJ", "ZJZ", "ZZZ")
def test_wiped_member_gets_everything_under_writes(ensemble: ProcessEnsemble) -> None:
    """SNAP of some megabytes while proposals go on; then the member serves, and can lose its data again."""
    follower = a_follower(ensemble)
    write_many(ensemble.leader, "/wiped", 3, b"x" * 1_000_000)
    write_many(ensemble.leader, "/wiped/n0/many", 2_000, b"y" * 100)
    with writers([ensemble.leader.hosts] * 3, "/while-wiped", pause_s=0.0005) as active:
        for _ in range(3):
            written = rejoin(ensemble, follower.sid, follower.wipe)
            assert max(written) >= 1 << 32, f"{follower} got no SNAP"
            for writer in active:
                writer.await_progress()
    assert follower.epoch("currentEpoch") == ensemble.leader.epoch("currentEpoch")
    write_many(follower, "/wiped-no-more", 20)
    assert_members_equal(ensemble)
    assert_logs_agree(ensemble)


@on("JZJ", "ZJZ")
def test_member_far_behind_gets_a_diff_from_the_log_when_that_is_small(ensemble: ProcessEnsemble) -> None:
    """More txns than the leader keeps in memory, all in the log file it writes: it reads that."""
    leader, follower = ensemble.leader, a_follower(ensemble)
    write_many(leader, "/before-far", 1)
    at = ensemble.await_equal_zxids()
    written = rejoin(ensemble, follower.sid, lambda: write_many(leader, "/far", COMMITTED_LOG_TXNS + 200))
    assert reads_log_for(leader, at), "the scenario is not what it should be"
    assert written == set(), f"{follower} got more than a DIFF"
    assert_members_equal(ensemble)
    assert_logs_agree(ensemble)


@on("JZJ", "ZJZ")
def test_member_far_behind_gets_a_snapshot_when_the_log_is_large(ensemble: ProcessEnsemble) -> None:
    """It has missed an epoch, and its leader has written more since than a third of a snapshot."""
    leader, follower = ensemble.leader, a_follower(ensemble)
    write_many(leader, "/before-too-far", 1)
    at = ensemble.await_equal_zxids()

    def miss_an_epoch() -> None:
        ensemble.restart(leader.sid)
        write_many(ensemble.leader, "/too-far", COMMITTED_LOG_TXNS + 100, b"x" * 2_000)

    written = rejoin(ensemble, follower.sid, miss_an_epoch)
    assert not reads_log_for(ensemble.leader, at), "the scenario is not what it should be"
    assert len(written) == 1, f"{follower} got no SNAP"
    assert_members_equal(ensemble)
    assert_logs_agree(ensemble)


@on("JZJ", "JJZ")
def test_txns_that_java_has_logged_twice_are_applied_once(ensemble: ProcessEnsemble) -> None:
    """Java 3.8's learner may write what it is synchronised with a second time; such a folder still opens."""
    write_many(ensemble.leader, "/twice", 30)
    for member in ensemble:
        if member.kind is Kind.ZOOLET:
            rejoin(ensemble, member.sid, partial(repeat_last_txns, member, 40))
            assert member.digest_mismatches == 0 or not member.is_zoolet
            write_many(member, f"/twice-{member.sid}", 10)
    assert_members_equal(ensemble)
    assert_logs_agree(ensemble)


def leave_a_tail(ensemble: ProcessEnsemble, base: str) -> Member:
    """Let the leader log txns that nobody else ever sees; then all are dead. Returns that leader.

    The followers are stopped in their tracks first, so that nobody acknowledges, and killed afterwards: what
    the kernel has received for them goes with them.
    """
    ensemble.await_equal_zxids()
    leader, followers = ensemble.leader, ensemble.followers
    with RawSession(leader.port, timeout_ms=60_000) as session:
        session.create(base)
        ensemble.await_equal_zxids()
        for follower in followers:
            follower.pause()
        tail = [f"{base}/tail-{number}" for number in range(5)]
        session.send([(OpCode.CREATE, CreateRequest(path, MARKER, OPEN, 0).encode()) for path in tail])
        ensemble.until("the leader has logged the tail", lambda: leader.has_logged(tail[-1].encode()))
        for member in (leader, *followers):
            ensemble.end(member.sid, Ending.KILL)
    return leader


def has_tail(ensemble: ProcessEnsemble, base: str) -> bool:
    """Whether any member shows a node of the tail."""
    return any(f"{base}/tail" in line for line in assert_members_equal(ensemble))


@on("JZJ", "ZJZ", "ZZZ")
def test_uncommitted_tail_is_cut_off(ensemble: ProcessEnsemble) -> None:
    """The new epoch has no txn yet: TRUNC, and the old leader's log ends where the others' do."""
    ensemble.make_lead(3)
    old = leave_a_tail(ensemble, "/cut")
    assert old.sid == 3
    ensemble.launch(1)
    ensemble.launch(2)
    assert ensemble.await_settled().sid == 2
    ensemble.launch(old.sid)
    ensemble.await_settled()
    assert not old.has_logged(b"/cut/tail"), f"the tail is still in the log of {old}"
    assert not has_tail(ensemble, "/cut")
    write_many(old, "/cut-and-gone-on", 20)
    assert_logs_agree(ensemble)
    ensemble.restart(old.sid)
    assert not has_tail(ensemble, "/cut")


@on("JZJ", "ZJZ", "ZZZ")
def test_uncommitted_tail_is_never_replayed_after_a_snapshot(ensemble: ProcessEnsemble) -> None:
    """The new epoch has txns: SNAP. The dead tail may stay in the old log, but not come back to life."""
    ensemble.make_lead(3)
    old = leave_a_tail(ensemble, "/dead")
    ensemble.launch(1)
    ensemble.launch(2)
    leader = ensemble.await_settled()
    write_many(leader, "/dead/and-others-live", 20)
    before = set(old.snapshots)
    ensemble.launch(old.sid)
    ensemble.await_settled()
    assert set(old.snapshots) - before, f"{old} got no SNAP"
    assert not has_tail(ensemble, "/dead")
    write_many(old, "/dead/and-gone", 20)
    assert_logs_agree(ensemble)
    ensemble.restart(old.sid)
    assert not has_tail(ensemble, "/dead")
