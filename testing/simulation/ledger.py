"""Ledger: the history of the whole ensemble, and the invariants of ``Zab.tla``.

ZooKeeper's own specification of the protocol (``zookeeper-specifications``: ``Zab.tla``, ``ZkV3_7_0.tla``)
says what must hold of the histories of all servers. It compares whole histories; here every txn is written
down once, with the txn it followed, so that a history is known by its last txn, and each step costs the same
however long the histories are.

    LeadershipOne          at most one leader is established in an epoch
    PrefixConsistency      what is committed is the same everywhere, up to where it is committed
    Integrity              what is delivered was broadcast by the primary of its epoch, and is that
    Agreement              of two txns delivered by two servers one of the servers delivered both
    TotalOrder             two txns are delivered in the same order everywhere
    LocalPrimaryOrder      a primary's txns are delivered in the order of their broadcast, none left out
    GlobalPrimaryOrder     txns of an earlier epoch are delivered first
    PrimaryIntegrity       a primary has delivered what was committed in earlier epochs before it broadcasts
    ProcessConsistency     servers that have processed the same txn have the same tree

And two that the specification takes for granted:

    QuorumDurability       what is committed is durable on a quorum, at the moment when it is
    DurableHistory         a history is not shortened but by the leader's order, nor has it holes
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

from ...jute.ids import Sid, Zxid, counter_of, epoch_of, hex64
from ...quorum.verifier import QuorumVerifier
from .violation import Violation

if TYPE_CHECKING:
    from collections.abc import Callable

    from .durable import DurableHistory


class Txn:
    """A txn that somebody has broadcast."""

    __slots__ = ("broadcaster", "checksum", "digest", "parent", "payload", "zxid")

    def __init__(self, zxid: int, payload: bytes, parent: int, broadcaster: int) -> None:
        self.zxid = zxid
        self.payload = payload
        self.checksum = crc32(payload)
        self.parent = parent
        """The txn before it in the history of its primary."""
        self.broadcaster = broadcaster
        self.digest: int | None = None
        """Of the tree behind it, as first seen."""


class Ledger:
    """Args:
    verifier: who counts.
    durable: what is durable, by member.
    committed: called with every txn that is committed, once, in order.
    """

    def __init__(
        self,
        verifier: QuorumVerifier,
        durable: dict[Sid, DurableHistory],
        committed: Callable[[Txn], None],
    ) -> None:
        self._verifier = verifier
        self._durable = durable
        self._committed = committed
        self.txns: dict[int, Txn] = {}
        self.order: list[int] = []
        """Everything that is committed, in order."""
        self.position: dict[int, int] = {0: -1}
        """Where a txn stands in there; 0 is the beginning of time."""
        self.last: dict[Sid, int] = dict.fromkeys(verifier.members, 0)
        """Each member's last txn, in its tree."""
        self.delivered: dict[Sid, int] = dict.fromkeys(verifier.members, 0)
        """The last txn that each member has shown to clients."""
        self.leaders: dict[int, Sid] = {}
        self.epoch_base: dict[int, int] = {0: 0}
        """The history that the leader of an epoch began with."""
        self.distrusted_until: dict[Sid, int] = {}
        self._broadcast_last: dict[int, int] = {}

    @property
    def tip(self) -> int:
        """The last txn that is committed."""
        return self.order[-1] if self.order else 0

    @property
    def newest(self) -> int:
        """The last txn of the last epoch that has any."""
        return max(self.txns, default=0)

    # -- leaders -------------------------------------------------------------------------------------

    def established(self, sid: Sid, epoch: int) -> None:
        """A quorum has accepted a leader's epoch."""
        leader = self.leaders.setdefault(epoch, sid)
        if leader != sid:
            raise Violation("LeadershipOne", f"both {leader} and {sid} lead epoch {epoch}")
        self.epoch_base.setdefault(epoch, self.last[sid])

    def broadcast(self, sid: Sid, zxid: int, payload: bytes) -> None:
        """A leader has proposed a txn."""
        epoch = epoch_of(Zxid(zxid))
        if self.leaders.get(epoch) != sid:
            raise Violation(
                "LeadershipOne", f"{sid} proposes 0x{hex64(zxid)} and does not lead epoch {epoch}"
            )
        before = self._broadcast_last.get(epoch)
        if before is None:
            before = self.epoch_base[epoch]
            self._check_primary(sid, zxid, before)
        elif zxid != before + 1:
            raise Violation("LocalPrimaryOrder", f"{sid} proposes 0x{hex64(zxid)} after 0x{hex64(before)}")
        if zxid in self.txns:
            raise Violation("Integrity", f"{sid} proposes 0x{hex64(zxid)} a second time")
        self.txns[zxid] = Txn(zxid, payload, before, sid)
        self._broadcast_last[epoch] = zxid

    def _check_primary(self, sid: Sid, zxid: int, before: int) -> None:
        """A primary begins: what it builds upon is committed, and nothing else of earlier epochs is."""
        position = self.position.get(before, len(self.order))
        following = self.order[position + 1 : position + 2]
        if position == len(self.order) or (following and epoch_of(Zxid(following[0])) < epoch_of(Zxid(zxid))):
            raise Violation(
                "PrimaryIntegrity",
                f"{sid} proposes 0x{hex64(zxid)} behind 0x{hex64(before)}, committed is 0x{hex64(self.tip)}",
            )

    def accepted(self, sid: Sid, zxid: int, payload: bytes) -> None:
        """A learner puts a txn into its log."""
        self._known(sid, zxid, payload)

    # -- histories -----------------------------------------------------------------------------------

    def begins_with(self, sid: Sid, zxid: int) -> None:
        """A member's tree is that of a snapshot."""
        self.last[sid] = self.resolve(sid, zxid)

    def resolve(self, sid: Sid, zxid: int) -> int:
        """The last txn of a history that ends with this zxid, which may be the beginning of an epoch."""
        if zxid in self.txns or not zxid:
            return zxid
        base = None if counter_of(Zxid(zxid)) else self.epoch_base.get(epoch_of(Zxid(zxid)))
        if base is None:
            raise Violation("Integrity", f"{sid} has a tree of 0x{hex64(zxid)}, which nobody ever proposed")
        return base

    def applied(self, sid: Sid, zxid: int, payload: bytes, digest: int | None) -> None:
        """A txn is in a member's tree, committed or not."""
        txn = self._known(sid, zxid, payload)
        if txn.parent != self.last[sid]:
            name = "DurableHistory" if zxid > self.last[sid] else "TotalOrder"
            raise Violation(
                name,
                f"{sid} applies 0x{hex64(zxid)} behind 0x{hex64(self.last[sid])}; it was proposed behind"
                f" 0x{hex64(txn.parent)}",
            )
        self.last[sid] = zxid
        if digest is not None and zxid > self.distrusted_until.get(sid, 0):
            self.check_digest(sid, txn, digest)

    def check_digest(self, sid: Sid, txn: Txn, digest: int) -> None:
        """Every tree behind a txn must be the same."""
        if txn.digest is None:
            txn.digest = digest
        elif txn.digest != digest:
            raise Violation(
                "ProcessConsistency", f"the tree of {sid} behind 0x{hex64(txn.zxid)} is not that of others"
            )

    def deliver(self, sid: Sid, zxid: int) -> None:
        """A member shows a txn, and all before it, to clients: it must be committed."""
        self.delivered[sid] = zxid
        if zxid in self.position:
            return
        fresh = []
        behind = zxid
        while behind not in self.position:
            fresh.append(behind)
            behind = self.txns[behind].parent
        if behind != self.tip:
            epochs = epoch_of(Zxid(self.tip)), epoch_of(Zxid(zxid))
            raise Violation(
                "PrefixConsistency" if epochs[0] == epochs[1] else "Agreement",
                f"{sid} delivers 0x{hex64(zxid)} behind 0x{hex64(behind)}, committed is 0x{hex64(self.tip)}",
            )
        for committed in reversed(fresh):
            if committed < self.tip:
                raise Violation(
                    "GlobalPrimaryOrder", f"0x{hex64(committed)} is committed after 0x{hex64(self.tip)}"
                )
            holders = {
                other for other, durable in self._durable.items() if durable.holds(committed)
            } & self._verifier.voters.keys()
            if not self._verifier.contains_quorum(holders):
                raise Violation(
                    "QuorumDurability",
                    f"{sid} delivers 0x{hex64(committed)}, which is durable only on {sorted(holders)}",
                )
            self.position[committed] = len(self.order)
            self.order.append(committed)
            self._committed(self.txns[committed])

    def must_contain(self, sid: Sid, zxid: int, epoch: int) -> None:
        """The history with which a leader begins must hold what epochs before its own have committed.

        A later one may have committed more by now: an answer may be taken in long after it was given, for
        instance by a process that was stopped, and nothing comes of such an epoch.
        """
        tip = next((txn for txn in reversed(self.order) if epoch_of(Zxid(txn)) < epoch), 0)
        behind = zxid
        while behind not in self.position:
            behind = self.txns[behind].parent
        if self.position[behind] < self.position[tip]:
            raise Violation(
                "Agreement",
                f"{sid} leads epoch {epoch} and has 0x{hex64(behind)}, then 0x{hex64(zxid)}; committed is"
                f" 0x{hex64(tip)}",
            )

    def must_hold_base(self, sid: Sid, epoch: int) -> None:
        """A member that has taken an epoch over must have the history with which its leader began."""
        base, behind = self.epoch_base.get(epoch, 0), self.last[sid]
        while behind > base:
            behind = self.txns[behind].parent
        if behind != base:
            raise Violation(
                "Agreement",
                f"{sid} has taken over epoch {epoch} with 0x{hex64(self.last[sid])}, which does not hold"
                f" 0x{hex64(base)}, with which the epoch began",
            )

    def may_truncate(self, sid: Sid, zxid: int) -> None:
        """A leader tells a member to forget what follows a zxid; nothing that it has delivered may go."""
        kept = self.position.get(self.resolve(sid, zxid))
        delivered = self.delivered[sid]
        if kept is not None and kept < self.position[delivered]:
            raise Violation(
                "TruncatesUncommittedOnly",
                f"{sid} has delivered 0x{hex64(delivered)}, and is to forget what follows 0x{hex64(zxid)}",
            )

    def _known(self, sid: Sid, zxid: int, payload: bytes) -> Txn:
        txn = self.txns.get(zxid)
        if txn is None:
            raise Violation("Integrity", f"{sid} has 0x{hex64(zxid)}, which nobody ever proposed")
        if txn.payload != payload and txn.checksum != crc32(payload):
            raise Violation("Integrity", f"{sid} has another 0x{hex64(zxid)} than {txn.broadcaster} proposed")
        return txn
