"""A data folder before anybody is served."""

from __future__ import annotations

from pathlib import Path

import pytest
from zoolet.server.config import config_from
from zoolet.server.database import ZKDatabase
from zoolet.server.storage_folder import restore_alone, storage_of
from zoolet.storage.errors import NoValidSnapshot
from zoolet.storage.sim_disk import SimDisk
from zoolet.storage.snapshot import SEAL_BYTES

LOG = Path(__file__).parent / "golden/java-3.9.4/log.1"


def start(disk: SimDisk, *, trusts: bool, **properties: str) -> ZKDatabase:
    config = config_from(properties, data_dir="/data", client_port=0, snapshot_trust_empty=trusts)
    storage = storage_of(config, disk)
    try:
        database = ZKDatabase()
        restore_alone(storage.open(), storage, database, config)
        return database
    finally:
        storage.close()


def test_logs_without_a_snapshot_have_to_be_trusted_only_once() -> None:
    """The next start has a snapshot to begin with. (The original takes one at every start.)"""
    disk = SimDisk()
    disk.makedirs("/data/version-2")
    disk.put("/data/version-2/log.1", LOG.read_bytes())
    with pytest.raises(NoValidSnapshot):
        start(disk, trusts=False)
    first = start(disk, trusts=True)
    assert disk.exists("/data/version-2/snapshot.1a")
    second = start(disk.crashed(), trusts=False)
    assert second.tree.digest == first.tree.digest
    assert second.tree.last_processed_zxid == first.tree.last_processed_zxid == 0x1A
    assert second.sessions == first.sessions


@pytest.mark.parametrize("name", ["snapshot.0", "snapshot.1a"])
def test_the_first_snapshots_too_end_as_the_settings_want_it(name: str) -> None:
    lengths = []
    for enabled in ("true", "false"):
        disk = SimDisk()
        if name == "snapshot.1a":
            disk.makedirs("/data/version-2")
            disk.put("/data/version-2/log.1", LOG.read_bytes())
        start(disk, trusts=True, **{"serializeLastProcessedZxid.enabled": enabled})
        lengths.append(len(disk.get(f"/data/version-2/{name}")))
    assert lengths[0] - lengths[1] == 8 + SEAL_BYTES
