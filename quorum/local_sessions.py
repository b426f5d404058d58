"""Local sessions: what happens to requests where sessions are kept to one member until they own a node.

With ``localSessionsEnabled`` the begin and the end of a local session make no txn: they take their place
among the session's other requests, and end on this member (``setLocalSessionFlag``). Only a create of an
ephemeral node, alone or in a multi, makes a local session global: a createSession of the same id goes ahead
of it (``QuorumZooKeeperServer.checkUpgradeSession``). Where ``localSessionsUpgradingEnabled`` is off that
create is refused.

The tables of sessions are in ``session_trackers``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ..jute.codes import CreateMode, OpCode
from ..jute.errors import JuteError
from ..jute.proto import CreateRequest
from ..server.errors import KeeperError
from ..server.ops.context import Kind, Operation, empty_reply
from ..server.ops.multi import decode_operations
from ..server.ops.table import CLOSE_SESSION, CREATE_SESSION, OPERATIONS
from ..server.request import Request

LOCAL_CREATE_SESSION: Final = replace(CREATE_SESSION, kind=Kind.BARRIER, reply=empty_reply)
"""Begins a local session."""
LOCAL_CLOSE_SESSION: Final = replace(CLOSE_SESSION, kind=Kind.BARRIER)
"""Ends a local session: no node goes with it."""

LOCAL_ROWS: Final = (LOCAL_CREATE_SESSION, LOCAL_CLOSE_SESSION)

_MAY_UPGRADE: Final = frozenset((OpCode.CREATE, OpCode.CREATE2, OpCode.MULTI))
_EPHEMERAL: Final = frozenset((CreateMode.EPHEMERAL, CreateMode.EPHEMERAL_SEQUENTIAL))


def local_row(operation: Operation) -> Operation:
    """The row for createSession or closeSession of a local session."""
    return LOCAL_CREATE_SESSION if operation.opcode == OpCode.CREATE_SESSION else LOCAL_CLOSE_SESSION


def makes_ephemeral(request: Request) -> bool:
    """Whether the request is to make a node that goes with its session. One that can't be read makes none."""
    opcode = request.operation.opcode
    if opcode not in _MAY_UPGRADE:
        return False
    try:
        if opcode != OpCode.MULTI:
            return CreateRequest.decode(request.frame, 8)[0].flags in _EPHEMERAL
        operations = list(decode_operations(request.frame[8:], OPERATIONS))
        return any(row.opcode in _MAY_UPGRADE and record.flags in _EPHEMERAL for row, record, _ in operations)
    except (JuteError, KeeperError):
        return False
