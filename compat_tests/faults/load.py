"""Clients that write as fast as they can until the server is gone, and what must be true of the tree after.

Each writer creates nodes of its own below /load and counts up the data of one node below /count. It remembers
what it sent and what was acknowledged: everything acknowledged has to be there later, and nothing that was
never sent.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Sequence
from threading import Event, Thread
from typing import Final

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

from ..differential.wire import Closed, FrameConnection, NoReply

PATIENCE_S: Final = 20.0
OPEN_ACL: Final = (ACL(31, Id("world", "anyone")),)

_serial = itertools.count(1)


class Session:
    """A client's session on one connection, which asks one thing at a time."""

    def __init__(self, port: int, timeout_ms: int = 30_000) -> None:
        self.connection = FrameConnection(port)
        try:
            self.connection.send_frames(ConnectRequest(0, 0, timeout_ms, 0, bytes(16), False).encode())
            answer = ConnectResponse.parse(self.connection.read_frame())
        except BaseException:
            self.connection.close()
            raise
        self.session_id = answer.sessionId
        assert self.session_id, "no session was granted"

    def ask(self, opcode: int, body: bytes, *, xid: int = 1) -> bytes:
        """The body of the reply; watch events that come before it are passed over."""
        self.connection.send_frames(struct.pack(">ii", xid, opcode) + body)
        while True:
            frame = self.connection.read_frame(PATIENCE_S)
            header, end = ReplyHeader.decode(frame)
            if header.xid == xid:
                break
        assert header.err == 0, f"error {header.err}"
        return frame[end:]

    def create(self, path: str, data: bytes = b"", flags: int = 0) -> None:
        self.ask(OpCode.CREATE, CreateRequest(path, data, OPEN_ACL, flags).encode())

    def children(self, path: str) -> set[str]:
        answer = self.ask(OpCode.GET_CHILDREN, GetChildrenRequest(path, False).encode())
        return {name for name in GetChildrenResponse.parse(answer).children or () if name is not None}

    def read(self, path: str) -> GetDataResponse:
        return GetDataResponse.parse(self.ask(OpCode.GET_DATA, GetDataRequest(path, False).encode()))

    def ping(self) -> None:
        self.ask(OpCode.PING, b"", xid=-2)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()


class Writer(Thread):
    """One client. `window` requests are under way at a time."""

    def __init__(self, port: int, *, window: int = 5, data_bytes: int = 100) -> None:
        super().__init__(daemon=True)
        self.serial = next(_serial)
        self.sent: set[str] = set()
        self.acknowledged: set[str] = set()
        self.counted_to = 0
        """The largest number that was acknowledged,"""
        self.sent_to = 0
        """and the largest that was sent."""
        self.error = 0
        self._window = window
        self._padding = bytes(data_bytes)
        self._session = Session(port)
        self._session.create(f"/count/{self.serial}", b"0")
        self._under_way: dict[int, str] = {}
        self._wanted = 0
        self._has_enough = Event()
        self._stopping = False

    def run(self) -> None:
        xids = itertools.count(1)
        with self._session:
            try:
                while not self._stopping:
                    self._send(list(itertools.islice(xids, self._window)))
                    self._read()
                    if len(self.acknowledged) >= self._wanted:
                        self._has_enough.set()
            except (Closed, NoReply):
                pass
            finally:
                self._has_enough.set()

    def await_acknowledged(self, count: int) -> None:
        """Wait until so many creations were acknowledged, or the server is gone."""
        self._wanted = count
        self._has_enough.clear()
        if self.is_alive():
            assert self._has_enough.wait(PATIENCE_S), "the writer does not get on"

    def stop(self) -> None:
        """Write no more once what is under way is answered."""
        self._stopping = True
        self.join(PATIENCE_S)

    def _send(self, xids: Sequence[int]) -> None:
        frames = []
        for xid in xids:
            if xid % 2:
                name = f"{self.serial}-{xid}"
                self.sent.add(name)
                self._under_way[xid] = name
                body = CreateRequest(f"/load/{name}", self._padding, OPEN_ACL, 0).encode()
                frames.append(struct.pack(">ii", xid, OpCode.CREATE) + body)
            else:
                self.sent_to = xid
                body = SetDataRequest(f"/count/{self.serial}", str(xid).encode(), -1).encode()
                frames.append(struct.pack(">ii", xid, OpCode.SET_DATA) + body)
        self._session.connection.send_frames(*frames)

    def _read(self) -> None:
        for _ in range(self._window):
            header, _ = ReplyHeader.decode(self._session.connection.read_frame(PATIENCE_S))
            self.error = self.error or header.err
            if header.xid in self._under_way:
                self.acknowledged.add(self._under_way.pop(header.xid))
            else:
                self.counted_to = header.xid


class Load:
    """Several writers on one server, or on several."""

    def __init__(self, ports: Sequence[int], *, windows: Sequence[int] = (1, 5, 20), data_bytes: int = 100):
        self.writers = [
            Writer(port, window=window, data_bytes=data_bytes)
            for port, window in zip(itertools.cycle(ports), windows, strict=False)
        ]
        for writer in self.writers:
            writer.start()

    def await_acknowledged(self, count: int) -> None:
        """Wait until each writer has so many more acknowledged (or has lost its server)."""
        wanted = [len(writer.acknowledged) + count for writer in self.writers]
        for writer, all_of_them in zip(self.writers, wanted, strict=True):
            writer.await_acknowledged(all_of_them)

    @property
    def acknowledged(self) -> int:
        """How many creations were acknowledged in all."""
        return sum(len(writer.acknowledged) for writer in self.writers)

    def ended(self) -> None:
        """Wait until every writer has lost its server."""
        for writer in self.writers:
            writer.join(PATIENCE_S)
            assert not writer.is_alive(), "a writer still has a server"
            assert writer.error == 0, f"a write was refused with {writer.error}"

    def stop(self) -> None:
        """End the writers that still have a server."""
        for writer in self.writers:
            writer.stop()

    def check(self, port: int) -> None:
        """Everything acknowledged is there, and nothing that was not sent."""
        with Session(port) as reader:
            found = reader.children("/load")
            for writer in self.writers:
                mine = {name for name in found if name.startswith(f"{writer.serial}-")}
                lost = writer.acknowledged - mine
                assert not lost, f"{len(lost)} acknowledged writes are lost, such as {min(lost)}"
                assert mine <= writer.sent, "nodes that nobody asked for"
                counted = int(reader.read(f"/count/{writer.serial}").data or b"-1")
                assert writer.counted_to <= counted <= writer.sent_to


def prepare(port: int) -> None:
    """Make the nodes that writers write below."""
    with Session(port) as session:
        session.create("/load")
        session.create("/count")
