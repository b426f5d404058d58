"""World: virtual time, and everything in it.

A heap of (time in us, number, what to do). Nothing waits, and nothing runs beside anything else: what happens
is a function of the seed.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from random import Random
from typing import Any

from ...jute.ids import Sid
from .clock import Clock
from .member import SimMember, host_of
from .network import Network, Owner
from .plan import Plan
from .watcher import Watcher


class World:
    """Everything there is.

    Args:
        plan: what was chosen for this run.
        observer: sees everything.
    """

    def __init__(self, plan: Plan, observer: Watcher) -> None:
        self.plan = plan
        self.observer = observer
        self.now_us = 0
        self.steps = 0
        self._events: list[tuple[int, int, Callable[[Any], None], Any]] = []
        self._number = 0
        self.network = Network(self, self.random("network"))
        self.machines: dict[str, Owner] = {}
        self.members: dict[Sid, SimMember] = {}
        for sid in plan.verifier.members:
            member = SimMember(self, sid, self.random(f"member {sid}"), Clock())
            self.members[sid] = member
            self.machines[member.host] = member
        plan.shape(self.network)
        observer.begin(self)

    def random(self, concern: str) -> Random:
        """A source of chance of its own for one concern, so that they don't disturb each other."""
        return Random(f"{self.plan.seed} {concern}")

    def at(self, time_us: int, action: Callable[[Any], None], argument: Any) -> None:
        """Do this then."""
        self._number += 1
        heapq.heappush(self._events, (time_us, self._number, action, argument))

    def after_ms(self, wait_ms: float, action: Callable[[Any], None], argument: Any = None) -> None:
        """Do this so much later."""
        self.at(self.now_us + int(wait_ms * 1000), action, argument)

    def run(self, for_ms: float, until: Callable[[], bool] | None = None) -> bool:
        """Let time pass. Whether the condition came true; it is looked at every now and then."""
        end_us = self.now_us + int(for_ms * 1000)
        events, pop = self._events, heapq.heappop
        steps = 0
        while events and events[0][0] <= end_us:
            self.now_us, _, action, argument = pop(events)
            action(argument)
            steps += 1
            if until is not None and not steps & 15 and until():
                self.steps += steps
                return True
        self.steps += steps
        self.now_us = end_us
        return until is not None and until()

    def step(self, end_us: int) -> bool:
        """Do the next thing; False if there is none until then, and it is then now."""
        if not self._events or self._events[0][0] > end_us:
            self.now_us = end_us
            return False
        self.now_us, _, action, argument = heapq.heappop(self._events)
        action(argument)
        self.steps += 1
        return True

    @property
    def up(self) -> list[SimMember]:
        """Members whose process runs."""
        return [member for member in self.members.values() if member.is_up]


__all__ = ["World", "host_of"]
