"""Whether a certificate is for a host."""

from __future__ import annotations

import pytest
from zoolet.server.tls.certificates import Certified
from zoolet.server.tls.names import is_for_address, is_for_name, matches

CA = Certified.authority()


def test_an_address_must_be_an_alternative_name() -> None:
    certificate = CA.issue("10.0.0.1", addresses=("127.0.0.1", "::1")).der
    assert is_for_address(certificate, "127.0.0.1")
    assert is_for_address(certificate, "0:0:0:0:0:0:0:1")
    assert not is_for_address(certificate, "10.0.0.1"), "the common name does not count beside others"


def test_a_name_never_stands_for_an_address() -> None:
    """Nobody is asked which name an address has (CVE-2026-24281)."""
    assert not is_for_address(CA.issue("localhost", dns=("localhost",)).der, "127.0.0.1")
    assert not is_for_address(CA.issue("localhost").der, "127.0.0.1")


def test_a_common_name_counts_without_alternative_names() -> None:
    assert is_for_address(CA.issue("127.0.0.1").der, "127.0.0.1")
    assert is_for_name(CA.issue("zoo.example").der, "ZOO.example")


def test_a_host_name_must_be_an_alternative_name() -> None:
    certificate = CA.issue("zoo.example", dns=("*.example.org", "one.example")).der
    assert is_for_name(certificate, "a.example.org")
    assert is_for_name(certificate, "one.example")
    assert not is_for_name(certificate, "a.b.example.org")
    assert not is_for_name(certificate, "zoo.example")


def test_garbage_is_for_nobody() -> None:
    assert not is_for_address(b"\x30\x03abc", "127.0.0.1")


@pytest.mark.parametrize(
    ("name", "pattern", "fits"),
    [
        ("a.b", "a.b", True),
        ("A.b", "a.B", True),
        ("x.b", "*.b", True),
        ("zoo1.b", "zoo*.b", True),
        ("zoo1.c.b", "zoo*.b", False),
        (".b", "*.b", True),
        ("b", "*.b", False),
        ("ab", "ab*ab", False),
    ],
)
def test_a_star_stands_for_part_of_a_label(name: str, pattern: str, fits: bool) -> None:
    assert matches(name, pattern) is fits
