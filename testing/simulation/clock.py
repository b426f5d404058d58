"""Clocks of a simulated machine: one that never jumps but may be fast or slow, and one on the wall."""

from __future__ import annotations

from typing import Final

MONOTONIC_START_MS: Final = 1_000_000
WALL_START_MS: Final = 1_700_000_000_000


class Clock:
    """What a machine believes about the time of the world, which is in microseconds.

    Args:
        rate: seconds that pass on it in a second of the world.
        wall_offset_ms: how far its wall clock is off.
    """

    __slots__ = ("_base_ms", "_base_us", "rate", "wall_offset_ms")

    def __init__(self, rate: float = 1.0, wall_offset_ms: int = 0) -> None:
        self.rate = rate
        self.wall_offset_ms = wall_offset_ms
        self._base_us = 0
        self._base_ms = float(MONOTONIC_START_MS)

    def now_ms(self, world_us: int) -> int:
        """The clock that never jumps."""
        return int(self._base_ms + (world_us - self._base_us) * self.rate / 1000)

    def wall_ms(self, world_us: int) -> int:
        """Wall time; jumps when somebody changes ``wall_offset_ms``."""
        return WALL_START_MS + world_us // 1000 + self.wall_offset_ms

    def world_us(self, wait_ms: int) -> int:
        """How long it really takes until this many milliseconds have passed here; never too short."""
        return int(wait_ms * 1000 / self.rate) + 1

    def set_rate(self, world_us: int, rate: float) -> None:
        """From now on it goes faster or slower."""
        self._base_ms += (world_us - self._base_us) * self.rate / 1000
        self._base_us = world_us
        self.rate = rate
