"""Who has acknowledged something, and whether that is enough (Java: `SyncedLearnerTracker`).

While a reconfiguration is under way two configurations count, and both must agree. Not here: what was
acknowledged, and acknowledgements that do not count because of what they are for.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..jute.ids import Sid
from .verifier import QuorumVerifier


class SyncedLearnerTracker:
    """The acknowledgements of one proposal, one epoch or one vote."""

    __slots__ = ("_acks",)

    def __init__(self, verifiers: Iterable[QuorumVerifier] = ()) -> None:
        self._acks: list[tuple[QuorumVerifier, set[Sid]]] = [(verifier, set()) for verifier in verifiers]

    def add_quorum_verifier(self, verifier: QuorumVerifier) -> None:
        """From now on this configuration must agree too; earlier acknowledgements do not count for it."""
        self._acks.append((verifier, set()))

    def add_ack(self, sid: Sid) -> bool:
        """Count a member; False when it is a voter of none of the configurations, and so is not counted."""
        counted = False
        for verifier, acks in self._acks:
            if sid in verifier.voters:
                acks.add(sid)
                counted = True
        return counted

    def has_sid(self, sid: Sid) -> bool:
        """Whether the member is a voter of every configuration."""
        return all(sid in verifier.voters for verifier, _ in self._acks)

    def has_all_quorums(self) -> bool:
        """Whether every configuration has a quorum of acknowledgements."""
        return all(verifier.contains_quorum(acks) for verifier, acks in self._acks)

    @property
    def pairs(self) -> tuple[tuple[QuorumVerifier, frozenset[Sid]], ...]:
        """Every configuration with the members that are counted for it."""
        return tuple((verifier, frozenset(acks)) for verifier, acks in self._acks)

    def __str__(self) -> str:
        """As `ackSetsToString`, in ascending order: `[1, 2],[2]`."""
        return ",".join(str(sorted(acks)) for _, acks in self._acks)
