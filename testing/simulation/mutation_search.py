"""Is every deliberate mistake found by chance? For each row of ``mutations.py``: seeds until it shows."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Final

import click

from .mutations import BY_NAME, MUTATIONS, applied
from .run import simulate

SEEDS_MAX: Final = 400
"""A mistake that takes more is as good as not found."""
FIRST_SEED: Final = 1_000_000
"""Away from the seeds that everybody looks at."""


@dataclass(slots=True)
class Found:
    """What a search came to."""

    name: str
    seeds: int
    """Runs until the first violation, that one included."""
    seed: int
    seconds: float
    invariant: str
    """Empty: not found."""


def search(name: str, seeds_max: int = SEEDS_MAX, first_seed: int = FIRST_SEED) -> Found:
    """Run with a mistake until something is violated."""
    assert name in BY_NAME
    started = time.process_time()
    with applied(name):
        for number in range(seeds_max):
            violation = simulate(first_seed + number).violation
            if violation is not None:
                seconds = time.process_time() - started
                return Found(name, number + 1, first_seed + number, seconds, violation.invariant)
    return Found(name, seeds_max, -1, time.process_time() - started, "")


def search_all(names: Sequence[str], seeds_max: int = SEEDS_MAX, processes: int = 0) -> Iterator[Found]:
    """The same for many, in their order."""
    count = processes or os.cpu_count() or 1
    if count == 1:
        for name in names:
            yield search(name, seeds_max)
        return
    with ProcessPoolExecutor(count) as pool:
        yield from pool.map(search, names, [seeds_max] * len(names))


def print_table(seeds_max: int = 0, processes: int = 0) -> int:
    """Search for all and tell; returns how many were not found."""
    found = []
    for result in search_all([row.name for row in MUTATIONS], seeds_max or SEEDS_MAX, processes):
        found.append(result)
        how = result.invariant or "NOT FOUND"
        was = BY_NAME[result.name].seen_as
        what = f"{result.name} ({was})" if was else result.name
        click.echo(f"{result.seeds:5} seeds {result.seconds:7.1f} s  {how:26} {what}")
    missed = [result for result in found if not result.invariant]
    hits = [result for result in found if result.invariant]
    if hits:
        seeds, seconds = [hit.seeds for hit in hits], [hit.seconds for hit in hits]
        click.echo(
            f"{len(hits)} of {len(found)} found; seeds: median {statistics.median(seeds):.0f},"
            f" worst {max(seeds)}; seconds: median {statistics.median(seconds):.1f}, worst {max(seconds):.1f}"
        )
    return len(missed)
