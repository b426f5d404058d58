"""A learner that connects again: its newer connection takes the place of the older one, and alone counts."""

from __future__ import annotations

import pytest
from zoolet.quorum.packets import ack
from zoolet.quorum.tests.test_leader import connected, send_create
from zoolet.quorum.tests.wire_lab import WireLab, said, zx


@pytest.fixture
def lab() -> WireLab:
    return WireLab()


def test_a_newer_connection_takes_the_place_of_an_older_one_when_its_synchronisation_begins(
    lab: WireLab,
) -> None:
    [follower] = lab.serving_leader(2)
    again = lab.learner(2)
    again.introduce()
    assert follower.is_open, "anybody can say that it is 2"
    again.ack_epoch(zx(1, 0))
    assert not follower.is_open
    assert lab.leader_role.forwarding == {again.handler: None}


def test_of_two_connections_that_waited_for_a_quorum_the_newer_one_stays() -> None:
    lab = WireLab(voters=5)
    lab.lead()
    older, newer, other = (lab.learner(sid) for sid in (2, 2, 3))
    for learner in (older, newer, other):
        learner.introduce()
    for learner in (newer, older, other):
        learner.ack_epoch()
    assert [older.is_open, newer.is_open, other.is_open] == [False, True, True]


def test_the_ack_of_who_comes_again_counts_when_it_is_given_again() -> None:
    """It has lost what it had acknowledged, or is told to cut it off."""
    lab = WireLab(voters=5)
    first, second = lab.serving_leader(2, 3)
    client = connected(lab, first, second)
    send_create(client, "/a")
    first.say(ack(zx(1, 2)))
    first.hang_up()
    again = lab.learner(2)
    came = said(again.join(-1, current=1))
    assert ("PROPOSAL", zx(1, 2)) in came
    second.say(ack(zx(1, 2)))
    assert lab.leader_role.last_committed == zx(1, 1), "only two of five have it"
    again.say(ack(zx(1, 2)))
    assert lab.leader_role.last_committed == zx(1, 2)


def test_an_ack_that_arrives_late_by_an_older_connection_does_not_count() -> None:
    """It tells of a log that the newer connection is told to cut off, or that was lost since."""
    lab = WireLab(voters=5)
    first, second = lab.serving_leader(2, 3)
    client = connected(lab, first, second)
    send_create(client, "/a")
    again = lab.learner(2)
    again.introduce()
    again.ack_epoch(-1, 1)
    first.say(ack(zx(1, 2)))
    second.say(ack(zx(1, 2)))
    assert lab.leader_role.last_committed == zx(1, 1), "only two of five have it"
    again.ack_newleader()
    again.say(ack(zx(1, 2)))
    assert lab.leader_role.last_committed == zx(1, 2)
