"""A request on its way through the pipeline.

Only what has to wait gets one of these: writes, and reads behind a write of their own session. Any other
read is answered where it is read, without an object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..jute.data import Id
from ..jute.ids import SessionId, Zxid
from .ops.context import Operation

if TYPE_CHECKING:
    from .connection import ServerConnection


class Request:
    """What was asked, by whom, and what became of it.

    Attributes:
        body: the txn's record, encoded for the log.
        client: connection to answer; None for what the server asks of itself (expiry).
        frame: the request as received, header included; b"" if there was none.
        identities: who the client was when the request came in; later auth packets don't count for it.
        record: decoded body, where the decoding could not wait.
        zxid: of the txn; 0 if it takes none.
        txn: what is logged and applied; None for a txn without body.
        txn_type: type in the txn's header: the opcode, ``error`` for a write that failed, None if the
            request makes no txn.
        digest: tree digest once the txn is applied, as the running sum; None behind an error.
        error: code that goes into the reply header.
        error_body: bytes behind such a header, almost always none.
    """

    __slots__ = (
        "body",
        "client",
        "cxid",
        "digest",
        "error",
        "error_body",
        "frame",
        "identities",
        "operation",
        "received_ms",
        "record",
        "session_id",
        "time_ms",
        "txn",
        "txn_type",
        "zxid",
    )

    def __init__(
        self,
        client: ServerConnection | None,
        session_id: SessionId,
        cxid: int,
        operation: Operation,
        frame: bytes,
        received_ms: int,
        identities: tuple[Id, ...] = (),
    ) -> None:
        self.client = client
        self.session_id = session_id
        self.cxid = cxid
        self.operation = operation
        self.frame = frame
        self.received_ms = received_ms
        self.identities = identities
        self.record: Any = None
        self.zxid = Zxid(0)
        self.time_ms = 0
        self.txn: Any = None
        self.txn_type: int | None = None
        self.digest: int | None = None
        self.body = b""
        self.error = 0
        self.error_body = b""
