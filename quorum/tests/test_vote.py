"""Votes: which candidate is better, and which votes support the same one."""

from __future__ import annotations

from itertools import product

import pytest
from zoolet.jute.election import ServerState
from zoolet.jute.ids import Epoch, Sid, Zxid
from zoolet.quorum.vote import Vote

LOOKING, FOLLOWING, LEADING = ServerState.LOOKING, ServerState.FOLLOWING, ServerState.LEADING


def vote(
    leader: int = 4,
    zxid: int = 0x100000001,
    round: int = 1,
    epoch: int = 1,
    state: ServerState = LOOKING,
    version: int = 2,
) -> Vote:
    return Vote(Sid(leader), Zxid(zxid), round, Epoch(epoch), state, version)


def test_the_later_epoch_wins_then_the_later_zxid_then_the_larger_sid() -> None:
    ordered = [
        vote(leader=9, zxid=-(2**63), epoch=-(2**63)),
        vote(leader=1, zxid=5, epoch=0),
        vote(leader=2, zxid=5, epoch=0),
        vote(leader=1, zxid=6, epoch=0),
        vote(leader=1, zxid=0, epoch=1),
    ]

    assert max(ordered, key=lambda found: found.rank) is ordered[-1]
    assert sorted(ordered, key=lambda found: found.rank) == ordered


@pytest.mark.parametrize("other", [vote(leader=3), vote(zxid=2), vote(round=2), vote(epoch=2)])
@pytest.mark.parametrize("state", [FOLLOWING, LEADING])
def test_with_one_that_looks_everything_counts(other: Vote, state: ServerState) -> None:
    mine = vote()

    assert mine.agrees_with(vote(state=state, version=0))
    assert not mine.agrees_with(other)
    assert not mine.agrees_with(other._replace(state=state))
    assert not mine._replace(state=state).agrees_with(other)


def test_between_those_that_have_decided_leader_and_epoch_count() -> None:
    """ZOOKEEPER-1805: round and zxid of an established ensemble differ from member to member."""
    mine = vote(state=FOLLOWING)

    assert mine.agrees_with(vote(state=LEADING, zxid=7, round=9))
    assert not mine.agrees_with(vote(state=LEADING, epoch=2))
    assert not mine.agrees_with(vote(state=LEADING, leader=3))


def test_with_one_of_an_old_version_the_leader_alone_counts() -> None:
    """ZOOKEEPER-1732: old servers report another epoch; in a rolling upgrade both kinds are there."""
    mine = vote(state=FOLLOWING)

    assert mine.agrees_with(vote(state=LEADING, epoch=2, version=0))
    assert not mine.agrees_with(vote(state=LEADING, leader=3, version=0))
    assert not vote(state=FOLLOWING, version=0).agrees_with(vote(state=LEADING, epoch=2, version=0))


def test_agreement_is_mutual() -> None:
    votes = [
        vote(leader, zxid, round, epoch, state, version)
        for leader, zxid, round, epoch, state, version in product(
            (1, 2), (1, 2), (1, 2), (1, 2), (LOOKING, FOLLOWING), (0, 2)
        )
    ]

    for one, other in product(votes, votes):
        assert one.agrees_with(one)
        assert one.agrees_with(other) == other.agrees_with(one)


def test_a_vote_prints_as_in_the_original() -> None:
    assert str(vote(zxid=0x50000000A, epoch=-1)) == "(4, 50000000a, ffffffffffffffff)"
