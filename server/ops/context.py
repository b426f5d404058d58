"""What the handlers of operations are given, and what one row of the table of operations says.

A write has three handlers: ``prep`` decides (and raises), ``apply`` changes the tree the same way on every
server, ``reply`` encodes what the client hears. A read has one, ``final``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from ...jute.data import Id
from ...jute.ids import SessionId, Zxid
from ...jute.record import Record
from ..acl import AccessControl
from ..change_records import OutstandingChanges
from ..data_node import DataNode
from ..data_tree import DataTree
from ..quota_guard import QuotaGuard
from ..sessions import SessionTracker
from ..watches import Watcher

if TYPE_CHECKING:
    from ...jute.proto import ReconfigRequest
    from ..settings_table import Config

TXN_FRAME_BYTES = 64
"""More than header and digest of a txn take."""


class Client(Watcher, Protocol):
    """The connection a request came in on, as handlers see it."""

    session_id: SessionId


class PrepContext:
    """State of preparation: the tree to be, and zxid and time of the txn being prepared."""

    __slots__ = (
        "access",
        "changes",
        "close_session_lists_paths",
        "extended_types_enabled",
        "identities",
        "now_ms",
        "operations",
        "quota",
        "reconfig_enabled",
        "reconfigure",
        "session_id",
        "sessions",
        "time_ms",
        "txn_bytes_max",
        "zxid",
    )

    def __init__(
        self,
        changes: OutstandingChanges,
        access: AccessControl,
        sessions: SessionTracker,
        operations: dict[int, Operation],
        *,
        reconfig_enabled: bool = False,
        close_session_lists_paths: bool = True,
        extended_types_enabled: bool = False,
        txn_bytes_max: int = 2 * 1_048_575,
    ) -> None:
        self.changes = changes
        self.access = access
        self.sessions = sessions
        self.operations = operations
        self.reconfig_enabled = reconfig_enabled
        self.reconfigure: Callable[[ReconfigRequest, int], bytes] | None = None
        """(request, zxid) -> text of the new configuration. Raises KeeperError. A leader has one."""
        self.quota: QuotaGuard | None = None
        """Asked before a node or its data is written, where hard quotas are enforced."""
        self.close_session_lists_paths = close_session_lists_paths
        self.extended_types_enabled = extended_types_enabled
        self.txn_bytes_max = txn_bytes_max
        """Longest txn that can be read back: ``jute.maxbuffer`` plus its slack, less header and digest."""
        self.session_id = SessionId(0)
        self.identities: tuple[Id, ...] = ()
        self.zxid = Zxid(0)
        self.time_ms = 0
        self.now_ms = 0

    @classmethod
    def from_config(
        cls,
        config: Config,
        changes: OutstandingChanges,
        access: AccessControl,
        sessions: SessionTracker,
        operations: dict[int, Operation],
        quota_exceeded: dict[str, int] | None = None,
    ) -> PrepContext:
        """A context with the settings that preparation looks at; refusals by quotas are counted."""
        context = cls(
            changes,
            access,
            sessions,
            operations,
            reconfig_enabled=config.reconfig_enabled,
            close_session_lists_paths=config.close_session_txn_enabled,
            extended_types_enabled=config.extended_types_enabled,
            txn_bytes_max=config.jute_max_buffer_bytes + config.jute_max_buffer_extra_bytes - TXN_FRAME_BYTES,
        )
        if config.enforce_quota:
            context.quota = QuotaGuard(changes.tree, {} if quota_exceeded is None else quota_exceeded)
        return context


class ReadContext:
    """What reads look at: the tree as applied, and who may see what."""

    __slots__ = ("access", "identities", "operations", "tree")

    def __init__(self, tree: DataTree, access: AccessControl, operations: dict[int, Operation]) -> None:
        self.tree = tree
        self.access = access
        self.operations = operations
        self.identities: tuple[Id, ...] = ()
        """Of the client whose request is being answered, as they were when it came in."""


class TxnContext:
    """Header fields of the txn being applied."""

    __slots__ = ("operations", "session_id", "time_ms", "tree", "zxid")

    def __init__(self, tree: DataTree, operations: dict[int, Operation]) -> None:
        self.tree = tree
        self.operations = operations
        self.session_id = 0
        self.zxid = 0
        self.time_ms = 0


class Kind(Enum):
    """How an operation travels."""

    READ = "read"
    """Answered from the tree by ``final``; waits only for the session's own writes."""
    WRITE = "write"
    """Takes a zxid, is logged, applied and answered."""
    BARRIER = "barrier"
    """Takes its place among the writes and is answered behind them (sync)."""
    CONNECTION = "connection"
    """Handled where the bytes come in, ahead of the pipeline (auth, sasl)."""
    INTERNAL = "internal"
    """A txn type or sub-operation that no client may send on its own."""


class RawBody:
    """Stands in the table where a body is not one record; the handler reads it."""

    @staticmethod
    def decode(buf: bytes, offset: int = 0, pause: Callable[[], None] | None = None) -> tuple[bytes, int]:
        """Everything from ``offset`` on."""
        return buf[offset:], len(buf)


Prep = Callable[[PrepContext, Any], Any]
Apply = Callable[[TxnContext, Any], DataNode | None]
Encode = Callable[[bytes, Any, Any], bytes]
"""(bytes of the request's record, that record, the txn) -> bytes of the txn"""
Reply = Callable[[Any, DataNode | None], bytes]
Final = Callable[[ReadContext, Client, Any], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One row of the table.

    Attributes:
        opcode: number on the wire, and type of the txn.
        name: spelling of ``ZooDefs.OpCode``.
        tag: what ``cons`` and ``stat`` print as the last operation.
        kind: how it travels.
        request: record of the body, None if there is none.
        txn: record in the log, None if it writes none.
        prep, apply, reply: handlers of a write.
        encode: bytes of the txn, where most of them stand in the request's record already.
        final: handler of a read.
        in_multi, in_multi_read: may stand inside those.
        result_type: type of its result inside a multi.
        since: first version of the original that has it.
        doc: one sentence for the reference page.
    """

    opcode: int
    name: str
    kind: Kind
    doc: str
    tag: str = "NA"
    request: type[Record] | type[RawBody] | None = None
    txn: type[Record] | None = None
    prep: Prep | None = None
    apply: Apply | None = None
    encode: Encode | None = None
    reply: Reply | None = None
    final: Final | None = None
    in_multi: bool = False
    in_multi_read: bool = False
    result_type: int = 0
    since: str = "3.0"


def empty_reply(txn: Any, node: DataNode | None) -> bytes:
    """Body of a reply that is a header only."""
    return b""


def stat_reply(txn: Any, node: DataNode | None) -> bytes:
    """Body of a reply that is the node's Stat."""
    assert node is not None
    return node.stat_bytes()
