"""The tree digest is Java's: values printed by `DigestCalculator` of ZooKeeper 3.9.4."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoolet.server.data_node import DataNode
from zoolet.server.digest import as_long, node_digest

# czxid, mzxid, ctime, mtime, version, cversion, aversion, ephemeralOwner, pzxid
STATS: tuple[tuple[int, ...], ...] = (
    (0, 0, 0, 0, 0, 0, 0, 0, 0),
    (1, 2, 3, 4, 5, 6, 7, 8, 9),
    (
        0x100000001,
        0x200000002,
        1_700_000_000_000,
        1_700_000_000_001,
        -1,
        2**31 - 1,
        -(2**31),
        -(2**63),
        2**63 - 1,
    ),
)


def node(data: bytes | None, stat: tuple[int, ...]) -> DataNode:
    return DataNode(data, (), *stat)


@pytest.mark.parametrize(
    ("path", "data", "stat", "digest"),
    [
        ("", None, 0, 68323592),
        ("", b"", 0, 68323592),
        ("", b"one", 1, 3166879737),
        ("/", b"one", 1, 3166879737),
        ("/", b"\x00\xff", 2, 3032107660),
        ("/a", None, 0, 3685985966),
        ("/a", b"one", 1, 438550511),
        ("/a", b"\x00\xff", 2, 3924638505),
        ("/a/b", b"one", 1, 1284889639),
        ("/a/b", b"\x00\xff", 2, 3964325916),
        ("/zookeeper", b"one", 1, 1079870871),
        ("/zookeeper/quota", b"one", 1, 0),
        ("/zookeeper/config", b"", 0, 0),
        ("/zookeeperx", b"one", 1, 1148284081),
        ("/\u00e4\u6f22", None, 0, 4186567200),
        ("/\u00e4\u6f22", b"\x00\xff", 2, 774942985),
    ],
)
def test_a_node_has_the_digest_java_gives_it(path: str, data: bytes | None, stat: int, digest: int) -> None:
    assert node_digest(path, node(data, STATS[stat])) == digest


@given(
    st.text("ab", max_size=4),
    st.none() | st.binary(max_size=4),
    st.lists(st.integers(-(2**31), 2**31 - 1), min_size=9, max_size=9).map(tuple),
    st.integers(0, 8),
)
def test_every_part_of_the_stat_counts(
    name: str, data: bytes | None, stat: tuple[int, ...], index: int
) -> None:
    other = tuple(value ^ 1 if i == index else value for i, value in enumerate(stat))
    assert node_digest(f"/{name}", node(data, stat)) != node_digest(f"/{name}", node(data, other))
    assert 0 <= node_digest(f"/{name}", node(data, stat)) < 2**32


@pytest.mark.parametrize(
    ("total", "signed"),
    [(0, 0), (2**63 - 1, 2**63 - 1), (2**63, -(2**63)), (2**64 - 1, -1), (2**64 + 5, 5), (-1, -1)],
)
def test_the_sum_is_written_as_a_signed_long(total: int, signed: int) -> None:
    assert as_long(total) == signed
