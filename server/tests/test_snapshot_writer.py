"""Snapshots are encoded between requests and written by a thread: whole, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
import trio
from zoolet.jute.data import OPEN_ACL
from zoolet.jute.ids import Zxid
from zoolet.server import snapshot_job
from zoolet.server.background import Background
from zoolet.server.database import ZKDatabase
from zoolet.server.event_loop import EventLoop
from zoolet.server.snapshot_job import SnapshotJob
from zoolet.server.snapshot_writer import SnapshotWriter
from zoolet.storage.errors import DiskError
from zoolet.storage.sim_disk import SimDisk
from zoolet.storage.snap_store import SnapshotFile, SnapStore

FOLDER = "/data/version-2"
NODES = 300
PATIENCE_S = 30


class Loop:
    """The part of an event loop that a writer sees; gives background work a step whenever it can go on."""

    def __init__(self) -> None:
        self.background = Background(2000)
        self.before_step: Callable[[], None] = lambda: None

    def work_beside(self, step: Callable[[], bool]) -> None:
        self.background.step = step

    def set_time(self) -> None:
        pass

    def pump(self) -> None:
        pass

    async def run(self) -> None:
        while True:
            self.before_step()
            self.background.take_turn()
            await trio.lowlevel.checkpoint()


class Told:
    """What a job's owner hears."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.ended = trio.Event()

    def job(self, database: ZKDatabase, **options: Any) -> SnapshotJob:
        return SnapshotJob(
            database,
            done=lambda: self.words.append("done"),
            failed=lambda error: self.words.append(f"failed: {error}"),
            ended=self.ended.set,
            **options,
        )


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_job, "CHUNK_BYTES", 1000)


@pytest.fixture
def database() -> ZKDatabase:
    database = ZKDatabase()
    for number in range(1, NODES + 1):
        database.tree.create(f"/n{number}", b"x" * 100, OPEN_ACL, 0, -1, number, number)
    database.tree.last_processed_zxid = Zxid(NODES)
    return database


@pytest.fixture
def store() -> SnapStore:
    disk = SimDisk()
    disk.makedirs(FOLDER)
    return SnapStore(disk, FOLDER)


def serve(store: SnapStore, make: Callable[[Told, Loop], SnapshotJob]) -> Told:
    """Have one snapshot written, and wait until its owner is told the end."""

    async def main() -> Told:
        told, loop, writer = Told(), Loop(), SnapshotWriter(store)
        with trio.fail_after(PATIENCE_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(loop.run)
                nursery.start_soon(writer.run, cast(EventLoop, loop))
                writer.request(make(told, loop))
                await told.ended.wait()
                assert loop.background.step is None
                nursery.cancel_scope.cancel()
        return told

    return trio.run(main)


def names(store: SnapStore) -> list[str]:
    return [stored.name for stored in store.stored()]


def test_a_snapshot_that_is_written_beside_requests_is_whole(database: ZKDatabase, store: SnapStore) -> None:
    told = serve(store, lambda told, loop: told.job(database))
    assert told.words == ["done"]
    [stored] = store.stored()
    store.read_end(stored)
    with store.source(stored).open() as decoder:
        assert sum(1 for _ in decoder.nodes()) == len(database.tree.nodes) - 1  # the root has two names


def test_a_snapshot_that_is_cancelled_on_its_way_leaves_nothing(
    database: ZKDatabase, store: SnapStore
) -> None:
    def make(told: Told, loop: Loop) -> SnapshotJob:
        job = told.job(database)
        steps = iter(range(1 << 30))

        def cancel_later() -> None:
            if loop.background.step is not None and next(steps) == 5:
                job.cancel()

        loop.before_step = cancel_later
        return job

    told = serve(store, make)
    assert (told.words, names(store)) == ([], [])


def test_a_disk_that_fails_is_told_and_leaves_nothing(
    database: ZKDatabase, store: SnapStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(self: SnapshotFile, chunk: bytes) -> None:
        raise DiskError("write", self.path, 28, "no space")

    monkeypatch.setattr(SnapshotFile, "write", write)
    told = serve(store, lambda told, loop: told.job(database))
    assert len(told.words) == 1
    assert "failed: " in told.words[0]
    assert "no space" in told.words[0]
    assert names(store) == []


def test_a_server_that_stops_does_not_wait_for_the_rest(database: ZKDatabase, store: SnapStore) -> None:
    async def main() -> None:
        told, loop, writer = Told(), Loop(), SnapshotWriter(store)
        stopped = trio.Event()
        with trio.fail_after(PATIENCE_S):
            async with trio.open_nursery() as nursery:
                loop.before_step = lambda: None if loop.background.step is None else stopped.set()
                nursery.start_soon(loop.run)
                nursery.start_soon(writer.run, cast(EventLoop, loop))
                writer.request(told.job(database))
                await stopped.wait()
                nursery.cancel_scope.cancel()

    trio.run(main)
    assert names(store) == []


def test_a_job_is_encoded_in_slices_whose_bytes_are_those_of_one_go(database: ZKDatabase) -> None:
    database.sessions = dict.fromkeys(range(1000), 4000)
    slices = list(SnapshotJob(database).chunks(lambda: True))
    assert len(slices) > NODES // snapshot_job.STEP_NODES
    assert b"".join(slices) == b"".join(SnapshotJob(database).chunks())


def test_sessions_that_come_and_go_while_they_are_written_are_as_they_were(database: ZKDatabase) -> None:
    database.sessions = dict.fromkeys(range(1000), 4000)
    expected = b"".join(SnapshotJob(database).chunks())
    chunks = SnapshotJob(database).chunks(lambda: True)
    parts = [next(chunks)]
    database.sessions[5000] = 1
    del database.sessions[1]
    parts += chunks
    assert b"".join(parts) == expected
