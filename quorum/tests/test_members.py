"""A server's line is understood as Java does, and printed as Java does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoolet.jute.ids import Sid
from zoolet.quorum.members import (
    Address,
    Member,
    Role,
    canonical_host,
    java_split,
    parse_role,
    parse_sid,
    shared_addresses,
    split_host,
)


def member(text: str, sid: int = 1) -> Member:
    return Member.parse(Sid(sid), text)


def error_of(text: str) -> str:
    with pytest.raises(ValueError) as caught:
        member(text)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_parts_of_a_line() -> None:
    assert member("zoo1:2888:3888") == Member(
        Sid(1), (Address("zoo1", 2888),), (Address("zoo1", 3888),), None, Role.PARTICIPANT
    )
    whole = member("10.0.0.1:2888:3888:observer;10.0.0.2:2181")
    assert (whole.role, whole.is_voter, whole.client) == (Role.OBSERVER, False, Address("10.0.0.2", 2181))


def test_a_client_port_alone_means_every_address() -> None:
    client = member("a:1:2;2181").client
    assert client == Address("0.0.0.0", 2181)
    assert client.is_wildcard


@pytest.mark.parametrize("role", ["observer", "OBSERVER", " Observer "])
def test_roles_are_read_in_any_case(role: str) -> None:
    assert member(f"a:1:2:{role}").role is parse_role(role) is Role.OBSERVER


@pytest.mark.parametrize(
    ("line", "printed"),
    [
        ("a:1:2", "a:1:2:participant"),
        ("a:1:2:Observer;3", "a:1:2:observer;0.0.0.0:3"),
        ("a:1:2;b:3", "a:1:2:participant;b:3"),
        ("[::1]:1:2;[2001:DB8::5]:3", "[0:0:0:0:0:0:0:1]:1:2:participant;[2001:db8:0:0:0:0:0:5]:3"),
        ("[::ffff:1.2.3.4]:1:2", "1.2.3.4:1:2:participant"),
        ("[fe80::1%eth0]:1:2", "[fe80::1%eth0]:1:2:participant"),
        (":1:2;:3", "localhost:1:2:participant;localhost:3"),
        ("b:1:2|a:3:4", "a:3:4|b:1:2:participant"),
        ("b:1:2:observer|a:3:4", "a:3:4|b:1:2:observer"),
        ("a:1:2|a:1:2|", "a:1:2:participant"),
        ("a:1:2:;;", "a:1:2:participant"),
    ],
)
def test_a_line_is_printed_as_java_prints_it(line: str, printed: str) -> None:
    assert member(line).text() == printed
    assert member(printed) == member(line)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("", "expected host:port:electionPort[:role][;[clientHost:]clientPort]"),
        ("a:1", "expected host:port:electionPort"),
        ("a:1:2:observer:3", "expected host:port:electionPort"),
        ("a:1:2;3;4", "expected host:port:electionPort"),
        ("::1:1:2", "expected host:port:electionPort"),
        ("a:1:2||b:1:2", "expected host:port:electionPort"),
        ("a:x:2", "expected a port number instead of 'x'"),
        ("a:1: 2", "expected a port number instead of ' 2'"),
        ("a:70000:2", "expected a port number from 0 to 65535 instead of '70000'"),
        ("a:1:1", "the two ports must be different, both are 1"),
        ("a:1:2:boss", "expected participant or observer instead of 'boss'"),
        ("a:1:2:observer|b:1:2:participant", "all addresses of a server must have the same role"),
        ("a:1:2;b:c:3", "expected [clientHost:]clientPort instead of 'b:c:3'"),
        ("a:1:2;x", "expected a port number instead of 'x'"),
        ("[::1:1:2", "there is a '[' without its ']'"),
        ("[::1]", "expected a port after [::1]"),
        ("[::1]1:2", "expected a port after [::1]"),
        ("[zoo]:1:x", "expected a port number instead of 'x'"),
        ("[1:2]:1:2", "'1:2' is not an address"),
        ("a b:1:2", "'a b' is not a host"),
    ],
)
def test_what_is_wrong_with_a_line_is_said(line: str, problem: str) -> None:
    assert error_of(line).startswith(problem)


def test_the_number_of_a_server() -> None:
    assert parse_sid("0") == 0
    assert parse_sid("+7") == 7
    assert parse_sid("9223372036854775806") == 2**63 - 2
    for text in ("", "x", "-1", "1.0", " 1", "9223372036854775807", "١"):
        with pytest.raises(ValueError, match="expected a server's number"):
            parse_sid(text)


def test_an_address_of_ones_own_is_compared_and_not_printed() -> None:
    """Java: isClientAddrFromStatic."""
    client = Address("h", 3)
    own = Member(Sid(1), (Address("a", 1),), (Address("a", 2),), client, client_is_own=True)
    assert own.text() == "a:1:2:participant"
    assert own == member("a:1:2;h:3")
    assert own != member("a:1:2")


def test_equality_is_that_of_java() -> None:
    assert member("a:1:2|b:3:4") == member("b:3:4|a:1:2")
    assert hash(member("a:1:2|b:3:4")) == hash(member("b:3:4|a:1:2"))
    assert member("a:1:2") != member("a:1:2", sid=2)
    assert member("a:1:2") != member("a:1:2:observer")
    assert member("a:1:2") != member("a:1:3")
    assert member("a:1:2") != member("a:1:2;3")
    assert member("a:1:2") != "a:1:2"


def test_an_address_two_members_claim_is_found() -> None:
    def shared(*lines: str) -> str | None:
        found = shared_addresses({Sid(sid): member(line, sid) for sid, line in enumerate(lines)})
        return found and f"{found[0]} {found[1].sid} {found[2].sid}"

    assert shared("a:1:2", "b:1:2", "a:3:4") is None
    assert shared("a:1:2", "a:3:2") == "a:2 0 1"
    assert shared("a:1:2", "a:2:3") == "a:2 0 1"
    assert shared("a:1:2;h:9", "b:1:2;h:9") == "h:9 0 1"
    assert shared("a:1:2;9", "b:1:2;9") is None
    assert shared("a:1:2;127.0.0.1:9", "b:1:2;127.0.0.1:9") is None
    assert shared("0.0.0.0:1:2", "[::]:1:2", "0.0.0.0:1:2") is None
    assert shared("127.0.0.1:1:2", "127.0.0.1:1:2") == "127.0.0.1:1 0 1"


def test_parts_at_the_end_that_are_empty_do_not_count() -> None:
    """Java's String.split."""
    assert java_split("a::b::", ":") == ["a", "", "b"]
    assert java_split("", ":") == [""]
    assert split_host("[::1]:1:") == ["::1", "1"]


PORTS = st.integers(0, 65535)
NAMES = st.from_regex(r"[a-z][a-z0-9.-]{0,8}", fullmatch=True)
HOSTS = NAMES | st.ip_addresses().map(str)


@st.composite
def members(draw: st.DrawFn) -> Member:
    hosts = draw(st.lists(HOSTS.map(canonical_host), min_size=1, max_size=3, unique=True))
    ports = [draw(st.tuples(PORTS, PORTS).filter(lambda pair: pair[0] != pair[1])) for _ in hosts]
    return Member(
        Sid(draw(st.integers(0, 255))),
        tuple(Address(host, pair[0]) for host, pair in zip(hosts, ports, strict=True)),
        tuple(Address(host, pair[1]) for host, pair in zip(hosts, ports, strict=True)),
        draw(st.none() | st.builds(Address, HOSTS.map(canonical_host), PORTS)),
        draw(st.sampled_from(Role)),
    )


@given(members())
def test_any_member_survives_its_text(one: Member) -> None:
    assert Member.parse(one.sid, one.text()) == one
    assert Member.parse(one.sid, one.text()).text() == one.text()


@given(st.text(st.sampled_from("ab1290:;|[]. %observer\x00é"), max_size=30))
def test_any_text_is_a_member_or_a_value_error(text: str) -> None:
    try:
        one = member(text)
    except ValueError:
        return
    assert member(one.text()) == one
