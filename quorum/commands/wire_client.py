"""A client just large enough for `zoolet export` and `import`: one connection, requests in batches.

Blocking, and for one command at a time; it does not reconnect. Everything else wants a real client.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from ...jute.codes import XID_AUTH, ErrorCode, OpCode
from ...jute.errors import JuteError
from ...jute.framing import FrameBuffer, frame
from ...jute.proto import AuthPacket, ConnectRequest, ConnectResponse, ReplyHeader, RequestHeader

SESSION_TIMEOUT_MS: Final = 30_000
_TIMEOUT_S: Final = 30.0
_FRAME_BYTES_MAX: Final = 64 << 20
_BATCH: Final = 200
_RECEIVE_BYTES: Final = 1 << 18
_SERVED_XIDS: Final = (-1, -2)


class ServerTrouble(Exception):
    """The server cannot be reached, or answered with what cannot be gone on from."""


def split_address(text: str) -> tuple[str, int] | None:
    """Host and port of `host:port` or `[::1]:port`; None for anything else, which is a folder then."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or "/" in text or not 0 < int(port) < 65536:
        return None
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)


class WireClient:
    """A session with one server. A context manager. Raises ServerTrouble.

    Args:
        address: host and port.
        auth: identities to add, each `scheme:credentials`.
    """

    def __init__(self, address: tuple[str, int], auth: Sequence[str] = ()) -> None:
        self._where = f"{address[0]}:{address[1]}"
        self._frames = FrameBuffer(_FRAME_BYTES_MAX)
        self._ready: list[bytes] = []
        self._xid = 0
        try:
            self._socket = socket.create_connection(address, _TIMEOUT_S)
        except OSError as error:
            raise ServerTrouble(f"cannot connect to {self._where}: {error.strerror or error}") from None
        try:
            self._begin(auth)
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> WireClient:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ServerTrouble):  # it is over either way
            self.call(OpCode.CLOSE_SESSION, b"")
        self._socket.close()

    def call(self, opcode: int, body: bytes) -> tuple[int, bytes]:
        """One request: error number and body of its reply."""
        return self.call_all([(opcode, body)])[0]

    def call_all(self, requests: Sequence[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
        """Many at once; the replies in the same order."""
        replies: list[tuple[int, bytes]] = []
        for start in range(0, len(requests), _BATCH):
            replies += self._batch(requests[start : start + _BATCH])
        return replies

    def _batch(self, requests: Sequence[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
        parts = []
        for opcode, body in requests:
            self._xid += 1
            parts.append(frame(RequestHeader(self._xid, opcode).encode() + body))
        self._send(b"".join(parts))
        replies = []
        for _ in requests:
            header, body = self._reply()
            replies.append((header.err, body))
        return replies

    def _begin(self, auth: Sequence[str]) -> None:
        self._send(frame(ConnectRequest(0, 0, SESSION_TIMEOUT_MS, 0, bytes(16), False).encode()))
        try:
            response, _ = ConnectResponse.decode(self._frame())
        except JuteError as error:
            raise ServerTrouble(f"{self._where} does not answer as ZooKeeper does: {error}") from None
        if response.timeOut <= 0:
            raise ServerTrouble(f"{self._where} gives no session")
        for identity in auth:
            scheme, _, credentials = identity.partition(":")
            packet = AuthPacket(0, scheme, credentials.encode()).encode()
            self._send(frame(RequestHeader(XID_AUTH, OpCode.AUTH).encode() + packet))
            header, _ = self._reply()
            if header.err:
                raise ServerTrouble(f"{self._where} does not accept the {scheme} identity")

    def _reply(self) -> tuple[ReplyHeader, bytes]:
        """The next one that is no event and no ping."""
        while True:
            content = self._frame()
            try:
                header, offset = ReplyHeader.decode(content)
            except JuteError as error:
                raise ServerTrouble(f"{self._where} sent a malformed reply: {error}") from None
            if header.xid not in _SERVED_XIDS:
                return header, content[offset:]

    def _frame(self) -> bytes:
        while not self._ready:
            try:
                chunk = self._socket.recv(_RECEIVE_BYTES)
                self._ready = self._frames.feed(chunk)
            except OSError as error:
                raise ServerTrouble(f"{self._where}: {error.strerror or error}") from None
            except JuteError as error:
                raise ServerTrouble(f"{self._where} sent a malformed frame: {error}") from None
            if not chunk:
                raise ServerTrouble(f"{self._where} closed the connection")
        return self._ready.pop(0)

    def _send(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise ServerTrouble(f"{self._where}: {error.strerror or error}") from None


def error_text(number: int) -> str:
    """An error number in words."""
    try:
        return f"{ErrorCode(number).name.lower().replace('_', ' ')} ({number})"
    except ValueError:
        return f"error {number}"
