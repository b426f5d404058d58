"""Sessions: ids, timeouts, expiry (``SessionTrackerImpl``). Pure: time is passed in."""

from __future__ import annotations

from collections.abc import Container, Mapping

from ..jute.codes import CONTAINER_OWNER
from ..jute.ids import SessionId, to_signed64
from .errors import SessionExpired
from .expiry_queue import ExpiryQueue


def first_session_id(server_id: int, now_ms: int) -> SessionId:
    """The first id a server gives out: server id in the top byte, 40 bits of ms below it.

    Args:
        server_id: 1 on a standalone server, ``myid`` in an ensemble.
        now_ms: ms of a clock that never jumps (the original's ``currentElapsedTime``).
    """
    session_id = ((now_ms << 24) & 0xFFFFFFFFFFFFFFFF) >> 8
    session_id = to_signed64((session_id & 0x00FFFFFFFFFFFFFF) | (server_id << 56))
    return SessionId(session_id + 1 if session_id == CONTAINER_OWNER else session_id)


SessionTable = tuple[str, ExpiryQueue[int] | Mapping[int, int]]
"""A word for the kind, and the sessions: with deadlines, or timeouts in ms where others keep the time."""


class Session:
    """A tracked session. ``closing`` once its end is in the pipeline: it can't be touched any more."""

    __slots__ = ("closing", "session_id", "timeout_ms")

    def __init__(self, session_id: SessionId, timeout_ms: int) -> None:
        self.session_id = session_id
        self.timeout_ms = timeout_ms
        self.closing = False


class SessionTracker:
    """Sessions a server answers for, and when each expires.

    Args:
        tick_ms: width of an expiry bucket.
        server_id: goes into the ids of new sessions.
        now_ms: the current time of the clock that never jumps.
        sessions: sessions known from disk, id -> timeout in ms; they all start a full timeout.
    """

    def __init__(self, tick_ms: int, server_id: int, now_ms: int, sessions: dict[int, int]) -> None:
        self.sessions: dict[int, Session] = {}
        self.queue: ExpiryQueue[int] = ExpiryQueue(tick_ms, now_ms)
        self._next_id = first_session_id(server_id, now_ms)
        self.taken: Container[int] = self.sessions
        """Ids that are not given out: those of sessions that live."""
        for session_id, timeout_ms in sessions.items():
            self.track(SessionId(session_id), timeout_ms, now_ms)

    def create(self, timeout_ms: int, now_ms: int) -> SessionId:
        """A new session's id; it is tracked from now on."""
        session_id = self.new_id()
        self.track(session_id, timeout_ms, now_ms)
        return session_id

    def new_id(self) -> SessionId:
        """An id that nobody has: after a restart of the machine the clock may tell what it told before."""
        while self._next_id in self.taken:
            self._next_id = SessionId(self._next_id + 1)
        session_id = self._next_id
        self._next_id = SessionId(session_id + 1)
        return session_id

    def track(self, session_id: SessionId, timeout_ms: int, now_ms: int) -> None:
        """Start (or go on) tracking a session."""
        if session_id not in self.sessions:
            self.sessions[session_id] = Session(session_id, timeout_ms)
        self.queue.update(session_id, timeout_ms, now_ms)

    def touch(self, session_id: int, timeout_ms: int, now_ms: int) -> bool:
        """The session was heard of: move its deadline. False if it is unknown or closing."""
        session = self.sessions.get(session_id)
        if session is None or session.closing:
            return False
        self.queue.update(session_id, timeout_ms, now_ms)
        return True

    def check(self, session_id: int) -> None:
        """Raise SessionExpired unless the session lives."""
        session = self.sessions.get(session_id)
        if session is None or session.closing:
            raise SessionExpired

    def check_global(self, session_id: int) -> None:
        """Raise SessionExpired unless every server knows the session, so that it can own nodes."""
        self.check(session_id)

    def set_closing(self, session_id: int) -> None:
        """Its end is in the pipeline."""
        session = self.sessions.get(session_id)
        if session is not None:
            session.closing = True

    def remove(self, session_id: int) -> None:
        """Its end has been applied."""
        self.sessions.pop(session_id, None)
        self.queue.remove(session_id)

    def expired(self, now_ms: int) -> list[SessionId]:
        """Sessions whose time is up, marked as closing."""
        gone = []
        for session_id in self.queue.poll(now_ms):
            session = self.sessions.get(session_id)
            if session is not None and not session.closing:
                session.closing = True
                gone.append(session.session_id)
        return gone

    def wait_ms(self, now_ms: int) -> int:
        """How long until ``expired`` has something to do."""
        return self.queue.wait_ms(now_ms)

    # -- what the word `dump` shows ------------------------------------------------------------------

    def tables(self) -> list[SessionTable]:
        """The sessions, by what kind they are."""
        return [("", self.queue)]

    def deadline_ms(self, session_id: int) -> int | None:
        """When the session expires unless it is heard of; None if that is not known here."""
        return self.queue.deadlines.get(session_id)
