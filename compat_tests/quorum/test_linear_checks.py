"""The checks of counters, sequences, ephemerals and watches: right histories pass, wrong ones are named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zoolet.testing.consistency import Timeline
from zoolet.testing.history import Action, History, Operation, Outcome, Stat, Violation
from zoolet.testing.tests.model_history import COUNTER, LOCK, SEQUENCE, Bug, Model

from .linear_checks import check_counters, check_ephemerals, check_sequence, check_watches, count_of
from .linear_report import load_history, save_history


def violations(history: History) -> list[Violation]:
    return [
        *check_counters(history, [COUNTER]),
        *check_sequence(history, SEQUENCE),
        *check_ephemerals(history, slack_ms=0),
        *check_watches(history, Timeline(history)),
    ]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32))
def test_every_history_of_a_right_model_passes(seed: int) -> None:
    assert violations(Model(seed).run(300)) == []


@pytest.mark.parametrize(
    ("bug", "promise"),
    [
        (Bug.ACKNOWLEDGED_CREATE_LOST, "no acknowledged write lost"),
        (Bug.SEQUENCE_NUMBER_TWICE, "sequences"),
        (Bug.EPHEMERAL_VANISHES, "ephemerals live as long as their session"),
        (Bug.EPHEMERAL_OUTLIVES_CLOSE, "ephemerals go with their session"),
        (Bug.EXPIRES_EARLY, "sessions do not expire early"),
        (Bug.WATCH_LOST, "watch events come first"),
        (Bug.WATCH_LATE, "watch events come first"),
        (Bug.WATCH_TWICE, "watches fire once"),
        (Bug.WATCH_WITHOUT_CHANGE, "watch events tell of a change"),
    ],
    ids=lambda value: value.name.lower() if isinstance(value, Bug) else "",
)
def test_a_model_with_a_bug_is_found_out(bug: Bug, promise: str) -> None:
    """One in ten may hide behind an operation of unknown outcome."""
    samples = 10
    happened = found = 0
    for model in (Model(seed, bug=bug) for seed in range(200)):
        history = model.run(400)
        if model.happened:
            happened += 1
            found += promise in {violation.promise for violation in violations(history)}
        if happened == samples:
            break
    assert happened == samples
    assert found >= samples - 1


def increment(count: int, zxid: int, *, version: int | None = None, known: bool = True) -> Operation:
    return Operation(
        client="c",
        action=Action.SET,
        path=COUNTER,
        outcome=Outcome.OK if known else Outcome.UNKNOWN,
        invoked_ns=zxid,
        completed_ns=zxid,
        value=f"{count}:{zxid}".encode(),
        stat=Stat(1, zxid, count if version is None else version) if known else None,
        reply_zxid=zxid,
    )


def reading(count: int, zxid: int) -> Operation:
    return Operation(
        client="c",
        action=Action.GET,
        path=COUNTER,
        outcome=Outcome.OK,
        invoked_ns=zxid,
        completed_ns=zxid,
        value=f"{count}:x".encode(),
        stat=Stat(1, zxid, count),
        reply_zxid=zxid,
    )


def test_acknowledged_increments_add_up() -> None:
    def is_good(*operations: Operation) -> bool:
        return not list(check_counters(History(list(operations)), [COUNTER]))

    assert is_good(increment(1, 10), increment(2, 11), reading(2, 12))
    assert is_good(increment(1, 10), increment(2, 11, known=False), reading(1, 12))
    assert is_good(increment(1, 10), increment(2, 11, known=False), reading(2, 12))
    assert not is_good(increment(1, 10), increment(2, 11), reading(1, 12))
    assert not is_good(increment(1, 10), reading(2, 12))
    assert not is_good(increment(1, 10, version=2))


def test_what_is_no_count_counts_as_none() -> None:
    assert [count_of(value) for value in (b"17:a", b"0:", b"", None, b"x")] == [17, 0, -1, -1, -1]


def test_a_saved_history_is_the_same_history(tmp_path: Path) -> None:
    history = Model(3).run()
    history.operations.sort(key=lambda op: op.invoked_ns)
    file = tmp_path / "history.jsonl"
    save_history(history, file)
    assert load_history(file) == history
    assert any(op.path == LOCK for op in history.operations)
