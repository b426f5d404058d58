"""A data folder before anybody is served."""

from __future__ import annotations

from pathlib import Path

import pytest
from zoolet.server.config import config_from
from zoolet.server.database import ZKDatabase
from zoolet.server.storage_folder import restore_alone, storage_of
from zoolet.storage.errors import NoValidSnapshot
from zoolet.storage.sim_disk import SimDisk

LOG = Path(__file__).parent / "golden/java-3.9.4/log.1"


def start(disk: SimDisk, *, trusts: bool) -> ZKDatabase:
    config = config_from({}, data_dir="/data", client_port=0, snapshot_trust_empty=trusts)
    storage = storage_of(config, disk)
    try:
        database = ZKDatabase()
        restore_alone(storage.open(), storage, database, with_last_zxid=True)
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
