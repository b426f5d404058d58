"""A node's Stat, as clients see it."""

from __future__ import annotations

import pytest
from zoolet.jute.codes import CONTAINER_OWNER
from zoolet.jute.data import OPEN_ACL, Stat
from zoolet.server.data_node import DataNode, wire_owner

SESSION = 0x0100000000000007


def make(data: bytes | None = b"data", *, cversion: int = 0, owner: int = 0) -> DataNode:
    return DataNode(data, OPEN_ACL, 1, 2, 3, 4, 5, cversion, 7, owner, 9)


def test_the_stat_has_every_value_in_its_place() -> None:
    assert make(owner=SESSION).stat() == Stat(
        czxid=1,
        mzxid=2,
        ctime=3,
        mtime=4,
        version=5,
        cversion=0,
        aversion=7,
        ephemeralOwner=SESSION,
        dataLength=4,
        numChildren=0,
        pzxid=9,
    )
    assert make().stat_bytes() == make().stat().encode()


def test_cversion_on_the_wire_counts_creations_and_deletions() -> None:
    node = make(cversion=5)
    node.children = dict.fromkeys(("a", "b"))
    assert node.child_count == 2
    assert node.stat().numChildren == 2
    assert node.stat().cversion == 2 * 5 - 2  # five created, three of them deleted


def test_fresh_system_nodes_show_negative_cversions() -> None:
    """They were never created by a transaction: `/` -1 and `/zookeeper` -2."""
    node = make(cversion=0)
    node.children = dict.fromkeys(("config", "quota"))
    assert node.stat().cversion == -2


@pytest.mark.parametrize(
    ("stored", "shown"), [(2**30 - 1, 2**31 - 2), (2**30, -(2**31)), (2**31 - 1, -2), (-(2**31), 0)]
)
def test_cversion_wraps_as_an_int(stored: int, shown: int) -> None:
    assert make(cversion=stored).stat().cversion == shown


@pytest.mark.parametrize(
    ("owner", "shown"),
    [
        (0, 0),
        (SESSION, SESSION),
        (0x7F00000000000001, 0x7F00000000000001),
        (CONTAINER_OWNER, 0),
        (CONTAINER_OWNER + 1, CONTAINER_OWNER + 1),
        (-(1 << 56) | 60_000, 0),  # top byte 0xFF: a TTL
    ],
)
def test_only_sessions_are_shown_as_owners(owner: int, shown: int) -> None:
    assert wire_owner(owner) == shown
    assert make(owner=owner).stat().ephemeralOwner == shown


@pytest.mark.parametrize("data", [None, b"", b"data", bytes(1000)])
def test_the_data_length_of_null_is_that_of_empty(data: bytes | None) -> None:
    assert make(data).stat().dataLength == len(data or b"")
