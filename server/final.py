"""FinalRequestProcessor: applies what is durable and answers.

Writes arrive here one by one in zxid order, after their fsync. Applying sets off the watches, so an event is
queued on its connection before any later reply there, the writer's own included.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ..jute.codes import OpCode
from ..jute.ids import SessionId
from .change_records import OutstandingChanges
from .database import DIGEST_LOG_MASK, ZKDatabase
from .digest import as_long
from .errors import KeeperError, SessionMoved
from .ops.context import Kind, TxnContext
from .ops.table import OPERATIONS
from .request import Request

if TYPE_CHECKING:
    from .connection import ServerConnection

SessionClosed = Callable[[SessionId, "ServerConnection | None"], None]


class FinalRequestProcessor:
    """Last of the chain.

    Args:
        database: what is changed.
        changes: what preparation knows of the txns to come.
        session_closed: told when a closeSession is applied and, if a client asked for it, answered.
    """

    def __init__(
        self, database: ZKDatabase, changes: OutstandingChanges, session_closed: SessionClosed
    ) -> None:
        self._database = database
        self._changes = changes
        self._session_closed = session_closed
        self._context = TxnContext(database.tree, OPERATIONS)

    def process_all(self, requests: list[Request]) -> None:
        """A batch, in its order."""
        process = self.process
        for request in requests:
            process(request)

    def process(self, request: Request) -> None:
        """Apply the request's txn, answer its client, then let reads that waited behind it run."""
        operation, client = request.operation, request.client
        body = request.error_body
        if request.txn_type is not None:
            context = self._context
            tree, zxid = context.tree, request.zxid
            if not request.error:
                context.zxid = zxid
                context.session_id = request.session_id
                context.time_ms = request.time_ms
                tree.known_digests = self._changes.take(zxid)
                try:
                    node = operation.apply(context, request.txn)  # type: ignore[misc]
                except KeeperError as error:
                    raise AssertionError(f"a prepared txn does not fit the tree: {request.txn!r}") from error
                tree.known_digests = _NOTHING_KNOWN
                if client is not None and operation.reply is not None:
                    try:
                        body = operation.reply(request.txn, node)
                    except SessionMoved as moved:
                        request.error = moved.code
                if request.digest is not None and tree.digest != request.digest:
                    self._database.report_mismatch(zxid, as_long(request.digest))
                if operation.opcode < 0:
                    self._database.note_session(request.session_id, operation.opcode, request.txn)
            tree.last_processed_zxid = zxid
            if not zxid & DIGEST_LOG_MASK:
                self._database.note_digest(zxid)
                tree.pauses.take()  # there may be thousands in a row
        elif operation.kind is Kind.BARRIER and not request.error:
            body = operation.reply(request.record, None)  # type: ignore[misc]
        if client is not None:
            client.write_answered(request, body)
        if operation.opcode == OpCode.CLOSE_SESSION:
            self._session_closed(request.session_id, client)


_NOTHING_KNOWN: Final[dict[str, int]] = {}
