"""Who knows a session, who keeps its time, and who may use it: leader, learner, local and global."""

from __future__ import annotations

import pytest
from zoolet.jute.ids import SessionId
from zoolet.quorum.session_trackers import LeaderSessionTracker, LearnerSessionTracker
from zoolet.server.errors import EphemeralOnLocalSession, SessionExpired, SessionMoved

TICK_MS = 1000
ME, OTHER = 2, 1
GLOBAL = SessionId(0x0100_0000_0000_0001)
STRANGER = SessionId(0x0100_0000_0000_0002)
"""Given out by member 1, and in no table."""
LOST = SessionId(0x0200_0000_0000_0002)
"""Given out by member 2, and in no table."""


def leader(*, local: bool = False) -> LeaderSessionTracker:
    return LeaderSessionTracker(TICK_MS, ME, 0, {GLOBAL: 4000}, local=local)


def learner(*, local: bool = False) -> LearnerSessionTracker:
    return LearnerSessionTracker(TICK_MS, ME, 0, {GLOBAL: 4000}, local=local)


# --- the leader: global sessions ----------------------------------------------------------------------------


def test_a_session_belongs_to_the_member_that_uses_it_first() -> None:
    tracker = leader()
    tracker.asking = OTHER
    tracker.check(GLOBAL)
    tracker.asking = ME
    with pytest.raises(SessionMoved):
        tracker.check(GLOBAL)
    tracker.set_owner(GLOBAL, ME)
    tracker.check(GLOBAL)


def test_without_local_sessions_an_unknown_session_has_expired() -> None:
    for session_id in (STRANGER, LOST):
        with pytest.raises(SessionExpired):
            leader().check(session_id)


# --- the leader: local sessions -----------------------------------------------------------------------------


def test_an_unknown_session_may_be_a_local_one_of_another_member_but_not_one_of_ours() -> None:
    tracker = leader(local=True)
    tracker.check(STRANGER)
    with pytest.raises(SessionExpired):
        tracker.check(LOST)


def test_nobody_may_own_a_node_through_a_session_that_is_not_global() -> None:
    tracker = leader(local=True)
    own = tracker.create(4000, 0)
    tracker.check(own)
    with pytest.raises(EphemeralOnLocalSession):
        tracker.check_global(own)
    with pytest.raises(SessionExpired):
        tracker.check_global(STRANGER)
    tracker.check_global(GLOBAL)


def test_an_upgraded_session_is_the_leaders_to_watch_from_that_moment() -> None:
    tracker = leader(local=True)
    own = tracker.create(4000, 0)
    assert (tracker.is_local(own), tracker.is_global(own), tracker.local_count) == (True, False, 1)
    assert tracker.upgrade(own, 1000) == 4000
    assert (tracker.is_local(own), tracker.is_global(own), tracker.local_count) == (False, True, 0)
    tracker.check_global(own)
    assert tracker.deadline_ms(own) == 6000


def test_local_and_global_sessions_expire_alike() -> None:
    tracker = leader(local=True)
    own = tracker.create(2000, 0)
    assert tracker.wait_ms(0) == 1000
    assert tracker.expired(3000) == [own]
    with pytest.raises(SessionExpired):
        tracker.check(own)
    assert tracker.is_local(own), "until its end is applied"
    assert tracker.expired(5000) == [GLOBAL]
    tracker.remove(own)
    assert not tracker.is_local(own)


def test_touching_keeps_either_kind() -> None:
    tracker = leader(local=True)
    own = tracker.create(2000, 0)
    assert tracker.touch(own, 2000, 2500)
    assert tracker.touch(GLOBAL, 4000, 2500)
    assert not tracker.touch(STRANGER, 4000, 2500)
    assert tracker.expired(4000) == []


# --- learners -----------------------------------------------------------------------------------------------


def test_a_learner_tells_the_leader_who_was_heard_of_since_the_last_time() -> None:
    tracker = learner()
    assert tracker.touch(GLOBAL, 4000, 0)
    assert tracker.touch(STRANGER, 5000, 0), "whether it lives is for the leader to say"
    assert tracker.take_heard() == {GLOBAL: 4000, STRANGER: 5000}
    assert tracker.take_heard() == {}
    assert tracker.expired(1_000_000) == []


def test_a_learner_gives_out_ids_without_tracking_them() -> None:
    tracker = learner()
    first, second = tracker.create(4000, 0), tracker.create(4000, 0)
    assert second == first + 1
    assert first >> 56 == ME
    assert tracker.sessions == {}


def test_a_learner_keeps_its_local_sessions_to_itself() -> None:
    tracker = learner(local=True)
    own = tracker.create(2000, 0)
    assert tracker.touch(own, 2000, 0)
    assert tracker.take_heard() == {}
    assert tracker.expired(3000) == [own]


def test_with_local_sessions_a_learner_refuses_what_is_neither_its_own_nor_everybodys() -> None:
    tracker = learner(local=True)
    assert not tracker.touch(STRANGER, 4000, 0)
    assert tracker.touch(GLOBAL, 4000, 0)


def test_a_session_on_its_way_to_be_global_is_already_the_leaders() -> None:
    tracker = learner(local=True)
    own = tracker.create(4000, 0)
    assert tracker.upgrade(own, 0) == 4000
    assert tracker.touch(own, 4000, 0)
    assert tracker.take_heard() == {own: 4000}
    tracker.committed(own)
    assert not tracker.touch(own, 4000, 0), "the table is the database's, and has not heard of it"


def test_a_session_the_leader_vouches_for_is_served_before_its_txn_has_come() -> None:
    tracker = learner(local=True)
    tracker.expect(STRANGER)
    assert tracker.touch(STRANGER, 4000, 0)
    tracker.remove(STRANGER)
    assert not tracker.touch(STRANGER, 4000, 0)


def test_what_dump_shows_names_both_kinds_only_where_there_are_both() -> None:
    assert [kind for kind, _ in leader().tables()] == [""]
    assert [kind for kind, _ in leader(local=True).tables()] == ["Local ", "Global "]
    assert learner().tables() == [("Global ", {GLOBAL: 4000})]
    assert [kind for kind, _ in learner(local=True).tables()] == ["Local ", "Global "]


@pytest.mark.parametrize("local", [False, True])
@pytest.mark.parametrize("kind", [LeaderSessionTracker, LearnerSessionTracker])
def test_ids_of_sessions_that_live_are_not_given_out_again(
    kind: type[LeaderSessionTracker | LearnerSessionTracker], local: bool
) -> None:
    """The clock that ids come from begins anew with the machine: a start may meet the ms of another."""
    first = kind(TICK_MS, ME, 0, {}, local=local).create(4000, 0)
    assert kind(TICK_MS, ME, 0, {first: 4000}, local=local).create(4000, 0) == first + 1
