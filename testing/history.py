"""What clients of an ensemble saw: the history that the checkers of this folder judge.

A history is made of operations (asked at one time, answered at a later one, with an outcome), of watch events
and of the ends of sessions. All times come from one monotonic clock, in nanoseconds, so that "completed
before the other was invoked" can be said across clients. The recorder fills in what a client can know;
nothing here asks a server, and nothing here decides whether a history is good.

An outcome is UNKNOWN when the answer never came (connection loss, expiry, a time limit): the operation may
have happened at any time after it was asked for, once, or never.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple

ANY_VERSION: Final = -1


class Outcome(Enum):
    """What the client knows about its operation."""

    OK = "ok"
    REFUSED = "refused"  # the server answered with an error: it had no effect
    UNKNOWN = "unknown"  # no answer: it had its effect once, or never


class Action(Enum):
    """The operations that histories are made of."""

    CREATE = "create"
    SET = "set"
    DELETE = "delete"
    GET = "get"
    CHILDREN = "children"
    SYNC = "sync"
    CLOSE = "close"  # of the session


WRITES: Final = frozenset({Action.CREATE, Action.SET, Action.DELETE})
READS: Final = frozenset({Action.GET, Action.CHILDREN})


class Stat(NamedTuple):
    """The fields of a node's Stat that tell about order and ownership."""

    czxid: int
    mzxid: int
    version: int
    cversion: int = 0
    pzxid: int = 0
    ephemeral_owner: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One request of a client and what became of it."""

    client: str
    action: Action
    path: str  # of a sequential create that succeeded: the path that was made
    outcome: Outcome
    invoked_ns: int
    completed_ns: int  # when the answer came, or when the client gave up
    session: int = 0
    connection: int = 0  # counts the connections of this client
    submitted: int = 0  # position among this client's requests
    arrived: int = 0  # position among this client's answers and watch events, in the order of the wire
    value: bytes | None = None  # written, or read
    expected: int = ANY_VERSION  # the version that a set or a delete demands
    error: str = ""  # name of the refusal, as in kazoo: "BadVersionError"
    reply_zxid: int = 0  # of the reply's header: how far the server was; 0 when not recorded
    stat: Stat | None = None
    children: tuple[str, ...] = ()
    ephemeral: bool = False
    sequential: bool = False
    arms_watch: bool = False
    fresh_since_ns: int | None = None
    """Of a read behind a sync (or a write) of its own session: when that was asked for. Everything
    acknowledged before this moment must be seen. None for a plain read, which may be old."""
    behind: Action | None = None
    """What makes such a read fresh: SYNC, or the action of a write."""

    @property
    def is_write(self) -> bool:
        """True for what may change the tree (closing a session aside)."""
        return self.action in WRITES

    @property
    def zxid(self) -> int:
        """The zxid of a successful write; 0 when it is not known, and for everything else."""
        if self.outcome is not Outcome.OK or not self.is_write:
            return 0
        if self.action is Action.DELETE:
            return self.reply_zxid
        if self.stat is None:
            return 0
        return self.stat.czxid if self.action is Action.CREATE else self.stat.mzxid

    @property
    def began_ns(self) -> int:
        """From when on the operation may take its effect, or the state it reports may date."""
        return self.invoked_ns if self.fresh_since_ns is None else self.fresh_since_ns

    def __str__(self) -> str:
        words = [self.client, f"{self.session:#x}", self.action.value, self.path]
        if self.value is not None:
            words.append(repr(self.value[:40].decode("utf-8", "replace")))
        if self.expected != ANY_VERSION:
            words.append(f"if version {self.expected}")
        words.append(f"-> {self.error or self.outcome.value}")
        if self.stat is not None:
            words.append(f"version {self.stat.version} mzxid {self.stat.mzxid:#x} czxid {self.stat.czxid:#x}")
        if self.reply_zxid:
            words.append(f"at {self.reply_zxid:#x}")
        if self.fresh_since_ns is not None:
            words.append(f"behind a {self.behind.value}" if self.behind else "fresh")
        if self.arms_watch:
            words.append("watching")
        return f"[{self.invoked_ns / 1e9:.4f} .. {self.completed_ns / 1e9:.4f}] " + " ".join(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchEvent:
    """A watch event as it came in from the wire."""

    client: str
    session: int
    path: str
    kind: str  # "CREATED", "CHANGED", "DELETED", "CHILD"
    at_ns: int
    connection: int = 0
    arrived: int  # in one numbering with the client's answers

    def __str__(self) -> str:
        return f"[{self.at_ns / 1e9:.4f}] {self.client} {self.session:#x} event {self.kind} {self.path}"


class Ending(Enum):
    """How a session ended, or that it is about to."""

    CLOSED = "closed"  # the client's closeSession was acknowledged
    EXPIRED = "expired"  # a server told the client so
    ABANDONED = "abandoned"  # the client fell silent for ever; it will expire


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnd:
    """A session that is over, or (ABANDONED) from which nothing will be heard again."""

    session: int
    how: Ending
    at_ns: int
    zxid: int = 0  # of an acknowledged closeSession

    def __str__(self) -> str:
        return f"[{self.at_ns / 1e9:.4f}] session {self.session:#x} {self.how.value}"


@dataclass(slots=True)
class History:
    """Everything that was recorded in one run."""

    operations: list[Operation] = field(default_factory=list)
    events: list[WatchEvent] = field(default_factory=list)
    endings: list[SessionEnd] = field(default_factory=list)
    timeouts_ms: dict[int, int] = field(default_factory=dict)
    """Negotiated timeout by session."""

    def on_path(self, path: str) -> list[Operation]:
        """The operations on one path, in the order in which they were asked for."""
        return sorted((op for op in self.operations if op.path == path), key=lambda op: op.invoked_ns)


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that the history breaks, and the operations that show it."""

    promise: str
    what: str
    evidence: tuple[Operation | WatchEvent | SessionEnd, ...] = ()

    def __str__(self) -> str:
        return "\n".join((f"{self.promise}: {self.what}", *(f"    {item}" for item in self.evidence)))
