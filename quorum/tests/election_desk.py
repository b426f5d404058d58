"""One member's election on a desk: tests say what it hears, and see what it says."""

from __future__ import annotations

from collections.abc import Callable

from zoolet.jute.election import Notification, ServerState
from zoolet.jute.ids import Epoch, Sid, Zxid
from zoolet.quorum.election import (
    FastLeaderElection,
)
from zoolet.quorum.tests.election_lab import majority
from zoolet.quorum.verifier import QuorumVerifier

LOOKING, FOLLOWING = ServerState.LOOKING, ServerState.FOLLOWING
LEADING, OBSERVING = ServerState.LEADING, ServerState.OBSERVING
START_MS = 50_000
ZXID = (4 << 32) | 6
"""Everybody's last zxid, unless a test says otherwise; the epoch is 4."""


class Desk:
    """One member's election, what it said, and its clock."""

    def __init__(
        self,
        sid: int = 2,
        verifier: QuorumVerifier | None = None,
        *,
        last_seen: QuorumVerifier | None = None,
        on_newer_config: Callable[[str], bool] = lambda _: False,
        round: int = 0,
    ) -> None:
        self.now_ms = START_MS
        self.said: list[tuple[int, Notification]] = []
        self.dialled: list[int] = []
        self.restated: list[Notification] = []
        self.looked: list[int] = []
        self.verifier = verifier or majority([1, 2, 3])
        self.election = FastLeaderElection(
            Sid(sid),
            self.verifier,
            last_seen=last_seen,
            is_observer=sid in self.verifier.observers,
            send=lambda to, message: self.said.append((to, Notification.decode(message))),
            connect=self.dialled.append,
            restate=lambda message: self.restated.append(Notification.decode(message)),
            on_newer_config=on_newer_config,
            on_looking_voter=self.looked.append,
        )
        self.election.round = round

    def look(self, zxid: int = ZXID, epoch: int = 4) -> Desk:
        """Begin an election and pass over what is said at once."""
        self.election.start(self.now_ms, last_zxid=Zxid(zxid), current_epoch=Epoch(epoch))
        self.said.clear()
        return self

    def hear(
        self,
        sid: int,
        leader: int,
        state: ServerState = LOOKING,
        *,
        zxid: int = ZXID,
        round: int = 1,
        epoch: int = 4,
        config: bytes = b"",
    ) -> None:
        """This server says that."""
        notification = Notification(state, Sid(leader), Zxid(zxid), round, Epoch(epoch), config=config)
        self.election.receive(self.now_ms, Sid(sid), notification.encode())

    def wait(self, for_ms: int) -> None:
        """Let time pass, deadline by deadline."""
        end_ms = self.now_ms + for_ms
        while (deadline_ms := self.election.deadline()) is not None and deadline_ms <= end_ms:
            assert deadline_ms > self.now_ms, "it would spin"
            self.now_ms = deadline_ms
            self.election.tick(self.now_ms)
        self.now_ms = end_ms

    def said_last_to(self, sid: int) -> Notification:
        return [notification for to, notification in self.said if to == sid][-1]

    @property
    def result(self) -> tuple[ServerState, int] | None:
        decided = self.election.decided
        return None if decided is None else (self.election.state, decided.leader)
