"""Commands and metrics on real ports."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from zoolet.server.admin.http_ports import CONNECTIONS_MAX, HttpListener
from zoolet.server.admin.tests.http_desk import EchoSite
from zoolet.server.config import config_from
from zoolet.server.settings_operations import PROMETHEUS
from zoolet.server.tests.harness import Server
from zoolet.server.zookeeper_server import ZooKeeperServer


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def get(port: int, target: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", target)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def serving(tmp_path: Path, settings: dict[str, Any], then: Callable[[], Awaitable[None]]) -> None:
    """Run a server with these settings, do that, and stop."""
    loopback = {
        "clientPortAddress": "127.0.0.1",
        "admin.serverAddress": "127.0.0.1",
        "metricsProvider.httpHost": "127.0.0.1",
    }
    config = config_from({"dataDir": str(tmp_path), "clientPort": 0, **loopback, **settings})
    server = ZooKeeperServer(config)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(server.serve)
            await then()
            server.request_stop()

    trio.run(main)


def test_commands_and_metrics_are_served(tmp_path: Path) -> None:
    admin, metrics = free_port(), free_port()

    async def then() -> None:
        status, body = await trio.to_thread.run_sync(get, admin, "/commands/ruok")
        assert (status, body) == (200, b'{\n  "command" : "ruok",\n  "error" : null\n}')
        status, body = await trio.to_thread.run_sync(get, metrics, "/metrics")
        assert status == 200
        assert b"\nznode_count 5.0\n" in body

    settings = {
        "admin.enableServer": True,
        "admin.serverPort": admin,
        "metricsProvider.className": PROMETHEUS,
        "metricsProvider.httpPort": metrics,
    }
    serving(tmp_path, settings, then)


def test_a_taken_port_of_the_commands_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def then() -> None:
        pass

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        serving(tmp_path, {"admin.enableServer": True, "admin.serverPort": port}, then)
    expected = f"commands over HTTP are not served: cannot listen on 127.0.0.1:{port}: Address already in use"
    assert expected in caplog.messages


def test_a_taken_port_of_the_metrics_ends_the_start(tmp_path: Path) -> None:
    async def then() -> None:
        raise AssertionError("it has started")

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        settings = {"metricsProvider.className": PROMETHEUS, "metricsProvider.httpPort": port}
        with pytest.raises(BaseException) as caught:
            serving(tmp_path, settings, then)
    assert f"cannot listen on 127.0.0.1:{port}" in str(caught.getrepr(style="short"))


def test_too_many_connections_are_refused_until_some_are_gone() -> None:
    server = Server()
    listener = HttpListener(EchoSite, server.core, 5000)
    first = listener.accept(("127.0.0.1", 1))
    assert first is not None
    for port in range(CONNECTIONS_MAX - 1):
        assert listener.accept(("127.0.0.1", port)) is not None
    assert listener.accept(("127.0.0.1", 2)) is None
    first.closed()
    assert listener.accept(("127.0.0.1", 2)) is not None


def test_idle_connections_end() -> None:
    server = Server()
    listener = HttpListener(EchoSite, server.core, 5000)
    endpoint = listener.accept(("127.0.0.1", 1))
    assert endpoint is not None
    listener.tick(server.core.now_ms + 4999)
    assert not endpoint.is_closing
    listener.tick(server.core.now_ms + 5000)
    assert endpoint.is_closing
    assert endpoint in server.core.dirty
