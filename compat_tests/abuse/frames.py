"""The bytes that attackers send: requests as a client would encode them, and as none would."""

from __future__ import annotations

from struct import pack

from zoolet.jute.codes import AddWatchMode, OpCode
from zoolet.jute.data import OPEN_ACL
from zoolet.jute.framing import frame
from zoolet.jute.proto import (
    AddWatchRequest,
    AuthPacket,
    ConnectRequest,
    CreateRequest,
    ExistsRequest,
    GetDataRequest,
    MultiHeader,
    SetDataRequest,
)
from zoolet.jute.record import Record

FRAME_BYTES_MAX = 1_048_575
SESSION_TIMEOUT_MS = 40_000


def request(opcode: int, body: Record | bytes = b"", xid: int = 1) -> bytes:
    """A whole request frame."""
    return frame(pack(">ii", xid, opcode) + (body if isinstance(body, bytes) else body.encode()))


CONNECT = frame(ConnectRequest(0, 0, SESSION_TIMEOUT_MS, 0, bytes(16), False).encode())
PING = request(OpCode.PING, xid=-2)


def create(path: str, data: bytes = b"") -> bytes:
    return request(OpCode.CREATE, CreateRequest(path, data, OPEN_ACL, 0))


def set_data(path: str, data: bytes) -> bytes:
    return request(OpCode.SET_DATA, SetDataRequest(path, data, -1))


def get_data(path: str, *, watch: bool = False) -> bytes:
    return request(OpCode.GET_DATA, GetDataRequest(path, watch))


def exists(path: str, *, watch: bool = False) -> bytes:
    return request(OpCode.EXISTS, ExistsRequest(path, watch))


def add_watch(path: str, mode: AddWatchMode = AddWatchMode.PERSISTENT_RECURSIVE) -> bytes:
    return request(OpCode.ADD_WATCH, AddWatchRequest(path, mode))


def auth(credentials: bytes) -> bytes:
    return request(OpCode.AUTH, AuthPacket(0, "digest", credentials), xid=-4)


def set_watches(paths: list[bytes], relative_zxid: int = 1 << 60) -> bytes:
    """Watches on data that nobody has changed since; paths as bytes, since there are so many."""
    vector = pack(">i", len(paths)) + b"".join(pack(">i", len(path)) + path for path in paths)
    empty = bytes(4)
    # The paths of missing nodes are the second of the three lists.
    return request(OpCode.SET_WATCHES, pack(">q", relative_zxid) + empty + vector + empty)


def multi_read(operation: bytes, count: int) -> bytes:
    """A multiRead of ``count`` times the same getData, given as the body of one."""
    one = MultiHeader(OpCode.GET_DATA, False, -1).encode() + operation
    return request(OpCode.MULTI_READ, one * count + MultiHeader(-1, True, -1).encode())


def many_operations(count: int) -> bytes:
    """A multi of checks of the root."""
    one = MultiHeader(OpCode.CHECK, False, -1).encode() + pack(">i", 1) + b"/" + pack(">i", -1)
    return request(OpCode.MULTI, one * count + MultiHeader(-1, True, -1).encode())
