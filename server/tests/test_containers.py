"""A whole server with containers and nodes with a time to live: they go, also after a restart."""

from __future__ import annotations

from typing import Any

import pytest
from zoolet.jute.codes import ErrorCode, EventType, OpCode
from zoolet.jute.data import OPEN_ACL
from zoolet.jute.proto import Create2Response, CreateRequest, CreateTTLRequest, DeleteRequest
from zoolet.server.snapshot_job import SnapshotJob
from zoolet.server.storage_folder import write_snapshot
from zoolet.server.tests.harness import Client, Server, event_of
from zoolet.server.tests.pipeline import check_tree, facts

INTERVAL_MS = 5000
SETTINGS: dict[str, Any] = {
    "container_check_interval_ms": INTERVAL_MS,
    "extended_types_enabled": True,
    "max_session_timeout_ms": 1_000_000,
}
PATIENT_MS = 1_000_000
"""A session timeout that no test lives to see."""


def container(client: Client, path: str) -> None:
    request = CreateRequest(path, b"", OPEN_ACL, 4)
    assert client.call(OpCode.CREATE_CONTAINER, request).err == 0


def with_ttl(client: Client, path: str, ttl_ms: int) -> None:
    reply = client.call(OpCode.CREATE_TTL, CreateTTLRequest(path, b"", OPEN_ACL, 5, ttl_ms))
    assert Create2Response.parse(reply.body).stat.ephemeralOwner == 0


def delete(client: Client, path: str) -> None:
    assert client.call(OpCode.DELETE, DeleteRequest(path, -1)).err == 0


@pytest.fixture
def server() -> Server:
    return Server(**SETTINGS)


def test_an_emptied_container_goes_and_its_watchers_are_told(server: Server) -> None:
    client = server.connected(timeout_ms=PATIENT_MS)
    container(client, "/c")
    client.create("/c/x")
    client.get_data("/c", watch=True)
    client.get_children("/", watch=True)
    server.advance(2 * INTERVAL_MS)
    assert client.replies() == []
    delete(client, "/c/x")
    zxid = server.tree.last_processed_zxid
    server.advance(INTERVAL_MS)
    events = client.replies()
    assert [event_of(event) for event in events] == [
        (EventType.NODE_DELETED, "/c"),
        (EventType.NODE_CHILDREN_CHANGED, "/"),
    ]
    assert [event.zxid for event in events] == [zxid + 1] * 2
    assert "/c" not in server.tree.nodes
    check_tree(server.tree)


def test_nested_containers_go_one_check_after_the_other(server: Server) -> None:
    client = server.connected(timeout_ms=PATIENT_MS)
    container(client, "/a")
    container(client, "/a/b")
    client.create("/a/b/x")
    delete(client, "/a/b/x")
    server.advance(INTERVAL_MS)
    assert "/a/b" not in server.tree.nodes
    server.advance(INTERVAL_MS)
    assert "/a" not in server.tree.nodes


@pytest.mark.parametrize("how", ["log", "snapshot"])
def test_both_kinds_go_after_a_restart(how: str) -> None:
    server = Server(**SETTINGS)
    client = server.connected(timeout_ms=PATIENT_MS)
    container(client, "/c")
    client.create("/c/x")
    delete(client, "/c/x")
    container(client, "/unused")
    with_ttl(client, "/short", 20_000)
    with_ttl(client, "/long", 10_000_000)
    if how == "snapshot":
        write_snapshot(server.storage, SnapshotJob(server.core.database))
    before = facts(server.tree)
    server = server.restart()
    assert facts(server.tree) == before
    server.advance(INTERVAL_MS)
    assert {"/unused", "/short", "/long"} < set(server.tree.nodes)
    assert "/c" not in server.tree.nodes
    server.advance(4 * INTERVAL_MS)
    assert "/short" not in server.tree.nodes
    assert {"/unused", "/long"} < set(server.tree.nodes)
    again = server.restart()
    assert facts(again.tree) == facts(server.tree)
    assert again.core.database.digest_mismatches == 0
    check_tree(again.tree)


def test_without_extended_types_nodes_with_a_time_to_live_stay(server: Server) -> None:
    client = server.connected(timeout_ms=PATIENT_MS)
    with_ttl(client, "/t", 1)
    server.settings = {**SETTINGS, "extended_types_enabled": False}
    server = server.restart()
    server.advance(3 * INTERVAL_MS)
    assert "/t" in server.tree.nodes
    client = server.connected()
    request = CreateTTLRequest("/u", b"", OPEN_ACL, 5, 1)
    assert client.call(OpCode.CREATE_TTL, request).err == ErrorCode.UNIMPLEMENTED
    assert client.exists("/t").err == 0


def test_a_client_may_not_delete_containers_as_the_server_does(server: Server) -> None:
    client = server.connected(timeout_ms=PATIENT_MS)
    container(client, "/c")
    zxid = server.tree.last_processed_zxid
    assert client.call(OpCode.DELETE_CONTAINER, b"\0\0\0\2/c").err == ErrorCode.UNIMPLEMENTED
    assert not client.is_open
    assert (server.tree.last_processed_zxid, "/c" in server.tree.nodes) == (zxid, True)


def test_a_slow_disk_does_not_make_a_deletion_fail_twice(server: Server) -> None:
    """Deletions that are asked for again while the first is on its way become error txns, and do no harm."""
    client = server.connected(timeout_ms=PATIENT_MS)
    container(client, "/c")
    client.create("/c/x")
    delete(client, "/c/x")
    server.disk_works = False
    server.advance(3 * INTERVAL_MS)
    server.disk_works = True
    server.run()
    assert "/c" not in server.tree.nodes
    assert client.create("/c").err == 0
    check_tree(server.tree)
