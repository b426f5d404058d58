"""The election channel's bytes: what each form looks like, and that bad ones raise JuteError and no more."""

from __future__ import annotations

from contextlib import suppress
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoolet.jute.election import (
    ADDRESS_BYTES_MAX,
    OBSERVER_SID,
    OPENING_V1,
    OPENING_V2,
    HostPort,
    Notification,
    Opening,
    ServerState,
    format_address,
    parse_address,
)
from zoolet.jute.errors import BadLength, JuteError, Truncated
from zoolet.jute.ids import Epoch, Sid, Zxid

longs = st.integers(-(2**63), 2**63 - 1)
hosts = st.sampled_from(
    ["127.0.0.1", "zk1.example.org", "zk-2", "::1", "fe80::1", "2001:db8::17", "10.0.0.3"]
)
addresses = st.tuples(hosts, st.integers(0, 65535))


def opening_bytes(text: bytes, version: int = OPENING_V1, sid: int = 3) -> bytes:
    return pack(">qqi", version, sid, len(text)) + text


# --- the opening ----------------------------------------------------------------------------------------


def test_an_opening_is_version_sid_and_the_first_address() -> None:
    opening = Opening(Sid(3), (("zk3", 3888), ("10.0.0.3", 3889)))

    assert opening.encode() == pack(">qqi8s", -65536, 3, 8, b"zk3:3888")


def test_an_opening_of_several_addresses_has_another_version() -> None:
    opening = Opening(Sid(3), (("zk3", 3888), ("::1", 3889)), OPENING_V2)

    assert opening.encode() == pack(">qqi19s", -65535, 3, 19, b"zk3:3888|[::1]:3889")
    assert Opening.decode(opening.encode()) == (opening, 39)


def test_a_first_long_that_is_not_negative_is_the_sid_of_an_old_server() -> None:
    assert Opening.decode(pack(">q", 7) + b"more") == (Opening(Sid(7), (), 0), 8)
    assert Opening(Sid(7), (), 0).encode() == pack(">q", 7)


def test_an_observer_without_an_id_says_the_largest_long() -> None:
    found = Opening.decode(opening_bytes(b"zk9:3888", sid=2**63 - 1))

    assert found is not None
    assert found[0].sid == OBSERVER_SID


@given(longs, st.lists(addresses, min_size=1, max_size=5), st.binary(max_size=9))
def test_an_opening_comes_back_whatever_follows_it(sid: int, told: list[HostPort], behind: bytes) -> None:
    opening = Opening(Sid(sid), tuple(told), OPENING_V2)
    data = opening.encode()

    assert Opening.decode(data + behind) == (opening, len(data))
    for size in range(len(data)):
        assert Opening.decode(data[:size]) is None


@pytest.mark.parametrize("wildcard", [b"0.0.0.0:3888", b"[::]:3888", b"[0:0:0:0:0:0:0:0]:3888"])
def test_wildcard_addresses_are_left_out(wildcard: bytes) -> None:
    """ZOOKEEPER-2164: who called them back reached itself."""
    found = Opening.decode(opening_bytes(wildcard + b"|zk3:3889"))

    assert found is not None
    assert found[0].addresses == (("zk3", 3889),)


@pytest.mark.parametrize("text", [b"zk1:3888|", b"zk1:3888||"])
def test_empty_addresses_at_the_end_are_passed_over(text: bytes) -> None:
    found = Opening.decode(opening_bytes(text))

    assert found is not None
    assert found[0].addresses == (("zk1", 3888),)


@pytest.mark.parametrize("length", [0, -1, -(2**31), ADDRESS_BYTES_MAX + 1, 2**31 - 1])
def test_an_unreasonable_length_is_refused_at_once(length: int) -> None:
    with pytest.raises(BadLength):
        Opening.decode(pack(">qqi", OPENING_V1, 3, length))


def test_as_many_bytes_of_addresses_as_are_allowed() -> None:
    host = "h" * (ADDRESS_BYTES_MAX - 5)

    assert Opening.decode(opening_bytes(f"{host}:3888".encode())) == (Opening(Sid(3), ((host, 3888),)), 2068)
    with pytest.raises(BadLength):
        Opening(Sid(3), ((host + "h", 3888),)).encode()
    with pytest.raises(BadLength):
        Opening(Sid(3)).encode()


@pytest.mark.parametrize("version", [-1, -65534, -65537, -(2**63)])
def test_an_unknown_version_is_refused_at_once(version: int) -> None:
    with pytest.raises(JuteError, match="version"):
        Opening.decode(pack(">q", version))


@pytest.mark.parametrize(
    "text",
    [
        b"zk1",
        b"zk1:",
        b":3888",
        b"zk1:no",
        b"zk1:-1",
        b"zk1:+1",
        b"zk1:65536",
        b"zk1:" + b"9" * 2000,
        b"zk1:\xd9\xa3",
        b"[::1",
        b"[::1]",
        b"[::1]3888",
        b"[::1]:",
        b"::1:3888",
        b"|zk1:3888",
        b"zk1:3888|zk2",
        b"\xff\xfe:3888",
        b"\0",
    ],
)
def test_what_is_not_an_address_is_refused(text: bytes) -> None:
    with pytest.raises(JuteError):
        Opening.decode(opening_bytes(text))


@given(st.one_of(st.binary(max_size=60), st.binary(max_size=40).map(opening_bytes)))
def test_random_bytes_are_an_opening_or_a_jute_error(data: bytes) -> None:
    """ZOOKEEPER-2186: in the original they ended the thread that accepts connections."""
    try:
        found = Opening.decode(data)
    except JuteError:
        return
    assert found is None or found[1] <= len(data)


@given(addresses)
def test_addresses_come_back(address: HostPort) -> None:
    assert parse_address(format_address(address)) == address


# --- the notification -----------------------------------------------------------------------------------

VOTE = pack(">iqqq", 2, 3, (5 << 32) | 9, 4)
CONFIG = b"server.1=zk1:2888:3888:participant\nversion=0"


def test_the_newest_form_has_epoch_version_and_configuration() -> None:
    notification = Notification(ServerState.LEADING, Sid(3), Zxid((5 << 32) | 9), 4, Epoch(5), config=CONFIG)
    data = VOTE + pack(">qii", 5, 2, len(CONFIG)) + CONFIG

    assert notification.encode() == data
    assert Notification.decode(data) == notification


def test_the_oldest_form_takes_the_epoch_from_the_zxid() -> None:
    found = Notification.decode(VOTE)

    assert (found.peer_epoch, found.version, found.config) == (5, 0, None)
    assert (found.state, found.leader, found.zxid, found.round) == (ServerState.LEADING, 3, (5 << 32) | 9, 4)


def test_in_forty_bytes_the_version_is_not_read() -> None:
    found = Notification.decode(VOTE + pack(">qi", 8, 2))

    assert (found.peer_epoch, found.version, found.config) == (8, 0, None)


def test_before_version_two_there_is_no_configuration() -> None:
    found = Notification.decode(VOTE + pack(">qi", 8, 1) + b"anything")

    assert (found.peer_epoch, found.version, found.config) == (8, 1, None)


def test_bytes_behind_the_configuration_are_ignored() -> None:
    found = Notification.decode(VOTE + pack(">qii", 8, 3, 4) + b"abcdef")

    assert (found.version, found.config) == (3, b"abcd")


@pytest.mark.parametrize("size", [0, 1, 4, 12, 27, *range(29, 40), 41, 42, 43])
def test_a_cut_notification_is_refused(size: int) -> None:
    """ZOOKEEPER-3769: partial messages ended the thread that receives votes."""
    with pytest.raises(Truncated):
        Notification.decode((VOTE + pack(">qii", 8, 2, 0))[:size])


@pytest.mark.parametrize("length", [-1, -123, -(2**31), 7, 10_000, 2**31 - 1])
def test_a_configuration_longer_than_the_message_is_refused(length: int) -> None:
    with pytest.raises(BadLength):
        Notification.decode(VOTE + pack(">qii", 8, 2, length) + b"abcdef")


@pytest.mark.parametrize("state", [-1, 4, 2**31 - 1])
def test_an_unknown_state_is_refused(state: int) -> None:
    with pytest.raises(JuteError, match="state"):
        Notification.decode(pack(">i", state) + VOTE[4:])


@given(st.sampled_from(ServerState), longs, longs, longs, longs, st.binary(max_size=50))
def test_a_notification_comes_back(
    state: ServerState, leader: int, zxid: int, election_round: int, epoch: int, config: bytes
) -> None:
    notification = Notification(state, Sid(leader), Zxid(zxid), election_round, Epoch(epoch), config=config)

    assert Notification.decode(notification.encode()) == notification


@given(st.binary(max_size=100))
def test_random_bytes_are_a_notification_or_a_jute_error(data: bytes) -> None:
    for message in (data, pack(">i", 0) + data, VOTE + data):
        with suppress(JuteError):
            Notification.decode(message)
