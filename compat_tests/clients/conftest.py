"""Fixtures for tests that use a real client library, kazoo, against the server under test."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from threading import Event, Thread
from typing import Any

import pytest
from kazoo.client import KazooClient

from ..server_process import ServerProcess

PATIENCE_S = 15.0
"""Longest wait for anything that must happen; nothing normally takes a hundredth of it."""

NewClient = Callable[..., Any]
InThread = Callable[..., "Future[Any]"]

QUICK_RETRY = {"max_tries": -1, "delay": 0.05, "max_delay": 0.2}
"""How a client comes back after an outage; by default kazoo doubles its pause each time."""

_path_numbers = itertools.count(1)


@pytest.fixture
def new_client(subject: ServerProcess) -> Iterator[NewClient]:
    """Makes connected kazoo clients; takes what KazooClient takes, and stops them in the end."""
    clients = []

    def connect(**arguments: Any) -> Any:
        client = KazooClient(
            **{"hosts": subject.hosts, "timeout": 10.0, "connection_retry": QUICK_RETRY, **arguments}
        )
        clients.append(client)
        client.start(timeout=PATIENCE_S)
        return client

    yield connect
    for client in clients:
        client.stop()
        client.close()


@pytest.fixture
def client(new_client: NewClient) -> Any:
    """One connected kazoo client."""
    return new_client()


@pytest.fixture
def other(new_client: NewClient) -> Any:
    """A second connected kazoo client."""
    return new_client()


@pytest.fixture
def path(client: Any) -> str:
    """A node of this test's own."""
    name = f"/kazoo{next(_path_numbers):04d}"
    client.create(name)
    return name


@pytest.fixture
def in_thread() -> InThread:
    """Runs a blocking call in a thread of its own and gives its future.

    Nobody waits for the thread itself, so a call that never returns cannot keep the tests from ending.
    """

    def start(call: Callable[..., Any], *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()

        def run() -> None:
            try:
                future.set_result(call(*arguments))
            except BaseException as error:
                future.set_exception(error)

        Thread(target=run, daemon=True).start()
        return future

    return start


def await_children(client: Any, path: str, count: int) -> None:
    """Wait until `path` has exactly `count` children."""
    reached = Event()
    client.ensure_path(path)

    def look(children: list[str]) -> bool:
        if len(children) == count:
            reached.set()
        return not reached.is_set()

    client.ChildrenWatch(path, look)
    assert reached.wait(PATIENCE_S), f"{path} never had {count} children"
