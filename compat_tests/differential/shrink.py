"""From a long program that two servers answer differently to a short one.

Delta debugging: parts are left out as long as some difference remains, first whole turns in halves and
smaller and smaller pieces, then single requests, then parts of lists. Any difference will do: the shortest
story is asked for, not the first one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from .program import Call, Program, Turn

Item = TypeVar("Item")
Differs = Callable[[Program], bool]


def shrink(program: Program, differs: Differs) -> list[Turn]:
    """The shortest program found that still differs."""
    shortest = _beginning(program, differs)
    while True:
        before = _size(shortest)
        shortest = without_needless(shortest, differs)
        shortest = _with_fewer_calls(shortest, differs)
        shortest = _with_shorter_lists(shortest, differs)
        if _size(shortest) == before:
            return shortest


def _beginning(program: Program, differs: Differs) -> list[Turn]:
    """The program up to the turn that makes the difference."""
    too_short, enough = 0, len(program)
    while enough - too_short > 1:
        middle = (too_short + enough) // 2
        if differs(program[:middle]):
            enough = middle
        else:
            too_short = middle
    return list(program[:enough])


def without_needless(items: Sequence[Item], differs: Callable[[list[Item]], bool]) -> list[Item]:
    """Those items without which there is no difference, found by leaving out ever smaller pieces."""
    kept = list(items)
    length = len(kept)
    while length >= 1:
        at = len(kept)
        while at > 0:
            start = max(0, at - length)
            attempt = kept[:start] + kept[at:]
            if differs(attempt):
                kept = attempt
            at = start
        length //= 2
    return kept


def _with_fewer_calls(program: list[Turn], differs: Differs) -> list[Turn]:
    for number in range(len(program)):
        turn = program[number]
        if len(turn.calls) < 2:
            continue

        def with_calls(calls: list[Call], number: int = number, turn: Turn = turn) -> bool:
            changed = replace(turn, calls=tuple(calls))
            return bool(calls) and differs([*program[:number], changed, *program[number + 1 :]])

        program[number] = replace(turn, calls=tuple(without_needless(turn.calls, with_calls)))
    return program


def _with_shorter_lists(program: list[Turn], differs: Differs) -> list[Turn]:
    """Operations of multis that are not needed."""
    for number in range(len(program)):
        for place, one in enumerate(program[number].calls):
            if one.word not in ("multi", "multi_read"):
                continue

            def put(arguments: list[object], number: int = number, place: int = place) -> Turn:
                calls = list(program[number].calls)
                calls[place] = replace(calls[place], arguments=tuple(arguments))
                return replace(program[number], calls=tuple(calls))

            def with_arguments(arguments: list[object], number: int = number) -> bool:
                return differs([*program[:number], put(arguments), *program[number + 1 :]])

            program[number] = put(without_needless(one.arguments, with_arguments))
    return program


def _size(program: Program) -> int:
    return sum(1 + sum(1 + len(one.arguments) for one in turn.calls) for turn in program)
