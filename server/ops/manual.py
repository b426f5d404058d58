"""The reference page of all operations, written from the table.

`python -m zoolet.server.ops.manual` prints it. docs/operations.md is its output; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Iterator

from .context import Kind, Operation, RawBody
from .table import OPERATIONS

_INTRODUCTION = """\
# Operations

This page is written by `python -m zoolet.server.ops.manual`, from the table the server itself reads.

A `read` is answered from the tree as applied; a `write` takes a zxid, is logged, applied and answered; a
`barrier` takes its place among the writes; `connection` is handled ahead of the pipeline; `internal` is never
accepted from a client on its own. "Multi" says where the operation may stand: in a multi, in a multiRead.

| # | Name | Since | Kind | Request | Txn | Multi | What it does |
|---|---|---|---|---|---|---|---|"""


def manual() -> str:
    """The page, as markdown."""
    return "\n".join((_INTRODUCTION, *_rows())) + "\n"


def _rows() -> Iterator[str]:
    for operation in sorted(OPERATIONS.values(), key=lambda row: (row.opcode < 0, abs(row.opcode))):
        yield _row(operation)


def _row(operation: Operation) -> str:
    if operation.request is None:
        request = "-"
    elif operation.request is RawBody:
        request = "a list" if operation.kind is not Kind.INTERNAL else "-"
    else:
        request = f"`{operation.request.__name__}`"
    txn = f"`{operation.txn.__name__}`" if operation.txn is not None else "-"
    multi = "multi" if operation.in_multi else "multiRead" if operation.in_multi_read else "-"
    cells = (
        str(int(operation.opcode)),
        operation.name,
        operation.since,
        operation.kind.value,
        request,
        txn,
        multi,
        operation.doc,
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    print(manual(), end="")
