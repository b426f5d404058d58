"""Who keeps the time of sessions in an ensemble: the leader for all, the others only note who was heard of.

A session belongs to the member its client is connected to. The leader knows that member (the owner) and
refuses requests that come through another one: the client has moved on and this is a late one of its old
connection (``LeaderSessionTracker``, ``LearnerSessionTracker``).

With ``localSessionsEnabled`` a new session is *local*: only the member it was made on knows it, keeps its
time, and loses it when its role changes. Nothing is logged for it. It becomes *global* when it wants to own a
node (``UpgradeableSessionTracker``; when that is, and what is sent then, is in ``local_sessions``).
"""

from __future__ import annotations

from ..jute.ids import SessionId
from ..server.errors import EphemeralOnLocalSession, SessionMoved
from ..server.sessions import SessionTable, SessionTracker


def member_of(session_id: int) -> int:
    """The last byte of the number of the member that gave out the id."""
    return (session_id >> 56) & 0xFF


class UpgradeableSessionTracker(SessionTracker):
    """What leaders and learners have in common: local sessions beside the global ones.

    Args:
        local: whether new sessions are local ones.
    """

    def __init__(
        self, tick_ms: int, server_id: int, now_ms: int, sessions: dict[int, int], *, local: bool
    ) -> None:
        super().__init__(tick_ms, server_id, now_ms, sessions)
        self.local = SessionTracker(tick_ms, server_id, now_ms, {}) if local else None
        if self.local is not None:
            self.local.taken = self.sessions

    @property
    def local_count(self) -> int:
        """How many local sessions there are."""
        return 0 if self.local is None else len(self.local.sessions)

    def is_local(self, session_id: int) -> bool:
        """Whether only this member knows the session."""
        return self.local is not None and session_id in self.local.sessions

    def is_global(self, session_id: int) -> bool:
        """Whether the session is everybody's, or about to be."""
        return session_id in self.sessions

    def end_locally(self, session_id: int) -> None:
        """The end of a local session is under way: nothing that comes behind it counts, or upgrades it."""
        if self.local is not None:
            self.local.set_closing(session_id)

    def upgrade(self, session_id: SessionId, now_ms: int) -> int:
        """A local session is about to become global; returns its timeout in ms."""
        assert self.local is not None
        timeout_ms = self.local.sessions[session_id].timeout_ms
        self.local.remove(session_id)
        return timeout_ms

    def create(self, timeout_ms: int, now_ms: int) -> SessionId:
        if self.local is not None:
            return self.local.create(timeout_ms, now_ms)
        return super().create(timeout_ms, now_ms)

    def touch(self, session_id: int, timeout_ms: int, now_ms: int) -> bool:
        if self.local is not None and self.local.touch(session_id, timeout_ms, now_ms):
            return True
        return super().touch(session_id, timeout_ms, now_ms)

    def remove(self, session_id: int) -> None:
        super().remove(session_id)
        if self.local is not None:
            self.local.remove(session_id)

    def expired(self, now_ms: int) -> list[SessionId]:
        gone = super().expired(now_ms)
        return gone if self.local is None else gone + self.local.expired(now_ms)

    def wait_ms(self, now_ms: int) -> int:
        own = super().wait_ms(now_ms)
        return own if self.local is None else min(own, self.local.wait_ms(now_ms))

    def tables(self) -> list[SessionTable]:
        if self.local is None:
            return self.global_tables("")
        return [("Local ", self.local.queue), *self.global_tables("Global ")]

    def global_tables(self, kind: str) -> list[SessionTable]:
        """The global sessions under this name, as ``tables``."""
        return [(kind, self.queue)]

    def deadline_ms(self, session_id: int) -> int | None:
        if self.is_local(session_id):
            assert self.local is not None
            return self.local.deadline_ms(session_id)
        return super().deadline_ms(session_id)


class LeaderSessionTracker(UpgradeableSessionTracker):
    """All global sessions, their deadlines and their owners; and the local ones of the leader's own clients.

    ``asking`` is whom the request being prepared came from: a learner's number, or the leader's own. It is
    set before a request is prepared.
    """

    def __init__(
        self, tick_ms: int, server_id: int, now_ms: int, sessions: dict[int, int], *, local: bool = False
    ) -> None:
        super().__init__(tick_ms, server_id, now_ms, sessions, local=local)
        self.asking = self._server_id = server_id
        self._owners: dict[int, int] = {}

    def set_owner(self, session_id: int, owner: int) -> None:
        """The session's client is connected to this member from now on."""
        self._owners[session_id] = owner

    def upgrade(self, session_id: SessionId, now_ms: int) -> int:
        timeout_ms = super().upgrade(session_id, now_ms)
        self.track(session_id, timeout_ms, now_ms)
        return timeout_ms

    def check(self, session_id: int) -> None:
        """Raise SessionExpired unless the session lives, SessionMoved if another member has it.

        A session that is not known here may be a local one of another member.
        """
        if self.local is not None and session_id not in self.sessions:
            if session_id in self.local.sessions:
                self.local.check(session_id)
                return
            if member_of(session_id) != self._server_id & 0xFF:
                return
        self._check_owner(session_id)

    def check_global(self, session_id: int) -> None:
        """As ``check``; raise EphemeralOnLocalSession for a session of ours that was not upgraded."""
        if self.is_local(session_id):
            raise EphemeralOnLocalSession
        self._check_owner(session_id)

    def _check_owner(self, session_id: int) -> None:
        super().check(session_id)
        if self._owners.setdefault(session_id, self.asking) != self.asking:
            raise SessionMoved

    def remove(self, session_id: int) -> None:
        super().remove(session_id)
        self._owners.pop(session_id, None)


class LearnerSessionTracker(UpgradeableSessionTracker):
    """Sessions as a learner sees them: those that committed txns have opened, and who was heard of lately.

    ``sessions`` is the table of the database; it is only read.
    """

    def __init__(
        self, tick_ms: int, server_id: int, now_ms: int, sessions: dict[int, int], *, local: bool = False
    ) -> None:
        super().__init__(tick_ms, server_id, now_ms, {}, local=local)
        self._global = self.taken = sessions
        if self.local is not None:
            self.local.taken = sessions
        self._expected: set[int] = set()
        """Sessions that are global for the leader, and will be for us."""
        self._heard: dict[int, int] = {}

    def is_global(self, session_id: int) -> bool:
        """Whether the session is in the table that all members have."""
        return session_id in self._global

    def upgrade(self, session_id: SessionId, now_ms: int) -> int:
        self.expect(session_id)
        return super().upgrade(session_id, now_ms)

    def expect(self, session_id: int) -> None:
        """The leader knows the session, or is about to; the txn that opens it may not be here yet."""
        if not self.is_global(session_id):
            self._expected.add(session_id)

    def committed(self, session_id: int) -> None:
        """The session is everybody's now."""
        self._expected.discard(session_id)
        if self.local is not None:
            self.local.remove(session_id)

    def create(self, timeout_ms: int, now_ms: int) -> SessionId:
        """A new session's id; a global one is tracked by the leader, once it hears of it."""
        if self.local is not None:
            return self.local.create(timeout_ms, now_ms)
        return self.new_id()

    def touch(self, session_id: int, timeout_ms: int, now_ms: int) -> bool:
        """Note for the leader that the client was heard of: it says whether a global session lives."""
        if self.local is not None:
            if self.local.touch(session_id, timeout_ms, now_ms):
                return True
            if session_id not in self._global and session_id not in self._expected:
                return False
        self._heard[session_id] = timeout_ms
        return True

    def take_heard(self) -> dict[int, int]:
        """Timeouts in ms of the global sessions heard of since the last call."""
        heard, self._heard = self._heard, {}
        return heard

    def remove(self, session_id: int) -> None:
        super().remove(session_id)
        self._heard.pop(session_id, None)
        self._expected.discard(session_id)

    def global_tables(self, kind: str) -> list[SessionTable]:
        return [("Global ", self._global)]
