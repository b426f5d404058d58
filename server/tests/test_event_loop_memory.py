"""What the event loop tells the memory budget of what sockets take."""

from __future__ import annotations

from struct import pack

import pytest
import trio
from zoolet.jute.codes import OpCode
from zoolet.jute.framing import frame
from zoolet.jute.proto import GetDataRequest, SetDataRequest
from zoolet.server import connection
from zoolet.server.event_loop import EventLoop
from zoolet.server.log_thread import LogThread
from zoolet.server.tests.harness import Server
from zoolet.server.tests.wires import Wire, tcp_pair

PATIENCE_S = 30
BURST_BYTES = 1 << 12
READS = 10


def test_a_burst_that_the_socket_takes_at_once_is_held_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that had taken everything were counted as holding it, and cut off when it was much together."""
    monkeypatch.setattr(connection, "OUT_BYTES_MAX", BURST_BYTES)
    server = Server()
    memory = server.core.memory
    wire = Wire(server, tcp_pair)
    wire.client.create("/a", bytes(BURST_BYTES // 5))
    held: list[int] = []
    flushed = server.core.flushed

    def flush() -> None:
        flushed()
        held.append(memory.output_bytes)

    server.core.flushed = flush  # type: ignore[method-assign]
    get = pack(">ii", 2, OpCode.GET_DATA) + GetDataRequest("/a", False).encode()
    asked = frame(
        pack(">ii", 1, OpCode.SET_DATA) + SetDataRequest("/a", bytes(BURST_BYTES // 5), -1).encode()
    )
    asked += frame(get) * READS

    def ask() -> None:
        wire.theirs.settimeout(PATIENCE_S)
        wire.theirs.sendall(asked)
        left = READS * (BURST_BYTES // 5)
        while left > 0:
            left -= len(wire.theirs.recv(1 << 16))

    async def story() -> None:
        log_thread = LogThread(PATIENCE_S * 1000)
        loop = EventLoop(server.core, log_thread)
        loop.adopt(wire.socket, wire.endpoint)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(loop.run)
            await trio.to_thread.run_sync(ask)
            nursery.cancel_scope.cancel()
        assert memory.output_bytes == 0
        loop.close()
        log_thread.close(PATIENCE_S)
        wire.theirs.close()

    trio.run(story)
    assert held[0] > BURST_BYTES, "it was much at once"
