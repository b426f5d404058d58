"""The search finds an order where there is one, and none where there is none."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zoolet.testing.history import ANY_VERSION, Action, Operation, Outcome, Stat
from zoolet.testing.linearizability import (
    Answer,
    RegisterState,
    VersionedRegister,
    check_linearizable,
    check_registers,
    settle_unknown_outcomes,
)
from zoolet.testing.tests.model_history import COUNTER, REGISTERS, Model

PATH = "/register"


def operation(
    action: Action,
    value: str | None,
    span: tuple[int, int],
    *,
    version: int | None = None,
    expected: int = ANY_VERSION,
    outcome: Outcome = Outcome.OK,
    error: str = "",
) -> Operation:
    invoked, completed = span
    return Operation(
        client="c",
        action=action,
        path=PATH,
        outcome=outcome,
        invoked_ns=invoked,
        completed_ns=completed,
        value=None if value is None else value.encode(),
        expected=expected,
        error=error,
        stat=None if version is None else Stat(1, 1, version),
        fresh_since_ns=invoked if action is Action.GET else None,
    )


def create(value: str, span: tuple[int, int]) -> Operation:
    return operation(Action.CREATE, value, span)


def write(value: str, span: tuple[int, int], version: int, expected: int = ANY_VERSION) -> Operation:
    return operation(Action.SET, value, span, version=version, expected=expected)


def unknown(value: str, span: tuple[int, int], expected: int = ANY_VERSION) -> Operation:
    return operation(Action.SET, value, span, expected=expected, outcome=Outcome.UNKNOWN)


def refused(value: str, span: tuple[int, int], expected: int) -> Operation:
    return operation(
        Action.SET, value, span, expected=expected, outcome=Outcome.REFUSED, error="BadVersionError"
    )


def read(value: str, span: tuple[int, int], version: int) -> Operation:
    return operation(Action.GET, value, span, version=version)


def is_linearizable(*operations: Operation) -> bool:
    return check_registers(operations) == []


FIRST = create("first", (0, 1))


def test_a_history_without_overlap_is_read_in_its_order() -> None:
    assert is_linearizable(FIRST, write("a", (2, 3), 1), read("a", (4, 5), 1), write("b", (6, 7), 2))


def test_the_empty_history_is_linearizable() -> None:
    assert is_linearizable()


def test_a_read_after_a_write_shows_it() -> None:
    assert not is_linearizable(FIRST, write("a", (2, 3), 1), read("first", (4, 5), 0))


def test_a_read_beside_a_write_may_show_either() -> None:
    assert is_linearizable(FIRST, write("a", (2, 9), 1), read("first", (4, 5), 0))
    assert is_linearizable(FIRST, write("a", (2, 9), 1), read("a", (4, 5), 1))


def test_two_reads_beside_a_write_do_not_go_back() -> None:
    beside = write("a", (2, 9), 1)
    assert is_linearizable(FIRST, beside, read("first", (3, 4), 0), read("a", (5, 6), 1))
    assert not is_linearizable(FIRST, beside, read("a", (3, 4), 1), read("first", (5, 6), 0))


def test_a_lost_write_leaves_a_version_that_comes_twice() -> None:
    assert not is_linearizable(FIRST, write("a", (2, 3), 1), write("b", (4, 5), 1))


def test_a_doubled_write_leaves_a_version_too_many() -> None:
    assert not is_linearizable(FIRST, write("a", (2, 3), 1), write("b", (4, 5), 3))


def test_a_write_of_unknown_outcome_may_have_happened_at_any_time_or_never() -> None:
    lost = unknown("u", (2, 3))
    assert is_linearizable(FIRST, lost, write("a", (4, 5), 1), read("a", (6, 7), 1))
    assert is_linearizable(FIRST, lost, write("a", (4, 5), 2), read("a", (6, 7), 2))
    assert is_linearizable(FIRST, lost, write("a", (4, 5), 1), read("u", (6, 7), 2))


def test_a_write_of_unknown_outcome_happens_once() -> None:
    lost = unknown("u", (2, 3))
    assert not is_linearizable(FIRST, lost, write("a", (4, 5), 3))
    assert not is_linearizable(FIRST, lost, read("u", (4, 5), 1), write("a", (6, 7), 2), read("u", (8, 9), 3))


def test_a_write_of_unknown_outcome_does_not_happen_before_it_is_asked_for() -> None:
    assert not is_linearizable(FIRST, write("a", (2, 3), 2), unknown("u", (4, 5)))
    assert not is_linearizable(FIRST, read("u", (2, 3), 1), unknown("u", (4, 5)))


def test_of_two_conditional_writes_one_is_refused() -> None:
    assert is_linearizable(FIRST, write("a", (2, 9), 1, expected=0), refused("b", (2, 9), 0))
    assert not is_linearizable(FIRST, write("a", (2, 9), 1, expected=0), write("b", (2, 9), 2, expected=0))


def test_a_conditional_write_is_not_refused_without_reason() -> None:
    assert not is_linearizable(FIRST, refused("a", (2, 3), 0))
    assert is_linearizable(FIRST, unknown("u", (2, 3)), refused("a", (4, 5), 0))


def test_a_conditional_write_of_unknown_outcome_fits_one_version_only() -> None:
    assert is_linearizable(FIRST, unknown("u", (2, 3), expected=0), write("a", (4, 5), 2))
    assert not is_linearizable(FIRST, unknown("u", (2, 3), expected=7), write("a", (4, 5), 2))


def test_plain_reads_are_not_judged() -> None:
    old = replace(read("first", (4, 5), 0), fresh_since_ns=None)
    assert is_linearizable(FIRST, write("a", (2, 3), 1), old)


def test_a_read_behind_a_sync_may_date_from_the_sync() -> None:
    behind = replace(read("first", (6, 7), 0), fresh_since_ns=3)
    assert is_linearizable(FIRST, write("a", (2, 4), 1), behind)
    assert not is_linearizable(FIRST, write("a", (1, 2), 1), behind)


def test_a_deleted_node_is_gone_and_begins_again_at_version_0() -> None:
    gone = operation(Action.DELETE, None, (2, 3))
    missing = operation(Action.GET, None, (4, 5), outcome=Outcome.REFUSED, error="NoNodeError")
    again = create("again", (6, 7))
    assert is_linearizable(FIRST, gone, missing, again, write("a", (8, 9), 1))
    assert not is_linearizable(FIRST, missing, again)
    assert not is_linearizable(FIRST, again)


def test_paths_are_judged_apart() -> None:
    elsewhere = replace(FIRST, path="/other")
    assert is_linearizable(FIRST, elsewhere)


def test_a_failure_names_what_could_not_be_next() -> None:
    history = [FIRST, write("a", (2, 3), 1), read("first", (4, 5), 0), write("b", (6, 7), 2)]
    (violation,) = check_registers(history)
    assert "not linearizable" in violation.what
    assert violation.evidence[-1] == history[2]


def test_a_search_without_end_is_given_up_and_says_so() -> None:
    many = [unknown(f"u{n}", (2, 3), expected=n) for n in range(12)]
    reads = [read("nobody's", (4, 50), 13)]
    verdict = check_linearizable([FIRST, *many, *reads], VersionedRegister(frozenset({b"x"})), steps_max=3)
    assert verdict.answer is Answer.UNDECIDED


def test_unknown_outcomes_are_settled_by_the_first_read_that_shows_them() -> None:
    lost = unknown("u", (2, 3))
    settled = settle_unknown_outcomes([FIRST, lost, read("u", (8, 9), 1), read("u", (4, 6), 1)])
    assert (settled[1].outcome, settled[1].completed_ns) == (Outcome.OK, 6)
    assert settled[1].stat == Stat(1, 1, 1)


def test_a_long_history_with_many_unknown_outcomes_is_judged_quickly() -> None:
    history = [FIRST]
    for n in range(3000):
        if n % 10 == 0:
            history.append(unknown(f"u{n}", (10 * n + 10, 10 * n + 11)))
        history.append(write(f"v{n}", (10 * n + 12, 10 * n + 25), n + 1 + n // 20))
    verdict = check_linearizable(history, VersionedRegister(frozenset()))
    assert verdict.answer is Answer.LINEARIZABLE
    assert verdict.steps < 200_000


# --- against brute force --------------------------------------------------------------------------------


def brute_force(operations: list[Operation], model: VersionedRegister) -> bool:
    """Try every order of every choice of the unknown ones."""
    sure = [op for op in operations if op.outcome is not Outcome.UNKNOWN]
    unsure = [op for op in operations if op.outcome is Outcome.UNKNOWN]
    for count in range(len(unsure) + 1):
        for chosen in itertools.combinations(unsure, count):
            for order in itertools.permutations((*sure, *chosen)):
                if respects_time(order) and explains(order, model):
                    return True
    return False


def respects_time(order: tuple[Operation, ...]) -> bool:
    return not any(
        second.outcome is not Outcome.UNKNOWN and second.completed_ns < first.began_ns
        for first, second in itertools.combinations(order, 2)
    )


def explains(order: tuple[Operation, ...], model: VersionedRegister) -> bool:
    state: RegisterState = model.initial
    for op in order:
        stepped = model.step(state, op)
        if stepped is None:
            return False
        (state,) = stepped
    return True


@st.composite
def small_operations(draw: st.DrawFn) -> Operation:
    action = draw(st.sampled_from((Action.SET, Action.SET, Action.GET, Action.CREATE, Action.DELETE)))
    start = draw(st.integers(0, 12))
    span = (start, start + draw(st.integers(0, 6)))
    value = draw(st.sampled_from("abc"))
    expected = draw(st.sampled_from((ANY_VERSION, ANY_VERSION, 0, 1)))
    version = draw(st.integers(0, 3))
    if action is Action.GET:
        return read(value, span, version)
    if draw(st.integers(0, 3)) == 0:
        return operation(action, value, span, expected=expected, outcome=Outcome.UNKNOWN)
    if action is Action.CREATE:
        return create(value, span)
    if action is Action.DELETE:
        return operation(action, None, span, expected=expected)
    if draw(st.booleans()):
        return refused(value, span, draw(st.integers(0, 2)))
    return write(value, span, version, expected)


@settings(max_examples=300, deadline=None)
@given(st.lists(small_operations(), max_size=5))
def test_the_search_agrees_with_brute_force(operations: list[Operation]) -> None:
    model = VersionedRegister(frozenset({b"a", b"b"}))
    verdict = check_linearizable([FIRST, *operations], model)
    assert (verdict.answer is Answer.LINEARIZABLE) == brute_force([FIRST, *operations], model)
    if verdict.answer is Answer.LINEARIZABLE:
        assert respects_time(verdict.order)
        assert explains(verdict.order, model)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32))
def test_every_history_of_a_right_model_is_linearizable(seed: int) -> None:
    history = Model(seed).run(300)
    assert check_registers(history.operations, paths=frozenset((*REGISTERS, COUNTER))) == []


@pytest.mark.parametrize("path", REGISTERS)
def test_a_read_changed_by_hand_is_found(path: str) -> None:
    history = Model(1).run()
    reads = [op for op in history.on_path(path) if op.action is Action.GET and op.fresh_since_ns is not None]
    first, last = reads[0], reads[-1]
    changed = replace(last, value=first.value, stat=first.stat)
    operations = [changed if op is last else op for op in history.operations]
    assert check_registers(operations, paths=frozenset({path})) != []
