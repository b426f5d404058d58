"""The leader's end of a connection to a learner: who may come, what it may say, and how long it may take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from zoolet.jute.codes import OpCode, PacketType
from zoolet.jute.data import OPEN_ACL
from zoolet.jute.election import ServerState
from zoolet.jute.ids import Sid
from zoolet.jute.proto import CreateRequest
from zoolet.jute.txn import SetDataTxn
from zoolet.quorum import learner_handler
from zoolet.quorum.leader import STRANGERS_MAX
from zoolet.quorum.learner_handler import Phase, SyncLimitCheck
from zoolet.quorum.packet_data import encode_int, encode_introduction
from zoolet.quorum.packets import Packet, ack, packet
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
    txn,
    zx,
)
from zoolet.server.database import ZKDatabase, decode_payload
from zoolet.server.endpoint import tell_heard, tell_output_waits

INFO, OBSERVER_INFO = PacketType.FOLLOWERINFO, PacketType.OBSERVERINFO


@pytest.fixture
def lab() -> WireLab:
    return WireLab()


# -- who may come ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [kind for kind in PacketType if kind not in (INFO, OBSERVER_INFO)])
def test_who_does_not_introduce_itself_is_cut_off(lab: WireLab, kind: int) -> None:
    lab.lead()
    stranger = lab.learner(2)
    stranger.say(packet(kind, 0, encode_introduction(2, 0)))
    assert not stranger.is_open
    assert not lab.leader_role.handlers


@pytest.mark.parametrize(
    ("sid", "config_version", "comes"), [(2, 0, True), (99, 0, True), (1, 0, False), (2, 1, False)]
)
def test_who_has_our_number_or_a_later_configuration_is_cut_off(
    lab: WireLab, sid: int, config_version: int, *, comes: bool
) -> None:
    lab.lead()
    learner = lab.learner(sid)
    learner.introduce(config_version=config_version)
    assert learner.is_open is comes
    assert lab.leader_role.has_epoch is (comes and sid == 2)


def test_observers_without_a_number_get_one_each(lab: WireLab) -> None:
    lab.lead()
    learners = [lab.learner(0), lab.learner(0)]
    for learner in learners:
        learner.say(packet(OBSERVER_INFO, 0))
    assert [learner.handler.sid for learner in learners] == [-1, -2]


@pytest.mark.parametrize("data", [b"", b"\0" * 7])
def test_half_an_introduction_is_none(lab: WireLab, data: bytes) -> None:
    lab.lead()
    learner = lab.learner(2)
    learner.say(packet(INFO, 0, data))
    assert not learner.is_open


@pytest.mark.parametrize("length", [8, 12], ids=["before-3.4", "protocol-version-1"])
def test_who_speaks_an_old_protocol_is_cut_off_when_the_epoch_is_known(lab: WireLab, length: int) -> None:
    """It knows neither LEADERINFO nor ACKEPOCH. It has told its epoch: that counts, as in the original."""
    lab.lead()
    old = lab.learner(2)
    old.say(packet(INFO, 0, (encode_introduction(2, 0)[:8] + encode_int(1))[:length]))
    assert old.heard() == []
    assert not old.is_open
    assert lab.leader_role.has_epoch


def test_a_strangers_first_packet_is_short(lab: WireLab) -> None:
    lab.lead()
    stranger = lab.learner(2)
    stranger.say(packet(INFO, 0, bytes(100_000))[:24])
    assert not stranger.is_open


def test_strangers_are_limited_and_the_oldest_goes_first(lab: WireLab) -> None:
    [follower] = lab.serving_leader(2)
    strangers = [lab.learner(99) for _ in range(STRANGERS_MAX)]
    late = lab.learner(3)
    assert follower.is_open
    assert not strangers[0].is_open
    assert all(stranger.is_open for stranger in strangers[1:])
    assert late.join(zx(1, 0))


# -- what may be said when ---------------------------------------------------------------------------------
# The learner here has no vote: nothing that it says brings the leader any further.


def await_epoch(learner: ScriptedLearner) -> None:
    learner.introduce()


def await_ack_epoch(learner: ScriptedLearner) -> None:
    learner.lab.learner(2).introduce()
    learner.introduce()


def await_quorum(learner: ScriptedLearner) -> None:
    await_ack_epoch(learner)
    learner.ack_epoch(-1)


def syncing(learner: ScriptedLearner) -> None:
    other = learner.lab.learner(2)
    other.introduce()
    learner.introduce()
    other.ack_epoch()
    learner.ack_epoch()


def await_serving(learner: ScriptedLearner) -> None:
    syncing(learner)
    learner.ack_newleader()


def streaming(learner: ScriptedLearner) -> None:
    await_serving(learner)
    [other] = [one for one in learner.lab.leader_role.handlers if one.sid == 2]
    other.receive(ack(learner.lab.leader_role.zxid))


REACH: list[tuple[Callable[[ScriptedLearner], None], Phase, set[PacketType]]] = [
    (await_epoch, Phase.AWAIT_EPOCH, set()),
    (await_ack_epoch, Phase.AWAIT_ACK_EPOCH, {PacketType.ACKEPOCH}),
    (await_quorum, Phase.AWAIT_QUORUM, set()),
    (syncing, Phase.SYNCING, {PacketType.ACK}),
    (await_serving, Phase.AWAIT_SERVING, {PacketType.ACK}),
]


@pytest.mark.parametrize(("reach", "phase", "allowed"), REACH)
def test_before_it_serves_a_learner_says_one_thing_at_a_time(
    reach: Callable[[ScriptedLearner], None], phase: Phase, allowed: set[PacketType]
) -> None:
    for kind in PacketType:
        lab = WireLab()
        lab.lead()
        learner = lab.learner(99)
        reach(learner)
        assert learner.handler.phase is phase
        learner.say(packet(kind, zx(1, 0) if kind is PacketType.ACK else 0, encode_int(0)))
        assert learner.is_open is (kind in allowed or kind is PacketType.PING), kind.name
        assert lab.state() is ServerState.LEADING


def test_an_ack_of_something_else_is_none_of_newleader(lab: WireLab) -> None:
    """Java 3.8's learner tells of the txns of its DIFF, and may do so before NEWLEADER (ZOOKEEPER-4685)."""
    lab.lead()
    learner = lab.learner(3)
    syncing(learner)
    learner.say(ack(zx(1, 1)), ack(zx(0, 7)))
    assert learner.handler.phase is Phase.SYNCING
    assert learner.is_open
    assert kinds(learner.ack_newleader()) == ["UPTODATE"]
    learner.say(ack(zx(0, 7)))
    assert learner.is_open


def test_an_ack_in_front_of_that_of_newleader_counts_once_the_learner_serves(lab: WireLab) -> None:
    """The proposal was under way while the learner came, and nobody else is going to acknowledge it."""
    lab.serving_leader(2)
    client = lab.me.client()
    client.send(client.connect_frame())
    learner = lab.learner(3)
    learner.introduce()
    assert kinds(learner.ack_epoch())[-2:] == ["PROPOSAL", "NEWLEADER"]
    learner.say(ack(zx(1, 1)))
    assert lab.leader_role.last_committed == zx(1, 0)
    assert kinds(learner.ack_newleader()) == ["UPTODATE", "COMMIT"]
    assert lab.leader_role.last_committed == zx(1, 1)


def test_what_happens_between_newleader_and_uptodate_is_told_behind_uptodate(lab: WireLab) -> None:
    """A COMMIT between the two ends the synchronisation of a learner of Java 3.8 (ZOOKEEPER-4394)."""
    [follower] = lab.serving_leader(2)
    client = lab.me.client()
    client.send(client.connect_frame())
    learner = lab.learner(3)
    learner.introduce()
    assert kinds(learner.ack_epoch())[-2:] == ["PROPOSAL", "NEWLEADER"]
    follower.say(ack(zx(1, 1)))
    client.send(client.request(OpCode.CREATE, CreateRequest("/a", b"", OPEN_ACL, 0)))
    follower.say(ack(zx(1, 2)))
    assert lab.leader_role.last_committed == zx(1, 2)
    for _ in range(2):
        follower.say(PING)
        lab.advance(TICK_MS)
    assert {PacketType(kind).name for kind, *_ in learner.heard()} == {"PING"}, (
        "it hears that the leader lives"
    )
    assert said(learner.ack_newleader()) == [
        ("UPTODATE", -1), ("COMMIT", zx(1, 1)), ("PROPOSAL", zx(1, 2)), ("COMMIT", zx(1, 2))
    ]  # fmt: skip


def test_an_unknown_packet_of_a_learner_that_serves_is_passed_over(lab: WireLab) -> None:
    lab.lead()
    learner = lab.learner(3)
    streaming(learner)
    learner.say(packet(77, 0, b"?"), packet(PacketType.COMMIT, 5), PING)
    assert learner.is_open


# -- time --------------------------------------------------------------------------------------------------

LIMITS = [
    (lambda _: None, Phase.AWAIT_INFO, INIT_MS),
    (syncing, Phase.SYNCING, INIT_MS),
    (await_serving, Phase.AWAIT_SERVING, INIT_MS),
    (streaming, Phase.STREAMING, SYNC_MS),
]


@pytest.mark.parametrize(("reach", "phase", "limit_ms"), LIMITS)
def test_a_silent_learner_is_cut_off_after_its_time(
    lab: WireLab, reach: Callable[[ScriptedLearner], None], phase: Phase, limit_ms: int
) -> None:
    lab.lead()
    learner = lab.learner(99)
    reach(learner)
    assert learner.handler.phase is phase
    others = [handler for handler in lab.leader_role.handlers if handler is not learner.handler]
    started_ms = lab.now_ms
    lab.ticks = 0
    while learner.is_open and lab.peer.role is not None:
        lab.advance(500)
        for other in others:
            other.receive(PING) if other.is_introduced else None
    assert lab.now_ms - started_ms == limit_ms
    assert lab.ticks <= 8 * limit_ms / 500


def test_a_stranger_can_t_buy_time_with_single_bytes(lab: WireLab) -> None:
    lab.serving_leader(2, 3)
    stranger = lab.learner(99)
    for byte in packet(INFO, 0, encode_introduction(99, 0))[:10]:
        lab.advance(INIT_MS // 8)
        stranger.say(bytes([byte]))
        if not stranger.is_open:
            break
    assert not stranger.is_open


def test_a_learner_that_leaves_a_proposal_without_its_ack_is_cut_off(lab: WireLab) -> None:
    """It answers pings: only its log hangs."""
    good, bad = lab.serving_leader(2, 3)
    client = lab.me.client()
    client.send(client.connect_frame())
    good.say(ack(zx(1, 1)))
    for _ in range(SYNC_MS // TICK_MS):
        lab.advance(TICK_MS)
        for follower in (good, bad):
            follower.heard()
            follower.say(PING)
        assert bad.is_open
    lab.advance(TICK_MS)
    assert good.is_open
    assert not bad.is_open


def test_two_proposals_are_timed_at_most() -> None:
    check = SyncLimitCheck()
    check.proposed(1, 0)
    check.proposed(2, 10)
    check.proposed(3, 20)
    assert check.is_late(101, 100)
    assert not check.is_late(100, 100)
    check.acknowledged(1)
    assert not check.is_late(120, 100)
    assert check.is_late(121, 100)
    check.acknowledged(2)
    assert check.is_late(121, 100), "an ack of an earlier one is not its ack"
    check.acknowledged(3)
    assert not check.is_late(1000, 100)
    check.proposed(4, 500)
    check.acknowledged(3)
    assert check.is_late(601, 100)
    check.acknowledged(9)
    assert not check.is_late(1000, 100)


# -- snapshots ---------------------------------------------------------------------------------------------


def large_lab(**settings: Any) -> tuple[WireLab, ScriptedLearner]:
    """A leader with a tree of many chunks, and what it takes to commit."""
    lab = WireLab(voters=5, observers=3, commit_log_count=500, **settings)
    leader = lab.follow(2)
    payloads = [create_txn(zx(1, number), f"/n{number}", bytes(1 << 16)) for number in range(1, 21)]
    leader.synchronise(committed(*payloads))
    leader.hang_up()
    lab.peer.committed.clear()
    followers = lab.serving_leader(2, 3)
    for follower in followers:
        follower.heard()
    return lab, followers[0]


def tree_of(learner: ScriptedLearner, packets: list[Packet]) -> ZKDatabase:
    """What a learner makes of the snapshot and the packets behind it."""
    [decoder] = learner.trees
    database = ZKDatabase()
    tree = type(database.tree)(digest_enabled=True)
    tree.acls.load(decoder.acls)
    tree.load_rows(decoder.take_nodes())
    tree.finish_loading()
    database.adopt(tree, decoder.sessions)
    proposals = {zxid: data for kind, zxid, data, _ in packets if kind == PacketType.PROPOSAL}
    for kind, zxid, data, _ in packets:
        payload = proposals[zxid] if kind == PacketType.COMMIT else data
        if kind in (PacketType.COMMIT, PacketType.INFORM):
            assert payload is not None
            header, record, digest = decode_payload(payload)
            database.apply(header.clientId, zxid, header.time, header.type, record, digest)
    return database


@pytest.mark.parametrize("observer", [False, True], ids=["follower", "observer"])
def test_what_happens_while_a_tree_is_sent_comes_behind_it_and_before_newleader(*, observer: bool) -> None:
    lab, follower = large_lab()
    learner = lab.learner(6 if observer else 4)
    learner.introduce(observer=observer)
    learner.reads = False
    learner.ack_epoch(zx(1, 1))
    assert learner.end.has_backlog
    client = lab.me.client()
    client.send(client.connect_frame())
    third = next(handler for handler in lab.leader_role.forwarding if handler.sid == 3)
    for number in range(1, 4):
        if number > 1:
            record = SetDataTxn(f"/n{number * 5}", b"new", -1)
            client.send(client.request(OpCode.SET_DATA, record))
        for zxid in (zx(2, number),):
            follower.say(ack(zxid))
            third.receive(ack(zxid))
    assert lab.peer.last_zxid == zx(2, 3)
    learner.reads = True
    came = learner.heard()
    told = ["INFORM"] * 3 if observer else ["PROPOSAL", "COMMIT"] * 3
    assert kinds(came) == ["SNAP", *told, "NEWLEADER"]
    theirs, ours = tree_of(learner, came), lab.peer.database
    assert {path: node.data for path, node in theirs.tree.nodes.items()} == {
        path: node.data for path, node in ours.tree.nodes.items()
    }
    assert theirs.sessions == ours.sessions
    assert theirs.tree.digest == ours.tree.digest
    assert kinds(learner.ack_newleader()) == ["UPTODATE"]


def test_a_learner_that_does_not_take_its_snapshot_is_cut_off(lab: WireLab) -> None:
    lab, follower = large_lab()
    learner = lab.learner(4)
    learner.introduce()
    learner.reads = False
    learner.ack_epoch(zx(1, 1))
    for _ in range(INIT_MS // TICK_MS):
        assert learner.is_open
        lab.advance(TICK_MS)
        for handler in list(lab.leader_role.forwarding):
            if handler is not learner.handler:
                handler.receive(PING)
    assert follower.is_open
    assert not learner.is_open
    assert not learner.end.has_backlog
    assert learner.handler not in lab.leader_role.forwarding


@pytest.mark.parametrize(("observer", "comes"), [(True, False), (False, True)])
def test_only_so_many_observers_get_a_snapshot_at_a_time(*, observer: bool, comes: bool) -> None:
    lab, _ = large_lab(leader_max_concurrent_snap_syncs=1)
    first = lab.learner(6)
    first.introduce(observer=True)
    first.reads = False
    first.ack_epoch(zx(1, 1))
    second = lab.learner(7 if observer else 4)
    second.introduce(observer=observer)
    second.ack_epoch(zx(1, 1))
    assert second.is_open is comes
    first.reads = True
    first.heard()
    first.ack_newleader()
    third = lab.learner(8)
    assert kinds(third.join(zx(1, 1), observer=True)) == (
        ["LEADERINFO", "SNAP", "NEWLEADER", "UPTODATE"] if not comes else ["LEADERINFO"]
    )


# -- slow and broken learners ------------------------------------------------------------------------------


def test_a_learner_that_takes_nothing_is_cut_off_before_it_fills_the_memory(
    lab: WireLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learner_handler, "UNSENT_BYTES_MAX", 10_000)
    slow, good = lab.serving_leader(3, 2)
    observer = lab.learner(99)
    observer.join(zx(1, 0), observer=True)
    client = lab.me.client()
    client.send(client.connect_frame())
    good.say(ack(zx(1, 1)))
    assert len(client.take_frames()) == 1
    observer.heard()
    slow.reads = observer.reads = False
    for number in range(2, 30):
        client.send(client.request(OpCode.SET_DATA, SetDataTxn("/zookeeper", bytes(1000), -1)))
        good.heard()
        good.say(ack(zx(1, number)))
    assert len(client.take_frames()) == 28
    lab.advance(TICK_MS // 2)
    assert good.is_open
    assert not slow.is_open
    assert not observer.is_open
    assert lab.me.mode == "leader"
    assert list(lab.leader_role.handlers) == [good.handler]


def test_a_synchronisation_larger_than_what_a_slow_learner_may_owe_goes_through(
    lab: WireLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader = lab.follow(2)
    leader.synchronise(
        committed(*(create_txn(zx(1, number), f"/{number}", bytes(999)) for number in range(1, 50)))
    )
    leader.hang_up()
    monkeypatch.setattr(learner_handler, "UNSENT_BYTES_MAX", 10_000)
    lab.serving_leader(2)
    late = lab.learner(3)
    came = kinds(late.join(zx(1, 1)))
    assert came[:2] == ["LEADERINFO", "DIFF"]
    assert came[-2:] == ["NEWLEADER", "UPTODATE"]


def test_a_commit_that_fails_in_the_middle_ends_the_term_and_is_read_again_from_the_disk(
    lab: WireLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is half applied is not to be relied on, and nobody may be told of it."""
    [follower] = lab.serving_leader(2)
    client = lab.me.client()
    client.send(client.connect_frame())
    server = lab.leader_role.server
    assert server is not None

    def fail(_: object) -> None:
        lab.peer.database.tree.nodes["/zookeeper"].data = b"half"
        raise KeyError("a bug")

    monkeypatch.setattr(server.final, "process", fail)
    follower.say(ack(zx(1, 1)))
    assert lab.state() is ServerState.LOOKING
    assert lab.peer.last_zxid == lab.durable().peer.last_zxid == zx(1, 1)
    assert lab.peer.database.tree.nodes["/zookeeper"].data != b"half"
    assert not client.is_open
    assert client.take_bytes() == b""


def test_a_learner_that_goes_is_forgotten(lab: WireLab) -> None:
    first, second = lab.serving_leader(2, 3)
    observer = lab.learner(99)
    observer.join(zx(1, 0), observer=True)
    for learner in (second, observer):
        learner.hang_up()
    leader = lab.leader_role
    assert list(leader.handlers) == list(leader.forwarding) == [first.handler]
    assert not leader.observing
    assert Sid(3) not in {handler.sid for handler in leader.handlers}
    assert said(second.heard()) == []


def test_what_goes_to_the_log_of_a_follower_is_what_goes_to_ours(lab: WireLab) -> None:
    [follower] = lab.serving_leader(2)
    client = lab.me.client()
    client.send(client.connect_frame())
    [(kind, zxid, payload, _)] = [one for one in follower.heard() if one[0] == PacketType.PROPOSAL]
    follower.say(ack(zxid))
    [entry] = lab.peer.storage.txn_log.read(zxid)
    assert (kind, entry.payload) == (PacketType.PROPOSAL, payload)
    assert payload != txn(zxid, OpCode.CREATE_SESSION, None)


def test_what_the_loop_tells_an_endpoint_is_nothing_to_a_learners_connection(lab: WireLab) -> None:
    """It calls methods by their names: none of ours may have one of them and mean something else."""
    lab.lead()
    learner = lab.learner(2)
    for handler in lab.leader_role.handlers:
        tell_heard(handler)
        tell_output_waits(handler)
    assert learner.is_open
