"""PrepRequestProcessor: decides what a write will do.

It decodes the request, checks it against the tree as it will be once everything outstanding is applied,
gives it a zxid and a time, and writes down the txn. A write that fails becomes an error txn: it takes a zxid
and is logged like any other, as in the original. The one exception, also the original's, is a single write
that can't be decoded: it takes no zxid.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from ..jute.codes import ErrorCode, OpCode
from ..jute.errors import JuteError
from ..jute.ids import Zxid, hex64
from ..jute.txn import ErrorTxn
from .errors import KeeperError, Unprepared
from .ops.context import Kind, PrepContext
from .request import Request

_log = logging.getLogger(__name__)


class PrepRequestProcessor:
    """First of the chain.

    Args:
        context: the tree to be, and what time it is.
        last_zxid: zxid of the newest txn there is.
        next_processor: takes the prepared request.
    """

    def __init__(
        self,
        context: PrepContext,
        last_zxid: Zxid,
        next_processor: Callable[[Request], None],
    ) -> None:
        self.context = context
        self._pauses = context.changes.tree.pauses
        self.last_zxid = last_zxid
        self._next = next_processor

    def process(self, request: Request) -> None:
        """Prepare a write (a barrier passes through) and hand it on."""
        operation = request.operation
        decoder = operation.request
        end = 0
        if decoder is not None and request.record is None:
            try:
                request.record, end = decoder.decode(request.frame, 8, self._pauses.take)
            except JuteError as error:
                _log.info("undecodable request: %s", error)
                request.error = ErrorCode.MARSHALLING_ERROR
                self._next(request)
                return
        if operation.kind is not Kind.BARRIER:
            self._prepare(request, end)
        self._next(request)

    def _prepare(self, request: Request, record_end: int) -> None:
        context, operation = self.context, request.operation
        self.last_zxid = context.zxid = request.zxid = Zxid(self.last_zxid + 1)
        request.time_ms = context.time_ms
        context.session_id = request.session_id
        context.identities = request.identities
        assert operation.prep is not None
        changes = context.changes
        digest = changes.digest
        try:
            request.txn = operation.prep(context, request.record)
        except Unprepared as error:
            self.last_zxid = Zxid(self.last_zxid - 1)
            request.error = error.code
            return
        except KeeperError as error:
            _log.debug("%s: %r", operation.name, error)
            request.error = error.code
            request.error_body = error.body
            request.txn = ErrorTxn(error.code)
            request.txn_type = OpCode.ERROR
            request.body = request.txn.encode()
            return
        except Exception:
            # The original answers whatever goes wrong here as undecodable; nothing of it may stay behind.
            _log.exception("%s of session 0x%s failed", operation.name, hex64(request.session_id))
            self._refuse(request, digest)
            return
        request.txn_type = operation.opcode
        if operation.encode is not None and record_end:
            body = operation.encode(request.frame[8:record_end], request.record, request.txn)
        else:
            body = b"" if request.txn is None else request.txn.encode(self._pauses.take)
        if len(body) > context.txn_bytes_max:
            # The original would log it and never be able to read it again (ZOOKEEPER-4306).
            if operation.opcode != OpCode.CLOSE_SESSION:
                _log.warning("%s makes a transaction of %d bytes: refused", operation.name, len(body))
                self._refuse(request, digest)
                return
            request.txn, body = None, b""  # whoever applies it finds the session's nodes in the tree
        request.body = body
        if changes.tree.digest_enabled:
            request.digest = changes.digest

    def _refuse(self, request: Request, digest: int) -> None:
        """Take back whatever was prepared, and make the request an error txn with a marshalling error."""
        self.context.changes.discard(request.zxid, digest)
        request.error = ErrorCode.MARSHALLING_ERROR
        request.txn = ErrorTxn(request.error)
        request.txn_type = OpCode.ERROR
        request.body = request.txn.encode()
