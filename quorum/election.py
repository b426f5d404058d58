"""Fast leader election: who leads, and why (``FastLeaderElection`` of ZooKeeper 3.9), as a pure core.

A server that looks for a leader starts a new round, votes for itself and tells all voters. Whoever hears of a
better candidate - a later epoch, then a later zxid, then a larger sid - takes it over and tells all voters
again. When a quorum votes for the same candidate in the same round, the election waits ``finalize_wait_ms``
for something better, and ends. Servers that have ended answer those that still look with what they decided; a
newcomer joins them once a quorum of such answers names the same leader and that leader itself says it leads.

    LOOKING --quorum in this round--------------> LEADING | FOLLOWING | OBSERVING   (``decided``)
       |----quorum of answers, leader leads---->
       |----newer configuration-------> LOOKING, next round
    any  ----``start``-----------------> LOOKING, next round

Messages go out through ``send`` (``cnx_manager.py``), time comes in with each call. Not here: what a
decision leads to (``peer.py``), and whether the candidate really has the newest history: that is found out in
discovery.

Ours to choose, and different from the original (none of it can be seen in a single message):

- When every voter of the configuration has voted in this round and all agree, nothing better can come, and
  the decision is immediate. The wait is for the voters that have not been heard.
- Nor is there a wait for a voter that has been there before and is now dialled in vain: it is the leader that
  died. A voter that was never heard may be about to start, and is waited for.
- Who votes for somebody worse in the same round is told our vote once: it may have started after hearing it.
  In the original it hears it with the next repetition, 200 ms later, as often happens when a leader dies.
- The wait is counted from the moment when the quorum stood; in the original each message prolongs it.
- While looking, voters that are not connected are dialled again after 100 ms, doubling to 1 s, so that a
  server that comes back is found at once; one whose connection breaks is dialled at once. The original does
  so with the notifications, in the end once a minute.
- The back-off of the notifications starts anew when there is news to tell. They are repeated whether or not
  queues have drained: ``send`` replaces what waits and dials if need be, which is the same.
- Servers without a vote that asked while we looked are told the result when it is there. What they get before
  is our present proposal, not the vote of the election before, and not more than once in 100 ms: in the
  original a voter and an observer that is a round ahead answer each other as fast as the network allows. Only
  those that look are answered, and a server without a vote tells nobody that its round is old.
- A candidate without weight gives way to any with weight, also in our own vote.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from ..jute.election import Notification, ServerState
from ..jute.errors import JuteError
from ..jute.ids import Epoch, Sid, Zxid, hex64, to_signed64
from .ack_tracker import SyncedLearnerTracker
from .verifier import Oracle, QuorumVerifier, from_text
from .vote import Vote

FINALIZE_WAIT_MS: Final = 200
"""How long something better may take to come after a quorum has agreed."""
NOTIFICATION_MIN_MS: Final = 200
"""``fastleader.minNotificationInterval``."""
NOTIFICATION_MAX_MS: Final = 60_000
"""``fastleader.maxNotificationInterval``."""
CONNECT_MIN_MS: Final = 100
CONNECT_MAX_MS: Final = 1000
NOBODY: Final = -(2**63)
"""Candidate, zxid and epoch of those who have no vote."""
UNTRUSTED: Final = Zxid(-1)
"""The zxid of a database that is empty and should not be: it neither votes nor is voted for."""
ANSWER_MS: Final = 100
"""How often a server without a vote is answered while we look ourselves."""
WAITING_MAX: Final = 256
"""Servers without a vote that are remembered until there is a result."""

_LOOKING, _LEADING = ServerState.LOOKING, ServerState.LEADING
_log = logging.getLogger(__name__)


class FastLeaderElection:
    """One member's part in all its elections.

    Args:
        my_sid: who we are.
        verifier: the configuration in force.
        last_seen: a newer one that was proposed; then both must agree.
        is_observer: we learn the result without voting.
        send: tells a server something; may lose it.
        connect: dials a server that is not connected.
        restate: what was said before is out of date; this is the message for whoever connects from now on.
        on_newer_config: called with the text of a configuration that is newer than ours, while looking.
            Whoever wants it calls ``set_config`` and returns True, and the election starts again.
        on_looking_voter: called with the sid of every voter that looks while we lead, for the leader may have
            lost it (``Leader.reportLookingSid``).

    Attributes:
        state: what we are, told to everybody who asks.
        decided: the vote that ended the election; None while looking.
        round: the logical clock.
        leading_tracker: who voted for us, once we lead.
    """

    def __init__(
        self,
        my_sid: Sid,
        verifier: QuorumVerifier,
        *,
        last_seen: QuorumVerifier | None = None,
        is_observer: bool = False,
        send: Callable[[Sid, bytes], None],
        connect: Callable[[Sid], None],
        restate: Callable[[bytes], None] = lambda _: None,
        on_newer_config: Callable[[str], bool] = lambda _: False,
        on_looking_voter: Callable[[Sid], None] = lambda _: None,
        finalize_wait_ms: int = FINALIZE_WAIT_MS,
        notification_min_ms: int = NOTIFICATION_MIN_MS,
        notification_max_ms: int = NOTIFICATION_MAX_MS,
    ) -> None:
        self.my_sid = my_sid
        self.state = _LOOKING
        self.decided: Vote | None = None
        self.round = 0
        self.leading_tracker: SyncedLearnerTracker | None = None
        self._send = send
        self._connect = connect
        self._restate = restate
        self._on_newer_config = on_newer_config
        self._on_looking_voter = on_looking_voter
        self._finalize_wait_ms = finalize_wait_ms
        self._notification_min_ms = notification_min_ms
        self._notification_max_ms = notification_max_ms
        self._running = False
        self._initial = self._proposal = Vote(Sid(NOBODY), Zxid(NOBODY), 0, Epoch(NOBODY))
        self._votes: dict[Sid, Vote] = {}  # of this round (Java: recvset)
        self._answers: dict[Sid, Vote] = {}  # of those that have decided (Java: outofelection)
        self._waiting: dict[Sid, int] = {}  # and when they were answered
        self._told: set[Sid] = set()  # voters that were behind our vote and were told it
        self._heard: set[Sid] = set()  # voters that have been there at some time
        self._gone: set[Sid] = set()  # and are not there any more
        self._last_zxid, self._current_epoch = Zxid(0), Epoch(0)
        self._finalize_ms: int | None = None
        self._notify_ms = self._notify_interval_ms = 0
        self._connect_ms = self._connect_interval_ms = 0
        self.set_config(verifier, last_seen=last_seen, is_observer=is_observer)

    def set_config(
        self, verifier: QuorumVerifier, *, last_seen: QuorumVerifier | None, is_observer: bool
    ) -> None:
        """From now on these configurations count. Does not start an election."""
        self._verifier = verifier
        self._verifiers = [verifier]
        if last_seen is not None and last_seen.version > verifier.version:
            self._verifiers.append(last_seen)
        self._voters = frozenset(verifier.voters).union(last_seen.voters if last_seen is not None else ())
        self._config = verifier.text().encode()
        self._other_config = b""  # looked at already, and found to be nothing for us
        self._is_observer = is_observer

    # -- the owner's side --------------------------------------------------------------------------

    def start(self, now_ms: int, *, last_zxid: Zxid, current_epoch: Epoch) -> None:
        """Look for a leader, in a new round. An ensemble of one has decided when this returns.

        Args:
            last_zxid: the last one in our log; UNTRUSTED for a database that must not be trusted.
            current_epoch: of the last leader whose history we took over.
        """
        self._running = True
        self.state = _LOOKING
        self.decided = None
        self.leading_tracker = None
        self.round = to_signed64(self.round + 1)
        self._votes.clear()
        self._answers.clear()
        self._gone.clear()
        self._last_zxid, self._current_epoch = last_zxid, current_epoch
        # As in the original, a participant outside the list tells its zxid and epoch, but proposes nobody.
        candidate = self.my_sid if self.my_sid in self._verifier.voters else Sid(NOBODY)
        if self._is_observer:
            last_zxid, current_epoch = Zxid(NOBODY), Epoch(NOBODY)
        self._initial = Vote(candidate, last_zxid, self.round, current_epoch)
        self._connect_interval_ms = CONNECT_MIN_MS
        self._connect_ms = now_ms + CONNECT_MIN_MS
        _log.info("looking for a leader: round %d, our vote %s", self.round, self._initial)
        self._propose(now_ms, self._initial)
        self._evaluate(now_ms)

    def receive(self, now_ms: int, sid: Sid, message: bytes) -> None:
        """A message came from this server. Whatever it is, the worst is that it is ignored."""
        if not self._running:
            return
        try:
            notification = Notification.decode(message)
        except JuteError as error:
            _log.warning("notification of %d ignored: %s", sid, error)
            return
        config = notification.config
        if self.state is _LOOKING and config and config not in (self._config, self._other_config):
            self._see_config(now_ms, sid, config)
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("while %s, from %d: %s", self.state.name, sid, _describe(notification))
        if sid in self._voters:
            self._heard.add(sid)
            self._gone.discard(sid)
        asks = notification.state is _LOOKING
        if self.state is _LOOKING and sid in self._voters:
            if asks and notification.round < self.round and self.my_sid in self._voters:
                self._answer(sid)
            self._count(now_ms, sid, notification)
        elif self.state is _LOOKING:
            if asks and self._may_answer(now_ms, sid):
                self._answer(sid)
        elif asks:
            if self.state is _LEADING and sid in self._voters:
                self._on_looking_voter(sid)
            self._answer(sid)

    def disconnected(self, sid: Sid) -> None:
        """The connection with this server has broken, perhaps with our vote in it."""
        if self._running and self.state is _LOOKING and sid in self._voters:
            self._connect(sid)

    def unreachable(self, now_ms: int, sid: Sid) -> None:
        """This server was dialled in vain."""
        if self._running and self.state is _LOOKING and sid in self._heard:
            self._gone.add(sid)
            self._evaluate(now_ms)

    def tick(self, now_ms: int) -> None:
        """Time has passed. To be called when ``deadline`` is over; earlier does no harm."""
        if not self._running or self.state is not _LOOKING:
            return
        if self._finalize_ms is not None and self._finalize_ms <= now_ms:
            tracker = self._tracker(self._votes, self._proposal)
            if tracker.has_all_quorums():
                self._decide(self._proposal, tracker)
                return
            self._finalize_ms = None
        if self._notify_ms <= now_ms:
            self._notify(now_ms)
            # An oracle may have changed its mind.
            self._evaluate(now_ms)
        if self.state is _LOOKING and self._connect_ms <= now_ms:
            self._connect_interval_ms = min(self._connect_interval_ms * 2, CONNECT_MAX_MS)
            self._connect_ms = now_ms + self._connect_interval_ms
            for sid in self._others():
                self._connect(sid)

    def deadline(self) -> int | None:
        """When ``tick`` has something to do; None after the decision."""
        if not self._running or self.state is not _LOOKING:
            return None
        times = (self._notify_ms, self._connect_ms)
        return min(times) if self._finalize_ms is None else min(*times, self._finalize_ms)

    def stop(self) -> None:
        """Say nothing more."""
        self._running = False
        self._waiting.clear()

    @property
    def vote(self) -> Vote:
        """What we tell others: the decision, or what we propose while looking."""
        return self._proposal if self.decided is None else self.decided

    def update_vote(self, new_epoch: Epoch) -> None:
        """We have synchronised with the leader, or lead: from now on tell its new epoch.

        Otherwise newcomers might hear of the old one from some and of the new one from others, and never find
        a quorum that agrees (ZOOKEEPER-1732).
        """
        if self.decided is not None:
            self.decided = self.decided._replace(peer_epoch=new_epoch)
            self._restate(self._message(self.decided, self.decided.round))

    def designate(self, leader: Sid, zxid: Zxid) -> None:
        """A reconfiguration has named the next leader, without an election."""
        self.decided = Vote(leader, zxid, -1, Epoch(-1))
        self.state = self._state_below(leader)
        self._restate(self._message(self.decided, self.decided.round))

    # -- counting ----------------------------------------------------------------------------------

    def _count(self, now_ms: int, sid: Sid, notification: Notification) -> None:
        """Take in what a voter says."""
        if notification.leader not in self._voters:
            _log.warning("%d speaks of %d, which is not a voter", sid, notification.leader)
        elif notification.state is _LOOKING:
            self._count_vote(now_ms, sid, notification)
        elif notification.state is not ServerState.OBSERVING:
            self._count_answer(sid, notification)

    def _count_vote(self, now_ms: int, sid: Sid, notification: Notification) -> None:
        """A server that looks as we do."""
        if notification.zxid == UNTRUSTED:
            return
        if self._initial.zxid == UNTRUSTED:
            # We have no say. But those who look may soon have a leader: ask again before long.
            self._notify_ms = min(self._notify_ms, now_ms + CONNECT_MAX_MS)
            return
        vote = Vote(notification.leader, notification.zxid, notification.round, notification.peer_epoch)
        if vote.round < self.round:
            return
        if vote.round > self.round:
            self.round = vote.round
            self._votes.clear()
            self._initial = self._initial._replace(round=self.round)
            self._propose(now_ms, vote if self._is_better(vote, self._initial) else self._initial)
        elif self._is_better(vote, self._proposal):
            self._propose(now_ms, vote)
        elif not vote.agrees_with(self._proposal) and self.my_sid in self._voters and sid not in self._told:
            self._told.add(sid)
            self._answer(sid)
        self._votes[sid] = vote
        self._evaluate(now_ms)

    def _count_answer(self, sid: Sid, notification: Notification) -> None:
        """A server that follows or leads: join it once enough say the same."""
        vote = Vote(
            notification.leader,
            notification.zxid,
            notification.round,
            notification.peer_epoch,
            notification.state,
            notification.version,
        )
        if vote.round == self.round:
            # Kept without a format, as in the original: such votes then agree by their leader alone.
            self._votes[sid] = vote._replace(version=0)
            if self._join(self._votes, vote):
                return
        self._answers[sid] = vote
        if self._join(self._answers, vote):
            return
        if vote.state is _LEADING and self._is_denied_by_oracle():
            self._decide(vote, self._tracker(self._answers, vote))

    def _join(self, votes: dict[Sid, Vote], vote: Vote) -> bool:
        tracker = self._tracker(votes, vote)
        if not (tracker.has_all_quorums() and self._is_led(votes, vote)):
            return False
        self.round = vote.round
        self._decide(vote, tracker)
        return True

    def _is_led(self, votes: dict[Sid, Vote], vote: Vote) -> bool:
        """Whether the leader itself says that it leads, so that nobody elects a dead one again and again.

        If all others think that it is us, it is; but only in this round: going back to an earlier one would
        leave leader and followers with different rounds (ZOOKEEPER-1514). Without data we lead nobody.
        """
        if vote.leader == self.my_sid:
            return vote.round == self.round and self._last_zxid != UNTRUSTED
        says = votes.get(vote.leader)
        return says is not None and says.state is _LEADING

    def _is_denied_by_oracle(self) -> bool:
        """Of two voters one leads alone, because the oracle said so; to us it says no: so we follow."""
        verifier = self._verifier
        return (
            isinstance(verifier, Oracle)
            and len(verifier.voters) <= 2
            and verifier.need_oracle
            and not verifier.ask_oracle()
        )

    def _tracker(self, votes: dict[Sid, Vote], vote: Vote) -> SyncedLearnerTracker:
        tracker = SyncedLearnerTracker(self._verifiers)
        for sid, other in votes.items():
            if vote.agrees_with(other):
                tracker.add_ack(sid)
        return tracker

    def _is_better(self, new: Vote, old: Vote) -> bool:
        """Whether the candidate is to be preferred; one without weight never is."""
        if self._verifier.weight(new.leader) == 0:
            return False
        return new.rank > old.rank or old.leader == NOBODY or self._verifier.weight(old.leader) == 0

    def _evaluate(self, now_ms: int) -> None:
        """See whether our proposal has a quorum, and whether anything else may come."""
        if self._initial.zxid == UNTRUSTED:
            return  # a vote for ourselves
        tracker = self._tracker(self._votes, self._proposal)
        # An oracle takes nobody for a quorum too.
        if not (self._votes and tracker.has_all_quorums()):
            self._finalize_ms = None
        elif self._is_final():
            self._decide(self._proposal, tracker)
        elif self._finalize_ms is None:
            self._finalize_ms = now_ms + self._finalize_wait_ms

    def _is_final(self) -> bool:
        """Whether every voter has voted for our proposal, or is gone; and not the one it is for."""
        return self._proposal.leader not in self._gone and all(
            sid in self._gone or (sid in self._votes and self._votes[sid].agrees_with(self._proposal))
            for sid in self._voters
        )

    def _decide(self, vote: Vote, tracker: SyncedLearnerTracker) -> None:
        self.decided = Vote(vote.leader, vote.zxid, vote.round, vote.peer_epoch)
        self.state = self._state_below(vote.leader)
        self.leading_tracker = tracker if self.state is _LEADING else None
        self._votes.clear()
        self._answers.clear()
        self._finalize_ms = None
        _log.info("%s: round %d, vote %s", self.state.name, vote.round, vote)
        self._restate(self._message(self.decided, self.decided.round))
        waiting, self._waiting = self._waiting, {}
        for sid in waiting:
            self._answer(sid)

    def _state_below(self, leader: Sid) -> ServerState:
        if leader == self.my_sid:
            return _LEADING
        return ServerState.OBSERVING if self._is_observer else ServerState.FOLLOWING

    def _see_config(self, now_ms: int, sid: Sid, config: bytes) -> None:
        """Another configuration than ours: a newer one is offered to the owner."""
        try:
            text = config.decode()
            version = from_text(text).version
        except ValueError as error:
            _log.warning("the configuration that %d sent is ignored: %s", sid, error)
            return
        self._other_config = config
        ours = self._verifier.version
        if version > ours and self._on_newer_config(text):
            _log.info("%d has configuration %s, ours was %s", sid, hex64(version), hex64(ours))
            self.start(now_ms, last_zxid=self._last_zxid, current_epoch=self._current_epoch)

    # -- talking -----------------------------------------------------------------------------------

    def _propose(self, now_ms: int, vote: Vote) -> None:
        """Make this our vote and tell all voters."""
        self._proposal = vote
        self._told.clear()
        self._finalize_ms = None
        self._notify_interval_ms = self._notification_min_ms
        self._restate(self._message(vote, self.round))
        self._notify(now_ms)

    def _notify(self, now_ms: int) -> None:
        """Tell all voters our vote, and when to do so again. To ourselves it is a vote like any other."""
        self._notify_ms = now_ms + self._notify_interval_ms
        self._notify_interval_ms = min(self._notify_interval_ms * 2, self._notification_max_ms)
        if self.my_sid in self._voters and self._initial.zxid != UNTRUSTED:
            self._votes[self.my_sid] = self._proposal
        message = self._message(self._proposal, self.round)
        for sid in self._others():
            self._send(sid, message)

    def _answer(self, sid: Sid) -> None:
        """Tell one server where we stand."""
        vote = self.vote
        # Who has no vote gets the clock, as in the original; it differs only after ``designate``.
        self._send(sid, self._message(vote, vote.round if sid in self._voters else self.round))

    def _may_answer(self, now_ms: int, sid: Sid) -> bool:
        """Whether a server without a vote gets an answer now; in any case it will get the result."""
        answered_ms = self._waiting.get(sid)
        if answered_ms is not None:
            due = now_ms >= answered_ms + ANSWER_MS
        else:
            due = len(self._waiting) < WAITING_MAX
        if due:
            self._waiting[sid] = now_ms
        return due

    def _message(self, vote: Vote, election_round: int) -> bytes:
        return Notification(
            self.state, vote.leader, vote.zxid, election_round, vote.peer_epoch, config=self._config
        ).encode()

    def _others(self) -> list[Sid]:
        return sorted(self._voters - {self.my_sid})


def _describe(notification: Notification) -> str:
    return (
        f"{notification.state.name}, leader {notification.leader}, zxid 0x{hex64(notification.zxid)}, "
        f"round {notification.round}, epoch 0x{hex64(notification.peer_epoch)}"
    )
