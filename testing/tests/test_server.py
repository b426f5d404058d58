"""`zoolet.testing.Server`: a server inside the test's process that behaves, and leaves nothing behind."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError
from zoolet.jute.codes import CreateMode, OpCode
from zoolet.jute.data import ACL, Id
from zoolet.jute.framing import frame
from zoolet.jute.proto import ConnectRequest, CreateRequest, RequestHeader
from zoolet.server.config import ConfigError
from zoolet.storage.errors import DirectoryInUse, StorageError
from zoolet.testing import Server
from zoolet.testing.tests.words import ask

TIMEOUT_S = 10.0


class Clients:
    """Makes connected kazoo clients and closes them after the test."""

    def __init__(self) -> None:
        self._made: list[Any] = []

    def __call__(self, server: Server, **settings: Any) -> Any:
        client = KazooClient(server.connect_string, **{"timeout": TIMEOUT_S, **settings})
        client.start(timeout=TIMEOUT_S)
        self._made.append(client)
        return client

    def close(self) -> None:
        for client in self._made:
            client.stop()
            client.close()


@pytest.fixture
def connect() -> Iterator[Clients]:
    clients = Clients()
    yield clients
    clients.close()


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


# --- life and death ---------------------------------------------------------------------------------------


def test_clients_can_connect_as_soon_as_it_has_started(connect: Clients) -> None:
    with Server() as server:
        assert server.connect_string == f"127.0.0.1:{server.port}"
        assert server.is_running
        client = connect(server)
        client.create("/a", b"x")
        assert client.get("/a")[0] == b"x"


def test_it_leaves_no_thread_no_file_and_no_folder() -> None:
    Server().start().close()  # what Python and trio keep once and for all
    threads, files = threading.active_count(), open_files()
    for _ in range(3):
        with Server() as server:
            assert ask(server.port, b"ruok") == "imok"
            folder = server.data_dir
            assert folder.is_dir()
        assert not folder.exists()
    assert (threading.active_count(), open_files()) == (threads, files)


def test_a_folder_of_the_caller_is_kept_and_used_again(connect: Clients, tmp_path: Path) -> None:
    with Server(data_dir=tmp_path) as server:
        assert server.data_dir == tmp_path
        connect(server).create("/a", b"kept")
    with Server(data_dir=tmp_path) as server:
        assert connect(server).get("/a")[0] == b"kept"
    assert (tmp_path / "version-2").is_dir()


def test_restart_keeps_port_data_and_sessions(connect: Clients) -> None:
    with Server() as server:
        client = connect(server)
        port, session = server.port, client.client_id
        client.create("/a", b"x", ephemeral=True)
        server.restart()
        assert server.port == port
        assert client.retry(client.get, "/a")[0] == b"x"
        assert client.client_id == session


def test_stop_and_start_again_at_once(connect: Clients) -> None:
    """A client's connection is open when the port is bound again."""
    with Server() as server:
        connect(server).create("/a")
        for _ in range(5):
            server.stop()
            assert not server.is_running
            server.start()
        assert connect(server).exists("/a")


def test_while_it_is_stopped_nobody_answers_and_nobody_gets_the_port() -> None:
    with Server() as server:
        server.stop()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port), TIMEOUT_S)
        with socket.socket() as thief, pytest.raises(OSError, match="in use"):
            thief.bind(("127.0.0.1", server.port))
        server.start()
        assert ask(server.port, b"ruok") == "imok"


def test_stop_and_close_may_be_repeated() -> None:
    server = Server().start()
    for _ in range(2):
        server.stop()
    for _ in range(2):
        server.close()


def test_it_says_what_it_is() -> None:
    server = Server()
    assert repr(server) == f"<zoolet.testing.Server 127.0.0.1:{server.port} stopped>"
    with server:
        assert repr(server).endswith(" running>")
    assert repr(server).endswith(" closed>")


# --- kill -------------------------------------------------------------------------------------------------


def test_what_was_acknowledged_survives_a_kill(connect: Clients) -> None:
    with Server() as server:
        client = connect(server)
        for number in range(50):
            client.create(f"/{number}", b"x" * number)
        server.kill()
        assert not server.is_running
        server.start()
        after = connect(server)
        assert [after.get(f"/{number}")[0] for number in range(50)] == [b"x" * number for number in range(50)]


def test_a_kill_tells_nobody_goodbye(connect: Clients) -> None:
    """The session and its ephemeral node are there after the restart, and the client comes back to them."""
    with Server() as server:
        client = connect(server)
        client.create("/e", ephemeral=True)
        session = client.client_id
        server.kill()
        server.start()
        assert connect(server).exists("/e").ephemeralOwner == session[0]
        assert client.retry(client.exists, "/e")
        assert client.client_id == session


def test_a_killed_server_leaves_nothing_behind() -> None:
    Server().start().close()
    threads, files = threading.active_count(), open_files()
    server = Server().start()
    server.kill()
    server.close()
    assert not server.data_dir.exists()
    assert (threading.active_count(), open_files()) == (threads, files)


# --- settings ---------------------------------------------------------------------------------------------


def test_settings_may_be_fields_or_keys() -> None:
    with Server(tick_time_ms=50, max_session_timeout_ms=700, properties={"minSessionTimeout": 300}) as server:
        lines = ask(server.port, b"conf").splitlines()
    assert {"tickTime=50", "minSessionTimeout=300", "maxSessionTimeout=700"} <= set(lines)


def test_sessions_expire_quickly_when_asked_to(connect: Clients) -> None:
    with Server(tick_time_ms=20) as server:
        watcher = connect(server)
        gone = threading.Event()
        # A client that makes an ephemeral node and is never heard of again.
        with socket.create_connection(("127.0.0.1", server.port), TIMEOUT_S) as silent:
            for record in (
                ConnectRequest(0, 0, 100, 0, b"", False).encode(),
                RequestHeader(1, OpCode.CREATE).encode()
                + CreateRequest("/e", b"", (ACL(31, Id("world", "anyone")),), CreateMode.EPHEMERAL).encode(),
            ):
                silent.sendall(frame(record))
                silent.recv(4096)
            assert watcher.exists("/e", watch=lambda event: gone.set())
            assert gone.wait(TIMEOUT_S)
        assert watcher.exists("/e") is None


@pytest.mark.parametrize(
    "settings", [{"snap_cuont": 1}, {"properties": {"snapCuont": 1}}, {"tick_time_ms": 0}]
)
def test_a_setting_that_makes_no_sense_is_an_error_and_leaves_nothing(settings: dict[str, Any]) -> None:
    files = open_files()
    with pytest.raises(ConfigError):
        Server(**settings)
    assert open_files() == files


# --- errors -----------------------------------------------------------------------------------------------


def test_a_taken_port_is_an_error_in_the_caller() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        pytest.raises(OSError, match=r"in use: 127\.0\.0\.1:\d+"),
    ):
        Server(port=other.getsockname()[1])


def test_an_error_at_start_is_raised_in_the_caller(tmp_path: Path) -> None:
    threads = threading.active_count()
    with Server(data_dir=tmp_path) as first:
        second = Server(data_dir=tmp_path)
        with pytest.raises(DirectoryInUse):
            second.start()
        assert not second.is_running
        first.stop()
        assert ask(second.start().port, b"ruok") == "imok"
        second.close()
    assert threading.active_count() == threads


def test_a_with_block_that_cannot_start_cleans_up(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    files = open_files()
    with pytest.raises(StorageError), Server(data_dir=tmp_path / "file"):
        pass
    assert open_files() == files


def test_what_cannot_be_is_said() -> None:
    server = Server()
    with server, pytest.raises(RuntimeError, match="already running"):
        server.start()
    with pytest.raises(RuntimeError, match="closed"):
        server.start()


# --- several at once --------------------------------------------------------------------------------------


def test_servers_in_one_process_do_not_disturb_each_other(connect: Clients) -> None:
    with Server() as first, Server() as second:
        assert first.port != second.port
        connect(first).create("/first")
        client = connect(second)
        client.create("/second")
        with pytest.raises(NoNodeError):
            client.get("/first")
        first.kill()
        assert client.get("/second")[0] == b""
        first.start()
        assert connect(first).exists("/first")


def test_the_package_is_imported_without_the_server() -> None:
    code = (
        "import sys, zoolet.testing, zoolet.testing.plugin;"
        "bad = {'trio', 'kazoo', 'zoolet.server', 'construct'} & set(sys.modules);"
        "sys.exit(str(bad) if bad else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
