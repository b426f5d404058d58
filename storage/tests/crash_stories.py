"""Stories of servers, to be cut off anywhere: what they do with their disks, and with which settings."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Final, NamedTuple

from zoolet.storage.errors import CannotTruncate
from zoolet.storage.sim_disk import Crashed
from zoolet.storage.snap_log import StorageSettings
from zoolet.storage.tests.crash_life import SMALL, Home, Life, Promise
from zoolet.storage.tests.crash_recorder import Image, Mutation, RecordingDisk


class Story(NamedTuple):
    """What happens, and where."""

    home: Home
    tell: Callable[[Life], None]
    """Lives one life; `start` was called."""
    image: Image = {}  # noqa: RUF012
    """What the disk holds before."""

    def record(self, mutation: Mutation | None = None) -> tuple[RecordingDisk, Promise]:
        """The calls of one life on an empty disk, and what is promised before them."""
        disk, promise = RecordingDisk(self.image), Promise()
        disk.mutation = mutation
        life = Life(disk, self.home, promise)
        life.start()
        self.tell(life)
        return disk, promise

    def record_with_kill(self, at: int, mutation: Mutation | None = None) -> tuple[RecordingDisk, Promise]:
        """The process is killed before this call, and the next one goes on with what the kernel has."""
        disk, promise = RecordingDisk(self.image), Promise()
        disk.mutation = mutation
        life = Life(disk, self.home, promise)
        disk.kill_at = at
        try:
            life.start()
            self.tell(life)
        except Crashed:
            disk.reboot()
            life = Life(disk, self.home, life.promise)
            life.start()
            life.write(40, 700)
            life.write(12)
        return disk, promise


APART: Final = Home("/data", "/logs", SMALL)


def usual_life(life: Life) -> None:
    """Batches of all sizes, a snapshot, a new log, a clean stop."""
    life.write(12)
    life.write(12, 700, 13)
    life.write(*[30 + 7 * n for n in range(12)])
    life.save()
    life.roll()
    life.write(400, 100)
    life.write(13)
    life.save()
    life.roll()
    life.write(2000, 12, 2000)
    life.close()


def first_writes(life: Life) -> None:
    """The very first start."""
    life.write(12)
    life.write(60, 12)


def large_records(life: Life) -> None:
    """Records that cross pages and the steps in which a log grows."""
    life.write(100_000)
    life.write(12)
    life.write(5000, 40, 40_000, 12, 4096)
    life.save()
    life.roll()
    life.write(3000)
    life.write(1100)
    life.write(900, 100_000)


def size_limit(life: Life) -> None:
    """Logs that are rolled because of their size."""
    for size in (900, 300, 1400, 60, 800, 900):
        life.write(size, 12)


def roll_inside_a_batch(life: Life) -> None:
    """A snapshot comes due in the middle of a batch, which then ends in a new log."""
    for size in (500, 20, 900):
        life.write(size)
        life.write_and_roll((size, 60), (700, 12))
    life.save()
    life.write(12)


def truncation(life: Life) -> None:
    """TRUNC over several logs and inside one, and on in a new epoch."""
    life.write(300, 800)
    life.write(12)
    life.save()
    life.roll()
    life.write(600, 600, 600)
    life.roll()
    life.write(12, 1400)
    life.save()
    life.write(900)
    life.truncate(5)
    life.write(500, 30, zxids=(0x100000001, 0x100000002))
    life.write(700, 700, 700)
    life.truncate(0x100000003)
    life.write(60, zxids=(0x200000001,))
    life.write(5000, 5000, 60)
    life.truncate(0x200000000)
    life.write(60, 60, zxids=(0x300000001, 0x300000002))


def leaders_snapshot(life: Life) -> None:
    """The leader sends a whole tree, twice."""
    life.write(300, 800, 60)
    life.save()
    life.roll()
    life.write(900, 12)
    life.adopt(0x100000001, 0x100000002, common=3)
    life.write(500, 12)
    life.roll()
    life.write(500)
    life.adopt(0x200000001, common=5)
    life.write(1200, zxids=(0x200000002,))


def damaged_history(life: Life) -> None:
    """What is here is not to be used: the leader's snapshot takes its place, and that of one of its name."""
    life.write(300, 800, 60)
    life.save()
    life.write(900, 12)
    life.store.disown_history()
    life.adopt(common=3)
    life.write(500, 12)
    life.store.disown_history()
    life.adopt(0x100000001, common=3)
    life.write(60)


def epochs(life: Life) -> None:
    """Elections: promises, histories taken over, and txns of new epochs in between."""
    life.accept(1)
    life.take_over(1)
    life.write_in_epoch(1, 60, 900)
    life.accept(3)
    life.write(12)
    life.take_over(3)
    life.accept(4)
    life.truncate(0x100000002)
    life.write_in_epoch(4, 300, 300)
    life.take_over(4)
    life.write(900)
    life.save()
    life.accept(5)
    life.adopt(0x500000001, common=3)
    life.take_over(5)
    life.write(60)


def purging(life: Life) -> None:
    """Old snapshots and logs go, while the server writes on."""
    for _ in range(6):
        life.write(300, 60)
        life.save()
        life.roll()
    life.write(12)
    life.purge()
    life.write(700)
    life.save()
    life.roll()
    life.write(12)
    life.purge()
    life.write(60)


def group_commit(life: Life) -> None:
    """Busy clients: each batch has dozens of txns."""
    for batch in range(5):
        life.write(*[12 + (n * 37 + batch * 11) % 300 for n in range(40)])
        if batch == 2:
            life.save()
            life.roll()


def any_life(seed: int) -> Callable[[Life], None]:
    """Whatever a member of an ensemble may do, in any order."""

    def tell(life: Life) -> None:
        random = Random(seed)
        for _ in range(14):
            sizes = [random.choice((12, 30, 200, 700, 3000)) for _ in range(random.choice((1, 1, 3, 8, 25)))]
            what = random.random()
            if what < 0.55 or len(life.history) < 4:
                life.write(*sizes)
            elif what < 0.6:
                life.write_and_roll(tuple(sizes), (12, 60))
            elif what < 0.75:
                life.save()
                life.roll()
            elif what < 0.85:
                with suppress(CannotTruncate):  # a member would ask for everything instead
                    life.truncate(life.history[-random.randrange(2, 4)][0])
            elif what < 0.95:
                first = (life.history[-1][0] >> 32) + 1 << 32
                zxids = [first + 1 + n for n in range(random.randrange(1, 3))]
                life.adopt(*zxids, common=random.randrange(1, len(life.history)))
            else:
                life.close()
                life.reopen()

    return tell


STORIES: Final[dict[str, Story]] = {
    "usual life": Story(Home(settings=SMALL), usual_life),
    "usual life, two folders": Story(APART, usual_life),
    "large records": Story(Home(settings=SMALL), large_records),
    "large records, no preallocation": Story(
        Home(settings=StorageSettings(preallocate_bytes=0)), large_records
    ),
    "rolled by size": Story(
        Home(settings=StorageSettings(preallocate_bytes=4096, log_size_limit_bytes=1500)), size_limit
    ),
    "rolled inside a batch": Story(APART, roll_inside_a_batch),
    "group commit": Story(Home(settings=SMALL), group_commit),
    "new database": Story(
        Home(settings=StorageSettings(preallocate_bytes=6000, database_autocreate=False)),
        first_writes,
        {"/data/initialize": b""},
    ),
    "compressed snapshots": Story(
        Home(settings=StorageSettings(preallocate_bytes=6000, snapshot_compression="gz")), usual_life
    ),
    "truncation": Story(Home(settings=SMALL), truncation),
    "truncation, two folders": Story(APART, truncation),
    "leader's snapshot": Story(Home(settings=SMALL), leaders_snapshot),
    "leader's snapshot, two folders": Story(APART, leaders_snapshot),
    "damaged history": Story(APART, damaged_history),
    "epochs": Story(Home(settings=SMALL, with_epochs=True), epochs),
    "purging": Story(Home(settings=SMALL), purging),
    "purging, two folders": Story(APART, purging),
    **{
        f"any life {seed}": Story(APART if seed & 1 else Home(settings=SMALL), any_life(seed))
        for seed in range(40 if os.environ.get("ZOOLET_DEEP") else 4)
    },
}
