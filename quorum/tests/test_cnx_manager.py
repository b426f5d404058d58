"""The election's connections, one rule of who dials, who keeps and what is said at a time."""

from __future__ import annotations

import logging
from struct import pack

import pytest
from zoolet.jute.election import OBSERVER_SID, OPENING_V2, Opening
from zoolet.jute.framing import frame
from zoolet.jute.ids import Sid
from zoolet.quorum.cnx_manager import (
    CALL_BACK_MS,
    STRANGERS_MAX,
    State,
)
from zoolet.quorum.tests.cnx_desk import (
    CALLER,
    FOUR,
    ONE,
    STRANGER,
    THREE,
    TWO,
    Desk,
    opening,
    opening_of_two,
    sent,
)
from zoolet.quorum.tests.election_lab import election_address

# --- who keeps the connection -------------------------------------------------------------------------


def test_who_dials_a_smaller_sid_keeps_the_connection() -> None:
    desk = Desk(sid=2)
    desk.manager.send(ONE, b"vote")

    dial = desk.dial()
    assert dial.addresses == (election_address(1),)
    connection = desk.connected(dial)

    assert sent(connection) == opening_of_two() + frame(b"vote")
    assert connection.state is State.ESTABLISHED
    assert connection in desk.dirty


def test_who_dials_a_larger_sid_says_who_it_is_and_closes() -> None:
    desk = Desk(sid=2)
    desk.manager.send(THREE, b"vote")

    connection = desk.connected(desk.dial())

    assert sent(connection) == opening_of_two()
    assert connection.is_closing
    assert not desk.manager.is_connected(THREE)


def test_a_call_from_a_larger_sid_is_kept_and_gets_what_waited() -> None:
    desk = Desk(sid=2)
    desk.manager.send(THREE, b"vote")
    desk.connected(desk.dial()).closed()

    connection = desk.called_by(opening(3) + frame(b"hello"))

    assert connection.state is State.ESTABLISHED
    assert desk.heard == [(3, b"hello")]
    assert sent(connection) == frame(b"vote")


def test_a_call_from_a_smaller_sid_is_closed_and_called_back_where_it_says() -> None:
    desk = Desk(sid=2)

    connection = desk.called_by(opening(1, ("10.1.1.1", 4888), ("10.1.1.2", 4888)))

    assert connection.is_closing
    assert not sent(connection)
    # Its configured address is the last resort.
    assert desk.dial().addresses == (("10.1.1.1", 4888), ("10.1.1.2", 4888), election_address(1))


def test_a_wildcard_address_is_called_back_where_the_configuration_says() -> None:
    """ZOOKEEPER-2164: servers with 0.0.0.0 in their configuration could not come back after a restart."""
    desk = Desk(sid=2)

    desk.called_by(opening(1, ("0.0.0.0", 3888)))

    assert desk.dial().addresses == (election_address(1),)


def test_a_server_before_3_5_is_called_back_where_the_configuration_says() -> None:
    desk = Desk(sid=2)

    desk.called_by(pack(">q", 1))

    assert desk.dial().addresses == (election_address(1),)


def test_a_smaller_sid_that_calls_again_loses_the_connection_it_had() -> None:
    """It has been restarted, and what looks like a connection is one with a process that is gone."""
    desk = Desk(sid=2)
    old = desk.connect_to(1)

    desk.called_by(opening(1))

    assert old.is_closing
    new = desk.connected(desk.dial())
    assert new.state is State.ESTABLISHED


def test_a_newer_connection_from_a_larger_sid_takes_the_place_of_the_older_one() -> None:
    desk = Desk(sid=2)
    old = desk.called_by(opening(3))

    new = desk.called_by(opening(3))
    desk.manager.send(THREE, b"vote")

    assert old.is_closing
    assert sent(new) == frame(b"vote")
    old.closed()
    assert desk.manager.is_connected(THREE)


def test_a_server_that_is_in_no_configuration_tells_an_address_that_is_passed_over() -> None:
    desk = Desk(sid=2)
    desk.manager.set_my_addresses(())
    desk.manager.connect(ONE)

    found = Opening.decode(sent(desk.connected(desk.dial())))

    assert found is not None
    assert found[0] == Opening(TWO, ())


def test_our_own_sid_is_logged_and_closed(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk(sid=2)

    with caplog.at_level(logging.WARNING):
        connection = desk.called_by(opening(2) + frame(b"vote"))

    assert connection.is_closing
    assert "our own sid" in caplog.text
    assert desk.heard == []
    assert desk.manager.take_dials() == []


def test_observers_without_a_sid_get_negative_ones_and_keep_their_connections() -> None:
    desk = Desk(sid=2)

    first = desk.called_by(opening(OBSERVER_SID) + frame(b"a"))
    second = desk.called_by(opening(OBSERVER_SID) + frame(b"b"))
    desk.manager.send(Sid(-2), b"answer")

    assert desk.heard == [(-1, b"a"), (-2, b"b")]
    assert sent(first) == b""
    assert sent(second) == frame(b"answer")


def test_several_addresses_are_told_only_when_they_are_enabled() -> None:
    desk = Desk(sid=2, multi_address=True)
    desk.manager.connect(ONE)

    told = Opening(TWO, (election_address(2), ("192.168.0.2", 3889)), OPENING_V2)

    assert sent(desk.connected(desk.dial())) == told.encode()


# --- servers that are not members ---------------------------------------------------------------------


def test_a_stranger_with_a_larger_sid_is_heard_and_answered() -> None:
    """A server that is about to join with a reconfiguration knows us before we know it."""
    desk = Desk(sid=2)

    connection = desk.called_by(opening(STRANGER) + frame(b"vote"))
    desk.manager.send(STRANGER, b"answer")

    assert desk.heard == [(STRANGER, b"vote")]
    assert sent(connection) == frame(b"answer")


def test_a_stranger_with_a_smaller_sid_is_called_back() -> None:
    desk = Desk(sid=4)
    desk.manager.set_addresses({})

    desk.called_by(opening(3, ("10.1.1.3", 3888)))

    assert desk.dial().addresses == (("10.1.1.3", 3888),)


def test_nothing_is_kept_for_a_stranger_that_is_not_connected() -> None:
    desk = Desk(sid=2)
    desk.manager.send(STRANGER, b"lost")
    connection = desk.called_by(opening(STRANGER))

    assert sent(connection) == b""
    desk.manager.send(STRANGER, b"answer")
    assert sent(connection) == frame(b"answer")
    connection.abort("gone")
    connection.closed()

    assert sent(desk.called_by(opening(STRANGER))) == b""
    assert desk.manager.take_dials() == []


def test_strangers_are_bounded_and_members_come_through_all_the_same() -> None:
    desk = Desk(sid=2)
    kept = [desk.called_by(opening(1000 + n)) for n in range(STRANGERS_MAX)]

    assert not any(connection.is_closing for connection in kept)
    assert desk.called_by(opening(999)).is_closing
    assert desk.called_by(opening(OBSERVER_SID)).is_closing
    assert not desk.called_by(opening(3)).is_closing
    desk.manager.connect(ONE)
    assert desk.dial().addresses == (election_address(1),)


def test_addresses_of_members_may_change() -> None:
    desk = Desk(sid=2)
    desk.manager.send(ONE, b"vote")
    first = desk.dial()
    first.endpoint.failed("refused")

    desk.manager.set_addresses({ONE: (("10.2.2.2", 3888),)})
    desk.manager.connect(ONE)
    desk.manager.send(THREE, b"no longer a member")

    assert desk.dial().addresses == (("10.2.2.2", 3888),)


def test_what_waits_for_a_former_member_is_forgotten() -> None:
    desk = Desk(sid=2)
    desk.manager.send(THREE, b"vote")

    desk.manager.set_addresses({ONE: (election_address(1),)})

    assert sent(desk.called_by(opening(3))) == b""


# --- what is said -------------------------------------------------------------------------------------


def test_only_the_newest_message_waits() -> None:
    desk = Desk(sid=2)
    for message in (b"first", b"second", b"third"):
        desk.manager.send(ONE, message)

    connection = desk.connected(desk.dial())

    assert sent(connection) == opening_of_two() + frame(b"third")


def test_only_the_newest_message_waits_for_a_socket_that_is_full() -> None:
    desk = Desk(sid=2)
    connection = desk.connect_to(1)
    desk.manager.send(ONE, b"first")
    assert not connection.has_backlog

    desk.manager.send(ONE, b"second")
    desk.manager.send(ONE, b"third")

    assert connection.has_backlog
    assert sent(connection) == frame(b"first")
    connection.resume()
    assert sent(connection) == frame(b"third")
    assert not connection.has_backlog


def test_the_last_message_is_said_again_on_a_new_connection() -> None:
    """It may have been on its way when the connection before it broke."""
    desk = Desk(sid=2)
    old = desk.called_by(opening(3))
    desk.manager.send(THREE, b"vote")
    assert sent(old) == frame(b"vote")

    old.abort("reset")
    new = desk.called_by(opening(3))

    assert sent(new) == frame(b"vote")


def test_a_message_that_waits_is_said_instead_of_the_last_one() -> None:
    desk = Desk(sid=2)
    old = desk.called_by(opening(3))
    desk.manager.send(THREE, b"old vote")
    sent(old)
    old.abort("reset")
    desk.manager.send(THREE, b"new vote")

    new = desk.called_by(opening(3))

    assert sent(new) == frame(b"new vote")


def test_what_is_said_to_ourselves_comes_back_at_once() -> None:
    desk = Desk(sid=2)

    desk.manager.send(TWO, b"vote")

    assert desk.heard == [(2, b"vote")]
    assert desk.manager.take_dials() == []


def test_what_is_out_of_date_is_not_said_again() -> None:
    desk = Desk(sid=2)
    old = desk.called_by(opening(3))
    desk.manager.send(THREE, b"looking")
    sent(old)
    old.abort("reset")
    desk.manager.send(ONE, b"looking")
    desk.manager.restate(b"following")

    assert sent(desk.called_by(opening(3))) == frame(b"following")
    assert sent(desk.connected(desk.dial())) == opening_of_two() + frame(b"following")
    # Who was never told anything is not told this either.
    assert sent(desk.called_by(opening(4))) == b""


# --- dialling -----------------------------------------------------------------------------------------


def test_one_member_is_dialled_once_at_a_time() -> None:
    desk = Desk(sid=2)
    desk.manager.send(ONE, b"vote")
    dial = desk.dial()

    desk.manager.send(ONE, b"newer")
    desk.manager.connect(ONE)

    assert desk.manager.take_dials() == []
    dial.endpoint.failed("refused")
    dial.endpoint.closed()
    assert desk.manager.take_dials() == []
    desk.manager.connect(ONE)
    assert len(desk.manager.take_dials()) == 1


def test_members_that_are_gone_are_reported_and_strangers_are_not() -> None:
    desk = Desk(sid=4)
    desk.manager.connect(ONE)
    desk.dial().endpoint.failed("refused")
    assert desk.unreachable == [1]

    desk.called_by(opening(0, ("10.1.1.0", 3888)))
    desk.dial().endpoint.failed("refused")
    desk.called_by(opening(STRANGER)).abort("reset")
    assert desk.unreachable == [1]
    assert desk.broken == []

    desk.manager.connect(TWO)
    connection = desk.connected(desk.dial())
    connection.abort("reset")
    connection.abort("reset")
    assert desk.broken == [2]


def test_a_connection_that_gave_way_to_another_is_not_missed() -> None:
    desk = Desk(sid=2)
    old = desk.called_by(opening(3))
    desk.called_by(opening(3))

    old.abort("reset")
    old.closed()

    assert desk.broken == []


def test_a_connected_member_is_not_dialled() -> None:
    desk = Desk(sid=2)
    desk.connect_to(1)

    desk.manager.connect(ONE)

    assert desk.manager.take_dials() == []


def test_a_larger_sid_gets_time_to_call_back() -> None:
    """Calling it again would make it drop the connection that it is just making."""
    desk = Desk(sid=2)
    desk.manager.send(THREE, b"vote")
    desk.connected(desk.dial()).closed()

    desk.manager.set_time(1000 + CALL_BACK_MS - 1)
    desk.manager.send(THREE, b"newer")
    assert desk.manager.take_dials() == []

    desk.manager.set_time(1000 + CALL_BACK_MS)
    desk.manager.connect(THREE)
    assert len(desk.manager.take_dials()) == 1


def test_a_call_that_comes_while_we_dial_makes_our_own_unnecessary() -> None:
    desk = Desk(sid=2)
    desk.manager.send(THREE, b"vote")
    dial = desk.dial()
    connection = desk.called_by(opening(3))
    assert sent(connection) == frame(b"vote")

    late = desk.connected(dial)

    # Not even our name: the other end would give up the connection that stands.
    assert sent(late) == b""
    assert late.is_closing
    assert connection.state is State.ESTABLISHED


def test_a_dial_that_hangs_gives_way_to_calling_back() -> None:
    """It was begun when the other side could not be reached; now it has called."""
    desk = Desk(sid=2)
    desk.manager.connect(ONE)
    hanging = desk.dial()

    desk.manager.set_time(1000 + CALL_BACK_MS)
    desk.called_by(opening(1))

    assert hanging.endpoint.is_closing
    connection = desk.connected(desk.dial())
    assert connection.state is State.ESTABLISHED
    hanging.endpoint.connected(election_address(1))
    hanging.endpoint.closed()
    assert desk.manager.is_connected(ONE)


def test_one_that_can_t_be_reached_does_not_hold_up_the_others() -> None:
    """ZOOKEEPER-2930, -3756: the original once dialled one after the other, and waited 5 s for each."""
    desk = Desk(sid=4)
    for sid in (ONE, TWO, THREE):
        desk.manager.send(sid, b"vote")

    dials = desk.manager.take_dials()

    assert [dial.addresses for dial in dials] == [(election_address(sid),) for sid in (1, 2, 3)]
    assert desk.connected(dials[2]).state is State.ESTABLISHED


# --- the end ------------------------------------------------------------------------------------------


def test_after_the_end_nothing_is_accepted_said_or_dialled() -> None:
    desk = Desk(sid=2)
    established = desk.called_by(opening(3))
    silent = desk.manager.accept(CALLER)
    desk.manager.connect(ONE)
    (dial,) = desk.manager.take_dials()
    desk.manager.send(FOUR, b"vote")

    desk.manager.stop()

    assert established.is_closing
    assert silent is not None
    assert silent.is_closing
    assert desk.manager.accept(CALLER) is None
    assert desk.manager.take_dials() == []
    desk.manager.send(ONE, b"vote")
    assert desk.manager.take_dials() == []
    late = desk.connected(dial)
    assert sent(late) == b""
    assert late.is_closing
    for connection in (established, silent, late):
        connection.closed()
        connection.closed()
        assert connection.state is State.CLOSED
