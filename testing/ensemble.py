"""`Ensemble`: several ZooKeeper servers that form a quorum, inside the process of the test that uses them.

    with Ensemble(3) as ensemble:
        client = KazooClient(ensemble.connect_string)
        ensemble.leader.kill()
        ensemble.wait_for_quorum()

They are whole servers: real ports of 127.0.0.1, real folders, a thread each. What a test can do to them is
end them (`kill`, `stop`), start them again, and cut the network between them (`partition`, `isolate`,
`heal`); clients are not cut off, as they are part of the test. `close` leaves nothing behind.

Not here: simulated time and simulated disks.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from ..quorum.launcher.layout import EnsembleLayout, MemberLayout, write_layout
from ..quorum.launcher.reserved_port import ReservedPort
from ..server.config import config_from
from .ensemble_member import Member
from .partition import Changes, Network, Partition
from .server import DEFAULTS as SERVER_DEFAULTS

DEFAULTS: Final[Mapping[str, object]] = {
    **SERVER_DEFAULTS,
    "initLimit": 20,
    "syncLimit": 10,
    # One server alone is an ensemble too: it elects itself, and may have observers.
    "standaloneEnabled": False,
    # After a partition nobody should wait a minute for the next notification.
    "fastleader.maxNotificationInterval": 500,
}
"""What differs from a server's own defaults, unless the caller says otherwise."""

QUORUM_TIMEOUT_S: Final = 20.0


class Ensemble:
    """`n` servers that vote and `observers` that do not. A context manager; or `start` it, and `close` it.

    Ports are chosen by the system and kept through every restart. Without `data_dir` the data is in a
    temporary folder that `close` removes; in a folder of yours every server has one of its own, and it is
    kept. `properties` are keys of zoo.cfg (or system properties), and every other keyword is a field of
    `zoolet.server.config.Config`, for all servers alike. Raises ConfigError for values that make no sense.
    """

    def __init__(
        self,
        n: int = 3,
        *,
        observers: int = 0,
        data_dir: str | PathLike[str] | None = None,
        tick_time_ms: int | None = None,
        properties: Mapping[str, object] | None = None,
        **fields: Any,
    ) -> None:
        if n < 1 or observers < 0:
            raise ValueError(
                f"an ensemble needs at least one server that votes, not {n} and {observers} observers"
            )
        if tick_time_ms is not None:
            fields["tick_time_ms"] = tick_time_ms
        self._held = ExitStack()
        self._is_closed = False
        self._changes = Changes()
        try:
            if data_dir is None:
                data_dir = tempfile.mkdtemp(prefix="zoolet-")
                self._held.callback(shutil.rmtree, data_dir, ignore_errors=True)
            self.data_dir = Path(data_dir)
            layout = EnsembleLayout(tuple(self._reserve(sid, sid > n) for sid in range(1, n + observers + 1)))
            write_layout(layout, self.data_dir)
            settings = {**DEFAULTS, **(properties or {})}
            # What is wrong with them is said now, and not when a server starts.
            config_from({**settings, "clientPort": 0}, data_dir=self.data_dir, **fields)
            self._partition = Partition(layout.members)
            self.connect_string = layout.connect_string
            """What clients call hosts: every server's address."""
            self.servers = tuple(
                Member(layout, each, self.data_dir, Network(self._changes.tell), settings, fields)
                for each in layout.members
            )
            """All servers, the voters first."""
        except BaseException:
            self._held.close()
            raise

    def _reserve(self, sid: int, is_observer: bool) -> MemberLayout:
        ports = []
        for _ in range(3):
            reserved = ReservedPort()
            self._held.callback(reserved.release)
            ports.append(reserved.port)
        client, quorum, election = ports
        return MemberLayout(sid, client, quorum, election, is_observer=is_observer)

    # -- who is what -----------------------------------------------------------------------------------

    def __getitem__(self, sid: int) -> Member:
        """A server by its number, from 1."""
        for server in self.servers:
            if server.sid == sid:
                return server
        raise KeyError(sid)

    @property
    def leader(self) -> Member:
        """The server that leads now. Raises RuntimeError when none does: `wait_for_quorum` waits for one."""
        leader = self._serving_leader()
        if leader is None:
            raise RuntimeError(f"nobody leads: {self._describe()}")
        return leader

    @property
    def followers(self) -> tuple[Member, ...]:
        """The servers that follow now, and vote."""
        return tuple(server for server in self.servers if server.mode == "follower")

    @property
    def observers(self) -> tuple[Member, ...]:
        """The servers without a vote, whatever they do now."""
        return tuple(server for server in self.servers if server.is_observer)

    @property
    def is_running(self) -> bool:
        """True while all servers run."""
        return all(server.is_running for server in self.servers)

    # -- starting and stopping ---------------------------------------------------------------------------

    def start(self, timeout_s: float = QUORUM_TIMEOUT_S) -> Self:
        """Start every server that is not running, and wait for a quorum."""
        if self._is_closed:
            raise RuntimeError("this ensemble is closed; make a new one")
        for server in self.servers:
            if not server.is_running:
                server.start()
        self.wait_for_quorum(timeout_s)
        return self

    def stop(self) -> None:
        """Stop every server cleanly, observers and followers first.

        All are stopped, and then what the first one failed with is raised, if one did.
        """
        leader = self._serving_leader()
        errors = []
        for server in sorted(self.servers, key=lambda server: (server is leader, not server.is_observer)):
            try:
                server.stop()
            except Exception as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def kill(self, server: Member) -> None:
        """End a server as if the power went."""
        server.kill()

    def restart(self, server: Member) -> None:
        """Stop a server and start it again."""
        server.restart()

    def close(self) -> None:
        """Stop everything, give the ports back, and remove the folder if it is temporary. Once or more."""
        self._is_closed = True
        with self._held:
            self.stop()

    def __enter__(self) -> Self:
        try:
            if not self.is_running:
                self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- the network between them ----------------------------------------------------------------------

    def partition(self, *groups: Iterable[Member], silent: bool = False) -> None:
        """Cut all connections between servers of different groups: `partition([a], [b, c])`.

        Servers that are not named form one more group. Both ends of a connection notice at once that it is
        closed; with `silent` it stays and nothing comes through, and they notice when they have heard
        nothing for `syncLimit` ticks. It holds until the next `partition` or `heal`.
        """
        self._partition.split([server.sid for server in group] for group in groups)
        self._apply_partition(silently=silent)

    def isolate(self, server: Member, *, silent: bool = False) -> None:
        """Cut a server off from all others."""
        self.partition([server], silent=silent)

    def heal(self) -> None:
        """Let everybody reach everybody again."""
        self._partition.heal()
        self._apply_partition(silently=False)

    def _apply_partition(self, *, silently: bool) -> None:
        for server in self.servers:
            server.block(self._partition.unreachable_from(server.sid))
        for server in self.servers:
            server.apply_blocks(silently=silently)
        self._changes.tell()

    # -- waiting ---------------------------------------------------------------------------------------

    def wait_for_quorum(self, timeout_s: float = QUORUM_TIMEOUT_S) -> Member:
        """Wait until a leader serves, and with it every running server that can reach it; the leader.

        Raises RuntimeError at once when no group of servers that reach each other has more than half of
        the votes running, and TimeoutError when time is up.
        """
        expected = self._possible_quorum()
        if expected is None:
            raise RuntimeError(f"too few servers can reach each other: {self._describe()}")
        if not self._changes.wait_until(lambda: _serve_together(expected), timeout_s):
            raise TimeoutError(f"no quorum within {timeout_s:g} s: {self._describe()}")
        return self.leader

    def _possible_quorum(self) -> list[Member] | None:
        """The running servers of the group that can form a quorum."""
        votes = sum(not server.is_observer for server in self.servers)
        for group in self._partition.groups:
            running = [self[member.sid] for member in group if self[member.sid].is_running]
            if 2 * sum(not server.is_observer for server in running) > votes:
                return running
        return None

    def _serving_leader(self) -> Member | None:
        group = self._possible_quorum() or ()
        return next((server for server in group if server.mode == "leader" and server.is_serving), None)

    def _describe(self) -> str:
        return ", ".join(f"server {server.sid} {server.mode}" for server in self.servers)

    def __repr__(self) -> str:
        return f"<zoolet.testing.Ensemble {self.connect_string}: {self._describe()}>"


def _serve_together(servers: list[Member]) -> bool:
    leaders = [server.sid for server in servers if server.mode == "leader"]
    return len(leaders) == 1 and all(
        server.is_serving and server.leader_sid == leaders[0] for server in servers
    )
