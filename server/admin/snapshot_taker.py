"""SnapshotTaker: snapshots that somebody asked for, one after the other, and their bytes once they are there.

A snapshot is written like those that come due by themselves, into the same folder. While another one is being
written, or for another reason none can be begun, the question waits. Not here: HTTP, and what is in a
snapshot (`snapshot_job`).
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from ...jute.ids import hex64
from ...storage.disk import Disk
from ...storage.errors import StorageError
from ...storage.snap_store import SnapStore
from ..database import ZKDatabase
from ..snapshot_job import SnapshotJob
from .transfers import TakenSnapshot

READ_BYTES: Final = 1 << 16
PATIENCE_MS: Final = 60_000
"""How long a question waits for its snapshot to be begun."""

_log = logging.getLogger(__name__)

Done = Callable[[TakenSnapshot | None], None]


class RequestedSnapshot(SnapshotJob):
    """A snapshot whose end somebody waits for, whatever it is."""

    def __init__(
        self,
        database: ZKDatabase,
        told: Callable[[bool], None],
        *,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(database, ended=ended)
        self._told = told

    def done(self) -> None:
        super().done()
        self._told(True)

    def failed(self, error: StorageError) -> None:
        super().failed(error)
        self._told(False)

    def abandoned(self) -> None:
        super().abandoned()
        self._told(False)


class SnapshotTaker:
    """Args:
    disk: where snapshots are read from.
    store: where they are.
    start: begins one, if that is possible now; the job is made at that moment.
    """

    def __init__(
        self,
        disk: Disk,
        store: SnapStore,
        start: Callable[[Callable[[bool], None]], SnapshotJob | None],
    ) -> None:
        self._disk = disk
        self._store = store
        self._start = start
        self._waiting: deque[tuple[Done, int]] = deque()
        self._now_ms = 0

    def take(self, done: Done) -> None:
        """Take a snapshot; `done` is told of it once it is durable, or None if that failed."""
        self._waiting.append((done, self._now_ms + PATIENCE_MS))
        self._begin_next()

    def tick(self, now_ms: int) -> None:
        """Time has passed."""
        self._now_ms = now_ms
        self._begin_next()
        while self._waiting and now_ms >= self._waiting[0][1]:
            done, _ = self._waiting.popleft()
            _log.warning("no snapshot could be begun for %d s", PATIENCE_MS // 1000)
            done(None)

    def _begin_next(self) -> None:
        if not self._waiting:
            return
        done, deadline_ms = self._waiting.popleft()
        job: SnapshotJob | None = None

        def told(is_there: bool) -> None:
            assert job is not None
            done(self._taken(job.zxid) if is_there else None)

        job = self._start(told)
        if job is None:
            self._waiting.appendleft((done, deadline_ms))

    def _taken(self, zxid: int) -> TakenSnapshot | None:
        for stored in self._store.stored():
            if stored.zxid == zxid:
                try:
                    file = self._disk.open(stored.path)
                    try:
                        size_bytes = file.size()
                    finally:
                        file.close()
                except StorageError as error:
                    _log.warning("%s", error)
                    return None
                return TakenSnapshot(zxid, size_bytes, self._chunks(stored.path, size_bytes))
        _log.warning("snapshot.%s is gone", hex64(zxid))
        return None

    def _chunks(self, path: str, size_bytes: int) -> Iterator[bytes]:
        file = self._disk.open(path)
        try:
            for offset in range(0, size_bytes, READ_BYTES):
                length = min(READ_BYTES, size_bytes - offset)
                chunk = file.pread(length, offset)
                if len(chunk) < length:
                    raise StorageError(f"{path} is shorter than it was")
                yield chunk
        finally:
            file.close()
