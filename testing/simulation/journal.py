"""Journal: what happened, as text; and a number that two runs share only if the same happened in both."""

from __future__ import annotations

from collections import deque
from typing import Final
from zlib import crc32

LINES_KEPT: Final = 100_000


class Journal:
    """Args:
    is_told: whether lines are kept; a run that only looks for mistakes needs none.
    """

    def __init__(self, *, is_told: bool = False) -> None:
        self.is_told = is_told
        self.lines: deque[str] = deque(maxlen=LINES_KEPT)
        self.hash = 0

    def sent(self, now_us: int, data: bytes) -> None:
        """Bytes were sent: part of the hash."""
        self.hash = crc32(data, crc32(b"%d" % now_us, self.hash))

    def note(self, now_us: int, who: str, what: str) -> None:
        """A line about one member or client. Ask ``is_told`` before making the text."""
        self.hash = crc32(what.encode(), crc32(b"%d" % now_us, self.hash))
        if self.is_told:
            self.lines.append(f"{now_us / 1000:10.3f}  {who:<4} {what}")

    def say(self, now_us: int, what: str) -> None:
        """A line that is only there when somebody listens: no part of the hash."""
        self.lines.append(f"{now_us / 1000:10.3f}       {what}")

    def arrow(self, now_us: int, sender: str, receiver: str, what: str) -> None:
        """A packet on its way, for the diagram."""
        if self.is_told:
            self.lines.append(f"{now_us / 1000:10.3f}  {sender:<4} -> {receiver:<4} {what}")

    def diagram(self, last: int = 60) -> str:
        """The last lines, oldest first."""
        return "\n".join(list(self.lines)[-last:])
