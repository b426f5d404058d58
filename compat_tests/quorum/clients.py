"""kazoo clients as these tests need them: quick to come back, and never waiting for ever."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kazoo.client import KazooClient
from kazoo.handlers.threading import AsyncResult, SequentialThreadingHandler

from .ensemble import PATIENCE_S, ProcessEnsemble

QUICK_RETRY = {"max_tries": -1, "delay": 0.05, "max_delay": 0.2}
"""How a client comes back after an outage; by default kazoo doubles its pause each time."""


class _Result(AsyncResult):  # type: ignore[misc]
    """kazoo's own waits without a limit for a server that pings and does not answer."""

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        return super().get(block, PATIENCE_S if timeout is None else timeout)


class _Handler(SequentialThreadingHandler):  # type: ignore[misc]
    def async_result(self) -> _Result:
        return _Result(self)


def connect(hosts: str, **arguments: Any) -> Any:
    """A started kazoo client. Its session lives 20 s without a sign of life.

    Its calls raise `client.handler.timeout_exception` when an answer stays out too long.
    """
    defaults = {"timeout": 20.0, "connection_retry": QUICK_RETRY, "handler": _Handler()}
    client = KazooClient(hosts, **{**defaults, **arguments})
    try:
        client.start(timeout=PATIENCE_S)
    except BaseException:
        disconnect(client)
        raise
    return client


def disconnect(client: Any) -> None:
    """End the client's session and free what it holds."""
    client.stop()
    client.close()


@contextmanager
def clients_of(ensemble: ProcessEnsemble, **arguments: Any) -> Iterator[dict[int, Any]]:
    """By sid a client of each running member that uses this member alone."""
    clients: dict[int, Any] = {}
    try:
        for member in ensemble.running:
            clients[member.sid] = connect(member.hosts, **arguments)
        yield clients
    finally:
        for client in clients.values():
            disconnect(client)
