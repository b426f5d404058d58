"""An ensemble of Java and zoolet servers, each a process of its own, told by one string.

`ProcessEnsemble("JZJ")` is three voters with the ids 1, 2, 3, of which the second is zoolet; a lower-case
letter is an observer. Every member has its own folder, and the same `server.N` lines as all others.

**Who leads** is decided by the order of votes: epoch, then zxid, then id. In a fresh ensemble all but the id
are equal, so the *last capital letter leads*: `JJZ` is zoolet leading Java, `ZZJ` Java leading zoolet. Later
`make_lead` brings the lead to a member by ending those before it.

Nothing here sleeps and hopes: each wait names a condition and a deadline, looks at the condition every few
milliseconds, and raises `EnsembleError` with the end of every member's log when the deadline is over.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from ..tree_dump import SUPER_PROPERTY
from ..waiting import NotInTime, until
from .configurations import Form, configuration, write_configuration
from .member import LAUNCHERS, Ending, Kind, Launcher, Member, Ports
from .ports import is_listening, loopback_ports

PATIENCE_S = 40.0
"""Longest wait for anything that must happen. A Java ensemble needs two to five seconds for most of it."""

_COUNTER_BITS = 0xFFFF_FFFF

SETTINGS: Mapping[str, str] = {
    # Short ticks make failures visible soon; the limits below are still seconds on a busy machine.
    "tickTime": "500",
    "initLimit": "40",
    "syncLimit": "10",
    "maxSessionTimeout": "60000",
    "maxClientCnxns": "0",
    "admin.enableServer": "false",
    "4lw.commands.whitelist": "*",
    # In KiB. A file's length counts when a leader weighs its log against a snapshot.
    "preAllocSize": "64",
}
PROPERTIES: Mapping[str, str] = {"zookeeper.extendedTypesEnabled": "true", **SUPER_PROPERTY}

T = TypeVar("T")


class EnsembleError(AssertionError):
    """The ensemble did not do what it must; the message carries the end of every member's log."""


class ProcessEnsemble:
    """Servers of a composition. Use it as a context manager: it is started, and removed with its data."""

    def __init__(
        self,
        composition: str,
        *,
        settings: Mapping[str, str] | None = None,
        properties: Mapping[str, str] | None = None,
        form: Form = Form.FULL,
        launchers: Mapping[Kind, Launcher] = LAUNCHERS,
    ) -> None:
        """`settings` are zoo.cfg lines and `properties` -D options, on top of the defaults above.

        `form` is how the configuration names the servers. `launchers` says what the letters stand for; with
        Java behind both the tests prove themselves.
        """
        self.composition = composition
        self._settings = {**SETTINGS, **(settings or {})}
        self._properties = {**PROPERTIES, **(properties or {})}
        self._form = form
        self._launchers = launchers
        self._home = Path(tempfile.mkdtemp(prefix=f"ensemble-{composition}-"))
        ports = iter(loopback_ports(3 * len(composition)))
        self.members = {
            sid: Member(
                sid,
                Kind(letter.upper()),
                is_observer=letter.islower(),
                home=self._home / str(sid),
                ports=Ports(next(ports), next(ports), next(ports)),
            )
            for sid, letter in enumerate(composition, start=1)
        }

    def __repr__(self) -> str:
        return f"ensemble {' '.join(map(repr, self.members.values()))}"

    def __getitem__(self, sid: int) -> Member:
        return self.members[sid]

    def __iter__(self) -> Iterator[Member]:
        return iter(self.members.values())

    # -- who is who

    @property
    def voters(self) -> list[Member]:
        return [member for member in self if not member.is_observer]

    @property
    def observers(self) -> list[Member]:
        return [member for member in self if member.is_observer]

    @property
    def running(self) -> list[Member]:
        return [member for member in self if member.is_running]

    @property
    def leader(self) -> Member:
        """The one member that says it leads. Raises EnsembleError when it is not exactly one."""
        leaders = [member for member in self.running if member.mode == "leader"]
        if len(leaders) != 1:
            raise self.error(f"these members lead: {leaders}")
        return leaders[0]

    @property
    def followers(self) -> list[Member]:
        """The running members that follow, by id."""
        return [member for member in self.running if member.mode == "follower"]

    @property
    def connect_string(self) -> str:
        """For a client that may use any member."""
        return ",".join(member.hosts for member in self)

    def configuration(self, member: Member) -> str:
        """The text of a member's zoo.cfg."""
        return configuration(member, self, self._form, self._settings)

    # -- starting and ending

    def start(self) -> Self:
        """Start every member of a fresh ensemble; the last voter leads when this returns."""
        *others, first = self.voters
        self.launch(first.sid)
        # The others would elect one of themselves if they met before the last one is there.
        self.until(
            "the last voter listens for elections",
            lambda: not first.is_running or is_listening(first.ports.election),
        )
        for member in (*others, *self.observers):
            self.launch(member.sid)
        self.await_settled()
        self.make_lead(first.sid)
        return self

    def launch(self, sid: int) -> None:
        """Start one member's process and return at once."""
        member = self[sid]
        write_configuration(member, self, self._form, self.configuration(member))
        member.launch(self._launchers[member.kind], self._properties)

    def end(self, sid: int, how: Ending = Ending.STOP) -> None:
        """End one member's process."""
        self[sid].end(how)

    def restart(
        self, sid: int, how: Ending = Ending.STOP, *, kind: Kind | None = None, wipe: bool = False
    ) -> None:
        """End a member, if it runs, and start it again on the same ports and folder; wait until all serve.

        `kind` replaces its implementation, `wipe` its data.
        """
        member = self[sid]
        if member.is_running:
            member.end(how)
        if wipe:
            member.wipe()
        member.kind = kind or member.kind
        self.launch(sid)
        self.await_settled()

    def make_lead(self, sid: int) -> None:
        """Bring the lead to a voter by ending those that stand before it in the order of votes.

        Expects that nobody writes meanwhile, and at least one other voter with a lower id.
        """
        assert any(voter.sid < sid for voter in self.voters), "a voter leads when it is above another one"
        leader = self.leader.sid
        if leader == sid:
            return
        self.await_equal_zxids()
        above = [voter.sid for voter in self.voters if voter.sid > sid]
        for one in {*above, leader}:
            self.end(one)
        if leader not in above:
            self.launch(leader)
        self.await_settled()
        for one in above:
            self.launch(one)
        if self.await_settled().sid != sid:
            raise self.error(f"{self[sid]} does not lead")

    def close(self) -> None:
        """End every process that still runs and remove all folders."""
        for member in self.running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                member.end(Ending.KILL)
        shutil.rmtree(self._home, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- waiting

    def until(self, promise: str, is_kept: Callable[[], T | None], patience_s: float = PATIENCE_S) -> T:
        """Look at a condition until it is true (or something), and return that. Raises EnsembleError."""
        try:
            return until(promise, is_kept, patience_s=patience_s)
        except NotInTime as error:
            raise self.error(str(error)) from None

    def await_settled(self) -> Member:
        """Wait until every running member serves, one leads, and has all others in sync. Returns it."""
        leader = self.until("one leader with all running members in sync", self._settled_leader)
        for member in self.running:
            member.note_settled()
        return leader

    def await_modes(self, members: Iterable[Member]) -> None:
        """Wait until each of these members serves clients in some role."""
        wanted = list(members)
        self.until(f"{wanted} serve", lambda: all(member.mode for member in wanted))

    def await_equal_zxids(self) -> int:
        """Wait until all running members have applied the same last txn; return its zxid.

        That says something only while nobody writes. A zxid whose counter is 0 is no txn: a leader shows it
        when its epoch has begun, a member that joined by an empty DIFF goes on showing the txn before.
        """

        def equal() -> tuple[int] | None:
            zxids = [member.zxid for member in self.running]
            if None in zxids:
                return None
            txns = {zxid for zxid in zxids if zxid and zxid & _COUNTER_BITS}
            return (max(txns, default=0),) if len(txns) <= 1 else None

        return self.until("equal zxids on all running members", equal)[0]

    def _settled_leader(self) -> Member | None:
        for member in self:
            if member.ended_by_itself:
                raise self.error(f"{member} ended by itself with exit code {member.exit_code}")
        running = self.running
        modes = {member.sid: member.mode for member in running}
        leaders = [member for member in running if modes[member.sid] == "leader"]
        if None in modes.values() or len(leaders) != 1:
            return None
        try:
            monitor = leaders[0].monitor()
        except OSError:
            return None
        in_sync = {
            "zk_synced_followers": sum(1 for mode in modes.values() if mode == "follower"),
            "zk_synced_observers": sum(1 for mode in modes.values() if mode == "observer"),
        }
        # A member serves when it is in sync; the leader's own count also tells of those that it has lost.
        agrees = all(int(monitor.get(key, count)) == count for key, count in in_sync.items())
        return leaders[0] if agrees else None

    # -- failing

    def error(self, message: str) -> EnsembleError:
        """An error with the state and the end of the log of every member."""
        return EnsembleError(f"{self}: {message}\n{self.report()}")

    def report(self) -> str:
        """The state and the end of the log of every member."""
        return "\n".join(
            f"--- {member} {member.mode if member.is_running else f'ended with {member.exit_code}'}"
            f" client port {member.port}\n{member.log_excerpt()}"
            for member in self
        )
