"""A ping that is answered out of turn, in a pause of a long request (``pauses``, ``heartbeats``).

Only on a connection that waits for nothing: no request of its own is under way or half received, and it is
not the one whose requests are being handled. There the answer is the same as in turn, and nothing is looked
at or changed besides the session's deadline, what was sent and heard, and the connection's own output.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

from ..jute.codes import XID_PING, OpCode

if TYPE_CHECKING:
    from .connection import ServerConnection

PING_BYTES: Final = 12
"""A whole ping on the wire: length, xid, opcode."""
_LENGTH: Final = b"\0\0\0\x08"
_OPCODE: Final = int(OpCode.PING).to_bytes(4, "big")
_XID: Final = Struct(">i")
_REPLY: Final = Struct(">iiqi")


def is_ping(head: bytes) -> bool:
    """Whether these are the ``PING_BYTES`` of a ping."""
    return head[8:] == _OPCODE and head[:4] == _LENGTH


def answer_ping(client: ServerConnection, head: bytes, now_ms: int) -> bool:
    """Put the answer into the connection's output; False where it has to be handled in turn.

    The caller has seen that the connection ``is_free``.
    """
    core = client.core
    schemes = core.enforced_schemes
    if schemes is not None and not any(identity.scheme in schemes for identity in client.identities):
        return False
    if not core.sessions.touch(client.session_id, client.session_timeout_ms, now_ms):
        return False
    zxid = core.tree.last_processed_zxid
    client.out.append(_REPLY.pack(16, XID_PING, zxid, 0))
    client.unsent_bytes += 20
    core.stats.bytes_received += PING_BYTES
    core.stats.packets_received += 1
    client.stats.packets_received += 1
    (xid,) = _XID.unpack_from(head, 4)
    core.answered(client, 1, 20, 0, xid, zxid, core.operations[OpCode.PING])
    core.dirty[client] = None
    return True
