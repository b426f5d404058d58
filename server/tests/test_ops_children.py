"""getChildren, getChildren2, getAllChildrenNumber, getEphemerals."""

from __future__ import annotations

import pytest
from zoolet.jute.codes import OpCode, Perms
from zoolet.jute.data import ACL, Id, Stat
from zoolet.jute.proto import (
    GetAllChildrenNumberRequest,
    GetAllChildrenNumberResponse,
    GetChildren2Request,
    GetChildren2Response,
    GetChildrenRequest,
    GetChildrenResponse,
    GetEphemeralsRequest,
    GetEphemeralsResponse,
)
from zoolet.server.errors import KeeperError, MarshallingError, NoAuth, NoNode
from zoolet.server.tests.pipeline import Client, Pipeline, create, delete

SESSION = 0x0100000000000001
OTHER = 0x0100000000000002
HIDDEN = (ACL(Perms.ALL & ~Perms.READ, Id("world", "anyone")),)


@pytest.fixture
def pipeline() -> Pipeline:
    pipeline = Pipeline()
    for session in (SESSION, OTHER):
        pipeline.open_session(session)
    for path in ("/b", "/a", "/a/2", "/a/1", "/a/1/x"):
        pipeline.create(path, session=SESSION)
    pipeline.create("/hidden", acl=HIDDEN, session=SESSION)
    return pipeline


def children(pipeline: Pipeline, path: str) -> tuple[str | None, ...] | None:
    body = pipeline.read(SESSION, OpCode.GET_CHILDREN, GetChildrenRequest(path, False))
    return GetChildrenResponse.parse(body).children


def test_children_are_named_in_order_of_creation(pipeline: Pipeline) -> None:
    assert children(pipeline, "/") == ("zookeeper", "b", "a", "hidden")
    assert children(pipeline, "") == children(pipeline, "/")
    assert children(pipeline, "/a") == ("2", "1")
    assert children(pipeline, "/b") == ()


def test_the_list_follows_every_change(pipeline: Pipeline) -> None:
    assert children(pipeline, "/b") == ()
    pipeline.run(SESSION, *create("/b/\u6f22"))
    assert children(pipeline, "/b") == ("\u6f22",)
    pipeline.run(SESSION, *delete("/b/\u6f22"))
    assert children(pipeline, "/b") == ()


def test_children2_answers_the_stat_as_well(pipeline: Pipeline) -> None:
    body = pipeline.read(SESSION, OpCode.GET_CHILDREN2, GetChildren2Request("/a", False))
    answer = GetChildren2Response.parse(body)
    assert answer == GetChildren2Response(("2", "1"), pipeline.tree.get("/a").stat())
    assert isinstance(answer.stat, Stat)


@pytest.mark.parametrize(
    ("path", "error"),
    [(None, MarshallingError), ("/nope", NoNode), ("bad", NoNode), ("/a/", NoNode), ("/hidden", NoAuth)],
)
def test_reads_of_children_refuse_and_set_no_watch(
    pipeline: Pipeline, path: str | None, error: type[KeeperError]
) -> None:
    for opcode, record in (
        (OpCode.GET_CHILDREN, GetChildrenRequest(path, True)),
        (OpCode.GET_CHILDREN2, GetChildren2Request(path, True)),
        (OpCode.GET_ALL_CHILDREN_NUMBER, GetAllChildrenNumberRequest(path)),
    ):
        with pytest.raises(error):
            pipeline.read(SESSION, opcode, record)
    assert pipeline.tree.watches.empty


@pytest.mark.parametrize("request_class", [GetChildrenRequest, GetChildren2Request])
def test_a_watch_on_children_is_set_if_asked(
    pipeline: Pipeline, request_class: type[GetChildrenRequest]
) -> None:
    client = Client(SESSION)
    opcode = OpCode.GET_CHILDREN if request_class is GetChildrenRequest else OpCode.GET_CHILDREN2
    pipeline.read(client, opcode, request_class("/b", False))
    assert pipeline.tree.watches.empty
    pipeline.read(client, opcode, request_class("/b", True))
    pipeline.run(SESSION, *create("/b/x"))
    assert len(client.events) == 1


@pytest.mark.parametrize(("path", "count"), [("/", 9), ("", 10), ("/a", 3), ("/a/1", 1), ("/b", 0)])
def test_all_descendants_are_counted(pipeline: Pipeline, path: str, count: int) -> None:
    body = pipeline.read(SESSION, OpCode.GET_ALL_CHILDREN_NUMBER, GetAllChildrenNumberRequest(path))
    assert GetAllChildrenNumberResponse.parse(body).totalNumber == count


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        (None, ("/e1", "/e2", "/a/e")),
        ("", ("/e1", "/e2", "/a/e")),
        ("  ", ("/e1", "/e2", "/a/e")),
        ("/", ("/e1", "/e2", "/a/e")),
        ("/e", ("/e1", "/e2")),
        ("/a", ("/a/e",)),
        ("/a/e/f", ()),
        ("e", ()),
    ],
)
def test_ephemerals_are_the_sessions_own_by_a_prefix_of_text(
    pipeline: Pipeline, prefix: str | None, expected: tuple[str, ...]
) -> None:
    for path in ("/e1", "/e2", "/a/e"):
        pipeline.create(path, flags=1, session=SESSION)
    pipeline.create("/e3", flags=1, session=OTHER)
    body = pipeline.read(SESSION, OpCode.GET_EPHEMERALS, GetEphemeralsRequest(prefix))
    assert GetEphemeralsResponse.parse(body).ephemerals == expected


def test_a_session_without_ephemerals_has_an_empty_list(pipeline: Pipeline) -> None:
    body = pipeline.read(OTHER, OpCode.GET_EPHEMERALS, GetEphemeralsRequest("/"))
    assert GetEphemeralsResponse.parse(body).ephemerals == ()
