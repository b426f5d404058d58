"""Broadcast: what all followers are told (proposals, commits), or all observers (what was committed).

It is gathered for a turn and sent in one piece. A learner must get it in the order in which it was told, and
in order with what is sent to it alone: whoever sends to one learner flushes first (`LearnerHandler.send`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .packets import proposal

if TYPE_CHECKING:
    from .learner_handler import LearnerHandler


class Broadcast:
    """Args:
    handlers: the learners; whoever adds one flushes before.
    """

    __slots__ = ("_first", "_handlers", "_last", "_pieces")

    def __init__(self, handlers: dict[LearnerHandler, None]) -> None:
        self._handlers = handlers
        self._pieces: list[bytes] = []
        self._first = self._last = 0  # the zxids of the proposals among them

    @property
    def is_due(self) -> bool:
        """Whether something was told and not yet sent."""
        return bool(self._pieces)

    def propose(self, zxid: int, payload: bytes) -> None:
        """Tell of a proposal, which has to be acknowledged."""
        self._pieces.append(proposal(zxid, payload))
        if not self._first:
            self._first = zxid
        self._last = zxid

    def tell(self, packet: bytes) -> None:
        """Tell of anything else."""
        self._pieces.append(packet)

    def flush(self) -> None:
        """Send what was told since the last time."""
        pieces = self._pieces
        if not pieces:
            return
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        count, first, last = len(pieces), self._first, self._last
        pieces.clear()
        self._first = self._last = 0
        for handler in self._handlers:
            handler.send_gathered(data, count, first, last)
