"""RequestThrottler: requests wait while too many are under way, first come first served over all connections.

With ``request_throttle_max_requests`` set, a request goes on only while fewer than that are in process. One
that waits may become stale: its connection is gone, or it is older than its session's timeout. It is dropped
then, and its connection with it, since what comes behind it must not be served without it. One that waited
longer than ``throttled_op_wait_time`` is answered with -127 in its turn instead of being carried out.

Pure: it is told the time with each look. What a request is, and what serving it means, is its connection's
business (``throttled_connection``).
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple, Protocol

from ..jute.codes import OpCode
from .metrics import ServerMetrics
from .settings_limits import LimitSettings

_NEVER_REFUSED: Final = (OpCode.PING, OpCode.CLOSE_SESSION, OpCode.CREATE_SESSION)


class ThrottledClient(Protocol):
    """A connection, as far as the throttler is concerned."""

    session_timeout_ms: int

    @property
    def is_closing(self) -> bool:
        """Whether it takes no more requests."""

    def serve(self, packet: bytes) -> None:
        """The request's turn has come."""

    def refuse(self, packet: bytes) -> None:
        """Its turn has come too late: answer it with -127."""

    @property
    def is_invalid(self) -> bool:
        """Whether a request of it was dropped: none behind it may be served."""

    def drop(self, reason: str) -> None:
        """A request of it is dropped: it is invalid from now on, and closes."""


class Load(Protocol):
    """Whoever counts the requests under way."""

    in_process: int
    now_ms: int


class _Waiting(NamedTuple):
    client: ThrottledClient
    opcode: int
    packet: bytes
    since_ms: int


class RequestThrottler:
    """The queue in front of a server's pipeline.

    Args:
        limits: settings.
        load: the server.
        metrics: told how long requests waited.
    """

    def __init__(self, limits: LimitSettings, load: Load, metrics: ServerMetrics | None = None) -> None:
        self._max = limits.request_throttle_max_requests
        self._drop_stale = limits.request_throttle_drop_stale
        self._check_connection = limits.request_stale_connection_check
        self._check_latency = limits.request_stale_latency_check
        self._wait_ms_max = limits.throttled_op_wait_time_ms
        self.stall_ms = max(limits.request_throttle_stall_time_ms, 1)
        """How often ``run`` should be called while requests wait."""
        self._load = load
        self._metrics = metrics or ServerMetrics()
        self._queue: deque[_Waiting] = deque()
        self._is_running = False
        self.stale_dropped = 0
        self.ops_refused = 0

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._queue)

    @property
    def is_open(self) -> bool:
        """Whether a request that comes now goes straight on."""
        return not self._queue and self._load.in_process < self._max

    def put(self, client: ThrottledClient, opcode: int, packet: bytes) -> None:
        """Take a request in; ``run`` serves it when its turn comes."""
        self._queue.append(_Waiting(client, opcode, packet, self._load.now_ms))

    def run(self) -> None:
        """Serve, refuse and drop whatever is due. May be called at any time."""
        if self._is_running:
            return
        self._is_running = True
        try:
            while self._queue:
                first = self._queue[0]
                if first.client.is_invalid:
                    self._queue.popleft()
                    continue
                stale = self._drop_stale and self._is_stale(first)
                if not stale and self._load.in_process >= self._max:
                    self._metrics.add("request_throttle_wait_count")
                    return
                self._queue.popleft()
                if not stale:
                    waited_ms = self._load.now_ms - first.since_ms
                    self._metrics.observe("request_throttle_queue_time_ms", waited_ms)
                if stale:
                    self.stale_dropped += 1
                    first.client.drop("a stale request was dropped")
                elif self._is_late(first):
                    self.ops_refused += 1
                    first.client.refuse(first.packet)
                else:
                    first.client.serve(first.packet)
        finally:
            self._is_running = False

    def _is_stale(self, request: _Waiting) -> bool:
        if request.opcode == OpCode.CLOSE_SESSION:
            return False  # it outlives its connection, so that the session is cleaned up
        if self._check_connection and request.client.is_closing:
            return True
        age_ms = self._load.now_ms - request.since_ms
        return self._check_latency and age_ms > request.client.session_timeout_ms

    def _is_late(self, request: _Waiting) -> bool:
        if self._wait_ms_max <= 0 or request.opcode in _NEVER_REFUSED:
            return False
        return self._load.now_ms - request.since_ms > self._wait_ms_max
