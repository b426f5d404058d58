"""A session of the plainest kind: one connection, one request at a time or many in a row, no thread.

For what a client library does by itself and a test must control: when the session pings, whether it comes
back after its connection is gone, with which password, and what is sent in one go.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Final, NamedTuple, Self, TypeVar

from zoolet.jute.codes import XID_NOTIFICATION, XID_PING, ErrorCode, OpCode
from zoolet.jute.data import ACL, Id
from zoolet.jute.proto import (
    ConnectRequest,
    ConnectResponse,
    CreateRequest,
    ExistsRequest,
    GetChildrenRequest,
    GetChildrenResponse,
    GetDataRequest,
    GetDataResponse,
    ReplyHeader,
    SyncRequest,
)
from zoolet.jute.record import Record

from ..differential.wire import FrameConnection, NoReply
from ..four_letter_client import four_letter_word
from .ensemble import PATIENCE_S

OPEN = (ACL(31, Id("world", "anyone")),)
EPHEMERAL = 1

_PING: Final = struct.pack(">ii", XID_PING, OpCode.PING)
_PING_AFTER_S: Final = 2.0

R = TypeVar("R", bound=Record)


class Reply(NamedTuple):
    """The header's error and zxid, and the body."""

    error: int
    zxid: int
    body: bytes


class Refused(Exception):
    """The server answered the handshake with session 0: expired, or a wrong password."""


def _wake(port: int) -> None:
    """Ask a Java member for a session that nobody wants; any other server must do without.

    Java 3.8's CommitProcessor now and then overlooks the commit of a new session until another request comes
    (see ``ask_all``), and there is no ping before there is a session.
    """
    told = four_letter_word(port, "srvr")
    if b"-zoolet-" in told or b"\nMode: standalone\n" in told:
        return
    with FrameConnection(port) as other:
        other.send_frames(ConnectRequest(0, 0, 4000, 0, bytes(16), False).encode())
        other.has_frame(_PING_AFTER_S)


class RawSession:
    """A session on the server at 127.0.0.1:`port`. Leaving the context drops the connection, no more."""

    def __init__(
        self, port: int, *, timeout_ms: int = 30_000, session_id: int = 0, password: bytes = bytes(16)
    ) -> None:
        """Connect, with an id and a password to a session that lives already. Raises Refused, OSError."""
        self.connection = FrameConnection(port)
        try:
            self.connection.send_frames(
                ConnectRequest(0, 0, timeout_ms, session_id, password, False).encode()
            )
            if not self.connection.has_frame(_PING_AFTER_S):
                _wake(port)
            response = ConnectResponse.parse(self.connection.read_frame(PATIENCE_S))
            if not response.sessionId:
                raise Refused(f"session 0x{session_id:x}")
        except BaseException:
            self.connection.close()
            raise
        self.session_id = response.sessionId
        self.password = response.passwd or b""
        self.timeout_ms = response.timeOut
        self.events: list[bytes] = []
        self._xid = 0
        self._answered = 0
        self._stray_pongs = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.connection.close()

    def send(self, requests: Sequence[tuple[int, bytes]]) -> None:
        """Send opcodes with their bodies in one go."""
        frames = []
        for opcode, body in requests:
            self._xid += 1
            frames.append(struct.pack(">ii", self._xid, opcode) + body)
        self.connection.send_frames(*frames)

    def receive(self) -> Reply:
        """The next reply; watch events before it are kept in `events`. Raises Closed, NoReply."""
        while True:
            frame = self.connection.read_frame(PATIENCE_S)
            header, end = ReplyHeader.decode(frame)
            if header.xid == XID_NOTIFICATION:
                self.events.append(frame[end:])
            elif header.xid == XID_PING and self._stray_pongs:
                self._stray_pongs -= 1
            else:
                if header.xid != XID_PING:
                    self._answered += 1
                    assert header.xid == self._answered, "this is the reply to another request"
                return Reply(header.err, header.zxid, frame[end:])

    def ask(self, opcode: int, body: bytes = b"") -> Reply:
        """One request and its reply."""
        self.send([(opcode, body)])
        return self.receive()

    def ask_all(self, requests: Sequence[tuple[int, bytes]]) -> list[Reply]:
        """Many requests in one go, and their replies in order.

        Pings while nothing comes, as every client does. Java 3.8's CommitProcessor needs that: as a leader it
        now and then leaves reads in its queue until the session's next request (one in some thousand), and
        a session that stays silent then expires.
        """
        self.send(requests)
        replies: list[Reply] = []
        deadline = time.monotonic() + PATIENCE_S
        while len(replies) < len(requests):
            if self.connection.has_frame(_PING_AFTER_S):
                replies.append(self.receive())
            elif time.monotonic() > deadline:
                raise NoReply
            else:
                self.connection.send_frames(_PING)
                self._stray_pongs += 1
        return replies

    def ping(self) -> None:
        """Send a ping and await its answer."""
        self.connection.send_frames(_PING)
        self.receive()

    def try_create(self, path: str, data: bytes = b"", flags: int = 0) -> Reply:
        """Ask for a node that is open to everybody."""
        return self.ask(OpCode.CREATE, CreateRequest(path, data, OPEN, flags).encode())

    def create(self, path: str, data: bytes = b"", flags: int = 0) -> None:
        """Create such a node; that has to succeed."""
        reply = self.try_create(path, data, flags)
        assert reply.error == 0, f"error {reply.error} for {path!r}"

    def exists(self, path: str, *, watch: bool = False) -> bool:
        """Whether there is such a node."""
        reply = self.ask(OpCode.EXISTS, ExistsRequest(path, watch).encode())
        assert reply.error in (0, ErrorCode.NO_NODE), f"error {reply.error} for {path!r}"
        return reply.error == 0

    def await_deletion(self, path: str) -> None:
        """Wait until there is no such node, without a ping meanwhile. Raises NoReply."""
        while self.exists(path, watch=True):
            frame = self.connection.read_frame(PATIENCE_S)
            header, end = ReplyHeader.decode(frame)
            assert header.xid == XID_NOTIFICATION
            self.events.append(frame[end:])

    def children(self, path: str) -> set[str]:
        """The names of a node's children."""
        reply = self.ask(OpCode.GET_CHILDREN, GetChildrenRequest(path, False).encode())
        assert reply.error == 0, f"error {reply.error} for {path!r}"
        return {name or "" for name in GetChildrenResponse.parse(reply.body).children or ()}

    def get(self, path: str) -> GetDataResponse:
        """Data and Stat of a node that exists."""
        reply = self.ask(OpCode.GET_DATA, GetDataRequest(path, False).encode())
        assert reply.error == 0, f"error {reply.error} for {path!r}"
        return GetDataResponse.parse(reply.body)

    def sync(self) -> None:
        """Await everything that was committed before."""
        assert self.ask(OpCode.SYNC, SyncRequest("/").encode()).error == 0

    def end(self) -> None:
        """Close the session, and its connection."""
        self.ask(OpCode.CLOSE_SESSION)
        self.connection.close()
