"""One member between its roles: starting, looking, beginning and ending them; its log and snapshots."""

from __future__ import annotations

import pytest
from zoolet.jute.codes import OpCode
from zoolet.jute.election import Notification, Opening, ServerState
from zoolet.jute.framing import frame
from zoolet.jute.ids import Epoch, Sid, Zxid
from zoolet.jute.proto import SetDataRequest
from zoolet.quorum.cnx_manager import ElectionConnection
from zoolet.quorum.learner import Learner
from zoolet.quorum.packets import ack, commit, packet
from zoolet.quorum.phases import ZabState
from zoolet.quorum.tests.wire_lab import (
    DIFF,
    ELSEWHERE,
    INIT_MS,
    SYNC_MS,
    TICK_MS,
    UPTODATE,
    ScriptedLearner,
    WireLab,
    committed,
    create_txn,
    proposed,
    snapshot_of,
    zx,
)
from zoolet.server.tests.harness import Client
from zoolet.storage.errors import StorageError
from zoolet.storage.sim_disk import SimDisk

A, B = create_txn(zx(1, 1), "/a"), create_txn(zx(1, 2), "/b")


@pytest.fixture
def lab() -> WireLab:
    return WireLab()


def election_peer(lab: WireLab, sid: int) -> ElectionConnection:
    """A voter with a larger number has called."""
    connection: ElectionConnection | None = lab.peer.accept_election(ELSEWHERE)
    assert connection is not None
    connection.receive(Opening(Sid(sid), ((f"member{sid}", 3888),)).encode())
    connection.out.clear()
    return connection


def vote(
    connection: ElectionConnection,
    leader: int,
    *,
    state: ServerState = ServerState.LOOKING,
    zxid: int = 0,
    epoch: int = 0,
    election_round: int = 1,
) -> None:
    told = Notification(state, Sid(leader), Zxid(zxid), election_round, Epoch(epoch))
    connection.receive(frame(told.encode()))


# -- starting and looking ----------------------------------------------------------------------------------


def test_a_member_starts_looking_with_what_its_disk_has(lab: WireLab) -> None:
    leader = lab.follow(2)
    leader.synchronise(committed(A), epoch=3)
    leader.say(proposed(B))
    restarted = lab.durable()
    assert restarted.state() is ServerState.LOOKING
    assert restarted.zab_state() is ZabState.ELECTION
    assert restarted.peer.last_zxid == zx(1, 2)
    assert (restarted.peer.epochs.accepted, restarted.peer.epochs.current) == (3, 3)
    assert restarted.peer.election.vote[:2] == (1, zx(1, 2))
    assert not restarted.peer.wants_learners
    assert restarted.peer.accept_learner(ELSEWHERE) is None


def test_who_lost_its_folder_does_not_vote_and_claims_nothing() -> None:
    lab = WireLab(db_autocreate=False)
    assert lab.peer.last_zxid == -1
    voter = election_peer(lab, 3)
    vote(voter, 3)
    lab.advance(1000)
    assert lab.state() is ServerState.LOOKING, "two votes of three would have been enough"
    leader = lab.follow(2)
    [_, ack_epoch] = leader.open(1)
    assert ack_epoch[1] == -1
    leader.say(snapshot_of(A), leader.new_leader())
    leader.say(UPTODATE)
    assert lab.me.mode == "follower"
    assert lab.peer.last_zxid == lab.durable().peer.last_zxid == zx(1, 1)


def test_two_votes_of_three_make_a_leader_and_everybody_hears_of_the_new_epoch(lab: WireLab) -> None:
    voter = election_peer(lab, 3)
    vote(voter, 1, zxid=0)
    lab.advance(1000)
    assert lab.state() is ServerState.LEADING
    follower = lab.learner(3)
    follower.join()
    assert lab.me.mode == "leader"
    voter.out.clear()
    voter.unsent_bytes = 0
    vote(voter, 3)
    told = Notification.decode(b"".join(voter.out)[4:])
    assert (told.state, told.leader, told.peer_epoch) == (ServerState.LEADING, 1, 1)


def test_a_leader_that_others_follow_is_joined(lab: WireLab) -> None:
    for sid, state in ((3, ServerState.FOLLOWING), (2, ServerState.LEADING)):
        if sid > 1:
            vote(election_peer(lab, sid), 2, state=state, epoch=4, election_round=9)
    lab.run()
    assert lab.state() is ServerState.FOLLOWING
    [dial] = lab.dials
    assert dial.addresses == (("member2", 2888),)


def test_an_observer_waits_a_little_before_it_looks_again() -> None:
    """So that not all observers of an ensemble ask at the same moment."""
    lab = WireLab(4, observers=1, observer_election_delay_ms=1000)
    leader = lab.follow(2)
    leader.synchronise()
    election_round = lab.peer.election.round
    leader.hang_up()
    assert lab.peer.role is None
    assert lab.peer.election.round == election_round
    lab.advance(1000)
    assert lab.peer.election.round == election_round + 1


# -- roles -------------------------------------------------------------------------------------------------


def test_learners_are_listened_to_while_leading_and_only_then(lab: WireLab) -> None:
    changes: list[bool] = []
    lab.peer.on_change = lambda: changes.append(lab.peer.wants_learners)
    lab.lead()
    lab.advance(INIT_MS)
    assert changes == [True, False]


def test_a_leader_that_can_t_be_connected_to_does_not_begin() -> None:
    """The quorum port is taken: the role ends while it is announced, and nothing of it is written."""
    lab = WireLab(voters=3)
    peer = lab.peer

    def refuse() -> None:
        if peer.role is not None:
            peer.role_ended(peer.role, "the port is taken")

    peer.on_change = refuse
    peer.election.designate(Sid(1), Zxid(0))
    lab.run()
    assert peer.role is None
    assert (peer.epochs.accepted, peer.epochs.current) == (0, 0)


def test_an_ended_role_can_t_end_the_next_one(lab: WireLab) -> None:
    first = lab.follow(2).learner
    first.close("enough")
    lab.run()
    second = lab.follow(3).learner
    lab.peer.role_ended(first, "again")
    first.close("and again")
    assert lab.peer.role is second


def test_a_member_that_stops_says_nothing_more(lab: WireLab) -> None:
    leader = lab.follow(2)
    leader.synchronise()
    voter = election_peer(lab, 3)
    lab.peer.stop()
    voter.receive(frame(Notification(ServerState.LOOKING, Sid(3), Zxid(0), 9, Epoch(0)).encode()))
    leader.end.receive(proposed(A))
    assert voter.is_closing
    assert not leader.is_open
    assert not b"".join(voter.out)
    assert lab.peer.take_dials() == []


def test_nothing_is_due_in_the_past_while_looking(lab: WireLab) -> None:
    lab.ticks = 0
    lab.advance(10 * TICK_MS)
    assert lab.ticks < 100


# -- the log and snapshots ---------------------------------------------------------------------------------


def serving_leader_with_client(lab: WireLab) -> tuple[ScriptedLearner, Client]:
    [follower] = lab.serving_leader(2)
    client = lab.me.client()
    client.send(client.connect_frame())
    follower.say(ack(lab.leader_role.last_proposed))
    assert len(client.take_frames()) == 1
    follower.heard()
    return follower, client


def write(lab: WireLab, follower: ScriptedLearner, client: Client, count: int) -> None:
    for _ in range(count):
        client.send(client.request(OpCode.SET_DATA, SetDataRequest("/zookeeper", b"x", -1)))
        follower.say(ack(lab.leader_role.last_proposed))
    follower.heard()
    client.take_frames()


def snapshots(disk: SimDisk) -> list[str]:
    return [name for name in disk.listdir("/data/version-2") if name.startswith("snapshot.")]


def test_snapshots_are_taken_while_serving() -> None:
    lab = WireLab(snap_count=10)
    follower, client = serving_leader_with_client(lab)
    assert snapshots(lab.me.disk) == ["snapshot.0"]
    write(lab, follower, client, 30)
    assert len(snapshots(lab.me.disk)) > 2
    assert lab.durable().peer.last_zxid == lab.peer.last_zxid


def test_a_snapshot_under_way_is_given_up_before_uncommitted_txns_are_applied() -> None:
    """Snapshots hold committed txns only: no leader may be told to cut off what one of them holds."""
    lab = WireLab(snap_count=4)
    follower, client = serving_leader_with_client(lab)
    held: list[object] = []
    lab.peer._start_snapshot = held.append
    write(lab, follower, client, 4)
    [job] = held
    client.send(client.request(OpCode.SET_DATA, SetDataRequest("/zookeeper", b"uncommitted", -1)))
    last = lab.leader_role.last_proposed
    follower.hang_up()
    lab.advance(TICK_MS)
    assert lab.peer.role is None
    assert job.is_cancelled  # type: ignore[attr-defined]
    assert lab.peer.last_zxid < last, "its writer has not noticed yet"
    job.abandoned()  # type: ignore[attr-defined]
    lab.run()
    assert lab.peer.last_zxid == last
    assert lab.state() is ServerState.LOOKING


def test_the_disk_s_failure_is_the_members(lab: WireLab) -> None:
    leader = lab.follow(2)
    leader.synchronise()
    lab.me.disk.fail_at = lab.me.disk.changes + 1
    with pytest.raises(StorageError):
        leader.say(proposed(A))
    assert leader.end.out == []


def test_a_leader_s_snapshot_that_can_t_be_written_ends_the_member(lab: WireLab) -> None:
    leader = lab.follow(2)
    leader.open(1)
    held: list[object] = []
    lab.peer._start_snapshot = held.append
    leader.say(snapshot_of(A), leader.new_leader())
    [job] = held
    job.failed(StorageError("no space left"))  # type: ignore[attr-defined]
    with pytest.raises(StorageError, match="no space left"):
        lab.peer.take_batch()
    assert leader.end.out == [], "nothing was acknowledged"


def test_a_role_that_ends_while_its_snapshot_is_written_waits_for_it(lab: WireLab) -> None:
    leader = lab.follow(2)
    leader.open(1)
    lab.disk_works = False
    leader.say(snapshot_of(A, B), leader.new_leader())
    leader.hang_up()
    lab.advance(TICK_MS)
    assert lab.peer.election.decided is not None
    lab.let_disk_work()
    assert lab.peer.election.vote[:2] == (1, zx(1, 2))
    assert lab.durable().nodes == {"/a", "/b"}


# -- leaderServes ------------------------------------------------------------------------------------------


def test_a_leader_that_does_not_serve_leads_all_the_same() -> None:
    lab = WireLab(leader_serves=False)
    [follower] = lab.serving_leader(2)
    client = lab.me.client()
    client.send(client.connect_frame())
    assert not client.is_open
    for _ in range(4):
        lab.advance(SYNC_MS // 2)
        follower.heard()
        follower.say(packet(5, 0))
    assert lab.state() is ServerState.LEADING
    server = lab.leader_role.server
    assert server is not None
    assert server.now_ms == lab.now_ms, "its sessions expire in time"
    follower.hang_up()
    lab.advance(TICK_MS)
    assert lab.state() is ServerState.LOOKING
    assert not server.is_serving


def test_roles_follow_one_another_without_end(lab: WireLab) -> None:
    """Follower, leader, follower: each takes over where the one before ended."""
    paths = set()
    for number in range(1, 10, 2):
        leader = lab.follow(2)
        leader.synchronise(begin=packet(DIFF, lab.peer.last_zxid), epoch=number)
        zxid = zx(number, 1)
        leader.say(proposed(create_txn(zxid, f"/{number}")), commit(zxid))
        leader.hang_up()
        [follower] = lab.serving_leader(2)
        lab.leader_role.peer.role_ended(lab.leader_role, "the test wants another one")
        lab.run()
        assert not follower.is_open
        paths.add(f"/{number}")
        assert lab.nodes == lab.durable().nodes == paths
    assert isinstance(lab.follow(3).learner, Learner)
