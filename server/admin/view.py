"""What the HTTP commands see of a server: all that four-letter words see, and what it is in an ensemble."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..acl import AccessControl
from ..four_letter import ConnectionView, ServerView
from .json_text import Json

Address = tuple[str, int]
"""Numeric host or name, and port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberAddresses:
    """One voting member, as the configuration has it."""

    quorum: Sequence[Address]
    election: Sequence[Address]
    client: Address | None
    is_voter: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserverFacts:
    """An observer that this server feeds (`LearnerHandler.getLearnerHandlerInfo`)."""

    address: Address
    sid: int
    established_wall_ms: int
    queued_packets: int
    queued_bytes: int
    packets_received: int
    packets_sent: int
    requests: int
    last_zxid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsembleFacts:
    """What a member of an ensemble is at the moment, with a leader that it knows."""

    my_id: int
    is_leader: bool
    leader_id: int
    leader_host: str
    """Empty when no address is known."""
    mine: MemberAddresses
    votes: bool
    """Whether it is one of the voters."""
    phase: str
    """Of the protocol: `discovery`, `synchronization` or `broadcast`."""
    voters: Mapping[int, MemberAddresses]
    observers: Sequence[ObserverFacts]
    reset_observers: Callable[[], None]
    """Let the counters of the observers' connections start again."""


class AdminConnection(ConnectionView, Protocol):
    """What is asked of a client's connection."""

    @property
    def is_secure(self) -> bool:
        """Whether it came in on the port for TLS."""


class AdminView(ServerView, Protocol):
    """What is asked of the server."""

    @property
    def connections(self) -> Iterable[AdminConnection]:
        """Every open connection."""

    @property
    def is_read_only(self) -> bool:
        """Whether it only serves reads, for want of a leader."""

    @property
    def access(self) -> AccessControl:
        """Who may do what, and which schemes there are."""

    def ensemble_facts(self) -> EnsembleFacts | None:
        """None for a server of its own, and for a member that has no leader."""


class LastSnapshot(Protocol):
    """Where to ask for the newest snapshot on the disk."""

    def __call__(self) -> tuple[int, int] | None:
        """Its zxid and the time of its last change in seconds since 1970; None if there is none."""


Answer = Mapping[str, Json]
"""What a command says, without its name and its error."""
