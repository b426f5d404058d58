"""multi (14) and multiRead (22): the one request that is not a jute record.

On the wire: MultiHeader and body, repeated, then the header (-1, done, -1). Encoded here by hand, so that a
scenario can also build lists that no client library would.
"""

from __future__ import annotations

from zoolet.jute.codes import OpCode
from zoolet.jute.data import Stat
from zoolet.jute.errors import JuteError
from zoolet.jute.proto import (
    Create2Response,
    CreateResponse,
    ErrorResponse,
    GetChildrenResponse,
    GetDataResponse,
    MultiHeader,
)
from zoolet.jute.record import Record

from .operations import Operation, hex_body
from .view import View, error_name

END = MultiHeader(-1, True, -1).encode()

_RESULTS: dict[int, type[Record] | None] = {
    OpCode.CREATE: CreateResponse,
    OpCode.CREATE2: Create2Response,
    OpCode.SET_DATA: Stat,
    OpCode.DELETE: None,
    OpCode.CHECK: None,
    OpCode.GET_DATA: GetDataResponse,
    OpCode.GET_CHILDREN: GetChildrenResponse,
    OpCode.ERROR: ErrorResponse,
}


def multi(*operations: Operation) -> Operation:
    """multi: all of these or none."""
    return _list(OpCode.MULTI, "multi", operations)


def multi_read(*operations: Operation) -> Operation:
    """multiRead: each of these on its own."""
    return _list(OpCode.MULTI_READ, "multiRead", operations)


def _list(opcode: int, name: str, operations: tuple[Operation, ...]) -> Operation:
    def body(view: View) -> bytes:
        parts = (MultiHeader(one.opcode, False, -1).encode() + one.body(view) for one in operations)
        return b"".join(parts) + END

    label = f"{name} {{{'; '.join(one.label for one in operations)}}}"
    return Operation(label, opcode, body, multi_answer, answers_errors=True)


def multi_answer(view: View, body: bytes) -> str:
    """Every result with its header; the end marker is checked."""
    results: list[str] = []
    offset = 0
    try:
        while True:
            header, offset = MultiHeader.decode(body, offset)
            if header.done:
                break
            result, offset = _result(view, header, body, offset)
            results.append(result)
    except (JuteError, KeyError):
        return "undecodable " + hex_body(view, body)
    end = "" if (header.type, header.err) == (-1, -1) else f" ended by ({header.type}, {header.err})"
    more = f" and {len(body) - offset} more bytes" if offset != len(body) else ""
    return "{" + "; ".join(results) + "}" + end + more


def _result(view: View, header: MultiHeader, body: bytes, offset: int) -> tuple[str, int]:
    kind = "error" if header.type == OpCode.ERROR else OpCode(header.type).name
    record = _RESULTS[header.type]
    if record is None:
        return f"{kind} {error_name(header.err)}", offset
    value, offset = record.decode(body, offset)
    match value:
        case ErrorResponse():
            same = "" if value.err == header.err else f" but its body says {value.err}"
            return f"{kind} {error_name(header.err)}{same}", offset
        case CreateResponse():
            words = view.path(value.path)
        case Create2Response():
            words = f"{view.path(value.path)} {view.stat(value.stat)}"
        case GetDataResponse():
            words = f"{view.data(value.data)} {view.stat(value.stat)}"
        case GetChildrenResponse():
            words = view.paths(value.children)
        case Stat():
            words = view.stat(value)
        case _:
            raise KeyError(header.type)
    return f"{kind} {error_name(header.err)} {words}", offset
