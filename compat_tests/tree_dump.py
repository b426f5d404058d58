"""Read a server's whole tree through a client connection, and write it down for comparison."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
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

_PATHS_AT_ONCE = 50

R = TypeVar("R", bound=Record)


class _Reader:
    """Blocking reads with super rights."""

    def __init__(self, port: int) -> None:
        self.connection = FrameConnection(port)
        self.connection.send_frames(ConnectRequest(0, 0, 30_000, 0, bytes(16), False).encode())
        assert ConnectResponse.parse(self.connection.read_frame()).sessionId
        body = bytes(4) + b"\0\0\0\6digest" + len(SUPER_CREDENTIALS).to_bytes(4, "big") + SUPER_CREDENTIALS
        self.ask(OpCode.AUTH, [body])

    def ask(self, opcode: int, bodies: Sequence[bytes]) -> list[bytes]:
        """Requests of one kind in one go, and the bodies of their answers."""
        self.connection.send_frames(*(struct.pack(">ii", 1, opcode) + body for body in bodies))
        return [self._answer(opcode, body) for body in bodies]

    def _answer(self, opcode: int, body: bytes) -> bytes:
        frame = self.connection.read_frame()
        header, end = ReplyHeader.decode(frame)
        assert header.err == 0, f"error {header.err} for opcode {opcode} {body!r}"
        return frame[end:]

    def read(self, opcode: int, requests: Sequence[Record], response: type[R]) -> list[R]:
        answers = self.ask(opcode, [request.encode() for request in requests])
        return [response.parse(answer) for answer in answers]


def dump_tree(port: int) -> list[str]:
    """One line per node, parents first: path, data, ACL and every field of its Stat.

    The server must have been started with `SUPER_PROPERTY`. The odd node `/zookeeper/config` is left out: its
    times are those of the server's start. Opens and closes one session, which uses two zxids.
    """
    reader = _Reader(port)
    with reader.connection:
        lines = []
        paths = ["/"]
        while paths:
            some, paths = paths[:_PATHS_AT_ONCE], paths[_PATHS_AT_ONCE:]
            nodes = reader.read(
                OpCode.GET_DATA, [GetDataRequest(path, False) for path in some], GetDataResponse
            )
            acls = reader.read(OpCode.GET_ACL, [GetACLRequest(path) for path in some], GetACLResponse)
            listings = reader.read(
                OpCode.GET_CHILDREN, [GetChildrenRequest(path, False) for path in some], GetChildrenResponse
            )
            for path, node, acl, listing in zip(some, nodes, acls, listings, strict=True):
                data = "null" if node.data is None else f"{len(node.data)} bytes {zlib.crc32(node.data):08x}"
                if node.data is not None and len(node.data) < 25:
                    data = repr(node.data)
                lines.append(f"{path!a} {data} {acl.acl} {node.stat}")
                names = sorted(name or "" for name in listing.children or ())
                children = [f"{path.rstrip('/')}/{name}" for name in names]
                paths += [child for child in children if child != "/zookeeper/config"]
        reader.ask(OpCode.CLOSE_SESSION, [b""])
    return lines
