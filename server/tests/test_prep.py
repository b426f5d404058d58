"""Preparation gives zxids, times and sessions, and turns failures into error txns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoolet.jute.codes import ErrorCode, OpCode
from zoolet.jute.data import ACL, OPEN_ACL, Id
from zoolet.jute.proto import CreateRequest
from zoolet.jute.txn import CreateTxn, ErrorTxn, TxnDigest, TxnHeader
from zoolet.server.database import decode_payload
from zoolet.server.errors import KeeperError
from zoolet.server.tests.pipeline import START_MS, Client, Pipeline, check_tree, create, delete, multi_body
from zoolet.server.versions import next_version

SESSION = 0x0100000000000001


@pytest.fixture
def pipeline() -> Pipeline:
    pipeline = Pipeline()
    pipeline.open_session(SESSION)
    return pipeline


def test_zxids_count_up_over_successes_and_failures(pipeline: Pipeline) -> None:
    zxids = [
        pipeline.submit(SESSION, *operation).zxid
        for operation in (create("/a"), create("/a"), delete("/nope"), create("/b"))
    ]
    assert zxids == [2, 3, 4, 5]
    pipeline.apply_all()
    assert pipeline.tree.last_processed_zxid == 5


def test_a_txn_is_logged_with_its_header_record_and_digest(pipeline: Pipeline) -> None:
    request = pipeline.submit(SESSION, *create("/a", b"data"))
    header, txn, digest = decode_payload(pipeline.payloads[-1])
    assert header == TxnHeader(SESSION, 1, 2, START_MS + 2, OpCode.CREATE)
    assert txn == CreateTxn("/a", b"data", OPEN_ACL, False, 1)
    assert request.digest is not None
    assert digest == TxnDigest(2, request.digest)


def test_a_failed_write_is_logged_as_an_error_without_a_digest(pipeline: Pipeline) -> None:
    request = pipeline.submit(SESSION, *delete("/nope"))
    header, txn, digest = decode_payload(pipeline.payloads[-1])
    assert (header.type, header.zxid) == (OpCode.ERROR, 2)
    assert txn == ErrorTxn(ErrorCode.NO_NODE)
    assert digest is None
    assert (request.error, request.txn_type) == (ErrorCode.NO_NODE, OpCode.ERROR)


def test_a_failed_multi_is_logged_as_a_multi_with_a_digest(pipeline: Pipeline) -> None:
    pipeline.submit(SESSION, OpCode.MULTI, multi_body(create("/a"), delete("/nope")))
    header, _, digest = decode_payload(pipeline.payloads[-1])
    assert header.type == OpCode.MULTI
    assert digest is not None


def test_without_digests_none_is_logged() -> None:
    pipeline = Pipeline(digest_enabled=False)
    pipeline.open_session(SESSION)
    pipeline.submit(SESSION, *create("/a"))
    assert all(decode_payload(payload)[2] is None for payload in pipeline.payloads)


def test_create2_is_logged_under_its_own_number(pipeline: Pipeline) -> None:
    pipeline.submit(SESSION, OpCode.CREATE2, CreateRequest("/a", b"", OPEN_ACL, 0))
    assert decode_payload(pipeline.payloads[-1])[0].type == OpCode.CREATE2


TEXTS = st.sampled_from(
    ("world", "anyone", "digest", "a:b", "ip", "10.0.0.1", "auth", "", "\u00e4\ufffd", None)
)
ACLS = st.none() | st.lists(st.builds(ACL, st.integers(0, 40), st.builds(Id, TEXTS, TEXTS)), max_size=3).map(
    tuple
)
CREATES = st.builds(
    CreateRequest,
    st.sampled_from(("/a", "/a/b", "/\u6f22", "/", "/a/", "//", "", None)),
    st.none() | st.binary(max_size=5),
    st.just(OPEN_ACL) | ACLS,
    st.integers(-1, 7),
)


@given(
    st.lists(st.tuples(st.sampled_from((OpCode.CREATE, OpCode.CREATE2)), CREATES), max_size=6), st.booleans()
)
def test_what_is_logged_is_what_will_be_applied(
    creates: list[tuple[OpCode, CreateRequest]], in_one_multi: bool
) -> None:
    """`submit` compares the two; the bytes of the log may be those of the request."""
    pipeline = Pipeline()
    pipeline.open_session(SESSION)
    client = Client(SESSION, (Id("ip", "127.0.0.1"), Id("digest", "bob:hash")))
    if in_one_multi:
        pipeline.run(client, OpCode.MULTI, multi_body(*creates))
    else:
        for opcode, record in creates:
            pipeline.run(client, opcode, record)
    check_tree(pipeline.tree)
    assert pipeline.database.digest_mismatches == 0


def test_malformed_text_in_an_acl_is_the_same_after_a_restart(pipeline: Pipeline) -> None:
    """The request's bytes may go to the log as they are; both readings must agree."""
    acl = b"\0\0\0\1" + b"\0\0\0\x1f" + b"\0\0\0\6digest" + b"\0\0\0\5b\xff:\xc0x"
    body = b"\0\0\0\2/a" + b"\0\0\0\0" + acl + b"\0\0\0\0"
    request = pipeline.run(SESSION, OpCode.CREATE, body)
    assert request.error == 0
    assert pipeline.tree.get("/a").acl == (ACL(31, Id("digest", "b\ufffd:\ufffdx")),)


def test_a_txn_that_could_not_be_read_back_is_refused(pipeline: Pipeline) -> None:
    """ZOOKEEPER-4306: the reader has a limit, so the writer has it too."""
    digest = pipeline.changes.digest
    data = bytes(pipeline.context.txn_bytes_max)
    request = pipeline.run(SESSION, *create("/a", data))
    assert request.error == ErrorCode.MARSHALLING_ERROR
    assert pipeline.changes.digest == pipeline.tree.digest == digest
    assert not list(pipeline.changes)
    assert len(pipeline.payloads[-1]) < 100
    assert pipeline.run(SESSION, *create("/a", data[:-1000])).error == 0


# --- versions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("current", "expected", "new"),
    [(0, -1, 1), (0, 0, 1), (7, 7, 8), (-1, -1, 0), (2**31 - 1, -1, -(2**31)), (-(2**31), -1, 1 - 2**31)],
)
def test_the_next_version_counts_up_and_wraps(current: int, expected: int, new: int) -> None:
    assert next_version(current, expected, "/a") == new


@pytest.mark.parametrize(("current", "expected"), [(0, 1), (0, -2), (5, 4), (5, 6), (-1, 0)])
def test_another_version_than_expected_is_a_bad_version(current: int, expected: int) -> None:
    with pytest.raises(KeeperError) as caught:
        next_version(current, expected, "/a")
    assert caught.value.code == ErrorCode.BAD_VERSION
