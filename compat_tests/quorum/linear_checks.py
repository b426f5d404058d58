"""What counters, sequences, ephemerals and watches promise, checked on a recorded history.

These know how the clients of `linear_clients.py` use the nodes (a counter's value begins with its count,
nobody but its maker deletes an ephemeral); what holds for any use is in `zoolet.testing.consistency`. All are
pure.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

from zoolet.testing.consistency import Timeline
from zoolet.testing.history import (
    READS,
    Action,
    Ending,
    History,
    Operation,
    Outcome,
    Violation,
    WatchEvent,
)

SEQUENCE_DIGITS = 10


def check_answers(history: History) -> Iterator[Violation]:
    """kazoo can make sense of every answer: requests and answers come in one order, with one numbering."""
    for op in history.operations:
        if op.error in ("RuntimeError", "error"):
            yield Violation("answers come in order", "kazoo did not understand", (op,))


def count_of(value: bytes | None) -> int:
    """The count that a counter's value begins with, as in `b"17:client-4"`; -1 for anything else."""
    digits = (value or b"").split(b":")[0]
    return int(digits) if digits.isdigit() else -1


def check_counters(history: History, paths: Iterable[str]) -> Iterator[Violation]:
    """Every increment counts once: count and version are equal, and the acknowledged ones add up.

    The counters are made with the count 0 and changed by conditional sets to the next count only.
    """
    for path in paths:
        on_path = history.on_path(path)
        for op in on_path:
            is_told = op.outcome is Outcome.OK and op.action in (Action.SET, Action.GET)
            if is_told and op.stat is not None and count_of(op.value) != op.stat.version:
                yield Violation("counters add up", f"{path}: the count is not the version", (op,))
        reads = [op for op in on_path if op.action is Action.GET and op.outcome is Outcome.OK]
        if not reads:
            continue
        last = max(reads, key=lambda op: op.reply_zxid)
        sets = [op for op in on_path if op.action is Action.SET]
        acknowledged = sum(0 < op.zxid <= last.reply_zxid for op in sets)
        unknown = sum(op.outcome is Outcome.UNKNOWN for op in sets)
        if not acknowledged <= count_of(last.value) <= acknowledged + unknown:
            yield Violation(
                "counters add up",
                f"{path}: {acknowledged} increments acknowledged by then, and {unknown} unknown in all",
                (last,),
            )


def check_sequence(history: History, parent: str) -> Iterator[Violation]:
    """Sequence numbers follow the order of creation, no two are alike, and no acknowledged node is missing.

    Nodes below `parent` are made by sequential creates and never deleted.
    """
    made = [
        op
        for op in history.operations
        if op.sequential and op.outcome is Outcome.OK and op.path.startswith(f"{parent}/") and op.stat
    ]
    made.sort(key=lambda op: op.zxid)
    for first, second in pairwise(made):
        if _number(second) <= _number(first):
            yield Violation("sequences", "numbers do not follow the order of creation", (first, second))
    zxids = [op.zxid for op in made]
    names = [op.path.rpartition("/")[2] for op in made]
    zxid_of = dict(zip(names, zxids, strict=True))
    for op in history.operations:
        if op.action is not Action.CHILDREN or op.path != parent or op.outcome is not Outcome.OK:
            continue
        present = set(op.children)
        due = bisect_right(zxids, op.reply_zxid)
        for name in set(names[:due]) - present:
            yield Violation("no acknowledged write lost", f"{parent}/{name} is missing", (op,))
        for name in present:
            if zxid_of.get(name, 0) > op.reply_zxid:
                yield Violation("session order", f"{parent}/{name} is shown before its creation", (op,))


def _number(op: Operation) -> int:
    return int(op.path[-SEQUENCE_DIGITS:])


def check_ephemerals(history: History, *, slack_ms: int) -> Iterator[Violation]:
    """An ephemeral lives as long as its session or until it is deleted: not longer, and not less.

    So at most one session owns a path at any zxid. `slack_ms` is by how much a session may expire earlier
    than its timeout after the last request that was answered: what a member hears from a client it tells the
    leader with its pings, and it may be cut off until syncLimit is over.
    """
    lives: dict[str, list[Operation]] = defaultdict(list)
    deleted: dict[str, list[Operation]] = defaultdict(list)
    absences: dict[str, list[Operation]] = defaultdict(list)
    for op in history.operations:
        if op.action is Action.CREATE and op.ephemeral and op.outcome is Outcome.OK:
            lives[op.path].append(op)
        elif op.action is Action.DELETE and op.outcome is not Outcome.REFUSED:
            deleted[op.path].append(op)
        elif op.action is Action.GET and op.error == "NoNodeError":
            absences[op.path].append(op)
    alive = _Liveness(history)
    for path, creates in lives.items():
        creates.sort(key=lambda op: op.zxid)
        for index, life in enumerate(creates):
            successor = creates[index + 1] if index + 1 < len(creates) else None
            if any(_may_have_deleted(op, life, successor) for op in deleted[path]):
                continue
            for proof in (*([successor] if successor else ()), *absences[path]):
                zxid = proof.zxid or proof.reply_zxid
                if zxid >= life.zxid and (successor is None or zxid <= successor.zxid):
                    yield from alive.check_gone(life, proof, zxid, slack_ms)
    yield from _check_owners_gone(history)


def _may_have_deleted(op: Operation, life: Operation, successor: Operation | None) -> bool:
    """Whether this delete (done, or of unknown outcome) may have ended that life."""
    if op.outcome is Outcome.UNKNOWN or not op.zxid:
        return op.completed_ns > life.invoked_ns
    return life.zxid < op.zxid and (successor is None or op.zxid < successor.zxid)


class _Liveness:
    """Until when sessions are known to have lived."""

    def __init__(self, history: History) -> None:
        self._last: dict[int, Operation] = {}  # answered at the highest zxid
        self._heard: dict[int, Operation] = {}  # answered, and invoked last
        self._closing: set[int] = set()
        self._timeouts_ms = history.timeouts_ms
        for op in history.operations:
            if op.action is Action.CLOSE:
                self._closing.add(op.session)
            elif op.outcome is not Outcome.UNKNOWN and op.reply_zxid:
                last = self._last.get(op.session)
                if last is None or op.reply_zxid > last.reply_zxid:
                    self._last[op.session] = op
                heard = self._heard.get(op.session)
                if heard is None or op.invoked_ns > heard.invoked_ns:
                    self._heard[op.session] = op

    def check_gone(self, life: Operation, proof: Operation, zxid: int, slack_ms: int) -> Iterator[Violation]:
        """`proof` shows that the node of `life`, which nobody deleted, was gone at `zxid`."""
        last = self._last.get(life.session)
        if last is not None and last.reply_zxid > zxid:
            yield Violation(
                "ephemerals live as long as their session",
                f"{life.path} was gone at {zxid:#x}, its session still served at {last.reply_zxid:#x}",
                (life, proof, last),
            )
        heard = self._heard.get(life.session)
        timeout_ms = self._timeouts_ms.get(life.session)
        if heard is not None and timeout_ms is not None and life.session not in self._closing:
            gone_after_ms = (proof.completed_ns - heard.invoked_ns) / 1e6
            if gone_after_ms < timeout_ms - slack_ms:
                yield Violation(
                    "sessions do not expire early",
                    f"{life.path} was gone {gone_after_ms:.0f} ms after its session was last heard; the "
                    f"timeout is {timeout_ms} ms",
                    (life, heard, proof),
                )


def _check_owners_gone(history: History) -> Iterator[Violation]:
    """After an acknowledged closeSession nobody sees an ephemeral of that session."""
    closed = {end.session: end for end in history.endings if end.how is Ending.CLOSED}
    for op in history.operations:
        if op.action is not Action.GET or op.outcome is not Outcome.OK or op.stat is None:
            continue
        end = closed.get(op.stat.ephemeral_owner)
        if end is None:
            continue
        is_later = op.fresh_since_ns is not None and op.fresh_since_ns > end.at_ns
        if is_later or 0 < end.zxid <= op.reply_zxid:
            yield Violation("ephemerals go with their session", f"{op.path} outlived its session", (end, op))


# --- watches --------------------------------------------------------------------------------------------


def check_watches(history: History, timeline: Timeline) -> Iterator[Violation]:
    """A watch fires once, after a change, and before its client sees anything as new as that change.

    Judged over reconnects too, as long as the session lives: the clients tell the next server what they
    still watch.
    """
    first_creation = _first_creation_below(history)
    streams: dict[str, list[Operation | WatchEvent]] = defaultdict(list)
    for op in history.operations:
        if op.outcome is not Outcome.UNKNOWN:
            streams[op.client].append(op)
    for event in history.events:
        streams[event.client].append(event)
    for stream in streams.values():
        stream.sort(key=lambda item: item.arrived)
        yield from _WatchesOfClient(timeline, first_creation).check(stream)


class _WatchesOfClient:
    """Goes through what one client received, in the order of the wire."""

    def __init__(self, timeline: Timeline, first_creation: Callable[[str, int], int | None]) -> None:
        self._timeline = timeline
        self._first_creation = first_creation
        self._armed: dict[tuple[str, bool], Operation] = {}  # by path and whether for children
        self._due: dict[tuple[str, bool], int] = {}  # first zxid at which an armed watch must have fired
        self._fired: dict[tuple[str, bool], tuple[Operation, WatchEvent]] = {}
        self._session = 0

    def check(self, stream: list[Operation | WatchEvent]) -> Iterator[Violation]:
        for item in stream:
            if item.session != self._session:
                self._session = item.session
                self._armed.clear()
                self._due.clear()
                self._fired.clear()
            if isinstance(item, WatchEvent):
                yield from self._event(item)
            else:
                yield from self._answer(item)

    def _event(self, event: WatchEvent) -> Iterator[Violation]:
        key = (event.path, event.kind == "CHILD")
        armed = self._armed.pop(key, None)
        self._due.pop(key, None)
        if armed is None:
            yield Violation("watches fire once", f"an event at {event.path} that nobody asked for", (event,))
        else:
            self._fired[key] = (armed, event)

    def _answer(self, op: Operation) -> Iterator[Violation]:
        for key, zxid in list(self._due.items()):
            if op.reply_zxid >= zxid:
                del self._due[key]
                yield Violation(
                    "watch events come first",
                    f"the watch at {key[0]} had to fire for {zxid:#x} before this answer",
                    (self._armed[key], op),
                )
        if op.action not in READS or op.outcome is not Outcome.OK or op.stat is None:
            return
        key = (op.path, op.action is Action.CHILDREN)
        fired = self._fired.pop(key, None)
        # A server that is joined later may be behind the event: its zxid is not part of what clients tell.
        is_same = fired is not None and fired[1].connection == op.connection
        if fired is not None and is_same and _change_seen(op) <= _change_seen(fired[0]):
            yield Violation(
                "watch events tell of a change", "nothing changed between", (fired[0], fired[1], op)
            )
        if op.arms_watch:
            self._armed[key] = op
            seen = max(op.reply_zxid, _change_seen(op))
            if key[1]:
                due = self._first_creation(op.path, seen)
            else:
                change = self._timeline.next_after(op.path, seen)
                due = change.zxid if change else None
            if due is not None:
                self._due[key] = due


def _change_seen(op: Operation) -> int:
    assert op.stat is not None
    return op.stat.pzxid if op.action is Action.CHILDREN else op.stat.mzxid


def _first_creation_below(history: History) -> Callable[[str, int], int | None]:
    """Look-up of the first acknowledged creation below a path after some zxid."""
    zxids: dict[str, list[int]] = defaultdict(list)
    for op in history.operations:
        if op.action is Action.CREATE and op.zxid:
            zxids[op.path.rpartition("/")[0]].append(op.zxid)
    for creations in zxids.values():
        creations.sort()

    def first(parent: str, after: int) -> int | None:
        creations = zxids.get(parent, [])
        index = bisect_right(creations, after)
        return creations[index] if index < len(creations) else None

    return first
