"""Takes a recording through all its crash states and lets the next process find what is left.

Each state is opened, read and compared with what was promised at that moment; the process that found it
writes on, and its own calls are a recording too, whose states are looked at in turn (a crash while recovering
from a crash), as deep as asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from zoolet.storage.errors import StorageError
from zoolet.storage.tests.crash_life import Home, Life, Promise, Wrong
from zoolet.storage.tests.crash_recorder import Image, Mutation, RecordingDisk
from zoolet.storage.tests.crash_states import DiskModel


@dataclass(frozen=True, slots=True)
class Thoroughness:
    """How many states are looked at."""

    per_call: int
    """After each call of a recording, if there are so many."""
    nested_share: float = 0.1
    """Of how many states the recovery is a recording to be explored."""
    nested_per_call: int = 3
    depth: int = 2
    problems_max: int = 5
    """When to give up."""


@dataclass(slots=True)
class Explorer:
    """Counts the states it has looked at and keeps what was wrong in the first few."""

    home: Home
    random: Random
    thoroughness: Thoroughness
    mutation: Callable[[], Mutation] | None = None
    """What is wrong with the disk of whoever recovers."""
    states: set[int] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)

    def explore(self, recording: RecordingDisk, promise: Promise, *, start: int = 0) -> None:
        """Look at the states after each call from `start` on; `promise` is what held at the beginning."""
        self._explore(recording, promise, start, self.thoroughness.per_call, 0)

    def _explore(
        self, recording: RecordingDisk, promise: Promise, start: int, per_call: int, depth: int
    ) -> None:
        model = DiskModel(recording.image)
        seen: set[int] = set()
        for number, call in enumerate(recording.calls):
            if call[0] == "note":
                if promise != call[1]:
                    promise = call[1]
                    seen.clear()
                    changed = True
                else:
                    changed = False
            else:
                changed = model.replay(call)
            if not changed or number < start:
                continue
            for image in model.states(per_call, self.random):
                key = hash(frozenset(image.items()))
                if key in seen:
                    continue
                seen.add(key)
                # With another promise it is looked at again, and counted once all the same.
                self.states.add(key)
                self._look_at(image, promise, f"{number} {call[0]} {call[1:3]!r:.60}", depth)
                if len(self.problems) >= self.thoroughness.problems_max:
                    return

    def _look_at(self, image: Image, promise: Promise, where: str, depth: int) -> None:
        recording = RecordingDisk(image)
        if self.mutation is not None:
            recording.mutation = self.mutation()
        life = Life(recording, self.home, promise)
        try:
            life.start()
            life.write(40, 600)
            again = RecordingDisk(recording.image_without_power())
            Life(again, self.home, life.promise).start()
        except (Wrong, StorageError, AssertionError) as error:
            self.problems.append(f"[after {where}] {type(error).__name__}: {error}")
            return
        if depth < self.thoroughness.depth and self.random.random() < self.thoroughness.nested_share:
            before = len(self.problems)
            self._explore(recording, promise, 0, self.thoroughness.nested_per_call, depth + 1)
            self.problems[before:] = [f"[after {where}] {problem}" for problem in self.problems[before:]]
