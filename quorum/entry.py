"""Entry: a txn as it travels from a leader to its learners; where nobody waits for it, its own request."""

from __future__ import annotations

from ..jute.codes import OpCode
from ..jute.ids import SessionId, Zxid
from ..jute.txn import TxnDigest
from ..server.database import ZKDatabase, read_payload
from ..server.ops.table import OPERATIONS
from ..server.request import Request


class Entry(Request):
    """A proposal, taken apart, and its bytes as they go to the log.

    Attributes:
        payload: these bytes.
        txn_digest: version and value of the tree's digest that its leader foresaw; None behind an error.
    """

    __slots__ = ("payload", "txn_digest")

    payload: bytes
    txn_digest: tuple[int, int] | None

    @classmethod
    def read(cls, payload: bytes, now_ms: int) -> Entry:
        """What a leader proposes, received now. Raises JuteError for anything that is no txn."""
        session_id, cxid, zxid, time_ms, kind, txn, digest = read_payload(payload)
        entry = cls(None, SessionId(session_id), cxid, OPERATIONS[kind], b"", now_ms)
        entry.zxid = Zxid(zxid)
        entry.time_ms = time_ms
        entry.txn_type = kind
        entry.txn = txn
        entry.txn_digest = digest
        entry.payload = payload
        if kind == OpCode.ERROR:
            entry.error = txn.err
        return entry

    def replay(self, database: ZKDatabase, *, compare: bool = False) -> None:
        """Apply it as when it is read from a log: nobody waits for it; with the digest compared if asked."""
        digest = TxnDigest(*self.txn_digest) if compare and self.txn_digest is not None else None
        assert self.txn_type is not None
        database.apply(self.session_id, self.zxid, self.time_ms, self.txn_type, self.txn, digest)
