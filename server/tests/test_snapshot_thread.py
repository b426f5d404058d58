"""The snapshot thread writes in order, tells why it ended, and writes nothing after that."""

from __future__ import annotations

import threading

from zoolet.server.snapshot_thread import SnapshotThread
from zoolet.storage.errors import StorageError

PATIENCE_S = 30


class Sink:
    """Notes what is written; waits before each chunk once it is told to."""

    def __init__(self, failure: StorageError | None = None) -> None:
        self.written: list[bytes] = []
        self.failure = failure
        self.begun = threading.Semaphore(0)
        self.gate = threading.Event()
        self.ended = threading.Event()
        self.thread = SnapshotThread(self._write, self.ended.set)

    def _write(self, chunk: bytes) -> None:
        self.begun.release()
        assert self.gate.wait(PATIENCE_S)
        if self.failure is not None:
            raise self.failure
        self.written.append(chunk)

    def submit(self, *chunks: bytes) -> None:
        for chunk in chunks:
            self.thread.submit(chunk)

    def await_end(self) -> None:
        assert self.ended.wait(PATIENCE_S)


def test_everything_is_written_in_order_before_it_ends() -> None:
    sink = Sink()
    sink.submit(b"a", b"b", b"c")
    sink.thread.close()
    sink.gate.set()
    sink.await_end()
    assert (sink.written, sink.thread.failure) == ([b"a", b"b", b"c"], None)


def test_chunks_that_wait_are_counted() -> None:
    sink = Sink()
    sink.submit(b"a")
    assert sink.begun.acquire(timeout=PATIENCE_S)
    sink.submit(b"b", b"c")
    assert sink.thread.waiting == 2
    sink.thread.close()
    sink.gate.set()
    sink.await_end()


def test_a_stop_leaves_what_waits() -> None:
    sink = Sink()
    sink.submit(b"a", b"b")
    assert sink.begun.acquire(timeout=PATIENCE_S)
    sink.thread.stop()
    sink.gate.set()
    sink.await_end()
    assert sink.written == [b"a"]


def test_a_failure_ends_it() -> None:
    failure = StorageError("disk full")
    sink = Sink(failure)
    sink.submit(b"a", b"b")
    sink.gate.set()
    sink.await_end()
    assert (sink.written, sink.thread.failure) == ([], failure)
    sink.thread.close()
    sink.thread.stop()
