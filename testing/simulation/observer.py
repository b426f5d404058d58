"""Observer: sees everything that happens to members, and asks ledger, wiretaps and disks whether it may."""

from __future__ import annotations

import logging
import traceback
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...jute.ids import Sid, counter_of, hex64
from ...quorum.committed_log import CommittedLog
from ...quorum.leader import COUNTER_MAX, Leader
from ...quorum.learner import Learner, Phase
from ...quorum.peer import QuorumPeer
from ...quorum.phases import ZabState
from ...server.request import Request
from ...storage.errors import StorageError
from ...storage.snap_log import RestorePlan
from .durable import DurableHistory
from .journal import Journal
from .ledger import Ledger, Txn
from .member import QUORUM_PORT, SimMember
from .network import Stream
from .violation import Violation
from .watcher import Watcher
from .wiretap import Wiretap, describe

if TYPE_CHECKING:
    from .world import World


class _CommittedLog(CommittedLog):
    """Tells the observer what comes into a tree."""

    def __init__(self, count: int, observer: Observer, member: SimMember) -> None:
        super().__init__(count)
        self._observer = observer
        self._member = member

    def add(self, zxid: int, payload: bytes) -> None:
        super().add(zxid, payload)
        self._observer.applied(self._member, zxid, payload)

    def clear(self) -> None:
        super().clear()
        self._observer.replaced(self._member)


class _Seen:
    """What a member was when it was last looked at."""

    __slots__ = ("phase", "role", "serving")

    def __init__(self) -> None:
        self.role: Leader | Learner | None = None
        self.phase: ZabState | Phase | None = None
        self.serving = False


class Observer(Watcher):
    """Args:
    journal: what is kept of it.
    committed: called with every txn that is committed, once, in order.
    proposed: called with every txn that a leader proposes.
    """

    def __init__(
        self,
        journal: Journal | None = None,
        *,
        committed: Callable[[Txn], None] = lambda _: None,
        proposed: Callable[[bytes], None] = lambda _: None,
    ) -> None:
        self.journal = journal or Journal()
        self.counts: Counter[str] = Counter()
        self.durable: dict[Sid, DurableHistory] = {}
        self.offered: dict[Stream, int] = {}
        """The epoch that a learner was offered, by its end of the connection."""
        self.expected_deaths: set[Sid] = set()
        self.on_committed = committed
        self.on_proposed = proposed
        self.on_packet: Callable[[int, SimMember, Stream], None] = lambda kind, sender, stream: None
        self.on_lost: Callable[[SimMember], None] = lambda member: None
        self._taps: dict[Stream, Wiretap] = {}
        self._seen: dict[Sid, _Seen] = {}
        self._fresh_base: set[Sid] = set()

    def begin(self, world: World) -> None:
        self.world = world
        for sid, member in world.members.items():
            self.durable[sid] = DurableHistory(member)
            self._seen[sid] = _Seen()
        self.ledger = Ledger(world.plan.verifier, self.durable, lambda txn: self.on_committed(txn))

    def happened(self, kind: str, member: SimMember | None = None) -> None:
        self.counts[kind] += 1
        self.note(member, kind)

    def note(self, member: SimMember | None, what: str) -> None:
        """A line for the journal."""
        self.journal.note(self.world.now_us, "" if member is None else str(member.sid), what)

    def client_note(self, now_us: int, name: str, what: str) -> None:
        self.journal.note(now_us, name, what)

    # -- processes -----------------------------------------------------------------------------------

    def booting(self, member: SimMember) -> None:
        peer = member.peer
        assert peer is not None
        self.note(member, "starts")
        peer.committed = _CommittedLog(self.world.plan.committed_count, self, member)
        self._watch_storage(member, peer)
        self.ledger.last[member.sid] = 0
        self.ledger.distrusted_until.pop(member.sid, None)

    def _watch_storage(self, member: SimMember, peer: QuorumPeer) -> None:
        storage = peer.storage

        def planned(make: Callable[..., RestorePlan]) -> Callable[..., RestorePlan]:
            def watched(*arguments: Any) -> RestorePlan:
                plan = make(*arguments)
                self.ledger.begins_with(member.sid, plan.snapshot.zxid if plan.snapshot else 0)
                self._fresh_base.add(member.sid)
                return plan

            return watched

        storage.open = planned(storage.open)  # type: ignore[method-assign]
        storage.truncate = planned(storage.truncate)  # type: ignore[method-assign]

    def _watch_log(self, member: SimMember, peer: QuorumPeer) -> None:
        log = peer.log.log

        def watched(request: Request, payload: bytes) -> None:
            self.logged(member, request.zxid, payload)
            log(request, payload)

        peer.log.log = watched  # type: ignore[method-assign]

    def booted(self, member: SimMember) -> None:
        peer = member.peer
        assert peer is not None
        self._fresh_base.discard(member.sid)
        self._watch_log(member, peer)
        if peer.distrust is not None:
            self.ledger.last[member.sid] = 0
        elif self.keeps_log(member):
            self.ledger.must_hold_base(member.sid, peer.epochs.current)
        self.note(member, f"has 0x{hex64(peer.last_zxid)}, epoch {peer.epochs.current}")

    def ended(self, member: SimMember, peer: QuorumPeer) -> None:
        self._role_ended(member)
        self._seen[member.sid] = _Seen()
        self.note(member, "ends")
        for stream in list(self._taps):
            if stream.owner is member:
                del self._taps[stream]

    def serves(self, member: SimMember) -> bool:
        """Whether a member takes part in the broadcast, with all of the leader's history on disk."""
        seen = self._seen[member.sid]
        return seen.role is not None and seen.serving

    def keeps_log(self, member: SimMember) -> bool:
        """Whether it writes anything down: not an observer with ``syncEnabled=false``."""
        plan = self.world.plan
        return member.sid in plan.verifier.voters or plan.config.sync_enabled

    def lost(self, member: SimMember) -> None:
        self.on_lost(member)

    def died(self, member: SimMember, error: StorageError) -> None:
        self.happened("died loudly of its disk", member)
        if member.sid not in self.expected_deaths:
            raise Violation("StartsAgain", f"{member} ends: {error}")
        self.expected_deaths.discard(member.sid)

    def raised(self, member: SimMember, error: Exception) -> None:
        lines = "".join(traceback.format_exception(error))
        raise Violation("NoCrash", f"{member} raised {error!r}\n{lines}")

    # -- histories -----------------------------------------------------------------------------------

    def logged(self, member: SimMember, zxid: int, payload: bytes) -> None:
        """A txn goes into a member's log."""
        peer = member.peer
        assert peer is not None
        if isinstance(peer.role, Leader):
            self.ledger.broadcast(member.sid, zxid, payload)
            self.on_proposed(payload)
        else:
            self.ledger.accepted(member.sid, zxid, payload)

    def applied(self, member: SimMember, zxid: int, payload: bytes) -> None:
        """A txn is in a member's tree."""
        peer = member.peer
        assert peer is not None
        database = peer.database
        trusted = zxid > database._digest_from_zxid
        self.ledger.applied(member.sid, zxid, payload, database.tree.digest if trusted else None)
        role = peer.role
        if role is not None and peer.zab_state is ZabState.BROADCAST:
            self.ledger.deliver(member.sid, zxid)
        elif role is None and peer._ending is not None:
            self.happened("fast-forward", member)

    def replaced(self, member: SimMember) -> None:
        """A member's tree is another one."""
        peer = member.peer
        assert peer is not None
        if peer.distrust is not None and not peer.database.tree.last_processed_zxid:
            # What it had is damaged; nothing has taken its place yet.
            self._fresh_base.discard(member.sid)
            self.ledger.last[member.sid] = self.ledger.delivered[member.sid] = 0
            self.happened("data given up", member)
            return
        if member.sid in self._fresh_base:
            self._fresh_base.discard(member.sid)
            return
        self.ledger.begins_with(member.sid, peer.database.tree.last_processed_zxid)
        # The leader went on changing its tree while it sent it.
        self.ledger.distrusted_until[member.sid] = self.ledger.tip

    # -- roles ---------------------------------------------------------------------------------------

    def after(self, member: SimMember) -> None:
        peer, seen = member.peer, self._seen[member.sid]
        assert peer is not None
        if peer.distrust is None:
            self.durable[member.sid].is_whole()
        role = peer.role
        if role is not seen.role:
            self._role_ended(member)
            seen.role = role
            seen.serving = False
            seen.phase = None
            if role is not None:
                self.note(member, f"follows {role.leader_id}" if isinstance(role, Learner) else "leads")
        if role is not None and role.phase is not seen.phase:
            seen.phase = role.phase
            if isinstance(role, Leader) and role.phase is not ZabState.DISCOVERY:
                self._leads(member, role)
            elif role.phase is Phase.BROADCAST and not seen.serving:
                seen.serving = True
                self.ledger.deliver(member.sid, self.ledger.last[member.sid])
                self.note(member, f"serves, 0x{hex64(peer.last_zxid)}")

    def _leads(self, member: SimMember, role: Leader) -> None:
        seen, ledger, sid = self._seen[member.sid], self.ledger, member.sid
        if role.epoch not in ledger.leaders:
            ledger.must_contain(sid, ledger.last[sid], role.epoch)
            self.happened("epoch established", member)
        ledger.established(sid, role.epoch)
        if role.phase is ZabState.BROADCAST and not seen.serving:
            seen.serving = True
            ledger.deliver(sid, ledger.last[sid])
            self.happened("leader serves", member)

    def _role_ended(self, member: SimMember) -> None:
        seen = self._seen[member.sid]
        if seen.role is not None and seen.phase is not None:
            what = "leader" if isinstance(seen.role, Leader) else "learner"
            self.happened(f"{what} ended in {seen.phase.value}", member)
            if isinstance(seen.role, Leader) and counter_of(seen.role.last_proposed) >= COUNTER_MAX - 1:
                self.happened("epoch used up", member)

    # -- the wire ------------------------------------------------------------------------------------

    def sends(self, member: SimMember, stream: Stream, data: bytes) -> None:
        self.journal.sent(self.world.now_us, data)
        if stream.port == QUORUM_PORT:
            tap = self._taps.get(stream)
            if tap is None:
                tap = self._taps[stream] = Wiretap(self, member, stream)
            tap.sends(data)

    def disconnected(self, member: SimMember, stream: Stream) -> None:
        self._taps.pop(stream, None)
        self.offered.pop(stream, None)

    def epoch_offered(self, stream: Stream, epoch: int) -> None:
        """A leader says its epoch to a learner, whose end of the connection this is."""
        self.offered[stream] = epoch

    def truncates(self, stream: Stream, zxid: int) -> None:
        """A leader tells a learner to forget what follows a zxid.

        One that has gone does not hear it: it may have followed somebody else since.
        """
        learner = stream.other.owner
        assert isinstance(learner, SimMember)
        if stream.other.is_open:
            self.ledger.may_truncate(learner.sid, zxid)

    def packet(self, sender: SimMember, stream: Stream, kind: int, zxid: int, data: bytes | None) -> None:
        """A packet leaves; for the diagram."""
        receiver = stream.other.owner
        name = str(receiver.sid) if isinstance(receiver, SimMember) else receiver.host
        self.journal.arrow(self.world.now_us, str(sender.sid), name, describe(kind, zxid, data))


class LogWatch(logging.Handler):
    """What the members log: an error is a violation; everything goes into the journal."""

    def __init__(self, observer: Observer) -> None:
        super().__init__(logging.DEBUG if observer.journal.is_told else logging.ERROR)
        self._observer = observer
        self.allowed: tuple[str, ...] = ("snapshot failed",)

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.levelno >= logging.ERROR and not text.startswith(self.allowed):
            detail = text
            if record.exc_info:
                detail += "\n" + "".join(traceback.format_exception(*record.exc_info))
            raise Violation("NoErrors", detail)
        if self._observer.journal.is_told and not text.startswith("closing 10.0.1."):
            self._observer.journal.say(self._observer.world.now_us, f"{record.levelname.lower()}: {text}")
