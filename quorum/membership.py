"""Membership: which configuration is in force here, which one is coming, and who we are in it.

Two configurations are known to a member: the last committed one (``verifier``) and the newest it has seen
(``last_seen``), which is perhaps never committed. While they differ both must agree to everything. Without
``reconfigEnabled`` there is only the one from the file, and what others send is passed over
(``QuorumPeer.setLastSeenQuorumVerifier``, ``processReconfig``).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from ..jute.ids import Sid, hex64
from ..storage.errors import StorageError
from .config import EnsembleConfig
from .members import Role
from .verifier import QuorumVerifier

_log = logging.getLogger(__name__)


class ConfigStore(Protocol):
    """Where configurations are written down (``ConfigFiles``)."""

    def propose(self, verifier: QuorumVerifier) -> None:
        """A configuration was seen that is perhaps never committed."""

    def commit(self, verifier: QuorumVerifier, *, erase_client_address: bool) -> None:
        """It is committed: the next start begins with it."""

    def forget_proposed(self) -> None:
        """Nothing that was proposed is open."""


class Membership:
    """Args:
    ensemble: as the member was started.
    reconfig_enabled: ``reconfigEnabled``.
    store: keeps what must outlive the process; None: nothing does.
    """

    def __init__(
        self, ensemble: EnsembleConfig, *, reconfig_enabled: bool, store: ConfigStore | None
    ) -> None:
        self.my_id = ensemble.my_id
        self.reconfig_enabled = reconfig_enabled
        self.verifier = ensemble.verifier
        self.last_seen = ensemble.last_seen_verifier or ensemble.verifier
        self.role = ensemble.learner_type
        self._store = store

    @property
    def verifiers(self) -> tuple[QuorumVerifier, ...]:
        """Whose quorums count."""
        if self.last_seen.version > self.verifier.version:
            return self.verifier, self.last_seen
        return (self.verifier,)

    def see(self, verifier: QuorumVerifier) -> None:
        """A configuration has come up that is perhaps never committed."""
        if not self.reconfig_enabled or self.last_seen.version == verifier.version:
            return
        if self.last_seen.version > verifier.version:
            _log.warning(
                "a configuration of version %s came after %s",
                hex64(verifier.version),
                hex64(self.last_seen.version),
            )
        self.last_seen = verifier
        if self._store is not None:
            with _as_far_as_possible("was proposed"):
                self._store.propose(verifier)

    def see_text(self, text: bytes) -> QuorumVerifier | None:
        """As ``see``; None if the text is no configuration, or configurations do not change here."""
        if not self.reconfig_enabled:
            return None
        try:
            verifier = self.read(text)
        except ValueError as error:
            _log.warning("a configuration cannot be read: %s", error)
            return None
        self.see(verifier)
        return verifier

    def read(self, text: bytes) -> QuorumVerifier:
        """Raises ValueError if it is no configuration."""
        return self.verifier.read(text.decode())

    def activate(self, verifier: QuorumVerifier) -> bool:
        """A configuration is committed. True if it differs from the one before by more than its version."""
        previous = self.verifier
        if not self.reconfig_enabled or previous.version >= verifier.version:
            return False
        self.verifier = verifier
        if verifier.version > self.last_seen.version:
            self.last_seen = verifier
        mine = verifier.members.get(self.my_id)
        # Who is in no list any more follows without a vote, as before.
        self.role = mine.role if mine is not None else Role.PARTICIPANT
        if self._store is not None:
            has_client = mine is not None and mine.client is not None and not mine.client_is_own
            with _as_far_as_possible("is in force"):
                self._store.commit(verifier, erase_client_address=has_client)
                if verifier.version == self.last_seen.version:
                    self._store.forget_proposed()
        return previous != verifier

    def has_moved(self, leader: Sid, previous: QuorumVerifier) -> bool:
        """Whether this leader is another voter, or none, since that configuration."""
        before, now = previous.voters.get(leader), self.verifier.voters.get(leader)
        return before is None or now is None or set(before.quorum) != set(now.quorum)


@contextmanager
def _as_far_as_possible(what: str) -> Iterator[None]:
    """What can't be written down holds all the same, as in the original.

    It is in the log too, and members tell each other. If this ended the member, one change of configuration
    would end every member whose zoo.cfg is in a folder that is mounted for reading.
    """
    try:
        yield
    except StorageError as error:
        _log.error("a configuration %s and is not written down: %s", what, error)
