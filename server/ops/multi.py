"""multi and multiRead: several operations in one request.

On the wire both are lists of ``MultiHeader`` and record, which jute itself cannot express. A multi takes
one zxid; each operation is prepared on top of the ones before it, and one failure takes all of them back.
There may be a hundred thousand of them, so every loop has pauses (``pauses``), in which nobody sees what is
half done.

Sources: ``MultiOperationRecord``, ``MultiResponse``, ``PrepRequestProcessor`` (case multi),
``DataTree.processTxn`` (case multi), ``FinalRequestProcessor``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from struct import Struct
from struct import error as StructError
from typing import Any, Final

from ...jute.codes import CreateMode, ErrorCode, OpCode
from ...jute.errors import JuteError
from ...jute.proto import (
    CreateRequest,
    CreateTTLRequest,
    ErrorResponse,
    GetChildrenRequest,
    GetDataRequest,
)
from ...jute.record import Record
from ...jute.txn import ErrorTxn, MultiTxn
from ..data_node import DataNode
from ..errors import KeeperError, MarshallingError, SessionMoved, Unprepared
from ..pauses import nothing, slices, with_pauses
from .context import Client, Operation, PrepContext, ReadContext, TxnContext
from .create import TTL_FLAGS

REPLY_BYTES_MAX: Final = 16 << 20
"""A multiRead whose answer would be larger is refused: a small request must not take the memory of all."""
_FLAGS: Final = frozenset(CreateMode)
_TTL_BYTES: Final = 8
_PAUSE_BYTES: Final = 512
_PAUSE_OPERATIONS: Final = 16
"""No more of them are handled without a pause."""
_COUNT: Final = Struct(">i")
_HEADER: Final = Struct(">i?i")  # MultiHeader
_SUB_TXN: Final = Struct(">ii")  # Txn: type, length of data
_END: Final = _HEADER.pack(-1, True, -1)
_CREATE: Final = int(OpCode.CREATE)
_CREATE2: Final = int(OpCode.CREATE2)
_CREATE2_HEAD: Final = _HEADER.pack(_CREATE2, False, 0)[:5]


class PreparedMulti:
    """A multi's sub-txns, decoded and encoded, and after application the results the client is told.

    ``has_moved``: an operation failed because the session is at another server now.
    """

    __slots__ = ("encoded", "has_moved", "ops", "results")

    def __init__(self) -> None:
        self.has_moved = False
        self.ops: list[tuple[Operation, Record]] = []
        self.encoded: list[bytes] = []
        self.results: list[bytes] = []

    def add(self, op: Operation, txn: Record, encoded: bytes) -> None:
        """One more sub-txn.

        A create2 is logged as the create that it is: Java 3.8, which logs it so, would pass over the whole
        multi otherwise, without a word (``docs/deviations.md``).
        """
        opcode = op.opcode
        self.ops.append((op, txn))
        self.encoded += (_SUB_TXN.pack(_CREATE if opcode == _CREATE2 else opcode, len(encoded)), encoded)

    def encode(self, pause: Callable[[], None] = nothing) -> bytes:
        """Bytes of the ``MultiTxn``."""
        return _COUNT.pack(len(self.ops)) + b"".join(self.encoded)


def decode_operations(
    body: bytes, operations: dict[int, Operation], pause: Callable[[], None] = nothing
) -> Iterator[tuple[Operation, Any, bytes]]:
    """The operations in a request body, each with the bytes of its record.

    Raises MarshallingError on anything that may not stand there. Reads and writes can't be mixed; the flag of
    a create must be one that exists. Unlike outside of a multi, flag 4 makes a container whatever the opcode
    is, and a createTTL with a flag that has no time to live is a create (``Op.Create``).
    """
    reading: bool | None = None
    offset, pause_at = 0, _PAUSE_BYTES
    try:
        while True:
            if offset > pause_at:
                pause()
                pause_at = offset + _PAUSE_BYTES
            opcode, done, _ = _HEADER.unpack_from(body, offset)
            offset += _HEADER.size
            if done:
                return
            op = operations.get(opcode)
            if op is None or op.request is None or not (op.in_multi or op.in_multi_read):
                raise MarshallingError(f"operation {opcode} in a multi")
            if reading is None:
                reading = op.in_multi_read
            elif reading is not op.in_multi_read:
                raise MarshallingError("reads and writes in one multi")
            start = offset
            request, offset = op.request.decode(body, start)
            raw = body[start:offset]
            if isinstance(request, CreateRequest):
                _check_create(request)
                if request.flags == CreateMode.CONTAINER:
                    op = operations[OpCode.CREATE_CONTAINER]
            elif isinstance(request, CreateTTLRequest) and request.flags not in TTL_FLAGS:
                # The time to live is lost, and what is left is a create like any other.
                is_container = request.flags == CreateMode.CONTAINER
                op = operations[OpCode.CREATE_CONTAINER if is_container else OpCode.CREATE]
                request = CreateRequest(request.path, request.data, request.acl, request.flags)
                raw = raw[:-_TTL_BYTES]
            yield op, request, raw
    except (JuteError, StructError) as error:
        raise MarshallingError(str(error)) from None


def _check_create(request: CreateRequest) -> None:
    """What the original can't even represent refuses the multi as a whole; a null ACL takes no zxid."""
    if request.flags not in _FLAGS:
        raise MarshallingError(f"create flags {request.flags}")
    if request.acl is None:
        raise Unprepared("null ACL")
    if request.flags in TTL_FLAGS:
        raise MarshallingError(f"create flags {request.flags} without a time to live")


def prep_multi(context: PrepContext, body: bytes) -> PreparedMulti:
    """Prepare every operation; on the first failure take all back and note the errors instead.

    The sub-txns before the failing one keep their types in the log, as the original writes them; whoever
    applies the txn sees the error among them and applies none.
    """
    pause = context.changes.tree.pauses.take
    requests = list(decode_operations(body, context.operations, pause))
    if any(op.in_multi_read or request.path is None for op, request, _ in requests):
        raise MarshallingError("a read or a null path in a multi")
    error_op = context.operations[OpCode.ERROR]
    multi = PreparedMulti()
    failed = False
    context.changes.begin_multi()
    for op, request, raw in with_pauses(requests, pause, _PAUSE_OPERATIONS):
        if failed:
            error_txn = ErrorTxn(ErrorCode.RUNTIME_INCONSISTENCY)
            multi.add(error_op, error_txn, error_txn.encode())
            continue
        try:
            assert op.prep is not None
            txn = op.prep(context, request)
            multi.add(op, txn, txn.encode() if op.encode is None else op.encode(raw, request, txn))
        except KeeperError as error:
            if isinstance(error, MarshallingError):
                context.changes.rollback_multi()
                raise
            context.changes.rollback_multi()
            failed = True
            error_txn = ErrorTxn(error.code)
            multi.add(error_op, error_txn, error_txn.encode())
    if not failed:
        context.changes.commit_multi()
    return multi


def apply_multi(context: TxnContext, txn: PreparedMulti | MultiTxn) -> None:
    """Apply all sub-txns, or none if one of them is an error."""
    if isinstance(txn, MultiTxn):
        _replay(context, _decoded(txn, context.operations, context.tree.pauses.take))
        return
    pause = context.tree.pauses.take
    ops, results = txn.ops, txn.results
    if any(op.opcode == OpCode.ERROR for op, _ in ops):
        code: int = ErrorCode.OK
        for op, sub_txn in with_pauses(ops, pause):
            if op.opcode == OpCode.ERROR:
                assert isinstance(sub_txn, ErrorTxn)
                code = sub_txn.err
                if code == ErrorCode.SESSION_MOVED:
                    txn.has_moved = True
            results.append(error_result(code))
        return
    for op, sub_txn in with_pauses(ops, pause, _PAUSE_OPERATIONS):
        assert op.apply is not None
        assert op.reply is not None
        node = op.apply(context, sub_txn)
        results.append(_HEADER.pack(op.result_type, False, 0) + op.reply(sub_txn, node))


def _replay(context: TxnContext, ops: list[tuple[Operation, Record]]) -> None:
    """Apply a logged multi. What a fuzzy snapshot already holds of it does not keep the rest out."""
    if any(op.opcode == OpCode.ERROR for op, _ in ops):
        return
    pause = context.tree.pauses.take
    for op, sub_txn in with_pauses(ops, pause, _PAUSE_OPERATIONS):
        assert op.apply is not None
        with suppress(KeeperError):
            op.apply(context, sub_txn)


def as_prepared(
    txn: MultiTxn, operations: dict[int, Operation], pause: Callable[[], None] = nothing, *, body: bytes = b""
) -> PreparedMulti:
    """A multi that another server prepared, for a client of this one whose request had this body.

    The client is answered as it has asked: in the txn a create2 is a create. Raises JuteError.
    """
    multi = PreparedMulti()
    multi.ops = _decoded(txn, operations, pause)
    if _CREATE2_HEAD in body:
        with suppress(KeeperError):  # whatever a leader makes of what can't be decoded here
            asked = [op for op, _, _ in decode_operations(body, operations, pause)]
            multi.ops = [
                (want if want.opcode == _CREATE2 and op.opcode == _CREATE else op, sub_txn)
                for want, (op, sub_txn) in zip(asked, multi.ops, strict=False)
            ]
    return multi


def _decoded(
    txn: MultiTxn, operations: dict[int, Operation], pause: Callable[[], None]
) -> list[tuple[Operation, Record]]:
    """Sub-txns of a multi read from the log. Raises JuteError, also for a type that can't be there."""
    ops: list[tuple[Operation, Record]] = []
    for part in slices(txn.txns or (), pause):
        for sub in part:
            op = operations.get(sub.type)
            if op is None or op.txn is None or not (op.in_multi or op.opcode == OpCode.ERROR):
                raise JuteError("Txn", "type", 0, f"no sub-txn has type {sub.type}")
            ops.append((op, op.txn.decode(sub.data or b"")[0]))
    return ops


def error_result(code: int) -> bytes:
    """One failed operation among the results: the code stands in header and body."""
    return _HEADER.pack(OpCode.ERROR, False, code) + ErrorResponse(code).encode()


def reply_multi(txn: PreparedMulti, node: DataNode | None) -> bytes:
    """Body of ``MultiResponse``; the reply header's error is 0 even when the operations failed.

    Raises SessionMoved, which is about the connection and never answered.
    """
    if txn.has_moved:
        raise SessionMoved
    return b"".join((*txn.results, _END))


def final_multi_read(context: ReadContext, client: Client, body: bytes) -> bytes:
    """Each read answered or refused on its own; watches are not set.

    A multiRead of writes answers a marshalling error with the results so far behind it.
    """
    results: list[bytes] = []
    size = 0
    pause = context.tree.pauses.take
    for op, request, _ in list(decode_operations(body, context.operations, pause)):
        pause()
        if not op.in_multi_read:
            raise MarshallingError(f"{op.name} in a multiRead", body=_END)
        assert op.final is not None
        assert isinstance(request, (GetDataRequest, GetChildrenRequest))
        try:
            result = op.final(context, client, type(request)(request.path, False))
        except MarshallingError as error:
            raise MarshallingError(str(error), body=b"".join((*results, _END))) from None
        except KeeperError as error:
            results.append(error_result(error.code))
        else:
            results.append(_HEADER.pack(op.opcode, False, 0) + result)
            size += len(result)
            if size > REPLY_BYTES_MAX:
                raise MarshallingError(f"the answer is larger than {REPLY_BYTES_MAX} bytes")
    return b"".join((*results, _END))
