"""Background work takes a step when nobody waits, and its share when somebody always does."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest
from zoolet.server import background
from zoolet.server.background import AT_ONCE_MAX, EVERY_S, Background


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(background, "time", clock)
    return clock


@pytest.fixture
def work() -> Iterator[Background]:
    one, other = socket.socketpair()
    with one, other:
        yield Background(one.fileno())


def test_without_work_there_is_no_turn(work: Background) -> None:
    assert not work.take_turn()
    work.take_share()


@pytest.mark.parametrize("can_go_on", [True, False])
def test_a_turn_is_one_step_and_tells_whether_there_was_something_to_do(
    work: Background, can_go_on: bool
) -> None:
    steps: list[None] = []

    def step() -> bool:
        steps.append(None)
        return can_go_on

    work.step = step
    assert work.take_turn() == can_go_on
    assert len(steps) == 1


@pytest.mark.parametrize(
    ("waited", "steps_due"),
    [(0.5, 0), (1.5, 1), (3.5, 3), (AT_ONCE_MAX + 1.5, AT_ONCE_MAX), (1e6, AT_ONCE_MAX)],
)
def test_a_share_is_a_step_for_so_much_time_of_others(
    work: Background, clock: Clock, waited: float, steps_due: int
) -> None:
    steps: list[float] = []

    def step() -> bool:
        steps.append(clock.now)
        return True

    work.step = step
    work.take_turn()
    clock.now += waited * EVERY_S
    work.take_share()
    work.take_share()
    assert len(steps) == 1 + steps_due


def test_a_share_ends_when_the_work_cannot_go_on(work: Background, clock: Clock) -> None:
    steps: list[None] = []

    def last_step() -> bool:
        steps.append(None)
        work.step = None
        return True

    work.step = last_step
    clock.now += 1.0
    work.take_share()
    assert len(steps) == 1


def test_what_happens_ends_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "REST_S", 1e6)
    reading, writing = os.pipe()
    try:
        os.write(writing, b"!")
        work = Background(reading)
        work.step = lambda: True
        assert work.take_turn()
    finally:
        os.close(reading)
        os.close(writing)


def test_a_descriptor_that_select_does_not_take_is_not_watched() -> None:
    work = Background(1024)
    work.step = lambda: True
    assert work.take_turn()
