"""Three servers that elect a leader, each a process with a folder and ports of its own on 127.0.0.1.

All members of an ensemble are of one kind. Here they are started, killed and wiped, and told apart; what is
measured on them is in ``ensemble_rows.py``.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .client import EPOCH_SHIFT, RawClient, four_letter_word
from .errors import BenchError
from .kinds import ServerKind
from .ports import lasting_ports
from .readiness import await_replies
from .servers import START_DEADLINE_S, ServerProcess, config_text

SIZE = 3
INIT_LIMIT, SYNC_LIMIT = 10, 5
"""As in the zoo_sample.cfg of the original."""


@dataclass(kw_only=True)
class Member(ServerProcess):
    """One server of an ensemble; its ports and its folder stay the same for its whole life."""

    sid: int
    port: int
    quorum_port: int
    election_port: int

    def wipe(self) -> None:
        """Removes its data, as if it had a new disk. It must not be running."""
        shutil.rmtree(self.data_dir, ignore_errors=True)


@dataclass(frozen=True)
class EnsembleStart:
    """From the first exec to the first answered create, and until every member has answered one."""

    first_write_s: float
    all_serve_s: float
    cpu_s: float


class Ensemble:
    """Use ``start`` first and ``stop`` at the end, whatever happened."""

    def __init__(self, kind: ServerKind, directory: Path, properties: Mapping[str, str]) -> None:
        self.directory = directory
        ports = iter(lasting_ports(3 * SIZE))
        self.members = tuple(
            Member(
                kind,
                directory / str(sid),
                properties,
                sid=sid,
                port=next(ports),
                quorum_port=next(ports),
                election_port=next(ports),
            )
            for sid in range(1, SIZE + 1)
        )
        self._waits = 0

    def start(self) -> EnsembleStart:
        """Starts all members and waits until each has answered a create."""
        begun = time.perf_counter()
        for member in self.members:
            self._launch(member)
        replied = self.await_writes(self.members).values()
        return EnsembleStart(
            first_write_s=min(replied) - begun,
            all_serve_s=max(replied) - begun,
            cpu_s=sum(member.cpu_s() for member in self.members),
        )

    def restart(self, member: Member) -> float:
        """Starts a member that was stopped; returns the seconds from exec to its answer to a create."""
        begun = self._launch(member)
        return self.await_writes([member])[member.port] - begun

    def stop(self) -> None:
        """Ends every member."""
        for member in self.members:
            member.stop()

    @property
    def leader(self) -> Member:
        """The member that says it leads. Raises ``BenchError`` unless it is exactly one."""
        leaders = [member for member in self._running if _mode(member) == "leader"]
        if len(leaders) != 1:
            raise self._error(f"{len(leaders)} members lead")
        return leaders[0]

    @property
    def followers(self) -> list[Member]:
        """The members that say they follow."""
        return [member for member in self._running if _mode(member) == "follower"]

    @property
    def epoch(self) -> int:
        """Of the leader's last zxid."""
        zxid = re.search(r"^Zxid: 0x([0-9a-f]+)$", four_letter_word(self.leader.port, "srvr"), re.MULTILINE)
        if zxid is None:
            raise self._error("the leader tells no zxid")
        return int(zxid[1], 16) >> EPOCH_SHIFT

    def sync(self) -> None:
        """Waits until every member has applied what is committed by now."""
        for member in self._running:
            with RawClient(member.port) as client:
                client.sync("/")

    def await_writes(
        self, members: Sequence[Member], *, replies: int | None = None, after_epoch: int = -1
    ) -> dict[int, float]:
        """When each of the members has first answered a create (``await_replies``), by its port."""
        self._waits += 1
        try:
            return await_replies(
                [member.port for member in members],
                f"/first-{self._waits}",
                deadline_s=START_DEADLINE_S,
                is_alive=lambda: all(member.is_alive() for member in members),
                replies=replies,
                after_epoch=after_epoch,
            )
        except (BenchError, OSError) as error:
            raise self._error(str(error)) from error

    @property
    def _running(self) -> list[Member]:
        return [member for member in self.members if member.is_alive()]

    def _launch(self, member: Member) -> float:
        member.data_dir.mkdir(parents=True, exist_ok=True)
        (member.data_dir / "myid").write_text(f"{member.sid}\n")
        return member.launch(self._config_text(member))

    def _config_text(self, member: Member) -> str:
        lines = f"initLimit={INIT_LIMIT}\nsyncLimit={SYNC_LIMIT}\n"
        for one in self.members:
            lines += f"server.{one.sid}=127.0.0.1:{one.quorum_port}:{one.election_port}\n"
        return config_text(member.data_dir, member.port) + lines

    def _error(self, text: str) -> BenchError:
        logs = (f"\n  member {member.sid}:{member.log_tail()}" for member in self.members)
        return BenchError(text + "".join(logs))


def _mode(member: Member) -> str | None:
    mode = re.search(r"^Mode: (\w+)$", four_letter_word(member.port, "srvr"), re.MULTILINE)
    return mode[1] if mode else None
