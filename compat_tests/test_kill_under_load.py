"""kill -9 in the middle of writing, again and again: nothing that was acknowledged is lost."""

from __future__ import annotations

from .conftest import StartServer
from .load import Load, prepare

CRASHES = 10
CLIENTS = 3
WINDOWS = (1, 3, 10, 40)


def test_no_acknowledged_write_is_lost(new_subject: StartServer) -> None:
    loads = []
    with new_subject() as server:
        prepare(server.port)
        for crash in range(CRASHES):
            windows = [WINDOWS[(crash + client) % len(WINDOWS)] for client in range(CLIENTS)]
            load = Load([server.port], windows=windows)
            load.await_acknowledged(10 + 3 * crash)
            server.kill()
            load.ended()
            server.start()
            loads.append(load)
            for one in loads:
                one.check(server.port)
