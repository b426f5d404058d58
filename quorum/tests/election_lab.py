"""Elections of several members in one process, on simulated time and a network in memory.

The members run the shipped code: a ``QuorumCnxManager`` and a ``FastLeaderElection`` each. The network
behaves as TCP does: on one connection bytes arrive in order or not at all, connections come up late, are
refused, are reset, or are half open for as long as nobody writes; a partition stalls what is under way.

What ``peer.py`` does around an election is reduced to its essence: a follower whose leader does not lead, and
a leader that is not followed by a quorum, look again when their patience is over.
"""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Final

from zoolet.jute.election import HostPort, ServerState
from zoolet.jute.ids import Epoch, Sid, Zxid
from zoolet.quorum.cnx_manager import ElectionConnection, QuorumCnxManager
from zoolet.quorum.dial import Dial
from zoolet.quorum.election import FastLeaderElection
from zoolet.quorum.members import Address, Member, Role
from zoolet.quorum.verifier import Majority, QuorumVerifier
from zoolet.server.endpoint import Endpoint

PATIENCE_MS: Final = 1500
"""How long a leader waits for followers, and a follower for its leader."""
NOTHING: Final = (0, ServerState.LOOKING, Sid(0))
"""Stands between the decisions of two elections."""
LOOKING, FOLLOWING, LEADING = ServerState.LOOKING, ServerState.FOLLOWING, ServerState.LEADING


def election_address(sid: int) -> HostPort:
    """Where a member listens for elections."""
    return (f"10.0.0.{sid}", 3888)


def member(sid: int, role: Role = Role.PARTICIPANT) -> Member:
    """A member with addresses of its own."""
    host, port = election_address(sid)
    return Member(Sid(sid), (Address(host, 2888),), (Address(host, port),), Address(host, 2181), role)


def majority(voters: Iterable[int], observers: Iterable[int] = (), version: int = 0) -> Majority:
    """A configuration of these members."""
    members = [*map(member, voters), *(member(sid, Role.OBSERVER) for sid in observers)]
    return Majority(members, version=version)


def addresses_of(*verifiers: QuorumVerifier) -> dict[Sid, tuple[HostPort, ...]]:
    """Election addresses as the connection manager wants them."""
    return {
        sid: tuple((address.host, address.port) for address in found.election)
        for verifier in verifiers
        for sid, found in verifier.members.items()
    }


@dataclass(eq=False)
class Wire:
    """One connection: an end per side, and what is under way to each; an empty piece is the end of it."""

    ends: dict[Server, ElectionConnection]
    under_way: dict[Server, deque[bytes]] = field(default_factory=lambda: defaultdict(deque))
    arrival_ms: dict[Server, int] = field(default_factory=dict)

    def other(self, server: Server) -> Server | None:
        """Who is at the other end; None when it is gone."""
        return next((found for found in self.ends if found is not server), None)


class Server:
    """One member of the lab. ``zxid`` and ``epoch`` are what it has on disk and survive a crash."""

    def __init__(self, lab: Lab, sid: int, zxid: int, epoch: int) -> None:
        self.lab = lab
        self.sid = Sid(sid)
        self.zxid = Zxid(zxid)
        self.epoch = Epoch(epoch)
        self.is_up = False
        self.decisions: list[tuple[int, ServerState, Sid]] = []
        self.incarnation = 0
        self.dirty: dict[Endpoint, None]
        self.manager: QuorumCnxManager
        self.election: FastLeaderElection

    @property
    def rank(self) -> tuple[int, int, int]:
        """What it brings into an election."""
        return self.epoch, self.zxid, self.sid

    def boot(self) -> None:
        """Start the process, and looking."""
        lab = self.lab
        self.is_up = True
        self.incarnation += 1
        self.decisions.append(NOTHING)
        self.dirty = {}
        self.manager = QuorumCnxManager(
            self.sid,
            (election_address(self.sid),),
            addresses_of(lab.verifier),
            lambda sid, message: self.election.receive(lab.now_ms, sid, message),
            self.dirty,
            on_disconnected=lambda sid: self.election.disconnected(sid),
            on_unreachable=lambda sid: self.election.unreachable(lab.now_ms, sid),
            now_ms=lab.now_ms,
        )
        self.election = FastLeaderElection(
            self.sid,
            lab.verifier,
            is_observer=self.sid in lab.verifier.observers,
            send=self.manager.send,
            connect=self.manager.connect,
            restate=self.manager.restate,
        )
        self.look()

    def look(self) -> None:
        """Begin an election."""
        self.election.start(self.lab.now_ms, last_zxid=self.zxid, current_epoch=self.epoch)
        self.lab.after_input(self)

    def look_again(self) -> None:
        """The decision came to nothing."""
        self.decisions.append(NOTHING)
        self.look()

    def seems_fine(self) -> bool:
        """Whether a decision works out: the leader leads and is followed by a quorum."""
        decided = self.election.decided
        assert decided is not None
        leader = self.lab.servers[decided.leader]
        if (
            leader.sid in self.lab.cut_off(self.sid)
            or not leader.is_up
            or leader.election.state is not LEADING
        ):
            return False
        followers = {
            server.sid
            for server in self.lab.servers.values()
            if server.is_up
            and server.election.decided is not None
            and server.election.decided.leader == leader.sid
            and leader.sid not in self.lab.cut_off(server.sid)
        }
        return self.lab.verifier.contains_quorum(followers)


class Lab:
    """Servers, a clock, and the network between them.

    Args:
        disks: zxid and epoch of each server, by sid.
        random: decides delays and everything else that is left to chance.
        delay_ms: bounds of the time bytes and connections take.
    """

    def __init__(
        self,
        disks: Mapping[int, tuple[int, int]],
        random: Random,
        *,
        verifier: QuorumVerifier | None = None,
        delay_ms: tuple[int, int] = (1, 1),
    ) -> None:
        self.now_ms = 1_000_000
        self.random = random
        self.delay_ms = delay_ms
        self.verifier = verifier or majority(disks)
        self.servers = {Sid(sid): Server(self, sid, *disk) for sid, disk in disks.items()}
        self.by_address = {election_address(sid): server for sid, server in self.servers.items()}
        self.cuts: set[tuple[Sid, Sid]] = set()
        """Sender and receiver between whom nothing passes."""
        self.wires: dict[ElectionConnection, Wire] = {}
        self.messages = 0
        self._stalled: list[Callable[[], None]] = []
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._sequence = 0

    # -- faults ------------------------------------------------------------------------------------

    def cut_off(self, sid: Sid) -> set[Sid]:
        """Whom this server can't exchange messages with."""
        return {b for a, b in self.cuts if a == sid} | {a for a, b in self.cuts if b == sid}

    def partition(self, group: Iterable[int], *, one_way: bool = False) -> None:
        """Nothing passes between these servers and the others, or nothing from them to the others."""
        inside = {Sid(sid) for sid in group}
        for a in inside:
            for b in self.servers.keys() - inside:
                self.cuts.add((a, b))
                if not one_way:
                    self.cuts.add((b, a))

    def heal(self) -> None:
        """The network is whole again; what was stalled goes on."""
        self.cuts.clear()
        stalled, self._stalled = self._stalled, []
        for arrive in stalled:
            self.at(self.now_ms + self._delay(), arrive)

    def crash(self, sid: int, *, silently: bool = False) -> None:
        """The process is gone; silently: the other ends only notice when they write."""
        server = self.servers[Sid(sid)]
        server.is_up = False
        for connection, wire in list(self.wires.items()):
            if wire.ends.get(server) is connection:
                if not silently:
                    self._hang_up(wire, server)
                del self.wires[connection], wire.ends[server]

    def reset(self, wire: Wire) -> None:
        """The connection breaks; what is under way is lost."""
        for server, connection in list(wire.ends.items()):
            wire.ends.pop(server)
            self.wires.pop(connection, None)
            connection.abort("reset")
            connection.closed()
            self.after_input(server)

    # -- running -----------------------------------------------------------------------------------

    def at(self, time_ms: int, event: Callable[[], None]) -> None:
        """Do this then."""
        self._sequence += 1
        heapq.heappush(self._events, (time_ms, self._sequence, event))

    def boot(self, sid: int, after_ms: int = 0) -> None:
        """Start a server."""
        self.at(self.now_ms + after_ms, self.servers[Sid(sid)].boot)

    def run(self, for_ms: int, until: Callable[[], bool] = lambda: False) -> bool:
        """Let time pass. Whether the condition came true."""
        end_ms = self.now_ms + for_ms
        while not until():
            if not self._events or self._events[0][0] > end_ms:
                self.now_ms = end_ms
                return until()
            self.now_ms, _, event = heapq.heappop(self._events)
            event()
        return True

    def agreed(self) -> bool:
        """Whether all that run have decided on the same leader, which leads."""
        up = [server for server in self.servers.values() if server.is_up]
        votes = {server.election.decided.leader for server in up if server.election.decided is not None}
        return (
            bool(up)
            and all(server.election.decided is not None for server in up)
            and len(votes) == 1
            and self.servers[next(iter(votes))].is_up
            and self.servers[next(iter(votes))].election.state is LEADING
        )

    @property
    def leader(self) -> Sid:
        """Whom all agree on."""
        assert self.agreed()
        return next(server.sid for server in self.servers.values() if server.election.state is LEADING)

    # -- the shell ---------------------------------------------------------------------------------

    def after_input(self, server: Server) -> None:
        """Carry out what a server wants after something has happened to it."""
        while server.is_up and (server.dirty or (dials := server.manager.take_dials())):
            if not server.dirty:
                for dial in dials:
                    self._dial(server, dial)
                continue
            endpoint = next(iter(server.dirty))
            del server.dirty[endpoint]
            assert isinstance(endpoint, ElectionConnection)
            self._flush(server, endpoint)
        if not server.is_up:
            return
        decided = server.election.decided
        decision = (server.election.round, server.election.state, decided.leader if decided else Sid(0))
        if decided and (not server.decisions or server.decisions[-1] != decision):
            server.decisions.append(decision)
            self._check_decision(server)
            self._supervise(server, server.incarnation, len(server.decisions))
        deadlines = (server.election.deadline(), server.manager.deadline())
        for deadline_ms in deadlines:
            if deadline_ms is not None:
                self.at(max(deadline_ms, self.now_ms), lambda: self._tick(server, server.incarnation))

    def _tick(self, server: Server, incarnation: int) -> None:
        due = [server.election.deadline(), server.manager.deadline()] if server.is_up else []
        if incarnation == server.incarnation and any(d is not None and d <= self.now_ms for d in due):
            server.manager.tick(self.now_ms)
            server.election.tick(self.now_ms)
            self.after_input(server)

    def _check_decision(self, server: Server) -> None:
        """A leader is at least as good as each of those that look and vote for it.

        Those that follow may have joined with a newer zxid that was never committed: discovery sees to that.
        """
        tracker = server.election.leading_tracker
        for _, sids in () if tracker is None else tracker.pairs:
            voters = [self.servers[sid] for sid in sids]
            for voter in voters:
                if voter.is_up and voter.election.state is LOOKING:
                    vote = voter.election.vote
                    assert vote.leader != server.sid or voter.rank <= server.rank, (server.sid, sids)

    def _supervise(self, server: Server, incarnation: int, decision: int) -> None:
        def check() -> None:
            if server.is_up and server.incarnation == incarnation and len(server.decisions) == decision:
                if server.seems_fine():
                    self.at(self.now_ms + PATIENCE_MS, check)
                else:
                    server.look_again()

        self.at(self.now_ms + PATIENCE_MS, check)

    def _delay(self) -> int:
        return self.random.randint(*self.delay_ms)

    def _dial(self, server: Server, dial: Dial) -> None:
        def connect() -> None:
            if not server.is_up or server.incarnation != incarnation:
                return
            server.manager.set_time(self.now_ms)
            found = self.by_address.get(dial.addresses[0])
            if dial.endpoint.is_closing:
                return
            if found is None or not found.is_up:
                dial.endpoint.failed("connection refused")
            elif found.sid in self.cut_off(server.sid):
                # The kernel tries again after 1 s and 3 s.
                waited_ms = self.now_ms - started_ms
                if 2 * waited_ms + 1000 < dial.timeout_ms:
                    self.at(started_ms + 2 * waited_ms + 1000, connect)
                    return
                dial.endpoint.failed("timed out")
            else:
                found.manager.set_time(self.now_ms)
                accepted = found.manager.accept(("10.9.9.9", 50_000))
                assert accepted is not None
                assert isinstance(dial.endpoint, ElectionConnection)
                wire = Wire({server: dial.endpoint, found: accepted})
                if found is server:
                    raise AssertionError("nobody dials itself")
                self.wires[dial.endpoint] = self.wires[accepted] = wire
                self.after_input(found)
                dial.endpoint.connected(dial.addresses[0])
            self.after_input(server)

        incarnation = server.incarnation
        started_ms = self.now_ms
        self.at(self.now_ms + self._delay(), connect)

    def _flush(self, server: Server, endpoint: ElectionConnection) -> None:
        wire = self.wires.get(endpoint)
        if wire is None:
            return
        data = b"".join(endpoint.out)
        endpoint.out.clear()
        endpoint.unsent_bytes -= len(data)
        assert endpoint.unsent_bytes == 0
        if data:
            self._transmit(server, wire, data)
        if endpoint.is_closing:
            self._hang_up(wire, server)
            del wire.ends[server], self.wires[endpoint]
            endpoint.closed()
        elif endpoint.has_backlog:
            endpoint.resume()

    def _transmit(self, server: Server, wire: Wire, data: bytes) -> None:
        receiver = wire.other(server)
        if receiver is None:
            # The other process is gone: the answer to these bytes is a reset.
            self.at(self.now_ms + self._delay(), lambda: self.reset(wire))
            return
        self.messages += 1
        cuts = sorted(self.random.randrange(len(data) + 1) for _ in range(self.random.randrange(3)))
        for start, end in pairwise([0, *cuts, len(data)]):
            if start < end:
                self._put_under_way(server, receiver, wire, data[start:end])

    def _hang_up(self, wire: Wire, sender: Server) -> None:
        """One end is closed; the other one hears of it after everything that was sent before."""
        receiver = wire.other(sender)
        if receiver is not None:
            self._put_under_way(sender, receiver, wire, b"")

    def _put_under_way(self, sender: Server, receiver: Server, wire: Wire, piece: bytes) -> None:
        def arrive() -> None:
            if (sender.sid, receiver.sid) in self.cuts:
                self._stalled.append(arrive)
                return
            piece = wire.under_way[receiver].popleft()
            endpoint = wire.ends.get(receiver)
            if endpoint is None:
                return
            receiver.manager.set_time(self.now_ms)
            if not piece:
                del wire.ends[receiver], self.wires[endpoint]
                endpoint.abort("closed by the other end")
                endpoint.closed()
            elif endpoint.wants_input:
                endpoint.receive(piece)
            self.after_input(receiver)

        wire.under_way[receiver].append(piece)
        wire.arrival_ms[receiver] = max(self.now_ms + self._delay(), wire.arrival_ms.get(receiver, 0))
        self.at(wire.arrival_ms[receiver], arrive)
