"""Writes snapshots beside a running server: encoding in slices between requests, writing in a thread."""

from __future__ import annotations

import logging
import time
from typing import Final

import trio

from ..jute.ids import hex64
from ..storage.errors import StorageError
from ..storage.snap_store import SnapStore
from .event_loop import EventLoop
from .snapshot_job import SnapshotJob

SLICE_S: Final = 0.001
"""A snapshot holds the event loop no longer than this at a time."""

_log = logging.getLogger(__name__)


class SnapshotWriter:
    """Writes one snapshot at a time."""

    def __init__(self, store: SnapStore) -> None:
        self._store = store
        self._job: SnapshotJob | None = None
        self._wanted = trio.Event()
        self._slice_end = 0.0

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
            loop.background_work = True
            failure: StorageError | None = None
            is_whole = False
            try:
                is_whole = await self._write(job)
            except StorageError as error:
                _log.error("snapshot failed: %s", error)
                failure = error
            loop.background_work = False
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

    async def _write(self, job: SnapshotJob) -> bool:
        """False if it was cancelled on the way."""
        started = time.monotonic()
        file = await trio.to_thread.run_sync(job.begin or self._store.begin, job.zxid)
        self._slice_end = time.monotonic() + SLICE_S
        try:
            for chunk in job.chunks(lambda: time.monotonic() > self._slice_end):
                if chunk:
                    await trio.to_thread.run_sync(file.write, chunk)
                else:
                    await trio.lowlevel.checkpoint()
                if job.is_cancelled:
                    file.abort()
                    return False
                self._slice_end = time.monotonic() + SLICE_S
            await trio.to_thread.run_sync(file.finish)
        except BaseException:
            file.abort()
            raise
        took_s = time.monotonic() - started
        job.took(int(took_s * 1000))
        _log.info("snapshot.%s written in %.1f s", hex64(job.zxid), took_s)
        return True
