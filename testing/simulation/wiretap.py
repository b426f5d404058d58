"""Wiretap: reads what leaders and learners say to each other, and holds them to what they say.

    what leaves                 must be true at that moment
    ACKEPOCH                    the epoch is in the member's acceptedEpoch, durably
    LEADERINFO                  the same, of the leader
    NEWLEADER                   the epoch is in the leader's currentEpoch, durably
    ACK of NEWLEADER            the same of the learner, and what it would find after losing its power is the
                                history that the leader has sent
    ACK of a txn                the txn is durable at that member
    COMMIT, INFORM              the txn is committed
    TRUNC                       nothing that the learner has shown to a client goes

The invariant's name is ``DurableBeforeAcknowledged`` (or ``CommitInOrder``, ``TruncatesUncommittedOnly``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...jute.codes import PacketType
from ...jute.ids import Zxid, counter_of, epoch_of, hex64
from ...quorum.packet_data import decode_int
from ...quorum.packets import Packet, PacketBuffer
from ...storage.errors import StorageError
from ...storage.snapshot_stream import SnapshotStreamDecoder
from .durable import restored
from .violation import Violation

if TYPE_CHECKING:
    from .member import SimMember
    from .network import Stream
    from .observer import Observer

_ACK, _PROPOSAL, _COMMIT, _PING = (
    PacketType.ACK,
    PacketType.PROPOSAL,
    PacketType.COMMIT,
    PacketType.PING,
)


class Wiretap:
    """One direction of a connection between a leader and a learner."""

    def __init__(self, observer: Observer, sender: SimMember, stream: Stream) -> None:
        self._observer = observer
        self._sender = sender
        self._stream = stream
        self._packets = PacketBuffer(1 << 30, snapshots=True)
        self._snapshot: SnapshotStreamDecoder | None = None
        self._acked_newleader = False
        self._committed_up_to = 0
        self._synced_with: PacketType | None = None
        self._proposals = 0

    def sends(self, data: bytes) -> None:
        """Bytes leave."""
        if self._snapshot is not None:
            if not self._snapshot.feed(data):
                return
            data, self._snapshot = self._snapshot.rest, None
        for packet in self._packets.feed(data):
            self._packet(packet)
        if self._packets.stopped:
            rest = self._packets.take_rest()
            self._snapshot = SnapshotStreamDecoder(1 << 30)
            self.sends(rest)

    def _packet(self, packet: Packet) -> None:
        kind, zxid, data, _ = packet
        observer, sender = self._observer, self._sender
        observer.on_packet(kind, sender, self._stream)
        if observer.journal.is_told and kind != _PING:
            observer.packet(sender, self._stream, kind, zxid, data)
        if kind == _PROPOSAL:
            if self._synced_with is not None:
                self._proposals += 1
        elif kind == _ACK:
            self._ack(zxid)
        elif kind == _COMMIT or kind == PacketType.INFORM:
            if self._synced_with is None and zxid not in observer.ledger.position:
                raise Violation("CommitInOrder", f"{sender} sends a commit of 0x{hex64(zxid)}, which is not")
        elif kind == PacketType.ACKEPOCH:
            self._ack_epoch()
        elif kind == PacketType.LEADERINFO:
            epoch = epoch_of(Zxid(zxid))
            if observer.durable[sender.sid].number_in("acceptedEpoch") != epoch:
                raise Violation(
                    "DurableBeforeAcknowledged", f"{sender} proposes epoch {epoch} and may forget it"
                )
            observer.epoch_offered(self._stream.other, epoch)
        elif kind == PacketType.NEWLEADER:
            self._new_leader(zxid)
        elif kind in (PacketType.DIFF, PacketType.TRUNC, PacketType.SNAP):
            self._synced_with = PacketType(kind)
            if kind == PacketType.TRUNC:
                observer.truncates(self._stream, zxid)

    def _ack(self, zxid: int) -> None:
        observer, sender = self._observer, self._sender
        durable = observer.durable[sender.sid]
        if counter_of(Zxid(zxid)):
            if not durable.holds(zxid):
                raise Violation(
                    "DurableBeforeAcknowledged", f"{sender} acknowledges 0x{hex64(zxid)} and may forget it"
                )
            return
        if self._acked_newleader:
            return
        self._acked_newleader = True
        if not observer.keeps_log(sender):
            return
        epoch = epoch_of(Zxid(zxid))
        if durable.number_in("currentEpoch") != epoch:
            raise Violation(
                "DurableBeforeAcknowledged",
                f"{sender} acknowledges NEWLEADER of epoch {epoch} and may forget the epoch",
            )
        self._check_history(epoch)

    def _check_history(self, epoch: int) -> None:
        observer, sender = self._observer, self._sender
        ledger, sid = observer.ledger, sender.sid
        try:
            database = restored(sender.disk, observer.world.plan.config)
            last = ledger.resolve(sid, database.tree.last_processed_zxid)
        except StorageError as error:
            raise Violation(
                "DurableBeforeAcknowledged",
                f"{sender} acknowledges NEWLEADER of epoch {epoch} and could not start again: {error}",
            ) from None
        if last != ledger.last[sid]:
            raise Violation(
                "DurableBeforeAcknowledged",
                f"{sender} acknowledges NEWLEADER of epoch {epoch} with 0x{hex64(ledger.last[sid])}, and"
                f" would start again with 0x{hex64(last)}",
            )
        ledger.must_hold_base(sid, epoch)

    def _ack_epoch(self) -> None:
        observer, sender = self._observer, self._sender
        epoch = observer.offered.get(self._stream)
        accepted = observer.durable[sender.sid].number_in("acceptedEpoch")
        if epoch is None or accepted != epoch:
            raise Violation(
                "DurableBeforeAcknowledged", f"{sender} accepts epoch {epoch}, and has {accepted} on disk"
            )

    def _new_leader(self, zxid: int) -> None:
        observer, sender = self._observer, self._sender
        epoch = epoch_of(Zxid(zxid))
        if observer.durable[sender.sid].number_in("currentEpoch") != epoch:
            raise Violation(
                "DurableBeforeAcknowledged", f"{sender} sends NEWLEADER of epoch {epoch} and may forget it"
            )
        kind = self._synced_with
        if kind is not None:
            name = kind.name
            if kind is PacketType.TRUNC and self._proposals:
                name = "TRUNC and DIFF"
            elif kind is PacketType.DIFF and not self._proposals:
                name = "empty DIFF"
            observer.happened(f"sync: {name}")
        self._synced_with = None


def describe(kind: int, zxid: int, data: bytes | None) -> str:
    """A packet in words."""
    try:
        name = PacketType(kind).name
    except ValueError:
        name = f"packet {kind}"
    if kind == PacketType.ACKEPOCH:
        return f"{name} last 0x{hex64(zxid)}, epoch {decode_int(data, name)}"
    if kind in (
        PacketType.FOLLOWERINFO,
        PacketType.OBSERVERINFO,
        PacketType.LEADERINFO,
        PacketType.NEWLEADER,
    ):
        return f"{name} epoch {epoch_of(Zxid(zxid))}"
    if kind in (PacketType.UPTODATE, PacketType.SYNC, PacketType.REQUEST, PacketType.REVALIDATE):
        return name
    return f"{name} 0x{hex64(zxid)}"
