"""What zxids, versions and sessions promise, checked on a recorded history.

ZooKeeper tells every client where in the one order of writes it stands: a write's Stat has its zxid, every
reply's header the zxid up to which the server had applied. So most promises can be checked exactly, without a
search:

- **one order**: a zxid stands for one write; within a node's life versions count up in zxid order;
- **real time**: a write asked for after another was acknowledged has the larger zxid;
- **sessions**: a session's zxids never go back; its writes take effect in the order in which they were asked
  for; a read shows exactly the node as of the reply's zxid (so it sees the session's own writes, and never
  goes back);
- **fresh reads**: a read behind a sync or a write is not older than what was acknowledged before;
- **no loss, no doubling**: a value that is read was asked for, before; one request takes effect once; what
  was refused never does; a persistent node whose creation was acknowledged stays.

Linearizability of a register (`linearizability.py`) follows from these as far as zxids are honest; the search
does not trust them, which is why both exist. Counters, queues, locks and watches are judged elsewhere.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from operator import attrgetter
from typing import Final

from .history import WRITES, Action, History, Operation, Outcome, Violation

EPOCH_SHIFT: Final = 32
"""A zxid's upper half is the epoch of the leader that gave it."""


@dataclass(frozen=True, slots=True)
class Change:
    """One known write to a node. `value` and `version` are None for a deletion, and where nobody saw them."""

    zxid: int
    czxid: int  # tells which life of the node
    version: int | None
    value: bytes | None
    source: Operation  # the write, or a read that showed it
    exists: bool = True


class Timeline:
    """All writes to nodes that the history knows of, by path, in zxid order.

    A write is known by its own answer or by a read that showed its result; what contradicts what is already
    known is kept in `violations`.
    """

    def __init__(self, history: History) -> None:
        self.violations: list[Violation] = []
        self._by_zxid: dict[int, tuple[str, Change]] = {}
        for op in history.operations:
            if op.outcome is Outcome.OK:
                for change in _changes_shown_by(op):
                    self._add(op.path, change)
        self.changes: dict[str, list[Change]] = defaultdict(list)
        for zxid in sorted(self._by_zxid):
            path, change = self._by_zxid[zxid]
            self.changes[path].append(change)
        for path, changes in self.changes.items():
            self._check_versions(path, changes)
        self.mortal = _paths_that_may_vanish(history)

    def _add(self, path: str, change: Change) -> None:
        known = self._by_zxid.get(change.zxid)
        if known is None:
            self._by_zxid[change.zxid] = (path, change)
            return
        known_path, old = known
        new_is_fuller = old.version is None and change.version is not None
        if known_path != path or (old.exists, old.czxid) != (change.exists, change.czxid):
            what = f"zxid {change.zxid:#x} stands for two writes"
        elif new_is_fuller:
            self._by_zxid[change.zxid] = (path, change)
            return
        elif change.version is None or (old.version, old.value) == (change.version, change.value):
            return
        else:
            what = f"zxid {change.zxid:#x} left two different values or versions at {path}"
        self.violations.append(Violation("one order", what, (old.source, change.source)))

    def _check_versions(self, path: str, changes: list[Change]) -> None:
        last: dict[int, Change] = {}
        for change in changes:
            before = last.get(change.czxid)
            if change.version is not None:
                if before is not None and before.version is not None and change.version <= before.version:
                    self.violations.append(
                        Violation(
                            "one order",
                            f"{path} has version {before.version} at {before.zxid:#x} and version "
                            f"{change.version} at the later {change.zxid:#x}",
                            (before.source, change.source),
                        )
                    )
                last[change.czxid] = change

    def latest(self, path: str, zxid: int) -> Change | None:
        """The last known write to `path` at or below `zxid`."""
        changes = self.changes.get(path, [])
        index = bisect_right(changes, zxid, key=attrgetter("zxid"))
        return changes[index - 1] if index else None

    def next_after(self, path: str, zxid: int) -> Change | None:
        """The first known write to `path` above `zxid`."""
        changes = self.changes.get(path, [])
        index = bisect_right(changes, zxid, key=attrgetter("zxid"))
        return changes[index] if index < len(changes) else None


def check_consistency(history: History, timeline: Timeline | None = None) -> list[Violation]:
    """All promises of this module. Empty when the history keeps them."""
    timeline = timeline or Timeline(history)
    return [
        *timeline.violations,
        *_check_unique_zxids(history),
        *_check_real_time(history),
        *_check_values(history, timeline),
        *_check_sessions(history, timeline),
        *_check_fresh_reads(history),
        *_check_write_order(history, timeline),
    ]


def forgive_deposed_leaders(history: History) -> tuple[History, list[Operation]]:
    """The history with reads behind a sync taken for plain ones where a replaced leader answered the sync.

    A leader that is cut off goes on until it notices, and answers a sync without asking anybody, while others
    may have elected the next one already (ZOOKEEPER-1675, ZOOKEEPER-2136). Such a read is old by an epoch;
    one that is old within its epoch is not forgiven, and neither is any read behind a write.
    """
    newest = _Newest(history)
    forgiven = [
        op
        for op in sorted(history.operations, key=lambda op: op.began_ns)
        if op.behind is Action.SYNC
        and op.reply_zxid
        and (write := newest.before(op.began_ns)) is not None
        and op.reply_zxid >> EPOCH_SHIFT < write.zxid >> EPOCH_SHIFT
    ]
    unmarked = {id(op): replace(op, fresh_since_ns=None, behind=None) for op in forgiven}
    operations = [unmarked.get(id(op), op) for op in history.operations]
    return History(operations, history.events, history.endings, history.timeouts_ms), forgiven


class _Newest:
    """The write with the largest zxid among those acknowledged before some time; ask in the order of time."""

    def __init__(self, history: History) -> None:
        writes = (op for op in history.operations if op.zxid)
        self._writes = iter(sorted(writes, key=lambda op: op.completed_ns))
        self._next = next(self._writes, None)
        self._newest: Operation | None = None

    def before(self, time_ns: int) -> Operation | None:
        while self._next is not None and self._next.completed_ns < time_ns:
            if self._newest is None or self._next.zxid > self._newest.zxid:
                self._newest = self._next
            self._next = next(self._writes, None)
        return self._newest


def _changes_shown_by(op: Operation) -> Iterator[Change]:
    stat = op.stat
    if op.action is Action.DELETE and op.reply_zxid:
        yield Change(op.reply_zxid, 0, None, None, op, exists=False)
    elif stat is None:
        return
    elif op.action is Action.CREATE:
        yield Change(stat.czxid, stat.czxid, 0, op.value, op)
    elif op.action in (Action.SET, Action.GET):
        yield Change(stat.mzxid, stat.czxid, stat.version, op.value, op)
        if stat.czxid != stat.mzxid:
            yield Change(stat.czxid, stat.czxid, None, None, op)


def _paths_that_may_vanish(history: History) -> set[str]:
    return {op.path for op in history.operations if op.ephemeral or op.action is Action.DELETE}


def _check_unique_zxids(history: History) -> Iterator[Violation]:
    """Two acknowledged writes never share a zxid."""
    seen: dict[int, Operation] = {}
    for op in history.operations:
        if op.zxid and (other := seen.setdefault(op.zxid, op)) is not op:
            yield Violation("one order", f"two acknowledged writes have zxid {op.zxid:#x}", (other, op))


def _check_real_time(history: History) -> Iterator[Violation]:
    """Zxids follow the clock: over all paths and all clients."""
    newest = _Newest(history)
    for op in sorted((op for op in history.operations if op.zxid), key=lambda op: op.invoked_ns):
        before = newest.before(op.invoked_ns)
        if before is not None and op.zxid < before.zxid:
            yield Violation("real time", "a later write has a smaller zxid", (before, op))


def _check_values(history: History, timeline: Timeline) -> Iterator[Violation]:
    """What is read was written: by one request, asked for before, not refused, and once."""
    writers: dict[bytes, list[Operation]] = defaultdict(list)
    for op in history.operations:
        if op.action in (Action.CREATE, Action.SET) and op.value is not None:
            writers[op.value].append(op)
    effects: dict[bytes, tuple[str, Change]] = {}
    for path, changes in timeline.changes.items():
        for change in changes:
            if change.value is None:
                continue
            wrote = writers.get(change.value, [])
            if not wrote:
                yield Violation(
                    "no write from nowhere", f"nobody wrote the value at {path}", (change.source,)
                )
            if len(wrote) != 1:
                continue
            (write,) = wrote
            if write.outcome is Outcome.REFUSED:
                yield Violation(
                    "refused means refused", f"{path} shows a refused write", (write, change.source)
                )
            if change.source.completed_ns < write.invoked_ns:
                yield Violation(
                    "no write from nowhere", f"{path} was read before it was written", (change.source, write)
                )
            if change.value in effects:
                other_path, twice = effects[change.value]
                yield Violation(
                    "no write doubled",
                    f"one request took effect at {twice.zxid:#x} on {other_path} and again "
                    f"at {change.zxid:#x} on {path}",
                    (write, twice.source, change.source),
                )
            effects[change.value] = (path, change)


def _check_sessions(history: History, timeline: Timeline) -> Iterator[Violation]:
    """A session's view of the one order never goes back, and its reads show the nodes as of that view."""
    for answers in _answers_by_session(history).values():
        view = 0
        reason: Operation | None = None
        for op in answers:
            if op.reply_zxid and op.reply_zxid < view and reason is not None:
                yield Violation(
                    "session order",
                    f"the session had seen {view:#x} and was answered at {op.reply_zxid:#x}",
                    (reason, op),
                )
            known = op.reply_zxid or view
            yield from _check_read_as_of(op, known, timeline)
            told = max(op.reply_zxid, op.stat.mzxid if op.stat else 0, op.zxid)
            if told > view:
                view, reason = told, op


def _check_read_as_of(op: Operation, zxid: int, timeline: Timeline) -> Iterator[Violation]:
    """A read answered at `zxid` shows the last write at or below it."""
    if op.action is not Action.GET:
        return
    if op.outcome is Outcome.OK and op.stat is not None:
        if op.reply_zxid and op.stat.mzxid > op.reply_zxid:
            yield Violation("session order", "a read shows a write beyond its own zxid", (op,))
        newer = timeline.next_after(op.path, op.stat.mzxid)
        if newer is not None and newer.zxid <= zxid:
            yield Violation(
                "session order",
                f"a read at {zxid:#x} misses the write {newer.zxid:#x} to {op.path}",
                (newer.source, op),
            )
    elif op.error == "NoNodeError" and op.path not in timeline.mortal:
        made = timeline.latest(op.path, zxid)
        if made is not None and made.exists:
            yield Violation(
                "no acknowledged write lost",
                f"{op.path} was made at {made.czxid:#x}, never deleted, and is missing at {zxid:#x}",
                (made.source, op),
            )


def _check_fresh_reads(history: History) -> Iterator[Violation]:
    """A read behind a sync or a write reaches at least what was acknowledged before that was asked for."""
    newest = _Newest(history)
    reads = [
        op
        for op in history.operations
        if op.fresh_since_ns is not None and op.reply_zxid and op.outcome is not Outcome.UNKNOWN
    ]
    for read in sorted(reads, key=lambda op: op.began_ns):
        write = newest.before(read.began_ns)
        if write is not None and read.reply_zxid < write.zxid:
            yield Violation(
                "fresh reads",
                f"answered at {read.reply_zxid:#x}, though {write.zxid:#x} had been acknowledged before "
                f"({(read.began_ns - write.completed_ns) / 1e6:.1f} ms)",
                (write, read),
            )


def _check_write_order(history: History, timeline: Timeline) -> Iterator[Violation]:
    """A session's writes have zxids in the order in which they were asked for, unknown outcomes included."""
    effect: dict[bytes, int] = {}
    for changes in timeline.changes.values():
        for change in changes:
            if change.value is not None:
                effect.setdefault(change.value, change.zxid)
    by_session: dict[tuple[str, int], list[tuple[int, Operation]]] = defaultdict(list)
    for op in history.operations:
        if op.action not in WRITES:
            continue
        zxid = op.zxid
        if not zxid and op.outcome is Outcome.UNKNOWN and op.value is not None:
            zxid = effect.get(op.value, 0)
        if zxid:
            by_session[op.client, op.session].append((zxid, op))
    for writes in by_session.values():
        writes.sort(key=lambda pair: pair[1].submitted)
        for (zxid, first), (next_zxid, second) in pairwise(writes):
            if next_zxid < zxid:
                yield Violation(
                    "session order",
                    f"asked for first, {zxid:#x} took effect after {next_zxid:#x}",
                    (first, second),
                )


def _answers_by_session(history: History) -> dict[int, list[Operation]]:
    """Answered operations by session, in the order in which the answers came in."""
    sessions: dict[int, list[Operation]] = defaultdict(list)
    for op in history.operations:
        if op.outcome is not Outcome.UNKNOWN and op.session:
            sessions[op.session].append(op)
    for answers in sessions.values():
        answers.sort(key=lambda op: op.arrived)
    return sessions
