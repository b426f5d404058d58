"""Many runs: which seeds broke what, and whether every kind of fault and event was met."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from .run import simulate

EXPECTED: Final = (
    "fault: kill",
    "fault: power loss",
    "fault: power loss of all",
    "fault: kill of all",
    "fault: crash armed",
    "fault: disk error",
    "fault: full disk",
    "fault: reset",
    "fault: half open",
    "fault: partition",
    "fault: one-way cut",
    "fault: isolation",
    "fault: pause",
    "fault: clock rate",
    "fault: wall clock jump",
    "fault: wipe",
    "fault: bit rot",
    "data given up",
    "fault: client reset",
    "fault: client silent",
    "fault: ambush",
    "ambush sprung",
    "crash in a disk call",
    "kill in a disk call",
    "torn write",
    "unsynced writes lost",
    "slow fsync",
    "died loudly of its disk",
    "sync: DIFF",
    "sync: empty DIFF",
    "sync: TRUNC",
    "sync: TRUNC and DIFF",
    "sync: SNAP",
    "epoch established",
    "leader serves",
    "fast-forward",
    "epoch used up",
    "out of use, removed",
    "snapshot written",
    "snapshot abandoned",
    "snapshot failed",
    "leader ended in discovery",
    "leader ended in synchronization",
    "leader ended in broadcast",
    "learner ended in connecting",
    "learner ended in registering",
    "learner ended in await sync",
    "learner ended in snapshot",
    "learner ended in syncing",
    "learner ended in saving",
    "learner ended in await serving",
    "learner ended in broadcast",
    "session expired by the leader",
    "session moved",
)
"""Kinds of which every long series of runs has to have at least one."""
LONG_ENOUGH: Final = 300
"""Runs after which every kind must have been met."""


@dataclass(slots=True)
class Result:
    """What a run leaves behind when it is over; small enough to come from another process."""

    seed: int
    invariant: str
    detail: str
    counts: dict[str, int]
    trace_hash: int
    steps: int
    committed: int


@dataclass(slots=True)
class Series:
    """What many runs leave behind."""

    runs: int = 0
    seconds: float = 0.0
    steps: int = 0
    committed: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[Result] = field(default_factory=list)

    @property
    def missing(self) -> list[str]:
        """Kinds that should have been met and were not."""
        return [kind for kind in EXPECTED if not self.counts[kind]] if self.runs >= LONG_ENOUGH else []

    def add(self, result: Result) -> None:
        """One run more."""
        self.runs += 1
        self.steps += result.steps
        self.committed += result.committed
        self.counts.update(result.counts)
        if result.invariant:
            self.failures.append(result)


def run_seed(seed: int) -> Result:
    """One run, in whatever process."""
    outcome = simulate(seed)
    violation = outcome.violation
    return Result(
        seed,
        "" if violation is None else violation.invariant,
        "" if violation is None else violation.detail,
        dict(outcome.counts),
        outcome.trace_hash,
        outcome.steps,
        outcome.committed,
    )


def run_series(
    seeds: Sequence[int],
    *,
    processes: int = 0,
    seconds_max: float = 0.0,
    told: Callable[[Result], None] = lambda _: None,
) -> Series:
    """Run all seeds.

    Args:
        seeds: which.
        processes: how many at once; 0: one per core, 1: this one.
        seconds_max: begin no run after this time; 0: no limit.
        told: called with every result.
    """
    series = Series()
    started = time.monotonic()
    for result in _results(seeds, processes or os.cpu_count() or 1):
        series.add(result)
        told(result)
        if seconds_max and time.monotonic() - started > seconds_max:
            break
    series.seconds = time.monotonic() - started
    return series


def _results(seeds: Sequence[int], processes: int) -> Iterator[Result]:
    if processes == 1 or len(seeds) == 1:
        yield from map(run_seed, seeds)
        return
    with ProcessPoolExecutor(processes) as pool:
        try:
            yield from pool.map(run_seed, seeds, chunksize=4)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
