"""A vote: who should lead, and what speaks for it.

Two questions are asked of votes: which of two candidates is the better one, and whether two votes support the
same candidate. The second is not equality: votes of servers that have already decided are compared more
loosely, because their round and zxid may be out of date (``Vote.equals`` in Java; ZOOKEEPER-1732, -1805).
"""

from __future__ import annotations

from typing import NamedTuple

from ..jute.election import ServerState
from ..jute.ids import Epoch, Sid, Zxid, hex64


class Vote(NamedTuple):
    """One server's opinion. ``==`` compares all fields; ``agrees_with`` is the comparison of the protocol.

    Attributes:
        leader: the candidate.
        zxid: the candidate's last logged zxid.
        round: the election round it was cast in (``electionEpoch``).
        peer_epoch: the candidate's current epoch.
        state: the voter's state.
        version: format of the notification it came in; 0 for one without.
    """

    leader: Sid
    zxid: Zxid
    round: int
    peer_epoch: Epoch
    state: ServerState = ServerState.LOOKING
    version: int = 0

    def agrees_with(self, other: Vote) -> bool:
        """Whether both support the same candidate in the same situation.

        With a voter that still looks everything counts. Between servers that have decided, leader and epoch
        do; and if only one of them tells its format, the leader alone, since servers before 3.4.6 report
        another epoch (ZOOKEEPER-1732). Symmetric, but not transitive.
        """
        if self.state is ServerState.LOOKING or other.state is ServerState.LOOKING:
            return self[:4] == other[:4]
        if (self.version > 0) != (other.version > 0):
            return self.leader == other.leader
        return self.leader == other.leader and self.peer_epoch == other.peer_epoch

    @property
    def rank(self) -> tuple[Epoch, Zxid, Sid]:
        """What candidates are ordered by: the larger one leads."""
        return self.peer_epoch, self.zxid, self.leader

    def __str__(self) -> str:
        return f"({self.leader}, {hex64(self.zxid)}, {hex64(self.peer_epoch)})"
