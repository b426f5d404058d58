"""Watcher: what is told of everything that happens in a simulated world."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...quorum.peer import QuorumPeer
from ...storage.errors import StorageError

if TYPE_CHECKING:
    from .member import SimMember
    from .network import Stream
    from .world import World


class Watcher:
    """Sees everything, does nothing; ``Observer`` does."""

    def begin(self, world: World) -> None:
        """The world begins."""

    def happened(self, kind: str, member: SimMember | None = None) -> None:
        """Something worth counting."""

    def booting(self, member: SimMember) -> None:
        """The peer is made and not yet started."""

    def booted(self, member: SimMember) -> None:
        """The peer is started."""

    def ended(self, member: SimMember, peer: QuorumPeer) -> None:
        """The process is gone."""

    def died(self, member: SimMember, error: StorageError) -> None:
        """The process ended itself because of its disk."""

    def lost(self, member: SimMember) -> None:
        """A machine has stopped by itself, in the middle of something."""

    def raised(self, member: SimMember, error: Exception) -> None:
        """The peer raised what it must not raise."""

    def after(self, member: SimMember) -> None:
        """A batch of inputs is over."""

    def connected(self, member: SimMember, stream: Stream) -> None:
        """A member has a connection more."""

    def disconnected(self, member: SimMember, stream: Stream) -> None:
        """A member has closed a connection."""

    def sends(self, member: SimMember, stream: Stream, data: bytes) -> None:
        """Bytes leave a member."""

    def written(self, member: SimMember) -> None:
        """A batch of the log is durable."""

    def client_note(self, now_us: int, name: str, what: str) -> None:
        """A line about a client."""
