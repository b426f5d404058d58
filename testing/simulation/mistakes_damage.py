"""Mistakes with damaged data: functions of ``quorum/damage.py``, and of those that rely on it, done wrong.

Which of them is put where is said in ``mutations.py``.
"""

from __future__ import annotations

from ...jute.ids import Epoch, Zxid
from ...quorum import damage
from ...quorum.election import UNTRUSTED, FastLeaderElection
from ...quorum.peer import QuorumPeer
from ...server.storage_folder import restore
from ...storage.errors import Corrupt, StorageError

lose_trust = damage.lose_trust
start_election = FastLeaderElection.start


def cut_damage_off(peer: QuorumPeer, error: StorageError) -> None:
    """The history ends where the damage begins; that is good enough to vote with."""
    last_zxid = peer.last_zxid
    if not last_zxid or not isinstance(error, Corrupt):
        lose_trust(peer, error)
        return
    plan = peer.storage.truncate(last_zxid)
    peer.committed.clear()
    peer.database.clear()
    restore(plan, peer.storage, peer.database, peer.committed.add)
    peer.epochs.load(last_zxid)


def start_with_nothing(
    self: FastLeaderElection, now_ms: int, *, last_zxid: Zxid, current_epoch: Epoch
) -> None:
    """Who has lost everything votes as if it never had anything."""
    zxid = Zxid(0) if last_zxid == UNTRUSTED else last_zxid
    start_election(self, now_ms, last_zxid=zxid, current_epoch=current_epoch)


def zxid_of_the_tree(self: QuorumPeer) -> Zxid:
    """A leader takes it for somebody who never had anything."""
    return Zxid(self.database.tree.last_processed_zxid)
