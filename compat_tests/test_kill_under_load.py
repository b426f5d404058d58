"""kill -9 in the middle of writing, again and again: nothing that was acknowledged is lost."""

from __future__ import annotations

import itertools
import struct
from threading import Event, Thread

from zoolet.jute.codes import OpCode
from zoolet.jute.data import ACL, Id
from zoolet.jute.proto import (
    ConnectRequest,
    ConnectResponse,
    CreateRequest,
    GetChildrenRequest,
    GetChildrenResponse,
    GetDataRequest,
    GetDataResponse,
    ReplyHeader,
    SetDataRequest,
)

from .conftest import StartServer
from .differential.wire import Closed, FrameConnection

CRASHES = 10
CLIENTS = 3
PATIENCE_S = 20.0

_OPEN = (ACL(31, Id("world", "anyone")),)


class Writer(Thread):
    """A client that writes as fast as it can until the server dies, and remembers what was acknowledged.

    Its odd requests create nodes, its even ones count up the data of one node. `window` requests are sent at
    once, and their answers awaited; after so many `rounds` it says so, and goes on.
    """

    def __init__(self, port: int, name: str, *, first_xid: int, window: int, rounds: int) -> None:
        super().__init__(name=name, daemon=True)
        self.acknowledged: set[str] = set()
        self.counter = -1
        self.has_enough = Event()
        self.error = 0
        self._window = window
        self._rounds = rounds
        self._connection = connect(port)
        self._xids = itertools.count(first_xid)
        self._sent: dict[int, str] = {}

    def run(self) -> None:
        with self._connection:
            try:
                for round_number in itertools.count(1):
                    self._send()
                    self._read()
                    if round_number == self._rounds:
                        self.has_enough.set()
            except Closed:
                pass
            finally:
                self.has_enough.set()

    def _send(self) -> None:
        frames = []
        for xid in itertools.islice(self._xids, self._window):
            if xid % 2:
                self._sent[xid] = f"{self.name}-{xid}"
                name = self._sent[xid]
                body = CreateRequest(f"/load/{name}", name.encode(), _OPEN, 0).encode()
                frames.append(struct.pack(">ii", xid, OpCode.CREATE) + body)
            else:
                body = SetDataRequest(f"/count/{self.name}", str(xid).encode(), -1).encode()
                frames.append(struct.pack(">ii", xid, OpCode.SET_DATA) + body)
        self._connection.send_frames(*frames)

    def _read(self) -> None:
        for _ in range(self._window):
            header, _ = ReplyHeader.decode(self._connection.read_frame())
            self.error = self.error or header.err
            if header.xid in self._sent:
                self.acknowledged.add(self._sent.pop(header.xid))
            else:
                self.counter = header.xid


def connect(port: int) -> FrameConnection:
    connection = FrameConnection(port)
    connection.send_frames(ConnectRequest(0, 0, 30_000, 0, bytes(16), False).encode())
    assert ConnectResponse.parse(connection.read_frame()).sessionId
    return connection


def ask(connection: FrameConnection, opcode: int, body: bytes) -> bytes:
    connection.send_frames(struct.pack(">ii", 1, opcode) + body)
    frame = connection.read_frame()
    header, end = ReplyHeader.decode(frame)
    assert header.err == 0, f"error {header.err}"
    return frame[end:]


def test_no_acknowledged_write_is_lost(new_subject: StartServer) -> None:
    acknowledged: set[str] = set()
    with new_subject() as server:
        with connect(server.port) as setup:
            for path in ("/load", "/count", *(f"/count/{n}" for n in range(CLIENTS))):
                ask(setup, OpCode.CREATE, CreateRequest(path, b"0", _OPEN, 0).encode())
        for crash in range(CRASHES):
            writers = [
                Writer(
                    server.port,
                    str(number),
                    first_xid=crash * 100_000 + 1,
                    window=(1, 3, 10, 40)[(crash + number) % 4],
                    rounds=5 + 3 * crash,
                )
                for number in range(CLIENTS)
            ]
            for writer in writers:
                writer.start()
            for writer in writers:
                assert writer.has_enough.wait(PATIENCE_S)
            server.kill()
            for writer in writers:
                writer.join(PATIENCE_S)
                assert writer.error == 0
                acknowledged |= writer.acknowledged
            server.start()
            with connect(server.port) as reader:
                answer = ask(reader, OpCode.GET_CHILDREN, GetChildrenRequest("/load", False).encode())
                present = set(GetChildrenResponse.parse(answer).children or ())
                assert acknowledged - present == set(), f"lost in crash {crash + 1}"
                for writer in writers:
                    request = GetDataRequest(f"/count/{writer.name}", False).encode()
                    count = GetDataResponse.parse(ask(reader, OpCode.GET_DATA, request)).data
                    assert int(count or b"0") >= writer.counter, f"setData lost in crash {crash + 1}"
        assert len(acknowledged) >= CRASHES * CLIENTS * 20
        with connect(server.port) as reader:
            for name in sorted(acknowledged)[::100]:
                request = GetDataRequest(f"/load/{name}", False).encode()
                assert GetDataResponse.parse(ask(reader, OpCode.GET_DATA, request)).data == name.encode()
