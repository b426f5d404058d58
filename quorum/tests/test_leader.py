"""A leader from its election to the end of its term; the learners are scripts."""

from __future__ import annotations

import pytest
from zoolet.jute.codes import OpCode, PacketType
from zoolet.jute.data import OPEN_ACL
from zoolet.jute.election import ServerState
from zoolet.jute.ids import epoch_of
from zoolet.jute.proto import CreateRequest, SyncRequest
from zoolet.quorum.packet_data import encode_int, encode_request, encode_revalidation
from zoolet.quorum.packets import ack, packet
from zoolet.quorum.phases import ZabState
from zoolet.quorum.tests.wire_lab import (
    INIT_MS,
    PING,
    SYNC_MS,
    TICK_MS,
    ScriptedLearner,
    WireLab,
    committed,
    create_txn,
    kinds,
    said,
    zx,
)
from zoolet.server.tests.harness import Client
from zoolet.storage.epoch_files import EPOCH_MAX


@pytest.fixture
def lab() -> WireLab:
    return WireLab()


def create(path: str) -> CreateRequest:
    return CreateRequest(path, b"", OPEN_ACL, 0)


def send_create(client: Client, path: str) -> None:
    client.send(client.request(OpCode.CREATE, create(path)))


def request(opcode: int, body: bytes, *, session_id: int, cxid: int = 1) -> bytes:
    return packet(PacketType.REQUEST, -1, encode_request(session_id, cxid, opcode, body))


def connected(lab: WireLab, *followers: ScriptedLearner) -> Client:
    """A client with a session that a quorum has acknowledged."""
    client = lab.me.client()
    client.send(client.connect_frame())
    zxid = lab.leader_role.last_proposed
    for follower in followers:
        follower.say(ack(zxid))
    for follower in followers:
        follower.heard()
    assert len(client.take_frames()) == 1
    client.session_id = client.connection.session_id
    return client


# -- discovery ---------------------------------------------------------------------------------------------


def test_the_epoch_is_larger_than_any_that_a_quorum_has_accepted(lab: WireLab) -> None:
    lab.lead()
    follower = lab.learner(2)
    assert said(follower.introduce(accepted=6)) == [("LEADERINFO", zx(7, 0))]
    assert lab.peer.epochs.accepted == 7
    assert lab.durable().peer.epochs.accepted == 7, "on disk before anybody hears of it"
    assert lab.peer.epochs.current == 0


def test_nobody_hears_of_an_epoch_before_a_quorum_has_come() -> None:
    lab = WireLab(voters=5)
    lab.lead()
    first, stranger, second = lab.learner(2), lab.learner(99), lab.learner(3)
    assert first.introduce() == []
    assert stranger.introduce() == [], "who has no vote does not count"
    assert first.heard() == []
    assert kinds(second.introduce(accepted=3)) == ["LEADERINFO"]
    assert said(first.heard()) == said(stranger.heard()) == [("LEADERINFO", zx(4, 0))]


def test_who_comes_after_the_epoch_is_settled_hears_it_at_once(lab: WireLab) -> None:
    lab.serving_leader(2)
    late = lab.learner(3)
    assert said(late.introduce(accepted=9)) == [("LEADERINFO", zx(1, 0))], "it will refuse; that is its right"


def test_a_stranger_does_not_choose_the_epoch(lab: WireLab) -> None:
    """Or one packet could use up all epochs there are."""
    lab.lead()
    stranger, follower = lab.learner(99), lab.learner(2)
    stranger.introduce(accepted=EPOCH_MAX - 1)
    follower.introduce()
    assert lab.peer.epochs.accepted == 1
    lab.learner(2).introduce(accepted=EPOCH_MAX)
    assert lab.state() is ServerState.LEADING


def test_the_leader_leads_when_a_quorum_has_accepted_its_epoch() -> None:
    lab = WireLab(voters=5)
    lab.lead()
    followers = [lab.learner(sid) for sid in (2, 3, 4)]
    for follower in followers:
        follower.introduce()
    assert lab.zab_state() is ZabState.DISCOVERY
    assert followers[0].heard()
    assert followers[0].ack_epoch() == []
    assert lab.peer.epochs.current == 0
    assert kinds(followers[1].ack_epoch()) == ["DIFF", "NEWLEADER"]
    assert lab.zab_state() is ZabState.SYNCHRONIZATION
    assert lab.peer.epochs.current == lab.durable().peer.epochs.current == 1
    assert kinds(followers[0].heard()) == ["DIFF", "NEWLEADER"]
    assert kinds(followers[2].ack_epoch()) == ["DIFF", "NEWLEADER"]


def test_who_had_accepted_the_epoch_before_is_synchronised_and_not_counted() -> None:
    lab = WireLab(voters=5)
    lab.lead()
    first, second, third = (lab.learner(sid) for sid in (2, 3, 4))
    for follower in (first, second, third):
        follower.introduce()
    first.ack_epoch(current=-1)
    second.ack_epoch()
    assert lab.zab_state() is ZabState.DISCOVERY
    third.ack_epoch()
    assert kinds(first.heard()) == ["DIFF", "NEWLEADER"]


@pytest.mark.parametrize(("zxid", "current"), [(zx(1, 2), 1), (zx(1, 1), 2), (zx(2, 0), 2)])
def test_a_learner_that_is_ahead_is_refused_and_not_counted(lab: WireLab, zxid: int, current: int) -> None:
    """Its history may be committed; with it in the quorum somebody else would have been elected."""
    leader = lab.follow(2)
    leader.synchronise(committed(create_txn(zx(1, 1), "/a")))
    leader.hang_up()
    lab.lead()
    ahead, follower = lab.learner(2), lab.learner(3)
    ahead.introduce()
    follower.introduce()
    ahead.heard()
    assert ahead.ack_epoch(zxid, current) == []
    assert not ahead.is_open
    assert lab.zab_state() is ZabState.DISCOVERY
    assert kinds(follower.ack_epoch(zx(1, 1), 1)) == ["DIFF", "NEWLEADER"]


def test_an_untrusted_learner_is_not_counted(lab: WireLab) -> None:
    """Zxid -1: its folder was empty, and nothing says that it is meant to be."""
    lab.lead()
    follower = lab.learner(2)
    follower.introduce()
    follower.ack_epoch(-1, 0)
    assert lab.zab_state() is ZabState.DISCOVERY


def test_a_voter_that_looks_again_ends_a_vain_wait_where_that_is_wished() -> None:
    """`leader.maxTimeToWaitForEpoch`; the leader was elected by whom it now waits for."""
    lab = WireLab(leader_max_time_to_wait_for_epoch_ms=500)
    leader = lab.lead()
    leader.voter_looks(2)  # type: ignore[arg-type]
    assert lab.peer.role is leader, "we were designated: nobody has voted"


# -- synchronisation ---------------------------------------------------------------------------------------


def test_the_leader_serves_when_a_quorum_has_its_history_on_disk() -> None:
    lab = WireLab(voters=5)
    lab.lead()
    followers = [lab.learner(sid) for sid in (2, 3, 4)]
    for follower in followers:
        follower.introduce()
    for follower in followers:
        follower.ack_epoch()
    assert kinds(followers[0].ack_newleader()) == ["DIFF", "NEWLEADER"]
    assert not lab.me.core.is_serving
    assert kinds(followers[1].ack_newleader()) == ["UPTODATE"]
    assert kinds(followers[0].heard()) == ["UPTODATE"]
    assert lab.me.mode == "leader"
    assert lab.zab_state() is ZabState.BROADCAST
    assert lab.peer.last_zxid == zx(1, 0)
    assert kinds(followers[2].ack_newleader()) == ["UPTODATE"]


def test_an_observer_does_not_count_for_anything() -> None:
    lab = WireLab(voters=3, observers=1)
    lab.lead()
    observer, follower = lab.learner(4), lab.learner(2)
    observer.introduce(observer=True)
    assert not lab.leader_role.has_epoch
    follower.introduce()
    observer.heard()
    observer.ack_epoch()
    assert lab.zab_state() is ZabState.DISCOVERY
    follower.ack_epoch()
    assert kinds(observer.heard()) == ["DIFF", "NEWLEADER"]
    observer.ack_newleader()
    assert not lab.me.core.is_serving
    follower.ack_newleader()
    assert lab.me.core.is_serving


def test_one_member_with_two_connections_counts_once() -> None:
    lab = WireLab(voters=5)
    lab.lead()
    for _ in range(2):
        lab.learner(2).introduce()
    assert not lab.leader_role.has_epoch


def test_a_quorum_of_one_leads_without_anybody() -> None:
    lab = WireLab(voters=1, standalone_enabled=False)
    assert lab.me.mode == "leader"
    client = lab.me.connected()
    assert client.create("/a").err == 0
    assert lab.durable().nodes == {"/a"}


# -- time --------------------------------------------------------------------------------------------------


def test_a_leader_gives_up_when_no_quorum_comes_in_time(lab: WireLab) -> None:
    lab.lead()
    lab.ticks = 0
    lab.advance(INIT_MS - 1)
    assert lab.state() is ServerState.LEADING
    assert lab.ticks <= INIT_MS / TICK_MS + 2
    lab.advance(1)
    assert lab.state() is ServerState.LOOKING


def test_every_phase_has_its_own_time(lab: WireLab) -> None:
    lab.lead()
    lab.advance(INIT_MS - 1)
    follower = lab.learner(2)
    follower.introduce()
    lab.advance(INIT_MS - 1)
    follower.ack_epoch()
    lab.advance(INIT_MS - 1)
    assert lab.zab_state() is ZabState.SYNCHRONIZATION
    lab.advance(1)
    assert lab.state() is ServerState.LOOKING
    assert not follower.is_open


def test_learners_are_pinged_twice_a_tick_with_the_last_zxid(lab: WireLab) -> None:
    [follower] = lab.serving_leader(2)
    connected(lab, follower)
    lab.advance(TICK_MS)
    pings = [one for one in follower.heard() if one[0] == PacketType.PING]
    assert pings == [(PacketType.PING, zx(1, 1), None, None)] * 2


def test_a_leader_without_its_quorum_gives_up_after_sync_limit(lab: WireLab) -> None:
    [follower] = lab.serving_leader(2)
    client = connected(lab, follower)
    lab.advance(SYNC_MS + 2 * TICK_MS)
    assert lab.state() is ServerState.LOOKING
    assert not client.is_open


def test_a_leader_that_hears_of_its_quorum_goes_on(lab: WireLab) -> None:
    [follower] = lab.serving_leader(2)
    for _ in range(20):
        lab.advance(TICK_MS)
        follower.heard()
        follower.say(PING)
    assert lab.me.mode == "leader"


def test_a_leader_that_loses_its_quorum_notices_at_the_next_tick(lab: WireLab) -> None:
    [follower] = lab.serving_leader(2)
    follower.hang_up()
    assert lab.state() is ServerState.LEADING
    lab.advance(TICK_MS)
    assert lab.state() is ServerState.LOOKING


def test_nothing_is_due_in_the_past_while_leading(lab: WireLab) -> None:
    followers = lab.serving_leader(2, 3)
    lab.ticks = 0
    for _ in range(10):
        lab.advance(TICK_MS)
        for follower in followers:
            follower.heard()
            follower.say(PING)
    assert lab.ticks <= 10 * 4


# -- broadcast ---------------------------------------------------------------------------------------------


def test_a_write_is_proposed_logged_committed_by_a_quorum_applied_and_answered() -> None:
    lab = WireLab(voters=5)
    followers = lab.serving_leader(2, 3, 4)
    client = connected(lab, *followers)
    lab.disk_works = False
    send_create(client, "/a")
    for follower in followers:
        assert said(follower.heard()) == [("PROPOSAL", zx(1, 2))]
    followers[0].say(ack(zx(1, 2)))
    followers[1].say(ack(zx(1, 2)))
    assert lab.nodes == set()
    assert client.take_frames() == []
    followers[2].say(ack(zx(1, 2)))
    assert lab.nodes == {"/a"}, "three of five have it; our own disk is not needed for that"
    for follower in followers:
        assert said(follower.heard()) == [("COMMIT", zx(1, 2))]
    assert len(client.take_frames()) == 1


def test_the_leaders_own_disk_counts_as_one(lab: WireLab) -> None:
    first, second = lab.serving_leader(2, 3)
    client = connected(lab, first)
    lab.disk_works = False
    send_create(client, "/a")
    second.say(ack(zx(1, 2)))
    assert lab.nodes == set()
    lab.let_disk_work()
    assert lab.nodes == {"/a"}


def test_commits_go_in_order_whatever_the_order_of_the_acks(lab: WireLab) -> None:
    first, second = lab.serving_leader(2, 3)
    client = connected(lab, first)
    for path in ("/a", "/b", "/c"):
        send_create(client, path)
    first.heard()
    first.say(ack(zx(1, 4)), ack(zx(1, 3)))
    assert lab.nodes == set()
    first.say(ack(zx(1, 2)))
    assert said(first.heard()) == [("COMMIT", zx(1, 2)), ("COMMIT", zx(1, 3)), ("COMMIT", zx(1, 4))]
    assert kinds(second.heard())[-3:] == ["COMMIT"] * 3


def test_acks_that_mean_nothing_change_nothing(lab: WireLab) -> None:
    [follower] = lab.serving_leader(2)
    stranger = lab.learner(99)
    stranger.join(zx(1, 0))
    client = connected(lab, follower)
    send_create(client, "/a")
    follower.say(ack(zx(1, 0)), ack(zx(1, 1)), ack(zx(1, 3)), ack(zx(7, 2)), ack(-1), ack(0))
    stranger.say(ack(zx(1, 2)))
    assert lab.nodes == set()
    follower.say(ack(zx(1, 2)))
    assert lab.nodes == {"/a"}


def test_an_observer_is_informed_of_commits_only() -> None:
    lab = WireLab(voters=3, observers=1)
    [follower] = lab.serving_leader(2)
    observer = lab.learner(4)
    observer.join(zx(1, 0), observer=True)
    client = connected(lab, follower)
    observer.heard()
    send_create(client, "/a")
    assert kinds(observer.heard()) == []
    [proposal] = [one for one in follower.heard() if one[0] == PacketType.PROPOSAL]
    follower.say(ack(zx(1, 2)))
    assert observer.heard() == [(PacketType.INFORM, zx(1, 2), proposal[2], None)]


def test_what_a_turn_commits_goes_in_one_piece_to_each_and_before_what_is_for_one_alone() -> None:
    lab = WireLab(voters=3, observers=1)
    [follower] = lab.serving_leader(2)
    observer = lab.learner(4)
    observer.join(zx(1, 0), observer=True)
    client = connected(lab, follower)
    for path in ("/a", "/b", "/c"):
        send_create(client, path)
    for learner in (follower, observer):
        learner.heard()
    follower.end.receive(ack(zx(1, 2)) + ack(zx(1, 3)))
    assert [follower.end.out, observer.end.out] == [[], []]
    lab.peer.take_batch()
    assert [len(follower.end.out), len(observer.end.out)] == [1, 1]
    follower.end.receive(ack(zx(1, 4)))
    observer.handler.ping(zx(1, 4))
    came = [(PacketType(kind).name, zxid) for kind, zxid, *_ in observer.heard()]
    assert came == [*(("INFORM", zx(1, count)) for count in (2, 3, 4)), ("PING", zx(1, 4))]


@pytest.mark.parametrize("as_observer", [False, True])
def test_who_joins_late_gets_what_is_committed_and_then_what_is_under_way(*, as_observer: bool) -> None:
    lab = WireLab(voters=3, observers=1)
    [follower] = lab.serving_leader(2)
    client = connected(lab, follower)
    send_create(client, "/a")
    follower.say(ack(zx(1, 2)))
    send_create(client, "/b")
    late = lab.learner(4 if as_observer else 3)
    came = said(late.join(zx(1, 1), observer=as_observer))
    shown = [("DIFF", zx(1, 2)), ("PROPOSAL", zx(1, 2)), ("COMMIT", zx(1, 2))]
    under_way = [] if as_observer else [("PROPOSAL", zx(1, 3))]
    assert came == [("LEADERINFO", zx(1, 0)), *shown, *under_way, ("NEWLEADER", zx(1, 0)), ("UPTODATE", -1)]
    follower.say(ack(zx(1, 3)))
    assert said(late.heard()) == [("INFORM" if as_observer else "COMMIT", zx(1, 3))]


def test_what_is_not_committed_when_the_term_ends_counts_in_the_next_election(lab: WireLab) -> None:
    [follower] = lab.serving_leader(2)
    client = connected(lab, follower)
    send_create(client, "/a")
    lab.disk_works = False
    send_create(client, "/b")
    follower.hang_up()
    lab.advance(TICK_MS)
    assert lab.peer.role is None
    assert not client.is_open
    assert lab.peer.last_zxid == zx(1, 1), "nothing is applied before the log is at rest"
    lab.let_disk_work()
    assert lab.peer.last_zxid == lab.durable().peer.last_zxid == zx(1, 3)
    assert lab.nodes == lab.durable().nodes == {"/a", "/b"}


def test_an_epoch_ends_before_its_zxids_run_out() -> None:
    """ZOOKEEPER-1277. The last zxid is never proposed."""
    lab = WireLab(testing_initial_zxid=0xFFFFFFFC)
    [follower] = lab.serving_leader(2)
    client = connected(lab, follower)
    send_create(client, "/a")
    assert said(follower.heard()) == [("PROPOSAL", zx(1, 0xFFFFFFFE))]
    assert lab.state() is ServerState.LEADING
    send_create(client, "/b")
    assert follower.heard() == []
    assert lab.state() is ServerState.LOOKING
    assert lab.nodes == {"/a"}
    [follower] = lab.serving_leader(2)
    connected(lab, follower)
    assert epoch_of(lab.peer.last_zxid) == 2


def test_terms_leave_nothing_behind(lab: WireLab) -> None:
    for number in range(1, 4):
        [follower] = lab.serving_leader(2)
        client = connected(lab, follower)
        send_create(client, f"/{number}")
        follower.say(ack(zx(number, 2)))
        leader = lab.leader_role
        follower.hang_up()
        lab.advance(TICK_MS)
        assert lab.peer.role is None
        assert not leader.handlers
        assert not leader.forwarding
        follower.say(ack(zx(number, 2)), packet(PacketType.ACKEPOCH, 0, encode_int(0)))
        assert lab.nodes == {f"/{each}" for each in range(1, number + 1)}
        assert lab.peer.accept_learner(("10.0.0.1", 1)) is None
    lab.ticks = 0
    lab.advance(TICK_MS)
    assert lab.ticks < 100


# -- what learners ask -------------------------------------------------------------------------------------

SESSION = 0x0200000000000001


def opened_session(lab: WireLab, follower: ScriptedLearner) -> None:
    """The follower has opened a session for a client of its own."""
    follower.say(request(OpCode.CREATE_SESSION, encode_int(10_000), session_id=SESSION, cxid=0))
    follower.say(ack(lab.leader_role.last_proposed))
    follower.heard()
    assert SESSION in lab.peer.database.sessions


def test_a_forwarded_write_becomes_a_txn_of_its_session(lab: WireLab) -> None:
    [follower] = lab.serving_leader(2)
    opened_session(lab, follower)
    follower.say(request(OpCode.CREATE, create("/a").encode(), session_id=SESSION))
    assert said(follower.heard()) == [("PROPOSAL", zx(1, 2))]
    follower.say(ack(zx(1, 2)))
    assert lab.nodes == {"/a"}


@pytest.mark.parametrize("body", [b"", b"\0", b"\0\0\0\x7f/a"])
def test_a_forwarded_write_that_can_t_be_decoded_becomes_an_error(lab: WireLab, body: bytes) -> None:
    """The member that forwarded it waits for a txn."""
    [follower] = lab.serving_leader(2)
    opened_session(lab, follower)
    follower.say(request(OpCode.CREATE, body, session_id=SESSION))
    [(kind, zxid, payload, _)] = follower.heard()
    assert (kind, zxid) == (PacketType.PROPOSAL, zx(1, 2))
    assert payload is not None
    assert payload[-4:] == (-5 & 0xFFFFFFFF).to_bytes(4)
    follower.say(request(OpCode.CREATE, create("/a").encode(), session_id=SESSION, cxid=2))
    follower.say(ack(zx(1, 2)), ack(zx(1, 3)))
    assert lab.nodes == {"/a"}


@pytest.mark.parametrize("opcode", [OpCode.GET_DATA, OpCode.PING, OpCode.AUTH, OpCode.ERROR, 77, -77])
def test_what_nobody_forwards_harms_only_who_forwards_it(lab: WireLab, opcode: int) -> None:
    first, second = lab.serving_leader(2, 3)
    opened_session(lab, first)
    second.say(request(opcode, b"\0\0\0\1/\0", session_id=SESSION))
    assert lab.me.mode == "leader"
    assert first.is_open


def test_syncs_are_answered_behind_what_was_proposed_before_them(lab: WireLab) -> None:
    [follower] = lab.serving_leader(2)
    opened_session(lab, follower)
    sync = request(OpCode.SYNC, SyncRequest("/").encode(), session_id=SESSION)
    follower.say(sync)
    assert said(follower.heard()) == [("SYNC", 0)]
    follower.say(request(OpCode.CREATE, create("/a").encode(), session_id=SESSION), sync)
    follower.say(request(OpCode.CREATE, create("/b").encode(), session_id=SESSION), sync, sync)
    assert kinds(follower.heard()) == ["PROPOSAL", "PROPOSAL"]
    assert lab.me.monitor()["pending_syncs"] == "2"
    follower.say(ack(zx(1, 2)))
    assert kinds(follower.heard()) == ["COMMIT", "SYNC"]
    follower.say(ack(zx(1, 3)))
    assert kinds(follower.heard()) == ["COMMIT", "SYNC", "SYNC"]


def test_a_sync_that_came_without_a_quorum_is_answered_before_a_later_write(lab: WireLab) -> None:
    [follower] = lab.serving_leader(2)
    client = connected(lab, follower)
    follower.hang_up()
    sync, write = client.request(OpCode.SYNC, SyncRequest("/")), client.request(OpCode.CREATE, create("/a"))
    client.send(sync + write)
    assert client.take_frames() == []
    again = lab.learner(2)
    again.join(zx(1, 1))
    again.say(ack(zx(1, 2)))
    assert [reply.xid for reply in client.replies()] == [1, 2]


def test_a_sync_of_a_learner_that_has_gone_is_forgotten(lab: WireLab) -> None:
    first, second = lab.serving_leader(2, 3)
    opened_session(lab, first)
    second.say(request(OpCode.CREATE, create("/a").encode(), session_id=SESSION, cxid=5))
    second.say(request(OpCode.SYNC, SyncRequest("/").encode(), session_id=SESSION))
    second.hang_up()
    first.say(ack(zx(1, 2)))
    assert kinds(first.heard())[-1] == "COMMIT"
    assert lab.me.mode == "leader"


def test_a_session_is_asked_for_and_becomes_that_learners(lab: WireLab) -> None:
    first, second = lab.serving_leader(2, 3)
    opened_session(lab, first)
    second.heard()
    asked = packet(PacketType.REVALIDATE, -1, encode_revalidation(SESSION, 10_000))
    second.say(asked, packet(PacketType.REVALIDATE, -1, encode_revalidation(SESSION + 1, 10_000)))
    answers = [data for kind, _, data, _ in second.heard() if kind == PacketType.REVALIDATE]
    assert answers == [SESSION.to_bytes(8) + b"\1", (SESSION + 1).to_bytes(8) + b"\0"]
    first.say(request(OpCode.CREATE, create("/late").encode(), session_id=SESSION))
    [(_, zxid, payload, _)] = [one for one in first.heard() if one[0] == PacketType.PROPOSAL]
    assert payload is not None
    assert payload[-4:] == (-118 & 0xFFFFFFFF).to_bytes(4), "its old owner is too late: SessionMoved"
    first.say(ack(zxid))
    assert lab.nodes == set()


def test_sessions_live_as_long_as_learners_say_that_they_were_heard_of(lab: WireLab) -> None:
    [follower] = lab.serving_leader(2)
    opened_session(lab, follower)
    for _ in range(20):
        lab.advance(TICK_MS)
        follower.heard()
        follower.say(packet(PacketType.PING, 0, encode_revalidation(SESSION, 10_000)))
    assert SESSION in lab.peer.database.sessions
    for _ in range(8):
        lab.advance(TICK_MS)
        follower.say(PING)
        for kind, zxid, *_ in follower.heard():
            if kind == PacketType.PROPOSAL:
                follower.say(ack(zxid))
    assert SESSION not in lab.peer.database.sessions
