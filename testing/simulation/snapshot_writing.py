"""How a simulated member writes snapshots: step by step, while everything else goes on.

The steps are those of ``server/snapshot_writer.py``; between any two of them the tree may change, the job may
be cancelled, or the power may go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ...server.snapshot_job import SnapshotJob
from ...storage.errors import StorageError
from ...storage.snap_store import SnapshotFile

if TYPE_CHECKING:
    from .member import SimMember


class SimSnapshotWriter:
    """``server/snapshot_writer.py``: one snapshot at a time, step by step."""

    def __init__(self, member: SimMember) -> None:
        self._member = member
        self._job: SnapshotJob | None = None
        self._is_writing = False

    def request(self, job: SnapshotJob) -> None:
        """Write it. One that comes due while another is written is skipped."""
        if self._job is None or self._job.is_cancelled:
            self._job = job
            if not self._is_writing:
                self._is_writing = True
                self._soon(lambda: self._begin(job))

    def _soon(self, action: Callable[[], None]) -> None:
        self._member.later(action, self._member.disk_us())

    def _begin(self, job: SnapshotJob) -> None:
        member = self._member
        peer = member.peer
        assert peer is not None
        try:
            file = (job.begin or peer.storage.snap_store.begin)(job.zxid)
        except StorageError as error:
            self._failed(job, error)
            return
        random, rate = member.random.random, member.world.plan.snapshot_pauses
        chunks = iter(job.chunks(lambda: random() < rate))

        def step() -> None:
            chunk = next(chunks, None)
            if chunk is None:
                self._soon(finish)
            elif chunk:
                self._soon(lambda: write(chunk))
            else:
                self._soon(look)

        def look() -> None:
            if job.is_cancelled:
                file.abort()
                self._over(job, job.abandoned, "snapshot abandoned")
            else:
                step()

        def write(chunk: bytes) -> None:
            self._try(job, file, lambda: file.write(chunk), look)

        def finish() -> None:
            self._try(job, file, file.finish, lambda: self._over(job, job.done, "snapshot written"))

        step()

    def _try(
        self, job: SnapshotJob, file: SnapshotFile, action: Callable[[], None], then: Callable[[], None]
    ) -> None:
        try:
            action()
        except StorageError as error:
            file.abort()
            self._failed(job, error)
            return
        then()

    def _failed(self, job: SnapshotJob, error: StorageError) -> None:
        self._over(job, lambda: job.failed(error), "snapshot failed")

    def _over(self, job: SnapshotJob, tell: Callable[[], None], what: str) -> None:
        member = self._member
        member.world.observer.happened(what, member)
        self._is_writing = False
        if self._job is job:
            self._job = None
        else:
            following = self._job
            assert following is not None
            self._is_writing = True
            self._soon(lambda: self._begin(following))
        member.input_from_writer(tell)
