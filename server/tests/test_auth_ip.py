"""The scheme `ip` matches as Java's `IPAuthenticationProvider` does (verdicts printed by 3.9.4)."""

from __future__ import annotations

import pytest
from zoolet.jute.data import Id
from zoolet.server.auth.ip import IpAuthProvider
from zoolet.server.auth.provider import Caller

IP = IpAuthProvider()

# remote address, id in the ACL, valid as an id, matches
VERDICTS = (
    ("127.0.0.1", "127.0.0.1", True, True),
    ("127.0.0.1", "127.0.0.2", True, False),
    ("10.1.2.3", "10.0.0.0/8", True, True),
    ("11.1.2.3", "10.0.0.0/8", True, False),
    ("10.1.2.3", "10.1.2.0/24", True, True),
    ("10.1.3.3", "10.1.2.0/24", True, False),
    ("10.1.2.200", "10.1.2.128/25", True, True),
    ("10.1.2.100", "10.1.2.128/25", True, False),
    ("1.2.3.4", "0.0.0.0/0", True, True),
    ("10.1.2.3", "10.1.2.3/32", True, True),
    ("10.1.2.3", "10.1.2.3/33", False, False),
    ("10.1.2.3", "10.1.2.3/-1", False, False),
    ("10.1.2.3", "10.1.2.3/", False, False),
    ("10.1.2.3", "10.1.2.3/x", False, False),
    ("10.1.2.3", "10.1.2.3/8/8", False, False),
    ("10.1.2.3", "10.1.2", False, False),
    ("10.1.2.3", "10.1.2.3.4", False, False),
    ("10.1.2.3", "10.1.2.256", False, False),
    ("10.1.2.3", "010.01.002.3", True, True),
    ("10.1.2.3", "+10.1.2.3", True, True),
    ("10.1.2.3", " 10.1.2.3", False, False),
    ("10.1.2.3", "", False, False),
    ("10.1.2.3", "localhost", False, False),
    ("10.1.2.3", "10.1.2.3000000000000", False, False),
    ("::1", "::1", True, True),
    ("0:0:0:0:0:0:0:1", "::1", True, True),
    ("2001:db8::1", "2001:db8::/32", True, True),
    ("2001:db9::1", "2001:db8::/32", True, False),
    ("2001:db8:0:1::5", "2001:db8:0:1::/64", True, True),
    ("fe80::1", "fe80::/10", True, True),
    ("ff80::1", "fe80::/10", True, False),
    ("::1", "::/0", True, True),
    ("::1", "::1/128", True, True),
    ("::1", "::1/129", False, False),
    ("1.2.3.4", "::/0", True, False),
    ("::1", "0.0.0.0/0", True, False),
    ("ABCD::1", "abcd::1", True, True),
    ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8", True, True),
    ("1:2:3:4:5:6:7:0", "1:2:3:4:5:6:7::", True, True),
    ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8::", False, False),
    ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7", False, False),
    ("1:2:3:4:5:6:7:8", "12345::", False, False),
    ("::ffff:1.2.3.4", "::ffff:1.2.3.4", False, False),
    ("::", "::", True, True),
    ("::1", ":::1", False, False),
    ("::1", "1::2::3", False, False),
    ("::1", ":", False, False),
    ("::1", "1:", False, False),
    ("::1", "::g", False, False),
    ("::1", "::1%lo", False, False),
    ("fe80::1%eth0", "fe80::1", True, False),
)


@pytest.mark.parametrize(("remote", "acl_id", "valid", "matches"), VERDICTS)
def test_ids_are_valid_and_match_as_in_java(remote: str, acl_id: str, valid: bool, matches: bool) -> None:
    assert IP.is_valid(acl_id) is valid
    assert IP.matches(remote, acl_id) is matches


def test_the_auth_packet_earns_the_own_address_again() -> None:
    assert IP.authenticate(Caller(("10.1.2.3", 4000)), b"ignored") == (Id("ip", "10.1.2.3"),)


def test_an_address_does_not_count_as_authenticated_and_may_be_shown() -> None:
    assert IP.scheme == "ip"
    assert not IP.is_authenticated
    assert IP.user_name("10.1.2.3") == "10.1.2.3"
