"""Waiting for what happens in a foreign process, which tells nobody: look until it is so, or time is up.

Where something tells (an event, the end of a process, a watch) that is awaited instead.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

PATIENCE_S: Final = 20.0
"""Longest wait for what takes one server milliseconds; the rest is for a busy machine."""

_POLL_S: Final = 0.02

T = TypeVar("T")


class NotInTime(AssertionError):
    """What was promised has not come."""


def until(
    promise: str,
    is_kept: Callable[[], T | None],
    *,
    patience_s: float = PATIENCE_S,
    report: Callable[[], str] = lambda: "",
) -> T:
    """Look at a condition until it is true (or something), and return that.

    Raises NotInTime, with the promise and what there is to `report` then.
    """
    deadline = time.monotonic() + patience_s
    while not (result := is_kept()):
        if time.monotonic() > deadline:
            raise NotInTime(f"not within {patience_s} s: {promise}\n{report()}".rstrip())
        time.sleep(_POLL_S)
    return result
