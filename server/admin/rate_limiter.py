"""RateLimiter: so many in an interval (Java's `RateLimiter`, for what costs a server much)."""

from __future__ import annotations


class RateLimiter:
    """One at a time: the first at once, each further one when the interval since the last reset is over."""

    def __init__(self, interval_ms: int, now_ms: int) -> None:
        self._interval_ms = interval_ms
        self._reset_ms = now_ms
        self._is_left = True

    def allow(self, now_ms: int) -> bool:
        """Whether it may be done now; if so, it counts."""
        if now_ms > self._reset_ms + self._interval_ms:
            self._reset_ms = now_ms
            self._is_left = True
        allowed, self._is_left = self._is_left, False
        return allowed
