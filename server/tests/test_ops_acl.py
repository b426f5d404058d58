"""getACL and setACL: what they answer, and which error wins."""

from __future__ import annotations

from typing import Any

import pytest
from zoolet.jute.codes import ErrorCode, OpCode, Perms
from zoolet.jute.data import ACL, OPEN_ACL, READ_ACL, Id, Stat
from zoolet.jute.proto import GetACLRequest, GetACLResponse
from zoolet.jute.txn import SetACLTxn
from zoolet.server.errors import KeeperError, MarshallingError, NoAuth, NoNode
from zoolet.server.tests.pipeline import Client, Pipeline, set_acl, set_data

SESSION = 0x0100000000000001
WORLD = Id("world", "anyone")
BOB = Id("digest", "bob:hash")
BOBS = (ACL(Perms.ALL, BOB), ACL(Perms.READ, WORLD))


@pytest.fixture
def pipeline() -> Pipeline:
    pipeline = Pipeline()
    pipeline.open_session(SESSION)
    pipeline.create("/a", session=SESSION)
    pipeline.create("/bobs", acl=BOBS, session=SESSION)
    pipeline.create("/closed", acl=(ACL(Perms.WRITE, WORLD),), session=SESSION)
    pipeline.create("/admin", acl=(ACL(Perms.ADMIN, WORLD),), session=SESSION)
    return pipeline


def get_acl(pipeline: Pipeline, path: str | None, client: Client | int = SESSION) -> GetACLResponse:
    return GetACLResponse.parse(pipeline.read(client, OpCode.GET_ACL, GetACLRequest(path)))


def test_get_acl_answers_acl_and_stat(pipeline: Pipeline) -> None:
    assert get_acl(pipeline, "/a") == GetACLResponse(OPEN_ACL, pipeline.tree.get("/a").stat())
    assert get_acl(pipeline, "/zookeeper/config").acl == READ_ACL
    assert get_acl(pipeline, "") == get_acl(pipeline, "/")


def test_hashes_are_shown_to_admins_only(pipeline: Pipeline) -> None:
    assert get_acl(pipeline, "/bobs").acl == (ACL(Perms.ALL, Id("digest", "bob:x")), ACL(Perms.READ, WORLD))
    assert get_acl(pipeline, "/bobs", Client(SESSION, (BOB,))).acl == BOBS


def test_admin_alone_is_enough_to_see(pipeline: Pipeline) -> None:
    assert get_acl(pipeline, "/admin").acl == (ACL(Perms.ADMIN, WORLD),)


@pytest.mark.parametrize(
    ("path", "error"), [(None, MarshallingError), ("/nope", NoNode), ("bad", NoNode), ("/closed", NoAuth)]
)
def test_get_acl_refuses(pipeline: Pipeline, path: str | None, error: type[KeeperError]) -> None:
    with pytest.raises(error):
        get_acl(pipeline, path)


def test_set_acl_answers_the_new_stat(pipeline: Pipeline) -> None:
    client = Client(SESSION)
    request = pipeline.run(client, *set_acl("/a", BOBS, 0))
    assert request.txn == SetACLTxn("/a", BOBS, 1)
    assert Stat.parse(client.answers[0][1]) == pipeline.tree.get("/a").stat()
    assert pipeline.tree.get("/a").stat().aversion == 1
    assert pipeline.tree.get("/a").acl == BOBS


def test_the_version_is_the_acls_not_the_datas(pipeline: Pipeline) -> None:
    pipeline.run(SESSION, *set_data("/a"))
    assert pipeline.error_of(SESSION, set_acl("/a", OPEN_ACL, 1)) == ErrorCode.BAD_VERSION
    assert pipeline.error_of(SESSION, set_acl("/a", OPEN_ACL, 0)) == 0
    assert pipeline.error_of(SESSION, set_acl("/a", OPEN_ACL, -1)) == 0
    assert pipeline.tree.get("/a").aversion == 2


def test_a_new_acl_counts_for_requests_right_behind_it(pipeline: Pipeline) -> None:
    pipeline.submit(SESSION, *set_acl("/a", READ_ACL))
    assert pipeline.submit(SESSION, *set_data("/a")).error == ErrorCode.NO_AUTH
    pipeline.apply_all()


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        (set_acl(None, None), ErrorCode.BAD_ARGUMENTS),
        (set_acl("bad", None), ErrorCode.BAD_ARGUMENTS),
        (set_acl("/a/", None), ErrorCode.BAD_ARGUMENTS),
        (set_acl("/nope", None), ErrorCode.INVALID_ACL),
        (set_acl("/nope", ()), ErrorCode.INVALID_ACL),
        (set_acl("/nope", (ACL(31, Id("digest", "bob")),)), ErrorCode.INVALID_ACL),
        (set_acl("/nope", (ACL(31, Id("ip", None)),)), ErrorCode.MARSHALLING_ERROR),
        (set_acl("/nope", OPEN_ACL, 99), ErrorCode.NO_NODE),
        (set_acl("/bobs", OPEN_ACL, 99), ErrorCode.NO_AUTH),
        (set_acl("/a", OPEN_ACL, 99), ErrorCode.BAD_VERSION),
        (set_acl("/a", OPEN_ACL, -2), ErrorCode.BAD_VERSION),
    ],
)
def test_the_first_error_of_set_acl_wins(
    pipeline: Pipeline, operation: tuple[OpCode, Any], error: ErrorCode
) -> None:
    digest = pipeline.tree.digest
    assert pipeline.error_of(SESSION, operation) == error
    assert pipeline.tree.digest == digest


def test_without_a_session_no_acl_is_set(pipeline: Pipeline) -> None:
    assert pipeline.error_of(99, set_acl("bad", None)) == ErrorCode.SESSION_EXPIRED
