"""kazoo and the life of its session: expiry, restart of the server, crash, reconnection."""

from __future__ import annotations

from collections.abc import Iterator
from queue import Queue
from typing import Any

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import SessionExpiredError
from kazoo.protocol.states import KazooState
from zoolet.jute.codes import OpCode
from zoolet.jute.data import ACL, Id
from zoolet.jute.proto import ConnectRequest, ConnectResponse, CreateRequest, RequestHeader

from ..conftest import NO_SYNC, StartServer
from ..differential.wire import Closed, FrameConnection
from ..server_process import ServerProcess
from .conftest import PATIENCE_S, QUICK_RETRY, NewClient


class States:
    """The states a client goes through, in order."""

    def __init__(self, client: Any) -> None:
        self._queue: Queue[str] = Queue()
        client.add_listener(self._queue.put)

    def expect(self, *states: str) -> None:
        """Wait for exactly these states."""
        for state in states:
            assert self._queue.get(timeout=PATIENCE_S) == state


def expire_session(server: ServerProcess, client: Any) -> None:
    """End a client's session behind its back: take it over on another connection and close it."""
    session_id, password = client.client_id
    with FrameConnection(server.port) as connection:
        connection.send_frames(ConnectRequest(0, 0, 10_000, session_id, password, False).encode())
        assert ConnectResponse.parse(connection.read_frame()).sessionId == session_id
        connection.send_frames(RequestHeader(1, OpCode.CLOSE_SESSION).encode())
        connection.read_frame()
        with pytest.raises(Closed):
            connection.read_frame()


@pytest.fixture
def own_server(new_subject: StartServer) -> Iterator[ServerProcess]:
    """A server that this test may stop and crash."""
    with new_subject(settings=NO_SYNC) as server:
        yield server


def test_an_expired_session_is_lost_and_replaced(
    client: Any, other: Any, path: str, subject: ServerProcess
) -> None:
    client.create(f"{path}/e", ephemeral=True)
    states = States(client)
    old_id = client.client_id[0]
    expire_session(subject, client)
    states.expect(KazooState.SUSPENDED, KazooState.LOST, KazooState.CONNECTED)
    assert client.client_id[0] != old_id
    assert other.get_children(path) == []
    client.create(f"{path}/e", ephemeral=True)


def test_a_session_survives_a_restart_of_the_server(own_server: ServerProcess) -> None:
    client = KazooClient(own_server.hosts, timeout=30.0, connection_retry=QUICK_RETRY)
    client.start(timeout=PATIENCE_S)
    try:
        client.create("/kept", b"data")
        client.create("/e", b"mine", ephemeral=True)
        client.create("/q")
        client.create("/q/s-", sequence=True)
        session_id = client.client_id[0]
        states = States(client)
        own_server.restart()
        states.expect(KazooState.SUSPENDED, KazooState.CONNECTED)
        assert client.client_id[0] == session_id
        assert client.get("/kept")[0] == b"data"
        assert client.get("/e")[1].ephemeralOwner == session_id
        assert client.create("/q/s-", sequence=True) == "/q/s-0000000001"
    finally:
        client.stop()
        client.close()


def test_a_session_survives_a_crash_of_the_server(own_server: ServerProcess) -> None:
    client = KazooClient(own_server.hosts, timeout=30.0, connection_retry=QUICK_RETRY)
    client.start(timeout=PATIENCE_S)
    try:
        client.create("/e", b"mine", ephemeral=True)
        states = States(client)
        own_server.kill()
        states.expect(KazooState.SUSPENDED)
        own_server.start()
        states.expect(KazooState.CONNECTED)
        assert client.get("/e")[1].ephemeralOwner == client.client_id[0]
    finally:
        client.stop()
        client.close()


def test_watchers_of_kazoo_see_what_happened_during_an_outage(own_server: ServerProcess) -> None:
    client = KazooClient(own_server.hosts, timeout=30.0, connection_retry=QUICK_RETRY)
    client.start(timeout=PATIENCE_S)
    try:
        values: Queue[bytes] = Queue()
        client.create("/x", b"1")

        def look(data: bytes, stat: Any) -> None:
            values.put(data)

        client.DataWatch("/x", look)
        assert values.get(timeout=PATIENCE_S) == b"1"
        own_server.restart()
        writer = KazooClient(own_server.hosts, connection_retry=QUICK_RETRY)
        writer.start(timeout=PATIENCE_S)
        writer.set("/x", b"2")
        writer.stop()
        writer.close()
        assert values.get(timeout=PATIENCE_S) == b"2"
    finally:
        client.stop()
        client.close()


def test_a_client_can_resume_a_session_by_id_and_password(
    client: Any, new_client: NewClient, path: str, subject: ServerProcess
) -> None:
    with FrameConnection(subject.port) as connection:
        connection.send_frames(ConnectRequest(0, 0, 20_000, 0, bytes(16), False).encode())
        opened = ConnectResponse.parse(connection.read_frame())
        node = CreateRequest(f"{path}/e", b"", (ACL(31, Id("world", "anyone")),), 1)
        connection.send_frames(RequestHeader(1, OpCode.CREATE).encode() + node.encode())
        connection.read_frame()
    resumed = new_client(client_id=(opened.sessionId, opened.passwd))
    assert resumed.client_id == (opened.sessionId, opened.passwd)
    assert client.exists(f"{path}/e").ephemeralOwner == opened.sessionId
    resumed.stop()
    assert client.exists(f"{path}/e") is None


def test_a_stopped_client_may_start_again(client: Any, path: str) -> None:
    client.create(f"{path}/e", ephemeral=True)
    client.stop()
    client.start(timeout=PATIENCE_S)
    assert client.get_children(path) == []


def test_calls_on_a_lost_session_fail(client: Any, path: str, subject: ServerProcess) -> None:
    states = States(client)
    expire_session(subject, client)
    states.expect(KazooState.SUSPENDED)
    try:
        client.retry(client.create, f"{path}/after")
    except SessionExpiredError:
        states.expect(KazooState.LOST, KazooState.CONNECTED)
        client.create(f"{path}/after")
    assert client.exists(f"{path}/after")
