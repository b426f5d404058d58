"""A follower, from its first packet to the end of its role; the leader is a script."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from zoolet.jute.codes import ErrorCode, OpCode, PacketType
from zoolet.jute.election import ServerState
from zoolet.jute.proto import CreateRequest
from zoolet.quorum.learner import QUICK_RETRIES_MS, TRIES_MAX, Learner, Phase
from zoolet.quorum.packet_data import decode_int, decode_introduction, encode_int
from zoolet.quorum.packets import commit, packet
from zoolet.quorum.phases import ZabState
from zoolet.quorum.tests.wire_lab import (
    DIFF,
    INIT_MS,
    PING,
    SYNC_MS,
    TICK_MS,
    UPTODATE,
    ScriptedLeader,
    WireLab,
    committed,
    create_txn,
    error_txn,
    inform,
    kinds,
    proposed,
    reconfig_txn,
    said,
    session_txn,
    snapshot_of,
    zx,
)

A, B, C = (create_txn(zx(1, counter), path) for counter, path in enumerate(("/a", "/b", "/c"), 1))


@pytest.fixture
def lab() -> WireLab:
    return WireLab()


# -- who we are --------------------------------------------------------------------------------------------


def test_the_first_packet_says_who_we_are_and_what_we_have_accepted(lab: WireLab) -> None:
    lab.follow(2).open(4)
    leader = lab_after_role_end(lab).follow(3)
    [(kind, zxid, data, _)] = leader.accept()
    assert (kind, zxid) == (PacketType.FOLLOWERINFO, zx(4, 0))
    assert decode_introduction(data) == (1, 0x10000, 0)
    assert data is not None
    assert len(data) == 20


def lab_after_role_end(lab: WireLab) -> WireLab:
    lab.learner_role.close("the test wants another one")
    lab.run()
    return lab


def test_an_observer_says_that_it_observes() -> None:
    lab = WireLab(4, observers=1)
    leader = lab.follow(2)
    assert kinds(leader.accept()) == ["OBSERVERINFO"]
    assert lab.state() is ServerState.OBSERVING


def test_the_version_of_the_configuration_is_told() -> None:
    lab = WireLab(reconfig_enabled=True)
    leader = lab.follow(2)
    leader.open(1)
    config = lab.peer.verifier.with_version(zx(1, 0))
    leader.say(packet(DIFF, 0), leader.new_leader(config), UPTODATE)
    leader.heard()
    [(_, _, data, _)] = lab_after_role_end(lab).follow(2).accept()
    assert decode_introduction(data).config_version == zx(1, 0)


# -- the epoch ---------------------------------------------------------------------------------------------


def test_a_new_epoch_is_accepted_with_the_epoch_and_zxid_we_have(lab: WireLab) -> None:
    leader = lab.follow(2)
    leader.synchronise(committed(A), epoch=3)
    leader = lab_after_role_end(lab).follow(3)
    [_, (kind, zxid, data, _)] = leader.open(5)
    assert (kind, zxid, decode_int(data, "")) == (PacketType.ACKEPOCH, zx(1, 1), 3)
    assert lab.peer.epochs.accepted == 5
    assert lab.peer.epochs.current == 3, "its history is not ours yet"


def test_an_epoch_that_was_accepted_before_does_not_count_again(lab: WireLab) -> None:
    lab.follow(2).open(4)
    [_, (_, _, data, _)] = lab_after_role_end(lab).follow(2).open(4)
    assert decode_int(data, "") == -1


def test_a_leader_of_an_older_epoch_is_left(lab: WireLab) -> None:
    lab.follow(2).open(4)
    leader = lab_after_role_end(lab).follow(3)
    assert kinds(leader.open(3)) == ["FOLLOWERINFO"]
    assert not leader.is_open
    assert lab.peer.epochs.accepted == 4


@pytest.mark.parametrize(
    "answer",
    [
        packet(PacketType.LEADERINFO, zx(1, 0), encode_int(1)),
        packet(PacketType.LEADERINFO, zx(1, 0)),
        packet(PacketType.LEADERINFO, zx(1, 0), b"\0\0"),
        packet(PacketType.NEWLEADER, zx(1, 0)),
        packet(DIFF, 0),
        packet(PacketType.LEADERINFO, zx(0x80000001, 0), encode_int(0x10000)),
    ],
    ids=["before-3.4", "no-version", "half-a-version", "NEWLEADER", "DIFF", "no-epoch"],
)
def test_whoever_does_not_answer_as_a_leader_is_left(lab: WireLab, answer: bytes) -> None:
    leader = lab.follow(2)
    leader.accept()
    leader.say(answer)
    assert not leader.is_open
    assert not leader.learner.is_broken, "that is the leader's trouble"
    assert lab.peer.epochs.accepted == 0


# -- time --------------------------------------------------------------------------------------------------


def connected(leader: ScriptedLeader) -> None:
    leader.accept()


def registered(leader: ScriptedLeader) -> None:
    leader.open(1)


def in_a_snapshot(leader: ScriptedLeader) -> None:
    leader.open(1)
    leader.say(snapshot_of(A)[:40])


def synchronising(leader: ScriptedLeader) -> None:
    leader.open(1)
    leader.say(packet(DIFF, 0), proposed(A))


def awaiting_serving(leader: ScriptedLeader) -> None:
    leader.open(1)
    leader.say(packet(DIFF, 0), leader.new_leader())


def serving(leader: ScriptedLeader) -> None:
    leader.synchronise()


PHASES: list[tuple[Callable[[ScriptedLeader], None], Phase, int]] = [
    (connected, Phase.REGISTERING, INIT_MS),
    (registered, Phase.AWAIT_SYNC, INIT_MS),
    (in_a_snapshot, Phase.SNAPSHOT, INIT_MS),
    (synchronising, Phase.SYNCING, INIT_MS),
    (awaiting_serving, Phase.AWAIT_SERVING, INIT_MS),
    (serving, Phase.BROADCAST, SYNC_MS),
]
IN_ALL_PHASES = pytest.mark.parametrize(("reach", "phase", "limit_ms"), PHASES)


@IN_ALL_PHASES
def test_a_silent_leader_is_left_after_its_time(
    lab: WireLab, reach: Callable[[ScriptedLeader], None], phase: Phase, limit_ms: int
) -> None:
    leader = lab.follow(2)
    reach(leader)
    assert leader.learner.phase is phase
    lab.advance(limit_ms - 1)
    assert leader.is_open
    lab.advance(1)
    assert not leader.is_open
    assert lab.peer.role is None


@IN_ALL_PHASES
def test_time_is_looked_at_when_it_is_due_and_not_all_the_time(
    lab: WireLab, reach: Callable[[ScriptedLeader], None], phase: Phase, limit_ms: int
) -> None:
    reach(lab.follow(2))
    assert lab.zab_state() is not ZabState.ELECTION
    lab.ticks = 0
    lab.advance(limit_ms - 1)
    assert lab.ticks <= limit_ms / TICK_MS + 2


@pytest.mark.parametrize("begin", [snapshot_of(A), packet(DIFF, 0) + committed(A)], ids=["SNAP", "DIFF"])
def test_saving_takes_as_long_as_it_takes(lab: WireLab, begin: bytes) -> None:
    """Nothing is heard of the leader meanwhile, because it is not read."""
    leader = lab.follow(2)
    leader.open(1)
    lab.disk_works = False
    leader.say(begin, leader.new_leader())
    assert not leader.learner.wants_input
    lab.ticks = 0
    lab.advance(3 * INIT_MS)
    assert leader.is_open
    assert lab.ticks <= 3 * INIT_MS / TICK_MS + 2
    lab.let_disk_work()
    assert said(leader.heard()) == [("ACK", zx(1, 0))]
    lab.advance(SYNC_MS)
    assert leader.is_open


def test_pings_keep_the_connection(lab: WireLab) -> None:
    leader = lab.follow(2)
    leader.synchronise()
    for _ in range(5):
        lab.advance(SYNC_MS - 1)
        leader.say(PING)
        assert [kind for kind, *_ in leader.heard()] == [PacketType.PING]
    assert leader.is_open


def test_pings_before_we_serve_are_not_answered(lab: WireLab) -> None:
    """The leader would take the answer for something else."""
    leader = lab.follow(2)
    leader.open(1)
    leader.say(packet(DIFF, 0), PING, leader.new_leader(), PING)
    assert [kind for kind, *_ in leader.heard()] == [PacketType.ACK]
    leader.say(UPTODATE)
    assert leader.is_open


# -- reaching the leader -----------------------------------------------------------------------------------


def test_a_leader_that_can_t_be_reached_is_tried_five_times_after_some_quick_tries(lab: WireLab) -> None:
    leader = lab.follow(2)
    tries = len(QUICK_RETRIES_MS) + TRIES_MAX
    for number in range(1, tries + 1):
        assert lab.peer.role is leader.learner
        leader.learner.failed("connection refused")
        lab.run()
        if number < tries:
            lab.advance(100)
            [dial] = lab.dials
            assert dial.endpoint is leader.learner
            lab.dials.clear()
    assert lab.peer.role is None
    assert not lab.dials


def test_a_connection_that_takes_too_long_is_given_up(lab: WireLab) -> None:
    leader = lab.follow(2)
    lab.advance(INIT_MS)
    assert lab.peer.role is None
    leader.learner.connected(("member2", 2888))
    assert leader.heard() == [], "too late"
    leader.learner.failed("and this, too")
    assert lab.peer.role is None


def test_a_leader_that_turns_us_away_again_and_again_is_asked_less_often(lab: WireLab) -> None:
    pauses = []
    for _ in range(8):
        lab.peer.election.designate(2, lab.peer.last_zxid)
        lab.run()
        started_ms = lab.now_ms
        while not lab.dials:
            lab.advance(5)
        pauses.append(lab.now_ms - started_ms)
        [dial] = lab.dials
        lab.dials.clear()
        dial.endpoint.connected(("member2", 2888))
        dial.endpoint.abort("turned away")
        dial.endpoint.closed()
        lab.run()
    assert pauses == sorted(pauses)
    assert pauses[:2] == [0, 0]
    assert pauses[-1] == 1000


# -- broadcast ---------------------------------------------------------------------------------------------


def test_a_proposal_is_acknowledged_when_it_is_on_disk_and_not_before(lab: WireLab) -> None:
    leader = lab.follow(2)
    leader.synchronise()
    lab.disk_works = False
    leader.say(proposed(A, B))
    assert leader.heard() == []
    assert lab.durable().peer.last_zxid == 0
    lab.let_disk_work()
    assert said(leader.heard()) == [("ACK", zx(1, 1)), ("ACK", zx(1, 2))]
    assert lab.durable().peer.last_zxid == zx(1, 2)
    assert lab.nodes == set(), "acknowledged is not committed"


def test_commits_are_applied_in_order_even_before_our_own_disk_has_them(lab: WireLab) -> None:
    leader = lab.follow(2)
    leader.synchronise()
    lab.disk_works = False
    leader.say(proposed(A, B), commit(zx(1, 1)))
    assert lab.nodes == {"/a"}
    leader.say(commit(zx(1, 2)))
    assert lab.nodes == {"/a", "/b"}


@pytest.mark.parametrize(
    "wrong",
    [
        commit(zx(1, 2)),
        commit(zx(1, 9)),
        commit(zx(1, 1)) * 2,
        proposed(C),
        proposed(A),
        proposed(A) + commit(5),
    ],
    ids=["not-the-oldest", "unknown", "twice", "gap", "again", "again-and-commit"],
)
def test_what_does_not_continue_the_history_ends_the_connection_and_nothing_else(
    lab: WireLab, wrong: bytes
) -> None:
    leader = lab.follow(2)
    leader.synchronise()
    leader.say(proposed(A, B) if wrong != proposed(C) else proposed(A))
    leader.say(wrong)
    assert not leader.is_open
    assert lab.peer.role is None
    again = lab.follow(3)
    last = lab.peer.last_zxid
    begin = packet(PacketType.TRUNC, zx(1, 1)) if last > zx(1, 1) else packet(DIFF, last)
    again.synchronise(begin=begin, epoch=2)
    assert lab.nodes == {"/a"}


def test_the_first_proposal_of_a_new_epoch_follows_any_of_the_old_one(lab: WireLab) -> None:
    leader = lab.follow(2)
    leader.synchronise()
    leader.say(committed(A), committed(create_txn(zx(2, 1), "/b")))
    assert leader.is_open
    assert lab.nodes == {"/a", "/b"}


def test_an_unknown_packet_is_passed_over(lab: WireLab) -> None:
    leader = lab.follow(2)
    leader.synchronise()
    leader.say(packet(77, 0), committed(A))
    assert leader.is_open
    assert lab.nodes == {"/a"}


@pytest.mark.parametrize("kind", [DIFF, PacketType.TRUNC, PacketType.SNAP, PacketType.NEWLEADER])
def test_a_synchronisation_in_the_middle_of_the_broadcast_ends_the_connection(
    lab: WireLab, kind: int
) -> None:
    leader = lab.follow(2)
    leader.synchronise()
    leader.say(packet(kind, zx(1, 0)) * 3000)
    assert not leader.is_open
    assert not leader.learner.is_broken


def test_an_observer_logs_and_applies_what_it_is_informed_of_and_acknowledges_nothing() -> None:
    lab = WireLab(4, observers=1)
    leader = lab.follow(2)
    leader.synchronise(inform(A))
    leader.say(inform(B, C))
    assert kinds(leader.heard()) == []
    assert lab.nodes == lab.durable().nodes == {"/a", "/b", "/c"}


@pytest.mark.parametrize("serving", [True, False])
def test_what_is_committed_does_not_overtake_what_is_not(lab: WireLab, *, serving: bool) -> None:
    leader = lab.follow(2)
    if serving:
        leader.synchronise()
    else:
        leader.open(1)
        leader.say(packet(DIFF, 0))
    leader.say(proposed(A), inform(B))
    assert not leader.is_open
    assert not leader.learner.is_broken
    assert lab.nodes == lab.durable().nodes == ({"/a"} if serving else set())


def test_an_observer_without_a_log_claims_no_history_that_is_only_in_its_memory() -> None:
    lab = WireLab(4, observers=1, sync_enabled=False)
    leader = lab.follow(2)
    leader.synchronise(inform(A))
    leader.say(inform(B))
    assert lab.nodes == {"/a", "/b"}
    restarted = lab.durable()
    assert restarted.nodes == set()
    assert restarted.peer.last_zxid == 0
    assert restarted.peer.epochs.current == 0


# -- the end -----------------------------------------------------------------------------------------------


def test_what_is_logged_and_not_committed_counts_in_the_next_election(lab: WireLab) -> None:
    """It may have been acknowledged by a quorum: it must not be lost by looking older than we are."""
    leader = lab.follow(2)
    leader.synchronise(committed(A))
    leader.say(proposed(B))
    lab.disk_works = False
    leader.say(proposed(C))
    leader.hang_up()
    assert lab.peer.last_zxid == zx(1, 1)
    assert lab.peer.election.decided is not None, "it looks before its log is at rest"
    lab.let_disk_work()
    assert lab.state() is ServerState.LOOKING
    assert lab.peer.last_zxid == zx(1, 3)
    assert lab.nodes == lab.durable().nodes == {"/a", "/b", "/c"}


def test_clients_are_cut_off_with_the_leader(lab: WireLab) -> None:
    leader = lab.follow(2)
    leader.synchronise(committed(session_txn(zx(1, 1), 77)))
    client = lab.me.client()
    leader.let_in(client, 77)
    client.send(client.request(OpCode.CREATE, CreateRequest("/x", b"", (), 0)))
    leader.hang_up()
    assert not client.is_open
    assert client.take_bytes() == b""
    newcomer = lab.me.client()
    newcomer.send(newcomer.connect_frame())
    assert (newcomer.is_open, newcomer.take_bytes()) == (False, b"")


def test_nothing_of_a_role_is_left_for_the_next_one(lab: WireLab) -> None:
    for number in range(1, 5):
        leader = lab.follow(2)
        leader.synchronise(begin=packet(DIFF, lab.peer.last_zxid), epoch=number)
        leader.say(proposed(create_txn(zx(number, 1), f"/{number}")))
        old: Learner = leader.learner
        leader.hang_up()
        assert lab.peer.role is None
        old.receive(committed(create_txn(zx(number, 2), "/late")))
        old.failed("late")
        old.on_tick()
        lab.run()
        assert lab.nodes == {f"/{each}" for each in range(1, number + 1)}
    assert not lab.dials
    assert not lab.batches
    assert lab.peer.next_tick_ms() > 0


# -- configurations ----------------------------------------------------------------------------------------


def test_a_configuration_that_is_only_proposed_is_not_in_force() -> None:
    """Otherwise this member alone would count by it, perhaps for ever."""
    lab = WireLab(reconfig_enabled=True)
    leader = lab.follow(2)
    leader.open(1)
    old = lab.peer.verifier.with_version(zx(1, 0))
    members = [member for member in old.members.values() if member.sid != 3]
    new = old.with_members(members, version=zx(1, 1))
    leader.say(packet(DIFF, 0), leader.new_leader(old), proposed(reconfig_txn(zx(1, 1), new)), UPTODATE)
    assert lab.peer.verifier.version == zx(1, 0)
    assert lab.peer.last_seen_verifier.version == zx(1, 1)
    leader.say(packet(PacketType.COMMITANDACTIVATE, zx(1, 1), (2).to_bytes(8)))
    assert lab.peer.verifier.version == zx(1, 1)
    assert leader.is_open


def test_a_configuration_is_passed_over_where_they_do_not_change(lab: WireLab) -> None:
    leader = lab.follow(2)
    leader.open(1)
    config = lab.peer.verifier.with_version(zx(1, 0))
    leader.say(packet(DIFF, 0), leader.new_leader(config), UPTODATE)
    assert lab.peer.verifier.version == 0
    assert leader.is_open


def test_a_configuration_that_can_t_be_read_is_passed_over() -> None:
    lab = WireLab(reconfig_enabled=True)
    leader = lab.follow(2)
    leader.open(1)
    leader.say(packet(DIFF, 0), packet(PacketType.NEWLEADER, zx(1, 0), b"\xff nonsense"), UPTODATE)
    assert leader.is_open
    assert lab.peer.verifier.version == 0


def test_what_every_phase_is_called(lab: WireLab) -> None:
    leader = lab.follow(2)
    seen = [lab.zab_state()]
    for step in (
        leader.accept,
        lambda: leader.leader_info(1),
        lambda: leader.say(packet(DIFF, 0)),
        lambda: leader.say(leader.new_leader()),
        lambda: leader.say(UPTODATE),
    ):
        step()
        seen.append(lab.zab_state())
    assert seen == [
        ZabState.DISCOVERY,
        ZabState.DISCOVERY,
        ZabState.SYNCHRONIZATION,
        ZabState.SYNCHRONIZATION,
        ZabState.SYNCHRONIZATION,
        ZabState.BROADCAST,
    ]
    leader.hang_up()
    assert lab.zab_state() is ZabState.ELECTION


def test_an_error_txn_changes_nothing_but_the_zxid(lab: WireLab) -> None:
    leader = lab.follow(2)
    leader.synchronise()
    leader.say(committed(error_txn(zx(1, 1), ErrorCode.NO_NODE)))
    assert lab.nodes == set()
    assert lab.peer.last_zxid == lab.durable().peer.last_zxid == zx(1, 1)
