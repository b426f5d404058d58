"""What a member is, and how far it has come with it (``QuorumPeer.ServerState``, ``ZabState``)."""

from __future__ import annotations

from enum import Enum


class ZabState(Enum):
    """The phases of the protocol, in their order."""

    ELECTION = "election"
    DISCOVERY = "discovery"
    SYNCHRONIZATION = "synchronization"
    BROADCAST = "broadcast"
