"""Changes of the ensemble: what may be asked, who has to agree, and who leads afterwards."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from zoolet.jute.codes import ErrorCode, OpCode, PacketType
from zoolet.jute.data import OPEN_ACL
from zoolet.jute.election import Notification, Opening, ServerState
from zoolet.jute.framing import frame
from zoolet.jute.ids import Epoch, Sid, Zxid
from zoolet.jute.proto import CreateRequest, GetDataResponse, ReconfigRequest
from zoolet.quorum.members import Address, Member, Role
from zoolet.quorum.packet_data import decode_activation, encode_activation
from zoolet.quorum.packets import Packet, ack, commit, packet
from zoolet.quorum.reconfig import new_configuration
from zoolet.quorum.tests.wire_lab import (
    CONFIG_PATH,
    DIFF,
    TICK_MS,
    UPTODATE,
    ScriptedLearner,
    WireLab,
    activate,
    committed,
    create_txn,
    inform,
    kinds,
    proposed,
    reconfig_txn,
    said,
    zx,
)
from zoolet.quorum.verifier import Hierarchical, Majority, QuorumVerifier
from zoolet.server.errors import KeeperError
from zoolet.server.tests.harness import Client, Reply


def line(sid: int, port: int = 2888, role: str = "participant") -> str:
    return f"server.{sid}=member{sid}:{port}:3888:{role};member{sid}:2181"


def asked(
    *,
    joining: str | None = None,
    leaving: str | None = None,
    members: str | None = None,
    version: int = -1,
) -> ReconfigRequest:
    return ReconfigRequest(joining, leaving, members, version)


# -- what is asked for (pure) ------------------------------------------------------------------------------


def lab_verifier(*sids: int, version: int = 0, observers: tuple[int, ...] = ()) -> Majority:
    lines = {
        sid: line(sid, role="observer" if sid in observers else "participant") for sid in (*sids, *observers)
    }
    members = (Member.parse(Sid(sid), text.partition("=")[2]) for sid, text in lines.items())
    return Majority(members, version=version)


def changed(
    request: ReconfigRequest,
    active: QuorumVerifier | None = None,
    last_seen: QuorumVerifier | None = None,
    *,
    standalone_enabled: bool = True,
) -> QuorumVerifier:
    active = active or lab_verifier(1, 2, 3, version=5)
    return new_configuration(
        request, active, last_seen or active, version=77, standalone_enabled=standalone_enabled
    )


def test_members_leave_and_join_at_once() -> None:
    new = changed(asked(leaving="3, 9", joining=f"{line(4)},{line(5, role='observer')}"))
    assert (set(new.voters), set(new.observers), new.version) == ({1, 2, 4}, {5}, 77)


def test_who_joins_again_has_its_new_addresses_and_role() -> None:
    new = changed(asked(joining=f"{line(2, 4888)},{line(3, role='observer')}"))
    assert new.members[Sid(2)].quorum == (Address("member2", 4888),)
    assert set(new.voters) == {1, 2}


@pytest.mark.parametrize("separator", [",", "\n"])
def test_a_whole_list_takes_the_place_of_everything(separator: str) -> None:
    new = changed(asked(members=separator.join([line(1), line(7)]), leaving="1", joining=line(9)))
    assert set(new.members) == {1, 7}
    assert new.version == 77


def test_asking_for_nothing_is_a_new_version_of_the_same_list() -> None:
    assert changed(asked()).version == 77


BAD = {
    "no spec": asked(joining="server.4"),
    "two equals signs": asked(joining=f"{line(4)}=x"),
    "no client port": asked(joining="server.4=member4:2888:3888"),
    "an address of another member": asked(joining="server.4=member1:2888:3888;2181"),
    "the address of one that joins with it": asked(joining=f"{line(4)},server.5=member4:2888:4000;2181"),
    "no number": asked(leaving="three"),
    "an unknown key": asked(members=f"{line(1)},{line(2)},clientPort=2181"),
    "nobody votes": asked(members=f"{line(1, role='observer')},{line(2, role='observer')}"),
    "two members with one address": asked(members=f"{line(1)},server.2=member1:2888:3888;2181"),
    "an empty list": asked(members=""),
    "one voter": asked(leaving="2,3"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_makes_no_sense_is_refused(what: str) -> None:
    with pytest.raises(KeeperError) as refusal:
        changed(BAD[what])
    assert refusal.value.code == ErrorCode.BAD_ARGUMENTS


def test_one_voter_is_enough_where_a_server_may_not_be_alone() -> None:
    assert set(changed(asked(leaving="2,3"), standalone_enabled=False).voters) == {1}
    with pytest.raises(KeeperError):
        changed(asked(leaving="1,2,3"), standalone_enabled=False)


def test_groups_are_only_changed_as_a_whole() -> None:
    members = lab_verifier(1, 2, 3).members.values()
    active = Hierarchical(members, groups=dict.fromkeys(lab_verifier(1, 2, 3).members, 1), version=5)
    with pytest.raises(KeeperError) as refusal:
        changed(asked(joining=line(4)), active)
    assert refusal.value.code == ErrorCode.BAD_ARGUMENTS
    text = ",".join([line(1), line(2), "group.1=1:2"])
    assert isinstance(changed(asked(members=text), active), Hierarchical)


def test_reasons_to_refuse_come_in_the_originals_order() -> None:
    nonsense = asked(joining="?", version=3)
    pending = lab_verifier(1, 2, version=6)
    with pytest.raises(KeeperError) as refusal:
        changed(nonsense, last_seen=pending)
    assert refusal.value.code == ErrorCode.RECONFIG_IN_PROGRESS
    with pytest.raises(KeeperError) as refusal:
        changed(nonsense)
    assert refusal.value.code == ErrorCode.BAD_VERSION
    with pytest.raises(KeeperError) as refusal:
        changed(asked(joining="?", version=5))
    assert refusal.value.code == ErrorCode.BAD_ARGUMENTS


# -- at the leader -----------------------------------------------------------------------------------------


class Scene:
    """Member 1 leads some of 2 to 5; a client that may do everything."""

    def __init__(self, *followers: int, voters: int = 3, observers: int = 0, **settings: Any) -> None:
        settings = {"reconfig_enabled": True, "skip_acl": True, **settings}
        self.lab = WireLab(voters=voters, observers=observers, **settings)
        self.followers = dict(zip(followers, self.lab.serving_leader(*followers), strict=True))
        self.client = self.lab.me.client()
        self.client.send(self.client.connect_frame())
        self.acknowledge(*followers)
        assert len(self.client.take_frames()) == 1
        self.hear()

    @property
    def zxid(self) -> int:
        return self.lab.leader_role.last_proposed

    def acknowledge(self, *sids: int, zxid: int = 0) -> None:
        for sid in sids:
            self.followers[sid].say(ack(zxid or self.zxid))

    def hear(self) -> dict[int, list[Packet]]:
        return {sid: follower.heard() for sid, follower in self.followers.items()}

    def ask(self, request: ReconfigRequest) -> None:
        self.client.send(self.client.request(OpCode.RECONFIG, request))

    def create(self, path: str) -> None:
        self.client.send(self.client.request(OpCode.CREATE, CreateRequest(path, b"", OPEN_ACL, 0)))

    def replies(self) -> list[Reply]:
        return self.client.replies()

    def join(self, sid: int, *, observer: bool = False) -> ScriptedLearner:
        learner = self.lab.learner(sid)
        learner.join(self.lab.peer.last_zxid, observer=observer)
        learner.heard()
        self.followers[sid] = learner
        return learner


def refusals(client: Client, *requests: ReconfigRequest) -> list[int]:
    return [client.call(OpCode.RECONFIG, request).err for request in requests]


def test_a_leader_refuses_in_the_originals_order() -> None:
    closed = WireLab(voters=1, standalone_enabled=False)
    assert refusals(closed.me.connected(), asked(joining="?", version=3)) == [ErrorCode.RECONFIG_DISABLED]
    strict = WireLab(voters=1, standalone_enabled=False, reconfig_enabled=True)
    assert refusals(
        strict.me.connected(),
        asked(joining="?", version=3),
        asked(joining="?"),
        asked(joining=line(4)),
        asked(joining=line(4, role="observer")),
    ) == [ErrorCode.BAD_VERSION, ErrorCode.BAD_ARGUMENTS, ErrorCode.NEW_CONFIG_NO_QUORUM, ErrorCode.NO_AUTH]
    assert strict.peer.last_seen_verifier.version == zx(1, 0), "nothing of it is left"
    scene = Scene(2)
    scene.ask(asked(leaving="3"))
    scene.ask(asked(joining="?", version=3))
    scene.acknowledge(2, zxid=scene.zxid - 1)
    scene.acknowledge(2)
    assert [reply.err for reply in scene.replies()] == [0, ErrorCode.RECONFIG_IN_PROGRESS]


def test_the_first_version_of_a_list_from_a_file_is_that_of_the_epoch() -> None:
    """ZOOKEEPER-1783: followers learn of it with NEWLEADER, and everybody tells it from then on."""
    lab = WireLab(reconfig_enabled=True)
    lab.lead()
    follower = lab.learner(2)
    follower.introduce()
    newleader = follower.ack_epoch()[-1]
    assert newleader[0] == PacketType.NEWLEADER
    assert newleader[2] is not None
    assert newleader[2].endswith(b"version=100000000")
    assert lab.peer.verifier.version == 0
    follower.ack_newleader()
    assert lab.peer.verifier.version == zx(1, 0)
    tree = lab.peer.database.tree
    assert tree.nodes[CONFIG_PATH].data == newleader[2]
    looking = lab.peer.accept_election(("10.0.0.3", 40_000))
    question = Notification(ServerState.LOOKING, Sid(3), Zxid(0), 1, Epoch(0))
    looking.receive(Opening(Sid(3), (("member3", 3888),)).encode() + frame(question.encode()))
    assert b"".join(looking.out).endswith(b"version=100000000")


def test_a_member_that_leaves_is_told_and_stays_as_a_guest() -> None:
    scene = Scene(2, 3)
    scene.ask(asked(leaving="3"))
    new = scene.lab.peer.last_seen_verifier
    assert set(new.members) == {1, 2}
    scene.acknowledge(3)
    assert scene.replies() == [], "most of the old list, and not of the new one"
    scene.acknowledge(2)
    [reply] = scene.replies()
    assert (reply.err, GetDataResponse.parse(reply.body).data) == (0, new.text().encode())
    for packets in scene.hear().values():
        (kind, zxid, data, _) = packets[-1]
        assert (kind, zxid) == (PacketType.COMMITANDACTIVATE, new.version)
        assert decode_activation(data) == (1, b"")
    assert scene.lab.peer.verifier.version == new.version == scene.lab.peer.last_zxid
    assert scene.lab.me.mode == "leader"
    scene.create("/a")
    scene.acknowledge(3)
    assert scene.replies() == [], "it has no vote any more"
    scene.acknowledge(2)
    assert [reply.err for reply in scene.replies()] == [0]


def test_a_member_joins_and_votes_from_then_on() -> None:
    scene = Scene(2, 3)
    scene.join(4)
    scene.ask(asked(joining=line(4)))
    scene.acknowledge(2, 4)
    assert [reply.err for reply in scene.replies()] == [0]
    scene.create("/a")
    scene.acknowledge(4)
    assert scene.replies() == [], "two of four"
    scene.acknowledge(3)
    assert [reply.err for reply in scene.replies()] == [0]


def test_who_is_not_connected_and_synchronised_does_not_count_for_a_new_list() -> None:
    scene = Scene(2, voters=3)
    scene.ask(asked(joining=f"{line(4)},{line(5)}"))
    scene.acknowledge(2)
    assert [reply.err for reply in scene.replies()] == [ErrorCode.NEW_CONFIG_NO_QUORUM]
    scene.join(5, observer=True)
    scene.ask(asked(joining=f"{line(4)},{line(5)}"))
    scene.acknowledge(2)
    assert [reply.err for reply in scene.replies()] == [ErrorCode.NEW_CONFIG_NO_QUORUM], "it only observes"


def test_what_is_proposed_behind_a_change_needs_both_lists_too() -> None:
    scene = Scene(2, 3)
    scene.join(4)
    scene.join(5)
    scene.ask(asked(members=",".join(line(sid) for sid in (1, 4, 5))))
    change = scene.zxid
    scene.create("/a")
    scene.acknowledge(2, 3)
    scene.acknowledge(4)
    assert scene.lab.nodes == set()
    scene.acknowledge(2, 4, zxid=change)
    assert scene.lab.nodes == {"/a"}
    assert [reply.err for reply in scene.replies()] == [0, 0]


def test_observers_are_told_of_a_change_with_the_change() -> None:
    scene = Scene(2, 3, observers=1)
    observer = scene.join(4, observer=True)
    scene.ask(asked(leaving="4"))
    assert observer.heard() == []
    [proposal] = [one for one in scene.hear()[2] if one[0] == PacketType.PROPOSAL]
    scene.acknowledge(2)
    [(kind, zxid, data, _)] = observer.heard()
    assert (kind, zxid) == (PacketType.INFORMANDACTIVATE, scene.zxid)
    assert decode_activation(data) == (1, proposal[2])


# -- another leader ----------------------------------------------------------------------------------------


def test_a_leader_that_leaves_names_who_has_acknowledged_most_and_commits_no_more() -> None:
    scene = Scene(2, 3, 4, voters=4)
    scene.ask(asked(leaving="1"))
    change = scene.zxid
    scene.create("/a")
    scene.acknowledge(4, 3, zxid=change)
    scene.acknowledge(3)
    scene.acknowledge(2, zxid=change)
    heard = scene.hear()
    assert all(decode_activation(packets[-1][2]) == (3, b"") for packets in heard.values())
    scene.acknowledge(2, 4)
    assert scene.lab.nodes == set(), "that is the next leader's to commit"
    assert [reply.err for reply in scene.replies()] == [0]
    for follower in scene.followers.values():
        follower.hang_up()
    scene.lab.advance(2 * TICK_MS)
    assert scene.lab.state() is ServerState.FOLLOWING, "without an election"
    [dial] = scene.lab.dials
    assert dial.addresses == (("member3", 2888),)


def test_a_leader_that_moves_is_not_the_leader_any_more() -> None:
    scene = Scene(2, 3)
    scene.ask(asked(joining=line(1, 4888)))
    scene.acknowledge(2)
    assert decode_activation(scene.hear()[2][-1][2]) == (2, b"")


def test_a_leader_that_only_observes_from_now_on_names_another() -> None:
    scene = Scene(2, 3)
    scene.ask(asked(joining=line(1, role="observer")))
    scene.acknowledge(2, 3)
    assert decode_activation(scene.hear()[3][-1][2]) == (2, b"")
    for follower in scene.followers.values():
        follower.hang_up()
    scene.lab.advance(2 * TICK_MS)
    assert scene.lab.state() is ServerState.OBSERVING


def test_a_leader_without_anybody_to_name_stays() -> None:
    lab = WireLab(voters=1, standalone_enabled=False, reconfig_enabled=True, skip_acl=True)
    client = lab.me.connected()
    assert client.call(OpCode.RECONFIG, asked(joining=line(1, 4888))).err == 0
    assert client.create("/a").err == 0


# -- at a learner ------------------------------------------------------------------------------------------


def learner_lab(sid: int = 1, *, observers: int = 0) -> tuple[WireLab, QuorumVerifier]:
    lab = WireLab(sid, observers=observers, reconfig_enabled=True)
    return lab, lab.peer.verifier


CHANGE = zx(1, 1)


def without(verifier: QuorumVerifier, sid: int) -> QuorumVerifier:
    members = [member for member in verifier.members.values() if member.sid != sid]
    return verifier.with_members(members, version=CHANGE)


def test_a_follower_goes_on_under_the_new_list() -> None:
    lab, old = learner_lab()
    leader = lab.follow(2)
    leader.synchronise()
    new = without(old, 3)
    leader.say(proposed(reconfig_txn(CHANGE, new)))
    assert (lab.peer.verifier.version, lab.peer.last_seen_verifier.version) == (0, CHANGE)
    leader.say(activate(CHANGE, 2))
    assert leader.is_open
    assert lab.peer.verifier.version == CHANGE
    assert lab.peer.database.tree.nodes[CONFIG_PATH].data == new.text().encode()
    assert lab.peer.last_zxid == CHANGE


@pytest.mark.parametrize("designated", [1, 3])
def test_the_designated_leader_is_followed_without_an_election(designated: int) -> None:
    lab, old = learner_lab()
    leader = lab.follow(2)
    leader.synchronise()
    leader.say(proposed(reconfig_txn(CHANGE, without(old, 2)), create_txn(zx(1, 2), "/a")))
    leader.say(activate(CHANGE, designated))
    assert not leader.is_open
    assert lab.peer.last_zxid == zx(1, 2), "what is logged counts"
    if designated == 1:
        assert lab.state() is ServerState.LEADING
    else:
        [dial] = lab.dials
        assert dial.addresses == (("member3", 2888),)
        dial.endpoint.abort("it has died")
        lab.run()
        assert lab.state() is ServerState.LOOKING


@pytest.mark.parametrize("designated", [9, -1, 2])
def test_a_designated_leader_that_has_no_vote_is_not_followed(designated: int) -> None:
    lab, old = learner_lab()
    leader = lab.follow(2)
    leader.synchronise()
    leader.say(proposed(reconfig_txn(CHANGE, without(old, 2))), activate(CHANGE, designated))
    assert not leader.learner.is_broken
    assert not lab.dials
    assert lab.peer.last_zxid == lab.durable().peer.last_zxid == CHANGE


def test_who_leaves_goes_on_as_a_guest_of_the_same_leader() -> None:
    lab, old = learner_lab()
    leader = lab.follow(2)
    leader.synchronise()
    leader.say(proposed(reconfig_txn(CHANGE, without(old, 1))), activate(CHANGE, 2))
    leader.say(committed(create_txn(zx(1, 2), "/a")))
    assert lab.me.mode == "follower"
    assert lab.nodes == {"/a"}


def test_an_observer_that_becomes_a_voter_comes_back_as_one() -> None:
    lab, old = learner_lab(4, observers=1)
    leader = lab.follow(2)
    leader.synchronise(inform(create_txn(CHANGE, "/a")))
    members = [*old.voters.values(), replace(old.members[Sid(4)], role=Role.PARTICIPANT)]
    change = reconfig_txn(zx(1, 2), old.with_members(members, version=zx(1, 2)))
    leader.say(packet(PacketType.INFORMANDACTIVATE, zx(1, 2), encode_activation(2, change)))
    assert not leader.is_open
    assert lab.state() is ServerState.FOLLOWING
    assert lab.peer.last_zxid == lab.durable().peer.last_zxid == zx(1, 2)


@pytest.mark.parametrize("leader_stays", [True, False])
def test_a_list_that_newleader_brings_is_in_force_behind_uptodate(*, leader_stays: bool) -> None:
    """A reconfiguration that the last leader had begun, and this one completes."""
    lab, old = learner_lab()
    leader = lab.follow(2)
    leader.open(1)
    new = without(old, 3 if leader_stays else 2)
    leader.say(packet(DIFF, 0), committed(reconfig_txn(CHANGE, new)), leader.new_leader(new))
    assert kinds(leader.heard()) == ["ACK"]
    leader.say(UPTODATE)
    assert lab.peer.verifier.version == CHANGE
    assert leader.is_open is leader_stays
    assert lab.state() is (ServerState.FOLLOWING if leader_stays else ServerState.LOOKING)


def test_a_change_that_comes_with_synchronisation_may_end_it() -> None:
    lab, old = learner_lab()
    leader = lab.follow(2)
    leader.open(1)
    leader.say(packet(DIFF, 0), proposed(reconfig_txn(CHANGE, without(old, 2))), activate(CHANGE, 3))
    assert not leader.is_open
    assert lab.peer.last_zxid == lab.durable().peer.last_zxid == 0, "it is not logged yet"
    [dial] = lab.dials
    assert dial.addresses == (("member3", 2888),)


def test_a_half_made_change_is_completed_by_the_next_leader_with_both_quorums() -> None:
    lab, old = learner_lab()
    leader = lab.follow(2)
    leader.synchronise()
    members = [*old.members.values(), *lab_verifier(4, 5).members.values()]
    change = old.with_members([one for one in members if one.sid not in (2, 3)], version=CHANGE)
    leader.say(proposed(reconfig_txn(CHANGE, change)))
    leader.hang_up()
    lab.lead()
    learners = {sid: lab.learner(sid) for sid in (2, 4, 5)}
    for learner in learners.values():
        learner.introduce()
    for learner in learners.values():
        learner.ack_epoch(CHANGE, 1 if learner.sid == 2 else 0)
    learners[2].ack_newleader()
    assert not lab.me.core.is_serving, "the list that is coming has to agree as well"
    learners[4].ack_newleader()
    assert lab.me.core.is_serving
    assert set(lab.peer.verifier.members) == {1, 4, 5}
    assert ("UPTODATE", -1) in said(learners[5].ack_newleader())


def test_commits_of_a_change_are_in_order_like_all_others() -> None:
    lab, old = learner_lab()
    leader = lab.follow(2)
    leader.synchronise()
    leader.say(proposed(create_txn(zx(1, 1), "/a"), reconfig_txn(zx(1, 2), without(old, 3))))
    leader.say(activate(zx(1, 2), 2))
    assert not leader.is_open
    assert lab.peer.verifier.version == 0
    assert commit(zx(1, 1)) != activate(zx(1, 1), 2)
