"""Violation: something that must always hold does not."""

from __future__ import annotations


class Violation(BaseException):
    """An invariant is broken. No ``Exception``: nothing on the way up may handle it.

    Attributes:
        invariant: its name.
        detail: what was seen.
    """

    def __init__(self, invariant: str, detail: str) -> None:
        super().__init__(f"{invariant}: {detail}")
        self.invariant = invariant
        self.detail = detail
