"""GroupCommit: writes wait for others that may share their fsync (``flushDelay``, ``maxBatchSize``).

Without these settings what has gathered while the disk was busy is written as soon as the disk is free, and a
server never imports this. With ``flushDelay`` a batch is written

- once that long has passed since the last one, or
- when nothing has come for ``maxWriteQueuePollTime``, or
- when ``maxBatchSize`` requests have gathered, which is also the most that go into one batch

(``SyncRequestProcessor.run``). Who comes alone after a quiet time does not wait.

Pure: the deadline is ``flush_due_ms``, and whoever drives it asks ``take_batch`` again by then.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from ..storage.txn_log import LogBatch
from .request import Request
from .settings_table import Config
from .sync import SyncRequestProcessor, payload_of


class GroupCommit(SyncRequestProcessor):
    """A ``SyncRequestProcessor`` that takes its time.

    Args:
        config: settings.
        arguments: as a ``SyncRequestProcessor``'s.
    """

    def __init__(self, config: Config, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._delay_ms = max(config.flush_delay_ms, 0)
        self._pause_ms = min(max(config.max_write_queue_poll_time_ms, 0), self._delay_ms)
        self._batch_max = config.max_batch_size
        self._gathering: deque[tuple[Request, bytes | None]] = deque()
        """What is not in the log's buffer yet. No payload: a request that only keeps its place."""
        self._seen = 0
        """How many of them there were at the last look,"""
        self._came_ms = 0
        """and when the newest was seen first."""
        self._flushed_ms = self._clock()

    @property
    def idle(self) -> bool:
        return not self._gathering and super().idle

    def process(self, request: Request) -> None:
        payload = payload_of(request) if request.txn_type is not None else None
        self._gathering.append((request, payload))

    def log(self, request: Request, payload: bytes) -> None:
        self._gathering.append((request, payload))

    def do_not_wait(self) -> None:
        self._delay_ms = self._pause_ms = 0

    def take_batch(self) -> LogBatch | None:
        if self._in_flight:
            return None
        gathering = self._gathering
        while gathering:
            if gathering[0][1] is None:
                self._next([gathering.popleft()[0]])  # with nothing in front of it that needs the disk
            elif self._is_due():
                return self._take()
            else:
                return None
        self.flush_due_ms = None
        return None

    def flushed(self) -> None:
        super().flushed()
        self._flushed_ms = self._clock()

    def _is_due(self) -> bool:
        now_ms, count = self._clock(), len(self._gathering)
        if count > self._seen:
            self._came_ms = now_ms
        self._seen = count
        if 0 < self._batch_max <= count:
            return True
        quiet_ms = max(self._came_ms, self._flushed_ms) + self._pause_ms
        self.flush_due_ms = due_ms = min(self._flushed_ms + self._delay_ms, quiet_ms)
        return now_ms >= due_ms

    def _take(self) -> LogBatch | None:
        gathering = self._gathering
        count = len(gathering)
        if 0 < self._batch_max < count:
            count = self._batch_max
        for _ in range(count):
            request, payload = gathering.popleft()
            if payload is None:
                self._queued.append(request)
            else:
                super().log(request, payload)
        self._seen = len(gathering)
        self.flush_due_ms = None
        return super().take_batch()
