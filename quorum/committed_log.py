"""CommittedLog: the newest committed transactions, kept in memory for learners that come a little late.

The original keeps ``commitLogCount`` of them (500) in ``ZKDatabase.committedLog``. They lie without a gap up
to the last txn applied, or there are none.
"""

from __future__ import annotations

from collections import deque
from typing import Final

COUNT_MIN: Final = 500


class CommittedLog:
    """Zxids and payloads, oldest first.

    Args:
        count: how many are kept.
    """

    def __init__(self, count: int = COUNT_MIN) -> None:
        self.entries: deque[tuple[int, bytes]] = deque(maxlen=count)

    def add(self, zxid: int, payload: bytes) -> None:
        """The txn is committed and applied."""
        assert not self.entries or zxid > self.entries[-1][0], "committed out of order"
        self.entries.append((zxid, payload))

    def clear(self) -> None:
        """What follows does not continue it: a snapshot came in between."""
        self.entries.clear()

    def __len__(self) -> int:
        return len(self.entries)
