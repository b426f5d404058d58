"""One run: a plan, a world, faults, peace, progress; and what is left of it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from ...jute.codes import CreateMode, OpCode
from ...jute.data import OPEN_ACL
from ...jute.ids import hex64
from ...jute.proto import CreateRequest
from ...quorum import learner_handler
from ...quorum.leader import Leader
from ...server import snapshot_job
from ...server.data_tree import CONFIG_NODE, DataTree
from ...storage.errors import StorageError
from ...storage.sim_disk import SimDisk
from .client import SimClient
from .durable import restored
from .journal import Journal
from .member import SimMember
from .nemesis import Nemesis
from .observer import LogWatch, Observer
from .plan import Plan, choose
from .promises import Promises
from .violation import Violation
from .workload import Workload
from .world import World

LOGGER: Final = logging.getLogger("zoolet")


@dataclass(slots=True)
class Outcome:
    """What came of a run."""

    seed: int
    violation: Violation | None = None
    counts: Counter[str] = field(default_factory=Counter)
    trace_hash: int = 0
    steps: int = 0
    committed: int = 0
    acknowledged: int = 0
    virtual_ms: int = 0
    journal: Journal = field(default_factory=Journal)


class Run:
    """Everything of one run.

    Args:
        plan: what was chosen.
        is_told: whether a journal is kept.
    """

    def __init__(self, plan: Plan, *, is_told: bool = False) -> None:
        self.plan = plan
        self.journal = Journal(is_told=is_told)
        self.promises = Promises(local_sessions=plan.config.local_sessions_enabled)
        self.observer = Observer(
            self.journal, committed=self.promises.committed, proposed=self.promises.proposed
        )
        self.world = world = World(plan, self.observer)
        self.promises.now_us = lambda: world.now_us
        self.clients = [
            SimClient(self.world, number, self.promises, timeout_ms=plan.client_timeout_ms)
            for number in range(1, plan.clients + 1)
        ]
        self.workloads = [
            Workload(
                client,
                pause_ms=plan.client_pause_ms,
                data_bytes=plan.data_bytes,
                containers=plan.config.extended_types_enabled,
            )
            for client in self.clients
        ]
        for workload in self.workloads:
            workload.quiet = plan.client_quiet
        self.nemesis = Nemesis(self.world, self.observer, self.clients)
        self.observer.on_packet = self.nemesis.saw
        self.observer.on_lost = self.nemesis.lost

    def outcome(self, violation: Violation | None) -> Outcome:
        """What can be said now."""
        if self.promises.model.expired:
            self.observer.counts["session expired by the leader"] += len(self.promises.model.expired)
        if self.promises.model.removed:
            self.observer.counts["out of use, removed"] += self.promises.model.removed
        return Outcome(
            self.plan.seed,
            violation,
            self.observer.counts,
            self.journal.hash,
            self.world.steps,
            len(self.observer.ledger.order),
            self.promises.acknowledged,
            self.world.now_us // 1000,
            self.journal,
        )

    # -- the phases of a run -------------------------------------------------------------------------

    def boot_all(self) -> None:
        """Start every machine, not quite at the same time."""
        random = self.world.random("boot").random
        for member in self.world.members.values():
            self.world.after_ms(random() * self.plan.boot_spread_ms, member.boot_first)

    def whole(self) -> None:
        """All phases. Raises Violation."""
        self.boot_all()
        for client, workload in zip(self.clients, self.workloads, strict=True):
            client.connect()
            workload.start()
        self.nemesis.start()
        self.world.run(self.plan.fault_ms)
        self.nemesis.stop()
        for workload in self.workloads:
            workload.pause_ms *= 4
        self.recover()
        self.finish()

    @property
    def patience_ms(self) -> float:
        """How long everything may take once nothing goes wrong any more."""
        config = self.plan.config
        limit = config.init_limit_ticks + config.sync_limit_ticks
        return 30_000 + 4 * limit * config.tick_time_ms

    def recover(self) -> None:
        """Without faults there is a leader in bounded time, everybody follows it, and writes are answered."""
        if not self.world.run(self.patience_ms / 2, self.is_serving):
            self._restart_outdated_leader()
        if not self.world.run(self.patience_ms, self.is_serving):
            raise Violation(
                "Progress", f"no working ensemble after {self.patience_ms:.0f} ms: {self.states()}"
            )
        for workload in self.workloads:
            workload.is_running = False
        answered: dict[SimClient, bool] = dict.fromkeys(self.clients, False)
        asked: dict[SimClient, int] = {}

        def ask(client: SimClient) -> Callable[[int, bytes], None]:
            def done(error: int, body: bytes) -> None:
                answered[client] = True

            return done

        def everybody_has_written() -> bool:
            for client in self.clients:
                if client.is_connected and not answered[client] and asked.get(client) != client.reconnects:
                    asked[client] = client.reconnects
                    path = f"/last-{client.name}"
                    body = CreateRequest(path, b"last", OPEN_ACL, CreateMode.PERSISTENT).encode()
                    client.ask(OpCode.CREATE, path, body, done=ask(client))
            return all(answered.values())

        if not self.world.run(self.patience_ms, everybody_has_written):
            late = [client.name for client, is_answered in answered.items() if not is_answered]
            raise Violation("Progress", f"clients {late} were not answered in {self.patience_ms:.0f} ms")
        self._stay()
        if not self.world.run(self.patience_ms, self.is_quiet):
            raise Violation(
                "Progress", f"members are not equal after {self.patience_ms:.0f} ms: {self.states()}"
            )

    def _restart_outdated_leader(self) -> None:
        """A member that has accepted a newer epoch than the leader's can't follow it, as in the original.

        That ends when the leader does; here somebody sees to it.
        """
        durable, verifier = self.observer.durable, self.plan.verifier
        leaders = [
            member
            for member in self.world.up
            if member.peer is not None
            and isinstance(member.peer.role, Leader)
            and member.peer.role.epoch >= 0
        ]
        for leader in leaders:
            epoch = durable[leader.sid].number_in("currentEpoch")
            newer = [sid for sid in verifier.members if durable[sid].number_in("acceptedEpoch") > epoch]
            if not newer:
                continue
            self.observer.happened("leader older than an accepted epoch", leader)
            for sid in newer:
                if sid in verifier.observers:
                    # Its promise binds nobody, and a new leader need not hear of it: it begins anew.
                    self.world.members[sid].lose_power()
                    self.world.members[sid].disk = SimDisk()
                    self.world.members[sid].boot()
            if any(sid in verifier.voters for sid in newer):
                leader.kill()
                leader.boot()

    def _stay(self) -> None:
        """Nobody loses a session that has a client and a connection."""
        before = [client.expirations for client in self.clients]
        self.world.run(3 * self.plan.client_timeout_ms)
        for client, count in zip(self.clients, before, strict=True):
            if client.expirations != count:
                raise Violation("SessionsStay", f"the session of {client} expired while it was connected")

    def finish(self) -> None:
        """All trees are equal, on disk too; without clients sessions end, and their ephemerals with them."""
        self._compare_trees()
        for client in self.clients:
            client.stop()
        model = self.promises.model

        def all_sessions_ended() -> bool:
            return len(model.closed) == len(model.opened) and self.is_quiet()

        if not self.world.run(self.patience_ms, all_sessions_ended):
            alive = [hex64(session) for session in model.opened if session not in model.closed]
            raise Violation("SessionsEnd", f"sessions {alive} have no client and do not expire")
        for member in self.world.up:
            peer = member.peer
            assert peer is not None
            if peer.database.tree.ephemerals or peer.database.sessions:
                raise Violation(
                    "EphemeralsGone",
                    f"{member} keeps {peer.database.tree.ephemerals}, {peer.database.sessions}",
                )
        self.compare()

    # -- conditions ----------------------------------------------------------------------------------

    def states(self) -> str:
        """What everybody is."""
        return ", ".join(
            f"{member.sid} {'down' if member.peer is None else member.peer.state.name}"
            f" 0x{hex64(self.observer.ledger.last[member.sid])}"
            for member in self.world.members.values()
        )

    def is_serving(self) -> bool:
        """Whether everybody takes part in the broadcast."""
        serves = self.observer.serves
        return all(member.is_up and serves(member) for member in self.world.members.values())

    def is_quiet(self) -> bool:
        """Whether everybody serves, has everything, and has written it down; nothing is on its way."""
        ledger = self.observer.ledger
        return self.is_serving() and all(
            ledger.last[member.sid] == ledger.tip
            and member.peer is not None
            and member.peer.idle
            and not (
                isinstance(role := member.peer.role, Leader) and role.last_proposed != role.last_committed
            )
            for member in self.world.members.values()
        )

    def compare(self) -> None:
        """Trees in memory and histories on disk are all the same."""
        self._compare_trees()
        self._compare_disks()

    def _compare_trees(self) -> None:
        reference: tuple[SimMember, dict[str, object], dict[int, int]] | None = None
        for member in self.world.up:
            assert member.peer is not None
            tree, sessions = contents(member.peer.database.tree), member.peer.database.sessions
            if reference is None:
                reference = (member, tree, dict(sessions))
                self._compare_with_model(member, member.peer.database.tree)
                continue
            first, first_tree, first_sessions = reference
            if tree != first_tree:
                differing = [
                    path for path in {**tree, **first_tree} if tree.get(path) != first_tree.get(path)
                ]
                raise Violation(
                    "EqualTrees",
                    f"{member} and {first} differ in {differing[:5]}:"
                    f" {[(tree.get(path), first_tree.get(path)) for path in differing[:2]]}",
                )
            if sessions != first_sessions:
                raise Violation("EqualTrees", f"{member} and {first} have other sessions")

    def _compare_with_model(self, member: SimMember, tree: DataTree) -> None:
        model, tip = self.promises.model, self.observer.ledger.tip
        for path in model.paths:
            if path == "/":
                continue
            state, node = model.at(path, tip), tree.nodes.get(path)
            if state.data != (None if node is None else node.data):
                raise Violation("EqualTrees", f"{member} has other data in {path} than was committed")

    def _compare_disks(self) -> None:
        """Whatever happens now, everybody would come back with everything."""
        ledger = self.observer.ledger
        for member in self.world.up:
            if not self.observer.keeps_log(member):
                continue
            try:
                zxid = restored(member.disk, self.plan.config).tree.last_processed_zxid
            except StorageError as error:
                raise Violation("DurableHistory", f"{member} could not start again: {error}") from None
            if ledger.resolve(member.sid, zxid) != ledger.tip:
                raise Violation("DurableHistory", f"{member} would start again with 0x{hex64(zxid)}")


def contents(tree: DataTree) -> dict[str, object]:
    """Everything clients can see of a tree, but for the node that each member writes for itself."""
    return {
        path: (node.data, node.acl, node.stat_bytes())
        for path, node in tree.nodes.items()
        if path != CONFIG_NODE
    }


@contextmanager
def surroundings(run: Run) -> Iterator[None]:
    """Logging goes to the run's observer, and trees are encoded in the pieces that the plan wants."""
    watch = LogWatch(run.observer)
    level, propagate = LOGGER.level, LOGGER.propagate
    chunk_bytes = learner_handler.CHUNK_BYTES, snapshot_job.CHUNK_BYTES
    LOGGER.addHandler(watch)
    LOGGER.setLevel(logging.DEBUG if run.journal.is_told else logging.ERROR)
    LOGGER.propagate = False
    learner_handler.CHUNK_BYTES = snapshot_job.CHUNK_BYTES = run.plan.snapshot_chunk_bytes  # type: ignore[misc]
    try:
        yield
    finally:
        learner_handler.CHUNK_BYTES, snapshot_job.CHUNK_BYTES = chunk_bytes  # type: ignore[misc]
        LOGGER.removeHandler(watch)
        LOGGER.setLevel(level)
        LOGGER.propagate = propagate


def simulate(seed: int, *, is_told: bool = False, plan: Plan | None = None) -> Outcome:
    """Run a seed from beginning to end."""
    run = Run(plan or choose(seed), is_told=is_told)
    with surroundings(run):
        try:
            run.whole()
        except Violation as violation:
            if is_told:
                run.journal.lines.append(
                    f"{run.world.now_us / 1000:10.3f}  {violation.invariant} is violated"
                )
            return run.outcome(violation)
    return run.outcome(None)
