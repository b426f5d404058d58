"""One connection of a scenario, with (usually) a session: sends requests and writes down what comes back.

Each line it writes begins with the client's name: a reply with the request it answers, a watch event, the
end of the connection. It decodes what it can and shows as hex what it cannot, and asserts nothing.
"""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from zoolet.jute.codes import XID_NOTIFICATION, XID_PING, OpCode
from zoolet.jute.errors import JuteError
from zoolet.jute.proto import ConnectResponse, ReplyHeader, WatcherEvent

from .operations import Operation, hex_body
from .view import View, error_name, event_name, java_session_password
from .wire import REPLY_TIMEOUT_S, Closed, FrameConnection, NoReply


class Stage(Protocol):
    """What a client needs of the story it plays in."""

    port: int
    pipelined: bool
    view: View
    transcript: list[str]

    def take_turn(self, client: Client | None) -> None:
        """Called by the client that is about to act."""

    def breathe(self, *, besides: Client | None = None) -> None:
        """Called after a client has acted."""


@dataclass
class _Request:
    """A request on its way; `line` is its answer once that has come."""

    xid: int
    operation: Operation
    line: str = ""


class Client:
    """One connection of a story. Calling it with operations sends them."""

    def __init__(self, story: Stage, name: str) -> None:
        self.name = name
        self.session_id = 0
        self.password = bytes(16)
        self.is_open = True
        self.session_ended = False
        self._story = story
        self._view = story.view
        self._connection = FrameConnection(story.port)
        self._next_xid = 1
        self._held: list[Operation] = []
        self._last_zxid = 0
        self._silent = False

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- acting

    def __call__(self, *operations: Operation) -> None:
        """Send operations: one by one, or all together if the story is pipelined."""
        self._story.take_turn(self)
        for operation in operations:
            self._held.append(operation)
            if not self._story.pipelined:
                self.flush()
                self._story.breathe()

    def at_once(self, *operations: Operation) -> None:
        """Send operations with one call, whatever the mode."""
        self._story.take_turn(self)
        self._held.extend(operations)
        self.flush()
        self._story.breathe()

    def flush(self) -> None:
        """Send what is held back and read until each request has its reply or the connection ends."""
        operations, self._held = tuple(self._held), []
        waiting, frames = self._prepare(operations)
        if frames:
            self._connection.send_frames(*frames)
            self._read_answers(waiting)

    def _prepare(self, operations: tuple[Operation, ...]) -> tuple[deque[_Request], list[bytes]]:
        waiting: deque[_Request] = deque()
        frames = []
        for operation in operations:
            xid = operation.xid
            if xid is None:
                xid = self._next_xid
                self._next_xid += 1
            waiting.append(_Request(xid, operation))
            frames.append(struct.pack(">ii", xid, operation.opcode) + operation.body(self._view))
        return waiting, frames

    def _read_answers(self, waiting: deque[_Request]) -> None:
        while waiting:
            if not self._read_one(waiting):
                for request in waiting:
                    self._write(request.line or f"{request.operation.label} => no answer")
                return

    def breathe(self) -> None:
        """Read everything the server has sent so far: up to the answer of a ping sent now."""
        if not self.is_open or self._silent:
            return
        self._connection.send_frames(struct.pack(">ii", XID_PING, OpCode.PING))
        while True:
            frame = self._read_frame()
            if frame is None:
                return
            header, end = ReplyHeader.decode(frame)
            if header.xid == XID_PING and len(frame) == end:
                return
            self._write_unexpected(frame)

    def go_silent(self) -> None:
        """From now on send nothing by itself, so that the session can expire."""
        self.flush()
        self._silent = True

    def send_bytes(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._story.take_turn(self)
        self.flush()
        self._connection.send_bytes(data)

    def drop(self) -> None:
        """Close the socket without ending the session."""
        self.flush()
        self._write("drops its connection")
        self.close()

    def close(self) -> None:
        """Close the socket and write nothing down."""
        self.is_open = False
        self._connection.close()

    # -- waiting

    def expect_close(self, timeout_s: float = REPLY_TIMEOUT_S) -> None:
        """Read until the server closes the connection."""
        self._story.take_turn(self)
        self.flush()
        while self.is_open:
            frame = self._read_frame(timeout_s)
            if frame is None:
                return
            self._write_unexpected(frame)

    def expect_frame(self, timeout_s: float = REPLY_TIMEOUT_S) -> None:
        """Read one frame that no pending request explains, such as an event caused by time."""
        self.flush()
        frame = self._read_frame(timeout_s)
        if frame is not None:
            self._write_unexpected(frame)

    def has_frame(self, timeout_s: float) -> bool:
        """True when a frame can be read, waiting for it at most this long."""
        return self._connection.has_frame(timeout_s)

    def in_pieces(self, operation: Operation) -> None:
        """Send one request byte by byte."""
        self.flush()
        waiting, frames = self._prepare((operation,))
        for byte in struct.pack(">i", len(frames[0])) + frames[0]:
            self._connection.send_bytes(bytes([byte]))
        self._read_answers(waiting)

    def say_quietly(self, *operations: Operation) -> None:
        """Send requests at once and read their answers without writing anything down."""
        self._story.take_turn(self)
        self.flush()
        lines = len(self._story.transcript)
        self._held.extend(operations)
        self.flush()
        del self._story.transcript[lines:]

    def expect_silence(self, timeout_s: float = 0.3) -> None:
        """Write down that nothing arrives for a while."""
        self.flush()
        try:
            frame = self._connection.read_frame(timeout_s)
        except NoReply:
            self._write("hears nothing")
        except Closed:
            self._closed()
        else:
            self._write_unexpected(frame)

    @property
    def last_zxid(self) -> int:
        """The highest zxid seen in any reply on this connection."""
        self.flush()
        return self._last_zxid

    # -- the handshake

    def handshake(self, first_frame: bytes, operations: tuple[Operation, ...] = ()) -> None:
        """Send the first frame, and requests behind it, and write down what the server makes of them."""
        waiting, frames = self._prepare(operations)
        self._connection.send_frames(first_frame, *frames)
        frame = self._read_frame()
        if frame is None:
            return
        response = ConnectResponse.parse(frame)
        if response.sessionId:
            self._view.name_session(response.sessionId, self.name)
            self.session_id = response.sessionId
            self.password = response.passwd or b""
        self._write(
            f"connects => timeout {response.timeOut} session {self._view.session(response.sessionId)}"
            f" password {self._describe_password(response)} readOnly {response.readOnly}"
            f" version {response.protocolVersion} in {len(frame)} bytes"
        )
        self._read_answers(waiting)

    @staticmethod
    def _describe_password(response: ConnectResponse) -> str:
        if response.passwd == bytes(16):
            return "zero"
        if response.passwd == java_session_password(response.sessionId):
            return "derived"
        return "null" if response.passwd is None else f"of {len(response.passwd)} bytes"

    # -- writing down

    def _write(self, line: str) -> None:
        self._story.transcript.append(f"{self.name} {line}")

    def _closed(self) -> None:
        self._write("is closed by the server")
        self.close()

    def _read_frame(self, timeout_s: float = REPLY_TIMEOUT_S) -> bytes | None:
        if not self.is_open:
            return None
        try:
            return self._connection.read_frame(timeout_s)
        except Closed:
            self._closed()
        except NoReply:
            self._write(f"hears nothing for {timeout_s} s")
            self.close()
        return None

    def _read_one(self, waiting: deque[_Request]) -> bool:
        """Read one frame and strike the request it answers; False when the connection ended."""
        frame = self._read_frame()
        if frame is None:
            return False
        if waiting[0].operation.headerless:
            operation = waiting.popleft().operation
            self._write(
                f"{operation.label} => frame of {len(frame)} bytes {operation.answer(self._view, frame)}"
            )
            return True
        header, end = ReplyHeader.decode(frame)
        position = next((i for i, one in enumerate(waiting) if one.xid == header.xid and not one.line), None)
        if position is None and header.xid == XID_NOTIFICATION:
            self._write_unexpected(frame)
            return True
        request = waiting[position or 0]
        operation = request.operation
        self._last_zxid = max(self._last_zxid, header.zxid)
        request.line = f"{operation.label} => {self._answer(header, request, frame[end:])}"
        if position and not operation.overtakes:
            request.line += " too early"
        # An answer that may overtake is written down in its request's place: its moment is chance.
        while waiting and waiting[0].line:
            self._write(waiting.popleft().line)
        if operation.opcode == OpCode.CLOSE_SESSION:
            self.session_ended = True
        return True

    def _answer(self, header: ReplyHeader, request: _Request, body: bytes) -> str:
        words = [error_name(header.err), f"zxid {self._view.zxid(header.zxid)}"]
        if header.xid != request.xid:
            words.insert(0, f"xid {header.xid}")
        if header.err == 0 or request.operation.answers_errors:
            words.append(request.operation.answer(self._view, body) if body else "")
        elif body:
            words.append(hex_body(self._view, body))
        return " ".join(word for word in words if word)

    def _write_unexpected(self, frame: bytes) -> None:
        """An event, or something nobody asked for."""
        header, end = ReplyHeader.decode(frame)
        if header.xid == XID_NOTIFICATION:
            try:
                event = WatcherEvent.parse(frame[end:])
            except JuteError:
                pass
            else:
                state = "" if event.state == 3 else f" state {event.state}"
                error = "" if header.err == 0 else f" err {header.err}"
                self._write(
                    f"sees {event_name(event.type)} {self._view.path(event.path)}"
                    f" zxid {self._view.zxid(header.zxid)}{state}{error}"
                )
                return
        self._write(f"gets an unasked frame {frame.hex()}")
