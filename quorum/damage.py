"""A member whose data is damaged, or gone: it has no say until a leader's snapshot has taken its place.

What a disk has lost may have been acknowledged, and so be part of what a quorum has promised. Whoever has
forgotten a part of it must not help to elect anybody: of three members, one of which has a write, one lags
behind, and one has lost it, the last two are a quorum and do not have it. So this member

    reports zxid -1         it neither votes nor is voted for, and a leader does not count it as one of those
                            whose histories it has compared (``FastLeaderElection._count_vote``,
                            ``Leader.epoch_accepted``); this is the original's answer to an empty folder that
                            should not be empty
    keeps `acceptedEpoch`   what it has promised it has not forgotten; if that file is damaged as well, the
                            member refuses to start
    takes SNAP only         and acknowledges NEWLEADER once the tree is durable, in the place of what was
    is trusted from then    the leader was elected by a quorum without it, and each such quorum has somebody
                            who has what this member had acknowledged; `currentEpoch` is that of the tree at
                            least, or who lags behind in that epoch would win against it

Until then nothing in the folder is changed: if no leader is found, because most members are damaged, all that
can still be read is where it was, and can be repaired. What is replaced is set aside as `damaged.*`.

``zoolet.refetchDamagedData=false`` switches this off; then a damaged member refuses to start. Nor is it for
a disk that fails (DiskError): fetching would write to it.
"""

from __future__ import annotations

import logging
import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ..jute.ids import Zxid, epoch_of, hex64
from ..server.storage_folder import lacks_snapshot, restore
from ..storage.errors import (
    CannotTruncate,
    Corrupt,
    EpochError,
    EpochUnreadable,
    NoValidSnapshot,
    StorageError,
)
from ..storage.file_names import SET_ASIDE, SET_ASIDE_DAMAGED, list_damaged
from ..storage.snap_log import RestorePlan, StartingPoint
from .packet_connection import ProtocolError

if TYPE_CHECKING:
    from .peer import QuorumPeer

REMIND_MS_MAX: Final = 600_000
"""Longest pause between two reminders that the ensemble waits for somebody to do something."""

_DAMAGE: Final = (Corrupt, NoValidSnapshot, EpochUnreadable)
_log = logging.getLogger(__name__)


class Distrust:
    """Why a member has no say, and when its operator is told so again.

    Args:
        reason: in words.
        advice: what to do if it stays so.
        now_ms: time.
        patience_ms: how long to wait before the advice is given for the first time.
    """

    def __init__(self, reason: str, advice: str, now_ms: int, patience_ms: int) -> None:
        self.reason = reason
        self._advice = advice
        self._since_ms = now_ms
        self._pause_ms = patience_ms
        self.remind_ms = now_ms + patience_ms

    def tick(self, now_ms: int) -> None:
        """Time has passed, and there is no leader."""
        if now_ms < self.remind_ms:
            return
        self._pause_ms = min(self._pause_ms * 2, REMIND_MS_MAX)
        self.remind_ms = now_ms + self._pause_ms
        _log.warning(
            "for %d s no leader has been found to get the data from: %s. That takes a quorum of members whose"
            " data is whole; if there is none, %s",
            (now_ms - self._since_ms) // 1000,
            self.reason,
            self._advice,
        )


def restore_member(peer: QuorumPeer) -> int:
    """Open the data folder, fill the database, read the epochs; how many txns were replayed.

    A damaged history is left alone, and the member distrusted. Raises StorageError.
    """
    known_zxid = -1
    try:
        plan = peer.storage.open()
        peer.show_config()  # the first snapshot of a new folder has it
        if missing := _missing(peer, plan):
            advice = "it is meant to be empty, make a file `initialize` in dataLogDir"
            if plan.start is StartingPoint.EMPTY and not peer.config.refetch_damaged_data:
                raise NoValidSnapshot(peer.storage.snap_directory, f"{missing}; if {advice}")
            _distrust(peer, missing, f"and {advice}")
            _log.warning("%s: not voting", missing)
            replayed = 0
        else:
            replayed = restore(plan, peer.storage, peer.database, peer.committed.add, config=peer.config)
            known_zxid = peer.last_zxid
            if lacks_snapshot(plan):
                # What is there may not be committed; the first write after that is followed by a snapshot.
                replayed = max(replayed, peer.config.snap_count)
        level = logging.INFO if plan.start is StartingPoint.EMPTY else logging.WARNING
        for repair in peer.epochs.load(peer.last_zxid).repairs:
            _log.log(level, "%s", repair)
    except _DAMAGE as error:
        if not peer.config.refetch_damaged_data:
            raise
        if isinstance(error, Corrupt):
            known_zxid = max(known_zxid, error.zxid)
        try:
            peer.epochs.load_alone(known_zxid)
        except EpochError as refusal:
            if isinstance(error, EpochUnreadable):
                raise
            _log.warning("this member can't get its data from a leader either: %s", refusal)
            raise error from None
        lose_trust(peer, error)
        replayed = 0
    peer.storage.unreadable = _unreadable
    return replayed


def _missing(peer: QuorumPeer, plan: RestorePlan) -> str:
    """What shows that there should be data and is none; empty if all is as it should be."""
    if plan.start is StartingPoint.UNKNOWN:
        return "the data folder is empty, and nothing says that it is meant to be"
    if peer.storage.has_lost_everything(plan.start):
        return "the data folder has neither snapshots nor logs, but epochs: there once was more"
    return ""


def lose_trust(peer: QuorumPeer, error: StorageError) -> None:
    """Use nothing of the folder any more; a leader's snapshot takes its place. Raises StorageError."""
    is_whole = isinstance(error, CannotTruncate)  # and only of no use to this leader
    if not is_whole:
        peer.storage.disown_history()
    config = peer.config
    folders = " ".join(map(shlex.quote, dict.fromkeys((config.data_dir, config.data_log_dir))))
    advice = f"stop this member and see what can be saved: zoolet check {folders} --repair"
    _distrust(peer, str(error), advice)
    peer.database.clear()
    peer.committed.clear()
    peer.show_config()
    _log.warning(
        "%s. This member has no say until it has got everything from a leader that the others elect; its"
        " files stay as they are until then, and are set aside as %s* then",
        error,
        SET_ASIDE if is_whole else SET_ASIDE_DAMAGED,
    )


def _distrust(peer: QuorumPeer, reason: str, advice: str) -> None:
    patience_ms = peer.config.init_limit_ticks * peer.config.tick_time_ms
    peer.distrust = Distrust(reason, advice, peer.now_ms, patience_ms)


def regain_trust(peer: QuorumPeer) -> None:
    """A leader's snapshot is durable, and the only history here."""
    distrust, peer.distrust = peer.distrust, None
    if distrust is None:
        return
    # The leader may have gone meanwhile, and `currentEpoch` have been what was damaged; as `EpochFiles.load`.
    epochs, epoch = peer.epochs, epoch_of(peer.last_zxid)
    if epochs.current < epoch <= epochs.accepted:
        epochs.take_over(epoch)
    storage = peer.storage
    aside = [
        path
        for directory in dict.fromkeys((storage.snap_directory, storage.log_directory))
        for path in list_damaged(storage.disk, directory)
    ]
    _log.warning(
        "the data is a leader's now, up to zxid 0x%s%s",
        hex64(peer.last_zxid),
        f"; what was damaged is set aside, and may be removed: {', '.join(aside)}" if aside else "",
    )


def rebuild(peer: QuorumPeer, plan: Callable[[], RestorePlan]) -> bool:
    """Build the database anew from what is on disk; False if that is damaged, and not used any more.

    Raises StorageError where damage is to end the member.
    """
    if peer.distrust is not None:
        return False
    try:
        made = plan()
        peer.committed.clear()
        peer.database.clear()
        restore(made, peer.storage, peer.database, peer.committed.add, config=peer.config)
    except (*_DAMAGE, CannotTruncate) as error:
        if not peer.config.refetch_damaged_data:
            raise
        lose_trust(peer, error)
        return False
    return True


def truncate(peer: QuorumPeer, zxid: Zxid) -> None:
    """Forget every txn behind this one, on disk and in memory.

    Raises StorageError, and ProtocolError if the damage that was found makes it necessary to begin anew.
    """
    if not rebuild(peer, lambda: peer.storage.truncate(zxid)):
        raise ProtocolError("there is damage in what it wants truncated: everything is needed instead")
    peer.database.tree.last_processed_zxid = zxid


def _unreadable(error: StorageError) -> None:
    _log.warning("the log cannot be read for a learner, which gets a snapshot instead: %s", error)
