"""A row of the table, and the figures that most rows make of what the load generator saw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import metrics
from .lab import Lab
from .loadgen import LoadResult
from .metrics import Readings

GENERATOR_CORES_FREE = 0.7
"""A generator busier than this may be what was measured: the row then tells so."""


@dataclass(frozen=True)
class Row:
    """One line of the table, or a few that are measured together."""

    name: str
    group: str
    title: str
    measure: Callable[[Lab], Readings]
    is_long: bool = False
    """Left out of a quick run unless it is asked for by name."""


def throughput(result: LoadResult) -> Readings:
    """Figures of a row with many requests outstanding."""
    readings = {metrics.OPS: result.ops_per_s, metrics.CPU_PER_OP: result.cpu_us_per_op}
    if result.generator_cores > GENERATOR_CORES_FREE:
        readings[metrics.GENERATOR] = result.generator_cores
    return readings


def latency(result: LoadResult) -> Readings:
    """Figures of a row with one request outstanding."""
    return {
        metrics.P50: result.p50_us,
        metrics.P99: result.p99_us,
        metrics.CPU_PER_OP: result.cpu_us_per_op,
    }
