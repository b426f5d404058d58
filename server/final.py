"""FinalRequestProcessor: applies what is durable and answers.

Writes arrive here one by one in zxid order, after their fsync. Applying sets off the watches, so an event is
queued on its connection before any later reply there, the writer's own included.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, Protocol

from ..jute.codes import OpCode
from ..jute.ids import SessionId
from .change_records import OutstandingChanges
from .database import ZKDatabase
from .errors import KeeperError
from .ops.context import Kind, TxnContext
from .ops.table import OPERATIONS
from .request import Request

if TYPE_CHECKING:
    from .connection import ServerConnection

_log = logging.getLogger(__name__)


class SessionEvents(Protocol):
    """What the end of the chain tells whoever keeps the sessions."""

    def session_opened(self, client: ServerConnection) -> None:
        """createSession is applied: the handshake can be answered."""

    def session_closed(self, session_id: SessionId, client: ServerConnection | None) -> None:
        """closeSession is applied (and, if a client asked for it, answered)."""


class FinalRequestProcessor:
    """Last of the chain."""

    def __init__(self, database: ZKDatabase, changes: OutstandingChanges, events: SessionEvents) -> None:
        self._database = database
        self._changes = changes
        self._events = events
        self._context = TxnContext(database.tree, OPERATIONS)

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
                    body = operation.reply(request.txn, node)
                if request.digest is not None and tree.digest != request.digest:
                    raise AssertionError(f"the tree is not what was prepared at zxid {zxid:#x}")
                if operation.opcode < 0:
                    self._database.note_session(request.session_id, operation.opcode, request.txn)
            tree.last_processed_zxid = zxid
        elif operation.kind is Kind.BARRIER and not request.error:
            body = operation.reply(request.record, None)  # type: ignore[misc]
        if operation.opcode == OpCode.CREATE_SESSION and client is not None and not request.error:
            self._events.session_opened(client)
        elif client is not None:
            client.write_answered(request, body)
        if operation.opcode == OpCode.CLOSE_SESSION:
            self._events.session_closed(request.session_id, client)


_NOTHING_KNOWN: Final[dict[str, int]] = {}
