"""Every byte of a data folder spoiled in turn: what was acknowledged is read back, or the start is refused.

`ZOOLET_DEEP=1` takes a folder of 64 KB instead of 6.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

import pytest
from zoolet.jute.ids import Zxid
from zoolet.storage.errors import StorageError
from zoolet.storage.file_names import LOCK_FILE
from zoolet.storage.sim_disk import SimDisk
from zoolet.storage.snap_log import FileTxnSnapLog, StartingPoint, StorageSettings
from zoolet.storage.snapshot import SnapshotEncoder
from zoolet.storage.tests.samples import ACLS, NODES, SESSIONS, payload

DATA = "/data/version-2"
TXNS = 300 if os.environ.get("ZOOLET_DEEP") else 24
SETTINGS = StorageSettings(preallocate_bytes=2048)
SPOIL: dict[str, Callable[[int], int]] = {
    "zero": lambda byte: 0,
    "flip": lambda byte: byte ^ 0x10,
    "ones": lambda byte: 0xFF,
}


class Past(NamedTuple):
    """A folder, and the txns that were acknowledged."""

    disk: SimDisk
    zxids: list[int]


def live(zxids: list[int], *, with_snapshots: bool) -> Past:
    """Three logs, txns of every size, a clean stop; a snapshot before each log, or only before the first."""
    disk = SimDisk()
    store = FileTxnSnapLog(disk, "/data", "/data", SETTINGS)
    store.open()
    for number, zxid in enumerate(zxids):
        if number % (len(zxids) // 3) == 0:
            if with_snapshots or not number:
                save(store, zxid - 1 if number else 0)
            store.txn_log.roll()
        store.txn_log.append(Zxid(zxid), payload(zxid, bytes(zxid % 200)))
        batch = store.txn_log.take_batch()
        assert batch is not None
        batch.write()
    store.close()
    return Past(disk, zxids)


@pytest.fixture(scope="module", params=["one epoch", "an epoch for each log"])
def past(request: pytest.FixtureRequest) -> Past:
    """Inside an epoch zxids tell what is missing, between epochs they do not."""
    if request.param == "one epoch":
        return live([*range(1, TXNS + 1)], with_snapshots=True)
    counters = range(1, TXNS // 12 + 1)
    return live([epoch << 32 | counter for epoch in range(3) for counter in counters], with_snapshots=False)


def save(store: FileTxnSnapLog, zxid: int) -> None:
    encoder = SnapshotEncoder()
    encoder.start(SESSIONS, ACLS)
    file = store.snap_store.begin(zxid)
    for node in NODES:
        encoder.add_node(*node)
    file.write(encoder.take_chunk())
    file.write(encoder.finish(None, zxid))
    file.finish()


def outcome(disk: SimDisk, zxids: list[int]) -> str:
    """`whole` or `refused`; fails when something acknowledged is missing or changed."""
    store = FileTxnSnapLog(disk, "/data", "/data", SETTINGS)
    try:
        plan = store.open()
        assert plan.start is StartingPoint.DATA
        assert plan.snapshot is not None
        with plan.snapshot.open() as decoder:
            assert list(decoder.nodes()) == NODES
        found = []
        for entry in plan.entries():
            assert entry.payload == payload(entry.zxid, bytes(entry.zxid % 200))
            found.append(entry.zxid)
    except StorageError:
        return "refused"
    finally:
        store.close()
    wanted = [zxid for zxid in zxids if zxid > plan.snapshot.zxid]
    assert found == wanted, "acknowledged transactions are missing, and nobody says so"
    return "whole"


@pytest.mark.parametrize("how", SPOIL)
def test_no_spoiled_byte_loses_a_write_in_silence(past: Past, how: str) -> None:
    disk = past.disk
    spoil = SPOIL[how]
    outcomes = set()
    for name in disk.listdir(DATA):
        if name == LOCK_FILE:
            continue
        path = f"{DATA}/{name}"
        good = disk.get(path)
        for offset, byte in enumerate(good):
            if (bad := spoil(byte)) != byte:
                spoiled = disk.crashed()
                spoiled.put(path, good[:offset] + bytes((bad,)) + good[offset + 1 :])
                outcomes.add(outcome(spoiled, past.zxids))
    assert outcomes == {"whole", "refused"}


@pytest.mark.parametrize("block", [512, 64, 16])
def test_no_zeroed_block_loses_a_write_in_silence(past: Past, block: int) -> None:
    """512 bytes are what a disk loses at the least; smaller holes are more often where it hurts."""
    disk = past.disk
    for name in disk.listdir(DATA):
        path = f"{DATA}/{name}"
        good = disk.get(path)
        for offset in range(0, len(good), block):
            spoiled = disk.crashed()
            spoiled.put(
                path, good[:offset] + bytes(len(good[offset : offset + block])) + good[offset + block :]
            )
            outcome(spoiled, past.zxids)


def test_no_missing_file_loses_a_write_in_silence(past: Past) -> None:
    disk = past.disk
    for name in disk.listdir(DATA):
        spoiled = disk.crashed()
        spoiled.unlink(f"{DATA}/{name}")
        outcome(spoiled, past.zxids)


def test_no_emptied_or_shortened_file_loses_a_write_in_silence(past: Past) -> None:
    disk = past.disk
    for name in disk.listdir(DATA):
        good = disk.get(f"{DATA}/{name}")
        for length in range(0, len(good), 7):
            spoiled = disk.crashed()
            spoiled.put(f"{DATA}/{name}", good[:length])
            outcome(spoiled, past.zxids)
