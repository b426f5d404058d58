"""What a server has counted and measured since its start: Java's counters and summaries (``ServerMetrics``).

Nothing on a request's way pays for them. Whoever does something rare counts it here (``add``, ``observe``);
what comes with every batch is counted once per batch; what the server's statistics, its tree or its log know
already is taken from there when somebody asks (``ServerView``). Names without a counterpart (there is no
pool of commit threads here, no cleaner of dead watchers, no queue in front of preparation) stay 0.

Some stay 0 because every read, write or packet would pay for them: hits of the reply cache, and the summaries
of which there are many (``metric_sets``).

Times are whole milliseconds. Not here: gauges (``gauges``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from ..jute.codes import EventType
from .metric_names import COUNTERS, PERCENTILES, SUMMARIES

if TYPE_CHECKING:
    from .four_letter import ServerView

Value = int | float | str

_QUANTILES: Final = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999))


class Summary:
    """Average, extremes, count and sum of values (``AvgMinMaxCounter``)."""

    __slots__ = ("count", "max", "min", "total")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start again (``srst``)."""
        self.count = self.total = self.min = self.max = 0

    def add(self, value: int, times: int = 1) -> None:
        """There was such a value, ``times`` times."""
        if not self.count:
            self.min = self.max = value
        elif value < self.min:
            self.min = value
        elif value > self.max:
            self.max = value
        self.count += times
        self.total += value * times

    def rows(self, name: str) -> Iterator[tuple[str, Value]]:
        """Names and values as ``mntr`` has them."""
        return _rows(name, self.count, self.total, self.min, self.max)


class Histogram:
    """A summary with percentiles (``AvgMinMaxPercentileCounter``); exact, where the original samples.

    ``counts`` is how often there was each value; who is in a hurry adds to it directly.
    """

    __slots__ = ("counts",)

    def __init__(self, *parts: Mapping[int, int]) -> None:
        """``parts`` are counts by value, to be taken together."""
        self.counts: dict[int, int] = {}
        for part in parts:
            for value, times in part.items():
                self.add(value, times)

    def reset(self) -> None:
        """Start again (``srst``)."""
        self.counts.clear()

    def add(self, value: int, times: int = 1) -> None:
        """There was such a value, ``times`` times."""
        if times:
            self.counts[value] = self.counts.get(value, 0) + times

    @property
    def count(self) -> int:
        """How many values there were."""
        return sum(self.counts.values())

    @property
    def total(self) -> int:
        """Their sum."""
        return sum(value * times for value, times in self.counts.items())

    def quantile(self, quantile: float) -> int:
        """Interpolated between neighbours and rounded, as by the metrics library the original uses."""
        count = self.count
        if not count:
            return 0
        ordered = sorted(self.counts.items())
        position = quantile * (count + 1)
        index = int(position)
        if index < 1:
            return ordered[0][0]
        if index >= count:
            return ordered[-1][0]
        lower, upper = _nth(ordered, index), _nth(ordered, index + 1)
        return int(lower + (position - index) * (upper - lower) + 0.5)

    def rows(self, name: str) -> Iterator[tuple[str, Value]]:
        """Names and values as ``mntr`` has them."""
        counts = self.counts
        smallest, largest = (min(counts), max(counts)) if counts else (0, 0)
        yield from _rows(name, self.count, self.total, smallest, largest)
        for prefix, quantile in _QUANTILES:
            yield f"{prefix}_{name}", self.quantile(quantile)


class BatchTimes:
    """Batches of the log: how large they were, and how long their requests waited and were written, in ms.

    Counts by value, because a batch is on the way of every write.
    """

    __slots__ = ("flush_ms", "queue_ms", "sizes", "total_ms", "waiting")

    def __init__(self) -> None:
        self.sizes: dict[int, int] = {}
        self.waiting: dict[int, int] = {}
        self.queue_ms: dict[int, int] = {}
        self.flush_ms: dict[int, int] = {}
        self.total_ms: dict[int, int] = {}

    def record(self, size: int, waiting: int, queue_ms: int, flush_ms: int) -> None:
        """A batch is written; ``waiting`` requests gathered meanwhile, and its oldest had waited so long."""
        counts = self.sizes
        counts[size] = counts.get(size, 0) + 1
        counts = self.waiting
        counts[waiting] = counts.get(waiting, 0) + 1
        counts = self.queue_ms
        counts[queue_ms] = counts.get(queue_ms, 0) + size
        counts = self.flush_ms
        counts[flush_ms] = counts.get(flush_ms, 0) + 1
        counts = self.total_ms
        counts[queue_ms + flush_ms] = counts.get(queue_ms + flush_ms, 0) + size

    @property
    def requests(self) -> int:
        """In all batches."""
        return sum(size * times for size, times in self.sizes.items())

    def reset(self) -> None:
        """Start again."""
        for counts in (self.sizes, self.waiting, self.queue_ms, self.flush_ms, self.total_ms):
            counts.clear()


class ServerMetrics:
    """One server's counters, summaries, and sets of them by key. A name that does not exist is a KeyError."""

    def __init__(self) -> None:
        self.counters: dict[str, int] = dict.fromkeys(COUNTERS, 0)
        self.summaries: dict[str, Summary] = {name: Summary() for name in SUMMARIES}
        self.histograms: dict[str, Histogram] = {name: Histogram() for name in PERCENTILES}
        self.batches = BatchTimes()
        self.write_ms: dict[int, int] = {}
        """How often writing a batch to the disk took so long; the log's thread counts it."""
        self._write_ms_before_reset: dict[int, int] = {}
        self.ack_latencies: dict[str, Histogram] = {}
        """Of some acks, by the number of the member."""
        self.quota_exceeded: dict[str, int] = {}
        """Writes that a hard quota refused, by the first name of their path."""

    def add(self, name: str, times: int = 1) -> None:
        """Something happened."""
        self.counters[name] += times

    def observe(self, name: str, value: int, times: int = 1) -> None:
        """Something was this long or this large."""
        (self.summaries.get(name) or self.histograms[name]).add(value, times)

    def add_ack(self, sid: str, latency_ms: int) -> None:
        """A member's ack came so long after its proposal."""
        self.ack_latencies.setdefault(sid, Histogram()).add(latency_ms)

    def slow_writes(self, threshold_ms: int) -> int:
        """Writes to the disk that took longer, since the start: no reset forgets them, as in the original."""
        counted = (*list(self.write_ms.items()), *self._write_ms_before_reset.items())
        return sum(times for took_ms, times in counted if took_ms > threshold_ms)

    def reset(self) -> None:
        """Everything starts again (``srst``), but for ``slow_writes``."""
        self.counters = dict.fromkeys(COUNTERS, 0)
        for summary in self.summaries.values():
            summary.reset()
        for histogram in (*self.histograms.values(), *self.ack_latencies.values()):
            histogram.reset()
        self.batches.reset()
        before = self._write_ms_before_reset
        for took_ms, times in list(self.write_ms.items()):
            before[took_ms] = before.get(took_ms, 0) + times
        self.write_ms.clear()
        for name in self.quota_exceeded:
            self.quota_exceeded[name] = 0


class Collected(NamedTuple):
    """Every counter and summary by its name; sets by key are in ``ServerMetrics``."""

    counters: Mapping[str, int]
    summaries: Mapping[str, Summary]
    histograms: Mapping[str, Histogram]


def collected(view: ServerView) -> Collected:
    """What was counted, with what the server's parts know already."""
    metrics = view.database.metrics
    more = view.more_counts()
    return Collected(
        {**metrics.counters, **_derived_counters(view, metrics), **more},
        {**metrics.summaries, **_derived_summaries(view, metrics)},
        {**metrics.histograms, **_derived_histograms(view, metrics)},
    )


def metric_rows(view: ServerView) -> Iterator[tuple[str, Value]]:
    """Every counter and summary with its value, in the order in which they are printed."""
    metrics = view.database.metrics
    counters, summaries, histograms = collected(view)
    for name in COUNTERS:
        yield name, counters[name]
    for namespace, refused in metrics.quota_exceeded.items():
        yield f"{namespace}_quota_exceeded_error_per_namespace", refused
    for name in SUMMARIES:
        yield from summaries[name].rows(name)
    for name in PERCENTILES:
        yield from histograms[name].rows(name)


def _derived_counters(view: ServerView, metrics: ServerMetrics) -> dict[str, int]:
    stats = view.stats
    queued = metrics.batches.requests
    return {
        "bytes_received_count": stats.bytes_received,
        "response_bytes": stats.response_bytes,
        "watch_bytes": stats.watch_bytes,
        "digest_mismatches_count": view.database.digest_mismatches,
        # Whatever is prepared goes on to the log.
        "prep_processor_request_queued": queued,
        "sync_processor_request_queued": queued,
    }


def _derived_summaries(view: ServerView, metrics: ServerMetrics) -> dict[str, Summary]:
    fired = view.database.tree.watches.fired
    batches = metrics.batches
    queued = {0: batches.requests}
    return {
        "node_created_watch_count": fired[EventType.NODE_CREATED],
        "node_deleted_watch_count": fired[EventType.NODE_DELETED],
        "node_changed_watch_count": fired[EventType.NODE_DATA_CHANGED],
        "node_children_watch_count": fired[EventType.NODE_CHILDREN_CHANGED],
        "fsynctime": _summary(metrics.write_ms),
        "sync_processor_batch_size": _summary(batches.sizes),
        "sync_processor_queue_size": _summary(batches.waiting),
        # Nothing waits in front of these, and none takes a millisecond.
        "connection_token_deficit": _summary({0: metrics.counters["connection_request_count"]}),
        "prep_processor_queue_size": _summary(queued),
        "prep_process_time": _summary(queued),
        "proposal_process_time": _summary(queued),
        "sync_process_time": _summary(queued),
    }


def _derived_histograms(view: ServerView, metrics: ServerMetrics) -> dict[str, Histogram]:
    stats = view.stats
    batches = metrics.batches
    updates = Histogram(stats.update_latencies)
    stalled = metrics.histograms["request_throttle_queue_time_ms"]
    not_stalled = max(stats.requests_answered - stalled.count, 0)
    derived = {
        "readlatency": Histogram({0: stats.reads_at_once}, stats.read_latencies),
        "updatelatency": updates,
        "prep_processor_queue_time_ms": Histogram({0: batches.requests}),
        "request_throttle_queue_time_ms": Histogram({0: not_stalled}, stalled.counts),
        "sync_processor_queue_time_ms": Histogram(batches.queue_ms),
        "sync_processor_queue_flush_time_ms": Histogram(batches.flush_ms),
        "sync_processor_queue_and_flush_time_ms": Histogram(batches.total_ms),
    }
    if view.mode in ("standalone", "leader"):
        # A txn is made in the moment its request comes in.
        derived["propagation_latency"] = updates
    return derived


def _summary(counts: Mapping[int, int]) -> Summary:
    """Of counts by value."""
    summary = Summary()
    for value, times in list(counts.items()):
        if times:
            summary.add(value, times)
    return summary


def _rows(name: str, count: int, total: int, smallest: int, largest: int) -> Iterator[tuple[str, Value]]:
    yield f"avg_{name}", average(total, count)
    yield f"min_{name}", smallest
    yield f"max_{name}", largest
    yield f"cnt_{name}", count
    yield f"sum_{name}", total


def average(total: int, count: int) -> float:
    """Rounded half up to four digits, as Java does; 0.0 of nothing."""
    return (20_000 * total + count) // (2 * count) / 10_000 if count else 0.0


def _nth(ordered: Iterable[tuple[int, int]], rank: int) -> int:
    """The value with this rank, counted from 1, among values in order with their counts."""
    for value, times in ordered:
        rank -= times
        if rank <= 0:
            return value
    raise AssertionError("there are fewer values")
