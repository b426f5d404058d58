"""Kept replies are right and within their budget."""

from __future__ import annotations

import gc

import pytest
from zoolet.jute.data import OPEN_ACL
from zoolet.jute.proto import GetChildrenResponse, GetDataResponse
from zoolet.server.data_node import DataNode
from zoolet.server.data_tree import DataTree
from zoolet.server.reply_cache import DATA_BYTES_MAX, ENTRY_BYTES, ReplyCache
from zoolet.server.tests.harness import Server


def make(data: bytes | None, children: int = 0) -> DataNode:
    node = DataNode(data, OPEN_ACL, 1, 2, 3, 4, 5, 6, 7, 0, 9)
    if children:
        node.children = dict.fromkeys(f"n{i}" for i in range(children))
    return node


@pytest.mark.parametrize("data", [None, b"", b"data", bytes(DATA_BYTES_MAX), bytes(100_000)])
def test_the_get_data_body_is_data_and_stat_and_null_is_not_empty(data: bytes | None) -> None:
    node = make(data)
    body = ReplyCache().data(node)
    assert GetDataResponse.parse(body) == GetDataResponse(data, node.stat())
    assert node.tail in (body, None)


def test_children_are_listed_in_order_of_creation() -> None:
    node = make(b"", 3)
    body = ReplyCache().children(node)
    assert GetChildrenResponse.parse(body).children == ("n0", "n1", "n2")
    assert node.names == body
    assert GetChildrenResponse.parse(ReplyCache().children(make(b""))).children == ()


def test_long_data_is_not_kept_twice() -> None:
    node = make(bytes(DATA_BYTES_MAX + 1))
    ReplyCache().data(node)
    assert node.tail is None


def test_the_oldest_replies_go_when_the_budget_is_used_up() -> None:
    size = len(ReplyCache().data(make(bytes(100)))) + ENTRY_BYTES
    cache = ReplyCache(bytes_max=3 * size)
    nodes = [make(bytes(100)) for _ in range(5)]
    for node in nodes:
        cache.data(node)
    assert [node.tail is not None for node in nodes] == [False, False, True, True, True]


def test_a_reply_beyond_the_budget_is_made_and_not_kept() -> None:
    cache = ReplyCache(bytes_max=50)
    node = make(b"", 100)
    assert GetChildrenResponse.parse(cache.children(node)).children is not None
    assert node.names is None


def test_a_deleted_node_is_not_kept_alive_by_its_replies() -> None:
    """kazoo's recursive delete lists each node's children first; its data must go with it."""
    tree = DataTree.fresh()
    marker = b"deleted long ago" * 1000
    for zxid in range(1, 11):
        node = tree.create("/a", marker, OPEN_ACL, 0, -1, zxid, 0)
        tree.replies.data(node)
        tree.replies.children(node)
        tree.delete("/a", zxid)
    del node
    alive = [o for o in gc.get_objects() if type(o) is DataNode and o.data == marker]
    assert alive == []


@pytest.mark.parametrize("size", ["0", "-1"])
def test_settings_turn_it_off(size: str) -> None:
    """`maxResponseCacheSize` and `maxGetChildrenResponseCacheSize`, each for itself."""
    for key, kept in (
        ("maxResponseCacheSize", (False, True)),
        ("maxGetChildrenResponseCacheSize", (True, False)),
    ):
        server = Server(properties={key: size})
        client = server.connected()
        client.create("/a", b"data")
        for _ in range(2):
            assert client.get_data("/a").err == client.get_children("/a").err == 0
        node = server.tree.nodes["/a"]
        assert (node.tail is not None, node.names is not None) == kept


def test_any_other_number_is_no_bound() -> None:
    server = Server(properties={"maxResponseCacheSize": "1"})
    client = server.connected()
    for path in ("/a", "/b"):
        client.create(path, b"data")
        client.get_data(path)
    assert all(server.tree.nodes[path].tail for path in ("/a", "/b"))
