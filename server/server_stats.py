"""Counters of a server and of its connections, as the four-letter words show them.

The same numbers as Java's `ServerStats`, `AvgMinMaxCounter`, `BufferStats` and the statistics of
`ServerCnxn`, in the same units: latencies are whole milliseconds. There is no clock in here and no lock:
the event loop's thread owns these objects, and each update is a few additions whatever happened before.
"""

from __future__ import annotations

from typing import Final

NO_SIZE: Final = -1
"""What a size shows as before there was one (BufferStats.INIT_VALUE)."""

NO_OPERATION: Final = "NA"
_ALL_ONES: Final = -1  # printed as 0xffffffffffffffff


class SizeStats:
    """Sizes in bytes: the last, the smallest, the largest; -1 each before there was one (`BufferStats`)."""

    last: int
    min: int
    max: int

    __slots__ = ("last", "max", "min")

    def __init__(self) -> None:
        self.reset()

    def record(self, size_bytes: int) -> None:
        """There was one more."""
        self.last = size_bytes
        if size_bytes > self.max:
            self.max = size_bytes
        if size_bytes < self.min or self.min < 0:
            self.min = size_bytes

    def reset(self) -> None:
        """Forget them (`srst`)."""
        self.last = self.min = self.max = NO_SIZE


class ServerStats:
    """What one server counts. Read the attributes; change them through the methods.

    Latencies are kept as how often there was each, in ms: `read_latencies` of what was answered without a
    txn, `update_latencies` of the rest. Reads that were answered the moment they came are `reads_at_once`.
    """

    packets_received: int
    packets_sent: int
    bytes_received: int
    response_bytes: int
    watch_bytes: int
    reads_at_once: int
    response_bytes_last: int
    response_bytes_min: int
    response_bytes_max: int

    __slots__ = (
        "auth_failed_count",
        "bytes_received",
        "non_mtls_local_count",
        "non_mtls_remote_count",
        "packets_received",
        "packets_sent",
        "read_latencies",
        "reads_at_once",
        "response_bytes",
        "response_bytes_last",
        "response_bytes_max",
        "response_bytes_min",
        "tls_handshakes",
        "update_latencies",
        "watch_bytes",
    )

    def __init__(self) -> None:
        self.auth_failed_count = 0
        self.non_mtls_local_count = 0
        self.non_mtls_remote_count = 0
        self.tls_handshakes = 0
        self.read_latencies: dict[int, int] = {}
        self.update_latencies: dict[int, int] = {}
        self.reset()

    def record_batch(self, received: int, sent: int, answered: int, latency_ms: int) -> None:
        """Add packets in and out, and requests that changed something and were answered.

        Negative values of `latency_ms` (the clock was set back) are not counted, as in Java.
        """
        self.packets_received += received
        self.packets_sent += sent
        if answered and latency_ms >= 0:
            latencies = self.update_latencies
            latencies[latency_ms] = latencies.get(latency_ms, 0) + answered

    def record_reads(self, count: int, size_bytes: int) -> None:
        """So many reads came in together and were answered at once, by so many bytes with their prefixes."""
        self.packets_sent += count
        self.reads_at_once += count
        self.response_bytes += size_bytes - 4 * count

    def record_answer(self, latency_ms: int, body_bytes: int, latencies: dict[int, int]) -> None:
        """One request was answered by one packet with a body of that size, `latency_ms` after it came in.

        `latencies` is one of `read_latencies` and `update_latencies`.
        """
        self.record_response_size(body_bytes + 16)
        self.packets_sent += 1
        self.response_bytes += body_bytes + 16
        latencies[latency_ms] = latencies.get(latency_ms, 0) + 1

    def record_response_size(self, size_bytes: int) -> None:
        """Remember the size of a response's record."""
        self.response_bytes_last = size_bytes
        if size_bytes > self.response_bytes_max:
            self.response_bytes_max = size_bytes
        if size_bytes < self.response_bytes_min or self.response_bytes_min < 0:
            self.response_bytes_min = size_bytes

    @property
    def requests_answered(self) -> int:
        """Reads and writes."""
        return self.reads_at_once + sum(self.read_latencies.values()) + sum(self.update_latencies.values())

    @property
    def min_latency_ms(self) -> int:
        """0 while nothing was answered."""
        return 0 if self.reads_at_once else min((*self.read_latencies, *self.update_latencies), default=0)

    @property
    def max_latency_ms(self) -> int:
        """0 while nothing was answered."""
        return max((*self.read_latencies, *self.update_latencies), default=0)

    @property
    def avg_latency_ms(self) -> float:
        """Rounded half up to four digits, as Java does; 0.0 while nothing was answered."""
        count = self.requests_answered
        if not count:
            return 0.0
        total = sum(
            latency_ms * times
            for latencies in (self.read_latencies, self.update_latencies)
            for latency_ms, times in latencies.items()
        )
        return (20_000 * total + count) // (2 * count) / 10_000

    def reset(self) -> None:
        """The word `srst`: latencies, packets and sizes start again; failures stay counted."""
        self.packets_received = 0
        self.packets_sent = 0
        self.bytes_received = 0
        self.response_bytes = 0
        self.watch_bytes = 0
        self.reads_at_once = 0
        self.read_latencies.clear()
        self.update_latencies.clear()
        self.response_bytes_last = NO_SIZE
        self.response_bytes_min = NO_SIZE
        self.response_bytes_max = NO_SIZE


class ConnectionStats:
    """What one connection counts."""

    last_cxid: int
    last_zxid: int
    last_operation: str
    last_response_ms: int
    last_latency_ms: int
    max_latency_ms: int
    responses: int
    latency_ms_total: int

    __slots__ = (
        "established_wall_ms",
        "last_cxid",
        "last_latency_ms",
        "last_operation",
        "last_response_ms",
        "last_zxid",
        "latency_ms_total",
        "max_latency_ms",
        "min_latency_ms",
        "packets_received",
        "packets_sent",
        "responses",
    )

    def __init__(self, established_wall_ms: int) -> None:
        """`established_wall_ms` is the time of day the connection was accepted, since 1970."""
        self.established_wall_ms = established_wall_ms
        self.packets_received = 0
        self.packets_sent = 0
        # Java's fields start at 0, so `minlat` stays 0 until the first `crst`; zktop shows it that way.
        self.min_latency_ms = 0
        self._start_again(last_cxid=0, last_zxid=0)

    def record_response(self, cxid: int, zxid: int, operation: str, start_ms: int, end_ms: int) -> None:
        """A request was answered: `operation` is its tag (`GETD`), the times are of one monotonic clock."""
        # Special xids (pings, watches, auth) are not what the client did last.
        if cxid >= 0:
            self.last_cxid = cxid
        self.last_zxid = zxid
        self.last_operation = operation
        self.last_response_ms = end_ms
        latency_ms = end_ms - start_ms
        self.last_latency_ms = latency_ms
        if latency_ms < self.min_latency_ms or self.min_latency_ms < 0:
            self.min_latency_ms = latency_ms
        if latency_ms > self.max_latency_ms:
            self.max_latency_ms = latency_ms
        self.responses += 1
        self.latency_ms_total += latency_ms

    @property
    def avg_latency_ms(self) -> int:
        """Rounded down, unlike the server's; 0 before the first response."""
        return self.latency_ms_total // self.responses if self.responses else 0

    def reset(self) -> None:
        """The word `crst`."""
        self.packets_received = 0
        self.packets_sent = 0
        self.min_latency_ms = -1
        self._start_again(last_cxid=-1, last_zxid=_ALL_ONES)

    def _start_again(self, *, last_cxid: int, last_zxid: int) -> None:
        self.last_cxid = last_cxid
        self.last_zxid = last_zxid
        self.last_operation = NO_OPERATION
        self.last_response_ms = 0
        self.last_latency_ms = 0
        self.max_latency_ms = 0
        self.responses = 0
        self.latency_ms_total = 0
