"""What the members of an ensemble say about themselves, and what that makes of the ensemble.

Members are asked with the four-letter word `srvr`. Not here: the sockets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from .layout import EnsembleLayout

STANDALONE: Final = "standalone"
LEADER: Final = "leader"

_EPOCH_SHIFT: Final = 32


@dataclass(frozen=True, slots=True)
class MemberReport:
    """One answer to `srvr`."""

    mode: str
    """`leader`, `follower`, `observer`, `standalone`, `read-only`."""
    zxid: int
    connections: int
    """Connections of clients, without the one that asked."""


@dataclass(frozen=True, slots=True)
class EnsembleStatus:
    """The reports of all members that serve, by sid; those that don't are missing."""

    layout: EnsembleLayout
    reports: Mapping[int, MemberReport]

    @property
    def leader(self) -> int | None:
        """Who leads (a standalone server leads itself)."""
        leaders = [sid for sid, report in self.reports.items() if report.mode in (LEADER, STANDALONE)]
        # An old leader may not know yet that it is none: the one with the later epoch is right.
        return max(leaders, key=lambda sid: self.reports[sid].zxid, default=None)

    @property
    def has_quorum(self) -> bool:
        """Whether a leader serves, and with it more than half of the voters."""
        voters = self.layout.voters
        serving = [
            member for member in voters if member.sid in self.reports and self._is_in_quorum(member.sid)
        ]
        return self.leader is not None and 2 * len(serving) > len(voters)

    @property
    def epoch(self) -> int:
        """The leader's epoch; 0 without a leader."""
        return self.zxid >> _EPOCH_SHIFT

    @property
    def zxid(self) -> int:
        """The last zxid of the leader; 0 without one."""
        return 0 if self.leader is None else self.reports[self.leader].zxid

    @property
    def clients(self) -> int:
        """Connections of clients to all members."""
        return sum(report.connections for report in self.reports.values())

    @property
    def summary(self) -> str:
        """The parts of it that do not change all the time, in one line."""
        members = " ".join(f"{member.sid}:{self.mode_of(member.sid)}" for member in self.layout.members)
        who = f"server {self.leader} leads, epoch {self.epoch}" if self.has_quorum else "no quorum"
        return f"{who} ({members})"

    @property
    def line(self) -> str:
        """All of it, in one line."""
        if not self.has_quorum:
            return self.summary
        clients = "1 client" if self.clients == 1 else f"{self.clients} clients"
        who, _, members = self.summary.partition(" (")
        return f"{who}, zxid 0x{self.zxid:x}, {clients} ({members}"

    def mode_of(self, sid: int) -> str:
        """What a member is at the moment; `down` when it does not serve."""
        report = self.reports.get(sid)
        return "down" if report is None else report.mode

    def _is_in_quorum(self, sid: int) -> bool:
        return self.reports[sid].mode != "read-only"


_MODE: Final = re.compile(r"^Mode: (\S+)$", re.MULTILINE)
_ZXID: Final = re.compile(r"^Zxid: 0x([0-9a-f]+)$", re.MULTILINE)
_CONNECTIONS: Final = re.compile(r"^Connections: (\d+)$", re.MULTILINE)


def parse_srvr(answer: str) -> MemberReport | None:
    """The report in an answer to `srvr`; None when the server does not serve at the moment."""
    mode, zxid, connections = (pattern.search(answer) for pattern in (_MODE, _ZXID, _CONNECTIONS))
    if mode is None or zxid is None or connections is None:
        return None
    return MemberReport(mode[1], int(zxid[1], 16), max(0, int(connections[1]) - 1))
