"""A whole ensemble without sockets, threads or clocks: `QuorumPeer`s, disks in memory, and clients.

`Lab` does what the drivers do, in plain calls: bytes go from each end of a connection to the other at once
and in order, every batch of a log is durable as soon as it is taken, snapshots are written in one go. Tests
move the clock (`advance`), end members and start them again (`stop`, `start`), and talk through clients
(`client`, `connected`), which are those of `zoolet.server.tests.harness`.

Not here: chance, faults, and anything slow; that is the simulation's business.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, cast

from zoolet.jute.ids import Sid
from zoolet.quorum.config import EnsembleConfig
from zoolet.quorum.leader import Leader
from zoolet.quorum.members import Address, Member, Role
from zoolet.quorum.peer import QuorumPeer
from zoolet.quorum.quorum_server import QuorumServer
from zoolet.quorum.verifier import Majority
from zoolet.server.config import config_from
from zoolet.server.endpoint import Endpoint
from zoolet.server.snapshot_job import SnapshotJob
from zoolet.server.storage_folder import storage_of, write_snapshot
from zoolet.server.tests.harness import Client, Server
from zoolet.storage.sim_disk import SimDisk

START_MS = 1_000_000
WALL_MS = 1_700_000_000_000
TICK_MS = 2000
_QUORUM_PORT, _ELECTION_PORT, _CLIENT_PORT = 2888, 3888, 2181


class LabMember:
    """One member: its disk, and its peer while it runs. It stands in for a `Server` towards its clients."""

    def __init__(self, lab: Lab, sid: int, settings: dict[str, Any]) -> None:
        self.lab = lab
        self.sid = Sid(sid)
        self.disk = SimDisk()
        self._settings = settings
        self.clients: list[Client] = []
        self._peer: QuorumPeer | None = None

    @property
    def is_running(self) -> bool:
        return self._peer is not None

    @property
    def peer(self) -> QuorumPeer:
        assert self._peer is not None, f"member {self.sid} does not run"
        return self._peer

    @property
    def core(self) -> QuorumServer:
        """What takes its clients now."""
        return self.peer.server

    @property
    def mode(self) -> str:
        """As four-letter words have it; empty while it does not serve."""
        return self.core.mode if self.is_running and self.core.is_serving else ""

    def word(self, word: str) -> str:
        """The answer to a four-letter word."""
        client = self.client()
        client.send(word.encode())
        return client.take_bytes().decode()

    def monitor(self) -> dict[str, str]:
        """The answer to `mntr`, by name without prefix."""
        lines = (line.split("\t") for line in self.word("mntr").splitlines())
        return {name.removeprefix("zk_"): value for name, value in lines}

    def client(self) -> Client:
        """A connection that has not said anything yet."""
        client = Client(cast(Server, self), ("127.0.0.1", 40_000 + len(self.clients)))
        self.clients.append(client)
        return client

    def connected(self, **arguments: Any) -> Client:
        """A connection with a new session."""
        client = self.client()
        assert client.connect(**arguments).sessionId != 0
        return client

    def run(self) -> None:
        """Let everybody work."""
        self.lab.run()

    # -- what its lab does with it

    def start(self) -> None:
        assert self._peer is None
        config = config_from(
            {},
            **{
                "data_dir": "/data",
                "client_port": _CLIENT_PORT,
                "tick_time_ms": TICK_MS,
                "init_limit_ticks": 10,
                "sync_limit_ticks": 5,
                "max_client_cnxns": 0,
                "four_letter_whitelist": "*",
                "pre_alloc_size_kb": 64,
                **self._settings,
            },
        )
        role = self.lab.verifier.members[self.sid].role
        self._peer = peer = QuorumPeer(
            config,
            EnsembleConfig(my_id=self.sid, verifier=self.lab.verifier, learner_type=role),
            storage_of(config, self.disk),
            random=Random(self.sid),
            now_ms=self.lab.now_ms,
            wall_ms=WALL_MS + self.lab.now_ms,
            start_snapshot=self._write_snapshot,
        )
        peer.start()

    def stop(self) -> None:
        peer = self.peer
        peer.stop()
        peer.storage.close()
        self._peer = None
        for client in self.clients:
            client.is_open = False
        self.clients.clear()

    def _write_snapshot(self, job: SnapshotJob) -> None:
        """Later, as a driver does: not in the call that wants it."""
        self.lab.later.append(lambda: self._finish_snapshot(job))

    def _finish_snapshot(self, job: SnapshotJob) -> None:
        if job.is_cancelled:
            job.abandoned()
        else:
            write_snapshot(self.peer.storage, job)
            job.done()

    def set_time(self, now_ms: int) -> None:
        self.peer.set_time(now_ms, WALL_MS + now_ms)

    def write_batches(self) -> bool:
        worked = False
        while (batch := self.peer.take_batch()) is not None:
            batch.write()
            self.peer.flushed()
            worked = True
        return worked

    def serve_clients(self) -> bool:
        """Carry bytes between the clients and their connections."""
        worked = False
        for client in list(self.clients):
            connection = client.connection
            while client.inbox and connection.wants_input:
                chunk = bytes(client.inbox)
                client.inbox.clear()
                connection.receive(chunk)
                worked = True
            if connection.out:
                data = take(connection)
                client.arrived += data
                worked = True
            if connection.is_closing and client.is_open:
                connection.closed()
                client.is_open = False
                worked = True
            elif connection.has_backlog:
                connection.resume()
                worked = True
            if not client.is_open:
                self.clients.remove(client)
        return worked


class Lab:
    """Members 1 to `voters` vote, the next ones observe. Settings are those of `config_from`, for all."""

    def __init__(self, voters: int = 2, observers: int = 0, **settings: Any) -> None:
        self.now_ms = START_MS
        self.later: list[Callable[[], None]] = []
        sids = range(1, voters + observers + 1)
        self.verifier = Majority(
            Member(
                Sid(sid),
                (Address(_host(sid), _QUORUM_PORT),),
                (Address(_host(sid), _ELECTION_PORT),),
                Address(_host(sid), _CLIENT_PORT),
                Role.PARTICIPANT if sid <= voters else Role.OBSERVER,
            )
            for sid in sids
        )
        self.members = {sid: LabMember(self, sid, settings) for sid in sids}
        self._links: list[tuple[LabMember, Endpoint, LabMember, Endpoint]] = []

    def __getitem__(self, sid: int) -> LabMember:
        return self.members[sid]

    @classmethod
    def settled(cls, voters: int = 2, observers: int = 0, **settings: Any) -> Lab:
        """All members serve; the last voter leads."""
        lab = cls(voters, observers, **settings)
        lab.start(*lab.members)
        lab.settle()
        assert lab.leader.sid == voters
        return lab

    @property
    def running(self) -> list[LabMember]:
        return [member for member in self.members.values() if member.is_running]

    @property
    def leader(self) -> LabMember:
        [leader] = [member for member in self.running if isinstance(member.peer.role, Leader)]
        return leader

    def start(self, *sids: int) -> None:
        """Start members and let them talk; no time passes."""
        for sid in sids:
            self[sid].start()
        self.run()

    def stop(self, *sids: int) -> None:
        """End members; the others notice."""
        for sid in sids:
            member = self[sid]
            member.stop()
            for one, end, other, far_end in list(self._links):
                if member in (one, other):
                    self._links.remove((one, end, other, far_end))
                    for side, endpoint in ((one, end), (other, far_end)):
                        if side is not member:
                            endpoint.abort("closed by the other end")
                            endpoint.closed()
        self.run()

    def settle(self) -> None:
        """Let time pass until every running member serves clients as part of the ensemble."""
        for _ in range(1000):
            if all(member.mode not in ("", "read-only") for member in self.running):
                return
            self._step(self.now_ms + 50)
        raise AssertionError(f"not settled: { {member.sid: member.mode for member in self.running} }")

    def advance(self, ms: int) -> None:
        """Let time pass, from one deadline to the next."""
        end = self.now_ms + ms
        while self.now_ms < end:
            next_ms = min((member.peer.next_tick_ms() for member in self.running), default=ms)
            self._step(min(end, self.now_ms + max(next_ms, 1)))

    def _step(self, now_ms: int) -> None:
        self.now_ms = now_ms
        for member in self.running:
            member.set_time(now_ms)
            member.peer.tick()
        self.run()

    def run(self) -> None:
        """Work until there is nothing left that can be done now."""
        while self._work():
            pass

    def _work(self) -> bool:
        worked = False
        for member in self.running:
            worked |= member.write_batches()
            worked |= self._dial(member)
            worked |= member.serve_clients()
            member.peer.dirty.clear()
        worked |= self._carry()
        later, self.later = self.later, []
        for job in later:
            job()
        return worked or bool(later)

    def _dial(self, member: LabMember) -> bool:
        dials = member.peer.take_dials()
        for dial in dials:
            host, port = dial.addresses[0]
            other = self.members[int(host.removeprefix("member"))]
            far_end: Endpoint | None = None
            if other.is_running and port == _ELECTION_PORT:
                far_end = other.peer.accept_election((_host(member.sid), 40_000))
            elif other.is_running and other.peer.wants_learners:
                far_end = other.peer.accept_learner((_host(member.sid), 40_000))
            if far_end is None:
                dial.endpoint.failed("connection refused")
            else:
                self._links.append((member, dial.endpoint, other, far_end))
                dial.endpoint.connected((host, port))
        return bool(dials)

    def _carry(self) -> bool:
        worked = False
        for link in list(self._links):
            _, one, _, other = link
            for end, far_end in ((one, other), (other, one)):
                if end.out and far_end.wants_input:
                    far_end.receive(take(end))
                    worked = True
                elif not end.out and end.has_backlog:
                    end.resume()
                    worked = True
            if one.is_closing or other.is_closing:
                self._links.remove(link)
                for end in (one, other):
                    end.abort("closed by the other end")
                    end.closed()
                worked = True
        return worked


def take(endpoint: Endpoint) -> bytes:
    """Everything the endpoint has to say."""
    data = b"".join(endpoint.out)
    endpoint.out.clear()
    endpoint.unsent_bytes -= len(data)
    return data


def _host(sid: int) -> str:
    return f"member{sid}"
