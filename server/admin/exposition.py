"""Prometheus' text format, version 0.0.4, as the client library of Java's server writes it.

    # HELP fsynctime fsynctime
    # TYPE fsynctime summary
    fsynctime{quantile="0.5",} NaN
    fsynctime_count 3.0
    fsynctime_sum 12.0

Names are Java's, which are also those of `mntr` without their prefixes; a name is its own help. Percentiles
are of everything since the start, where Java's are of the last ten minutes; of summaries without percentiles
Java tells the median, which nothing here knows (NaN).

Not here: HTTP (`metrics_site`), and what is counted (`metrics`, `gauges`).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from ..four_letter import ServerView
from ..gauges import server_gauges
from ..java_text import java_double
from ..metric_names import COUNTERS, PERCENTILES, SUMMARIES
from ..metrics import Histogram, Summary, collected
from ..quota import limits_and_usage
from .process_numbers import process_numbers

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_ADVANCED: Final = (0.5, 0.9, 0.99)


@dataclass(frozen=True, slots=True)
class Sample:
    """A value, with the labels it has."""

    name: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Family:
    """A metric, and the samples that it consists of."""

    name: str
    kind: str
    """`gauge`, `counter` or `summary`."""
    samples: tuple[Sample, ...]
    help: str = ""


def exposition(families: Iterator[Family], wanted: Collection[str] = ()) -> str:
    """The text; of `wanted` samples only, if any are named."""
    return "".join(_lines(families, wanted))


def _lines(families: Iterator[Family], wanted: Collection[str]) -> Iterator[str]:
    for family in families:
        samples = [sample for sample in family.samples if not wanted or sample.name in wanted]
        if wanted and not samples:
            continue
        yield f"# HELP {family.name} {_escaped(family.help or family.name)}\n"
        yield f"# TYPE {family.name} {family.kind}\n"
        for sample in samples:
            labels = "".join(f'{name}="{_quoted(value)}",' for name, value in sample.labels)
            yield f"{sample.name}{f'{{{labels}}}' if labels else ''} {_number(sample.value)}\n"


def families_of(view: ServerView, *, with_process: bool) -> Iterator[Family]:
    """Everything a server counts, and what its process does."""
    if with_process:
        for name, kind, help_text, value in process_numbers():
            yield Family(name, kind, (Sample(name, value),), help_text)
    if view.is_serving:  # the gauges are those of the server that takes clients
        for name, number in server_gauges(view):
            yield Family(name, "gauge", (Sample(name, float(number)),))
        for name, sums in limits_and_usage(view.database.tree):
            yield _labelled(f"{name}_per_namespace", "gauge", sums)
    counters, summaries, histograms = collected(view)
    metrics = view.database.metrics
    for name in COUNTERS:
        yield Family(name, "counter", (Sample(name, counters[name]),))
    yield _labelled("quota_exceeded_error_per_namespace", "counter", metrics.quota_exceeded)
    for name in SUMMARIES:
        yield Family(name, "summary", tuple(_summary(name, summaries[name])))
    for name in PERCENTILES:
        yield Family(name, "summary", tuple(_histogram(name, histograms[name])))


def _labelled(name: str, kind: str, values: Mapping[str, int]) -> Family:
    return Family(name, kind, tuple(Sample(name, value, (("key", key),)) for key, value in values.items()))


def _summary(name: str, summary: Summary) -> Iterator[Sample]:
    yield Sample(name, math.nan, (("quantile", "0.5"),))
    yield Sample(f"{name}_count", summary.count)
    yield Sample(f"{name}_sum", summary.total)


def _histogram(name: str, histogram: Histogram) -> Iterator[Sample]:
    for quantile in _ADVANCED:
        value = float(histogram.quantile(quantile)) if histogram.count else math.nan
        yield Sample(name, value, (("quantile", str(quantile)),))
    yield Sample(f"{name}_count", histogram.count)
    yield Sample(f"{name}_sum", histogram.total)


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return java_double(float(value))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', '\\"')
