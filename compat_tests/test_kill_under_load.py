"""kill -9 in the middle of writing, again and again: nothing that was acknowledged is lost."""

from __future__ import annotations

import struct

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
WRITES_PER_CLIENT = 400
CLIENTS = 3

_OPEN = (ACL(31, Id("world", "anyone")),)


class Writer:
    """A client that sends many writes at once and remembers which were acknowledged.

    Its odd requests create nodes, its even ones count up the data of one node.
    """

    def __init__(self, port: int, name: str, *, first_xid: int) -> None:
        self.name = name
        self.acknowledged: set[str] = set()
        self.counter = -1
        self._connection = connect(port)
        self._names: dict[int, str] = {}
        self._xid = first_xid - 1

    def send(self, count: int) -> None:
        """Send `count` writes with one call."""
        frames = []
        for _ in range(count):
            self._xid += 1
            if self._xid % 2:
                name = f"{self.name}-{self._xid}"
                self._names[self._xid] = name
                body = CreateRequest(f"/load/{name}", name.encode(), _OPEN, 0).encode()
                frames.append(struct.pack(">ii", self._xid, OpCode.CREATE) + body)
            else:
                body = SetDataRequest(f"/count/{self.name}", str(self._xid).encode(), -1).encode()
                frames.append(struct.pack(">ii", self._xid, OpCode.SET_DATA) + body)
        self._connection.send_frames(*frames)

    def read(self, count: int) -> None:
        """Read `count` acknowledgements."""
        for _ in range(count):
            header, _ = ReplyHeader.decode(self._connection.read_frame())
            assert header.err == 0, f"write {header.xid} of {self.name}: error {header.err}"
            if header.xid in self._names:
                self.acknowledged.add(self._names[header.xid])
            else:
                self.counter = header.xid

    def drain(self) -> None:
        """Read what had been acknowledged before the connection broke, and close it."""
        try:
            while True:
                self.read(1)
        except Closed:
            self._connection.close()


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
            first_xid = 2 * crash * WRITES_PER_CLIENT + 1
            writers = [Writer(server.port, str(number), first_xid=first_xid) for number in range(CLIENTS)]
            for writer in writers:
                writer.send(WRITES_PER_CLIENT)
            for writer in writers:
                writer.read(17 * (crash + 1))
            # Fresh work, so that the server dies with its hands full, each time at another moment.
            for writer in writers:
                writer.send(WRITES_PER_CLIENT)
            writers[0].read(13 * crash)
            server.kill()
            for writer in writers:
                writer.drain()
                acknowledged |= writer.acknowledged
            print(crash, [w.counter-first_xid for w in writers])
            server.start()
            with connect(server.port) as reader:
                answer = ask(reader, OpCode.GET_CHILDREN, GetChildrenRequest("/load", False).encode())
                present = set(GetChildrenResponse.parse(answer).children or ())
                assert acknowledged - present == set(), f"lost in crash {crash + 1}"
                for writer in writers:
                    request = GetDataRequest(f"/count/{writer.name}", False).encode()
                    count = GetDataResponse.parse(ask(reader, OpCode.GET_DATA, request)).data
                    assert int(count or b"0") >= writer.counter, f"a setData was lost in crash {crash + 1}"
        assert len(acknowledged) >= CLIENTS * sum(17 * (crash + 1) for crash in range(CRASHES)) // 2
        with connect(server.port) as reader:
            for name in sorted(acknowledged)[::50]:
                request = GetDataRequest(f"/load/{name}", False).encode()
                assert GetDataResponse.parse(ask(reader, OpCode.GET_DATA, request)).data == name.encode()
