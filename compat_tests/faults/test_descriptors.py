"""Connections that take every file descriptor there is: the log and its new files still get theirs.

Java's server ends when the log cannot begin its next file.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from ..differential.wire import Closed
from ..server_process import free_port
from ..zoolet_server import ZooletServer
from .load import PATIENCE_S, Load, Session, prepare
from .server import complaints

DESCRIPTORS = 100


class CrampedServer(ZooletServer):
    """A server that may have few files open."""

    def command_line(self, configuration: Path, properties: Mapping[str, str]) -> list[str]:
        command = super().command_line(configuration, properties)
        return ["sh", "-c", f'ulimit -n {DESCRIPTORS} && exec "$0" "$@"', *command]


def connect_until_refused(port: int, connections: ExitStack) -> None:
    """Hold as many sessions as there are to be had."""
    try:
        for _ in range(DESCRIPTORS):
            connections.enter_context(Session(port))
    except Closed:
        return
    pytest.fail("every connection was taken")


def session_when_there_is_room(port: int) -> Session:
    """A session, as soon as the server has noticed that others are gone."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return Session(port)
        except Closed:
            assert time.monotonic() < deadline, "no connection is taken any more"


def check_log_goes_on(server: ZooletServer, load: Load) -> None:
    """Write until the log has begun several new files, and snapshots were taken."""
    load.await_acknowledged(30)
    assert server.is_running
    load.stop()
    assert "ERROR" not in server.output
    assert not complaints(server.output)


def test_clients_cannot_take_the_descriptors_that_the_log_needs() -> None:
    with CrampedServer(settings={"snapCount": "50"}) as server, ExitStack() as connections:
        prepare(server.port)
        load = Load([server.port])
        connect_until_refused(server.port, connections)
        check_log_goes_on(server, load)
        load.check(server.port)


def test_connections_to_other_ports_cannot_take_them_either() -> None:
    admin_port = free_port()
    settings = {
        "snapCount": "50",
        "admin.enableServer": "true",
        "admin.serverAddress": "127.0.0.1",
        "admin.serverPort": str(admin_port),
    }
    with CrampedServer(settings=settings) as server, ExitStack() as connections:
        prepare(server.port)
        load = Load([server.port])
        connect_until_refused(server.port, connections)
        for _ in range(60):  # more than are left; some of them wait to be accepted
            connection = socket.create_connection(("127.0.0.1", admin_port), timeout=10)
            connections.enter_context(connection)
        connections.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10))
        check_log_goes_on(server, load)


def test_connections_are_taken_again_when_others_have_gone() -> None:
    with CrampedServer() as server:
        for _ in range(2):
            with ExitStack() as connections:
                connect_until_refused(server.port, connections)
            with session_when_there_is_room(server.port) as session:
                session.ping()
