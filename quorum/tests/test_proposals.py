"""The leader's bookkeeping of proposals: who has one, and which one is committed next."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from zoolet.jute.ids import Sid, Zxid
from zoolet.quorum.members import Address, Member
from zoolet.quorum.proposals import Proposal, Proposals
from zoolet.quorum.verifier import Hierarchical, Majority, QuorumVerifier

REQUEST: Any = None


def members(sids: Iterable[int]) -> list[Member]:
    return [Member(Sid(sid), (Address(f"m{sid}", 2888),), (Address(f"m{sid}", 3888),)) for sid in sids]


def majority(*sids: int, version: int = 0) -> Majority:
    return Majority(members(sids), version=version)


def proposals(count: int, *verifiers: QuorumVerifier) -> Proposals:
    outstanding = Proposals()
    for number in range(1, count + 1):
        outstanding.add(Proposal(Zxid(number), REQUEST, b"", verifiers))
    return outstanding


def committed(outstanding: Proposals) -> list[int]:
    """Zxids of everything that may be committed now."""
    zxids = []
    while (proposal := outstanding.take_committed()) is not None:
        zxids.append(int(proposal.zxid))
    return zxids


def test_a_proposal_is_committed_by_a_quorum_and_no_sooner() -> None:
    outstanding = proposals(1, majority(1, 2, 3))
    assert outstanding.acknowledge(Sid(1), 1)
    assert outstanding.acknowledge(Sid(1), 1), "twice is once"
    assert committed(outstanding) == []
    outstanding.acknowledge(Sid(3), 1)
    assert committed(outstanding) == [1]
    assert len(outstanding) == 0


def test_who_has_no_vote_is_not_counted() -> None:
    outstanding = proposals(1, majority(1, 2, 3))
    for sid in (1, 8, 9, -1):
        outstanding.acknowledge(Sid(sid), 1)
    assert committed(outstanding) == []


def test_an_ack_of_what_is_committed_or_was_never_proposed_is_passed_over() -> None:
    outstanding = proposals(2, majority(1))
    outstanding.acknowledge(Sid(1), 1)
    assert committed(outstanding) == [1]
    assert not outstanding.acknowledge(Sid(1), 1)
    assert not outstanding.acknowledge(Sid(1), 3)
    assert [int(proposal.zxid) for proposal in outstanding] == [2]


def test_a_change_of_configuration_needs_a_quorum_of_both() -> None:
    outstanding = proposals(1, majority(1, 2, 3), majority(3, 4, 5, version=1))
    for sid in (1, 2, 4):
        outstanding.acknowledge(Sid(sid), 1)
        assert committed(outstanding) == []
    outstanding.acknowledge(Sid(3), 1)
    assert committed(outstanding) == [1]


def test_what_waits_for_the_new_configuration_holds_up_what_comes_behind_it() -> None:
    old, new = majority(1, 2, 3), majority(4, version=1)
    outstanding = proposals(1, old, new)
    outstanding.add(Proposal(Zxid(2), REQUEST, b"", (old,)))
    for sid in (1, 2):
        outstanding.acknowledge(Sid(sid), 1)
        outstanding.acknowledge(Sid(sid), 2)
    assert committed(outstanding) == []
    outstanding.acknowledge(Sid(4), 1)
    assert committed(outstanding) == [1, 2]


def test_groups_and_weights_decide_where_there_are_some() -> None:
    groups = {Sid(sid): 1 if sid < 3 else 2 for sid in range(1, 6)}
    outstanding = proposals(1, Hierarchical(members(range(1, 6)), groups=groups))
    for sid in (3, 4, 5, 1):
        outstanding.acknowledge(Sid(sid), 1)
    assert committed(outstanding) == [], "half of a group is not most of it"
    outstanding.acknowledge(Sid(2), 1)
    assert committed(outstanding) == [1]


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 8)), max_size=60))
def test_commits_come_in_order_each_once_and_each_with_its_quorum(acks: list[tuple[int, int]]) -> None:
    outstanding = proposals(8, majority(1, 2, 3, 4, 5))
    seen: list[int] = []
    who: dict[int, set[int]] = {number: set() for number in range(1, 9)}
    for sid, zxid in acks:
        outstanding.acknowledge(Sid(sid), zxid)
        if zxid not in seen:
            who[zxid].add(sid)
        seen += committed(outstanding)
    assert seen == list(range(1, len(seen) + 1))
    assert all(len(who[zxid]) >= 3 for zxid in seen)
    following = len(seen) + 1
    assert following > 8 or len(who[following]) < 3, "nothing that could go on is held up"
