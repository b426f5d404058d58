"""Fast leader election: those that have decided, those that ask them, and those without a vote."""

from __future__ import annotations

import pytest
from zoolet.jute.ids import Epoch, Sid, Zxid
from zoolet.quorum.election import (
    ANSWER_MS,
    FINALIZE_WAIT_MS,
    NOBODY,
    WAITING_MAX,
)
from zoolet.quorum.tests.election_desk import (
    FOLLOWING,
    LEADING,
    LOOKING,
    OBSERVING,
    ZXID,
    Desk,
)
from zoolet.quorum.tests.election_lab import majority
from zoolet.quorum.vote import Vote

# --- those that have decided (rules 5 and 6) ----------------------------------------------------------


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


# --- answers (rule 7) ---------------------------------------------------------------------------------


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


# --- observers learn the result -----------------------------------------------------------------------


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
