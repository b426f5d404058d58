"""A kazoo client whose every request, answer and watch event is recorded as it passes the wire.

kazoo hands answers and watch events to different threads, so that the program that uses it cannot tell which
came first. The recorder sits where both still are in one row, in kazoo's connection thread: it stamps each
answer with the time, its place in that row, and the zxid of the reply's header.

kazoo forgets its watches when a connection breaks. This one keeps them, and tells the next server with a
setWatches request, as the Java and C clients do; without that, no watch outlives a reconnect.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from kazoo.client import KazooClient
from kazoo.exceptions import (
    ConnectionClosedError,
    ConnectionLoss,
    OperationTimeoutError,
    SessionExpiredError,
    ZookeeperError,
)
from kazoo.handlers.threading import AsyncResult, SequentialThreadingHandler
from kazoo.protocol.serialization import (
    Close,
    Create2,
    Delete,
    GetChildren2,
    GetData,
    SetData,
    Sync,
    write_string,
)
from kazoo.protocol.states import KeeperState, WatchedEvent
from kazoo.retry import KazooRetry
from kazoo.security import OPEN_ACL_UNSAFE
from zoolet.testing.history import (
    ANY_VERSION,
    Action,
    Ending,
    History,
    Operation,
    Outcome,
    SessionEnd,
    Stat,
    WatchEvent,
)

PATIENCE_S: Final = 8.0
"""How long a client waits for an answer before it goes on; the answer counts all the same when it comes
later."""

_NO_ANSWER = (ConnectionLoss, SessionExpiredError, ConnectionClosedError, OperationTimeoutError)
_SILENT = logging.getLogger("zoolet.compat.recorded")
_SILENT.disabled = True


class Pending:
    """A request on its way; afterwards what became of it."""

    def __init__(self, request: Any, **facts: Any) -> None:
        self.request = request
        self.facts = facts
        self.submitted = 0
        self.invoked_ns = time.monotonic_ns()
        self.completed_ns = 0
        self.session = 0
        self.connection = 0
        self.arrived = 0
        self.reply_zxid = 0
        self.response: Any = None
        self.error: BaseException | None = None
        self.done = threading.Event()

    def wait(self, timeout_s: float = PATIENCE_S) -> bool:
        """Wait for the answer; False when it has not come."""
        return self.done.wait(timeout_s)

    @property
    def is_ok(self) -> bool:
        """True once a good answer came."""
        return self.done.is_set() and self.error is None


class _Result(AsyncResult):  # type: ignore[misc]
    """Stamps an answer in the connection thread."""

    def __init__(self, client: RecordedClient, pending: Pending) -> None:
        super().__init__(client.kazoo.handler)
        self._client = client
        self._pending = pending

    def set(self, value: Any = None) -> None:
        self._stamp(None, value)

    def set_exception(self, exception: BaseException) -> None:
        self._stamp(exception, None)

    def _stamp(self, error: BaseException | None, value: Any) -> None:
        pending, kazoo = self._pending, self._client.kazoo
        if pending.done.is_set():
            return
        pending.completed_ns = time.monotonic_ns()
        pending.session = kazoo._session_id or 0
        pending.connection = kazoo.connection_number
        pending.error = error
        pending.response = value
        if not isinstance(error, _NO_ANSWER):
            pending.arrived = next(self._client.arrivals)
            pending.reply_zxid = kazoo.last_zxid
        pending.done.set()


class _SetWatches:
    """The request with which a client tells a new server what it still watches."""

    type = 101

    def __init__(self, relative_zxid: int, data: list[str], children: list[str]) -> None:
        self._relative_zxid = relative_zxid
        self._lists: tuple[list[str], ...] = (data, [], children)

    def serialize(self) -> bytes:
        body = struct.pack(">q", self._relative_zxid)
        for paths in self._lists:
            body += struct.pack(">i", len(paths)) + b"".join(write_string(path) for path in paths)
        return body

    @classmethod
    def deserialize(cls, data: bytes, offset: int) -> None:
        return None


class _CloseSession(Close):  # type: ignore[misc]
    """kazoo's own is an empty tuple, which it takes for no request at all when the answer comes."""

    def __bool__(self) -> bool:
        return True

    @classmethod
    def deserialize(cls, data: bytes, offset: int) -> None:
        return None


class _Kazoo(KazooClient):  # type: ignore[misc]
    """Keeps its watches over reconnects, and reports the ends of sessions."""

    connection_number = 0
    on_connected: Callable[[], None] | None = None
    on_expired: Callable[[int], None] | None = None

    def _reset_watchers(self) -> None:
        if self._state in (KeeperState.EXPIRED_SESSION, KeeperState.CLOSED, KeeperState.AUTH_FAILED):
            self._child_watchers.clear()
            self._data_watchers.clear()

    def _session_callback(self, state: str) -> None:
        is_news = state != self._state
        if is_news and state == KeeperState.EXPIRED_SESSION and self.on_expired is not None:
            self.on_expired(self._session_id or 0)
        if is_news and state == KeeperState.CONNECTED:
            self.connection_number += 1
            watched = [[path for path, who in kind.items() if who] for kind in self._watchers_by_kind()]
            if any(watched):
                # In front of what waits: an event has to come before any answer that is as new.
                self._queue.appendleft((_SetWatches(self.last_zxid, *watched), None))
                self._connection._write_sock.send(b"\0")
            if self.on_connected is not None:
                self.on_connected()
        super()._session_callback(state)

    def _watchers_by_kind(self) -> tuple[dict[str, set[Any]], dict[str, set[Any]]]:
        return self._data_watchers, self._child_watchers


class RecordedClient:
    """One session at a time, with a name; every request is added to `history` when `collect` is called."""

    def __init__(self, name: str, hosts: str, *, timeout_s: float) -> None:
        self.name = name
        self._timeout_s = timeout_s
        self.arrivals = itertools.count(1)
        self._submissions = itertools.count(1)
        self._pending: list[Pending] = []
        self._events: list[WatchEvent] = []
        self._endings: list[SessionEnd] = []
        self._timeouts_ms: dict[int, int] = {}
        self._hosts = hosts
        self.kazoo = self._new_kazoo()

    # -- the session

    def start(self, patience_s: float = 30.0) -> None:
        """Connect. Raises kazoo's time-out."""
        self.kazoo.start(patience_s)

    def start_soon(self) -> None:
        """Begin to connect, and return at once."""
        self.kazoo.start_async()

    @property
    def session(self) -> int:
        """The session's id; 0 while there is none."""
        return self.kazoo._session_id or 0

    def reconnect(self) -> None:
        """Break the connection; kazoo goes on with the session at another server, if there is one."""
        connected = self.kazoo._connection._socket
        if connected is not None:
            with contextlib.suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)

    def close_session(self) -> None:
        """Close the session and wait for the acknowledgement; then no more requests can be made."""
        closing = self.submit(_CloseSession(), action=Action.CLOSE, path="/")
        if closing.wait() and closing.is_ok:
            # The session of the answer: the one that was there when this was asked may have expired.
            self._endings.append(
                SessionEnd(
                    session=closing.session,
                    how=Ending.CLOSED,
                    at_ns=closing.completed_ns,
                    zxid=closing.reply_zxid,
                )
            )
        self.kazoo.stop()
        self.kazoo.close()

    def abandon_session(self) -> None:
        """Fall silent, as a client that has crashed: the session is left to expire."""
        self._endings.append(
            SessionEnd(session=self.session, how=Ending.ABANDONED, at_ns=time.monotonic_ns())
        )
        self.halt()

    def halt(self) -> None:
        """Stop kazoo without a word to the server. Harmless when it has stopped."""
        kazoo = self.kazoo
        kazoo._stopped.set()
        while not kazoo._connection.connection_stopped.wait(0.02):
            self.reconnect()
        kazoo._safe_close()
        kazoo.close()

    def begin_session(self) -> None:
        """After one of the two above: a new session, begun in the background."""
        self.kazoo = self._new_kazoo()
        self.start_soon()

    def _new_kazoo(self) -> _Kazoo:
        kazoo = _Kazoo(
            self._hosts,
            timeout=self._timeout_s,
            handler=SequentialThreadingHandler(),
            connection_retry=KazooRetry(max_tries=-1, delay=0.05, backoff=1.5, max_delay=0.4),
            command_retry=KazooRetry(max_tries=0),
            logger=_SILENT,
        )
        kazoo.on_connected = self._connected
        kazoo.on_expired = self._expired
        kazoo.handler.dispatch_callback = self._dispatch
        return kazoo

    def _connected(self) -> None:
        self._timeouts_ms[self.session] = int(self._timeout_s * 1000)

    def _expired(self, session: int) -> None:
        self._endings.append(SessionEnd(session=session, how=Ending.EXPIRED, at_ns=time.monotonic_ns()))

    def _dispatch(self, callback: Any) -> None:
        """In kazoo's connection thread: a watch event has just been read."""
        event: WatchedEvent = callback.args[0]
        if event.path is not None:
            self._events.append(
                WatchEvent(
                    client=self.name,
                    session=self.session,
                    path=event.path,
                    kind=event.type,
                    at_ns=time.monotonic_ns(),
                    connection=self.kazoo.connection_number,
                    arrived=next(self.arrivals),
                )
            )
        callback.func(event)

    # -- requests

    def submit(self, request: Any, **facts: Any) -> Pending:
        """Send a request and return at once. Facts are fields of the operation that will be recorded."""
        pending = Pending(request, **facts)
        pending.submitted = next(self._submissions)
        self._pending.append(pending)
        self.kazoo._call(request, _Result(self, pending))
        return pending

    def create(
        self, path: str, value: bytes, *, ephemeral: bool = False, sequential: bool = False
    ) -> Pending:
        flags = (1 if ephemeral else 0) | (2 if sequential else 0)
        return self.submit(
            Create2(path, value, OPEN_ACL_UNSAFE, flags),
            action=Action.CREATE,
            path=path,
            value=value,
            ephemeral=ephemeral,
            sequential=sequential,
        )

    def set(self, path: str, value: bytes, expected: int = ANY_VERSION) -> Pending:
        return self.submit(
            SetData(path, value, expected), action=Action.SET, path=path, value=value, expected=expected
        )

    def delete(self, path: str, expected: int = ANY_VERSION) -> Pending:
        return self.submit(Delete(path, expected), action=Action.DELETE, path=path, expected=expected)

    def get(
        self, path: str, *, behind: Pending | None = None, watcher: Callable[[Any], None] | None = None
    ) -> Pending:
        return self.submit(
            GetData(path, watcher),
            action=Action.GET,
            path=path,
            fresh_since_ns=behind.invoked_ns if behind else None,
            behind=behind.facts["action"] if behind else None,
            arms_watch=watcher is not None,
        )

    def children(
        self, path: str, *, behind: Pending | None = None, watcher: Callable[[Any], None] | None = None
    ) -> Pending:
        return self.submit(
            GetChildren2(path, watcher),
            action=Action.CHILDREN,
            path=path,
            fresh_since_ns=behind.invoked_ns if behind else None,
            behind=behind.facts["action"] if behind else None,
            arms_watch=watcher is not None,
        )

    def sync(self, path: str) -> Pending:
        return self.submit(Sync(path), action=Action.SYNC, path=path)

    # -- what is left behind

    def collect(self, history: History) -> None:
        """Add everything that was recorded. Call it when the client is at rest."""
        history.operations.extend(self._operation(pending) for pending in self._pending)
        history.events.extend(self._events)
        history.endings.extend(self._endings)
        history.timeouts_ms.update(self._timeouts_ms)

    def _operation(self, pending: Pending) -> Operation:
        facts = dict(pending.facts)
        action: Action = facts["action"]
        outcome, error = Outcome.OK, ""
        is_refused = isinstance(pending.error, ZookeeperError) and not isinstance(pending.error, _NO_ANSWER)
        if not pending.done.is_set() or (pending.error is not None and not is_refused):
            outcome = Outcome.UNKNOWN
            error = type(pending.error).__name__ if pending.error else "no answer"
        elif is_refused:
            outcome, error = Outcome.REFUSED, type(pending.error).__name__
        elif action is Action.CREATE:
            facts["path"], stat = pending.response
            facts["stat"] = _stat(stat)
        elif action is Action.SET:
            facts["stat"] = _stat(pending.response)
        elif action is Action.GET:
            facts["value"], stat = pending.response
            facts["stat"] = _stat(stat)
        elif action is Action.CHILDREN:
            children, stat = pending.response
            facts["children"] = tuple(children)
            facts["stat"] = _stat(stat)
        return Operation(
            client=self.name,
            outcome=outcome,
            error=error,
            invoked_ns=pending.invoked_ns,
            completed_ns=pending.completed_ns or time.monotonic_ns(),
            session=pending.session,
            connection=pending.connection,
            submitted=pending.submitted,
            arrived=pending.arrived,
            reply_zxid=pending.reply_zxid,
            **facts,
        )


def _stat(stat: Any) -> Stat:
    return Stat(stat.czxid, stat.mzxid, stat.version, stat.cversion, stat.pzxid, stat.ephemeralOwner)
