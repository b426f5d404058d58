"""Whole members losing their power at every call to the disk: elections, coming late, writes.

What a member has said it must not forget: the txns it has acknowledged, the epoch it has promised, and the
one whose history it has taken over. And it must start again, whatever the moment was. Which states a power
failure leaves is said by `storage/tests/crash_states.py`.
"""

from __future__ import annotations

from random import Random
from typing import Any, NamedTuple, cast

import pytest
from zoolet.jute.ids import Epoch
from zoolet.quorum.tests.members_lab import Lab, LabMember
from zoolet.server.database import ZKDatabase
from zoolet.server.storage_folder import restore
from zoolet.storage.epoch_files import EpochFiles
from zoolet.storage.errors import StorageError
from zoolet.storage.sim_disk import SimDisk
from zoolet.storage.snap_log import FileTxnSnapLog, StorageSettings
from zoolet.storage.tests.crash_recorder import Image, RecordingDisk, disk_of
from zoolet.storage.tests.crash_states import DiskModel

PER_CALL = 10


class Said(NamedTuple):
    """What a member may not forget."""

    zxid: int = 0
    accepted: int = 0
    current: int = 0


class RecordedMember(LabMember):
    """Its disk is written down, and what it says is noted between the calls."""

    def __init__(self, lab: Lab, sid: int, settings: dict[str, Any]) -> None:
        super().__init__(lab, sid, settings)
        self.recording = RecordingDisk()
        self.disk = cast(SimDisk, self.recording)
        self.said = Said()

    def say(self, **changes: int) -> None:
        self.said = self.said._replace(**changes)
        self.recording.note(self.said)

    def start(self) -> None:
        super().start()
        epochs = self.peer.epochs
        self.say(zxid=self.peer.last_zxid, accepted=epochs.accepted, current=epochs.current)
        accept, take_over = epochs.accept, epochs.take_over

        def accepted(epoch: Epoch) -> None:
            accept(epoch)
            self.say(accepted=epoch)

        def taken_over(epoch: Epoch) -> None:
            take_over(epoch)
            self.say(current=epoch)

        epochs.accept = accepted  # type: ignore[method-assign]
        epochs.take_over = taken_over  # type: ignore[method-assign]

    def write_batches(self) -> bool:
        worked = False
        while (batch := self.peer.take_batch()) is not None:
            batch.write()
            self.say(zxid=batch.last_zxid)
            self.peer.flushed()
            worked = True
        return worked


def lived() -> Lab:
    """Two members elect and write; a third is brought up to date; leaders end, one after the other."""
    lab = Lab(3)
    for sid in lab.members:
        lab.members[sid] = RecordedMember(lab, sid, {"snap_count": 12})
    lab.start(1, 2)
    lab.settle()
    write(lab, 1, 20)
    lab.start(3)
    lab.settle()
    write(lab, 3, 6)
    for _ in range(2):
        leader = lab.leader.sid
        lab.stop(leader)
        lab.settle()
        write(lab, lab.running[0].sid, 8)
        lab.start(leader)
        lab.settle()
        write(lab, leader, 3)
    return lab


def write(lab: Lab, sid: int, count: int) -> None:
    """Some nodes, each in a packet of its own."""
    client = lab[sid].connected()
    for number in range(count):
        assert client.create(f"/{client.session_id:x}-{number}", b"x" * number * 50).err == 0
    client.disconnect()


@pytest.fixture(scope="module")
def lab() -> Lab:
    return lived()


def remembered(image: Image) -> Said:
    """What the next process finds. Raises StorageError."""
    disk = disk_of(image)
    storage = FileTxnSnapLog(disk, "/data", "/data", StorageSettings(preallocate_bytes=1 << 16))
    database = ZKDatabase()
    restore(storage.open(), storage, database)
    assert database.digest_mismatches == 0
    epochs = EpochFiles(disk, storage.snap_directory)
    epochs.load(database.tree.last_processed_zxid)
    return Said(database.tree.last_processed_zxid, epochs.accepted, epochs.current)


@pytest.mark.parametrize("sid", [1, 2, 3])
def test_a_member_never_forgets_what_it_has_said(lab: Lab, sid: int) -> None:
    recording = cast(RecordedMember, lab[sid]).recording
    model, random, said = DiskModel({}), Random(sid), Said()
    known: dict[int, Said] = {}
    for call in recording.calls:
        if call[0] == "note":
            said = call[1]
        else:
            model.replay(call)
        for image in model.states(PER_CALL, random):
            key = hash(frozenset(image.items()))
            if key not in known:
                try:
                    known[key] = remembered(image)
                except StorageError as error:
                    raise AssertionError(f"after {call[:2]}: {error}") from error
            found = known[key]
            assert all(now >= then for now, then in zip(found, said, strict=True)), (call[:2], found, said)
    print(f"member {sid}: {len(known)} states")
    assert len(known) > 300
