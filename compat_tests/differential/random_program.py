"""Programs nobody wrote: a few clients do random things to a handful of nodes, the same for the same seed.

Every request is decodable; what is random is which, in which order, and how they meet. Whatever the reference
does is right, so a program keeps away from what the original itself decides by chance:

- a setACL is not seen by requests pipelined behind it unless it happens to be applied: it ends its turn
- a failed multi with a sequential create forgets a deletion of that name that is not applied yet: in one turn
  there are such creates or deletions
- authentication overtakes the pipeline: it has a turn of its own
- what closes a connection ends its turn
- once a session has lost a connection, the original may not find the next one: nobody takes that session over

from what concerns the whole server and not the play's own nodes, such as the empty path, which is the root's;
and from the few requests of which `docs/deviations.md` says that they are answered differently.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from hashlib import sha1
from random import Random
from typing import Any
from zlib import crc32

from zoolet.jute.codes import Perms
from zoolet.jute.data import ACL, Id

from .operations import CREATOR, OPEN, READ_ONLY
from .program import Call, Intrusion, LastWords, Question, Reconnect, Turn, call
from .view import FromStart, QuotaPath

CLIENTS = "abcd"
SUPER = b"super:secret"
SUPER_DIGEST = "super:" + b64encode(sha1(SUPER).digest()).decode()
"""The setting superDigest that both servers are given."""

_OPEN_PATHS = ("/a", "/b", "/a/x", "/a/y", "/b/x", "/a/x/deep", "/a/x/deep/er", "/c", "/q")
_SECRET_PATHS = ("/s", "/s/x", "/a/s", "/s/x/y")
"""The only nodes whose ACL may deny READ to somebody in a program for two versions."""
_ODD_PATHS = ("/", "/bad/", "/no/parent", "/a//x", "/./a", "relative")
_SEQUENCE_PARENTS = ("/q", "/q", "/q", "/a", "/s", "/b/x")
_QUOTA_PATHS = tuple(
    QuotaPath(f"{path}{node}")
    for path in ("", "/a", "/q", "/a/x")
    for node in ("", "/zookeeper_limits", "/zookeeper_stats")
)
_LIMITS = (b"count=3,bytes=100", b"count=-1,bytes=-1=;byteHardLimit=50;countHardLimit=2", b"count=0,bytes=7")
"""The original does not survive other texts in these nodes. Nothing is enforced: that is up to chance."""
_DATA = (b"", b"data", None, b"longer data \x00\xff", b"k" * 300)
_VERSIONS = (-1, -1, -1, -1, -1, 0, 0, 1, 2, 3, -2)
_IDENTITIES = (b"alice:secret", b"bob:secret", b"alice:other", b"carol", b"")
_FLAGS = (*(0,) * 16, *(1,) * 8, 4, 4, 5, 7)
_TTL_MS = (3_600_000, 3_600_000, 86_400_000, 0xFF_FFFF_FFFF, 0, -1, 1 << 40)
_BATCH_SIZES = (1, 2, 4, 8, 16, 16, 32, 32, 64)

_SECRET_ACLS: tuple[tuple[ACL, ...], ...] = (
    CREATOR,
    (ACL(Perms.WRITE | Perms.ADMIN, Id("world", "anyone")),),
    (ACL(Perms.ALL, Id("ip", "127.0.0.1")),),
    (ACL(Perms.ALL, Id("ip", "10.0.0.0/8")), ACL(Perms.READ | Perms.ADMIN, Id("world", "anyone"))),
    (ACL(Perms.CREATE | Perms.DELETE, Id("world", "anyone")), ACL(Perms.ALL, Id("auth", ""))),
    (ACL(Perms.READ, Id("auth", "")), ACL(Perms.ADMIN, Id("auth", "")), ACL(Perms.ADMIN, Id("auth", ""))),
    (ACL(0, Id("world", "anyone")),),
)
_OPEN_ACLS: tuple[tuple[ACL, ...] | None, ...] = (
    READ_ONLY,
    (ACL(Perms.ALL & ~Perms.DELETE, Id("world", "anyone")),),
    (ACL(Perms.READ, Id("world", "anyone")), ACL(Perms.ALL, Id("auth", ""))),
    (),
    (ACL(Perms.ALL, Id("world", "somebody")),),
    (ACL(Perms.ALL, Id("nonsense", "x")),),
)

_STANDARD, _PERSISTENT, _RECURSIVE = range(3)


class _Author:
    """Writes the turns. `common_only` keeps to what 3.8 and 3.9 answer alike."""

    def __init__(self, seed: int, *, common_only: bool) -> None:
        self._random = Random(seed)
        self._common_only = common_only
        self._sequence = 0
        self._choices = self._weighted(
            (10, self._create),
            (5, self._sequential),
            (12, self._delete),
            (9, self._set_data),
            (18, self._read),
            (4, self._other_read),
            (8, self._multi),
            (3, self._multi_read),
            (2, self._set_watches),
            (2, self._set_watches2),
            (5, self._add_watch),
            (4, self._check_or_remove),
            (1, self._sync_or_ping),
        )
        self._who = CLIENTS[0]
        self._deletes = True
        self._dropped: set[str] = set()
        """Whose sessions lost a connection."""

    @staticmethod
    def _weighted(*weights: tuple[int, Callable[[], Call]]) -> list[Callable[[], Call]]:
        return [make for weight, make in weights for _ in range(weight)]

    def turn(self, operations_max: int) -> Turn:
        """The next turn, of at most so many requests."""
        self._who = who = self._random.choice(CLIENTS)
        self._deletes = self._random.random() < 0.7
        chance = self._random.random()
        if chance < 0.02:
            self._dropped.discard(who)
            return LastWords(who, (call("close_session"),))
        if chance < 0.035 or (chance < 0.05 and who in self._dropped):
            self._dropped.add(who)
            return Reconnect(who, drop=True)
        if chance < 0.045:
            return Reconnect(who, drop=False)
        if chance < 0.05:
            return Intrusion(who)
        if chance < 0.12:
            return Turn(who, (call("auth", "digest", self._random.choice(_IDENTITIES)),))
        if chance < 0.14:
            return Turn(who, (call("auth", "digest", SUPER),))
        if chance < 0.145:
            return LastWords(who, (call("auth", self._random.choice(("nonsense", "world")), b"x"),))
        if chance < 0.15:
            return LastWords(who, (call("raw", 99, b""),))
        if chance < 0.17:
            return Question(self._random.choice(("wchp", "wchc", "dump", "wchs")))
        size = min(self._random.choice(_BATCH_SIZES), operations_max)
        calls = [self._random.choice(self._choices)() for _ in range(size)]
        if self._random.random() < 0.3:
            calls[-1] = self._set_acl()
        return Turn(who, tuple(calls))

    # -- what requests are made of

    def _path(self) -> str | None:
        chance = self._random.random()
        if chance < 0.002 and not self._common_only:
            return None
        if chance < 0.04:
            return self._random.choice(_ODD_PATHS)
        if chance < 0.09:
            return self._numbered()
        if chance < 0.13:
            return self._random.choice(_QUOTA_PATHS)
        return self._random.choice(_SECRET_PATHS if chance < 0.33 else _OPEN_PATHS)

    def _numbered(self) -> str:
        """Possibly the name of a sequential node."""
        number = self._random.randrange(self._sequence + 1)
        return f"{self._random.choice(_SEQUENCE_PARENTS)}/n{number:010d}"

    def _version(self) -> int:
        return self._random.choice(_VERSIONS)

    def _acl(self, path: str | None) -> tuple[ACL, ...] | None:
        chance = self._random.random()
        if chance < 0.6:
            return OPEN
        if chance < 0.8 or (path not in _SECRET_PATHS and self._common_only):
            return self._random.choice(_OPEN_ACLS)
        return self._random.choice(_SECRET_ACLS)

    def _watch_kind(self, path: str | None) -> int | None:
        """Which kind of watch this client may set on this path: one only, in a program for two versions."""
        if not self._common_only:
            return None
        return (_STANDARD, _STANDARD, _PERSISTENT, _RECURSIVE)[crc32(f"{path}{self._who}".encode()) % 4]

    def _may_watch(self, path: str | None) -> bool:
        return self._watch_kind(path) in (None, _STANDARD)

    def _watched(self, path: str | None, probability: float = 0.5) -> dict[str, Any]:
        watch = self._random.random() < probability
        return {"watch": True} if watch and self._may_watch(path) else {}

    # -- requests

    def _create(self) -> Call:
        # "/" with a sequence number would name a neighbour of the play's own node.
        path = self._path()
        return self._create_at("/a" if path == "/" else path)

    def _data(self, path: str | None) -> bytes | None:
        return self._random.choice(_LIMITS if isinstance(path, QuotaPath) else _DATA)

    def _create_at(self, path: str | None) -> Call:
        data = self._data(path)
        acl = self._acl(path)
        options: dict[str, Any] = {} if acl is OPEN else {"acl": acl}
        chance = self._random.random()
        if chance < 0.08:
            return call("create_container", path, data, **options)
        if chance < 0.16:
            return call("create_ttl", path, data, **options, ttl=self._random.choice(_TTL_MS))
        flags = self._random.choice((0, 0, 0, 0, 0, 0, 1, 1, 1, 4) if self._common_only else _FLAGS)
        # What the end of a session does to a quota depends on which of its nodes goes first.
        if flags and not (flags == 1 and isinstance(path, QuotaPath)):
            options["flags"] = flags
        return call(self._random.choice(("create", "create2")), path, data, **options)

    def _sequential(self) -> Call:
        self._sequence += 1
        parent = self._random.choice(_SEQUENCE_PARENTS)
        if self._random.random() < 0.1:
            return call("create_ttl", f"{parent}/n", flags=6)
        word = self._random.choice(("create", "create2"))
        return call(word, f"{parent}/n", self._random.choice(_DATA), flags=self._random.choice((2, 3, 3)))

    def _delete(self) -> Call:
        if not self._deletes:
            return self._set_data()
        path = self._numbered() if self._random.random() < 0.3 else self._path()
        return call("delete", "/a" if path == "/" else path, self._version())

    def _set_data(self) -> Call:
        path = self._path()
        return call("set_data", path, self._data(path), self._version())

    def _set_acl(self) -> Call:
        path = self._random.choice((*_SECRET_PATHS, *_OPEN_PATHS))
        return call("set_acl", path, self._acl(path), self._version())

    def _read(self) -> Call:
        path = self._path()
        words = ["get_data", "get_children", "get_children2", "exists"]
        if self._common_only and path in _SECRET_PATHS:
            # 3.8 answers exists to everybody.
            words.pop()
        return call(self._random.choice(words), path, **self._watched(path))

    def _other_read(self) -> Call:
        words = ("get_acl", "get_acl", "get_all_children_number", "get_ephemerals")
        return call(self._random.choice(words), self._path() or "/")

    def _sync_or_ping(self) -> Call:
        return self._random.choice((call("sync", self._path()), call("who_am_i"), call("ping")))

    def _multi(self) -> Call:
        makers = [self._create, self._create, self._delete, self._delete, self._set_data, self._check]
        if not self._deletes:
            makers.append(self._sequential)
        if self._random.random() < 0.05 and not self._common_only:
            makers.append(self._read)
        return call("multi", *(self._random.choice(makers)() for _ in range(self._random.randrange(6))))

    def _check(self) -> Call:
        return call("check", self._path(), self._version())

    def _multi_read(self) -> Call:
        words = ("get_data", "get_children")
        reads = (call(self._random.choice(words), self._path()) for _ in range(self._random.randrange(5)))
        return call("multi_read", *reads)

    # -- watches

    def _watch_paths(self, kind: int) -> tuple[str | None, ...]:
        paths = (self._path() for _ in range(self._random.randrange(4)))
        return tuple(path for path in paths if self._watch_kind(path) in (None, kind))

    def _since(self) -> FromStart:
        return FromStart(self._random.choice((0, self._random.randrange(3000), 1 << 40)))

    def _set_watches(self) -> Call:
        lists = {word: self._watch_paths(_STANDARD) for word in ("data", "exist", "child")}
        return call("set_watches", self._since(), **lists)

    def _set_watches2(self) -> Call:
        lists = {word: self._watch_paths(_STANDARD) for word in ("data", "exist", "child")}
        lists["persistent"] = self._watch_paths(_PERSISTENT)
        lists["recursive"] = self._watch_paths(_RECURSIVE)
        return call("set_watches2", self._since(), **lists)

    def _add_watch(self) -> Call:
        path = self._path()
        kind = self._watch_kind(path)
        if kind == _STANDARD:
            return call("get_acl", path)
        mode = self._random.randrange(2) if kind is None else kind - _PERSISTENT
        return call("add_watch", path, mode)

    def _check_or_remove(self) -> Call:
        if self._common_only:
            # 3.8 finds watches of other clients too.
            return self._read()
        word = self._random.choice(("check_watches", "remove_watches"))
        return call(word, self._path(), self._random.randrange(7))


def random_program(seed: int, *, operations: int, common_only: bool) -> list[Turn]:
    """A program of so many requests."""
    author = _Author(seed, common_only=common_only)
    program: list[Turn] = [Turn(CLIENTS[0], (call("create", QuotaPath("/")),))]
    left = operations
    while left > 0:
        turn = author.turn(left)
        left -= len(turn.calls) or 1
        program.append(turn)
    return [*program, *_census()]


def _census() -> list[Turn]:
    """Every named node as it is in the end, seen by somebody who may see everything."""
    paths = sorted({"/", *_OPEN_PATHS, *_SECRET_PATHS}) + list(_QUOTA_PATHS)
    reads = (call(word, path) for path in paths for word in ("get_data", "get_acl", "get_children2"))
    return [Turn(CLIENTS[0], (call("auth", "digest", SUPER),)), Turn(CLIENTS[0], tuple(reads))]
