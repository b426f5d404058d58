"""The thread that writes one snapshot, chunk by chunk, so that a slow disk does not stop the event loop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue


class SnapshotThread:
    """Writes what it is given, in order, until it is closed or a write fails.

    Args:
        write: takes a chunk; blocks.
        ended: called, in the thread, when it will not write any more. ``failure`` is known then.
    """

    def __init__(self, write: Callable[[bytes], None], ended: Callable[[], None]) -> None:
        self._write = write
        self._ended = ended
        self._queue: SimpleQueue[bytes | None] = SimpleQueue()
        self._is_stopped = False
        self.failure: BaseException | None = None
        """Why it ended before it was closed."""
        threading.Thread(target=self._run, name="zoolet-snapshot", daemon=True).start()

    @property
    def waiting(self) -> int:
        """How many chunks it has not come to."""
        return self._queue.qsize()

    def submit(self, chunk: bytes) -> None:
        """Write this after all others."""
        self._queue.put(chunk)

    def close(self) -> None:
        """End when everything is written. Closing one that has ended is allowed."""
        self._queue.put(None)

    def stop(self) -> None:
        """End when the chunk that is being written is."""
        self._is_stopped = True
        self._queue.put(None)

    def _run(self) -> None:
        try:
            while (chunk := self._queue.get()) is not None and not self._is_stopped:
                self._write(chunk)
        except BaseException as error:  # whatever it is, whoever waits must learn of it
            self.failure = error
        self._ended()
