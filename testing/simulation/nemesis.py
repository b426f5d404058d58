"""Nemesis: the faults of a run, when they come and whom they hit.

Faults come at random times, and from ambushes: one waits for the n-th packet of some kind and strikes sender
or receiver at that moment or shortly after, because chance alone seldom meets the milliseconds in which an
epoch changes hands.

Nothing here goes beyond what the protocol tolerates. Any number of machines may stop at any time, and what
was not synced may be lost; but a disk is only wiped while all other voters hold everything it held. A disk
may rot whatever the others hold: the start finds out, and the member has no say until it is whole again. Of
the voters that happens to one at a time, and not to one whose vote is needed in every quorum.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ...jute.codes import PacketType
from ...storage.sim_disk import KEEP_ALL, SimDisk, disk_full, io_error
from .member import ELECTION_PORT, QUORUM_PORT, SimMember
from .network import Stream
from .rot import rot

if TYPE_CHECKING:
    from .client import SimClient
    from .observer import Observer
    from .world import World

AMBUSHED: Final = (
    PacketType.FOLLOWERINFO,
    PacketType.OBSERVERINFO,
    PacketType.LEADERINFO,
    PacketType.ACKEPOCH,
    PacketType.DIFF,
    PacketType.TRUNC,
    PacketType.SNAP,
    PacketType.NEWLEADER,
    PacketType.ACK,
    PacketType.UPTODATE,
    PacketType.PROPOSAL,
    PacketType.COMMIT,
    PacketType.INFORM,
    PacketType.REVALIDATE,
)


class Nemesis:
    """Args:
    world: whose members suffer.
    observer: is told what was done.
    clients: some faults are theirs.
    """

    def __init__(self, world: World, observer: Observer, clients: list[SimClient]) -> None:
        self.world = world
        self.observer = observer
        self.clients = clients
        self.is_active = False
        self._random = world.random("nemesis")
        self._faults: dict[str, Callable[[], bool]] = {
            "kill": self._kill,
            "power loss": self._power_loss,
            "power loss of all": self._power_loss_of_all,
            "kill of all": self._kill_of_all,
            "crash armed": self._arm_crash,
            "disk error": self._arm_error,
            "full disk": self._arm_full_disk,
            "reset": self._reset,
            "half open": self._half_open,
            "partition": self._partition,
            "one-way cut": self._one_way_cut,
            "isolation": self._isolate,
            "pause": self._pause,
            "clock rate": self._clock_rate,
            "wall clock jump": self._wall_jump,
            "wipe": self._wipe,
            "bit rot": self._rot,
            "client reset": self._client_reset,
            "client silent": self._client_silent,
            "ambush": self._ambush,
        }
        chosen = world.plan.faults
        self._kinds = [kind for kind in self._faults if chosen.get(kind, 0) > 0]
        self._weights = [chosen[kind] for kind in self._kinds]
        self._cuts: list[tuple[str, str]] = []
        self._ambush_kind: int | None = None
        self._ambush_count = 0
        self._ambush_strike: Callable[[SimMember, SimMember], None] = lambda sender, receiver: None
        self._wiped: set[SimMember] = set()
        """Voters that have lost their data, by wiping or rot, and have not got it back."""

    # -- time ----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Faults from now on."""
        self.is_active = bool(self._kinds)
        if self.is_active:
            self._schedule()

    def _schedule(self) -> None:
        self.world.after_ms(self._random.expovariate(1.0) * self.world.plan.fault_pause_ms, self._next)

    def _next(self, _: object) -> None:
        if not self.is_active:
            return
        kind = self._random.choices(self._kinds, self._weights)[0]
        if self._faults[kind]():
            self.observer.happened(f"fault: {kind}")
        self._schedule()

    def stop(self) -> None:
        """No more faults: everything is whole again, and everybody is up."""
        self.is_active = False
        self._ambush_kind = None
        world = self.world
        for sender, receiver in self._cuts:
            world.network.heal(sender, receiver)
        self._cuts.clear()
        world.network.spike = 0.0
        world.plan.slow_disk = 0.0
        # An ensemble whose epochs are used up after a few txns would elect for ever.
        object.__setattr__(world.plan.config, "testing_initial_zxid", None)
        for member in world.members.values():
            member.disk.crash_at = member.disk.fail_at = -1
            member.disk.error = io_error
            member.clock.set_rate(world.now_us, 1.0)
            member.resume()
            if not member.is_up:
                self._boot_after(member, 10)

    # -- whom ----------------------------------------------------------------------------------------

    def _victim(self) -> SimMember | None:
        """Somebody who runs; the leader more often than others."""
        up = self.world.up
        if not up:
            return None
        if self._random.random() < 0.35:
            leaders = [member for member in up if member.peer is not None and member.peer.wants_learners]
            if leaders:
                return self._random.choice(leaders)
        return self._random.choice(up)

    def _a_while_ms(self) -> float:
        """How long something lasts: mostly short, sometimes long enough for everybody to notice."""
        tick_ms = self.world.plan.config.tick_time_ms
        if self._random.random() < 0.5:
            return self._random.random() * tick_ms * 2
        limit = tick_ms * self.world.plan.config.sync_limit_ticks
        return self._random.random() * limit * 2.5

    def _boot_after(self, member: SimMember, ms: float) -> None:
        def boot(_: object) -> None:
            if not member.is_up:
                member.boot()

        self.world.after_ms(ms, boot)

    # -- processes and machines ----------------------------------------------------------------------

    def _kill(self, victim: SimMember | None = None) -> bool:
        victim = victim or self._victim()
        if victim is None:
            return False
        victim.kill()
        self._boot_after(victim, self._a_while_ms())
        return True

    def _power_loss(self, victim: SimMember | None = None) -> bool:
        victim = victim or self._random.choice(list(self.world.members.values()))
        if not victim.has_power:
            return False
        victim.lose_power()
        self._boot_after(victim, self._a_while_ms())
        return True

    def _power_loss_of_all(self) -> bool:
        for member in self.world.members.values():
            member.lose_power()
            self._boot_after(member, self._a_while_ms() / 2)
        return True

    def _kill_of_all(self) -> bool:
        for member in self.world.up:
            member.kill()
            self._boot_after(member, self._a_while_ms() / 2)
        return True

    def _pause(self, victim: SimMember | None = None) -> bool:
        victim = victim or self._victim()
        if victim is None:
            return False
        victim.paused_until_us = self.world.now_us + int(self._a_while_ms() * 1000)
        return True

    def lost(self, member: SimMember) -> None:
        """A member has ended in the middle of something; somebody has to start it again."""
        self._boot_after(member, self._a_while_ms())

    # -- disks ---------------------------------------------------------------------------------------

    def _arm_crash(self, victim: SimMember | None = None, calls: int = 30) -> bool:
        """The machine loses its power in the middle of one of its next calls to the disk."""
        victim = victim or self._victim()
        if victim is None or not victim.is_up:
            return False
        victim.disk.crash_at = victim.disk.changes + 1 + int(self._random.random() * calls)
        victim.crash_is_kill = self._random.random() < 0.3
        return True

    def _arm_error(self, victim: SimMember | None = None, calls: int = 10) -> bool:
        """One of the next calls to the disk fails."""
        victim = victim or self._victim()
        if victim is None or not victim.is_up:
            return False
        victim.disk.error = io_error
        victim.disk.fail_at = victim.disk.changes + 1 + int(self._random.random() * calls)
        self.observer.expected_deaths.add(victim.sid)
        return True

    def _arm_full_disk(self) -> bool:
        victim = self._victim()
        if victim is None or not self._arm_error(victim):
            return False
        victim.disk.error = disk_full
        return True

    def _wipe(self) -> bool:
        """A voter loses its disk, while all others have what it had; an observer whenever it likes."""
        self._look_at_the_wiped()
        victim = self._random.choice(list(self.world.members.values()))
        voters = self.world.plan.verifier.voters
        if victim.sid in voters and (self._wiped or not self._may_wipe(victim)):
            return False
        victim.lose_power()
        victim.disk = SimDisk()
        if victim.sid in voters:
            self._wiped.add(victim)
        self._boot_after(victim, self._a_while_ms())
        return True

    def _rot(self) -> bool:
        """A member stops, and its disk loses something of what it had synced before it starts again."""
        self._look_at_the_wiped()
        victim = self._random.choice(list(self.world.members.values()))
        is_voter = victim.sid in self.world.plan.verifier.voters
        if is_voter and (self._wiped or not self._is_quorum_without(victim)):
            return False
        if self._random.random() < 0.5:
            victim.lose_power()
        else:
            victim.kill()
        victim.disk = victim.disk.crashed(KEEP_ALL)  # after a kill the kernel has written it all
        durable = self.observer.durable[victim.sid]
        durable.loses()
        done = rot(victim.disk, self.world.plan.config, self._random)
        if not done:
            durable.is_whole()
        else:
            self.observer.note(victim, f"rot: {done}")
            if is_voter:
                self._wiped.add(victim)
        self._boot_after(victim, self._a_while_ms())
        return bool(done)

    def _look_at_the_wiped(self) -> None:
        self._wiped = {member for member in self._wiped if not self._is_synced(member)}

    def _is_quorum_without(self, victim: SimMember) -> bool:
        verifier = self.world.plan.verifier
        return verifier.contains_quorum(set(verifier.voters) - {victim.sid})

    def _is_synced(self, member: SimMember) -> bool:
        peer = member.peer
        return peer is not None and self.observer.serves(member)

    def _may_wipe(self, victim: SimMember) -> bool:
        observer = self.observer
        mine = observer.durable[victim.sid]
        others = [
            member
            for sid, member in self.world.members.items()
            if sid in self.world.plan.verifier.voters and member is not victim
        ]
        # Without its disk it may have no vote until it has followed somebody.
        if not self._is_quorum_without(victim):
            return False
        if not self._is_synced(victim):
            return False
        last = observer.ledger.newest  # committed or not: the victim may have acknowledged it
        for other in others:
            durable = observer.durable[other.sid]
            if not self._is_synced(other) or (last and not durable.holds(last)):
                return False
            for name in ("acceptedEpoch", "currentEpoch"):
                if durable.number_in(name) < mine.number_in(name):
                    return False
        return True

    # -- the network ---------------------------------------------------------------------------------

    def _connection(self) -> Stream | None:
        streams = [
            stream
            for stream in self.world.network.streams
            if stream.is_open and stream.port in (QUORUM_PORT, ELECTION_PORT)
        ]
        return self._random.choice(streams) if streams else None

    def _reset(self) -> bool:
        stream = self._connection()
        if stream is None:
            return False
        self.world.network.reset(stream)
        return True

    def _half_open(self) -> bool:
        stream = self._connection()
        if stream is None:
            return False
        self.world.network.deafen(stream)
        return True

    def _cut(self, pairs: list[tuple[str, str]]) -> bool:
        for sender, receiver in pairs:
            self.world.network.cut(sender, receiver)
        self._cuts += pairs

        def heal(_: object) -> None:
            for pair in pairs:
                if pair in self._cuts:
                    self._cuts.remove(pair)
                    self.world.network.heal(*pair)

        self.world.after_ms(self._a_while_ms(), heal)
        return True

    def _partition(self) -> bool:
        hosts = [member.host for member in self.world.members.values()]
        if len(hosts) < 2:
            return False
        self._random.shuffle(hosts)
        middle = 1 + int(self._random.random() * (len(hosts) - 1))
        here, there = hosts[:middle], hosts[middle:]
        both = [(a, b) for a in here for b in there]
        return self._cut(both + [(b, a) for a, b in both])

    def _one_way_cut(self) -> bool:
        members = list(self.world.members.values())
        if len(members) < 2:
            return False
        victim = self._victim() or members[0]
        other = self._random.choice([member for member in members if member is not victim])
        pair = (victim.host, other.host) if self._random.random() < 0.5 else (other.host, victim.host)
        return self._cut([pair])

    def _isolate(self, victim: SimMember | None = None) -> bool:
        victim = victim or self._victim()
        if victim is None:
            return False
        others = [member.host for member in self.world.members.values() if member is not victim]
        pairs = [(victim.host, other) for other in others]
        fate = self._random.random()
        if fate < 0.6:
            pairs += [(other, victim.host) for other in others]
        elif fate < 0.8:
            pairs = [(other, victim.host) for other in others]
        return self._cut(pairs)

    # -- clocks --------------------------------------------------------------------------------------

    def _clock_rate(self) -> bool:
        victim = self._random.choice(list(self.world.members.values()))
        victim.clock.set_rate(self.world.now_us, self._random.choice((0.5, 0.8, 0.95, 1.0, 1.05, 1.3, 2.0)))
        return True

    def _wall_jump(self) -> bool:
        victim = self._random.choice(list(self.world.members.values()))
        victim.clock.wall_offset_ms += int((self._random.random() - 0.5) * 20_000_000)
        return True

    # -- clients -------------------------------------------------------------------------------------

    def _client_reset(self) -> bool:
        client = self._random.choice(self.clients)
        client.disconnect()
        return True

    def _client_silent(self) -> bool:
        """A client's machine is gone without a word, for so long that its session may expire."""
        client = self._random.choice(self.clients)
        client.disconnect(silently=True)
        return True

    # -- ambushes ------------------------------------------------------------------------------------

    def _ambush(self) -> bool:
        """Wait for a packet and strike then."""
        random = self._random
        self._ambush_kind = random.choice(AMBUSHED)
        self._ambush_count = 1 + int(random.random() * random.random() * 6)
        strike = random.choice((self._kill, self._power_loss, self._arm_crash, self._isolate, self._pause))
        hits_sender, hits_receiver = random.choice(((True, False), (False, True), (True, True)))
        delay_ms = random.choice((0.0, 0.0, random.random(), random.random() * 5))

        def strike_now(pair: tuple[SimMember, SimMember]) -> None:
            for member, is_hit in zip(pair, (hits_sender, hits_receiver), strict=True):
                if is_hit and self.is_active and member.is_up:
                    if strike == self._arm_crash:
                        self._arm_crash(member, 8)
                    else:
                        strike(member)

        def sprung(sender: SimMember, receiver: SimMember) -> None:
            self.observer.happened("ambush sprung")
            # Not from within the step that sends it.
            self.world.after_ms(delay_ms, strike_now, (sender, receiver))

        self._ambush_strike = sprung
        return True

    def saw(self, kind: int, sender: SimMember, stream: Stream) -> None:
        """A packet leaves."""
        if kind == self._ambush_kind:
            self._ambush_count -= 1
            if not self._ambush_count:
                self._ambush_kind = None
                receiver = stream.other.owner
                if isinstance(receiver, SimMember):
                    self._ambush_strike(sender, receiver)
