"""Snapshots that cannot be written: the server says so and serves on, because the log has everything.

Java ends with status 10. Here the next snapshot is tried as usual; logs are kept as long as they are needed.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from ..four_letter_client import monitor_values
from ..load import Load, prepare
from .conftest import StartFaulty
from .injector import Injector, On
from .server import FaultyServer, complaints
from .test_disk_faults import Row

ROWS = [
    Row("no descriptors", On.CREATE, "new.snapshot.*", errno.EMFILE, "new.snapshot."),
    Row("full disk", On.SPACE, "new.snapshot.*", errno.ENOSPC, "new.snapshot."),
    Row("sync", On.SYNC, "new.snapshot.*", errno.EIO, "new.snapshot.", lose=True),
    Row("rename, and nothing can be removed", On.RENAME | On.UNLINK, "*snapshot.*", errno.EROFS, "snapshot."),
]


def snapshots(server: FaultyServer) -> set[str]:
    return {path.name for path in server.version_dir.glob("snapshot.*")}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_server_goes_on_without_a_snapshot_and_takes_one_when_it_can(
    faulty: StartFaulty, injector: Injector, row: Row
) -> None:
    server = faulty(snapCount="50")
    prepare(server.port)
    before = snapshots(server)
    fault = injector.fail(row.operations, server.version_dir, row.files, error=row.error, lose=row.lose)
    load = Load([server.port])
    fault.await_strike()
    load.await_acknowledged(20)

    assert server.is_running
    assert snapshots(server) == before
    output = server.new_output()
    failures = [line for line in output.splitlines() if " ERROR " in line]
    assert failures
    assert all("snapshot failed: " in line and line.endswith(os.strerror(row.error)) for line in failures)
    assert row.named in failures[0]
    assert "Traceback" not in output
    assert int(monitor_values(server.port)["zk_snapshot_error_count"]) >= 1

    injector.repair()
    server.until("a snapshot is written again", lambda: snapshots(server) - before)
    load.stop()
    load.check(server.port)
    server.kill()
    server.start()
    load.check(server.port)
    assert server.stop() == 0
    assert not complaints(server.output)
    assert [path.name for path in server.version_dir.glob("new.*")] == []


@pytest.mark.parametrize("which", ["data", "log"])
def test_one_of_two_disks_is_full(
    faulty: StartFaulty, injector: Injector, tmp_path: Path, which: str
) -> None:
    """The disk of the snapshots may fail; without that of the log nothing can be promised."""
    data_dir, log_dir = tmp_path / "data", tmp_path / "log"
    server = faulty(data_dir, dataLogDir=str(log_dir), snapCount="50")
    prepare(server.port)
    folder = data_dir if which == "data" else log_dir
    load = Load([server.port])
    load.await_acknowledged(20)
    fault = injector.fail(On.SPACE, folder, error=errno.ENOSPC)
    if which == "log":
        assert server.await_end() == 1
        load.ended()
        assert str(log_dir) in server.last_words()
    else:
        fault.await_strike()
        load.await_acknowledged(30)
        load.stop()
        assert f"snapshot failed: create {data_dir}/version-2/new.snapshot." in server.output
        server.kill()
    injector.repair()
    server.start()
    load.check(server.port)
