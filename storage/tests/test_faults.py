"""Every call to the disk failing in turn: what failed is not acknowledged, what was acknowledged stays.

A failed write of the log ends the process; a failed snapshot or purge does not. What comes then is told in
three ways: the next process on the same kernel (which shows what it could not write), a power failure at
once, and a power failure in the life of the next process.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest
from zoolet.storage.errors import LogFailed, StorageError
from zoolet.storage.sim_disk import KEEP_ALL, LOSE_ALL, SimDisk, Survival
from zoolet.storage.tests.crash_life import Life, Promise
from zoolet.storage.tests.crash_stories import STORIES, Story
from zoolet.storage.tests.faulty_disk import Fault, FaultyDisk

TOLD: Final = ("usual life, two folders", "truncation", "leader's snapshot, two folders", "epochs", "purging")
LUCK: Final = (LOSE_ALL, KEEP_ALL, Survival(1, 100, 1))


class Survivor(Life):
    """A server that serves on without snapshots and purges that fail."""

    @contextmanager
    def _whatever_happens(self) -> Iterator[None]:
        try:
            yield
        except StorageError:
            if not self.store.snap_store.stored():
                raise  # snapshot.0 is needed

    def save(self) -> None:
        """A snapshot, or not."""
        with self._whatever_happens():
            super().save()

    def purge(self) -> None:
        """Old files go, or not."""
        with self._whatever_happens():
            super().purge()


def healthy(disk: SimDisk) -> FaultyDisk:
    disk.locked.clear()
    return FaultyDisk(disk, Fault.IO_ERROR, -1, for_good=False)


def calls_of(story: Story, fault: Fault) -> int:
    disk = FaultyDisk(SimDisk(), fault, -1, for_good=False)
    life = Survivor(disk, story.home, Promise())
    life.start()
    story.tell(life)
    return disk.calls


@pytest.mark.parametrize("for_good", [False, True], ids=["once", "for good"])
@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.value)
@pytest.mark.parametrize("name", TOLD)
def test_a_failing_call_costs_nothing_that_was_acknowledged(name: str, fault: Fault, for_good: bool) -> None:
    story = STORIES[name]
    for fail_at in range(1, calls_of(story, fault) + 1):
        disk = FaultyDisk(SimDisk(), fault, fail_at, for_good=for_good)
        life = Survivor(disk, story.home, Promise())
        try:
            life.start()
            story.tell(life)
        except StorageError:
            nothing_more_is_acknowledged(life)
        assert disk.failed
        try:
            look_at_what_is_left(disk.base, story, life.promise)
        except Exception as error:
            raise AssertionError(f"call {fail_at}, {disk.failed[0]}, failed: {error}") from error


def nothing_more_is_acknowledged(life: Life) -> None:
    """Once the log has failed, it stays so, whatever the disk says."""
    if life.store.txn_log.failure is not None:
        with pytest.raises(LogFailed):
            life.store.txn_log.append(1 << 60, bytes(40))  # type: ignore[arg-type]


def look_at_what_is_left(disk: SimDisk, story: Story, promise: Promise) -> None:
    for luck in LUCK:
        Life(healthy(disk.crashed(luck)), story.home, promise).start()
    # The kernel shows the next process what it could not write, and that one answers for what it has read.
    following = Life(healthy(disk), story.home, promise)
    following.start()
    Life(healthy(disk.crashed()), story.home, following.promise).start()
    following.write(40, 600)
    Life(healthy(disk.crashed()), story.home, following.promise).start()


def test_full_disk_is_no_reason_to_stay_away_once_there_is_room_again() -> None:
    story = STORIES["usual life"]
    disk = FaultyDisk(SimDisk(), Fault.DISK_FULL, 30, for_good=True)
    life = Survivor(disk, story.home, Promise())
    life.start()
    with pytest.raises(StorageError):
        story.tell(life)
    acknowledged = life.promise.histories[0][1]
    following = Life(healthy(disk.base), story.home, life.promise)
    following.start()
    assert len(following.history) >= acknowledged > 3
    story.tell(following)
