"""Histories from a model of an ensemble that is right by construction, or wrong in exactly one chosen way.

Clients run beside each other: at each step one of them asks, has its request take effect, or gets its answer.
Writes take effect in one order; a reader's server may lag. Answers get lost, sessions are closed or fall
silent and expire. A `Bug` makes the model break one promise once, at a random opportunity; `Model.happened`
tells whether there was one. At the end everything is read, behind a sync, so that what is wrong can be seen.

One step is one millisecond.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from enum import Enum, auto
from random import Random
from typing import Any

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

REGISTERS = ("/registers/0", "/registers/1")
COUNTER = "/counters/0"
LOCK = "/locks/0"
SEQUENCE = "/sequence"
TIMEOUT_MS = 60
MS = 1_000_000


class Bug(Enum):
    """One way to break a promise."""

    ACKNOWLEDGED_SET_LOST = auto()
    ACKNOWLEDGED_CREATE_LOST = auto()
    UNKNOWN_SET_DOUBLED = auto()
    REFUSED_SET_TAKES_EFFECT = auto()
    FRESH_READ_IS_OLD = auto()
    SESSION_GOES_BACK = auto()
    ZXID_AGAINST_TIME = auto()
    TWO_WRITES_ONE_ZXID = auto()
    CONDITION_IGNORED = auto()
    VALUE_FROM_NOWHERE = auto()
    SEQUENCE_NUMBER_TWICE = auto()
    EPHEMERAL_VANISHES = auto()
    EPHEMERAL_OUTLIVES_CLOSE = auto()
    EXPIRES_EARLY = auto()
    WATCH_LOST = auto()
    WATCH_LATE = auto()
    WATCH_TWICE = auto()
    WATCH_WITHOUT_CHANGE = auto()


@dataclass
class Node:
    """A node as of some zxid; `exists` False after its deletion."""

    zxid: int
    value: bytes | None = None
    czxid: int = 0
    version: int = 0
    owner: int = 0
    exists: bool = True

    def stat(self) -> Stat:
        return Stat(self.czxid, self.zxid, self.version, ephemeral_owner=self.owner)


@dataclass
class Client:
    """A client, its session, and the one request it may have under way."""

    name: str
    session: int
    view: int = 0
    told: int = 0  # the largest zxid of an answer in this session
    request: dict[str, Any] | None = None
    answer: dict[str, Any] | None = None
    ghost: dict[str, Any] | None = None  # a write of unknown outcome that is still on its way
    armed: dict[str, int] = field(default_factory=dict)
    arrivals: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    submissions: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    known_version: dict[str, int] = field(default_factory=dict)
    heard_ms: int = 0


class Model:
    """Make one, `run` it, look at `history` and `happened`."""

    def __init__(self, seed: int, *, bug: Bug | None = None, clients: int = 4) -> None:
        self.random = Random(seed)
        self.bug = bug
        self.happened = False
        self.history = History()
        self.now_ms = 0
        self.zxid = 0x1_0000_0000
        self.nodes: dict[str, list[Node]] = {}
        self.sequence_names: list[tuple[int, str]] = []
        self.numbers = itertools.count(1)
        self.sequence_numbers = itertools.count(0)
        self.sessions = itertools.count(0x10)
        self.silent: list[tuple[int, int]] = []  # (session, when it expires)
        self.clients = [self.new_client(f"c{index}") for index in range(clients)]

    def new_client(self, name: str) -> Client:
        session = next(self.sessions)
        self.history.timeouts_ms[session] = TIMEOUT_MS
        return Client(name, session, view=self.zxid)

    def run(self, steps: int = 600) -> History:
        setup = self.new_client("setup")
        for path in (*REGISTERS, COUNTER):
            value = (b"0:" if path == COUNTER else b"") + b"first " + path.encode()
            self.ask(setup, action=Action.CREATE, path=path, value=value)
            self.take_effect(setup)
            self.tell(setup)
        for _ in range(steps):
            self.now_ms += 1
            self.expire_silent()
            self.step(self.random.choice(self.clients))
        for client in self.clients:
            self.now_ms += 1
            if client.ghost is not None:
                self.apply_ghost(client)
            if client.request is not None and client.answer is None:
                self.take_effect(client)
            if client.answer is not None:
                self.tell(client)
            self.get(client, REGISTERS[0], fresh=True)
            self.now_ms += 1
            self.take_effect(client)
            self.tell(client)
        self.now_ms += 10 * TIMEOUT_MS
        self.expire_silent()
        last = self.new_client("last")
        for path in (*REGISTERS, COUNTER, LOCK):
            self.now_ms += 1
            self.get(last, path, fresh=True)
            self.take_effect(last)
            self.tell(last)
        self.now_ms += 1
        self.ask(last, action=Action.CHILDREN, path=SEQUENCE, fresh=True)
        self.take_effect(last)
        self.tell(last)
        return self.history

    # -- one step of one client

    def step(self, client: Client) -> None:
        if client.request is None:
            self.choose(client)
        elif client.answer is None:
            self.take_effect(client)
        else:
            self.tell(client)

    def choose(self, client: Client) -> None:
        path = self.random.choice(REGISTERS)
        match self.random.randrange(12):
            case 0 | 1:
                self.ask(client, action=Action.SET, path=path, value=self.value(client))
            case 2 | 3:
                expected = client.known_version.get(path, 0)
                self.ask(client, action=Action.SET, path=path, value=self.value(client), expected=expected)
            case 4:
                self.get(client, path)
            case 5:
                self.get(client, path, fresh=True)
            case 6:
                watched = [one for one in (*REGISTERS, COUNTER) if one not in client.armed]
                if watched:
                    self.get(client, self.random.choice(watched), arms_watch=True)
            case 7 | 8:
                count = client.known_version.get(COUNTER, -1)
                if count < 0:
                    self.get(client, COUNTER)
                else:
                    value = f"{count + 1}:".encode() + self.value(client)
                    self.ask(client, action=Action.SET, path=COUNTER, value=value, expected=count)
                    client.known_version.pop(COUNTER)
            case 9:
                if self.random.random() < 0.3:
                    self.ask(client, action=Action.CHILDREN, path=SEQUENCE, fresh=self.random.random() < 0.5)
                else:
                    value = self.value(client)
                    self.ask(
                        client, action=Action.CREATE, path=f"{SEQUENCE}/n-", value=value, sequential=True
                    )
            case _:
                self.choose_about_lock(client)

    def choose_about_lock(self, client: Client) -> None:
        node = self.latest(LOCK)
        if node is None or node.owner != client.session:
            if self.random.random() < 0.3:
                self.get(client, LOCK, fresh=True)
            else:
                self.ask(client, action=Action.CREATE, path=LOCK, value=self.value(client), ephemeral=True)
        elif (fate := self.random.random()) < 0.4:
            self.ask(client, action=Action.DELETE, path=LOCK, expected=0)
        elif fate < 0.6:
            self.ask(client, action=Action.CLOSE, path="/")
        elif fate < 0.9:
            self.fall_silent(client)

    def value(self, client: Client) -> bytes:
        return f"{client.name}-{next(self.numbers)}".encode()

    def get(self, client: Client, path: str, *, fresh: bool = False, arms_watch: bool = False) -> None:
        self.ask(client, action=Action.GET, path=path, fresh=fresh, arms_watch=arms_watch)

    def ask(self, client: Client, *, fresh: bool = False, **facts: Any) -> None:
        client.request = {
            **facts,
            "client": client.name,
            "session": client.session,
            "connection": 1,
            "submitted": next(client.submissions),
            "invoked_ns": self.now_ms * MS,
            "fresh_since_ns": self.now_ms * MS if fresh else None,
        }
        client.request["least"] = self.zxid  # not recorded: what was committed when it was asked

    # -- effects

    def has_bug(self, bug: Bug, chance: float = 0.2) -> bool:
        """True once, when this is the model's bug and its time has come."""
        if self.bug is not bug or self.happened or self.now_ms < 60 or self.random.random() > chance:
            return False
        self.happened = True
        return True

    def latest(self, path: str, zxid: int | None = None) -> Node | None:
        """The node as of a zxid."""
        states = [node for node in self.nodes.get(path, []) if zxid is None or node.zxid <= zxid]
        return states[-1] if states and states[-1].exists else None

    def next_zxid(self) -> int:
        self.zxid += self.random.choice((1, 1, 1, 2))
        return self.zxid

    def take_effect(self, client: Client) -> None:
        request = client.request
        assert request is not None
        if client.ghost is not None:
            # An older request of the same session goes first, if it goes at all.
            self.apply_ghost(client)
        may_be_lost = client in self.clients and request["action"] in (Action.SET, Action.CREATE)
        if may_be_lost and self.random.random() < 0.08:
            if self.random.random() < 0.7:
                client.ghost = request
            client.answer = {"outcome": Outcome.UNKNOWN}
            return
        match request["action"]:
            case Action.SET:
                client.answer = self.do_set(client, request)
            case Action.CREATE:
                client.answer = self.do_create(client, request)
            case Action.DELETE:
                client.answer = self.do_delete(request)
            case Action.CLOSE:
                client.answer = self.do_close(client)
            case _:
                client.answer = self.do_read(client, request)

    def apply_ghost(self, client: Client) -> None:
        ghost = client.ghost
        assert ghost is not None
        if ghost["action"] is Action.SET:
            before = self.latest(ghost["path"])
            self.do_set(client, ghost)
            has_happened = before is not self.latest(ghost["path"])
            if has_happened and "expected" not in ghost and self.has_bug(Bug.UNKNOWN_SET_DOUBLED, 0.5):
                self.peek(ghost["path"])
                self.do_set(client, ghost)
                self.peek(ghost["path"])
        elif ghost["session"] == client.session:
            self.do_create(client, ghost)
        client.ghost = None

    def peek(self, path: str) -> None:
        """Somebody reads, so that what is there now is known."""
        reader = self.new_client(f"peek-{next(self.numbers)}")
        self.get(reader, path, fresh=True)
        reader.answer = self.do_read(reader, reader.request or {}, honest=True)
        self.tell(reader)

    def do_set(self, client: Client, request: dict[str, Any]) -> dict[str, Any]:
        path = request["path"]
        node = self.latest(path)
        assert node is not None
        before = self.zxid
        zxid = self.next_zxid()
        is_told = client.ghost is not request
        expected = request.get("expected", ANY_VERSION)
        is_refused = expected not in (ANY_VERSION, node.version)
        if is_refused and is_told and self.has_bug(Bug.CONDITION_IGNORED):
            is_refused = False
            # Whoever asked believed in a version that was over.
            stat = Stat(node.czxid, zxid, expected + 1)
            self.nodes[path].append(Node(zxid, request["value"], node.czxid, expected + 1))
            return {"outcome": Outcome.OK, "stat": stat, "reply_zxid": zxid}
        new = Node(zxid, request["value"], node.czxid, node.version + 1)
        if is_refused:
            if self.has_bug(Bug.REFUSED_SET_TAKES_EFFECT):
                self.nodes[path].append(new)
                self.peek(path)
            return {"outcome": Outcome.REFUSED, "error": "BadVersionError", "reply_zxid": zxid}
        answer = {"outcome": Outcome.OK, "stat": new.stat(), "reply_zxid": zxid}
        if is_told and self.has_bug(Bug.ACKNOWLEDGED_SET_LOST):
            return answer
        twin = next((one for one in REGISTERS if one != path), path)
        elsewhere = self.nodes[twin][-1].zxid if twin in self.nodes else 0
        if is_told and elsewhere > node.zxid and self.has_bug(Bug.TWO_WRITES_ONE_ZXID):
            new.zxid = elsewhere
            answer |= {"stat": new.stat(), "reply_zxid": elsewhere}
        if node.zxid != before and self.has_bug(Bug.ZXID_AGAINST_TIME):
            self.against_time(request, node)
        self.nodes[path].append(new)
        return answer

    def against_time(self, request: dict[str, Any], node: Node) -> None:
        """Another node is written by a request asked for later, at a zxid from before this one was asked."""
        other = self.new_client(f"late-{next(self.numbers)}")
        path = next(path for path in REGISTERS if path != request["path"])
        there = self.latest(path)
        assert there is not None
        self.ask(other, action=Action.SET, path=path, value=self.value(other))
        newest = max((op.zxid for op in self.history.operations), default=0)
        zxid = next((one for one in range(newest - 1, there.zxid, -1) if not self.is_taken(one)), 0)
        if zxid == 0:
            self.happened = False
            return
        self.now_ms += 1
        other.request = {**(other.request or {}), "invoked_ns": self.now_ms * MS}
        self.nodes[path].append(Node(zxid, other.request["value"], there.czxid, there.version + 1))
        other.answer = {
            "outcome": Outcome.OK,
            "stat": Stat(there.czxid, zxid, there.version + 1),
            "reply_zxid": zxid,
        }
        self.tell(other)

    def is_taken(self, zxid: int) -> bool:
        return any(op.reply_zxid == zxid for op in self.history.operations) or any(
            node.zxid == zxid for nodes in self.nodes.values() for node in nodes
        )

    def do_create(self, client: Client, request: dict[str, Any]) -> dict[str, Any]:
        zxid = self.next_zxid()
        path = request["path"]
        if request.get("sequential"):
            number = next(self.sequence_numbers)
            if number and client.ghost is not request and self.has_bug(Bug.SEQUENCE_NUMBER_TWICE):
                number -= 1
                if not any(op.path.endswith(f"{number:010}") for op in self.history.operations):
                    self.happened = False
                    number += 1
            path = f"{path}{number:010}"
        elif self.latest(path) is not None:
            return {"outcome": Outcome.REFUSED, "error": "NodeExistsError", "reply_zxid": zxid}
        owner = client.session if request.get("ephemeral") else 0
        node = Node(zxid, request["value"], zxid, 0, owner)
        answer = {"outcome": Outcome.OK, "path": path, "stat": node.stat(), "reply_zxid": zxid}
        if request.get("sequential"):
            if client.ghost is request or not self.has_bug(Bug.ACKNOWLEDGED_CREATE_LOST):
                self.sequence_names.append((zxid, path.rpartition("/")[2]))
            return answer
        self.nodes.setdefault(path, []).append(node)
        return answer

    def do_delete(self, request: dict[str, Any]) -> dict[str, Any]:
        zxid = self.next_zxid()
        if self.latest(request["path"]) is None:
            return {"outcome": Outcome.REFUSED, "error": "NoNodeError", "reply_zxid": zxid}
        self.nodes[request["path"]].append(Node(zxid, exists=False))
        return {"outcome": Outcome.OK, "reply_zxid": zxid}

    def remove_ephemerals(self, session: int, zxid: int) -> None:
        node = self.latest(LOCK)
        if node is not None and node.owner == session:
            self.nodes[LOCK].append(Node(zxid, exists=False))

    def do_close(self, client: Client) -> dict[str, Any]:
        zxid = self.next_zxid()
        node = self.latest(LOCK)
        owns = node is not None and node.owner == client.session
        stays = owns and self.has_bug(Bug.EPHEMERAL_OUTLIVES_CLOSE, 0.9)
        if not stays:
            self.remove_ephemerals(client.session, zxid)
        return {"outcome": Outcome.OK, "reply_zxid": zxid}

    def fall_silent(self, client: Client) -> None:
        now_ns = self.now_ms * MS
        session = client.session
        self.history.endings.append(SessionEnd(session=session, how=Ending.ABANDONED, at_ns=now_ns))
        expires_ms = client.heard_ms + TIMEOUT_MS + self.random.randrange(1, 20)
        node = self.latest(LOCK)
        is_owner = node is not None and node.owner == session
        if is_owner and client.heard_ms + 30 > self.now_ms and self.has_bug(Bug.EXPIRES_EARLY, 0.8):
            self.remove_ephemerals(session, self.next_zxid())
            self.peek(LOCK)
        self.silent.append((session, expires_ms))
        self.renew(client)

    def expire_silent(self) -> None:
        for session, when_ms in list(self.silent):
            if when_ms <= self.now_ms:
                self.silent.remove((session, when_ms))
                self.remove_ephemerals(session, self.next_zxid())

    def renew(self, client: Client) -> None:
        """A new session for the same client."""
        client.session = next(self.sessions)
        self.history.timeouts_ms[client.session] = TIMEOUT_MS
        client.armed.clear()
        client.view = self.zxid
        client.told = 0
        client.ghost = None

    def do_read(self, client: Client, request: dict[str, Any], *, honest: bool = False) -> dict[str, Any]:
        least = client.view
        if request["fresh_since_ns"] is not None:
            least = max(least, request["least"])
        zxid = self.random.randint(least, self.zxid)
        node = self.latest(request["path"], zxid)
        if node is not None and not honest and request["action"] is Action.GET:
            older = [one for one in self.nodes[request["path"]] if one.zxid < node.zxid]
            acknowledged = {op.zxid: op for op in self.history.operations if op.zxid}
            if older and older[-1].exists and node.zxid in acknowledged:
                seen = acknowledged[node.zxid].completed_ns < request["invoked_ns"]
                is_fresh = request["fresh_since_ns"] is not None
                is_old = is_fresh and seen and self.has_bug(Bug.FRESH_READ_IS_OLD)
                if is_old or (client.told >= node.zxid and self.has_bug(Bug.SESSION_GOES_BACK)):
                    zxid = node.zxid - 1
                node = self.latest(request["path"], zxid)
        if request["action"] is Action.CHILDREN:
            names = tuple(name for made, name in self.sequence_names if made <= zxid)
            last = max((made for made, _ in self.sequence_names if made <= zxid), default=0)
            stat = Stat(1, 1, 0, pzxid=last)
            return {"outcome": Outcome.OK, "children": names, "stat": stat, "reply_zxid": zxid}
        if node is not None and node.owner and self.has_bug(Bug.EPHEMERAL_VANISHES, 0.5):
            if any(other.session == node.owner for other in self.clients):
                node = None
                self.vanished_under(request, zxid)
            else:
                self.happened = False
        if node is None:
            return {"outcome": Outcome.REFUSED, "error": "NoNodeError", "reply_zxid": zxid}
        value = node.value
        if not honest and self.has_bug(Bug.VALUE_FROM_NOWHERE):
            value = b"nobody's"
        return {"outcome": Outcome.OK, "value": value, "stat": node.stat(), "reply_zxid": zxid}

    def vanished_under(self, request: dict[str, Any], zxid: int) -> None:
        """The owner of a lock that is said to be gone is still served."""
        node = self.latest(LOCK)
        owner = next((one for one in self.clients if node is not None and one.session == node.owner), None)
        if owner is None or owner.request is not None or owner.name == request["client"]:
            self.happened = False
            return
        self.ask(owner, action=Action.SET, path=REGISTERS[0], value=self.value(owner))
        owner.answer = self.do_set(owner, owner.request or {})
        self.tell(owner)
        self.nodes[LOCK].append(Node(self.next_zxid(), exists=False))

    # -- answers

    def tell(self, client: Client) -> None:
        request, answer = client.request, client.answer
        assert request is not None
        assert answer is not None
        client.request = client.answer = None
        request.pop("least", None)
        facts = {**request, **answer, "completed_ns": self.now_ms * MS}
        if answer["outcome"] is Outcome.UNKNOWN:
            self.history.operations.append(Operation(**facts))
            return
        before, client.view = client.view, max(client.view, answer["reply_zxid"])
        client.told = client.view
        late = self.send_events(client) if client.view > before else []
        facts["arrived"] = next(client.arrivals)
        self.history.events.extend(self.event(client, path) for path in late)
        operation = Operation(**facts)
        self.history.operations.append(operation)
        client.heard_ms = request["invoked_ns"] // MS
        if operation.outcome is Outcome.OK and operation.stat is not None:
            client.known_version[operation.path] = operation.stat.version
            if operation.arms_watch:
                client.armed[operation.path] = max(operation.reply_zxid, operation.stat.mzxid)
                if self.has_bug(Bug.WATCH_WITHOUT_CHANGE, 0.5):
                    self.false_alarm(client, operation.path)
        if operation.action is Action.CLOSE:
            self.history.endings.append(
                SessionEnd(
                    session=operation.session,
                    how=Ending.CLOSED,
                    at_ns=operation.completed_ns,
                    zxid=operation.reply_zxid,
                )
            )
            if self.bug is Bug.EPHEMERAL_OUTLIVES_CLOSE and self.latest(LOCK) is not None:
                self.peek(LOCK)
            self.renew(client)

    def event(self, client: Client, path: str) -> WatchEvent:
        return WatchEvent(
            client=client.name,
            session=client.session,
            path=path,
            kind="CHANGED",
            at_ns=self.now_ms * MS,
            connection=1,
            arrived=next(client.arrivals),
        )

    def send_events(self, client: Client) -> list[str]:
        """Events for all that changed up to the client's view; returns what a bug holds back."""
        held = []
        for path, since in list(client.armed.items()):
            if not any(since < node.zxid <= client.view for node in self.nodes[path]):
                continue
            known = any(since < op.zxid <= client.view and op.path == path for op in self.history.operations)
            del client.armed[path]
            if known and self.has_bug(Bug.WATCH_LOST, 0.5):
                continue
            if known and self.has_bug(Bug.WATCH_LATE, 0.5):
                held.append(path)
                continue
            self.history.events.append(self.event(client, path))
            if self.has_bug(Bug.WATCH_TWICE, 0.5):
                self.history.events.append(self.event(client, path))
        return held

    def false_alarm(self, client: Client, path: str) -> None:
        """An event though nothing changed, and a read that shows it."""
        since = client.armed.pop(path)
        self.history.events.append(self.event(client, path))
        self.get(client, path)
        node = self.latest(path, since)
        assert node is not None
        client.answer = {
            "outcome": Outcome.OK,
            "value": node.value,
            "stat": node.stat(),
            "reply_zxid": max(since, client.view),
        }
        if any(since < one.zxid <= client.view for one in self.nodes[path]):
            self.happened = False
            client.request = client.answer = None
            return
        self.tell(client)
