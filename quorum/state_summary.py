"""How recent a server's history is."""

from __future__ import annotations


class StateSummary:
    """How recent a server's history is: its epoch first, then its last zxid (``StateSummary``)."""

    __slots__ = ("current_epoch", "last_zxid")

    def __init__(self, current_epoch: int, last_zxid: int) -> None:
        self.current_epoch = current_epoch
        self.last_zxid = last_zxid

    def is_more_recent_than(self, other: StateSummary) -> bool:
        """Whether a server with this history would have to lead instead of the other."""
        return (self.current_epoch, self.last_zxid) > (other.current_epoch, other.last_zxid)
