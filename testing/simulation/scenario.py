"""Scenario: a simulated ensemble for a test that tells a story: who stops when, and what is seen then.

    with Scenario() as story:
        story.boot(1, 2, 3)
        story.until_all_serve()
        client = story.client(at=1)
        client.set("/a", b"1")
        story.when(PacketType.NEWLEADER, lambda sender, receiver: story.lose_power(receiver))

All invariants of the simulation are watched, as in a run by seed: a story fails when one is broken.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

from ...jute.codes import CreateMode, OpCode, PacketType
from ...jute.data import OPEN_ACL
from ...jute.ids import Sid
from ...jute.proto import (
    CreateRequest,
    CreateTTLRequest,
    DeleteRequest,
    GetDataRequest,
    GetDataResponse,
    SetDataRequest,
)
from ...quorum.leader import Leader
from ...quorum.learner import Learner, Phase
from .client import SimClient
from .member import SimMember
from .network import Stream
from .plan import simple_plan
from .run import Run, surroundings
from .violation import Violation
from .workload import encode_multi

Told = Callable[[SimMember, SimMember], None]
"""Called with sender and receiver."""


class Scenario:
    """An ensemble, nobody started yet.

    Args:
        voters, observers: how many members; the voters have the smaller numbers.
        committed_count: how many committed txns a member keeps in memory.
        chunk_bytes: pieces in which a tree is sent.
        settings: as in zoo.cfg.
    """

    def __init__(
        self,
        voters: int = 3,
        observers: int = 0,
        *,
        committed_count: int = 500,
        chunk_bytes: int = 1 << 18,
        seed: int = 1,
        **settings: object,
    ) -> None:
        plan = simple_plan(seed, voters, observers, **settings)
        plan.committed_count = committed_count
        plan.snapshot_chunk_bytes = chunk_bytes
        plan.clients = 0
        plan.client_timeout_ms = 10 * plan.config.tick_time_ms
        self.run = Run(plan, is_told=True)
        self.world = self.run.world
        self.members = self.world.members
        self._surroundings: AbstractContextManager[None] = surroundings(self.run)
        self._ambushes: list[tuple[PacketType, Sid | None, Sid | None, Told]] = []
        self.run.observer.on_packet = self._saw
        self.run.observer.on_lost = lambda member: None
        self.packets: list[tuple[int, int, PacketType]] = []
        """Every packet between leaders and learners: sender, receiver, kind."""

    def __enter__(self) -> Scenario:
        self._surroundings.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._surroundings.__exit__(kind, error, trace)
        if error is not None:
            error.add_note(self.run.journal.diagram(80))

    # -- members -------------------------------------------------------------------------------------

    def boot(self, *sids: int) -> None:
        """Start members."""
        for sid in sids:
            self.members[Sid(sid)].boot()

    def kill(self, *sids: int) -> None:
        """End processes; what they have written to files stays."""
        for sid in sids:
            self.members[Sid(sid)].kill()

    def lose_power(self, *victims: int | SimMember) -> None:
        """Stop machines; only what was synced stays."""
        for victim in victims:
            member = victim if isinstance(victim, SimMember) else self.members[Sid(victim)]
            member.keep_nothing_unsynced = True
            member.lose_power()

    def restart_when_lost(self, after_ms: float = 1) -> None:
        """From now on whoever crashes in the middle of a call to its disk starts again."""
        self.run.observer.on_lost = lambda member: self.world.after_ms(after_ms, lambda _: member.boot())

    def cut(self, sid: int, *others: int) -> None:
        """Nothing passes between a member and others (all others, if none is named)."""
        self._links(sid, others, self.world.network.cut)

    def heal(self, sid: int, *others: int) -> None:
        """It passes again."""
        self._links(sid, others, self.world.network.heal)

    def _links(self, sid: int, others: tuple[int, ...], do: Callable[[str, str], None]) -> None:
        here = self.members[Sid(sid)].host
        for other in others or [other for other in self.members if other != sid]:
            there = self.members[Sid(other)].host
            do(here, there)
            do(there, here)

    def peer(self, sid: int) -> Any:
        """A member's core."""
        peer = self.members[Sid(sid)].peer
        assert peer is not None, f"{sid} is down"
        return peer

    @property
    def leader(self) -> int:
        """Who leads, and serves."""
        for member in self.world.up:
            assert member.peer is not None
            if isinstance(member.peer.role, Leader) and self.run.observer.serves(member):
                return member.sid
        raise AssertionError(f"nobody leads: {self.run.states()}")

    def last(self, sid: int) -> int:
        """The last txn in a member's tree."""
        return self.run.observer.ledger.last[Sid(sid)]

    def phase(self, sid: int) -> Phase | None:
        """How far a learner is."""
        role = self.peer(sid).role
        return role.phase if isinstance(role, Learner) else None

    # -- time ----------------------------------------------------------------------------------------

    def pass_ms(self, ms: float) -> None:
        """Let time pass."""
        self.world.run(ms)

    def until(self, condition: Callable[[], bool], what: str = "", within_ms: float = 20_000) -> None:
        """Let time pass until something is so."""
        if condition():
            return
        end_us = self.world.now_us + int(within_ms * 1000)
        while not condition():
            if self.world.now_us >= end_us or not self.world.step(end_us):
                raise AssertionError(f"{what or 'it'} did not happen: {self.run.states()}")

    def until_all_serve(self, *sids: int) -> None:
        """Wait until members (all that run, if none is named) take part in the broadcast."""
        serves = self.run.observer.serves

        def ready() -> bool:
            members = [self.members[Sid(sid)] for sid in sids] if sids else self.world.up
            return all(member.is_up and serves(member) for member in members)

        self.until(ready, "serving")

    def until_led_by_one_of(self, *sids: int) -> None:
        """Wait until one of these members leads, and the others of them follow."""

        def led() -> bool:
            leaders = [sid for sid in sids if self.members[Sid(sid)].is_up and self._leads(sid)]
            return bool(leaders)

        self.until(led, f"one of {sids} leads")
        self.until_all_serve(*sids)

    def _leads(self, sid: int) -> bool:
        member = self.members[Sid(sid)]
        return isinstance(self.peer(sid).role, Leader) and self.run.observer.serves(member)

    def until_equal(self) -> None:
        """Wait until all that run have everything, then compare their trees and disks."""
        ledger, serves = self.run.observer.ledger, self.run.observer.serves

        def equal() -> bool:
            return all(
                serves(member)
                and self.last(member.sid) == ledger.tip == ledger.newest
                and self.peer(member.sid).idle
                for member in self.world.up
            )

        self.until(equal, "equal trees")
        self.run.compare()

    # -- packets -------------------------------------------------------------------------------------

    def when(
        self, kind: PacketType, do: Told, *, sender: int | None = None, receiver: int | None = None
    ) -> None:
        """Do something, once, as soon as such a packet is on its way (behind the step that sends it)."""
        self._ambushes.append(
            (kind, None if sender is None else Sid(sender), None if receiver is None else Sid(receiver), do)
        )

    def _saw(self, kind: int, sender: SimMember, stream: Stream) -> None:
        receiver = stream.other.owner
        assert isinstance(receiver, SimMember)
        self.packets.append((sender.sid, receiver.sid, PacketType(kind)))
        for ambush in list(self._ambushes):
            wanted, from_whom, to_whom, do = ambush
            if wanted == kind and from_whom in (None, sender.sid) and to_whom in (None, receiver.sid):
                self._ambushes.remove(ambush)
                self.world.at(self.world.now_us, lambda pair, do=do: do(*pair), (sender, receiver))  # type: ignore[misc]

    def sync_kinds(self, receiver: int) -> list[PacketType]:
        """How a member was synchronised, each time."""
        kinds = (PacketType.DIFF, PacketType.TRUNC, PacketType.SNAP)
        return [kind for _, to, kind in self.packets if to == receiver and kind in kinds]

    # -- clients -------------------------------------------------------------------------------------

    def client(self, at: int, *, timeout_ms: int = 60_000) -> StoryClient:
        """A client with a session, at one server."""
        number = len(self.run.clients) + 1
        client = SimClient(self.world, number, self.run.promises, timeout_ms=timeout_ms)
        client.servers = [self.members[Sid(at)]]
        self.run.clients.append(client)
        client.connect()
        self.until(lambda: client.is_connected, f"the session of {client}")
        return StoryClient(self, client)


class StoryClient:
    """A client whose calls wait for their answers."""

    def __init__(self, story: Scenario, client: SimClient) -> None:
        self._story = story
        self.client = client

    def create(self, path: str, data: bytes = b"", mode: CreateMode = CreateMode.PERSISTENT) -> None:
        """Make a node."""
        self._wait(OpCode.CREATE, path, CreateRequest(path, data, OPEN_ACL, mode).encode())

    def create_container(self, path: str) -> None:
        """Make a container."""
        body = CreateRequest(path, b"", OPEN_ACL, CreateMode.CONTAINER).encode()
        self._wait(OpCode.CREATE_CONTAINER, path, body)

    def create_ttl(self, path: str, ttl_ms: int) -> None:
        """Make a node with a time to live."""
        body = CreateTTLRequest(path, b"", OPEN_ACL, CreateMode.PERSISTENT_WITH_TTL, ttl_ms).encode()
        self._wait(OpCode.CREATE_TTL, path, body)

    def set(self, path: str, data: bytes) -> None:
        """Change a node."""
        self._wait(OpCode.SET_DATA, path, SetDataRequest(path, data, -1).encode())

    def delete(self, path: str) -> None:
        """Remove a node."""
        self._wait(OpCode.DELETE, path, DeleteRequest(path, -1).encode())

    def multi_set(self, values: dict[str, bytes]) -> None:
        """Change several nodes at once."""
        parts = [(int(OpCode.SET_DATA), SetDataRequest(path, data, -1)) for path, data in values.items()]
        self._wait(OpCode.MULTI, next(iter(values)), encode_multi(parts))

    def get(self, path: str) -> bytes | None:
        """A node's data; None if it is not there."""
        error, body = self._call(OpCode.GET_DATA, path, GetDataRequest(path, False).encode())
        return None if error else GetDataResponse.parse(body).data

    def ask_set(self, path: str, data: bytes) -> None:
        """Change a node without waiting."""
        self.client.ask(OpCode.SET_DATA, path, SetDataRequest(path, data, -1).encode())

    def ask_create(self, path: str, data: bytes = b"", mode: CreateMode = CreateMode.PERSISTENT) -> None:
        """Make a node without waiting."""
        self.client.ask(OpCode.CREATE, path, CreateRequest(path, data, OPEN_ACL, mode).encode())

    def move(self, to: int) -> None:
        """Go on at another server."""
        self.client.servers = [self._story.members[Sid(to)]]
        self.client.disconnect()
        self._story.until(lambda: self.client.is_connected, f"{self.client} at {to}")

    def _wait(self, opcode: int, path: str, body: bytes) -> None:
        error, _ = self._call(opcode, path, body)
        assert not error, f"{OpCode(opcode).name} {path}: {error}"

    def _call(self, opcode: int, path: str, body: bytes) -> tuple[int, bytes]:
        answers: list[tuple[int, bytes]] = []
        self.client.ask(opcode, path, body, done=lambda error, answer: answers.append((error, answer)))
        self._story.until(lambda: bool(answers), f"the answer to {OpCode(opcode).name} {path}")
        return answers[0]


__all__ = ["Scenario", "StoryClient", "Violation"]
