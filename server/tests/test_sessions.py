"""Sessions: ids as Java makes them, tracking, closing, expiry."""

from __future__ import annotations

import pytest
from zoolet.jute.ids import SessionId
from zoolet.server.errors import SessionExpired
from zoolet.server.sessions import SessionTracker, first_session_id


def tracker(now_ms: int = 10_000, sessions: dict[int, int] | None = None) -> SessionTracker:
    return SessionTracker(tick_ms=2000, server_id=1, now_ms=now_ms, sessions=sessions or {})


# --- ids ------------------------------------------------------------------------------------------------


def test_an_id_is_the_server_then_forty_bits_of_ms_then_sixteen_of_counter() -> None:
    assert first_session_id(1, 0x12345) == 0x01_00_0001_2345_0000
    assert first_session_id(254, 1) == 0xFE_00_0000_0001_0000 - 2**64
    assert first_session_id(1, 2**40 + 5) == 0x01_00_0000_0005_0000


def test_the_id_that_marks_containers_is_skipped() -> None:
    assert first_session_id(0x80, 0) == -(2**63) + 1


def test_ids_follow_one_another() -> None:
    sessions = tracker(now_ms=0x10)
    first = sessions.create(4000, 0x10)
    assert first == 0x01_00_0000_0010_0000
    assert sessions.create(4000, 0x10) == first + 1


# --- life and death -------------------------------------------------------------------------------------


def test_a_session_expires_in_the_first_tick_after_its_timeout() -> None:
    sessions = tracker(now_ms=10_000)
    session_id = sessions.create(4000, 10_500)
    assert sessions.expired(15_999) == []
    assert sessions.expired(16_000) == [session_id]


def test_a_touch_moves_the_deadline() -> None:
    sessions = tracker()
    session_id = sessions.create(4000, 10_000)
    assert sessions.touch(session_id, 4000, 13_000)
    assert sessions.expired(17_999) == []
    assert sessions.expired(18_000) == [session_id]


def test_an_expired_session_is_reported_once_and_cannot_be_touched() -> None:
    sessions = tracker()
    session_id = sessions.create(4000, 10_000)
    assert sessions.expired(60_000) == [session_id]
    assert sessions.expired(120_000) == []
    assert not sessions.touch(session_id, 4000, 60_000)
    with pytest.raises(SessionExpired):
        sessions.check(session_id)
    sessions.remove(session_id)
    assert session_id not in sessions.sessions


def test_a_closing_session_counts_as_gone_and_does_not_expire_again() -> None:
    sessions = tracker()
    session_id = sessions.create(4000, 10_000)
    sessions.check(session_id)
    sessions.set_closing(session_id)
    assert not sessions.touch(session_id, 4000, 10_000)
    with pytest.raises(SessionExpired):
        sessions.check(session_id)
    assert sessions.expired(60_000) == []


def test_unknown_sessions_are_refused_or_passed_over() -> None:
    sessions = tracker()
    assert not sessions.touch(99, 4000, 10_000)
    with pytest.raises(SessionExpired):
        sessions.check(99)
    sessions.set_closing(99)
    sessions.remove(99)
    assert sessions.expired(10**9) == []


def test_sessions_from_disk_start_a_full_timeout() -> None:
    sessions = tracker(now_ms=10_000, sessions={7: 4000, 8: 30_000})
    assert sessions.touch(8, 30_000, 10_000)
    assert sessions.expired(15_999) == []
    assert sessions.expired(16_000) == [7]
    assert sessions.expired(42_000) == [8]


def test_tracking_a_known_session_keeps_it() -> None:
    sessions = tracker(sessions={7: 4000})
    sessions.set_closing(7)
    sessions.track(SessionId(7), 4000, 10_000)
    with pytest.raises(SessionExpired):
        sessions.check(7)


def test_ids_of_living_sessions_are_not_given_out_again() -> None:
    """The clock that ids come from begins anew with the machine: a start may meet the ms of another."""
    before = tracker(now_ms=10_000)
    kept = [before.create(4000, 10_000) for _ in range(3)]
    after = tracker(now_ms=10_000, sessions=dict.fromkeys(kept, 4000))
    assert after.create(4000, 10_000) == kept[-1] + 1
    assert after.create(4000, 10_000) == kept[-1] + 2
