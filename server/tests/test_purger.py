"""Old files go at the start and every so many hours, beside a server that runs."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import trio
import trio.testing
from zoolet.server.config import config_from
from zoolet.server.purger import Purger
from zoolet.server.zookeeper_server import ZooKeeperServer
from zoolet.storage.real_disk import RealDisk
from zoolet.storage.snap_store import SnapStore
from zoolet.storage.snapshot import SnapshotEncoder


def add_snapshots(folder: Path, *zxids: int) -> None:
    for zxid in zxids:
        file = SnapStore(RealDisk(), str(folder)).begin(zxid)
        encoder = SnapshotEncoder()
        encoder.start({}, {})
        encoder.add_node("", b"", -1, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        file.write(encoder.finish())
        file.finish()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


async def until_few_are_left(folder: Path) -> None:
    """Wait for three snapshots; the thread that finds out what may go tells nobody else."""
    while len(list(folder.glob("snapshot.*"))) > 3:  # noqa: ASYNC110, ASYNC240
        await trio.sleep(0.01)


def test_it_purges_at_once_and_then_every_interval(tmp_path: Path) -> None:
    async def main() -> None:
        purger = Purger(RealDisk(), str(tmp_path), str(tmp_path), retain_count=3, interval_h=2)
        add_snapshots(tmp_path, 1, 2, 3, 4)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(purger.run)
            await until_few_are_left(tmp_path)
            assert names(tmp_path) == ["snapshot.2", "snapshot.3", "snapshot.4"]
            add_snapshots(tmp_path, 5)
            await trio.sleep(2 * 3600)
            await until_few_are_left(tmp_path)
            assert names(tmp_path) == ["snapshot.3", "snapshot.4", "snapshot.5"]
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0.05))


def test_a_disk_that_fails_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    purger = Purger(RealDisk(), str(tmp_path / "no"), str(tmp_path / "no"), retain_count=3, interval_h=2)
    assert trio.run(purger.purge) == 0
    assert "old files could not be removed" in caplog.text


def test_a_server_purges_when_it_is_told_to(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    folder = tmp_path / "version-2"
    folder.mkdir()
    add_snapshots(folder, 1, 2, 3, 4, 5)
    server = ZooKeeperServer(
        config_from({"autopurge.purgeInterval": 1, "dataDir": str(tmp_path), "clientPort": 0})
    )

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(server.serve)
            await until_few_are_left(folder)
            server.request_stop()

    trio.run(main)
    assert [name for name in names(folder) if name.startswith("snap")] == [
        "snapshot.3",
        "snapshot.4",
        "snapshot.5",
    ]
