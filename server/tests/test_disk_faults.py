"""Every call of a whole server to its disk failing in turn, while a client writes.

What was answered is there at the next start, whatever failed; a write that could not be made durable is never
answered, and nothing after it is; a snapshot or a purge that fails costs nothing. Java ends with status 10
when a snapshot fails; here the server serves on, since the log has everything.
"""

from __future__ import annotations

import contextlib
from typing import Final

import pytest
from zoolet.jute.codes import OpCode
from zoolet.jute.data import OPEN_ACL
from zoolet.jute.proto import CreateRequest, SetDataRequest
from zoolet.server.config import config_from
from zoolet.server.database import ZKDatabase
from zoolet.server.snapshot_job import SnapshotJob
from zoolet.server.storage_folder import restore, write_snapshot
from zoolet.server.tests.harness import START_MS, WALL_MS, Client, Server
from zoolet.storage.errors import StorageError
from zoolet.storage.purge import carry_out, plan_purge
from zoolet.storage.sim_disk import KEEP_ALL, SimDisk
from zoolet.storage.snap_log import FileTxnSnapLog, StorageSettings
from zoolet.storage.tests.faulty_disk import Fault, FaultyDisk

SETTINGS: Final = StorageSettings(preallocate_bytes=1 << 14)
WRITES: Final = 24


class FaultyServer(Server):
    """Starts as a server does, takes snapshots, purges behind each, and serves on when one of these fails."""

    def __init__(self, disk: FaultyDisk) -> None:
        self.storage = FileTxnSnapLog(disk, "/data", "/logs", SETTINGS)
        self.snapshots: list[SnapshotJob] = []
        self.failed_snapshots = 0
        database = ZKDatabase()
        replayed = restore(self.storage.open(), self.storage, database)
        config = config_from({}, data_dir="/data", client_port=2181, snap_count=6)
        self._serve(config, database, replayed, now_ms=START_MS, wall_ms=WALL_MS)

    def _start_snapshot(self, job: SnapshotJob) -> None:
        self.snapshots.append(job)

    def run(self) -> None:
        super().run()
        while self.snapshots:
            self._save(self.snapshots.pop())

    def _save(self, job: SnapshotJob) -> None:
        try:
            write_snapshot(self.storage, job)
            job.done()
            storage = self.storage
            plan = plan_purge(storage.disk, storage.snap_directory, storage.log_directory, 3)
            for _ in carry_out(storage.disk, plan):
                pass
        except StorageError as error:
            self.failed_snapshots += 1
            job.failed(error)


class Workload:
    """What a client sent, and what was answered."""

    def __init__(self) -> None:
        self.session_id = 0
        self.sent = 0
        self.answered = 0

    def run(self, server: FaultyServer) -> None:
        """Connect, count up a node, and leave behind a node for every step; raises what the disk does."""
        client = server.connected()
        self.session_id = client.session_id
        assert client.create("/count", b"0").err == 0
        for number in range(1, WRITES + 1):
            self.sent = number
            create = CreateRequest(f"/node{number}", b"x" * number * 40, OPEN_ACL, number % 5 == 0)
            client.send(client.request(OpCode.CREATE, create) + self._count(client, number))
            replies = client.replies()
            assert [reply.err for reply in replies] == [0, 0]
            self.answered = number

    @staticmethod
    def _count(client: Client, number: int) -> bytes:
        return client.request(OpCode.SET_DATA, SetDataRequest("/count", b"%d" % number, -1))

    def check(self, database: ZKDatabase) -> None:
        """Everything that was answered is in this tree, and nothing that was not sent."""
        tree = database.tree
        if self.answered:
            assert self.session_id in database.sessions
            counted = int(tree.nodes["/count"].data or b"")
            assert self.answered <= counted <= self.sent
        there = {name for name in tree.nodes if name.startswith("/node")}
        surely = {f"/node{number}" for number in range(1, self.answered + 1)}
        assert surely <= there <= {f"/node{number}" for number in range(1, self.sent + 1)}
        assert database.digest_mismatches == 0


def restored(disk: SimDisk) -> ZKDatabase:
    disk.locked.clear()
    storage = FileTxnSnapLog(disk, "/data", "/logs", SETTINGS)
    database = ZKDatabase()
    restore(storage.open(), storage, database)
    storage.close()
    return database


def lived(fault: Fault, fail_at: int, *, for_good: bool) -> tuple[FaultyDisk, Workload, FaultyServer | None]:
    """A life on a disk whose call of this number fails."""
    disk = FaultyDisk(SimDisk(), fault, fail_at, for_good=for_good)
    workload = Workload()
    server = None
    try:
        server = FaultyServer(disk)
        workload.run(server)
    except StorageError:
        if server is not None:
            nothing_more_is_answered(server)
    if server is not None:
        with contextlib.suppress(StorageError):
            server.storage.close()
    return disk, workload, server


def nothing_more_is_answered(server: FaultyServer) -> None:
    """Whatever the disk says from now on; a real server has ended by then."""
    client = server.clients[0]
    client.take_bytes()
    for number in range(2):
        create = CreateRequest(f"/late{number}", b"", OPEN_ACL, 0)
        with contextlib.suppress(StorageError):
            client.send(client.request(OpCode.CREATE, create))
    assert client.take_bytes() == b""


CALLS: Final = {fault: lived(fault, -1, for_good=False)[0].calls for fault in Fault}


@pytest.mark.parametrize("for_good", [False, True], ids=["once", "for good"])
@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.value)
def test_a_failing_call_costs_nothing_that_was_answered(fault: Fault, for_good: bool) -> None:
    for fail_at in range(1, CALLS[fault] + 1):
        disk, workload, _ = lived(fault, fail_at, for_good=for_good)
        assert disk.failed
        try:
            workload.check(restored(disk.base.crashed()))
            workload.check(restored(disk.base.crashed(KEEP_ALL)))
            # The next process may see what was never written. What it has served must stay.
            served = restored(disk.base)
            workload.check(served)
            left = restored(disk.base.crashed())
            assert left.tree.last_processed_zxid == served.tree.last_processed_zxid
            assert left.tree.digest == served.tree.digest
        except Exception as error:
            raise AssertionError(f"call {fail_at}, {disk.failed[0]}, failed: {error!r}") from error


@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.value)
def test_a_failing_snapshot_does_not_end_the_server(fault: Fault) -> None:
    failed = 0
    for fail_at in range(1, CALLS[fault] + 1):
        disk, workload, server = lived(fault, fail_at, for_good=False)
        if "/new.snapshot." in disk.failed[0] and server is not None:
            failed += 1
            assert server.failed_snapshots == 1
            assert workload.answered == WRITES
    assert failed >= 3
