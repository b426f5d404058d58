"""create and create2: what they make, and which error wins."""

from __future__ import annotations

from typing import Any

import pytest
from zoolet.jute.codes import CreateMode, ErrorCode, OpCode
from zoolet.jute.data import ACL, OPEN_ACL, READ_ACL, Id
from zoolet.jute.proto import Create2Response, CreateRequest, CreateResponse
from zoolet.jute.txn import CreateTxn
from zoolet.server.ops.create import sequence_suffix
from zoolet.server.tests.pipeline import Client, Pipeline, check_tree, create, delete

SESSION = 0x0100000000000001
BOB = Id("digest", "bob:hash")


@pytest.fixture
def pipeline() -> Pipeline:
    pipeline = Pipeline()
    pipeline.open_session(SESSION)
    return pipeline


def make(pipeline: Pipeline, *paths: str, flags: int = 0, acl: Any = OPEN_ACL) -> None:
    for path in paths:
        assert pipeline.error_of(SESSION, create(path, flags=flags, acl=acl)) == 0


# --- success --------------------------------------------------------------------------------------------


def test_create_answers_the_path_and_create2_the_stat_as_well(pipeline: Pipeline) -> None:
    client = Client(SESSION)
    pipeline.run(client, OpCode.CREATE, CreateRequest("/a", b"data", OPEN_ACL, 0))
    pipeline.run(client, OpCode.CREATE2, CreateRequest("/\u6f22", b"data", OPEN_ACL, 0))
    (_, first), (_, second) = client.answers
    assert CreateResponse.parse(first).path == "/a"
    answer = Create2Response.parse(second)
    assert (answer.path, answer.stat) == ("/\u6f22", pipeline.tree.get("/\u6f22").stat())


def test_the_txn_says_what_will_be(pipeline: Pipeline) -> None:
    make(pipeline, "/a")
    request = pipeline.run(SESSION, *create("/a/s-", b"data", CreateMode.EPHEMERAL_SEQUENTIAL))
    assert request.txn == CreateTxn("/a/s-0000000000", b"data", OPEN_ACL, True, 1)
    node = pipeline.tree.get("/a/s-0000000000")
    assert (node.ephemeral_owner, node.czxid, node.ctime) == (SESSION, request.zxid, request.time_ms)


@pytest.mark.parametrize(
    ("flags", "ephemeral", "sequential"),
    [(0, False, False), (1, True, False), (2, False, True), (3, True, True)],
)
@pytest.mark.parametrize("opcode", [OpCode.CREATE, OpCode.CREATE2])
def test_the_flag_not_the_opcode_says_what_kind_of_node(
    pipeline: Pipeline, opcode: OpCode, flags: int, ephemeral: bool, sequential: bool
) -> None:
    pipeline.run(SESSION, opcode, CreateRequest("/n", b"", OPEN_ACL, flags))
    path = "/n0000000000" if sequential else "/n"
    assert pipeline.tree.get(path).ephemeral_owner == (SESSION if ephemeral else 0)


def test_the_suffix_counts_creations_of_any_kind_and_no_deletions(pipeline: Pipeline) -> None:
    make(pipeline, "/p", "/p/x", "/p/y")
    assert pipeline.error_of(SESSION, delete("/p/x")) == 0
    assert pipeline.run(SESSION, *create("/p/s", flags=2)).txn.path == "/p/s0000000002"
    assert pipeline.run(SESSION, *create("/p/s", flags=2)).txn.path == "/p/s0000000003"


@pytest.mark.parametrize(
    ("path", "made"), [("/", "/0000000000"), ("/p/", "/p/0000000001"), ("/p/.", "/p/.0000000001")]
)
def test_the_syntax_is_judged_with_the_suffix(pipeline: Pipeline, path: str, made: str) -> None:
    if path != "/":
        make(pipeline, "/p", "/p/x")
    assert pipeline.run(SESSION, *create(path, flags=2)).txn.path == made


def test_a_taken_sequence_name_stays_taken_until_another_create_moves_the_counter(pipeline: Pipeline) -> None:
    make(pipeline, "/p", "/p/s0000000001")
    for _ in range(3):
        assert pipeline.error_of(SESSION, create("/p/s", flags=2)) == ErrorCode.NODE_EXISTS
    make(pipeline, "/p/other")
    assert pipeline.error_of(SESSION, create("/p/s", flags=2)) == 0


def test_suffixes_have_ten_digits_and_may_be_negative() -> None:
    assert [sequence_suffix(n) for n in (0, 7, 2**31 - 1, -1, -(2**31))] == [
        "0000000000",
        "0000000007",
        "2147483647",
        "-000000001",
        "-2147483648",
    ]


def test_a_parent_of_two_billion_creations_still_takes_children(pipeline: Pipeline) -> None:
    """The counter is an int: a busy queue gets there in months. In Java 3.9.4 it then stays where it is."""
    make(pipeline, "/p")
    pipeline.alter("/p", cversion=2**31 - 1)
    make(pipeline, "/p/x", "/p/y")
    assert pipeline.run(SESSION, *create("/p/s", flags=2)).txn.path == "/p/s2147483647"
    assert pipeline.error_of(SESSION, create("/p/s", flags=2)) == ErrorCode.NODE_EXISTS
    assert pipeline.tree.get("/p").stat().cversion == -5  # twice the counter as an int, less three children
    check_tree(pipeline.tree)
    assert pipeline.database.digest_mismatches == 0


def test_null_data_is_stored_as_null(pipeline: Pipeline) -> None:
    pipeline.create("/a", None, session=SESSION)
    assert pipeline.tree.get("/a").data is None


def test_the_acl_is_stored_in_order_and_auth_expanded(pipeline: Pipeline) -> None:
    client = Client(SESSION, (Id("ip", "127.0.0.1"), BOB))
    acl = (ACL(31, Id("auth", "")), ACL(1, Id("world", "anyone")), ACL(1, Id("world", "anyone")))
    assert pipeline.error_of(client, create("/a", acl=acl)) == 0
    assert pipeline.tree.get("/a").acl == (ACL(31, BOB), ACL(1, Id("world", "anyone")))


# --- errors, each against all that come after it --------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        # a flag that no mode has, before anything about path or ACL
        (create("bad", flags=7, acl=None), ErrorCode.BAD_ARGUMENTS),
        (create("/x", flags=-1), ErrorCode.BAD_ARGUMENTS),
        (create("bad", flags=CreateMode.PERSISTENT_WITH_TTL, acl=None), ErrorCode.UNIMPLEMENTED),
        (create("bad", flags=CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL), ErrorCode.UNIMPLEMENTED),
        # no slash or a NUL, before the ACL
        (create("bad", acl=None), ErrorCode.BAD_ARGUMENTS),
        (create("", acl=None), ErrorCode.BAD_ARGUMENTS),
        (create("/a\0", acl=None), ErrorCode.BAD_ARGUMENTS),
        (create(None), ErrorCode.MARSHALLING_ERROR),
        # the ACL, before the parent
        (create("/nope/x", acl=None), ErrorCode.INVALID_ACL),
        (create("/nope/x", acl=()), ErrorCode.INVALID_ACL),
        (create("/nope/x", acl=(ACL(31, Id("auth", "")),)), ErrorCode.INVALID_ACL),
        (create("/nope/x", acl=(ACL(31, Id("world", None)),)), ErrorCode.MARSHALLING_ERROR),
        # the parent, before its permission and the syntax
        (create("/nope/x/"), ErrorCode.NO_NODE),
        (create("/nope/."), ErrorCode.NO_NODE),
        (create("/there//x"), ErrorCode.NO_NODE),
        (create("/./x"), ErrorCode.NO_NODE),
        # permission on the parent, before the syntax
        (create("/readonly/."), ErrorCode.NO_AUTH),
        (create("/zookeeper/config/x"), ErrorCode.NO_AUTH),
        # the syntax, before the name's being taken
        (create("//x"), ErrorCode.BAD_ARGUMENTS),  # its parent is "/"
        (create("/there/"), ErrorCode.BAD_ARGUMENTS),
        (create("/there/.."), ErrorCode.BAD_ARGUMENTS),
        (create("/there/\u0001"), ErrorCode.BAD_ARGUMENTS),
        (create("/there/\U0001f600"), ErrorCode.BAD_ARGUMENTS),
        # taken, before the parent's being an ephemeral
        (create("/"), ErrorCode.NODE_EXISTS),
        (create("/there"), ErrorCode.NODE_EXISTS),
        (create("/ephemeral/x"), ErrorCode.NO_CHILDREN_FOR_EPHEMERALS),
        (create("/ephemeral/x", flags=1), ErrorCode.NO_CHILDREN_FOR_EPHEMERALS),
    ],
)
def test_the_first_error_in_the_originals_order_wins(
    pipeline: Pipeline, operation: tuple[OpCode, Any], error: ErrorCode
) -> None:
    make(pipeline, "/there")
    make(pipeline, "/ephemeral", flags=1)
    make(pipeline, "/readonly", acl=READ_ACL)
    before = sorted(pipeline.tree.nodes)
    assert pipeline.error_of(SESSION, operation) == error
    assert sorted(pipeline.tree.nodes) == before
    assert pipeline.changes.digest == pipeline.tree.digest


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        (create("/x", flags=99), ErrorCode.BAD_ARGUMENTS),
        (create("bad"), ErrorCode.SESSION_EXPIRED),
        (create("/x"), ErrorCode.SESSION_EXPIRED),
    ],
)
def test_the_session_is_checked_behind_the_flags(
    pipeline: Pipeline, operation: tuple[OpCode, Any], error: ErrorCode
) -> None:
    assert pipeline.error_of(99, operation) == error


def test_zookeepers_own_subtree_takes_nodes(pipeline: Pipeline) -> None:
    assert pipeline.error_of(SESSION, create("/zookeeper/abc")) == 0
