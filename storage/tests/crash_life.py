"""A server's life as the disk sees it, and what it promised at every moment.

The tree of this server is the list of its txns (zxid and a number that is never given twice), so a snapshot
holds all of them, and two states can be compared by comparing lists. What must be found after a crash is
noted in the recording, before and after everything that changes it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from random import Random
from struct import Struct
from typing import Final, Protocol

from zoolet.jute.ids import Epoch, Zxid
from zoolet.storage.disk import Disk
from zoolet.storage.epoch_files import EpochFiles
from zoolet.storage.errors import CannotTruncate, StorageError
from zoolet.storage.log_record import frame
from zoolet.storage.purge import carry_out, plan_purge
from zoolet.storage.snap_log import FileTxnSnapLog, RestorePlan, StartingPoint, StorageSettings
from zoolet.storage.snap_store import SnapshotFile
from zoolet.storage.snapshot import SnapshotEncoder
from zoolet.storage.tests.samples import ACLS, NODES, SESSIONS, payload
from zoolet.storage.tree_codec import NodeTuple

Txn = tuple[int, int]
"""Zxid, and the number that tells it from others that had the same zxid."""
History = tuple[Txn, ...]

_TXN: Final = Struct(">QI")
_SIZE_AND_TXN: Final = Struct(">iQI")
_SIZE_AT: Final = 32 + 4 + len("/node")  # behind header and path
_FILLER: Final = Random(1).randbytes(150_000)
_CHUNK_BYTES: Final = 700  # so that a snapshot takes several writes


SMALL: Final = StorageSettings(preallocate_bytes=6000)


class Wrong(Exception):
    """What was found after a crash is not what was promised."""


class NotedDisk(Disk, Protocol):
    """A disk that is told what is promised."""

    def note(self, what: object) -> None:
        """From now on this may be found, and nothing else."""


@dataclass(frozen=True, slots=True)
class Promise:
    """What may be found: one of these histories, at least so many of its txns, and these epochs."""

    histories: tuple[tuple[History, int], ...] = (((), 0),)
    accepted: tuple[int, int] = (0, 0)
    """The smallest and the largest that may be found; -1: nothing is said."""
    current: tuple[int, int] = (0, 0)
    next_zxid: int = 1
    """The next txn has this one or a later one."""

    def check(self, found: History) -> None:
        """Raise `Wrong` unless these txns were promised."""
        for history, at_least in self.histories:
            if at_least <= len(found) <= len(history) and found == history[: len(found)]:
                return
        wanted = [f"{len(history)} txns, {at_least} of them for sure" for history, at_least in self.histories]
        known, at_least = self.histories[0]
        same = next((i for i, (a, b) in enumerate(zip(known, found, strict=False)) if a != b), len(found))
        end = f"0x{found[-1][0]:x}" if found else "none"
        raise Wrong(f"found {len(found)} txns up to {end}, {same} as known, but there were {wanted}")


@dataclass(frozen=True, slots=True)
class Home:
    """Where and how a server keeps its data."""

    data_dir: str = "/data"
    log_dir: str = "/data"
    settings: StorageSettings = SMALL
    with_epochs: bool = False

    def store(self, disk: Disk) -> FileTxnSnapLog:
        """Not yet opened."""
        return FileTxnSnapLog(disk, self.data_dir, self.log_dir, self.settings)


class Life:
    """One process. `start` comes first."""

    def __init__(self, disk: NotedDisk, home: Home, promise: Promise, number: int = 0) -> None:
        self.disk = disk
        self.home = home
        self.promise = promise
        self.store = home.store(disk)
        self.epochs = EpochFiles(disk, self.store.snap_directory)
        self.history: History = ()
        self._number = number
        """The last that was given."""

    def tell(self, **changes: object) -> None:
        """From now on something else may be found."""
        self.promise = replace(self.promise, **changes)  # type: ignore[arg-type]
        self.disk.note(self.promise)

    def start(self) -> None:
        """Open, read everything, compare it with what was promised; what was read is promised from now on."""
        plan = self.store.open()
        found = self.read(plan)
        self.promise.check(found)
        self.history = found
        self._number = max([self._number, *(number for _, number in found)])
        if plan.start is StartingPoint.EMPTY:
            self.save()
            self.store.remove_initialize_marker()
        elif plan.start is not StartingPoint.DATA:
            raise Wrong("a folder that the server refuses to vote with")
        epochs = (0, 0)
        if self.home.with_epochs:
            self.epochs.load(found[-1][0] if found else 0)
            epochs = (self.epochs.accepted, self.epochs.current)
            for value, (smallest, largest) in zip(
                epochs, (self.promise.accepted, self.promise.current), strict=True
            ):
                if not smallest <= value <= largest:
                    raise Wrong(f"accepted and current epoch are {epochs}, promised was {self.promise}")
        accepted, current = epochs
        self.tell(
            histories=((found, len(found)),),
            accepted=(accepted, accepted),
            current=(current, current),
        )

    def read(self, plan: RestorePlan) -> History:
        """Everything the plan leads to."""
        found: list[Txn] = []
        if plan.snapshot is not None:
            with plan.snapshot.open() as decoder:
                nodes = list(decoder.nodes())
            if nodes[:-1] != NODES:
                raise Wrong("a snapshot with other nodes than were written")
            found = list(_TXN.iter_unpack(nodes[-1][1] or b""))
        if plan.start is StartingPoint.DATA:
            for entry in plan.entries():
                size, zxid, number = _SIZE_AND_TXN.unpack_from(entry.payload, _SIZE_AT)
                if zxid != entry.zxid or entry.payload != txn_payload(zxid, number, size):
                    raise Wrong(f"txn 0x{entry.zxid:x} is not what was ever proposed")
                found.append((zxid, number))
        return tuple(found)

    # What servers do

    def write(self, *sizes: int, zxids: tuple[int, ...] = ()) -> None:
        """One batch of txns of so many bytes of data, written and acknowledged."""
        self._write((sizes,), zxids)

    def write_and_roll(self, *runs: tuple[int, ...]) -> None:
        """One batch that ends in another log than it begins in."""
        self._write(runs, ())

    def _write(self, runs: tuple[tuple[int, ...], ...], zxids: tuple[int, ...]) -> None:
        txn_log = self.store.txn_log
        last = max(self.history[-1][0] if self.history else 0, self.promise.next_zxid - 1)
        acknowledged, history, given = len(self.history), list(self.history), iter(zxids)
        for number, sizes in enumerate(runs):
            if number:
                txn_log.roll()
            for size in sizes:
                last = next(given, last + 1)
                self._number += 1
                history.append((last, self._number))
                txn_log.append(Zxid(last), txn_payload(last, self._number, size))
        self.tell(histories=((tuple(history), acknowledged),))
        batch = txn_log.take_batch()
        assert batch is not None
        batch.write()
        self.history = tuple(history)
        self.tell(histories=((self.history, len(history)),))

    def save(self) -> None:
        """A snapshot of the tree as it is."""
        zxid = self.history[-1][0] if self.history else 0
        self._fill(self.store.snap_store.begin(zxid), self.history)

    def roll(self) -> None:
        """The next txn begins a new log."""
        self.store.txn_log.roll()

    def purge(self) -> None:
        """Keep three snapshots."""
        plan = plan_purge(self.disk, self.store.snap_directory, self.store.log_directory, 3)
        for _ in carry_out(self.disk, plan):
            pass

    def truncate(self, zxid: int) -> None:
        """The leader says TRUNC. `CannotTruncate` where no older snapshot is kept; then all is as it was."""
        kept = tuple(txn for txn in self.history if txn[0] <= zxid)
        assert len(kept) < len(self.history)
        self.tell(histories=((self.history, len(self.history)), (kept, len(kept))), next_zxid=zxid + 1)
        try:
            plan = self.store.truncate(zxid)
        except CannotTruncate:
            self.tell(histories=((self.history, len(self.history)),))
            raise
        found = self.read(plan)
        if found != kept:
            raise Wrong(f"truncated to 0x{zxid:x}, and left are {found}")
        self.history = kept
        self.tell(histories=((kept, len(kept)),))

    def adopt(self, *zxids: int, common: int) -> None:
        """The leader sends a snapshot: the first `common` txns of ours, and behind them these."""
        history = list(self.history[:common])
        for zxid in zxids:
            self._number += 1
            history.append((zxid, self._number))
        whole = tuple(history)
        if self.home.with_epochs:
            self.tell(current=(self.promise.current[0], whole[-1][0] >> 32))
        self.tell(histories=((self.history, len(self.history)), (whole, len(whole))))
        self._fill(self.store.begin_adoption(whole[-1][0]), whole)
        self.history = whole
        self.tell(histories=((whole, len(whole)),))

    def accept(self, epoch: int) -> None:
        """Promise to follow no older leader."""
        self.tell(accepted=(self.epochs.accepted, epoch))
        self.epochs.accept(Epoch(epoch))
        self.tell(accepted=(epoch, epoch))

    def take_over(self, epoch: int) -> None:
        """Claim the history of this epoch's leader."""
        self.tell(current=(self.epochs.current, epoch))
        self.epochs.take_over(Epoch(epoch))
        self.tell(current=(epoch, epoch))

    def write_in_epoch(self, epoch: int, *sizes: int) -> None:
        """The first txns of an epoch, while `currentEpoch` is still an older one; a start may raise it."""
        if self.promise.current[1] < epoch:
            self.tell(current=(self.promise.current[0], epoch))
        self.write(*sizes, zxids=tuple((epoch << 32) + 1 + number for number in range(len(sizes))))

    def close(self) -> None:
        """Stop cleanly."""
        self.store.close()

    def reopen(self) -> None:
        """The next process, after a clean stop."""
        self.store = self.home.store(self.disk)
        self.start()

    def _fill(self, file: SnapshotFile, history: History) -> None:
        content = snapshot_bytes(history)
        try:
            for start in range(0, len(content), _CHUNK_BYTES):
                file.write(content[start : start + _CHUNK_BYTES])
            file.finish()
        except StorageError:
            file.abort()
            raise


@lru_cache(4096)
def txn_payload(zxid: int, number: int, size: int) -> bytes:
    """A setData of so many bytes of data, at least 12. No two are alike in more than a few bytes."""
    start = number * 617 % 10_007
    filler = _FILLER[start : start + max(size - _TXN.size, 0)]
    if number % 7 == 3:  # a client may store a piece of a log, with txns that are still to come
        foreign = frame(payload(zxid + 40, b"somebody else's log"))
        filler = (filler[:30] + foreign)[: len(filler)] + filler[30 + len(foreign) :]
    return payload(zxid, _TXN.pack(zxid, number) + filler)


def snapshot_bytes(history: History) -> bytes:
    """A snapshot of the tree that these txns make."""
    chain = b"".join(_TXN.pack(*txn) for txn in history)
    node: NodeTuple = ("/chain", chain, 1, 8, 8, 1700000000003, 1700000000003, 0, 0, 0, 0, 8)
    encoder = SnapshotEncoder()
    encoder.start(SESSIONS, ACLS)
    for one in [*NODES, node]:
        encoder.add_node(*one)
    return encoder.take_chunk() + encoder.finish(None, history[-1][0] if history else 0)
