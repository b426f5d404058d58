"""Ephemerals, watches and ACLs that outlived what they belong to in the original, by their number there."""

from __future__ import annotations

import pytest
from zoolet.jute.codes import AddWatchMode, EventType, OpCode, WatcherType
from zoolet.jute.data import ACL, Id
from zoolet.jute.proto import (
    AddWatchRequest,
    CreateRequest,
    DeleteRequest,
    RemoveWatchesRequest,
    SetACLRequest,
)
from zoolet.server.snapshot_job import SnapshotJob
from zoolet.server.tests.harness import Client, Server, event_of


@pytest.fixture
def server() -> Server:
    return Server()


def acl_of(name: str) -> tuple[ACL, ...]:
    return (ACL(31, Id("digest", name)), ACL(31, Id("world", "anyone")))


def events(client: Client) -> list[tuple[int, str | None]]:
    return [event_of(reply) for reply in client.replies()]


# --- ephemerals -----------------------------------------------------------------------------------------


def test_zookeeper_2355_no_ephemeral_outlives_its_session_over_a_restart(server: Server) -> None:
    """A node stayed for ever where a member had lost the end of its session."""
    client = server.connected()
    assert client.create("/e", flags=1).err == 0
    assert client.call(OpCode.CLOSE_SESSION).err == 0
    after = server.restart()
    assert "/e" not in after.tree.nodes
    assert after.tree.ephemerals == {}


def test_zookeeper_2355_a_session_known_from_disk_expires_with_its_ephemerals(server: Server) -> None:
    client = server.connected(timeout_ms=4000)
    assert client.create("/e", flags=1).err == 0
    after = server.restart()
    assert "/e" in after.tree.nodes
    after.advance(10_000)
    assert "/e" not in after.tree.nodes


def test_zookeeper_3144_sessions_and_ephemerals_agree_after_any_restart(server: Server) -> None:
    """A snapshot that missed a session while it held its node made an ephemeral that nobody could end."""
    for number in range(5):
        client = server.connected(timeout_ms=4000)
        client.create(f"/e{number}", flags=1)
        if number % 2:
            client.call(OpCode.CLOSE_SESSION)
        after = server.restart()
        owners = {node.ephemeral_owner for node in after.tree.nodes.values() if node.ephemeral_owner}
        assert owners <= set(after.core.database.sessions)
        server = after


def test_a_create_behind_the_end_of_its_session_makes_nothing(server: Server) -> None:
    """An ephemeral prepared while closeSession is under way would belong to nobody (ZOOKEEPER-1208)."""
    client = server.connected()
    server.disk_works = False
    client.send(client.request(OpCode.CLOSE_SESSION))
    other = server.client()
    other.send(other.connect_frame(session_id=client.session_id))
    client.send(client.request(OpCode.CREATE, CreateRequest("/late", b"", acl_of("x"), 1)))
    server.disk_works = True
    server.run()
    assert "/late" not in server.tree.nodes
    assert server.tree.ephemerals == {}


# --- ACLs -----------------------------------------------------------------------------------------------


def test_zookeeper_2141_acls_that_no_node_has_are_forgotten(server: Server) -> None:
    """The cache only grew: a client that changed ACLs often filled the memory."""
    client = server.connected()
    assert client.create("/n").err == 0
    before = len(server.tree.acls.table())
    for number in range(200):
        assert client.call(OpCode.SET_ACL, SetACLRequest("/n", acl_of(f"u{number}:h"), -1)).err == 0
        path = f"/{number}"
        assert client.create(path, acl=acl_of(f"v{number}:h")).err == 0
        assert client.call(OpCode.DELETE, DeleteRequest(path, -1)).err == 0
    assert len(server.tree.acls.table()) <= before + 1


def test_zookeeper_3306_and_4846_acls_that_come_and_go_during_a_snapshot_are_there_afterwards() -> None:
    """Snapshots list ACLs before nodes. A node made in between pointed to one that was not in the list."""
    server = Server()
    client = server.connected()
    for number in range(60):
        assert client.create(f"/a{number}", acl=acl_of(f"a{number}:h")).err == 0
    job = SnapshotJob.of(server.core.config, server.core.database)
    file = server.storage.snap_store.begin(job.zxid)
    moments = 0
    for chunk in job.chunks(lambda: True):
        if chunk:
            file.write(chunk)
            continue
        if moments == 60:
            continue
        name = f"/a{moments}"
        assert client.call(OpCode.DELETE, DeleteRequest(name, -1)).err == 0
        assert client.create(name, acl=acl_of(f"b{moments}:h")).err == 0
        moments += 1
    file.finish()
    assert moments > 1, "the tree changed while it was written"
    after = server.restart()
    for number in range(60):
        assert after.tree.nodes[f"/a{number}"].acl == acl_of(f"{'b' if number < moments else 'a'}{number}:h")
    assert after.core.database.digest_mismatches == 0


# --- watches --------------------------------------------------------------------------------------------


def test_zookeeper_4466_modes_of_watches_on_one_path_add_up(server: Server) -> None:
    """A one-shot watch took the persistent one on the same path with it when it had fired."""
    writer, watcher = server.connected(), server.connected()
    assert writer.create("/n").err == 0
    assert watcher.call(OpCode.ADD_WATCH, AddWatchRequest("/n", AddWatchMode.PERSISTENT)).err == 0
    assert watcher.get_data("/n", watch=True).err == 0
    for _ in range(2):
        writer.set_data("/n", b"x")
        assert events(watcher) == [(EventType.NODE_DATA_CHANGED, "/n")]
    kind = WatcherType.PERSISTENT
    assert watcher.call(OpCode.REMOVE_WATCHES, RemoveWatchesRequest("/n", kind)).err == 0
    writer.set_data("/n", b"y")
    assert events(watcher) == []


def test_zookeeper_4475_recursive_watches_hear_nothing_of_lists_of_children(server: Server) -> None:
    """Beside a child watch on the same path they got its event as well."""
    writer, watcher, both = server.connected(), server.connected(), server.connected()
    assert writer.create("/n").err == 0
    recursive = AddWatchRequest("/n", AddWatchMode.PERSISTENT_RECURSIVE)
    for client in (watcher, both):
        assert client.call(OpCode.ADD_WATCH, recursive).err == 0
    assert both.get_children("/n", watch=True).err == 0
    assert writer.create("/n/kid").err == 0
    assert events(watcher) == [(EventType.NODE_CREATED, "/n/kid")]
    assert events(both) == [
        (EventType.NODE_CREATED, "/n/kid"),
        (EventType.NODE_CHILDREN_CHANGED, "/n"),
    ]


def test_watches_of_a_connection_that_is_gone_are_gone(server: Server) -> None:
    watcher = server.connected()
    for mode in AddWatchMode:
        watcher.call(OpCode.ADD_WATCH, AddWatchRequest("/", mode))
    watcher.exists("/none", watch=True)
    assert watcher.get_children("/", watch=True).err == 0
    watcher.disconnect()
    assert server.tree.watches.empty
    assert server.core.memory.used_bytes == 0


# --- versions -------------------------------------------------------------------------------------------


def test_zookeeper_4743_a_version_of_minus_one_is_no_condition_and_does_not_last(server: Server) -> None:
    """Counting on, a version comes by -1, where it says "any": 3.10 leaves it out, 3.9 and we do not.

    How Java counts there is in ``test_large_counters``.
    """
    client = server.connected()
    assert client.create("/x").err == 0
    node = server.tree.nodes["/x"]
    node.version = node.aversion = -3
    assert client.set_data("/x", version=0).err == -103
    assert [client.set_data("/x", version=version).err for version in (-3, -2)] == [0, 0]
    assert node.version == -1
    assert client.set_data("/x", version=-2).err == -103
    assert client.set_data("/x", version=-1).err == 0
    assert node.version == 0
    node.version = 0x7FFFFFFF
    assert client.set_data("/x", version=0x7FFFFFFF).err == 0
    assert node.version == -0x80000000
    assert [client.set_data("/x", version=version).err for version in (0x7FFFFFFF, -0x80000000)] == [-103, 0]
