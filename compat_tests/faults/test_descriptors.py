"""Connections that take every file descriptor there is: the log and its new files still get theirs.

Java's server ends when the log cannot begin its next file.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from ..differential.wire import Closed
from ..load import Load, prepare
from ..quorum.raw_session import RawSession
from ..server_process import free_port
from ..zoolet_server import ZooletServer
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
            connections.enter_context(RawSession(port))
    except Closed:
        return
    pytest.fail("every connection was taken")


def session_when_there_is_room(server: ZooletServer) -> RawSession:
    """A session, as soon as the server has noticed that others are gone."""

    def session() -> RawSession | None:
        try:
            return RawSession(server.port)
        except Closed:
            return None

    return server.until("a connection is taken again", session)


def check_log_goes_on(server: ZooletServer, load: Load, connections: ExitStack) -> None:
    """Write until the log has begun several new files, and snapshots were taken; then read it all."""
    load.await_acknowledged(30)
    assert server.is_running
    load.stop()
    assert "ERROR" not in server.output
    assert not complaints(server.output)
    connections.close()
    with session_when_there_is_room(server) as reader:
        load.check_with(reader)


def test_clients_cannot_take_the_descriptors_that_the_log_needs() -> None:
    with CrampedServer(settings={"snapCount": "50"}) as server, ExitStack() as connections:
        prepare(server.port)
        load = Load([server.port])
        connect_until_refused(server.port, connections)
        check_log_goes_on(server, load, connections)


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
        check_log_goes_on(server, load, connections)


def test_connections_are_taken_again_when_others_have_gone() -> None:
    with CrampedServer() as server:
        for _ in range(2):
            with ExitStack() as connections:
                connect_until_refused(server.port, connections)
            with session_when_there_is_room(server) as session:
                session.ping()
