"""Who can talk to whom inside a test's ensemble.

Every connection between two members was made by one of them, to an address of the other. So each member has
a list of addresses that it may not connect to, and closes the connections it has to those, or falls silent on
them; with the same done on the other side, nothing comes through between the two any more. Only the ports are
looked at: all of them are on 127.0.0.1, and each belongs to one member.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from ..quorum.launcher.layout import MemberLayout


class Network:
    """The connections of one member. Its methods are called on the member's thread and never wait."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._unreachable: frozenset[int] = frozenset()

    def may_dial(self, host: str, port: int) -> bool:
        """Whether the address can be reached."""
        return port not in self._unreachable

    def status_changed(self) -> None:
        """The member has another state, leader, or readiness for clients than before."""
        self._on_change()

    def block(self, members: Iterable[MemberLayout]) -> None:
        """From now on these can't be reached, and all others can. Called by the test's thread."""
        self._unreachable = frozenset(port for member in members for port in member.ports)


class Partition:
    """The groups that the members of an ensemble are in; only members of one group reach each other."""

    def __init__(self, members: Sequence[MemberLayout]) -> None:
        self._members = members
        self._group_of = dict.fromkeys((member.sid for member in members), 0)

    def split(self, groups: Iterable[Iterable[int]]) -> None:
        """Put the sids of each group into one; those not named stay together in a group of their own.

        Raises ValueError for a sid that is unknown or named twice.
        """
        group_of: dict[int, int] = {}
        for number, group in enumerate(groups, 1):
            for sid in group:
                if sid in group_of:
                    raise ValueError(f"server {sid} cannot be in two groups")
                if sid not in self._group_of:
                    raise ValueError(f"there is no server {sid}")
                group_of[sid] = number
        self._group_of = {sid: group_of.get(sid, 0) for sid in self._group_of}

    def heal(self) -> None:
        """One group of all."""
        self.split([])

    def unreachable_from(self, sid: int) -> list[MemberLayout]:
        """The members in other groups."""
        group = self._group_of[sid]
        return [member for member in self._members if self._group_of[member.sid] != group]

    @property
    def groups(self) -> list[list[MemberLayout]]:
        """The members by group."""
        found: Mapping[int, list[MemberLayout]] = {
            number: [] for number in sorted(set(self._group_of.values()))
        }
        for member in self._members:
            found[self._group_of[member.sid]].append(member)
        return list(found.values())


class Changes:
    """Lets one thread wait for something that others bring about."""

    def __init__(self) -> None:
        self._condition = threading.Condition()

    def tell(self) -> None:
        """Something has changed."""
        with self._condition:
            self._condition.notify_all()

    def wait_until(self, is_so: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until `is_so()`, asked again at every change; False when time is up first."""
        deadline = time.monotonic() + timeout_s
        with self._condition:
            return self._condition.wait_for(is_so, max(0.0, deadline - time.monotonic()))
