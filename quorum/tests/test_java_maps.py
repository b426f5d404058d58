"""Keys come in the order of Java's maps. The orders here were printed by OpenJDK 17."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoolet.quorum.java_maps import hash_map_order, properties_order


@pytest.mark.parametrize(
    ("put", "listed"),
    [
        (
            "3 2 1",
            "1 2 3",
        ),
        (
            "1 2 3 4 5 6 7 8 9 10 11 12 13",
            "1 2 3 4 5 6 7 8 9 10 11 12 13",
        ),
        (
            "17 1 33",
            "17 1 33",
        ),
        (
            "1 17 33 49 65 81 97 113 129 145",
            "1 33 65 97 129 17 49 81 113 145",
        ),
        (
            "9223372036854775807 -1 4294967296 4294967297 65536",
            "9223372036854775807 -1 4294967297 4294967296 65536",
        ),
        (
            "-2661627379775850947 2792231768969912956",
            "-2661627379775850947 2792231768969912956",
        ),
        (
            "-24 -12 17 3 13 -8 -5 40 7 -29 25 42 -26 -36 4 37 26 -20 44 -22 21 -37 2 -28 15 28 6 -50",
            "2 3 -5 4 6 -8 7 -12 13 15 17 -20 -22 21 -24 25 -26 26 -28 -29 28 -36 -37 37 40 42 44 -50",
        ),
        (
            "2266 1471 753 1486 1698 1795 939 1820 2878 1968 1413 1103 695 2076 2951 2480 2910 2854 "
            "1584 1995 175 630 703 2911 94",
            "1795 1413 2951 1995 1486 1103 2266 1820 2076 2910 94 2911 1698 2854 939 175 1968 2480 "
            "1584 753 630 695 2878 1471 703",
        ),
    ],
)
def test_a_hash_map_of_longs(put: str, listed: str) -> None:
    assert hash_map_order(map(int, put.split())) == [int(key) for key in listed.split()]


@pytest.mark.parametrize(
    ("put", "listed"),
    [
        (
            "dataDir clientPort tickTime initLimit syncLimit server.1 server.2 server.3",
            "server.2 server.1 dataDir clientPort tickTime initLimit syncLimit server.3",
        ),
        (
            "server.1 server.17 server.33 server.49 initLimit syncLimit dataDir dataLogDir clientPort "
            "snapCount admin.enableServer 4lw.commands.whitelist reconfigEnabled standaloneEnabled "
            "quorumListenOnAllIPs maxClientCnxns",
            "dataDir 4lw.commands.whitelist syncLimit server.49 server.17 dataLogDir reconfigEnabled "
            "server.33 standaloneEnabled server.1 admin.enableServer clientPort initLimit "
            "quorumListenOnAllIPs snapCount maxClientCnxns",
        ),
    ],
)
def test_properties(put: str, listed: str) -> None:
    assert properties_order(put.split()) == listed.split()


def test_what_is_put_twice_keeps_its_place() -> None:
    assert hash_map_order([33, 1, 17, 33]) == hash_map_order([33, 1, 17])
    assert properties_order(["a", "b", "a"]) == properties_order(["a", "b"])


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 300), unique=True))
def test_no_number_is_lost(keys: list[int]) -> None:
    assert sorted(hash_map_order(keys)) == sorted(keys)


@given(st.lists(st.text(max_size=5), unique=True))
def test_no_key_is_lost(keys: list[str]) -> None:
    assert sorted(properties_order(keys)) == sorted(keys)
