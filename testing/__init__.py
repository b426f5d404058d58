"""ZooKeeper for tests: a whole server inside the test's own process, and the pytest fixtures around it.

    from zoolet.testing import Server

    with Server() as server:
        client = KazooClient(server.connect_string)

    from zoolet.testing import Ensemble

    with Ensemble(3) as ensemble:
        ensemble.leader.kill()

They are loaded when they are first asked for: pytest imports this package in every run, whether a test
needs a server or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .ensemble import Ensemble as Ensemble
    from .server import Server as Server

__all__ = ["Ensemble", "Server"]


def __getattr__(name: str) -> object:
    if name == "Ensemble":
        from .ensemble import Ensemble

        return Ensemble
    if name == "Server":
        from .server import Server

        return Server
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
