"""Background work: much to do, in small steps, while requests go first.

A step is a plain call between two turns of the event loop: a task of its own would take turns that cost as
much as a step does. When nobody waits, one step follows the other, with a moment of rest after each. Python
lets one thread run at a time, and a thread that comes back from the disk is let in at such a moment; without
it, it would wait five milliseconds (``sys.getswitchinterval``), and every write's reply with it.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from typing import Final

REST_S: Final = 0.00005
"""How long a rest lasts, unless something happens. The system makes about twice as much of it."""
EVERY_S: Final = 0.0003
"""When somebody always waits there is a step for so much time of theirs. With steps of 60 us that is a fifth
of the work, and a snapshot of a million nodes takes ten seconds."""
AT_ONCE_MAX: Final = 8
"""No more steps than these at once, however long a batch of requests took."""
_FD_MAX: Final = 1024
"""select(2) takes descriptors below this one."""


class Background:
    """The work beside an event loop.

    Args:
        fd: becomes readable when there is something for the event loop to do.
    """

    __slots__ = ("_stepped", "_watched", "step")

    def __init__(self, fd: int) -> None:
        self._watched = [fd] if fd < _FD_MAX else []
        self._stepped = 0.0
        self.step: Callable[[], bool] | None = None
        """Goes on for a fraction of a millisecond; False when it cannot go on now. None: there is no work."""

    def take_turn(self) -> bool:
        """A step and a rest, when nobody waits; False when there is nothing to do now."""
        if self.step is None or not self.step():
            return False
        select.select(self._watched, (), (), REST_S)
        self._stepped = time.monotonic()
        return True

    def take_share(self) -> None:
        """The steps that are due by now, though there is always somebody who waits."""
        due = int((time.monotonic() - self._stepped) / EVERY_S)
        if due:
            for _ in range(min(due, AT_ONCE_MAX)):
                if self.step is None or not self.step():
                    break
            self._stepped = time.monotonic()
