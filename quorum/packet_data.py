"""What `QuorumPacket.data` holds, where it is neither a txn nor a text: both ways.

    REQUEST       session id (long), cxid (int), opcode (int), the request's body
    PING          (session id (long), timeout ms (int))*           from the learner; null from the leader
    REVALIDATE    session id (long), timeout ms (int)              from the learner
                  session id (long), valid (boolean)               from the leader
    FOLLOWERINFO, OBSERVERINFO    server id (long), [protocol version (int), [config version (long)]]
    LEADERINFO    protocol version (int)
    ACKEPOCH      current epoch (int), -1 if this epoch had been accepted before
    COMMITANDACTIVATE             designated leader (long)
    INFORMANDACTIVATE             designated leader (long), the proposal's payload

Functions that decode raise JuteError for bytes of the wrong length; a null counts as no bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct
from typing import Final, NamedTuple

from ..jute.errors import BadLength, Truncated

PROTOCOL_VERSION: Final = 0x10000
"""Learners that say less than this know neither LEADERINFO nor ACKEPOCH (ZooKeeper before 3.4)."""

_request = Struct(">qii")
_touch = Struct(">qi")
_validity = Struct(">q?")
_learner = Struct(">qiq")
_int = Struct(">i")
_long = Struct(">q")


class ForwardedRequest(NamedTuple):
    """A client's write on its way to the leader; `body` is what followed the client's request header."""

    session_id: int
    cxid: int
    opcode: int
    body: bytes


class LearnerIntroduction(NamedTuple):
    """Who wants to follow; parts that older servers leave out have the original's defaults."""

    server_id: int
    protocol_version: int = 1
    config_version: int = 0


def encode_request(session_id: int, cxid: int, opcode: int, body: bytes) -> bytes:
    return _request.pack(session_id, cxid, opcode) + body


def decode_request(data: bytes | None) -> ForwardedRequest:
    data = _at_least(data, _request.size, "REQUEST")
    session_id, cxid, opcode = _request.unpack_from(data)
    return ForwardedRequest(session_id, cxid, opcode, data[_request.size :])


def encode_touches(touches: Iterable[tuple[int, int]]) -> bytes:
    """Sessions heard of since the last ping, as (id, timeout in ms)."""
    return b"".join(_touch.pack(session_id, timeout_ms) for session_id, timeout_ms in touches)


def decode_touches(data: bytes | None) -> list[tuple[int, int]]:
    if not data:
        return []
    if len(data) % _touch.size:
        raise Truncated("PING", "data", len(data), f"{len(data)} bytes are no pairs of session and timeout")
    return list(_touch.iter_unpack(data))


def encode_revalidation(session_id: int, timeout_ms: int) -> bytes:
    return _touch.pack(session_id, timeout_ms)


def decode_revalidation(data: bytes | None) -> tuple[int, int]:
    """Session id, timeout in ms."""
    session_id, timeout_ms = _touch.unpack_from(_at_least(data, _touch.size, "REVALIDATE"))
    return session_id, timeout_ms


def encode_validity(session_id: int, valid: bool) -> bytes:
    return _validity.pack(session_id, valid)


def decode_validity(data: bytes | None) -> tuple[int, bool]:
    session_id, valid = _validity.unpack_from(_at_least(data, _validity.size, "REVALIDATE"))
    return session_id, valid


def encode_introduction(server_id: int, config_version: int) -> bytes:
    return _learner.pack(server_id, PROTOCOL_VERSION, config_version)


def decode_introduction(data: bytes | None) -> LearnerIntroduction:
    """Servers before 3.4 send 8 bytes, before 3.5 12; what is longer than ours is cut."""
    data = _at_least(data, 8, "LearnerInfo")
    if len(data) < 12:
        return LearnerIntroduction(*_long.unpack_from(data))
    if len(data) < _learner.size:
        return LearnerIntroduction(*_touch.unpack_from(data))
    return LearnerIntroduction(*_learner.unpack_from(data))


def encode_int(value: int) -> bytes:
    """Data of LEADERINFO and ACKEPOCH."""
    return _int.pack(value)


def decode_int(data: bytes | None, packet_name: str) -> int:
    (value,) = _int.unpack_from(_at_least(data, 4, packet_name))
    return int(value)


def encode_activation(leader_id: int, payload: bytes = b"") -> bytes:
    return _long.pack(leader_id) + payload


def decode_activation(data: bytes | None) -> tuple[int, bytes]:
    """Server id of the designated leader, and the payload (empty in COMMITANDACTIVATE)."""
    data = _at_least(data, 8, "COMMITANDACTIVATE")
    (leader_id,) = _long.unpack_from(data)
    return leader_id, data[8:]


def _at_least(data: bytes | None, size: int, packet_name: str) -> bytes:
    if data is None:
        raise BadLength(packet_name, "data", 0, "null")
    if len(data) < size:
        raise Truncated(packet_name, "data", len(data), f"{size} bytes are needed")
    return data
