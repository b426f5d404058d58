"""Containers and nodes with a time to live in an ensemble: the leader removes them, whoever leads."""

from __future__ import annotations

import pytest
from zoolet.jute.codes import ErrorCode, OpCode
from zoolet.jute.data import OPEN_ACL
from zoolet.jute.proto import Create2Response, CreateRequest, CreateTTLRequest, DeleteRequest
from zoolet.quorum.tests.members_lab import Lab
from zoolet.server.tests.harness import Client
from zoolet.server.tests.pipeline import check_tree

INTERVAL_MS = 5000


@pytest.fixture
def lab() -> Lab:
    return Lab.settled(3, 1, container_check_interval_ms=INTERVAL_MS, extended_types_enabled=True)


def container(client: Client, path: str, flags: int = 4) -> int:
    return client.call(OpCode.CREATE_CONTAINER, CreateRequest(path, b"", OPEN_ACL, flags)).err


def emptied(client: Client, path: str) -> None:
    """A container that has had a child."""
    assert container(client, path) == 0
    client.create(f"{path}/x")
    assert client.call(OpCode.DELETE, DeleteRequest(f"{path}/x", -1)).err == 0


def with_ttl(client: Client, path: str, ttl_ms: int) -> None:
    reply = client.call(OpCode.CREATE_TTL, CreateTTLRequest(path, b"", OPEN_ACL, 5, ttl_ms))
    assert Create2Response.parse(reply.body).path == path


def paths_on_all(lab: Lab) -> set[str]:
    """The nodes of users, which are the same everywhere."""
    trees = [member.peer.database.tree for member in lab.running]
    for tree in trees:
        check_tree(tree)
    [paths] = {tuple(sorted(set(tree.nodes))) for tree in trees}
    return {path for path in paths if path.strip("/") and not path.startswith("/zookeeper")}


def test_what_any_member_made_the_leader_removes_everywhere(lab: Lab) -> None:
    for sid in lab.members:
        client = lab[sid].connected()
        emptied(client, f"/c{sid}")
        with_ttl(client, f"/t{sid}", 1000)
        assert container(client, f"/kept{sid}") == 0
    lab.advance(2 * INTERVAL_MS)
    assert paths_on_all(lab) == {f"/kept{sid}" for sid in lab.members}


def test_a_new_leader_goes_on_where_the_old_one_stopped(lab: Lab) -> None:
    client = lab[1].connected()
    emptied(client, "/c")
    with_ttl(client, "/t", 1000)
    lab.stop(lab.leader.sid)
    lab.settle()
    assert paths_on_all(lab) == {"/c", "/t"}
    lab.advance(INTERVAL_MS + 1000)
    assert paths_on_all(lab) == set()


def test_a_member_that_was_away_hears_of_the_deletions(lab: Lab) -> None:
    client = lab[1].connected()
    emptied(client, "/c")
    lab.stop(2)
    lab.advance(2 * INTERVAL_MS)
    lab.start(2)
    lab.settle()
    lab.advance(1000)
    assert paths_on_all(lab) == set()


def test_one_member_only_asks_for_a_deletion(lab: Lab) -> None:
    client = lab[1].connected()
    emptied(client, "/c")
    zxid = lab.leader.peer.database.tree.last_processed_zxid
    lab.advance(INTERVAL_MS)
    assert lab.leader.peer.database.tree.last_processed_zxid == zxid + 1


def test_no_member_takes_a_deletion_of_that_kind_from_a_client(lab: Lab) -> None:
    assert container(lab[1].connected(), "/c") == 0
    for sid in lab.members:
        client = lab[sid].connected()
        assert client.call(OpCode.DELETE_CONTAINER, b"\0\0\0\2/c").err == ErrorCode.UNIMPLEMENTED
        assert not client.is_open
    assert paths_on_all(lab) == {"/c"}


def test_a_leader_that_takes_no_clients_removes_containers_all_the_same() -> None:
    lab = Lab(3, container_check_interval_ms=INTERVAL_MS, leader_serves=False)
    lab.start(1, 2, 3)
    while not lab[1].mode or not lab[2].mode:
        lab.advance(50)
    for number in range(10):
        emptied(lab[1].connected(), f"/c{number}")
    lab.advance(INTERVAL_MS + 200)
    assert paths_on_all(lab) == set()


def test_local_sessions_make_both_kinds_and_stay_local() -> None:
    lab = Lab.settled(3, extended_types_enabled=True, local_sessions_enabled=True)
    for sid in lab.members:
        client = lab[sid].connected()
        assert container(client, f"/c{sid}") == 0
        with_ttl(client, f"/t{sid}", 1_000_000)
        # The original asks for a global session here, and does not make one.
        assert container(client, f"/e{sid}", flags=1) != 0
        assert lab[sid].core.tracker.is_local(client.session_id)
    assert {path[:2] for path in paths_on_all(lab)} == {"/c", "/t"}
