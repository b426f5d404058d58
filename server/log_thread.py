"""The thread that writes the transaction log, so that a slow disk stops nobody but the writers.

Batches are handed over whole; one that is done is announced through an eventfd that the event loop polls
together with the client sockets. The thread runs as little Python as it can: it competes with the event loop
for the interpreter.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from queue import SimpleQueue

from ..storage.txn_log import LogBatch

_log = logging.getLogger(__name__)


class LogThread:
    """Writes batches one at a time, in order.

    Args:
        warn_ms: a write slower than this is logged (``fsync.warningthresholdms``).
        times: counts how often a write took so many ms.

    ``fileno`` is readable when the batch submitted last is written or has failed; then call ``finished``.
    """

    def __init__(self, warn_ms: int, times: dict[int, int] | None = None) -> None:
        self._times = {} if times is None else times
        self._warn_s = warn_ms / 1000
        self._queue: SimpleQueue[LogBatch | None] = SimpleQueue()
        self._failure: BaseException | None = None
        self._eventfd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="zoolet-log", daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        return self._eventfd

    def submit(self, batch: LogBatch) -> None:
        """Hand over a batch; the one before must have been announced."""
        self._queue.put(batch)

    def finished(self) -> None:
        """Take the announcement. Raises what the write failed with: nothing of it may be answered."""
        os.eventfd_read(self._eventfd)
        if self._failure is not None:
            raise self._failure

    def close(self, timeout_s: float) -> bool:
        """Finish what is being written and end the thread; False if the disk does not come back in time.

        Nothing of what is being written then was acknowledged, and the thread does not outlive the process.
        """
        self._queue.put(None)
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            _log.error("the disk does not answer: leaving without it")
            return False
        os.close(self._eventfd)
        return True

    def _run(self) -> None:
        while (batch := self._queue.get()) is not None:
            started = time.monotonic()
            try:
                batch.write()
            except BaseException as error:  # whatever it is, the server must learn of it and stop
                self._failure = error
            os.eventfd_write(self._eventfd, 1)
            took = time.monotonic() - started
            took_ms = int(took * 1000)
            self._times[took_ms] = self._times.get(took_ms, 0) + 1
            if took > self._warn_s:
                _log.warning("writing %d transactions to the log took %.0f ms", batch.count, took * 1000)
