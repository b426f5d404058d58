"""How a leader brings a learner's history in line with its own: DIFF, TRUNC or SNAP. Pure.

The leader knows the last txns it committed (the *window*: `committed`, 500 by default), has older ones in its
log, and knows the learner's last zxid. The plan says which packet comes first, and which proposals follow
it, each with its COMMIT; what is proposed after `forward_after` is then forwarded as it comes
(``LearnerHandler.syncFollower``).

    learner's last zxid                                       plan
    is what the leader processed last                         DIFF, nothing to send
    is beyond the window                                      TRUNC to the window's end
    is in the window (or in the log before it)                DIFF and what follows
    would be there, but is not, and the next one we have
        is of the same epoch                                  TRUNC to the one before, and what follows
        is of another epoch                                   SNAP: TRUNC must not cross epochs
    is before window and log, or there is a hole              SNAP

A zxid whose counter is 0 names the beginning of an epoch, not a txn, so it is in nobody's history: such a
learner gets DIFF where our history reaches back that far, and is never told to truncate.

Differs from the original: a hole in the log on disk leads to SNAP (there the learner finds out, and only if
the hole is within an epoch), and forwarding always starts behind the snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ..jute.codes import PacketType
from ..jute.ids import Zxid, counter_of, epoch_of

Proposal = tuple[int, bytes]
"""zxid and payload of a committed txn."""

ReadLog = Callable[[Zxid, Zxid], Iterable[Proposal] | None]
"""``read_log(after, to)``: the txns in the log from the last one at or before `after` up to `to`, in order.

None or nothing when the log does not reach back that far, is too long, or has a hole.
"""


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """What to send to a learner before it is part of the broadcast."""

    kind: PacketType
    """DIFF, TRUNC or SNAP."""
    zxid: Zxid
    """Goes into that packet. DIFF: the last committed; TRUNC: where to cut; SNAP: what the snapshot holds."""
    proposals: list[Proposal]
    """To be sent next, in order, as a PROPOSAL and its COMMIT each; observers get the same."""
    forward_after: Zxid
    """The learner has everything up to here: whatever is beyond must be forwarded to it."""


def plan_sync(
    learner_zxid: Zxid,
    last_processed: Zxid,
    committed: Sequence[Proposal],
    *,
    read_log: ReadLog | None = None,
    force_snapshot: bool = False,
) -> SyncPlan:
    """Decide how a learner is synchronised.

    Args:
        learner_zxid: the learner's last zxid, from its ACKEPOCH.
        last_processed: last zxid of the leader's tree; (epoch, 0) when its epoch has no txn yet.
        committed: the leader's last committed txns, oldest first, without a gap.
        read_log: reads older ones; None where that is switched off (`snapshotSizeFactor` below 0).
        force_snapshot: `forceSnapshotSync`, for tests.
    """
    snapshot = SyncPlan(PacketType.SNAP, last_processed, [], last_processed)
    if force_snapshot:
        return snapshot
    if learner_zxid == last_processed:
        return SyncPlan(PacketType.DIFF, learner_zxid, [], learner_zxid)
    window_start = Zxid(committed[0][0]) if committed else last_processed
    window_end = Zxid(committed[-1][0]) if committed else last_processed
    if learner_zxid > window_end:
        if not counter_of(learner_zxid):
            return snapshot
        return SyncPlan(PacketType.TRUNC, window_end, [], window_end)
    if learner_zxid >= window_start:
        return _follow(learner_zxid, committed, window_end) or snapshot
    if read_log is None:
        return snapshot
    history = _with_log(learner_zxid, committed, window_start, read_log)
    return (_follow(learner_zxid, history, window_end) if history else None) or snapshot


def _with_log(
    learner_zxid: Zxid, committed: Sequence[Proposal], window_start: Zxid, read_log: ReadLog
) -> list[Proposal]:
    """The txns from the learner's zxid on: those on disk and, without a hole, those in the window.

    Empty if they cannot be had.
    """
    history: list[Proposal] = []
    previous = Zxid(-1)
    for proposal in read_log(learner_zxid, window_start) or ():
        zxid = Zxid(proposal[0])
        if zxid > window_start:
            break
        if zxid <= previous:  # logged twice
            continue
        if history and zxid != previous + 1 and epoch_of(zxid) == epoch_of(previous):
            return []
        previous = zxid
        history.append(proposal)
    if not history or history[0][0] > learner_zxid or previous < window_start:
        return []
    history += (proposal for proposal in committed if proposal[0] > previous)
    return history


def _follow(learner_zxid: Zxid, history: Iterable[Proposal], last_committed: Zxid) -> SyncPlan | None:
    """DIFF or TRUNC along a history that begins at or before the learner's zxid; None if neither will do."""
    previous = Zxid(-1)
    known = False
    rest: list[Proposal] = []
    for proposal in history:
        zxid = Zxid(proposal[0])
        if zxid > learner_zxid:
            rest.append(proposal)
        else:
            previous = zxid
            known = zxid == learner_zxid
    forward_after = Zxid(rest[-1][0]) if rest else learner_zxid
    if known or not counter_of(learner_zxid):
        return SyncPlan(PacketType.DIFF, last_committed, rest, forward_after)
    if previous < 0 or not rest or epoch_of(Zxid(rest[0][0])) != epoch_of(learner_zxid):
        return None
    return SyncPlan(PacketType.TRUNC, previous, rest, forward_after)
