"""Read a server's whole tree through a client connection, and write it down for comparison."""

from __future__ import annotations

import zlib
from typing import TypeVar

from zoolet.jute.codes import OpCode
from zoolet.jute.proto import (
    ConnectRequest,
    ConnectResponse,
    GetACLRequest,
    GetACLResponse,
    GetChildrenRequest,
    GetChildrenResponse,
    GetDataRequest,
    GetDataResponse,
    ReplyHeader,
    RequestHeader,
)
from zoolet.jute.record import Record

from .differential.scenarios_acl import digest_id
from .differential.wire import FrameConnection

__all__ = ["SUPER_PROPERTY", "dump_tree"]

SUPER_CREDENTIALS = b"super:dump"
SUPER_PROPERTY = {
    "zookeeper.DigestAuthenticationProvider.superDigest": digest_id("super", "dump").id or "",
}
"""The -D option with which a server lets `dump_tree` read everything, whatever its ACL."""


R = TypeVar("R", bound=Record)


class _Reader:
    """Blocking reads with super rights."""

    def __init__(self, port: int) -> None:
        self.connection = FrameConnection(port)
        self.connection.send_frames(ConnectRequest(0, 0, 30_000, 0, bytes(16), False).encode())
        assert ConnectResponse.parse(self.connection.read_frame()).sessionId
        body = bytes(4) + b"\0\0\0\6digest" + len(SUPER_CREDENTIALS).to_bytes(4, "big") + SUPER_CREDENTIALS
        self.ask(OpCode.AUTH, body)

    def ask(self, opcode: int, body: bytes) -> bytes:
        self.connection.send_frames(RequestHeader(1, opcode).encode() + body)
        frame = self.connection.read_frame()
        header, end = ReplyHeader.decode(frame)
        assert header.err == 0, f"error {header.err} for opcode {opcode} {body!r}"
        return frame[end:]

    def read(self, opcode: int, request: Record, response: type[R]) -> R:
        return response.parse(self.ask(opcode, request.encode()))


def dump_tree(port: int, *, ephemeral_owners: bool = True) -> list[str]:
    """One line per node, parents first: path, data, ACL and every field of its Stat.

    The server must have been started with `SUPER_PROPERTY`. The odd node `/zookeeper/config` is left out: its
    times are those of the server's start. Opens and closes one session, which uses two zxids.
    """
    reader = _Reader(port)
    with reader.connection:
        lines = []
        paths = ["/"]
        while paths:
            path = paths.pop(0)
            node = reader.read(OpCode.GET_DATA, GetDataRequest(path, False), GetDataResponse)
            acl = reader.read(OpCode.GET_ACL, GetACLRequest(path), GetACLResponse).acl
            data = "null" if node.data is None else f"{len(node.data)} bytes {zlib.crc32(node.data):08x}"
            lines.append(f"{path!a} {data} {acl} {node.stat}")
            children = reader.read(OpCode.GET_CHILDREN, GetChildrenRequest(path, False), GetChildrenResponse)
            for name in sorted(name or "" for name in children.children or ()):
                child = f"{path.rstrip('/')}/{name}"
                if child != "/zookeeper/config":
                    paths.append(child)
        reader.ask(OpCode.CLOSE_SESSION, b"")
    return lines
