"""exists, getData, setData, check, reconfig: what they answer, and which error wins."""

from __future__ import annotations

from typing import Any

import pytest
from zoolet.jute.codes import ErrorCode, OpCode, Perms
from zoolet.jute.data import ACL, READ_ACL, Id, Stat
from zoolet.jute.proto import (
    CheckVersionRequest,
    ExistsRequest,
    GetDataRequest,
    GetDataResponse,
    ReconfigRequest,
)
from zoolet.jute.txn import SetDataTxn
from zoolet.server.errors import BadArguments, KeeperError, MarshallingError, NoAuth, NoNode
from zoolet.server.tests.pipeline import Client, Pipeline, check_tree, multi_body, set_data

SESSION = 0x0100000000000001
WRITE_ONLY = (ACL(Perms.ALL & ~Perms.READ, Id("world", "anyone")),)


@pytest.fixture
def pipeline() -> Pipeline:
    pipeline = Pipeline()
    pipeline.open_session(SESSION)
    pipeline.create("/a", b"data", session=SESSION)
    pipeline.create("/hidden", b"data", acl=WRITE_ONLY, session=SESSION)
    pipeline.create("/readonly", b"data", acl=READ_ACL, session=SESSION)
    return pipeline


# --- getData --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"data", b"", None])
def test_get_data_answers_data_and_stat(pipeline: Pipeline, data: bytes | None) -> None:
    pipeline.run(SESSION, *set_data("/a", data))
    for _ in range(2):
        body = pipeline.read(SESSION, OpCode.GET_DATA, GetDataRequest("/a", False))
        assert GetDataResponse.parse(body) == GetDataResponse(data, pipeline.tree.get("/a").stat())


def test_the_empty_path_reads_as_the_root(pipeline: Pipeline) -> None:
    by_name = pipeline.read(SESSION, OpCode.GET_DATA, GetDataRequest("/", False))
    assert pipeline.read(SESSION, OpCode.GET_DATA, GetDataRequest("", False)) == by_name
    assert pipeline.read(SESSION, OpCode.EXISTS, ExistsRequest("", False)) == by_name[4:]


@pytest.mark.parametrize(
    ("path", "error"),
    [
        (None, MarshallingError),
        ("/nope", NoNode),
        ("bad", NoNode),
        ("/a/", NoNode),
        ("/a\0", NoNode),
        ("/\ufffd", NoNode),
        ("/hidden", NoAuth),
    ],
)
def test_get_data_refuses_and_sets_no_watch(
    pipeline: Pipeline, path: str | None, error: type[KeeperError]
) -> None:
    with pytest.raises(error):
        pipeline.read(SESSION, OpCode.GET_DATA, GetDataRequest(path, True))
    assert pipeline.tree.watches.empty


def test_get_data_sets_a_watch_if_asked(pipeline: Pipeline) -> None:
    client = Client(SESSION)
    pipeline.read(client, OpCode.GET_DATA, GetDataRequest("/a", False))
    assert pipeline.tree.watches.empty
    pipeline.read(client, OpCode.GET_DATA, GetDataRequest("/a", True))
    pipeline.run(SESSION, *set_data("/a"))
    assert len(client.events) == 1


# --- exists ---------------------------------------------------------------------------------------------


def test_exists_answers_the_stat(pipeline: Pipeline) -> None:
    body = pipeline.read(SESSION, OpCode.EXISTS, ExistsRequest("/a", False))
    assert Stat.parse(body) == pipeline.tree.get("/a").stat()


@pytest.mark.parametrize(
    ("path", "error"), [(None, MarshallingError), ("/a\0", BadArguments), ("/hidden", NoAuth)]
)
def test_exists_refuses_and_sets_no_watch(
    pipeline: Pipeline, path: str | None, error: type[KeeperError]
) -> None:
    with pytest.raises(error):
        pipeline.read(SESSION, OpCode.EXISTS, ExistsRequest(path, True))
    assert pipeline.tree.watches.empty


@pytest.mark.parametrize("path", ["/nope", "bad", "/a/", "//"])
def test_exists_leaves_a_watch_where_there_is_no_node(pipeline: Pipeline, path: str) -> None:
    with pytest.raises(NoNode):
        pipeline.read(SESSION, OpCode.EXISTS, ExistsRequest(path, True))
    assert list(pipeline.tree.watches.data.paths) == [path]


# --- setData --------------------------------------------------------------------------------------------


def test_set_data_answers_the_new_stat(pipeline: Pipeline) -> None:
    client = Client(SESSION)
    request = pipeline.run(client, *set_data("/a", b"longer data", 0))
    stat = Stat.parse(client.answers[0][1])
    assert stat == pipeline.tree.get("/a").stat()
    assert (stat.version, stat.mzxid, stat.mtime, stat.dataLength) == (1, request.zxid, request.time_ms, 11)
    assert request.txn == SetDataTxn("/a", b"longer data", 1)


@pytest.mark.parametrize(
    ("version", "error"),
    [(-1, 0), (1, 0), (0, ErrorCode.BAD_VERSION), (2, ErrorCode.BAD_VERSION), (-2, ErrorCode.BAD_VERSION)],
)
def test_only_minus_one_matches_any_version(pipeline: Pipeline, version: int, error: int) -> None:
    pipeline.run(SESSION, *set_data("/a"))
    assert pipeline.error_of(SESSION, set_data("/a", b"", version)) == error


def test_versions_wrap_as_an_int(pipeline: Pipeline) -> None:
    pipeline.alter("/a", version=2**31 - 1)
    assert pipeline.error_of(SESSION, set_data("/a", b"", 2**31 - 1)) == 0
    assert pipeline.tree.get("/a").version == -(2**31)
    check_tree(pipeline.tree)


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        (set_data(None), ErrorCode.BAD_ARGUMENTS),
        (set_data(""), ErrorCode.BAD_ARGUMENTS),
        (set_data("/a/"), ErrorCode.BAD_ARGUMENTS),
        (set_data("/nope/./x"), ErrorCode.BAD_ARGUMENTS),
        (set_data("/nope", version=99), ErrorCode.NO_NODE),
        (set_data("/readonly", version=99), ErrorCode.NO_AUTH),
        (set_data("/zookeeper/config"), ErrorCode.NO_AUTH),
        (set_data("/a", version=99), ErrorCode.BAD_VERSION),
    ],
)
def test_the_first_error_of_set_data_wins(
    pipeline: Pipeline, operation: tuple[OpCode, Any], error: ErrorCode
) -> None:
    digest = pipeline.tree.digest
    assert pipeline.error_of(SESSION, operation) == error
    assert pipeline.tree.digest == digest


def test_write_permission_is_enough_to_set(pipeline: Pipeline) -> None:
    assert pipeline.error_of(SESSION, set_data("/hidden")) == 0


def test_without_a_session_nothing_is_set(pipeline: Pipeline) -> None:
    assert pipeline.error_of(99, set_data("bad")) == ErrorCode.SESSION_EXPIRED


# --- check ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "version", "error"),
    [
        ("/a", 0, 0),
        ("/a", -1, 0),
        ("/readonly", 0, 0),
        ("/a/", 0, ErrorCode.BAD_ARGUMENTS),
        ("/nope", 0, ErrorCode.NO_NODE),
        ("/hidden", 99, ErrorCode.NO_AUTH),
        ("/a", 1, ErrorCode.BAD_VERSION),
    ],
)
def test_check_inside_a_multi(pipeline: Pipeline, path: str, version: int, error: int) -> None:
    client = Client(SESSION)
    body = multi_body((OpCode.CHECK, CheckVersionRequest(path, version)))
    assert pipeline.error_of(client, (OpCode.MULTI, body)) == 0
    result = client.answers[0][1]
    assert int.from_bytes(result[5:9], "big", signed=True) == error


# --- reconfig -------------------------------------------------------------------------------------------


def test_reconfig_is_disabled(pipeline: Pipeline) -> None:
    request = ReconfigRequest(None, None, None, -1)
    assert pipeline.error_of(SESSION, (OpCode.RECONFIG, request)) == ErrorCode.RECONFIG_DISABLED
