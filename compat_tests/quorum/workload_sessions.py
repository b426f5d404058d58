"""The rich workload's sessions: what they see, in which order, where they may go, and how they end."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from itertools import permutations
from queue import Empty, SimpleQueue
from typing import Any

import pytest
from zoolet.jute.codes import ErrorCode, OpCode
from zoolet.jute.proto import (
    AddWatchRequest,
    CreateRequest,
    DeleteRequest,
    ExistsRequest,
    GetDataRequest,
    GetDataResponse,
    SetDataRequest,
    WatcherEvent,
)

from ..differential.wire import Closed
from .ensemble import PATIENCE_S, ProcessEnsemble
from .logged_txns import closings
from .member import Member
from .raw_session import EPHEMERAL, OPEN, RawSession, Refused

ROUNDS = 10
SHORT_TIMEOUT_MS = 1_500
PERSISTENT_RECURSIVE = 1


class Events:
    """A watch function that keeps what it is told."""

    def __init__(self) -> None:
        self._told: SimpleQueue[tuple[str, str]] = SimpleQueue()

    def __call__(self, event: Any) -> None:
        self._told.put((event.type, event.path))

    def next(self) -> tuple[str, str]:
        """Type and path of the next event."""
        try:
            return self._told.get(timeout=PATIENCE_S)
        except Empty:
            raise AssertionError("a watch did not fire") from None

    def assert_no_more(self) -> None:
        assert self._told.empty(), f"an event too many: {self._told.get()}"


def watches_fire_for_writes_of_other_members(clients: dict[int, Any], base: str) -> None:
    """A watch set on one member fires, once, for a write through another, before a later read shows it."""
    next(iter(clients.values())).create(base)
    for watching, writing in permutations(clients, 2):
        watcher, writer = clients[watching], clients[writing]
        path = f"{base}/{watching}-{writing}"
        watcher.sync("/")
        events = Events()
        assert watcher.exists(path, watch=events) is None
        watcher.get_children(base, watch=events)
        with RawSession(int(watcher.hosts[0][1])) as recursive:
            recursive.ask(OpCode.ADD_WATCH, AddWatchRequest(base, PERSISTENT_RECURSIVE).encode())
            writer.create(path, b"1")
            assert {events.next(), events.next()} == {("CREATED", path), ("CHILD", base)}
            assert watcher.get(path, watch=events)[0] == b"1"
            watcher.get_children(path, watch=events)
            writer.set(path, b"2")
            assert events.next() == ("CHANGED", path)
            assert watcher.get(path)[0] == b"2"
            writer.create(f"{path}/child")
            assert events.next() == ("CHILD", path)
            watcher.exists(path, watch=events)
            writer.delete(f"{path}/child")
            writer.delete(path)
            assert events.next() == ("DELETED", path)
            watcher.sync("/")
            assert watcher.exists(path) is None
            recursive.sync()
            told = [WatcherEvent.parse(event) for event in recursive.events]
            assert [(event.type, event.path) for event in told] == [
                (1, path),
                (3, path),
                (1, f"{path}/child"),
                (2, f"{path}/child"),
                (2, path),
            ]
            recursive.end()
        events.assert_no_more()


def sync_shows_what_others_wrote(clients: dict[int, Any], base: str, *, readers: set[int]) -> None:
    """After `sync` a member shows every write that was acknowledged anywhere before.

    Not so a leader in Java: it answers its own clients' syncs without waiting, and may apply a commit later
    than the follower whose client has its answer already. So it is left out of `readers`.
    """
    next(iter(clients.values())).create(base, b"")
    for writing, reading in permutations(clients, 2):
        if reading not in readers:
            continue
        for number in range(ROUNDS):
            data = f"{writing} {reading} {number}".encode()
            clients[writing].set(base, data)
            clients[reading].sync(base)
            assert clients[reading].get(base)[0] == data


def own_writes_come_before_own_reads(members: Sequence[Member], base: str) -> None:
    """Sent in one go, reads see the session's own writes before them and none behind them."""
    for member in members:
        with RawSession(member.port) as session:
            path = f"{base}-{member.sid}"
            requests = []
            for number in range(ROUNDS):
                data = str(number).encode()
                requests += [
                    (OpCode.EXISTS, ExistsRequest(path, False).encode()),
                    (OpCode.CREATE, CreateRequest(path, data, OPEN, 0).encode()),
                    (OpCode.GET_DATA, GetDataRequest(path, False).encode()),
                    (OpCode.SET_DATA, SetDataRequest(path, data * 2, 0).encode()),
                    (OpCode.SET_DATA, SetDataRequest(path, data, 0).encode()),
                    (OpCode.GET_DATA, GetDataRequest(path, False).encode()),
                    (OpCode.DELETE, DeleteRequest(path, 1).encode()),
                ]
            replies = deque(session.ask_all(requests))
            for number in range(ROUNDS):
                data = str(number).encode()
                group = [replies.popleft() for _ in range(7)]
                assert [reply.error for reply in group] == [
                    ErrorCode.NO_NODE,
                    *[0] * 3,
                    ErrorCode.BAD_VERSION,
                    0,
                    0,
                ], f"through {member}"
                assert GetDataResponse.parse(group[2].body).data == data
                assert GetDataResponse.parse(group[5].body).data == data * 2
            session.end()


def sessions_move(members: Sequence[Member], clients: dict[int, Any], base: str) -> None:
    """A session goes on at another member, with its nodes; its old connection may not write any more."""
    for old, new in permutations(members, 2):
        path = f"{base}-{old.sid}-{new.sid}"
        with RawSession(old.port) as before:
            before.create(path, b"mine", EPHEMERAL)
            with pytest.raises(Refused):
                RawSession(new.port, session_id=before.session_id, password=b"wrong".ljust(16))
            with RawSession(new.port, session_id=before.session_id, password=before.password) as after:
                assert (after.session_id, after.password) == (before.session_id, before.password)
                after.sync()
                assert after.get(path).stat.ephemeralOwner == before.session_id
                assert after.ask(OpCode.SET_DATA, SetDataRequest(path, b"moved", 0).encode()).error == 0
                assert _is_cut_off(before, path), f"{old} goes on writing for a session that went to {new}"
                assert after.get(path).data == b"moved"
                after.end()
            clients[old.sid].sync("/")
            with pytest.raises(Refused):
                RawSession(old.port, session_id=before.session_id, password=before.password)


def _is_cut_off(session: RawSession, path: str) -> bool:
    try:
        reply = session.ask(OpCode.SET_DATA, SetDataRequest(path, b"from the old place", -1).encode())
    except Closed:
        return True
    return reply.error == ErrorCode.SESSION_MOVED


def closed_sessions_take_their_nodes(members: Sequence[Member], clients: dict[int, Any], base: str) -> None:
    """An ephemeral is seen on all members, and is gone from all of them when its session has been closed."""
    for member in members:
        path = f"{base}-{member.sid}"
        with RawSession(member.port) as session:
            session.create(path, b"", EPHEMERAL)
            for client in clients.values():
                client.sync("/")
                assert client.exists(path).ephemeralOwner == session.session_id
            session.end()
        for client in clients.values():
            client.sync("/")
            assert client.exists(path) is None


def silent_sessions_expire_once(ensemble: ProcessEnsemble, clients: dict[int, Any], base: str) -> None:
    """A session that says nothing ends everywhere, with one closeSession; one that pings lives.

    A session that pings does so at its own member only: what keeps it alive is what the member tells the
    leader about it.
    """
    members = ensemble.running
    silent = {member.sid: RawSession(member.port, timeout_ms=SHORT_TIMEOUT_MS) for member in members}
    pinging = [RawSession(member.port, timeout_ms=SHORT_TIMEOUT_MS) for member in members]
    try:
        pinged = time.monotonic()
        for number, session in enumerate(pinging):
            session.create(f"{base}-alive-{number}", b"", EPHEMERAL)
        watches = []
        for sid, session in silent.items():
            path = f"{base}-{sid}"
            session.create(path, b"", EPHEMERAL)
            for client in clients.values():
                client.sync("/")
                events = Events()
                assert client.exists(path, watch=events) is not None
                watches.append((events, path))
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline and any(_exists(clients, f"{base}-{sid}") for sid in silent):
            for session in pinging:
                session.ping()
            pinged = time.monotonic()
            time.sleep(SHORT_TIMEOUT_MS / 10_000)
        for events, path in watches:
            assert events.next() == ("DELETED", path)
            events.assert_no_more()
        # A machine that stood still between two pings proves nothing.
        is_fair = time.monotonic() - pinged < SHORT_TIMEOUT_MS / 2_000
        for number, session in enumerate(pinging):
            if is_fair:
                session.sync()
                assert session.get(f"{base}-alive-{number}").stat.ephemeralOwner == session.session_id
            session.end()
        for session in silent.values():
            for member in members:
                with pytest.raises(Refused):
                    RawSession(member.port, session_id=session.session_id, password=session.password)
        ensemble.await_equal_zxids()
        for session in silent.values():
            for member in members:
                assert closings(member, session.session_id) == 1, f"0x{session.session_id:x} on {member}"
    finally:
        for session in (*silent.values(), *pinging):
            session.connection.close()


def _exists(clients: dict[int, Any], path: str) -> bool:
    return any(client.exists(path) is not None for client in clients.values())
