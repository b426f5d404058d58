"""A disk that fails under a server that is busy: it says so and ends, and nothing acknowledged is lost.

Every row is one fault. Clients write all the time; the fault strikes; the server ends with status 1 and one
line that names the file and the reason; after the repair it starts, and everything acknowledged is there.

A sync that fails also loses what it should have made durable, as in a real kernel, and the next one succeeds:
if anything that went through it had been acknowledged, before or after, it would be missing.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import NamedTuple

import pytest

from ..load import Load, prepare
from .conftest import StartFaulty
from .injector import Injector, On, require_injector
from .server import FaultyServer, complaints


class Row(NamedTuple):
    """What fails, and how the server names it."""

    name: str
    operations: On
    files: str
    error: int
    named: str
    """Part of the path in the server's last words."""
    lose: bool = False
    half_fits: bool = False
    """Whether the write before the one that fails is a short one."""
    snap_count: int = 100_000
    """A small one makes the log begin new files all the time."""


ROWS = [
    Row("full disk", On.SPACE, "log.*", errno.ENOSPC, "log."),
    Row("full disk in the middle of a write", On.WRITE, "log.*", errno.ENOSPC, "log.", half_fits=True),
    Row("write of the log", On.WRITE, "log.*", errno.EIO, "log."),
    Row("sync of the log", On.SYNC, "log.*", errno.EIO, "log.", lose=True),
    Row("growing the log", On.RESIZE, "log.*", errno.ENOSPC, "log."),
    Row("disk became read-only", On.CHANGE, "", errno.EROFS, "version-2"),
    Row("the watermark", On.WRITE, ".zoolet.synced", errno.EIO, ".zoolet.synced"),
    Row("a new log: its beginning", On.CREATE, "new.log.*", errno.ENOSPC, "new.log.", snap_count=50),
    Row("a new log: its length", On.RESIZE, "new.log.*", errno.ENOSPC, "new.log.", snap_count=50),
    Row("a new log: its records", On.WRITE, "new.log.*", errno.EIO, "new.log.", snap_count=50),
    Row("a new log: its sync", On.SYNC, "new.log.*", errno.EIO, "new.log.", lose=True, snap_count=50),
    Row("a new log: its name", On.RENAME, "log.*", errno.EIO, "new.log.", snap_count=50),
    Row("a new log: the sync of its name", On.SYNC_DIR, "", errno.EIO, "version-2", snap_count=50),
    Row(
        "a new log: the sync of the watermark", On.SYNC, ".zoolet.synced", errno.EIO, ".zoolet", snap_count=50
    ),
    Row("a new log: the end of the one before", On.CLOSE, "log.*", errno.EIO, "new.log.", snap_count=50),
    Row("a new log: no descriptors", On.CREATE, "new.log.*", errno.EMFILE, "new.log.", snap_count=50),
]


class Servers:
    """Servers that one test after the other breaks, by how often they take snapshots. All of one injector."""

    def __init__(self, injector: Injector, stack: ExitStack) -> None:
        self.injector = injector
        self._stack = stack
        self._healthy: dict[int, FaultyServer] = {}

    def take(self, snap_count: int) -> FaultyServer:
        """A running server."""
        if snap_count not in self._healthy:
            # A file that grows in small steps has its length changed often.
            settings = {"snapCount": str(snap_count), "preAllocSize": "64"}
            server = FaultyServer(self.injector, settings=settings)
            self._healthy[snap_count] = self._stack.enter_context(server)
            prepare(server.port)
        return self._healthy.pop(snap_count)

    def give_back(self, server: FaultyServer, snap_count: int) -> None:
        """It runs again, and all is well: another test may have it."""
        self._healthy[snap_count] = server


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    require_injector()
    with ExitStack() as stack:
        yield Servers(stack.enter_context(Injector()), stack)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_server_ends_and_everything_acknowledged_is_there_after_the_repair(
    servers: Servers, row: Row
) -> None:
    injector = servers.injector
    injector.repair()
    server = servers.take(row.snap_count)
    server.new_output()
    load = Load([server.port])
    load.await_acknowledged(20)

    folder = server.version_dir
    if row.half_fits:
        injector.fail(On.WRITE, folder, row.files, times=1, short=True)
    # Once is the hardest: whoever tries again gets through.
    fault = injector.fail(row.operations, folder, row.files, error=row.error, times=1, lose=row.lose)

    assert server.await_end() == 1
    load.ended()
    words = server.last_words()
    assert f"/{row.named}" in words
    assert words.endswith(f": {os.strerror(row.error)}: nothing more is acknowledged, the server ends")
    assert "out of order" not in words
    assert fault.struck == 1

    injector.repair()
    server.start()
    load.check(server.port)
    again = Load([server.port])
    again.await_acknowledged(10)
    again.stop()
    again.check(server.port)
    assert not complaints(server.new_output())
    servers.give_back(server, row.snap_count)


def test_sync_is_not_tried_again(faulty: StartFaulty, injector: Injector) -> None:
    """The kernel reports a failed write-back once; a second sync that succeeds would be a lie."""
    server = faulty()
    prepare(server.port)
    load = Load([server.port])
    load.await_acknowledged(20)
    fault = injector.fail(On.SYNC | On.SYNC_DIR, server.version_dir, times=1)
    writes = injector.fail(On.WRITE, server.version_dir, times=0, behind=fault)
    assert server.await_end() == 1
    load.ended()
    assert (fault.seen, fault.struck) == (1, 1)
    assert writes.seen == 0, "something was written after the disk had failed"


def test_short_write_is_completed(faulty: StartFaulty, injector: Injector) -> None:
    server = faulty()
    prepare(server.port)
    fault = injector.fail(On.WRITE, server.version_dir, short=True)
    load = Load([server.port])
    load.await_acknowledged(50)
    load.stop()
    assert fault.struck > 50
    load.check(server.port)
    server.kill()
    server.start()
    load.check(server.port)
