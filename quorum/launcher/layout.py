"""What an ensemble on this machine consists of: its members, their ports and their folders.

    DIR/ensemble.json       how many servers, and their ports: what is needed to start it again
    DIR/1/zoo.cfg           a member's configuration, written once; a server may rewrite it (reconfig)
    DIR/1/data/myid         its number, and later its data

All addresses are on 127.0.0.1. From a base port P up, members serve clients at P, P+1, ..., learners at
P+100, ... and elections at P+200, ...; with 0 the system chooses free ports, which are kept from then on.
Not here: starting anything.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from .reserved_port import LOOPBACK, ReservedPort

MEMBERS_MAX: Final = 100
"""The distance between ports of different purpose."""
DEFAULT_BASE_PORT: Final = 2181
DEFAULT_TICK_TIME_MS: Final = 2000
DEFAULT_SERVERS: Final = 3

_DESCRIPTION: Final = "ensemble.json"
_QUORUM_OFFSET: Final = MEMBERS_MAX
_ELECTION_OFFSET: Final = 2 * MEMBERS_MAX
_PORT_MAX: Final = 65535


class LayoutError(Exception):
    """The ensemble can't be as asked; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class MemberLayout:
    """One server: its number, its ports on 127.0.0.1, and whether it votes."""

    sid: int
    client_port: int
    quorum_port: int
    election_port: int
    is_observer: bool = False

    @property
    def line(self) -> str:
        """The line of zoo.cfg that tells every member of this one."""
        role = "observer" if self.is_observer else "participant"
        quorum = f"{LOOPBACK}:{self.quorum_port}:{self.election_port}:{role}"
        return f"server.{self.sid}={quorum};{LOOPBACK}:{self.client_port}"

    @property
    def ports(self) -> tuple[int, int, int]:
        """All of them."""
        return self.client_port, self.quorum_port, self.election_port

    @property
    def connect_string(self) -> str:
        """Where its clients connect to."""
        return f"{LOOPBACK}:{self.client_port}"


@dataclass(frozen=True, slots=True)
class EnsembleLayout:
    """All members, the voters first, and the tick they share."""

    members: tuple[MemberLayout, ...]
    tick_time_ms: int = DEFAULT_TICK_TIME_MS

    @property
    def voters(self) -> tuple[MemberLayout, ...]:
        """The members that elect a leader and whose acks count."""
        return tuple(member for member in self.members if not member.is_observer)

    @property
    def observers(self) -> tuple[MemberLayout, ...]:
        """The members that only follow."""
        return tuple(member for member in self.members if member.is_observer)

    @property
    def connect_string(self) -> str:
        """What clients call hosts: every member's client address."""
        return ",".join(member.connect_string for member in self.members)

    def config_text(self, member: MemberLayout, data_dir: Path) -> str:
        """The member's zoo.cfg."""
        entries: dict[str, object] = {
            "tickTime": self.tick_time_ms,
            "initLimit": 10,
            "syncLimit": 5,
            "dataDir": data_dir,
            "clientPort": member.client_port,
            "clientPortAddress": LOOPBACK,
            "maxClientCnxns": 0,
            "admin.enableServer": "false",
            "4lw.commands.whitelist": "*",
        }
        if member.is_observer:
            entries["peerType"] = "observer"
        if len(self.voters) == 1 and self.observers:
            # A single voter is a standalone server otherwise, which has no observers.
            entries["standaloneEnabled"] = "false"
        lines = [f"{key}={value}" for key, value in entries.items()]
        return "\n".join([*lines, *(each.line for each in self.members), ""])


def plan_layout(
    servers: int,
    observers: int = 0,
    *,
    base_port: int = DEFAULT_BASE_PORT,
    tick_time_ms: int = DEFAULT_TICK_TIME_MS,
) -> EnsembleLayout:
    """A new ensemble. Raises LayoutError for numbers that make no ensemble, OSError when no port is free."""
    count = servers + observers
    if servers < 1:
        raise LayoutError(f"an ensemble needs at least one server that votes, not {servers}")
    if count > MEMBERS_MAX:
        raise LayoutError(f"{count} servers are too many for one machine: {MEMBERS_MAX} at most")
    if base_port and base_port + _ELECTION_OFFSET + count - 1 > _PORT_MAX:
        raise LayoutError(f"with {base_port} as the base port, the last ports would be beyond {_PORT_MAX}")
    ports = _free_ports(3 * count) if base_port == 0 else []
    members = []
    for index in range(count):
        client, quorum, election = ports[3 * index : 3 * index + 3] or (
            base_port + index,
            base_port + index + _QUORUM_OFFSET,
            base_port + index + _ELECTION_OFFSET,
        )
        members.append(MemberLayout(index + 1, client, quorum, election, is_observer=index >= servers))
    return EnsembleLayout(tuple(members), tick_time_ms)


def write_layout(layout: EnsembleLayout, folder: Path) -> None:
    """Make the members' folders and write what is not there yet. Raises OSError."""
    for member in layout.members:
        data_dir = folder / str(member.sid) / "data"
        data_dir.mkdir(parents=True, exist_ok=True)
        _write_once(data_dir / "myid", f"{member.sid}\n")
        _write_once(config_path(folder, member), layout.config_text(member, data_dir.absolute()))
    _write_once(folder / _DESCRIPTION, json.dumps(asdict(layout), indent=1) + "\n")


def read_layout(folder: Path) -> EnsembleLayout | None:
    """The ensemble that lives in a folder; None when there is none. Raises LayoutError and OSError."""
    path = folder / _DESCRIPTION
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
        members = tuple(MemberLayout(**member) for member in described["members"])
        return EnsembleLayout(members, described["tick_time_ms"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise LayoutError(f"{path} does not describe an ensemble: {error!r}") from error


def config_path(folder: Path, member: MemberLayout) -> Path:
    """Where a member's zoo.cfg is."""
    return folder / str(member.sid) / "zoo.cfg"


def _write_once(path: Path, text: str) -> None:
    if not path.exists():
        path.write_text(text, encoding="utf-8")


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        ports = []
        for _ in range(count):
            reserved = ReservedPort()
            held.callback(reserved.release)
            ports.append(reserved.port)
        return ports
