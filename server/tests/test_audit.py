"""The audit log: one line for everything that a client changed or tried to, as Java 3.9 writes it."""

from __future__ import annotations

import logging
import re
from struct import pack

import pytest
from zoolet.jute.codes import OpCode, Perms
from zoolet.jute.data import ACL, OPEN_ACL, WORLD, Id
from zoolet.jute.proto import AuthPacket, CreateRequest, DeleteRequest, SetACLRequest
from zoolet.server.audit import server_failed, server_started, server_stopped
from zoolet.server.process_facts import user_name
from zoolet.server.tests.harness import Client, Server
from zoolet.server.tests.pipeline import multi_body


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The lines since the last time, without the tabs; the session shows as S."""
    found = [
        record.getMessage().replace("\t", " ") for record in caplog.records if record.name == "zoolet.audit"
    ]
    caplog.clear()
    return [re.sub("session=[^ ]*", "session=S", line) for line in found]


@pytest.fixture
def client(caplog: pytest.LogCaptureFixture) -> Client:
    """A client of a server with an audit log."""
    caplog.set_level(logging.INFO, "zoolet.audit")
    return Server(audit_enabled=True).connected()


WHO = "session=S user=127.0.0.1 ip=127.0.0.1"


def test_what_was_done_and_what_was_not(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.create("/a")
    client.create("/a")
    client.create("/a/s", flags=3)
    client.set_data("/a", b"secret")
    client.set_data("/a", b"secret", version=7)
    client.call(OpCode.DELETE, DeleteRequest("/a", -1))
    assert told(caplog) == [
        f"{WHO} operation=create znode=/a znode_type=persistent result=success",
        f"{WHO} operation=create znode=/a znode_type=persistent result=failure",
        f"{WHO} operation=create znode=/a/s0000000000 znode_type=ephemeral_sequential result=success",
        f"{WHO} operation=setData znode=/a result=success",
        f"{WHO} operation=setData znode=/a result=failure",
        f"{WHO} operation=delete znode=/a result=failure",
    ]


def test_failures_are_errors(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.create("/a")
    client.create("/a")
    levels = [record.levelname for record in caplog.records if record.name == "zoolet.audit"]
    assert levels == ["INFO", "ERROR"]


def test_fields_are_separated_by_tabs(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.create("/a")
    [record] = [record for record in caplog.records if record.name == "zoolet.audit"]
    assert record.getMessage() == (
        f"session=0x{client.session_id:x}\tuser=127.0.0.1\tip=127.0.0.1\toperation=create\tznode=/a"
        "\tznode_type=persistent\tresult=success"
    )


def test_reads_are_not_told(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.get_data("/")
    client.exists("/nope", watch=True)
    client.call(OpCode.SYNC, pack(">i", 1) + b"/")
    assert told(caplog) == []


def test_users_and_acls_show_no_hash(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.send(client.request(OpCode.AUTH, AuthPacket(0, "digest", b"bob:hush"), xid=-4))
    client.take_frames()
    acl = (ACL(Perms.ALL, Id("digest", "bob:aGFzaA==")), ACL(Perms.READ, WORLD))
    client.create("/a", acl=OPEN_ACL)
    told(caplog)
    client.call(OpCode.SET_ACL, SetACLRequest("/a", acl, -1))
    [line] = told(caplog)
    assert "operation=setAcl znode=/a acl=digest:bob:x:cdrwaworld:anyone:r result=success" in line
    assert "bob" in line.split()[1]
    assert "hush" not in line
    assert "aGFzaA" not in line


def test_a_multi_is_told_operation_by_operation(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    create = CreateRequest("/m", b"", OPEN_ACL, 0)
    delete = DeleteRequest("/m", -1)
    client.call(OpCode.MULTI, multi_body((OpCode.CREATE, create), (OpCode.DELETE, delete)))
    assert told(caplog) == [
        f"{WHO} operation=create znode=/m znode_type=persistent result=success",
        f"{WHO} operation=delete znode=/m result=success",
    ]
    client.call(OpCode.MULTI, multi_body((OpCode.CREATE, create), (OpCode.CREATE, create)))
    assert told(caplog) == [f"{WHO} operation=multiOperation result=failure"]


def test_ephemerals_that_go_with_their_session(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.create("/e", flags=1)
    told(caplog)
    client.call(OpCode.CLOSE_SESSION)
    operation = "operation=ephemeralZNodeDeletionOnSessionCloseOrExpire"
    assert told(caplog) == [f"session=S user={user_name()} {operation} znode=/e result=success"]


def test_a_path_cannot_forge_a_line(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.create("/a\n\tuser=root")
    [line] = [record.getMessage() for record in caplog.records if record.name == "zoolet.audit"]
    assert "znode=/a\\u000a\\u0009user=root" in line
    assert "\n" not in line


def test_what_cannot_be_read_is_not_told_and_hurts_nobody(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    client.call(OpCode.CREATE, b"garbage")
    client.create("/a", flags=77)
    client.call(OpCode.MULTI, b"garbage")
    lines = told(caplog)
    assert all("result=failure" in line for line in lines)
    assert client.exists("/").err == 0


def test_start_and_stop(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "zoolet.audit")
    server_failed()
    server_started()
    server_stopped()
    assert told(caplog) == [
        f"user={user_name()} operation=serverStart result=failure",
        f"user={user_name()} operation=serverStart result=success",
        f"user={user_name()} operation=serverStop result=invoked",
    ]


def test_without_it_nothing_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "zoolet.audit")
    server = Server()
    client = server.connected()
    client.create("/e", flags=1)
    client.call(OpCode.CLOSE_SESSION)
    assert told(caplog) == []
    assert server.tree.on_ephemeral_gone is None
