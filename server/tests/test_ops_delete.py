"""delete: what it removes, and which error wins."""

from __future__ import annotations

from typing import Any

import pytest
from zoolet.jute.codes import ErrorCode, OpCode, Perms
from zoolet.jute.data import ACL, Id
from zoolet.jute.txn import DeleteTxn
from zoolet.server.tests.pipeline import Client, Pipeline, create, delete, set_data

SESSION = 0x0100000000000001
NO_DELETE = (ACL(Perms.ALL & ~Perms.DELETE, Id("world", "anyone")),)
NOTHING = (ACL(0, Id("world", "anyone")),)


@pytest.fixture
def pipeline() -> Pipeline:
    pipeline = Pipeline()
    pipeline.open_session(SESSION)
    for path in ("/a", "/a/b", "/a/b/c"):
        pipeline.create(path, session=SESSION)
    pipeline.create("/keep", acl=NO_DELETE, session=SESSION)
    return pipeline


def test_a_leaf_is_removed_and_the_answer_is_empty(pipeline: Pipeline) -> None:
    client = Client(SESSION)
    request = pipeline.run(client, *delete("/a/b/c", 0))
    assert (request.txn, client.answers) == (DeleteTxn("/a/b/c"), [(0, b"")])
    assert "/a/b/c" not in pipeline.tree.nodes
    assert pipeline.tree.get("/a/b").pzxid == request.zxid


def test_the_parents_acl_decides_not_the_nodes(pipeline: Pipeline) -> None:
    pipeline.create("/a/closed", acl=NOTHING, session=SESSION)
    assert pipeline.error_of(SESSION, delete("/a/closed")) == 0


@pytest.mark.parametrize(
    ("version", "error"), [(-1, 0), (2, 0), (1, ErrorCode.BAD_VERSION), (-2, ErrorCode.BAD_VERSION)]
)
def test_the_version_must_be_the_nodes_or_minus_one(pipeline: Pipeline, version: int, error: int) -> None:
    for _ in range(2):
        pipeline.run(SESSION, *set_data("/a/b/c"))
    assert pipeline.error_of(SESSION, delete("/a/b/c", version)) == error


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        (delete(None), ErrorCode.MARSHALLING_ERROR),
        (delete(""), ErrorCode.BAD_ARGUMENTS),
        (delete("bad"), ErrorCode.BAD_ARGUMENTS),
        (delete("/nope\0"), ErrorCode.BAD_ARGUMENTS),
        (delete("/"), ErrorCode.BAD_ARGUMENTS),
        (delete("/zookeeper", 99), ErrorCode.BAD_ARGUMENTS),
        (delete("/zookeeper/quota"), ErrorCode.BAD_ARGUMENTS),
        (delete("/zookeeper/config"), ErrorCode.BAD_ARGUMENTS),
        (delete("/nope/x"), ErrorCode.NO_NODE),
        (delete("/keep/nope"), ErrorCode.NO_AUTH),
        (delete("/nope"), ErrorCode.NO_NODE),
        (delete("/a/"), ErrorCode.NO_NODE),
        (delete("/a/./b"), ErrorCode.NO_NODE),
        (delete("/\U0001f600"), ErrorCode.NO_NODE),
        (delete("/a", 5), ErrorCode.BAD_VERSION),
        (delete("/a", 0), ErrorCode.NOT_EMPTY),
    ],
)
def test_the_first_error_in_the_originals_order_wins(
    pipeline: Pipeline, operation: tuple[OpCode, Any], error: ErrorCode
) -> None:
    before = sorted(pipeline.tree.nodes)
    assert pipeline.error_of(SESSION, operation) == error
    assert sorted(pipeline.tree.nodes) == before


def test_without_a_session_nothing_is_deleted(pipeline: Pipeline) -> None:
    assert pipeline.error_of(99, delete("bad")) == ErrorCode.SESSION_EXPIRED


def test_a_node_with_outstanding_children_is_not_empty(pipeline: Pipeline) -> None:
    pipeline.submit(SESSION, *create("/a/b/c/d"))
    assert pipeline.submit(SESSION, *delete("/a/b/c")).error == ErrorCode.NOT_EMPTY
    pipeline.submit(SESSION, *delete("/a/b/c/d"))
    assert pipeline.submit(SESSION, *delete("/a/b/c")).error == 0
    pipeline.apply_all()
