"""A server with its commands over HTTP: a `StandaloneServer` on a disk in memory, its snapshots, clients."""

from __future__ import annotations

import json
from collections import deque
from typing import Any

from zoolet.server.admin.admin_site import AdminSite
from zoolet.server.admin.standalone_transfers import StandaloneTransfers
from zoolet.server.admin.tests.http_desk import Clock, Desk, Response
from zoolet.server.snapshot_job import SnapshotJob
from zoolet.server.tests.harness import Server
from zoolet.storage.errors import StorageError
from zoolet.storage.sim_disk import SimDisk

AS_BOB = {"Authorization": "digest bob:secret"}


class AdminLab(Server):
    """Args are those of `Server`. Snapshots are written when `work` is called."""

    def __init__(self, disk: SimDisk | None = None, **arguments: Any) -> None:
        self.jobs: deque[SnapshotJob] = deque()
        super().__init__(disk, **arguments)
        self.clock = Clock(self.core.now_ms, self.core.wall_ms)
        self.transfers = StandaloneTransfers(self.core.config, self.storage, self.core, self)
        self.site = AdminSite(
            self.core.config,
            lambda: self.core,
            self.core,
            last_snapshot=self.storage.snap_store.newest,
            transfers=self.transfers,
        )
        self.desk = Desk(self.site)

    def ask(self, name: str, method: str = "GET", **arguments: Any) -> dict[str, Any]:
        """What a command says."""
        return self.said(self.desk.ask(f"/commands/{name}", method, **arguments))

    def said(self, response: Response) -> dict[str, Any]:
        """The JSON of a response that is no error of HTTP."""
        assert (response.status, response.headers["content-type"]) == (200, "application/json")
        answer: dict[str, Any] = json.loads(response.body)
        return answer

    def later(self, ms: int = 0) -> None:
        """Let time pass."""
        self.advance(ms)
        self.transfers.tick(self.core.now_ms)

    # -- snapshots, one at a time --------------------------------------------------------------------

    @property
    def is_idle(self) -> bool:
        """Whether none is being written."""
        return not self.jobs

    def request(self, job: SnapshotJob) -> None:
        """Write it, when it is its turn."""
        self.jobs.append(job)

    def _start_snapshot(self, job: SnapshotJob) -> None:
        self.jobs.append(job)

    def work(self) -> None:
        """Write the snapshot that is due."""
        job = self.jobs[0]
        file = (job.begin or self.storage.snap_store.begin)(job.zxid)
        failure: StorageError | None = None
        try:
            for chunk in job.chunks():
                file.write(chunk)
            file.finish()
        except StorageError as error:
            failure = error
            file.abort()
        self.jobs.popleft()
        if failure is not None:
            job.failed(failure)
        else:
            job.done()
        self.desk.run()
