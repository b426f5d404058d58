"""ZooKeeper for tests: a whole server inside the test's own process, and the pytest fixtures around it.

    from zoolet.testing import Server

    with Server() as server:
        client = KazooClient(server.connect_string)

`Server` is loaded when it is first asked for: pytest imports this package in every run, whether a test
needs a server or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .server import Server as Server

__all__ = ["Server"]


def __getattr__(name: str) -> object:
    if name == "Server":
        from .server import Server

        return Server
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
