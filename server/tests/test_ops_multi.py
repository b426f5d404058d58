"""multi and multiRead: their wire forms, all or none, and what refuses a request as a whole."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoolet.jute.codes import CONTAINER_OWNER, ErrorCode, OpCode, Perms
from zoolet.jute.data import ACL, OPEN_ACL, Id, Stat
from zoolet.jute.proto import (
    CheckVersionRequest,
    Create2Response,
    CreateRequest,
    CreateResponse,
    CreateTTLRequest,
    ErrorResponse,
    ExistsRequest,
    GetChildrenRequest,
    GetChildrenResponse,
    GetDataRequest,
    GetDataResponse,
    MultiHeader,
    SetACLRequest,
)
from zoolet.jute.record import Record
from zoolet.jute.txn import CreateTxn, ErrorTxn, MultiTxn, Txn
from zoolet.server.errors import KeeperError, MarshallingError
from zoolet.server.ops.context import TxnContext
from zoolet.server.ops.multi import PreparedMulti, apply_multi, decode_operations
from zoolet.server.ops.table import OPERATIONS
from zoolet.server.tests.pipeline import (
    END,
    Client,
    Pipeline,
    check_tree,
    create,
    delete,
    multi_body,
    set_data,
)

SESSION = 0x0100000000000001
HIDDEN = (ACL(Perms.ALL & ~Perms.READ, Id("world", "anyone")),)


@pytest.fixture
def pipeline() -> Pipeline:
    pipeline = Pipeline()
    pipeline.open_session(SESSION)
    pipeline.create("/a", b"data", session=SESSION)
    return pipeline


def check(path: str, version: int) -> tuple[OpCode, Record]:
    return OpCode.CHECK, CheckVersionRequest(path, version)


def create2(path: str) -> tuple[OpCode, Record]:
    return OpCode.CREATE2, CreateRequest(path, b"", OPEN_ACL, 0)


def results_of(body: bytes) -> list[tuple[int, int, bytes | None]]:
    """(type, err, rest) of each result; the rest is None for the end mark, where everything must end."""
    results: list[tuple[int, int, bytes | None]] = []
    offset = 0
    bodies: dict[int, list[type[Record]]] = {
        OpCode.CREATE: [CreateResponse],
        OpCode.CREATE2: [Create2Response],
        OpCode.SET_DATA: [Stat],
        OpCode.ERROR: [ErrorResponse],
        OpCode.GET_DATA: [GetDataResponse],
        OpCode.GET_CHILDREN: [GetChildrenResponse],
    }
    while True:
        header, offset = MultiHeader.decode(body, offset)
        if header.done:
            assert header == MultiHeader(-1, True, -1)
            assert offset == len(body)
            return results
        start = offset
        for cls in bodies.get(header.type, []):
            _, offset = cls.decode(body, offset)
        results.append((header.type, header.err, body[start:offset]))


def run(pipeline: Pipeline, *operations: tuple[OpCode, Record]) -> list[tuple[int, int, bytes | None]]:
    """Results of a multi that is answered without an error in its header."""
    client = Client(SESSION)
    assert pipeline.error_of(client, (OpCode.MULTI, multi_body(*operations))) == 0
    [(error, body)] = client.answers
    assert error == 0
    return results_of(body)


# --- multi ----------------------------------------------------------------------------------------------


def test_each_operation_answers_in_its_own_form(pipeline: Pipeline) -> None:
    results = run(pipeline, create("/b"), create2("/c"), set_data("/a"), check("/a", 1), delete("/b"))
    assert [(kind, err) for kind, err, _ in results] == [(1, 0), (15, 0), (5, 0), (13, 0), (2, 0)]
    path, path_and_stat, stat, nothing, also_nothing = (rest or b"" for _, _, rest in results)
    assert CreateResponse.parse(path).path == "/b"
    assert Create2Response.parse(path_and_stat).stat == pipeline.tree.get("/c").stat()
    assert Stat.parse(stat) == pipeline.tree.get("/a").stat()
    assert nothing == also_nothing == b""
    check_tree(pipeline.tree)


def test_a_create2_is_logged_as_create(pipeline: Pipeline) -> None:
    """Java 3.8 passes over a multi with a create2 in its log, and so loses all of it."""
    request = pipeline.run(SESSION, OpCode.MULTI, multi_body(create("/b"), create2("/c")))
    logged = MultiTxn.parse(request.body)
    assert [txn.type for txn in logged.txns or ()] == [OpCode.CREATE, OpCode.CREATE]


def test_a_create2_in_a_log_is_read(pipeline: Pipeline) -> None:
    """3.9 has it there."""
    parts = (Txn(OpCode.CREATE2, CreateTxn("/b", b"2", OPEN_ACL, False, 2).encode()),)
    context = TxnContext(pipeline.tree, OPERATIONS)
    context.zxid = pipeline.tree.last_processed_zxid + 1
    apply_multi(context, MultiTxn(parts))
    assert pipeline.tree.get("/b").data == b"2"


def test_all_operations_have_one_zxid_and_one_time(pipeline: Pipeline) -> None:
    run(pipeline, create("/b"), create("/b/c"), set_data("/a"))
    stats = [pipeline.tree.get(path).stat() for path in ("/b", "/b/c", "/a")]
    assert len({stat.mzxid for stat in stats}) == 1
    assert len({stat.mtime for stat in stats}) == 1
    assert pipeline.tree.last_processed_zxid == stats[0].mzxid


def test_after_a_failure_each_result_is_an_error(pipeline: Pipeline) -> None:
    """0 before the one that failed, its code, -2 behind it; in the result's header and in its body."""
    results = run(pipeline, create("/b"), set_data("/a"), delete("/nope"), create("/c"), check("/a", 0))
    expected = [0, 0, ErrorCode.NO_NODE, ErrorCode.RUNTIME_INCONSISTENCY, ErrorCode.RUNTIME_INCONSISTENCY]
    assert results == [(-1, code, ErrorResponse(code).encode()) for code in expected]
    assert sorted(pipeline.tree.get("/").children or ()) == ["a", "zookeeper"]
    assert pipeline.tree.get("/a").version == 0
    check_tree(pipeline.tree)


def test_a_failed_multi_is_logged_with_its_errors(pipeline: Pipeline) -> None:
    """Sub-txns before the failing one keep their types, as in the original."""
    request = pipeline.run(SESSION, OpCode.MULTI, multi_body(create("/b"), delete("/nope"), create("/c")))
    assert isinstance(request.txn, PreparedMulti)
    assert MultiTxn.parse(request.txn.encode()) == MultiTxn(
        (
            Txn(OpCode.CREATE, CreateTxn("/b", b"", OPEN_ACL, False, 2).encode()),
            Txn(OpCode.ERROR, ErrorTxn(ErrorCode.NO_NODE).encode()),
            Txn(OpCode.ERROR, ErrorTxn(ErrorCode.RUNTIME_INCONSISTENCY).encode()),
        )
    )


def test_an_empty_multi_succeeds_even_without_a_session(pipeline: Pipeline) -> None:
    assert run(pipeline) == []
    assert pipeline.error_of(99, (OpCode.MULTI, END)) == 0


def test_operations_of_an_unknown_session_fail_one_by_one(pipeline: Pipeline) -> None:
    client = Client(99)
    pipeline.run(client, OpCode.MULTI, multi_body(create("/b"), create("/c")))
    assert [err for _, err, _ in results_of(client.answers[0][1])] == [
        ErrorCode.SESSION_EXPIRED,
        ErrorCode.RUNTIME_INCONSISTENCY,
    ]


@pytest.mark.parametrize(
    ("operation", "txn", "result"),
    [
        (create("/b", flags=4), OpCode.CREATE_CONTAINER, OpCode.CREATE2),
        ((OpCode.CREATE2, CreateRequest("/b", b"", OPEN_ACL, 4)), OpCode.CREATE_CONTAINER, OpCode.CREATE2),
        (
            (OpCode.CREATE_CONTAINER, CreateRequest("/b", b"", OPEN_ACL, 0)),
            OpCode.CREATE_CONTAINER,
            OpCode.CREATE2,
        ),
        ((OpCode.CREATE_TTL, CreateTTLRequest("/b", b"", OPEN_ACL, 5, 1)), OpCode.CREATE_TTL, OpCode.CREATE2),
        (
            (OpCode.CREATE_TTL, CreateTTLRequest("/b", b"", OPEN_ACL, 4, 1)),
            OpCode.CREATE_CONTAINER,
            OpCode.CREATE2,
        ),
        ((OpCode.CREATE_TTL, CreateTTLRequest("/b", b"", OPEN_ACL, 0, 1)), OpCode.CREATE, OpCode.CREATE),
    ],
)
def test_inside_a_multi_the_flag_says_what_kind_of_node(
    pipeline: Pipeline, operation: tuple[OpCode, Record], txn: OpCode, result: OpCode
) -> None:
    """Outside, the opcode does (``Op.Create``)."""
    pipeline.context.extended_types_enabled = True
    request = pipeline.submit(SESSION, OpCode.MULTI, multi_body(operation))
    assert [op.opcode for op, _ in request.txn.ops] == [txn]
    pipeline.apply_all()
    assert request.txn.results[0][:4] == int(result).to_bytes(4, "big")
    node = pipeline.tree.get("/b")
    assert (node.ephemeral_owner == CONTAINER_OWNER) is (txn == OpCode.CREATE_CONTAINER)
    assert ("/b" in pipeline.tree.ttls) is (txn == OpCode.CREATE_TTL)
    check_tree(pipeline.tree)


def test_bytes_behind_the_end_mark_are_ignored(pipeline: Pipeline) -> None:
    assert pipeline.error_of(SESSION, (OpCode.MULTI, multi_body(create("/b")) + b"more")) == 0


def test_the_end_mark_is_any_header_with_done_set(pipeline: Pipeline) -> None:
    body = multi_body(create("/b"))[: -len(END)] + MultiHeader(7, True, 0).encode()
    assert pipeline.error_of(SESSION, (OpCode.MULTI, body)) == 0
    assert "/b" in pipeline.tree.nodes


@pytest.mark.parametrize(
    ("operations", "code"),
    [
        ([create("/a")], ErrorCode.NODE_EXISTS),
        ([create("/b"), create("/b")], ErrorCode.NODE_EXISTS),
        ([delete("/a"), set_data("/a")], ErrorCode.NO_NODE),
        ([create("/b"), delete("/")], ErrorCode.BAD_ARGUMENTS),
        ([create("bad")], ErrorCode.BAD_ARGUMENTS),
        ([create("/b", acl=())], ErrorCode.INVALID_ACL),
        ([check("/a", 9)], ErrorCode.BAD_VERSION),
        ([(OpCode.CREATE_CONTAINER, CreateRequest("/a", b"", OPEN_ACL, 4))], ErrorCode.NODE_EXISTS),
        ([(OpCode.CREATE_TTL, CreateTTLRequest("/b", b"", OPEN_ACL, 5, 1))], ErrorCode.UNIMPLEMENTED),
    ],
)
def test_an_operation_fails_with_the_code_it_has_alone(
    pipeline: Pipeline, operations: list[tuple[OpCode, Record]], code: ErrorCode
) -> None:
    digest = pipeline.tree.digest
    assert run(pipeline, *operations)[-1][:2] == (-1, code)
    assert pipeline.tree.digest == digest


# --- what refuses a multi as a whole --------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        END[:-1],
        multi_body(create("/b"))[:-1],
        multi_body(create("/b"))[: -len(END)],
        multi_body(create("/b"), (OpCode.GET_DATA, GetDataRequest("/a", False))),
        multi_body((OpCode.GET_DATA, GetDataRequest("/a", False))),
        multi_body((OpCode.EXISTS, ExistsRequest("/a", False))),
        multi_body((OpCode.SET_ACL, SetACLRequest("/a", OPEN_ACL, -1))),
        MultiHeader(99, False, -1).encode() + END,
        MultiHeader(OpCode.MULTI, False, -1).encode() + END + END,
        MultiHeader(OpCode.ERROR, False, 0).encode() + ErrorResponse(0).encode() + END,
        MultiHeader(OpCode.CLOSE_SESSION, False, -1).encode() + END,
        multi_body(create("/b", flags=7)),
        multi_body(create("/b", flags=-1)),
        multi_body(create("/b", flags=5)),
        multi_body((OpCode.CREATE_CONTAINER, CreateRequest("/b", b"", OPEN_ACL, 6))),
        multi_body(create("/b"), create(None)),
        multi_body(delete(None)),
        multi_body(set_data(None)),
        multi_body(create("/b"), create("/c", acl=(ACL(31, Id("world", None)),))),
    ],
)
def test_what_may_not_stand_in_a_multi_refuses_all_of_it(pipeline: Pipeline, body: bytes) -> None:
    client = Client(SESSION)
    digest = pipeline.tree.digest
    assert pipeline.error_of(client, (OpCode.MULTI, body)) == ErrorCode.MARSHALLING_ERROR
    assert client.answers == [(ErrorCode.MARSHALLING_ERROR, b"")]
    assert pipeline.tree.digest == pipeline.changes.digest == digest
    assert not list(pipeline.changes)


def test_a_null_acl_refuses_the_multi_without_a_zxid(pipeline: Pipeline) -> None:
    before = pipeline.tree.last_processed_zxid
    body = multi_body(create("/b"), create("/c", acl=None))
    request = pipeline.run(SESSION, OpCode.MULTI, body)
    assert (request.error, request.txn_type) == (ErrorCode.MARSHALLING_ERROR, None)
    assert pipeline.tree.last_processed_zxid == before
    assert pipeline.run(SESSION, *create("/b")).zxid == before + 1


# --- multiRead ------------------------------------------------------------------------------------------


def get_data(path: str | None) -> tuple[OpCode, Record]:
    return OpCode.GET_DATA, GetDataRequest(path, True)


def get_children(path: str | None) -> tuple[OpCode, Record]:
    return OpCode.GET_CHILDREN, GetChildrenRequest(path, True)


def test_each_read_is_answered_or_refused_on_its_own_and_sets_no_watch(pipeline: Pipeline) -> None:
    pipeline.create("/hidden", acl=HIDDEN, session=SESSION)
    body = multi_body(get_data("/a"), get_data("/nope"), get_children("/"), get_children("/hidden"))
    results = results_of(pipeline.read(SESSION, OpCode.MULTI_READ, body))
    assert [(kind, err) for kind, err, _ in results] == [
        (OpCode.GET_DATA, 0),
        (OpCode.ERROR, ErrorCode.NO_NODE),
        (OpCode.GET_CHILDREN, 0),
        (OpCode.ERROR, ErrorCode.NO_AUTH),
    ]
    assert GetDataResponse.parse(results[0][2] or b"").data == b"data"
    assert GetChildrenResponse.parse(results[2][2] or b"").children == ("zookeeper", "a", "hidden")
    assert pipeline.tree.watches.empty


def test_an_empty_multi_read_has_no_results(pipeline: Pipeline) -> None:
    assert pipeline.read(SESSION, OpCode.MULTI_READ, END) == END


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (multi_body(create("/b")), END),  # a write: refused with an empty list behind the header
        (multi_body((OpCode.EXISTS, ExistsRequest("/a", False))), b""),
        (multi_body(get_data("/a"), create("/b")), b""),
        (multi_body(get_data("/a"))[:-1], b""),
        (b"", b""),
        (multi_body(get_data(None)), END),
    ],
)
def test_what_may_not_stand_in_a_multi_read_refuses_it(
    pipeline: Pipeline, body: bytes, answer: bytes
) -> None:
    with pytest.raises(MarshallingError) as caught:
        pipeline.read(SESSION, OpCode.MULTI_READ, body)
    assert caught.value.body == answer
    assert "/b" not in pipeline.tree.nodes


def test_a_null_path_ends_a_multi_read_with_what_was_read_before(pipeline: Pipeline) -> None:
    with pytest.raises(MarshallingError) as caught:
        pipeline.read(SESSION, OpCode.MULTI_READ, multi_body(get_data("/a"), get_data(None), get_data("/a")))
    assert [kind for kind, _, _ in results_of(caught.value.body)] == [OpCode.GET_DATA]


# --- the wire form, in general --------------------------------------------------------------------------

WRITES = st.lists(
    st.sampled_from(
        [
            create("/x"),
            create2("/x"),
            delete("/x"),
            set_data("/x", None),
            check("/x", 3),
            create("/y", flags=3),
        ]
    ),
    max_size=5,
)


@given(WRITES)
def test_what_is_encoded_is_decoded_again(operations: list[tuple[OpCode, Record]]) -> None:
    decoded = list(decode_operations(multi_body(*operations), OPERATIONS))
    assert [(op.opcode, record) for op, record, _ in decoded] == operations
    assert [raw for _, _, raw in decoded] == [record.encode() for _, record in operations]


@given(WRITES, st.data())
def test_mutilated_bodies_are_decoded_or_refused_and_nothing_else(
    operations: list[tuple[OpCode, Record]], data: st.DataObject
) -> None:
    body = bytearray(multi_body(*operations))
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(body) - 1))
        body[position] = data.draw(st.integers(0, 255))
    outcome: Any
    try:
        outcome = list(decode_operations(bytes(body[: data.draw(st.integers(0, len(body)))]), OPERATIONS))
    except KeeperError as error:
        outcome = error
    assert isinstance(outcome, (list, MarshallingError))
