"""Fast leader election, one rule at a time: who looks, for whom it votes, and when that is enough."""

from __future__ import annotations

import pytest
from zoolet.jute.election import Notification
from zoolet.jute.ids import Epoch, Sid, Zxid
from zoolet.quorum.election import (
    FINALIZE_WAIT_MS,
    NOBODY,
    NOTIFICATION_MAX_MS,
    UNTRUSTED,
)
from zoolet.quorum.tests.election_desk import (
    FOLLOWING,
    LEADING,
    LOOKING,
    START_MS,
    ZXID,
    Desk,
)
from zoolet.quorum.tests.election_lab import majority, member
from zoolet.quorum.verifier import Hierarchical
from zoolet.quorum.vote import Vote

# --- the beginning (rule 1) ---------------------------------------------------------------------------


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


# --- which candidate (rules 2 and 3) ------------------------------------------------------------------


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
def test_who_votes_for_a_worse_candidate_is_told_ours_once(zxid: int, epoch: int, candidate: int) -> None:
    """Perhaps it was not looking yet when it was told before."""
    desk = Desk(sid=2).look()

    desk.hear(1, candidate, zxid=zxid, epoch=epoch)
    assert [(to, n.state, n.leader) for to, n in desk.said] == [(1, LOOKING, 2)]
    desk.hear(1, candidate, zxid=zxid, epoch=epoch)
    assert len(desk.said) == 1

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


# --- enough votes (rule 4) ----------------------------------------------------------------------------


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


# --- untrusted databases (rule 8) ---------------------------------------------------------------------


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


def test_an_untrusted_database_does_not_make_a_leader_of_whom_all_others_think_to_lead() -> None:
    """It was the leader a moment ago, and nobody has noticed; the round is the same by chance."""
    desk = Desk(sid=2)
    desk.election.start(START_MS, last_zxid=UNTRUSTED, current_epoch=Epoch(4))
    for sid in (1, 3):
        desk.hear(sid, 2, FOLLOWING)
    desk.wait(1000)
    assert desk.result is None


def test_who_has_no_say_asks_again_soon_after_others_have_voted() -> None:
    """Nobody tells it of the result. Those without a say do not keep each other from going quiet."""
    desk = Desk(sid=2)
    desk.election.start(START_MS, last_zxid=UNTRUSTED, current_epoch=Epoch(4))
    desk.wait(NOTIFICATION_MAX_MS * 4)
    desk.said.clear()
    desk.hear(1, 1, zxid=-1)
    desk.wait(5000)
    assert desk.said == []
    desk.hear(1, 3)
    desk.wait(1000)
    assert [sid for sid, _ in desk.said] == [1, 3]


def test_an_ensemble_of_untrusted_empty_databases_elects_nobody() -> None:
    desk = Desk(sid=1, verifier=majority([1]))
    desk.election.start(START_MS, last_zxid=UNTRUSTED, current_epoch=Epoch(0))
    desk.wait(1000)

    assert desk.result is None


# --- time (rule 9) ------------------------------------------------------------------------------------


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
