"""Model: what the tree was at every zxid, worked out from the committed txns alone.

It knows nothing of how servers keep a tree: nodes, data, versions, children, owners and sessions, each with
its past, so that an answer can be held against the state at the zxid that the answer names.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any, NamedTuple

from ...jute.codes import CONTAINER_OWNER, CreateMode, OpCode
from ...jute.ids import hex64
from ...server.data_node import ttl_of, ttl_owner
from ...server.database import decode_payload
from ...server.ops.table import OPERATIONS
from .violation import Violation

_CREATES = (OpCode.CREATE, OpCode.CREATE2)


class NodeState(NamedTuple):
    """A node from one zxid on; ``data`` is None while it is not there (no test writes null data).

    ``kind`` is the ephemeralOwner of a container or of a node with a time to live, which no client sees.
    """

    zxid: int
    data: bytes | None
    version: int = 0
    czxid: int = 0
    owner: int = 0
    children: frozenset[str] = frozenset()
    births: int = 0
    kind: int = 0
    mtime: int = 0


_NOTHING = NodeState(0, None)


class Model:
    """The ensemble's tree, and its past."""

    def __init__(self, *, local_sessions: bool = False) -> None:
        self._local_sessions = local_sessions
        self._zxids: dict[str, list[int]] = {}
        self._states: dict[str, list[NodeState]] = {}
        self._owned: dict[int, dict[str, None]] = {}
        self.opened: dict[int, int] = {}
        """Zxid of every session's beginning."""
        self.closed: dict[int, int] = {}
        """Zxid of every session's end."""
        self.writes: dict[tuple[int, int], int] = {}
        """Zxid of every write that did not fail, by session and cxid."""
        self.failures: dict[int, int] = {}
        """Error of every write that failed, by zxid."""
        self.removed = 0
        """How many containers and nodes with a time to live a leader has removed."""
        self.expired: set[int] = set()
        """Sessions that a leader has ended."""
        self._last_cxid: dict[int, int] = {}
        self._put("/", NodeState(0, b"", children=frozenset({"zookeeper"})))

    def at(self, path: str, zxid: int) -> NodeState:
        """A node as it was behind a zxid."""
        zxids = self._zxids.get(path)
        if zxids is None:
            return _NOTHING
        index = bisect_right(zxids, zxid) - 1
        return self._states[path][index] if index >= 0 else _NOTHING

    def now(self, path: str) -> NodeState:
        """A node behind the last committed txn."""
        states = self._states.get(path)
        return states[-1] if states else _NOTHING

    def changed(self, path: str, after: int, upto: int) -> bool:
        """Whether a node was made, deleted or got other data after one zxid and up to another."""
        for state in reversed(self._states.get(path, [])):
            if state.zxid <= after:
                return False
            if state.zxid <= upto and self._is_change(path, state):
                return True
        return False

    def _is_change(self, path: str, state: NodeState) -> bool:
        before = self.at(path, state.zxid - 1)
        return (before.data, before.version, before.czxid) != (state.data, state.version, state.czxid)

    @property
    def paths(self) -> list[str]:
        """Every path that ever was."""
        return list(self._states)

    def apply(self, payload: bytes) -> None:
        """The next committed txn. Raises Violation for one that must not be."""
        header, txn, _ = decode_payload(payload)
        session, zxid = header.clientId, header.zxid
        if header.type == OpCode.CREATE_SESSION:
            if session in self.opened:
                raise Violation("SessionUnique", f"session 0x{hex64(session)} begins a second time")
            self.opened[session] = zxid
            return
        if header.type == OpCode.ERROR:
            self.failures[zxid] = txn.err
            return
        if header.type == OpCode.CLOSE_SESSION:
            # A client may close a session while the leader expires it, and the original ends it twice then.
            if session in self.closed and not header.cxid and session in self.expired:
                raise Violation("SessionExpiredOnce", f"session 0x{hex64(session)} is expired a second time")
            if not header.cxid:
                self.expired.add(session)
            self.closed.setdefault(session, zxid)
            for path in list(self._owned.pop(session, ())):
                self._delete(path, zxid)
            return
        if header.type == OpCode.MULTI and any(part.type == OpCode.ERROR for part in txn.txns):
            self.failures[zxid] = 0  # one of its parts failed, so none of them counts
            return
        if header.type == OpCode.DELETE_CONTAINER:
            self._remove(txn.path, zxid, header.time)
            return
        # With local sessions a leader takes an unknown session for one of the member that asks (as in Java).
        if session in self.closed and not self._local_sessions:
            raise Violation(
                "SessionOver", f"0x{hex64(zxid)} is of session 0x{hex64(session)}, which has ended"
            )
        if header.cxid <= self._last_cxid.get(session, -(1 << 31)):
            name = "WriteOnce" if (session, header.cxid) in self.writes else "SessionOrder"
            raise Violation(
                name,
                f"0x{hex64(zxid)} is request {header.cxid} of session 0x{hex64(session)}, behind request"
                f" {self._last_cxid[session]}",
            )
        self._last_cxid[session] = header.cxid
        self.writes[session, header.cxid] = zxid
        self._apply(header.type, txn, session, zxid, header.time)

    def _apply(self, kind: int, txn: Any, session: int, zxid: int, time_ms: int) -> None:
        if kind in _CREATES:
            owner = session if txn.ephemeral else 0
            self._create(txn.path, NodeState(zxid, txn.data, czxid=zxid, owner=owner, mtime=time_ms))
            if owner:
                self._owned.setdefault(session, {})[txn.path] = None
        elif kind == OpCode.CREATE_CONTAINER:
            self._create(txn.path, NodeState(zxid, txn.data, czxid=zxid, kind=CONTAINER_OWNER))
        elif kind == OpCode.CREATE_TTL:
            state = NodeState(zxid, txn.data, czxid=zxid, kind=ttl_owner(txn.ttl), mtime=time_ms)
            self._create(txn.path, state)
        elif kind == OpCode.DELETE:
            self._delete(txn.path, zxid)
        elif kind == OpCode.SET_DATA:
            before = self.now(txn.path)
            self._put(txn.path, before._replace(zxid=zxid, data=txn.data, version=txn.version, mtime=time_ms))
        elif kind == OpCode.MULTI:
            for part in txn.txns:
                operation = OPERATIONS[part.type]
                if operation.txn is not None:
                    self._apply(part.type, operation.txn.parse(part.data), session, zxid, time_ms)

    def _create(self, path: str, state: NodeState) -> None:
        parent, _, name = path.rpartition("/")
        before = self.now(parent or "/")
        children, births = before.children | {name}, before.births + 1
        self._put(parent or "/", before._replace(zxid=state.zxid, children=children, births=births))
        self._put(path, state)

    def _remove(self, path: str, zxid: int, time_ms: int) -> None:
        """A leader deletes a node that is out of use."""
        state = self.now(path)
        if state.kind == CONTAINER_OWNER:
            is_due = state.births > 0
        else:
            is_due = 0 < ttl_of(state.kind) < time_ms - state.mtime
        if state.data is None or not state.kind or state.children or not is_due:
            raise Violation("OnlyWhatIsOutOfUse", f"0x{hex64(zxid)} removes {path}, which is {state}")
        self.removed += 1
        self._delete(path, zxid)

    def _delete(self, path: str, zxid: int) -> None:
        owner = self.now(path).owner
        if owner in self._owned:
            self._owned[owner].pop(path, None)
        parent, _, name = path.rpartition("/")
        before = self.now(parent or "/")
        self._put(parent or "/", before._replace(zxid=zxid, children=before.children - {name}))
        self._put(path, NodeState(zxid, None))

    def _put(self, path: str, state: NodeState) -> None:
        zxids = self._zxids.setdefault(path, [])
        states = self._states.setdefault(path, [])
        if zxids and zxids[-1] == state.zxid:
            states[-1] = state
        else:
            zxids.append(state.zxid)
            states.append(state)


SEQUENTIAL = (CreateMode.PERSISTENT_SEQUENTIAL, CreateMode.EPHEMERAL_SEQUENTIAL)
