"""Proposals: what the leader has proposed and not committed, and who has it (the broadcast's bookkeeping).

Commits go in zxid order, each when every configuration that was active or pending at its proposal has a
quorum of acknowledgements. Pure arithmetic: sending, logging and applying are the leader's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from ..jute.ids import Sid, Zxid
from ..server.request import Request
from .verifier import QuorumVerifier


class Proposal:
    """One transaction on its way to a quorum.

    Attributes:
        request: as prepared; who waits for it.
        payload: bytes of the txn.
        verifiers: whose quorums it needs: the configuration, and the next one if a change is under way.
        acks: who has it on disk; voters of any configuration.
    """

    __slots__ = ("acks", "payload", "request", "verifiers", "zxid")

    def __init__(
        self, zxid: Zxid, request: Request, payload: bytes, verifiers: tuple[QuorumVerifier, ...]
    ) -> None:
        self.zxid = zxid
        self.request = request
        self.payload = payload
        self.verifiers = verifiers
        self.acks: set[Sid] = set()

    @property
    def has_quorum(self) -> bool:
        """Whether every configuration has a quorum of acknowledgements."""
        acks, verifiers = self.acks, self.verifiers
        if len(verifiers) == 1:
            return verifiers[0].contains_quorum(acks)
        return all(verifier.contains_quorum(acks) for verifier in verifiers)


class Proposals:
    """Everything proposed and not yet committed, in zxid order."""

    def __init__(self) -> None:
        self._queue: deque[Proposal] = deque()
        self._by_zxid: dict[int, Proposal] = {}

    def __len__(self) -> int:
        return len(self._queue)

    def __iter__(self) -> Iterator[Proposal]:
        return iter(self._queue)

    def add(self, proposal: Proposal) -> None:
        """The newest proposal."""
        self._queue.append(proposal)
        self._by_zxid[proposal.zxid] = proposal

    def acknowledge(self, sid: Sid, zxid: int) -> bool:
        """Note an ack; whether it is one of the oldest, which may have its quorum now."""
        proposal = self._by_zxid.get(zxid)
        if proposal is None:
            return False
        proposal.acks.add(sid)
        return proposal is self._queue[0]

    def time_ms(self, zxid: int) -> int | None:
        """Wall time of a txn that waits; None if none of this zxid does."""
        proposal = self._by_zxid.get(zxid)
        return None if proposal is None else proposal.request.time_ms

    def take_committed(self) -> Proposal | None:
        """The oldest proposal, if it has its quorum; it is committed from then on."""
        queue = self._queue
        if not queue or not queue[0].has_quorum:
            return None
        proposal = queue.popleft()
        del self._by_zxid[proposal.zxid]
        return proposal
