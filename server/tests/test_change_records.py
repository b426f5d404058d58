"""Preparation runs ahead: what it predicts is what application makes, however far behind that is.

The state machine prepares random creates, deletes, changes, multis and session ends, applies them later in
random lumps, and compares every node and digest with what was predicted when the request was prepared.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from zoolet.jute.codes import ErrorCode, OpCode
from zoolet.jute.data import ACL, OPEN_ACL, READ_ACL, Id
from zoolet.jute.proto import CheckVersionRequest, CreateRequest
from zoolet.server.change_records import ChangeRecord, OutstandingChanges
from zoolet.server.data_node import DataNode
from zoolet.server.data_tree import DataTree
from zoolet.server.errors import NoNode
from zoolet.server.ops.multi import PreparedMulti
from zoolet.server.request import Request
from zoolet.server.tests.pipeline import (
    Pipeline,
    check_tree,
    create,
    delete,
    multi_body,
    set_acl,
    set_data,
)

SESSIONS = (0x0100000000000001, 0x0100000000000002)
BOB = (ACL(31, Id("digest", "bob:hash")), ACL(31, Id("world", "anyone")))

Facts = tuple[Any, ...] | None


def facts_of(node: ChangeRecord | DataNode) -> Facts:
    return (
        node.data,
        tuple(node.acl),
        node.czxid,
        node.mzxid,
        node.ctime,
        node.mtime,
        node.version,
        node.cversion,
        node.aversion,
        node.ephemeral_owner,
        node.pzxid,
        node.child_count,
    )


def predicted(changes: OutstandingChanges, path: str) -> Facts:
    """What preparation thinks of a node; None for a missing one."""
    try:
        return facts_of(changes.view(path))
    except NoNode:
        return None


# --- single steps ---------------------------------------------------------------------------------------


@pytest.fixture
def pipeline() -> Pipeline:
    pipeline = Pipeline()
    pipeline.open_session(SESSIONS[0])
    return pipeline


def submit(pipeline: Pipeline, operation: tuple[OpCode, Any]) -> Request:
    return pipeline.submit(SESSIONS[0], *operation)


def test_the_view_is_of_the_outstanding_change_then_of_the_tree(pipeline: Pipeline) -> None:
    changes = pipeline.changes
    submit(pipeline, create("/a", b"one"))
    submit(pipeline, set_data("/a", b"two"))
    assert changes.exists("/a")
    assert "/a" not in pipeline.tree.nodes
    assert (changes.view("/a").data, changes.view("/a").version) == (b"two", 1)
    assert changes.view("").child_count == 2
    submit(pipeline, delete("/a"))
    assert not changes.exists("/a")
    with pytest.raises(NoNode):
        changes.view("/a")
    pipeline.apply_next()
    assert "/a" in pipeline.tree.nodes
    assert not changes.exists("/a")
    pipeline.apply_all()
    assert not list(changes)
    check_tree(pipeline.tree)


def test_both_names_of_the_root_lead_to_one_record(pipeline: Pipeline) -> None:
    """setData on `/` and a create below it, outstanding together, change the same node."""
    digests = []
    for operation in (set_data("/", b"root"), create("/a"), set_data("/", b"again"), delete("/a")):
        digests.append(submit(pipeline, operation).digest)
    assert pipeline.changes.view("/").data == pipeline.changes.view("").data == b"again"
    for digest in digests:
        pipeline.apply_next()
        check_tree(pipeline.tree)
        assert pipeline.tree.digest == digest
    assert pipeline.tree.get("/").version == 2


def test_sequence_numbers_count_outstanding_creates(pipeline: Pipeline) -> None:
    names = [submit(pipeline, create("/s-", flags=2)).txn.path for _ in range(3)]
    submit(pipeline, delete(names[0]))
    names.append(submit(pipeline, create("/s-", flags=2)).txn.path)
    assert names == [f"/s-{number:010d}" for number in range(4)]


def test_a_failed_multi_leaves_no_trace(pipeline: Pipeline) -> None:
    submit(pipeline, create("/a"))
    changes = pipeline.changes
    before = (changes.digest, list(changes), dict(changes.by_path), changes.ephemerals_of(SESSIONS[0]))
    body = multi_body(
        create("/b"),
        create("/b/c", flags=0),
        set_data("/a"),
        set_data("/b"),
        create("/e", flags=1),
        delete("/b/c"),
        delete("/nope"),
        create("/d"),
    )
    failed = submit(pipeline, (OpCode.MULTI, body))
    assert isinstance(failed.txn, PreparedMulti)
    assert failed.error == 0
    assert failed.digest == changes.digest
    assert before == (
        changes.digest,
        list(changes),
        dict(changes.by_path),
        changes.ephemerals_of(SESSIONS[0]),
    )
    pipeline.apply_all()
    assert sorted(pipeline.tree.nodes["/"].children or ()) == ["a", "zookeeper"]
    check_tree(pipeline.tree)


def test_a_multi_sees_its_own_earlier_operations(pipeline: Pipeline) -> None:
    body = multi_body(
        create("/a", b"one"),
        create("/a/b"),
        set_data("/a", b"two", version=0),
        (OpCode.CHECK, CheckVersionRequest("/a", 1)),
        delete("/a/b"),
        create("/a/b", b"second"),
    )
    request = submit(pipeline, (OpCode.MULTI, body))
    expected = {path: predicted(pipeline.changes, path) for path in ("", "/a", "/a/b")}
    pipeline.apply_all()
    assert {path: facts_of(pipeline.tree.get(path)) for path in expected} == expected
    assert pipeline.tree.digest == request.digest
    check_tree(pipeline.tree)


def test_ephemerals_are_found_applied_or_not(pipeline: Pipeline) -> None:
    first, second = SESSIONS
    pipeline.open_session(second)
    pipeline.create("/applied", flags=1, session=first)
    pipeline.create("/deleted", flags=1, session=first)
    pipeline.submit(first, OpCode.CREATE, CreateRequest("/outstanding", b"", OPEN_ACL, 1))
    pipeline.submit(second, *create("/others", flags=1))
    pipeline.submit(second, *delete("/deleted"))
    pipeline.submit(second, *create("/deleted", flags=1))
    changes = pipeline.changes
    assert changes.ephemerals_of(first) == ["/applied", "/outstanding"]
    assert sorted(changes.ephemerals_of(second)) == ["/deleted", "/others"]
    pipeline.apply_all()
    assert changes.ephemerals_of(first) == ["/applied", "/outstanding"]
    assert sorted(changes.ephemerals_of(second)) == ["/deleted", "/others"]
    assert changes.ephemerals_of(99) == []


def test_a_preparation_that_breaks_off_leaves_no_trace(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug in a handler must not leave half of its changes behind for the next request to build on."""
    submit(pipeline, create("/a"))
    changes = pipeline.changes
    before = (changes.digest, list(changes), dict(changes.by_path))
    create_record = OutstandingChanges.create

    def breaks_off(self: OutstandingChanges, *arguments: Any) -> None:
        create_record(self, *arguments)
        raise ZeroDivisionError

    monkeypatch.setattr(OutstandingChanges, "create", breaks_off)
    for operation in (create("/b"), (OpCode.MULTI, multi_body(set_data("/a"), create("/a/b")))):
        request = submit(pipeline, operation)
        assert request.error == ErrorCode.MARSHALLING_ERROR
        assert request.txn_type == OpCode.ERROR
        assert before == (changes.digest, list(changes), dict(changes.by_path))
    monkeypatch.undo()
    submit(pipeline, create("/b"))
    pipeline.apply_all()
    check_tree(pipeline.tree)


# --- random stories -------------------------------------------------------------------------------------

PATHS = st.sampled_from(("/a", "/b", "/a/x", "/a/y", "/a/x/1", "/b/z"))
ROOT_OR_PATHS = st.just("/") | PATHS
DATA = st.sampled_from((None, b"", b"one", b"two"))
VERSIONS = st.sampled_from((-1, -1, -1, 0, 1, 2))
ACLS = st.sampled_from((OPEN_ACL, READ_ACL, BOB))
OPERATIONS = st.one_of(
    st.builds(create, PATHS, DATA, st.sampled_from((0, 0, 1, 2, 3))),
    st.builds(create, PATHS, DATA, st.just(0)),
    st.builds(delete, PATHS, VERSIONS),
    st.builds(set_data, ROOT_OR_PATHS, DATA, VERSIONS),
)


class PreparationMachine(RuleBasedStateMachine):
    """Requests prepared ahead of their application by a random lag."""

    def __init__(self) -> None:
        super().__init__()
        self.pipeline = Pipeline()
        self.expected: dict[int, tuple[int | None, dict[str, Facts]]] = {}

    @initialize()
    def open_sessions(self) -> None:
        for session in SESSIONS:
            self.pipeline.open_session(session)

    def prepare(self, session: int, opcode: OpCode, record: Any) -> Request:
        changes = self.pipeline.changes
        before = (changes.digest, list(changes), dict(changes.by_path))
        request = self.pipeline.submit(session, opcode, record)
        touched = {change.path for change in changes if change.zxid == request.zxid}
        self.expected[request.zxid] = (request.digest, {p: predicted(changes, p) for p in touched})
        if request.error or (isinstance(request.txn, PreparedMulti) and failed(request.txn)):
            assert before == (changes.digest, list(changes), dict(changes.by_path))
        return request

    @rule(session=st.sampled_from(SESSIONS), operation=OPERATIONS)
    def write(self, session: int, operation: tuple[OpCode, Any]) -> None:
        self.prepare(session, *operation)

    @rule(session=st.sampled_from(SESSIONS), operation=st.builds(set_acl, ROOT_OR_PATHS, ACLS, VERSIONS))
    def write_acl(self, session: int, operation: tuple[OpCode, Any]) -> None:
        self.prepare(session, *operation)

    @rule(session=st.sampled_from(SESSIONS), operations=st.lists(OPERATIONS, max_size=6))
    def multi(self, session: int, operations: list[tuple[OpCode, Any]]) -> None:
        request = self.prepare(session, OpCode.MULTI, multi_body(*operations))
        assert request.error == 0

    @rule(session=st.sampled_from(SESSIONS))
    def close_and_open_again(self, session: int) -> None:
        """The new session has the old one's id, which no server does; the chain must not care."""
        owned = self.pipeline.changes.ephemerals_of(session)
        request = self.prepare(session, OpCode.CLOSE_SESSION, None)
        assert sorted(request.txn.paths2Delete) == sorted(owned)
        assert self.pipeline.changes.ephemerals_of(session) == []
        self.apply(100)
        self.pipeline.open_session(session)

    @precondition(lambda self: self.pipeline.prepared)
    @rule(count=st.integers(1, 5))
    def apply(self, count: int) -> None:
        pipeline = self.pipeline
        for _ in range(min(count, len(pipeline.prepared))):
            request = pipeline.apply_next()
            digest, nodes = self.expected.pop(request.zxid)
            for path, facts in nodes.items():
                node = pipeline.tree.nodes.get(path)
                assert (facts_of(node) if node is not None else None) == facts, path
            check_tree(pipeline.tree)
            if digest is not None:
                assert pipeline.tree.digest == digest
            assert pipeline.tree.last_processed_zxid == request.zxid
        assert pipeline.database.digest_mismatches == 0

    @invariant()
    def nothing_is_remembered_of_what_is_applied(self) -> None:
        changes = self.pipeline.changes
        waiting = {request.zxid for request in self.pipeline.prepared}
        assert {record.zxid for record in changes} <= waiting
        assert set(changes.by_path) == {record.path for record in changes}
        if not waiting:
            assert changes.digest == self.pipeline.tree.digest

    def teardown(self) -> None:
        if self.pipeline.prepared:
            self.apply(1000)


def failed(txn: PreparedMulti) -> bool:
    return any(operation.opcode == OpCode.ERROR for operation, _ in txn.ops)


TestPreparation = PreparationMachine.TestCase
TestPreparation.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)


def test_without_digests_none_is_predicted() -> None:
    pipeline = Pipeline(digest_enabled=False)
    assert pipeline.create("/a").digest is None
    assert pipeline.tree.digest == 0
    assert isinstance(pipeline.tree, DataTree)


def test_a_txn_that_broke_off_leaves_what_older_ones_have_done() -> None:
    """However many records it made, and however often of the same node."""
    changes = OutstandingChanges(DataTree.fresh())
    changes.create("/a", 1, 1, b"old", OPEN_ACL, 0)
    changes.create("/b", 2, 2, b"old", OPEN_ACL, 7)
    before, digest = list(changes), changes.digest
    for version in range(3):
        changed = changes.change("/a", 3, changes.view("/a"))
        changed.version = version
        changes.stamp(changed)
    changes.delete("/b", 3, changes.view("/b"))
    changes.create("/c", 3, 3, b"", OPEN_ACL, 7)
    changes.discard(3, digest)
    assert list(changes) == before
    assert changes.digest == digest
    assert changes.view("/a") is before[0]
    assert changes.view("/b") is before[1]
    assert not changes.exists("/c")
    assert changes.ephemerals_of(7) == ["/b"]
