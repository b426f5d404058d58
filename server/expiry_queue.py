"""Deadlines in buckets of one tick (``ExpiryQueue``): cheap to move, polled one bucket at a time.

Time comes in with every call, in ms of a clock that never jumps.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

E = TypeVar("E", bound=Hashable)


class ExpiryQueue(Generic[E]):
    """Elements that expire at their deadline rounded up to the next bucket.

    Args:
        interval_ms: width of a bucket (tickTime).
        now_ms: the current time.
    """

    def __init__(self, interval_ms: int, now_ms: int) -> None:
        self.interval_ms = interval_ms
        self.deadlines: dict[E, int] = {}
        self.buckets: dict[int, dict[E, None]] = {}
        self.next_expiry_ms = self._round_up(now_ms)

    def _round_up(self, time_ms: int) -> int:
        return (time_ms // self.interval_ms + 1) * self.interval_ms

    def update(self, element: E, timeout_ms: int, now_ms: int) -> None:
        """Give an element (new or known) ``timeout_ms`` from now."""
        deadline = max(self._round_up(now_ms + timeout_ms), self.next_expiry_ms)
        previous = self.deadlines.get(element)
        if previous == deadline:
            return
        if previous is not None:
            self._take_out(element, previous)
        self.deadlines[element] = deadline
        bucket = self.buckets.get(deadline)
        if bucket is None:
            bucket = self.buckets[deadline] = {}
        bucket[element] = None

    def remove(self, element: E) -> None:
        """Forget an element; unknown ones are passed over."""
        deadline = self.deadlines.pop(element, None)
        if deadline is not None:
            self._take_out(element, deadline)

    def _take_out(self, element: E, deadline: int) -> None:
        bucket = self.buckets.get(deadline)
        if bucket is not None:
            bucket.pop(element, None)
            if not bucket:
                del self.buckets[deadline]

    def wait_ms(self, now_ms: int) -> int:
        """How long until ``poll`` can return anything."""
        return max(self.next_expiry_ms - now_ms, 0)

    def poll(self, now_ms: int) -> list[E]:
        """Elements of every bucket that is due; they stay known until removed.

        The original takes one bucket per call and is called again at once; the result is the same.
        """
        expired: list[E] = []
        while self.next_expiry_ms <= now_ms:
            expired.extend(self.buckets.pop(self.next_expiry_ms, ()))
            self.next_expiry_ms += self.interval_ms
        return expired
