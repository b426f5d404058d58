"""Acknowledgements count for every configuration the member votes in, and all of them must agree."""

from __future__ import annotations

from zoolet.jute.ids import Sid
from zoolet.quorum.ack_tracker import SyncedLearnerTracker
from zoolet.quorum.verifier import QuorumVerifier, from_text


def verifier(*sids: int, observers: tuple[int, ...] = ()) -> QuorumVerifier:
    lines = [f"server.{sid}=h{sid}:1:2" for sid in sids]
    return from_text("\n".join([*lines, *(f"server.{sid}=h{sid}:1:2:observer" for sid in observers)]))


def test_a_quorum_of_voters_is_enough() -> None:
    tracker = SyncedLearnerTracker([verifier(1, 2, 3)])
    assert tracker.add_ack(Sid(1))
    assert tracker.add_ack(Sid(1))
    assert not tracker.has_all_quorums()
    assert tracker.add_ack(Sid(3))
    assert tracker.has_all_quorums()


def test_observers_and_strangers_are_not_counted() -> None:
    tracker = SyncedLearnerTracker([verifier(1, 2, 3, observers=(4, 5))])
    assert not any(tracker.add_ack(Sid(sid)) for sid in (4, 5, 6))
    assert tracker.pairs[0][1] == frozenset()
    assert not tracker.has_all_quorums()


def test_during_a_change_both_configurations_must_agree() -> None:
    tracker = SyncedLearnerTracker([verifier(1, 2, 3)])
    tracker.add_quorum_verifier(verifier(3, 4, 5, observers=(1,)))
    for sid in (1, 2):
        assert tracker.add_ack(Sid(sid))
    assert not tracker.has_all_quorums()
    assert tracker.add_ack(Sid(3))
    assert not tracker.has_all_quorums()
    assert tracker.add_ack(Sid(5))
    assert tracker.has_all_quorums()
    assert tracker.has_sid(Sid(3))
    assert not tracker.has_sid(Sid(1))
    assert str(tracker) == "[1, 2, 3],[3, 5]"


def test_acks_before_a_configuration_was_added_do_not_count_for_it() -> None:
    tracker = SyncedLearnerTracker([verifier(1)])
    tracker.add_ack(Sid(1))
    tracker.add_quorum_verifier(verifier(1))
    assert not tracker.has_all_quorums()


def test_without_a_configuration_there_is_nothing_to_wait_for() -> None:
    """As in Java; nobody should ask."""
    tracker = SyncedLearnerTracker()
    assert tracker.has_all_quorums()
    assert tracker.has_sid(Sid(1))
    assert not tracker.add_ack(Sid(1))
