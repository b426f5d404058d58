"""Sessions: ids and passwords as Java makes them, tracking, closing, expiry."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoolet.jute.ids import SessionId
from zoolet.server.errors import SessionExpired
from zoolet.server.sessions import (
    SessionTracker,
    check_password,
    first_session_id,
    session_password,
)

LONGS = st.integers(-(2**63), 2**63 - 1)


def tracker(now_ms: int = 10_000, sessions: dict[int, int] | None = None) -> SessionTracker:
    return SessionTracker(tick_ms=2000, server_id=1, now_ms=now_ms, sessions=sessions or {})


# --- passwords ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("session_id", "password"),
    [
        (0xB3415C00 ^ 42, "359d41baf78afe0de1bbe7ae28c0450c"),
        (42, "c813ee495620c3a68794ef27a239e8a9"),
        (1, "054cc74a37327db215e702e20c73f005"),
        (0x0100000000000000, "f22acd4a97e69d6d20a49bb638eadb38"),
        (0x01000123456789AB, "237710bc62d77989a42e8da77022789d"),
        (0xB3415C00, "60b420bb3851d9d47acb933dbe70399b"),
        (2**63 - 1, "20f62cb5648dc2d771471c8a2486a9ee"),
        (-1, "20f62cb5648dc2d771471c8a2486a9ee"),
        (-(2**63), "f22acd4a97e69d6d20a49bb638eadb38"),
        (0x0100002B291E0000, "801ce87a0d5404f15e4358ec9e6b6522"),  # given out by a 3.9.4 server
    ],
)
def test_the_password_is_that_of_java_util_random(session_id: int, password: str) -> None:
    """Printed by `new Random(id ^ 0xB3415C00).nextBytes` on Java 17."""
    assert session_password(session_id).hex() == password


@given(LONGS.filter(bool))
def test_only_the_own_password_is_right(session_id: int) -> None:
    password = session_password(session_id)
    assert len(password) == 16
    assert check_password(session_id, password)
    for wrong in (None, b"", bytes(16), password[:-1], password + b"\0", password[::-1] + b"x"):
        assert not check_password(session_id, wrong)


def test_session_zero_has_no_password() -> None:
    assert not check_password(0, session_password(0))


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
