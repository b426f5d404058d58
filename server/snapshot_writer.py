"""Writes snapshots beside a running server: encoding in slices between requests, writing in a thread.

A slice is a step of the event loop's background work (``background``).
"""

from __future__ import annotations

import contextlib
import logging
import time
from typing import Final

import trio

from ..jute.ids import hex64
from ..storage.errors import StorageError
from ..storage.snap_store import SnapshotFile, SnapStore
from .background import Background
from .event_loop import EventLoop
from .snapshot_job import SnapshotJob
from .snapshot_thread import SnapshotThread

SLICE_S: Final = 0.00006
"""A snapshot holds the event loop no longer than this at a time."""
WAITING_MAX: Final = 8
"""Encoding stops while so many chunks wait for the disk."""

_log = logging.getLogger(__name__)


class SnapshotWriter:
    """Writes one snapshot at a time."""

    def __init__(self, store: SnapStore) -> None:
        self._store = store
        self._job: SnapshotJob | None = None
        self._wanted = trio.Event()

    @property
    def is_idle(self) -> bool:
        """Whether none is being written."""
        return self._job is None

    def request(self, job: SnapshotJob) -> None:
        """Write it. One that comes due while another is written is skipped, as in the original."""
        if self._job is None or self._job.is_cancelled:
            self._job = job
            self._wanted.set()

    async def run(self, loop: EventLoop) -> None:
        """Serve requests until cancelled; the loop is told when there is much to do beside it."""
        while True:
            await self._wanted.wait()
            self._wanted = trio.Event()
            job = self._job
            assert job is not None
            failure: StorageError | None = None
            is_whole = False
            try:
                is_whole = await self._write(job, loop)
            except StorageError as error:
                _log.error("snapshot failed: %s", error)
                failure = error
            if self._job is job:
                self._job = None
            loop.set_time()
            if failure is not None:
                job.failed(failure)
            elif is_whole:
                job.done()
            else:
                job.abandoned()
            loop.pump()

    async def _write(self, job: SnapshotJob, loop: EventLoop) -> bool:
        """False if it was cancelled on the way."""
        started = time.monotonic()
        file = await trio.to_thread.run_sync(job.begin or self._store.begin, job.zxid)
        try:
            await self._write_chunks(job, file, loop)
            if job.is_cancelled:
                file.abort()
                return False
            await trio.to_thread.run_sync(file.finish)
        except BaseException:
            with contextlib.suppress(StorageError):  # the first error says more, and a start removes the rest
                file.abort()
            raise
        took_s = time.monotonic() - started
        job.took(int(took_s * 1000))
        _log.info("snapshot.%s written in %.1f s", hex64(job.zxid), took_s)
        return True

    async def _write_chunks(self, job: SnapshotJob, file: SnapshotFile, loop: EventLoop) -> None:
        """Returns when all are written, or when the job was cancelled; nothing is being written then."""
        ended = trio.Event()
        token = trio.lowlevel.current_trio_token()
        thread = SnapshotThread(file.write, lambda: token.run_sync_soon(ended.set))
        loop.work_beside(_Encoding(job, thread, loop.background).step)
        try:
            await ended.wait()
        finally:
            loop.background.step = None
            thread.stop()
            with trio.CancelScope(shield=True):
                await ended.wait()
        if thread.failure is not None:
            raise thread.failure


class _Encoding:
    """Makes the chunks of a snapshot in slices, and gives them to the thread; then there is no more work."""

    def __init__(self, job: SnapshotJob, thread: SnapshotThread, background: Background) -> None:
        self._job = job
        self._thread = thread
        self._background = background
        self._slice_end = 0.0
        self._chunks = job.chunks(lambda: time.monotonic() > self._slice_end)

    def step(self) -> bool:
        """One slice; False when there is nothing to do, or when the disk is behind."""
        if self._job.is_cancelled:
            self._thread.stop()
            self._background.step = None
            return False
        if self._thread.waiting >= WAITING_MAX:
            return False
        self._slice_end = time.monotonic() + SLICE_S
        chunk = next(self._chunks, None)
        if chunk is None:
            self._thread.close()
            self._background.step = None
        elif chunk:
            self._thread.submit(chunk)
        return True
