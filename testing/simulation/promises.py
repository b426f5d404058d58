"""Promises: what ZooKeeper's clients may rely on, checked against what simulated clients saw.

AcknowledgedIsCommitted   a write that was answered is committed, at the zxid that the answer names, and
                          with that outcome
ReadsAreOfTheirZxid       a read shows the tree as it was behind the zxid that its answer names
SessionMonotonic          a session never sees a smaller zxid than it has seen before, over reconnects too;
                          so it reads its own writes
AnswersInOrder            requests of a session are answered in order
EventBeforeValue          a watch is told of a change before anything shows the client the change
ExpiredIsOver             a session is only called expired when its end is committed or under way
(and those of ``model.py``: WriteOnce, SessionOrder, SessionOver, SessionExpiredOnce, SessionUnique,
OnlyWhatIsOutOfUse)
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import TYPE_CHECKING

from ...jute.codes import ErrorCode, OpCode
from ...jute.ids import hex64
from ...jute.proto import (
    CreateResponse,
    ExistsResponse,
    GetChildren2Response,
    GetDataResponse,
)
from .ledger import Txn
from .model import Model
from .violation import Violation

if TYPE_CHECKING:
    from .client import Call, SimClient

_HEADER = Struct(">qiqqi")
_CREATES = (OpCode.CREATE, OpCode.CREATE_CONTAINER, OpCode.CREATE_TTL)
_WRITES = (*_CREATES, OpCode.DELETE, OpCode.SET_DATA, OpCode.MULTI, OpCode.CLOSE_SESSION)


class Promises:
    """What all clients together have seen."""

    def __init__(self, *, local_sessions: bool = False) -> None:
        self.model = Model(local_sessions=local_sessions)
        self._local_sessions = local_sessions
        self.proposed_closes: set[int] = set()
        self.closed_us: dict[int, int] = {}
        """When the end of a session was committed."""
        self.now_us: Callable[[], int] = lambda: 0
        self.acknowledged = 0
        """Writes that were answered and did not fail."""
        self.reads = 0
        self.events = 0

    # -- from the observer ---------------------------------------------------------------------------

    def committed(self, txn: Txn) -> None:
        """A txn is committed."""
        self.model.apply(txn.payload)
        session, _, _, _, kind = _HEADER.unpack_from(txn.payload)
        if kind == OpCode.CLOSE_SESSION:
            self.closed_us.setdefault(session, self.now_us())

    def proposed(self, payload: bytes) -> None:
        """A leader proposes a txn."""
        session, _, _, _, kind = _HEADER.unpack_from(payload)
        if kind == OpCode.CLOSE_SESSION:
            self.proposed_closes.add(session)

    # -- from the clients ----------------------------------------------------------------------------

    def opened(self, client: SimClient) -> None:
        """A server has opened a session for a client."""
        if client.session_id not in self.model.opened and not self._local_sessions:
            raise Violation(
                "AcknowledgedIsCommitted", f"{client}: session 0x{hex64(client.session_id)} is not committed"
            )

    def reopened(self, client: SimClient, asked_us: int) -> None:
        """A server goes on with a client's session, which asked for it at that time."""
        if self.closed_us.get(client.session_id, asked_us) < asked_us:
            raise Violation(
                "SessionOver", f"{client}: session 0x{hex64(client.session_id)} goes on, but it has ended"
            )

    def expired(self, client: SimClient) -> None:
        """A server says that a session is over."""
        session = client.session_id
        if session in self.model.opened and session not in self.proposed_closes:
            raise Violation(
                "ExpiredIsOver",
                f"{client}: session 0x{hex64(session)} is called expired, but nobody ended it",
            )

    def answered(self, client: SimClient, call: Call, zxid: int, error: int, body: bytes) -> None:
        """A request was answered."""
        if zxid < client.last_zxid:
            raise Violation(
                "SessionMonotonic",
                f"{client} was answered from 0x{hex64(zxid)}, and has seen 0x{hex64(client.last_zxid)}",
            )
        if call.opcode in _WRITES:
            self._wrote(client, call, zxid, error, body)
        elif call.opcode != OpCode.SYNC:
            self.reads += 1
            self._read(client, call, zxid, error, body)
        self._watches(client, call, zxid)

    def _wrote(self, client: SimClient, call: Call, zxid: int, error: int, body: bytes) -> None:
        model = self.model
        if error:
            if model.failures.get(zxid) != error and not self._is_failed_multi(client, call, zxid):
                raise Violation(
                    "AcknowledgedIsCommitted",
                    f"{client}: {call} failed with {error} at 0x{hex64(zxid)}, committed there is"
                    f" {model.failures.get(zxid)}",
                )
            return
        self.acknowledged += 1
        if call.opcode == OpCode.CLOSE_SESSION:
            if self._local_sessions and client.session_id not in model.opened:
                return
            if client.session_id not in model.closed:
                raise Violation(
                    "AcknowledgedIsCommitted", f"{client}: the end of its session is not committed"
                )
            return
        if model.writes.get((client.session_id, call.xid)) != zxid and not self._is_failed_multi(
            client, call, zxid
        ):
            raise Violation(
                "AcknowledgedIsCommitted",
                f"{client}: {call} was answered at 0x{hex64(zxid)}, which is not it",
            )
        if call.opcode in _CREATES:
            path = CreateResponse.decode(body)[0].path or ""  # the Stat behind it, if any, is not looked at
            if model.at(path, zxid).czxid != zxid or not path.startswith(call.path):
                raise Violation("AcknowledgedIsCommitted", f"{client}: {call} did not make {path}")

    def _is_failed_multi(self, client: SimClient, call: Call, zxid: int) -> bool:
        return call.opcode == OpCode.MULTI and zxid in self.model.failures

    def _read(self, client: SimClient, call: Call, zxid: int, error: int, body: bytes) -> None:
        path = call.path
        state = self.model.at(path, zxid)
        if error == ErrorCode.NO_NODE:
            seen: object = None
        elif error:
            raise Violation("ReadsAreOfTheirZxid", f"{client}: {call} failed with {error}")
        elif call.opcode == OpCode.GET_DATA:
            data = GetDataResponse.parse(body)
            seen = (data.data, data.stat.version, data.stat.czxid, data.stat.ephemeralOwner)
        elif call.opcode == OpCode.EXISTS:
            stat = ExistsResponse.parse(body).stat
            seen = (state.data, stat.version, stat.czxid, stat.ephemeralOwner)
        else:
            listed = GetChildren2Response.parse(body)
            children = frozenset(name or "" for name in listed.children or ())
            seen = (state.data, listed.stat.version, listed.stat.czxid, listed.stat.ephemeralOwner)
            if children != state.children:
                raise Violation(
                    "ReadsAreOfTheirZxid",
                    f"{client}: {call} at 0x{hex64(zxid)} listed {sorted(children)}, there were"
                    f" {sorted(state.children)}",
                )
        there = None if state.data is None else (state.data, state.version, state.czxid, state.owner)
        if seen != there:
            raise Violation(
                "ReadsAreOfTheirZxid", f"{client}: {call} at 0x{hex64(zxid)} showed {seen}, there was {there}"
            )

    def _watches(self, client: SimClient, call: Call, zxid: int) -> None:
        """No answer may come from behind a change that a watch has not been told of."""
        for path, since in client.watches.items():
            if since < zxid and self.model.changed(path, since, zxid):
                raise Violation(
                    "EventBeforeValue",
                    f"{client}: {call} was answered from 0x{hex64(zxid)}; its watch of 0x{hex64(since)} on"
                    f" {path} was not told",
                )

    def caught_up(self, client: SimClient, zxid: int) -> None:
        """setWatches was answered: whatever changed up to now was told before."""
        model = self.model
        for path, since in list(client.watches.items()):
            was_there, is_there = (
                model.at(path, since).data is not None,
                model.at(path, zxid).data is not None,
            )
            if (was_there and model.changed(path, since, zxid)) or (not was_there and is_there):
                raise Violation(
                    "EventBeforeValue",
                    f"{client}: watches were set again at 0x{hex64(zxid)}; that of 0x{hex64(since)} on {path}"
                    " was not told",
                )
            client.watches[path] = zxid
