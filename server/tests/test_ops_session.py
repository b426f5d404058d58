"""createSession, closeSession, ping, sync, whoAmI."""

from __future__ import annotations

import pytest
from zoolet.jute.codes import ErrorCode, OpCode
from zoolet.jute.data import ClientInfo, Id
from zoolet.jute.proto import SyncRequest, WhoAmIResponse
from zoolet.jute.txn import CloseSessionTxn, CreateSessionTxn
from zoolet.server.tests.pipeline import Client, Pipeline, check_tree, create

SESSION = 0x0100000000000001
OTHER = 0x0100000000000002


@pytest.fixture
def pipeline() -> Pipeline:
    pipeline = Pipeline()
    for session in (SESSION, OTHER):
        pipeline.open_session(session)
    return pipeline


def test_a_session_is_tracked_when_prepared_and_known_when_applied() -> None:
    pipeline = Pipeline()
    request = pipeline.submit(SESSION, OpCode.CREATE_SESSION, CreateSessionTxn(4000))
    assert request.txn == CreateSessionTxn(4000)
    assert request.digest == pipeline.tree.digest
    assert SESSION in pipeline.sessions.sessions
    assert pipeline.database.sessions == {}
    pipeline.apply_all()
    assert pipeline.database.sessions == {SESSION: 4000}


def test_the_end_of_a_session_lists_its_ephemerals_and_takes_them(pipeline: Pipeline) -> None:
    for path in ("/e1", "/e2"):
        pipeline.create(path, flags=1, session=SESSION)
    pipeline.create("/e3", flags=1, session=OTHER)
    request = pipeline.run(SESSION, OpCode.CLOSE_SESSION, None)
    assert request.txn == CloseSessionTxn(("/e1", "/e2"))
    assert sorted(pipeline.tree.get("/").children or ()) == ["e3", "zookeeper"]
    assert pipeline.tree.get("/").stat().pzxid == request.zxid
    assert pipeline.database.sessions == {OTHER: 4000}
    check_tree(pipeline.tree)


def test_the_list_may_be_left_out_of_the_log() -> None:
    """`closeSessionTxn.enabled=false`."""
    pipeline = Pipeline(close_session_lists_paths=False)
    pipeline.open_session(SESSION)
    pipeline.create("/e", flags=1, session=SESSION)
    request = pipeline.run(SESSION, OpCode.CLOSE_SESSION, None)
    assert request.txn is None
    assert "/e" not in pipeline.tree.nodes
    check_tree(pipeline.tree)


def test_a_closing_session_can_do_no_more(pipeline: Pipeline) -> None:
    pipeline.submit(SESSION, OpCode.CLOSE_SESSION, None)
    assert pipeline.submit(SESSION, *create("/a")).error == ErrorCode.SESSION_EXPIRED
    assert pipeline.submit(OTHER, *create("/b")).error == 0
    pipeline.apply_all()


def test_the_session_is_forgotten_once_its_end_is_applied(pipeline: Pipeline) -> None:
    pipeline.submit(SESSION, OpCode.CLOSE_SESSION, None)
    assert SESSION in pipeline.sessions.sessions
    pipeline.apply_all()
    assert SESSION not in pipeline.sessions.sessions


def test_sync_takes_no_zxid_and_writes_nothing(pipeline: Pipeline) -> None:
    client = Client(SESSION)
    logged, zxid = len(pipeline.payloads), pipeline.tree.last_processed_zxid
    pipeline.run(client, OpCode.SYNC, SyncRequest("/any"))
    assert client.answers == [(0, b"\0\0\0\4/any")]
    assert (len(pipeline.payloads), pipeline.tree.last_processed_zxid) == (logged, zxid)


def test_a_ping_is_answered_with_nothing(pipeline: Pipeline) -> None:
    assert pipeline.read(SESSION, OpCode.PING, None) == b""


def test_who_am_i_lists_the_identities_without_their_secrets(pipeline: Pipeline) -> None:
    identities = (Id("ip", "127.0.0.1"), Id("digest", "bob:hash"), Id("super", ""), Id("unheard", "of"))
    body = pipeline.read(Client(SESSION, identities), OpCode.WHO_AM_I, None)
    assert WhoAmIResponse.parse(body).clientInfo == (
        ClientInfo("ip", "127.0.0.1"),
        ClientInfo("digest", "bob"),
        ClientInfo("super", ""),
        ClientInfo("unheard", ""),
    )
