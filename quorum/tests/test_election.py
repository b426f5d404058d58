"""Fast leader election, one rule at a time: a single member, and what the others say to it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoolet.jute.election import Notification, ServerState
from zoolet.jute.ids import Epoch, Sid, Zxid
from zoolet.quorum.election import (
    ANSWER_MS,
    FINALIZE_WAIT_MS,
    NOBODY,
    UNTRUSTED,
    WAITING_MAX,
    FastLeaderElection,
)
from zoolet.quorum.members import Role
from zoolet.quorum.tests.election_lab import majority, member
from zoolet.quorum.verifier import Hierarchical, Majority, Oracle, QuorumVerifier, from_text
from zoolet.quorum.vote import Vote

LOOKING, FOLLOWING = ServerState.LOOKING, ServerState.FOLLOWING
LEADING, OBSERVING = ServerState.LEADING, ServerState.OBSERVING
START_MS = 50_000
ZXID = (4 << 32) | 6
"""Everybody's last zxid, unless a test says otherwise; the epoch is 4."""


class Desk:
    """One member's election, what it said, and its clock."""

    def __init__(
        self,
        sid: int = 2,
        verifier: QuorumVerifier | None = None,
        *,
        last_seen: QuorumVerifier | None = None,
        on_newer_config: Callable[[str], bool] = lambda _: False,
        round: int = 0,
    ) -> None:
        self.now_ms = START_MS
        self.said: list[tuple[int, Notification]] = []
        self.dialled: list[int] = []
        self.restated: list[Notification] = []
        self.looked: list[int] = []
        self.verifier = verifier or majority([1, 2, 3])
        self.election = FastLeaderElection(
            Sid(sid),
            self.verifier,
            last_seen=last_seen,
            is_observer=sid in self.verifier.observers,
            send=lambda to, message: self.said.append((to, Notification.decode(message))),
            connect=self.dialled.append,
            restate=lambda message: self.restated.append(Notification.decode(message)),
            on_newer_config=on_newer_config,
            on_looking_voter=self.looked.append,
        )
        self.election.round = round

    def look(self, zxid: int = ZXID, epoch: int = 4) -> Desk:
        """Begin an election and pass over what is said at once."""
        self.election.start(self.now_ms, last_zxid=Zxid(zxid), current_epoch=Epoch(epoch))
        self.said.clear()
        return self

    def hear(
        self,
        sid: int,
        leader: int,
        state: ServerState = LOOKING,
        *,
        zxid: int = ZXID,
        round: int = 1,
        epoch: int = 4,
        config: bytes = b"",
    ) -> None:
        """This server says that."""
        notification = Notification(state, Sid(leader), Zxid(zxid), round, Epoch(epoch), config=config)
        self.election.receive(self.now_ms, Sid(sid), notification.encode())

    def wait(self, for_ms: int) -> None:
        """Let time pass, deadline by deadline."""
        end_ms = self.now_ms + for_ms
        while (deadline_ms := self.election.deadline()) is not None and deadline_ms <= end_ms:
            assert deadline_ms > self.now_ms, "it would spin"
            self.now_ms = deadline_ms
            self.election.tick(self.now_ms)
        self.now_ms = end_ms

    def said_last_to(self, sid: int) -> Notification:
        return [notification for to, notification in self.said if to == sid][-1]

    @property
    def result(self) -> tuple[ServerState, int] | None:
        decided = self.election.decided
        return None if decided is None else (self.election.state, decided.leader)


# --- the beginning (rule 1) -----------------------------------------------------------------------------


def test_an_election_begins_with_a_vote_for_ourselves_to_all_other_voters() -> None:
    desk = Desk(sid=2, verifier=majority([1, 2, 3], observers=[4]))
    desk.election.start(START_MS, last_zxid=Zxid(ZXID), current_epoch=Epoch(4))

    expected = Notification(LOOKING, Sid(2), Zxid(ZXID), 1, Epoch(4), config=desk.verifier.text().encode())
    assert desk.said == [(1, expected), (3, expected)]
    assert desk.result is None


def test_every_election_is_a_new_round() -> None:
    desk = Desk(round=7).look()
    assert desk.election.round == 8

    desk.look()
    assert desk.election.round == 9


def test_the_round_wraps_as_a_java_long() -> None:
    desk = Desk(round=2**63 - 1).look()

    assert desk.election.round == -(2**63)


def test_an_ensemble_of_one_decides_at_once() -> None:
    desk = Desk(sid=1, verifier=majority([1])).look()

    assert desk.result == (LEADING, 1)
    assert desk.election.deadline() is None


def test_an_observer_proposes_nobody() -> None:
    desk = Desk(sid=4, verifier=majority([1, 2, 3], observers=[4]))
    desk.election.start(START_MS, last_zxid=Zxid(ZXID), current_epoch=Epoch(4))

    assert [to for to, _ in desk.said] == [1, 2, 3]
    assert {(n.leader, n.zxid, n.peer_epoch, n.round) for _, n in desk.said} == {(NOBODY, NOBODY, NOBODY, 1)}


def test_voters_of_a_proposed_configuration_are_told_too() -> None:
    newer = majority([2, 3, 5], version=0x100)
    desk = Desk(sid=2, last_seen=newer)
    desk.election.start(START_MS, last_zxid=Zxid(ZXID), current_epoch=Epoch(4))

    assert [to for to, _ in desk.said] == [1, 3, 5]


# --- which candidate (rules 2 and 3) --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zxid", "epoch", "candidate"),
    [
        pytest.param(0, 5, 1, id="later epoch"),
        pytest.param(ZXID + 1, 4, 1, id="later zxid"),
        pytest.param(ZXID, 4, 3, id="larger sid"),
    ],
)
def test_a_better_candidate_is_taken_over_and_all_are_told(zxid: int, epoch: int, candidate: int) -> None:
    desk = Desk(sid=2).look()

    desk.hear(1, candidate, zxid=zxid, epoch=epoch)

    assert [(to, n.leader, n.zxid, n.peer_epoch) for to, n in desk.said] == [
        (1, candidate, zxid, epoch),
        (3, candidate, zxid, epoch),
    ]


@pytest.mark.parametrize(
    ("zxid", "epoch", "candidate"),
    [
        pytest.param(2**62, 3, 3, id="earlier epoch"),
        pytest.param(ZXID - 1, 4, 3, id="earlier zxid"),
        pytest.param(ZXID, 4, 1, id="smaller sid"),
    ],
)
def test_a_worse_candidate_changes_nothing(zxid: int, epoch: int, candidate: int) -> None:
    desk = Desk(sid=2).look()

    desk.hear(1, candidate, zxid=zxid, epoch=epoch)

    assert desk.said == []
    assert desk.election.vote.leader == 2


def test_a_later_round_is_taken_over_and_earlier_votes_no_longer_count() -> None:
    desk = Desk(sid=2).look()
    desk.hear(1, 2)

    desk.hear(3, 3, round=5, zxid=1)

    # Our own vote is still the better one, and is told in the new round.
    assert {(n.leader, n.round) for _, n in desk.said} == {(2, 5)}
    assert desk.election.round == 5
    desk.wait(FINALIZE_WAIT_MS)
    assert desk.result is None

    desk.hear(1, 2, round=5)
    desk.wait(FINALIZE_WAIT_MS)
    assert desk.result == (LEADING, 2)


def test_in_a_later_round_we_begin_with_our_own_vote_again() -> None:
    """What we voted for in the earlier round may be dead."""
    desk = Desk(sid=2).look()
    desk.hear(3, 3)
    assert desk.election.vote.leader == 3

    desk.hear(1, 1, round=2)

    assert desk.election.vote.leader == 2


def test_who_is_behind_is_told_the_round_and_not_counted() -> None:
    desk = Desk(sid=2, round=6).look()

    desk.hear(3, 2, round=2)

    assert [(to, n.leader, n.round, n.state) for to, n in desk.said] == [(3, 2, 7, LOOKING)]
    desk.wait(FINALIZE_WAIT_MS)
    assert desk.result is None


# --- enough votes (rule 4) ------------------------------------------------------------------------------


def test_a_quorum_waits_for_something_better_before_it_decides() -> None:
    desk = Desk(sid=2).look()
    desk.hear(1, 2)

    desk.wait(FINALIZE_WAIT_MS - 1)
    assert desk.result is None
    desk.wait(1)

    assert desk.result == (LEADING, 2)
    assert desk.election.decided == Vote(Sid(2), Zxid(ZXID), 1, Epoch(4))
    tracker = desk.election.leading_tracker
    assert tracker is not None
    assert str(tracker) == "[1, 2]"


def test_something_better_that_comes_during_the_wait_is_taken() -> None:
    desk = Desk(sid=2).look()
    desk.hear(1, 2)
    desk.wait(FINALIZE_WAIT_MS - 1)

    desk.hear(3, 3)
    assert desk.election.vote.leader == 3
    desk.wait(FINALIZE_WAIT_MS - 1)
    assert desk.result is None
    desk.wait(1)

    assert desk.result == (FOLLOWING, 3)


def test_a_voter_that_was_there_and_is_gone_is_not_waited_for() -> None:
    """The leader has died, and its machine says that nobody listens there."""
    desk = Desk(sid=2).look()
    desk.hear(1, 3)
    desk.hear(3, 3)
    desk.look()
    desk.hear(1, 2, round=2)
    assert desk.result is None

    desk.election.unreachable(desk.now_ms, Sid(3))

    assert desk.result == (LEADING, 2)


def test_a_voter_that_was_never_there_is_waited_for() -> None:
    """It may be about to start, as the others were a moment ago."""
    desk = Desk(sid=2).look()
    desk.hear(1, 2)

    desk.election.unreachable(desk.now_ms, Sid(3))

    assert desk.result is None


def test_a_voter_that_is_heard_again_is_not_gone() -> None:
    desk = Desk(sid=2).look()
    desk.hear(3, 1, zxid=0)
    desk.election.unreachable(desk.now_ms, Sid(3))
    desk.hear(3, 1, zxid=0)

    desk.hear(1, 2)

    assert desk.result is None


def test_a_candidate_that_is_gone_is_not_elected_in_a_hurry() -> None:
    desk = Desk(sid=1).look()
    desk.hear(3, 3)
    desk.election.unreachable(desk.now_ms, Sid(3))

    desk.hear(2, 3)

    assert desk.result is None


def test_a_voter_whose_connection_breaks_while_we_look_is_dialled_at_once() -> None:
    desk = Desk(sid=2, verifier=majority([1, 2, 3], observers=[4]))
    desk.election.disconnected(Sid(3))
    desk.look()
    desk.election.disconnected(Sid(3))
    desk.election.disconnected(Sid(4))
    assert desk.dialled == [3]

    desk.hear(1, 3)
    desk.hear(3, 3)
    desk.election.disconnected(Sid(3))
    assert desk.dialled == [3]


def test_other_messages_do_not_prolong_the_wait() -> None:
    desk = Desk(sid=3).look()
    desk.hear(1, 3)
    for _ in range(FINALIZE_WAIT_MS // 50):
        desk.hear(2, 2)
        desk.wait(50)

    assert desk.result == (LEADING, 3)


def test_when_all_voters_agree_there_is_nothing_to_wait_for() -> None:
    desk = Desk(sid=1).look()
    desk.hear(2, 3)
    assert desk.result is None

    desk.hear(3, 3)

    assert desk.result == (FOLLOWING, 3)


def test_a_minority_never_decides() -> None:
    desk = Desk(sid=5, verifier=majority([1, 2, 3, 4, 5])).look()
    desk.hear(1, 5)

    desk.wait(300_000)

    assert desk.result is None


def test_both_configurations_must_agree_while_one_is_proposed() -> None:
    newer = majority([3, 4, 5], version=0x100)
    desk = Desk(sid=3, verifier=majority([1, 2, 3]), last_seen=newer).look()

    desk.hear(1, 3)
    desk.wait(FINALIZE_WAIT_MS)
    assert desk.result is None
    desk.hear(4, 3)
    desk.wait(FINALIZE_WAIT_MS)

    assert desk.result == (LEADING, 3)


def test_a_proposed_configuration_that_is_not_newer_does_not_count() -> None:
    desk = Desk(sid=3, verifier=majority([1, 2, 3]), last_seen=majority([3, 4, 5])).look()

    desk.hear(1, 3)
    desk.wait(FINALIZE_WAIT_MS)

    assert desk.result == (LEADING, 3)


def hierarchy(weights: dict[int, int]) -> Hierarchical:
    """One group of voters with these weights."""
    return Hierarchical(
        [member(sid) for sid in weights],
        groups={Sid(sid): 1 for sid in weights},
        weights={Sid(sid): weight for sid, weight in weights.items()},
    )


def test_who_weighs_nothing_never_leads() -> None:
    desk = Desk(sid=2, verifier=hierarchy({1: 1, 2: 1, 3: 0})).look()

    desk.hear(3, 3, zxid=ZXID + 9)
    assert desk.election.vote.leader == 2
    desk.hear(1, 2)
    desk.wait(FINALIZE_WAIT_MS)

    assert desk.result == (LEADING, 2)


def test_who_weighs_nothing_votes_for_those_who_do() -> None:
    desk = Desk(sid=3, verifier=hierarchy({1: 1, 2: 1, 3: 0})).look(zxid=ZXID + 9)

    desk.hear(1, 1)
    desk.hear(2, 2)
    desk.hear(1, 2)

    assert desk.result == (FOLLOWING, 2)


# --- those that have decided (rules 5 and 6) ------------------------------------------------------------


def test_a_newcomer_joins_when_a_quorum_and_the_leader_itself_say_so() -> None:
    desk = Desk(sid=1, verifier=majority([1, 2, 3, 4, 5]), round=20).look()

    desk.hear(2, 5, FOLLOWING, round=3, zxid=9)
    desk.hear(3, 5, FOLLOWING, round=3)
    desk.hear(4, 5, FOLLOWING, round=2)
    assert desk.result is None
    desk.hear(5, 5, LEADING, round=3)

    assert desk.result == (FOLLOWING, 5)
    assert desk.election.round == 3


def test_nobody_joins_a_leader_that_has_not_said_that_it_leads() -> None:
    """Otherwise a leader that is dead would be elected again and again."""
    desk = Desk(sid=1, verifier=majority([1, 2, 3, 4, 5])).look()

    for round in (1, 3):
        for sid in (2, 3, 4):
            desk.hear(sid, 5, FOLLOWING, round=round)
    desk.hear(5, 5, FOLLOWING, round=3)
    desk.wait(1000)

    assert desk.result is None


def test_a_leader_of_too_few_is_not_joined() -> None:
    desk = Desk(sid=1, verifier=majority([1, 2, 3, 4, 5])).look()

    desk.hear(5, 5, LEADING, round=9)
    desk.hear(4, 5, FOLLOWING, round=9)
    desk.hear(3, 2, FOLLOWING, round=9)
    desk.wait(1000)

    assert desk.result is None


def test_those_that_look_and_those_that_have_decided_in_this_round_count_together() -> None:
    desk = Desk(sid=1, verifier=majority([1, 2, 3, 4, 5])).look()
    desk.hear(3, 5)  # still looks; with us that makes two
    desk.hear(5, 5, LEADING)

    assert desk.result == (FOLLOWING, 5)


def test_members_that_tell_different_epochs_are_no_quorum() -> None:
    desk = Desk(sid=1, verifier=majority([1, 2, 3, 4, 5]), round=20).look()

    desk.hear(5, 5, LEADING, epoch=9)
    desk.hear(4, 5, FOLLOWING, epoch=9)
    desk.hear(3, 5, FOLLOWING, epoch=8)
    assert desk.result is None
    desk.hear(3, 5, FOLLOWING, epoch=9)

    assert desk.result == (FOLLOWING, 5)


def test_members_of_this_round_agree_by_their_leader_alone() -> None:
    """As in the original, which keeps their votes without the format they came in."""
    desk = Desk(sid=1, verifier=majority([1, 2, 3, 4, 5])).look()

    desk.hear(2, 5, FOLLOWING, epoch=8)
    desk.hear(3, 5, FOLLOWING, epoch=8)
    desk.hear(5, 5, LEADING, epoch=9)

    assert desk.result == (FOLLOWING, 5)


def test_members_of_an_earlier_round_do_not() -> None:
    desk = Desk(sid=1, verifier=majority([1, 2, 3, 4, 5])).look()
    desk.hear(2, 5, FOLLOWING, epoch=8)
    desk.hear(3, 5, FOLLOWING, epoch=8)

    desk.hear(4, 4, LOOKING, round=2)
    desk.hear(5, 5, LEADING, epoch=9, round=2)

    assert desk.result is None


def test_a_server_does_not_go_back_to_a_round_in_which_others_elected_it() -> None:
    """ZOOKEEPER-1514: leader and followers with different rounds kept others from joining."""
    desk = Desk(sid=1).look()
    desk.hear(2, 1, FOLLOWING)
    desk.hear(3, 1, FOLLOWING)
    assert desk.result == (LEADING, 1)

    desk.look()
    desk.hear(2, 1, FOLLOWING)
    desk.hear(3, 1, FOLLOWING)

    assert desk.result is None


def test_observers_have_no_say() -> None:
    desk = Desk(sid=1, verifier=majority([1, 2, 3, 4, 5], observers=[6, 7]), round=20).look()

    desk.hear(5, 5, LEADING)
    desk.hear(4, 5, FOLLOWING)
    desk.hear(6, 5, OBSERVING)
    desk.hear(7, 5, FOLLOWING)
    desk.hear(3, 5, OBSERVING)

    assert desk.result is None


def test_candidates_that_are_not_voters_are_ignored() -> None:
    desk = Desk(sid=2, verifier=majority([1, 2, 3], observers=[4])).look()

    for leader in (4, 99, NOBODY):
        desk.hear(1, leader, zxid=ZXID + 1)
        desk.hear(3, leader, LEADING)

    assert desk.said == []
    assert desk.election.vote.leader == 2


# --- answers (rule 7) -----------------------------------------------------------------------------------


@pytest.mark.parametrize("sid", [2, 3])
def test_who_has_decided_tells_everybody_who_looks(sid: int) -> None:
    desk = Desk(sid=sid, verifier=majority([1, 2, 3], observers=[4])).look()
    other = 5 - sid
    desk.hear(other, 3)
    desk.hear(1, 3)
    assert desk.result is not None
    desk.said.clear()

    for asking in (1, other, 4, 77):
        desk.hear(asking, asking if asking < 4 else NOBODY, round=9)

    state = LEADING if sid == 3 else FOLLOWING
    assert [(to, n.state, n.leader, n.round, n.peer_epoch) for to, n in desk.said] == [
        (asking, state, 3, 1, 4) for asking in (1, other, 4, 77)
    ]
    # Those that lead hear of every voter that looks.
    assert desk.looked == ([1, 2] if sid == 3 else [])


def test_who_has_decided_does_not_answer_those_that_have() -> None:
    desk = Desk(sid=3).look()
    desk.hear(2, 3)
    desk.hear(1, 3)
    desk.said.clear()

    for state in (FOLLOWING, LEADING, OBSERVING):
        desk.hear(1, 3, state)
        desk.hear(77, 3, state)

    assert desk.said == []


def test_after_synchronisation_the_leader_s_new_epoch_is_told() -> None:
    """ZOOKEEPER-1732: some told the old epoch, some the new one, and nobody could join any more."""
    desk = Desk(sid=3).look()
    desk.election.update_vote(Epoch(9))  # nothing is decided yet
    desk.hear(2, 3)
    desk.hear(1, 3)

    desk.election.update_vote(Epoch(5))
    desk.hear(1, 1)

    assert desk.said_last_to(1).peer_epoch == 5
    assert desk.election.vote == Vote(Sid(3), Zxid(ZXID), 1, Epoch(5))


def test_a_designated_leader_is_told_from_then_on() -> None:
    desk = Desk(sid=2).look()
    desk.hear(1, 3)
    desk.hear(3, 3)

    desk.election.designate(Sid(2), Zxid(0x400000009))
    desk.hear(1, 1, round=2)

    answer = desk.said_last_to(1)
    assert (answer.state, answer.leader, answer.zxid) == (LEADING, 2, 0x400000009)


def test_what_is_said_on_new_connections_is_always_what_is_true() -> None:
    desk = Desk(sid=2).look()
    assert [(n.state, n.leader) for n in desk.restated] == [(LOOKING, 2)]

    desk.hear(1, 3)
    desk.hear(3, 3)
    desk.election.update_vote(Epoch(5))
    desk.election.designate(Sid(1), Zxid(7))
    desk.look()

    assert [(n.state, n.leader, n.round, n.peer_epoch) for n in desk.restated[1:]] == [
        (LOOKING, 3, 1, 4),
        (FOLLOWING, 3, 1, 4),
        (FOLLOWING, 3, 1, 5),
        (FOLLOWING, 1, -1, -1),
        (LOOKING, 2, 2, 4),
    ]


def test_servers_without_a_vote_get_our_vote_now_and_the_result_later() -> None:
    desk = Desk(sid=2, verifier=majority([1, 2, 3], observers=[4])).look()

    desk.hear(4, NOBODY)
    desk.hear(77, NOBODY)
    assert [(to, n.state, n.leader) for to, n in desk.said] == [(4, LOOKING, 2), (77, LOOKING, 2)]
    desk.said.clear()
    desk.hear(1, 2)
    desk.wait(FINALIZE_WAIT_MS - 1)
    desk.said.clear()
    desk.wait(1)

    assert [(to, n.state, n.leader) for to, n in desk.said] == [(4, LEADING, 2), (77, LEADING, 2)]


def test_a_server_without_a_vote_is_not_answered_without_end() -> None:
    """A voter and an observer a round ahead answer each other, in the original as fast as they can."""
    desk = Desk(sid=2, verifier=majority([1, 2, 3], observers=[4])).look()
    for _ in range(10):
        desk.hear(4, NOBODY, round=2)
    assert len(desk.said) == 1

    desk.now_ms += ANSWER_MS
    desk.hear(4, NOBODY, round=2)
    assert len(desk.said) == 2

    observer = Desk(sid=4, verifier=desk.verifier, round=5).look()
    observer.hear(2, 2, round=1)
    assert observer.said == []


def test_servers_without_a_vote_are_remembered_in_bounded_number() -> None:
    desk = Desk(sid=2).look()

    for sid in range(100, 100 + WAITING_MAX + 50):
        desk.hear(sid, NOBODY)

    assert len(desk.said) == WAITING_MAX


# --- observers learn the result -------------------------------------------------------------------------


def test_an_observer_learns_who_leads() -> None:
    desk = Desk(sid=4, verifier=majority([1, 2, 3], observers=[4])).look()

    desk.hear(1, 3, FOLLOWING, round=6)
    assert desk.result is None
    desk.hear(3, 3, LEADING, round=6)

    assert desk.result == (OBSERVING, 3)


def test_an_observer_follows_an_election_that_goes_on() -> None:
    desk = Desk(sid=4, verifier=majority([1, 2, 3], observers=[4])).look()

    for sid in (1, 2, 3):
        desk.hear(sid, 3)

    assert desk.result == (OBSERVING, 3)


def test_a_participant_outside_the_list_learns_who_leads() -> None:
    """It has not been added yet; in the original its zxid kept it from taking over any candidate."""
    desk = Desk(sid=9).look(zxid=2**60, epoch=99)

    assert desk.election.vote.leader == NOBODY
    desk.hear(1, 3)
    desk.hear(3, 3)
    desk.wait(FINALIZE_WAIT_MS)

    assert desk.result == (FOLLOWING, 3)


# --- untrusted databases (rule 8) -----------------------------------------------------------------------


def test_an_untrusted_empty_database_does_not_vote() -> None:
    """ZOOKEEPER-2325: an empty database that should not be empty must not win by being in the majority."""
    desk = Desk(sid=2)
    desk.election.start(START_MS, last_zxid=UNTRUSTED, current_epoch=Epoch(0))
    assert {n.zxid for _, n in desk.said} == {-1}

    for sid in (1, 2, 3):
        desk.hear(sid, 3)
    desk.wait(1000)
    assert desk.result is None
    assert desk.election.vote.leader == 2

    # But it may join those that have decided.
    desk.hear(1, 3, FOLLOWING)
    desk.hear(3, 3, LEADING)
    assert desk.result == (FOLLOWING, 3)


def test_votes_of_untrusted_empty_databases_are_not_counted() -> None:
    desk = Desk(sid=3).look(zxid=0, epoch=0)

    desk.hear(1, 1, zxid=-1, epoch=0)
    desk.hear(2, 3, zxid=-1, epoch=0)
    desk.hear(2, 2, zxid=-1, epoch=7, round=9)
    desk.wait(1000)

    assert desk.result is None
    assert desk.election.round == 1


def test_an_ensemble_of_untrusted_empty_databases_elects_nobody() -> None:
    desk = Desk(sid=1, verifier=majority([1]))
    desk.election.start(START_MS, last_zxid=UNTRUSTED, current_epoch=Epoch(0))
    desk.wait(1000)

    assert desk.result is None


# --- time (rule 9) --------------------------------------------------------------------------------------


def test_votes_are_repeated_after_200_ms_doubling_to_a_minute() -> None:
    desk = Desk(sid=2).look()
    times = []
    for _ in range(200_000):
        deadline_ms = desk.election.deadline()
        assert deadline_ms is not None
        desk.wait(deadline_ms - desk.now_ms)
        if any(to == 1 for to, _ in desk.said):
            times.append(desk.now_ms)
            desk.said.clear()
        if len(times) == 12:
            break

    waits = [after - before for before, after in zip([START_MS, *times], times, strict=False)]
    assert waits == [200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000, 60000]


def test_a_new_vote_is_repeated_soon_again() -> None:
    desk = Desk(sid=2, verifier=majority([1, 2, 3, 4, 5])).look()
    desk.wait(10_000)
    desk.hear(3, 3)
    desk.said.clear()

    desk.wait(200)

    assert {n.leader for _, n in desk.said} == {3}


def test_members_are_dialled_again_at_least_every_second_while_we_look() -> None:
    desk = Desk(sid=2).look()
    desk.wait(100)
    assert desk.dialled == [1, 3]

    desk.wait(60_000)
    desk.dialled.clear()
    desk.wait(1000)

    assert desk.dialled == [1, 3]


def test_after_the_decision_nothing_happens_by_itself() -> None:
    desk = Desk(sid=3).look()
    desk.hear(1, 3)
    desk.hear(2, 3)
    desk.said.clear()

    assert desk.election.deadline() is None
    desk.election.tick(desk.now_ms + 100_000)
    assert not desk.said
    assert not desk.dialled


def test_before_the_start_and_after_the_stop_nothing_is_said() -> None:
    desk = Desk(sid=2)
    desk.hear(3, 3)
    assert desk.said == []
    assert desk.election.deadline() is None

    desk.look()
    desk.election.stop()
    desk.hear(3, 3)
    desk.hear(1, 3)
    desk.wait(1000)
    assert not desk.said
    assert not desk.dialled
    assert desk.result is None


# --- configurations -------------------------------------------------------------------------------------


def refuse(offered: list[str]) -> Callable[[str], bool]:
    """Notes what is offered and does not take it."""

    def note(text: str) -> bool:
        offered.append(text)
        return False

    return note


def test_a_newer_configuration_restarts_the_election() -> None:
    newer = majority([2, 3, 4, 5], version=0x100)
    offered: list[str] = []

    def adopt(text: str) -> bool:
        offered.append(text)
        desk.election.set_config(from_text(text), last_seen=None, is_observer=False)
        return True

    desk = Desk(sid=2, on_newer_config=adopt).look()
    desk.hear(3, 3, config=newer.text().encode())

    assert offered == [newer.text()]
    assert desk.election.round == 2
    assert {to for to, _ in desk.said} == {3, 4, 5}
    assert desk.said_last_to(4).config == newer.text().encode()
    # And the vote that brought it was taken for what it is: one of an earlier round.
    assert [(n.round, n.leader) for to, n in desk.said if to == 3] == [(2, 2), (2, 2)]


def test_a_newer_configuration_that_nobody_wants_changes_nothing() -> None:
    offered: list[str] = []
    desk = Desk(sid=2, on_newer_config=refuse(offered)).look()
    newer = majority([2, 3, 4, 5], version=0x100).text()

    desk.hear(3, 3, config=newer.encode())
    desk.hear(3, 3, config=newer.encode())

    assert offered == [newer]
    assert desk.election.round == 1
    assert desk.election.vote.leader == 3


@pytest.mark.parametrize(
    "config",
    [
        majority([1, 2]).text().encode(),
        b"server.1=nonsense\nversion=100",
        b"version=-5",
        b"version=ffffffffffffffffff",
        b"\xff\xff",
        b"what=ever",
        bytes(300),
    ],
)
def test_an_older_or_unreadable_configuration_is_passed_over(config: bytes) -> None:
    """The vote beside it counts all the same."""
    offered: list[str] = []
    desk = Desk(sid=2, on_newer_config=refuse(offered)).look()

    desk.hear(3, 3, config=config)

    assert offered == []
    assert desk.election.vote.leader == 3


def test_a_newer_configuration_is_no_matter_for_who_has_decided() -> None:
    offered: list[str] = []
    desk = Desk(sid=3, on_newer_config=refuse(offered)).look()
    desk.hear(1, 3)
    desk.hear(2, 3)

    desk.hear(1, 1, config=majority([1, 2], version=7).text().encode())

    assert offered == []


def test_an_observer_that_becomes_a_voter_votes_with_what_it_has() -> None:
    newer = majority([1, 2, 3, 4], version=0x100)

    def adopt(text: str) -> bool:
        desk.election.set_config(from_text(text), last_seen=None, is_observer=False)
        return True

    desk = Desk(sid=4, verifier=majority([1, 2, 3], observers=[4]), on_newer_config=adopt).look()
    desk.hear(3, 3, config=newer.text().encode())

    assert desk.election.vote == Vote(Sid(4), Zxid(ZXID), 2, Epoch(4))


# --- the oracle -----------------------------------------------------------------------------------------


class Pythia:
    """What the oracle of two voters says."""

    says = False

    def __call__(self, _path: str) -> bool:
        return self.says


def two(pythia: Pythia) -> Oracle:
    return Oracle([member(1), member(2)], oracle_path="oracle", ask=pythia)


def test_of_two_the_one_that_the_oracle_names_leads_alone() -> None:
    pythia = Pythia()
    desk = Desk(sid=1, verifier=two(pythia)).look()
    desk.wait(5000)
    assert desk.result is None

    pythia.says = True
    desk.wait(60_000)

    assert desk.result == (LEADING, 1)


def test_of_two_the_one_that_comes_back_follows_the_one_that_leads_alone() -> None:
    desk = Desk(sid=2, verifier=two(Pythia())).look()

    desk.hear(1, 1, LEADING, round=7)

    assert desk.result == (FOLLOWING, 1)


def test_an_oracle_makes_no_leader_of_an_untrusted_database() -> None:
    pythia = Pythia()
    pythia.says = True
    desk = Desk(sid=1, verifier=two(pythia))
    desk.election.start(START_MS, last_zxid=UNTRUSTED, current_epoch=Epoch(0))
    desk.wait(5000)

    assert desk.result is None


# --- bad input ------------------------------------------------------------------------------------------


def test_malformed_messages_are_passed_over() -> None:
    """ZOOKEEPER-3769: partial messages, met when a leader was killed, made the original deaf."""
    desk = Desk(sid=2).look()
    good = Notification(LOOKING, Sid(3), Zxid(ZXID), 1, Epoch(4)).encode()

    for size in range(len(good)):
        if size not in (28, 40):
            desk.election.receive(desk.now_ms, Sid(3), good[:size])
    desk.election.receive(desk.now_ms, Sid(3), b"\0\0\0\x09" + good[4:])
    assert desk.election.vote.leader == 2
    desk.election.receive(desk.now_ms, Sid(3), good)

    assert desk.election.vote.leader == 3


longs = st.one_of(st.integers(-(2**63), 2**63 - 1), st.sampled_from([-1, 0, 1, 2, 3, NOBODY, 2**63 - 1]))
messages = st.one_of(
    st.binary(max_size=60),
    st.builds(
        Notification,
        st.sampled_from(ServerState),
        longs.map(Sid),
        longs.map(Zxid),
        longs,
        longs.map(Epoch),
        config=st.sampled_from([b"", b"version=7", majority([1, 2], version=7).text().encode()]),
    ).map(Notification.encode),
)


@given(st.integers(1, 4), st.lists(st.tuples(longs, messages, st.integers(0, 500)), max_size=20))
def test_whatever_is_said_never_raises(sid: int, heard: list[tuple[int, bytes, int]]) -> None:
    verifier = Majority([member(1), member(2), member(3), member(4, Role.OBSERVER)])
    desk = Desk(sid=sid, verifier=verifier, on_newer_config=lambda _: True).look()

    for sender, message, pause_ms in heard:
        desk.election.receive(desk.now_ms, Sid(sender), message)
        desk.wait(pause_ms)
    if desk.result is not None:
        desk.look()
    assert desk.election.deadline() is not None
