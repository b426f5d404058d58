"""Is a history linearizable? The search of Wing and Gong, with Lowe's memory of where it has been.

Every operation must seem to happen at one instant between its invocation and its completion, so that the
answers are those of a sequential object. `check_linearizable` looks for such an order; `VersionedRegister` is
the sequential object that a znode is: data and a version, with conditional writes. Operations of unknown
outcome may happen at any later time, once, or never.

A search is exponential at worst and needs help to be quick on real histories:

- znodes are independent of each other, so each path is judged alone (`check_registers`);
- a write of unknown outcome whose value was read has happened, and before that read was answered
  (`settle_unknown_outcomes`);
- unknown writes that nobody saw are interchangeable when they demand the same version: only the eldest of
  each kind is tried;
- operations with an answer are tried before those without.

Plain reads of ZooKeeper are not linearizable and are left out here, as are deletions with the end of a
session: `consistency.py` judges what zxids and sessions promise.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from .history import ANY_VERSION, Action, Operation, Outcome, Violation

STEPS_MAX: Final = 2_000_000
"""Search steps after which the answer is UNDECIDED; histories of real runs need a few per operation."""

S = TypeVar("S", bound=Hashable)


class Model(Protocol[S]):
    """A sequential object."""

    @property
    def initial(self) -> S:
        """The state before anything happened."""

    def step(self, state: S, operation: Operation) -> tuple[S] | None:
        """The state after `operation`, or None where it could not have had this outcome.

        An operation of unknown outcome is applied as if it took effect.
        """

    def kind(self, operation: Operation) -> Hashable:
        """Equal for operations of unknown outcome that act alike on every state."""


class Answer(Enum):
    """What a search ended with."""

    LINEARIZABLE = "linearizable"
    NOT_LINEARIZABLE = "not linearizable"
    UNDECIDED = "undecided"  # gave up


@dataclass(frozen=True, slots=True)
class Verdict(Generic[S]):
    """The answer, and how far the best attempt got."""

    answer: Answer
    steps: int
    order: tuple[Operation, ...] = ()
    """An order that explains the history, or the longest one found that explains its beginning."""
    state: S | None = None
    """The state at the end of `order`."""
    stuck: tuple[Operation, ...] = ()
    """What had to come next and could not, when not linearizable."""


def check_linearizable(
    operations: Iterable[Operation], model: Model[S], *, steps_max: int = STEPS_MAX
) -> Verdict[S]:
    """Look for an order of `operations` that `model` can follow.

    Answered operations take their effect between `began_ns` and `completed_ns`; unknown ones after
    `began_ns`. Operations that touch at the same nanosecond count as overlapping.
    """
    return _Search(list(operations), model, steps_max).run()


class _Placed(NamedTuple):
    """Which operations have their place in the order: small, however long the history."""

    base: int = 0  # answered operations below this are all placed
    window: int = 0  # bits of the answered ones from there on; the lowest is not set
    unknown: int = 0  # bits of the unknown ones


class _Search(Generic[S]):
    """Depth first over orders; a configuration is what has been placed and the state that led to."""

    def __init__(self, operations: Sequence[Operation], model: Model[S], steps_max: int) -> None:
        self._model = model
        self._steps_max = steps_max
        by_start = sorted(operations, key=lambda op: op.began_ns)
        self._answered = [op for op in by_start if op.outcome is not Outcome.UNKNOWN]
        self._unknown = [op for op in by_start if op.outcome is Outcome.UNKNOWN]
        # The unknown operation of the same kind that has to be placed before this one; -1 for the eldest.
        self._elder: list[int] = []
        newest: dict[Hashable, int] = {}
        for index, op in enumerate(self._unknown):
            kind = model.kind(op)
            self._elder.append(newest.get(kind, -1))
            newest[kind] = index

    def run(self) -> Verdict[S]:
        placed, state = _Placed(), self._model.initial
        seen: set[tuple[_Placed, S]] = set()
        path: list[tuple[Operation, _Placed, S]] = []  # what was placed, and the configuration before
        best: tuple[tuple[Operation, ...], S, _Placed] = ((), state, placed)
        moves = [self._moves(placed)]
        steps = 0
        while placed.base < len(self._answered):
            for op, after in moves[-1]:
                steps += 1
                stepped = self._model.step(state, op)
                if stepped is not None and (after, stepped[0]) not in seen:
                    seen.add((after, stepped[0]))
                    path.append((op, placed, state))
                    placed, state = after, stepped[0]
                    moves.append(self._moves(placed))
                    break
            else:
                if len(path) > len(best[0]):
                    best = (tuple(op for op, _, _ in path), state, placed)
                if not path or steps > self._steps_max:
                    answer = Answer.UNDECIDED if path else Answer.NOT_LINEARIZABLE
                    return Verdict(answer, steps, *best[:2], self._due_operations(best[2]))
                moves.pop()
                _, placed, state = path.pop()
        return Verdict(Answer.LINEARIZABLE, steps, tuple(op for op, _, _ in path), state)

    def _moves(self, placed: _Placed) -> Iterator[tuple[Operation, _Placed]]:
        """What may come next, and what is placed then: whatever began before the first open one ended."""
        due = self._due(placed)
        for index in due:
            window = placed.window | 1 << index - placed.base
            full = _lowest_zero(window)
            yield self._answered[index], _Placed(placed.base + full, window >> full, placed.unknown)
        end = min((self._answered[index].completed_ns for index in due), default=0)
        for index, op in enumerate(self._unknown):
            if op.began_ns > end:
                break
            elder = self._elder[index]
            if not placed.unknown >> index & 1 and (elder < 0 or placed.unknown >> elder & 1):
                yield op, placed._replace(unknown=placed.unknown | 1 << index)

    def _due(self, placed: _Placed) -> list[int]:
        """Answered operations that no other open one has to precede, by completion."""
        end: int | None = None
        due: list[int] = []
        for index in range(placed.base, len(self._answered)):
            op = self._answered[index]
            if end is not None and op.began_ns > end:
                break
            if not placed.window >> index - placed.base & 1:
                due.append(index)
                end = op.completed_ns if end is None else min(end, op.completed_ns)
        due = [index for index in due if end is not None and self._answered[index].began_ns <= end]
        due.sort(key=lambda index: self._answered[index].completed_ns)
        return due

    def _due_operations(self, placed: _Placed) -> tuple[Operation, ...]:
        return tuple(self._answered[index] for index in self._due(placed))


def _lowest_zero(bits: int) -> int:
    """The position of the lowest bit that is not set."""
    return (bits ^ (bits + 1)).bit_length() - 1


# --- znodes ---------------------------------------------------------------------------------------------

RegisterState = tuple[bytes | None, int] | None
"""Data and version; None where there is no node."""

_UNSEEN: Final = b"\0a value that nobody read"


class VersionedRegister:
    """A znode without children: create, set and delete with an expected version, get."""

    initial: RegisterState = None

    def __init__(self, values_read: frozenset[bytes | None]) -> None:
        """`values_read` are the values that any read of this node answered; others need no telling apart."""
        self._values_read = values_read

    def step(self, state: RegisterState, operation: Operation) -> tuple[RegisterState] | None:
        """See `Model`. Refusals for reasons unknown to a register say nothing about its state."""
        if operation.outcome is Outcome.REFUSED:
            return (state,) if self._may_be_refused(state, operation) else None
        match operation.action:
            case Action.CREATE:
                return None if state is not None else ((self._value(operation), 0),)
            case Action.SET:
                if state is None or operation.expected not in (ANY_VERSION, state[1]):
                    return None
                version = state[1] + 1
                if operation.stat is not None and operation.stat.version != version:
                    return None
                return ((self._value(operation), version),)
            case Action.DELETE:
                if state is None or operation.expected not in (ANY_VERSION, state[1]):
                    return None
                return (None,)
            case Action.GET:
                if state is None or state[0] != operation.value:
                    return None
                if operation.stat is not None and operation.stat.version != state[1]:
                    return None
                return (state,)
            case _:
                return (state,)

    def kind(self, operation: Operation) -> Hashable:
        """See `Model`."""
        version = operation.stat.version if operation.stat else None
        return operation.action, self._value(operation), operation.expected, version

    def _value(self, operation: Operation) -> bytes | None:
        return operation.value if operation.value in self._values_read else _UNSEEN

    @staticmethod
    def _may_be_refused(state: RegisterState, operation: Operation) -> bool:
        match operation.error:
            case "NoNodeError":
                return state is None
            case "NodeExistsError":
                return state is not None
            case "BadVersionError":
                return state is not None and state[1] != operation.expected
            case _:
                return True


def settle_unknown_outcomes(operations: Sequence[Operation]) -> list[Operation]:
    """Turn writes of unknown outcome into answered ones where a read shows that they happened.

    A value that only one operation wrote and a read answered was written: before that read was answered, and
    (for a set) making the version that the read told. What nobody saw stays unknown.
    """
    writers = Counter(op.value for op in operations if op.action in (Action.CREATE, Action.SET))
    sightings: dict[bytes | None, Operation] = {}
    for op in operations:
        if op.action is Action.GET and op.outcome is Outcome.OK and writers[op.value] == 1:
            first = sightings.get(op.value)
            if first is None or op.completed_ns < first.completed_ns:
                sightings[op.value] = op
    settled = []
    for op in operations:
        seen = sightings.get(op.value)
        if (
            op.outcome is Outcome.UNKNOWN
            and op.action in (Action.CREATE, Action.SET)
            and seen is not None
            and seen.completed_ns >= op.invoked_ns
        ):
            end = max(seen.completed_ns, op.invoked_ns)
            settled.append(replace(op, outcome=Outcome.OK, completed_ns=end, stat=seen.stat))
        else:
            settled.append(op)
    return settled


def register_operations(operations: Iterable[Operation]) -> list[Operation]:
    """What a register has to explain: writes of every outcome, and reads that promise to be fresh.

    Refusals by a connection or a session say nothing about the register; unknown reads neither.
    """
    settled = settle_unknown_outcomes(list(operations))
    return [
        op
        for op in settled
        if (op.is_write and (op.outcome is not Outcome.REFUSED or op.error in _TELLING_REFUSALS))
        or (
            op.action is Action.GET
            and op.fresh_since_ns is not None
            and (op.outcome is Outcome.OK or op.error == "NoNodeError")
        )
    ]


_TELLING_REFUSALS: Final = frozenset({"NoNodeError", "NodeExistsError", "BadVersionError"})


def check_registers(
    operations: Iterable[Operation], *, paths: frozenset[str] | None = None, steps_max: int = STEPS_MAX
) -> list[Violation]:
    """Judge every znode alone; `paths` limits the check to some.

    Nodes must be persistent: an ephemeral may vanish without an operation. A search that gives up is a
    violation too, so that nobody takes it for a pass.
    """
    by_path: dict[str, list[Operation]] = defaultdict(list)
    for op in operations:
        if paths is None or op.path in paths:
            by_path[op.path].append(op)
    violations = []
    for path, on_path in sorted(by_path.items()):
        relevant = register_operations(on_path)
        values = frozenset(op.value for op in relevant if op.action is Action.GET)
        verdict = check_linearizable(relevant, VersionedRegister(values), steps_max=steps_max)
        if verdict.answer is not Answer.LINEARIZABLE:
            state = "absent" if verdict.state is None else f"version {verdict.state[1]}"
            violations.append(
                Violation(
                    "linearizable",
                    f"{path} is {verdict.answer.value} ({len(relevant)} operations, {verdict.steps} steps): "
                    f"after the first {len(verdict.order)} the node is {state}, and none of the last ones "
                    "below can be next",
                    (*verdict.order[-6:], *verdict.stuck),
                )
            )
    return violations
