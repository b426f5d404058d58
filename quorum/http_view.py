"""What a member of an ensemble shows and does over HTTP beside what every server does.

The facts are those of Java's `Commands` (`leader`, `voting_view`, `zabstate`, `observers`); snapshots can be
taken of a member, but not loaded: its history is not its own (`HttpTransfers.begin_restoration`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ..server.admin.snapshot_taker import RequestedSnapshot, SnapshotTaker
from ..server.admin.transfers import Restoration, TakenSnapshot
from ..server.admin.view import EnsembleFacts, MemberAddresses, ObserverFacts
from ..server.snapshot_job import SnapshotJob
from .leader import Leader
from .members import Address, Member

if TYPE_CHECKING:
    from .learner_handler import LearnerHandler
    from .peer import QuorumPeer


def ensemble_facts(peer: QuorumPeer) -> EnsembleFacts | None:
    """What the member is; None while it has no leader."""
    role = peer.role
    if role is None:
        return None
    members, voters = peer.verifier.members, peer.verifier.voters
    is_leader = isinstance(role, Leader)
    leader_id = peer.my_id if isinstance(role, Leader) else role.leader_id
    leader = members.get(leader_id)
    me = members.get(peer.my_id) or peer.last_seen_verifier.members.get(peer.my_id)
    observers = list(role.observing) if isinstance(role, Leader) else []
    return EnsembleFacts(
        my_id=peer.my_id,
        is_leader=is_leader,
        leader_id=leader_id,
        leader_host=leader.quorum[0].host if leader is not None else "",
        mine=_addresses(me) if me is not None else _NOWHERE,
        votes=peer.my_id in voters,
        phase=peer.zab_state.value,
        voters={sid: _addresses(member) for sid, member in sorted(voters.items())},
        observers=[_observer(peer, handler) for handler in observers],
        reset_observers=lambda: _reset(observers),
    )


def _addresses(member: Member) -> MemberAddresses:
    return MemberAddresses(
        quorum=[*map(_pair, member.quorum)],
        election=[*map(_pair, member.election)],
        client=None if member.client is None else _pair(member.client),
        is_voter=member.is_voter,
    )


_NOWHERE = MemberAddresses(quorum=(), election=(), client=None, is_voter=False)


def _pair(address: Address) -> tuple[str, int]:
    return address.host, address.port


def _observer(peer: QuorumPeer, handler: LearnerHandler) -> ObserverFacts:
    return ObserverFacts(
        address=handler.address,
        sid=handler.sid,
        established_wall_ms=handler.established_wall_ms,
        queued_packets=len(handler.out),
        queued_bytes=handler.unsent_bytes,
        packets_received=handler.packets_received,
        packets_sent=handler.packets_sent,
        requests=handler.requests_received,
        # Whatever is applied here has been sent to it.
        last_zxid=peer.database.tree.last_processed_zxid,
    )


def _reset(handlers: Iterable[LearnerHandler]) -> None:
    for handler in handlers:
        handler.packets_received = handler.packets_sent = handler.requests_received = 0


class HttpTransfers:
    """Args:
    peer: the member.
    """

    def __init__(self, peer: QuorumPeer) -> None:
        self._peer = peer
        self._taker = SnapshotTaker(peer.storage.disk, peer.storage.snap_store, self._start)

    def take_snapshot(self, done: Callable[[TakenSnapshot | None], None]) -> None:
        self._taker.take(done)

    def begin_restoration(self) -> Restoration | None:
        """None: what a member has is what its leader gave it."""
        return None

    def tick(self, now_ms: int) -> None:
        """Time has passed."""
        self._taker.tick(now_ms)

    def _start(self, told: Callable[[bool], None]) -> SnapshotJob | None:
        peer = self._peer
        return peer.begin_requested_snapshot(
            lambda: RequestedSnapshot(peer.database, told, ended=peer.snapshot_ended)
        )
