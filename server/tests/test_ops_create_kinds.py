"""createContainer and createTTL: what they make and what they refuse; the container manager's delete."""

from __future__ import annotations

from typing import Any

import pytest
from zoolet.jute.codes import CONTAINER_OWNER, TTL_MAX_MS, CreateMode, ErrorCode, OpCode
from zoolet.jute.data import ACL, OPEN_ACL, Id
from zoolet.jute.ids import SessionId
from zoolet.jute.proto import Create2Response, CreateRequest, CreateTTLRequest
from zoolet.jute.txn import CreateContainerTxn, CreateTTLTxn, DeleteTxn
from zoolet.server.data_node import ttl_of, ttl_owner, wire_owner
from zoolet.server.ops.delete import DeleteContainer
from zoolet.server.ops.table import DELETE_CONTAINER
from zoolet.server.request import Request
from zoolet.server.tests.pipeline import Client, Pipeline, check_tree, create, delete, set_data

SESSION = 0x0100000000000001


@pytest.fixture
def pipeline() -> Pipeline:
    pipeline = Pipeline()
    pipeline.context.extended_types_enabled = True
    pipeline.open_session(SESSION)
    return pipeline


def container(path: str | None, flags: int = 4, acl: Any = OPEN_ACL) -> tuple[OpCode, CreateRequest]:
    return OpCode.CREATE_CONTAINER, CreateRequest(path, b"data", acl, flags)


def with_ttl(
    path: str | None, flags: int = 5, ttl_ms: int = 1000, acl: Any = OPEN_ACL
) -> tuple[OpCode, CreateTTLRequest]:
    return OpCode.CREATE_TTL, CreateTTLRequest(path, b"data", acl, flags, ttl_ms)


# --- what is made ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("flags", "path"), [(0, "/c"), (1, "/c"), (2, "/c0000000000"), (4, "/c")])
def test_create_container_makes_a_container_whatever_its_flag(
    pipeline: Pipeline, flags: int, path: str
) -> None:
    client = Client(SESSION)
    request = pipeline.run(client, *container("/c", flags))
    assert request.txn == CreateContainerTxn(path, b"data", OPEN_ACL, 1)
    node = pipeline.tree.get(path)
    assert node.ephemeral_owner == CONTAINER_OWNER
    assert list(pipeline.tree.containers) == [path]
    assert pipeline.tree.ephemerals == {}
    [(_, body)] = client.answers
    answer = Create2Response.parse(body)
    assert (answer.path, answer.stat, node.stat().ephemeralOwner) == (path, node.stat(), 0)
    check_tree(pipeline.tree)


@pytest.mark.parametrize("opcode", [OpCode.CREATE, OpCode.CREATE2])
def test_create_with_the_flag_of_containers_makes_a_persistent_node(
    pipeline: Pipeline, opcode: OpCode
) -> None:
    assert pipeline.error_of(SESSION, (opcode, CreateRequest("/c", b"", OPEN_ACL, 4))) == 0
    assert pipeline.tree.get("/c").ephemeral_owner == 0
    assert not pipeline.tree.containers


@pytest.mark.parametrize(("flags", "path"), [(5, "/t"), (6, "/t0000000000")])
@pytest.mark.parametrize("ttl_ms", [1, 1000, TTL_MAX_MS])
def test_create_ttl_makes_a_node_with_a_time_to_live(
    pipeline: Pipeline, flags: int, path: str, ttl_ms: int
) -> None:
    request = pipeline.run(SESSION, *with_ttl("/t", flags, ttl_ms))
    assert request.txn == CreateTTLTxn(path, b"data", OPEN_ACL, 1, ttl_ms)
    owner = pipeline.tree.get(path).ephemeral_owner
    assert owner & 0xFFFF_FFFF_FFFF_FFFF == 0xFF00_0000_0000_0000 | ttl_ms
    assert (ttl_of(owner), wire_owner(owner), ttl_owner(ttl_ms)) == (ttl_ms, 0, owner)
    assert list(pipeline.tree.ttls) == [path]
    check_tree(pipeline.tree)


def test_both_kinds_take_children_at_once_and_ephemerals_do_not(pipeline: Pipeline) -> None:
    for operation in (container("/c"), with_ttl("/t"), create("/c/x", flags=1), with_ttl("/t/t")):
        assert pipeline.submit(SESSION, *operation).error == 0
    for operation in (container("/c/x/c"), with_ttl("/c/x/t")):
        assert pipeline.submit(SESSION, *operation).error == ErrorCode.NO_CHILDREN_FOR_EPHEMERALS
    pipeline.apply_all()
    check_tree(pipeline.tree)


def test_neither_kind_goes_with_the_session(pipeline: Pipeline) -> None:
    for operation in (container("/c"), container("/d", 1), with_ttl("/t")):
        assert pipeline.submit(SESSION, *operation).error == 0
    pipeline.run(SESSION, OpCode.CLOSE_SESSION, None)
    assert {"/c", "/d", "/t"} < set(pipeline.tree.nodes)


def test_a_deleted_node_is_no_longer_known_as_of_its_kind(pipeline: Pipeline) -> None:
    for operation in (container("/c"), with_ttl("/t"), delete("/c"), delete("/t"), create("/c")):
        assert pipeline.error_of(SESSION, operation) == 0
    assert not pipeline.tree.containers
    assert not pipeline.tree.ttls


def test_a_changed_acl_is_logged_as_it_is_stored(pipeline: Pipeline) -> None:
    twice = (*OPEN_ACL, *OPEN_ACL)
    client = Client(SESSION, (Id("digest", "bob:hash"),))
    for operation in (container("/c", acl=twice), with_ttl("/t", acl=(ACL(31, Id("auth", "")),))):
        assert pipeline.error_of(client, operation) == 0
    assert pipeline.tree.get("/c").acl == OPEN_ACL
    assert pipeline.tree.get("/t").acl == (ACL(31, Id("digest", "bob:hash")),)


# --- what is refused ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        (container("bad", 5), ErrorCode.BAD_ARGUMENTS),
        (container("/x", 6), ErrorCode.BAD_ARGUMENTS),
        (container("/x", 7), ErrorCode.BAD_ARGUMENTS),
        (container("/x", -1), ErrorCode.BAD_ARGUMENTS),
        (container(None), ErrorCode.MARSHALLING_ERROR),
        (container("/no/x/", acl=()), ErrorCode.INVALID_ACL),
        (container("/no/x/"), ErrorCode.NO_NODE),
        (container("/x/"), ErrorCode.NO_NODE),
        (container("/zookeeper/"), ErrorCode.BAD_ARGUMENTS),
        (container("/zookeeper"), ErrorCode.NODE_EXISTS),
        *((with_ttl("/x", flags), ErrorCode.BAD_ARGUMENTS) for flags in (0, 1, 2, 3, 4, 7, -1)),
        *((with_ttl("/x", 5, ttl), ErrorCode.BAD_ARGUMENTS) for ttl in (0, -1, TTL_MAX_MS + 1, -(1 << 63))),
        (with_ttl("/x", 0, -1), ErrorCode.BAD_ARGUMENTS),  # the original takes this, and ends of it
        (with_ttl(None, 5, 0), ErrorCode.BAD_ARGUMENTS),
        (with_ttl(None), ErrorCode.MARSHALLING_ERROR),
        (with_ttl("/no/x", acl=()), ErrorCode.INVALID_ACL),
    ],
)
def test_the_first_error_in_the_originals_order_wins(
    pipeline: Pipeline, operation: tuple[OpCode, Any], error: ErrorCode
) -> None:
    before = sorted(pipeline.tree.nodes)
    assert pipeline.error_of(SESSION, operation) == error
    assert sorted(pipeline.tree.nodes) == before
    assert pipeline.changes.digest == pipeline.tree.digest


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        (container("/c", 5), ErrorCode.UNIMPLEMENTED),
        (container("/c", 7), ErrorCode.BAD_ARGUMENTS),
        (container("/c"), 0),
        (create("/c", flags=4), 0),
        (create("/c", flags=6), ErrorCode.UNIMPLEMENTED),
        (with_ttl("bad", 5, 0), ErrorCode.UNIMPLEMENTED),
        (with_ttl("/t", CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL), ErrorCode.UNIMPLEMENTED),
        (with_ttl("/t", 0), ErrorCode.BAD_ARGUMENTS),
        (with_ttl("/t", 9), ErrorCode.BAD_ARGUMENTS),
    ],
)
def test_where_extended_types_are_off_only_times_to_live_are_unimplemented(
    pipeline: Pipeline, operation: tuple[OpCode, Any], error: int
) -> None:
    pipeline.context.extended_types_enabled = False
    assert pipeline.error_of(SESSION, operation) == error


@pytest.mark.parametrize("operation", [container("/c", 1), container("/c"), with_ttl("/t")])
def test_without_a_session_nothing_is_made(pipeline: Pipeline, operation: tuple[OpCode, Any]) -> None:
    assert pipeline.error_of(99, operation) == ErrorCode.SESSION_EXPIRED


# --- the container manager's delete ---------------------------------------------------------------------


def reap(pipeline: Pipeline, path: str, mzxid: int | None = None) -> Request:
    """Prepare what the manager asks for, as if it had looked at the node just now."""
    request = Request(None, SessionId(0), 0, DELETE_CONTAINER, b"", 0)
    if mzxid is None:
        node = pipeline.tree.nodes.get(path)
        mzxid = node.mzxid if node else 0
    request.record = DeleteContainer(path, mzxid)
    pipeline.prep.process(request)
    pipeline.sync.take_batch()
    return request


@pytest.mark.parametrize("operation", [container("/n"), with_ttl("/n")])
def test_an_empty_node_of_either_kind_is_deleted(pipeline: Pipeline, operation: tuple[OpCode, Any]) -> None:
    pipeline.run(SESSION, *operation)
    request = reap(pipeline, "/n")
    assert (request.txn_type, request.txn) == (OpCode.DELETE_CONTAINER, DeleteTxn("/n"))
    pipeline.apply_all()
    assert "/n" not in pipeline.tree.nodes
    assert pipeline.tree.get("/").pzxid == request.zxid == pipeline.tree.last_processed_zxid
    check_tree(pipeline.tree)


def test_what_has_children_or_is_of_another_kind_stays(pipeline: Pipeline) -> None:
    for operation in (container("/c"), create("/plain"), create("/mine", flags=1)):
        pipeline.run(SESSION, *operation)
    assert reap(pipeline, "/plain").error == ErrorCode.BAD_VERSION
    assert reap(pipeline, "/mine").error == ErrorCode.BAD_VERSION
    assert reap(pipeline, "/none").error == ErrorCode.NO_NODE
    assert reap(pipeline, "/zookeeper").error == ErrorCode.BAD_ARGUMENTS
    pipeline.submit(SESSION, *create("/c/x"))
    assert reap(pipeline, "/c").error == ErrorCode.NOT_EMPTY
    pipeline.apply_all()
    assert {"/c", "/plain", "/mine"} < set(pipeline.tree.nodes)


def test_a_node_that_changes_while_the_delete_is_on_its_way_stays(pipeline: Pipeline) -> None:
    pipeline.run(SESSION, *with_ttl("/t"))
    pipeline.run(SESSION, *container("/c"))
    pipeline.submit(SESSION, *set_data("/t"))
    assert reap(pipeline, "/t").error == ErrorCode.BAD_VERSION
    pipeline.submit(SESSION, *delete("/c"))
    pipeline.submit(SESSION, *container("/c"))
    assert reap(pipeline, "/c").error == ErrorCode.BAD_VERSION
    pipeline.apply_all()
    assert {"/t", "/c"} < set(pipeline.tree.nodes)
