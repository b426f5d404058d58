"""Making a damaged data folder startable again, by giving up what cannot be read. Planned first, then done.

The plan is found by trying: a start refuses and names a file and an offset, so that file is cut there (or set
aside, if nothing of it is left), what does not continue it is removed, and the start is tried again, in
memory, until one succeeds. Every file that will be changed or removed is copied before anything is done, and
the copies are synced:

    <folder>/version-2.backup, .backup-2, ...       outside of what any server reads

What may be lost is part of the plan. A server refuses because these txns were acknowledged; cutting them off
is a decision of somebody who knows that there is no better copy.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from ...storage.disk import Disk, File
from ...storage.errors import Corrupt, DiskError, StorageError
from ...storage.file_names import (
    LOCK_FILE,
    StoredFile,
    list_logs,
    list_snapshots,
    looks_like_log,
)
from ...storage.log_record import FILE_HEADER_BYTES, Ending
from ...storage.overlay_disk import OverlayDisk
from ...storage.watermark import ENDS_AT, WATERMARK_FILE, WatermarkFile
from .folder import Folder
from .log_files import LogFile, zxids_behind
from .recovery import Recovered, recover

_STEPS_MAX: Final = 1000
_CHUNK_BYTES: Final = 1 << 20


class CannotRepair(StorageError):
    """Cutting and leaving out files does not lead to a folder that a server starts on."""


@dataclass(frozen=True, slots=True)
class Step:
    """One file to be changed: cut to `size` bytes, or removed if that is None."""

    path: str
    size: int | None

    def __str__(self) -> str:
        return f"remove {self.path}" if self.size is None else f"cut {self.path} to {self.size} bytes"


@dataclass(slots=True)
class RepairPlan:
    """What to do, and what comes of it."""

    recovered: Recovered
    steps: list[Step] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    """Zxids of txns that can still be read, one by one, and will not be part of the history any more."""
    torn: int = 0
    """How many logs have a torn tail, which nobody was told about."""
    damaged: int = 0
    """How many logs have a place where something was that cannot be read."""
    acknowledged: int = -1
    """The last zxid that the watermark's file says was acknowledged, if that is lost; else -1."""


def plan_repair(disk: Disk, folder: Folder) -> RepairPlan:
    """What it takes until a server starts, torn tails included. Raises CannotRepair and DiskError."""
    trial = _Trial(disk)
    for _ in range(_STEPS_MAX):
        try:
            recovered = recover(trial.disk, folder)
        except Corrupt as error:
            _give_way(trial, folder, error)
        except StorageError as error:
            raise CannotRepair(f"this cannot be repaired by cutting a log: {error}") from error
        else:
            break
    else:
        raise CannotRepair(f"still refused after {_STEPS_MAX} steps")
    plan = RepairPlan(recovered)
    for log in list_logs(trial.disk, folder.log_directory):
        offset = _torn_at(trial.disk, log)
        if offset >= 0:
            trial.cut(log.path, offset)
    plan.steps = trial.steps()
    _count_losses(disk, folder, plan)
    return plan


def repair(disk: Disk, folder: Folder, plan: RepairPlan) -> Iterator[str]:
    """Do it, telling each step. The folder's locks have to be held (`hold`). Raises DiskError."""
    copies: dict[str, str] = {}
    for directory in dict.fromkeys(step.path.rpartition("/")[0] for step in plan.steps):
        backup = _unused(disk, f"{directory}.backup")
        disk.makedirs(backup)
        copies[directory] = backup
        for step in plan.steps:
            folder_of, _, name = step.path.rpartition("/")
            if folder_of == directory:
                copy_file(disk, step.path, f"{backup}/{name}")
        disk.fsync_dir(backup)
        yield f"Copied what will be changed to {backup}"
    # From the newest file backwards, so that a crash in between leaves no hole; the mark last, which tells
    # until then that something is missing.
    for step in plan.steps:
        if step.size is None:
            disk.unlink(step.path)
        else:
            file = disk.open(step.path, writable=True)
            try:
                file.truncate(step.size)
                file.fdatasync()
            finally:
                file.close()
        disk.fsync_dir(step.path.rpartition("/")[0])
        yield f"Done: {step}"


class hold:
    """Keep servers of ours off the folder: `with hold(disk, folder): ...`. Raises DirectoryInUse.

    The original takes no lock, and is not kept off.
    """

    def __init__(self, disk: Disk, folder: Folder) -> None:
        self._locks = []
        try:
            for directory in folder.directories:
                self._locks.append(disk.lock(f"{directory}/{LOCK_FILE}", directory=directory))
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> None:
        """It is held already."""

    def __exit__(self, *_: object) -> None:
        for lock in self._locks:
            lock.release()


def copy_file(disk: Disk, source: str, target: str, size: int = -1) -> int:
    """Copy a file, or its first `size` bytes, leaving holes as holes; synced. Returns the bytes copied."""
    origin = disk.open(source)
    try:
        end = origin.size() if size < 0 else size
        copy = disk.create(target)
        try:
            _copy(origin, copy, end)
            copy.fdatasync()
        finally:
            copy.close()
    finally:
        origin.close()
    return end


def _copy(origin: File, copy: File, end: int) -> None:
    position = origin.next_data(0)
    while position < end:
        chunk = origin.pread(min(_CHUNK_BYTES, end - position), position)
        if not chunk:
            raise DiskError("read", "a file that is being copied", errno.EIO, "it became shorter")
        if chunk.strip(b"\0"):
            copy.pwrite(chunk, position)
        position = origin.next_data(position + len(chunk))
    copy.truncate(end)


class _Trial:
    """The folder with some steps done, in memory."""

    def __init__(self, base: Disk) -> None:
        self._base = base
        self._sizes: dict[str, int | None] = {}
        self.disk = OverlayDisk(base)

    def cut(self, path: str, size: int) -> None:
        self._sizes[path] = size
        self._redo()

    def remove(self, *paths: str) -> None:
        self._sizes.update(dict.fromkeys(paths))
        self._redo()

    def steps(self) -> list[Step]:
        steps = [Step(path, size) for path, size in self._sizes.items()]
        return sorted(steps, key=_order)

    def _redo(self) -> None:
        """A trial start has changed things, too."""
        self.disk = OverlayDisk(self._base)
        for path, size in self._sizes.items():
            if size is None and not path.endswith(WATERMARK_FILE):
                self.disk.unlink(path)
                continue
            file = self.disk.open(path, writable=True)
            if size is None:  # what it says of older logs holds until everything else is in order
                file.pwrite(bytes(ENDS_AT), 0)
            else:
                file.truncate(size)
            file.close()


def _order(step: Step) -> tuple[int, int, str]:
    """What is removed, newest first, then what is cut, then the mark."""
    name = step.path.rpartition("/")[2]
    if name == WATERMARK_FILE:
        return 3, 0, name
    zxid = _zxid_in(name)
    return (1, -zxid, name) if step.size is None else (2, -zxid, name)


def _give_way(trial: _Trial, folder: Folder, error: Corrupt) -> None:
    """One step towards a folder in which this error does not occur, and that has no hole.

    Between epochs zxids tell of no hole, so nothing behind a log that was cut stays unless it is known to
    continue that log.
    """
    disk, directory = trial.disk, folder.log_directory
    if error.file in [one.path for one in list_snapshots(disk, folder.snap_directory)]:
        trial.remove(error.file)
        return
    where, _, name = error.file.rpartition("/")
    if where != directory or not looks_like_log(name):
        raise CannotRepair(f"this cannot be repaired by cutting a log: {error}")
    zxid, logs = _zxid_in(name), list_logs(disk, directory)
    later = [log for log in logs if log.zxid > zxid]
    mark = WatermarkFile(disk, directory).read()
    if not later and mark is not None and mark.log_zxid >= zxid:
        trial.remove(f"{directory}/{WATERMARK_FILE}")
        return
    if error.file in [log.path for log in logs] and error.offset < _data_end(disk, error.file):
        if error.offset <= FILE_HEADER_BYTES:
            trial.remove(error.file)
        else:
            trial.cut(error.file, error.offset)
    elif not later:
        raise CannotRepair(f"this cannot be repaired by cutting a log: {error}")
    if later and not _continues(disk, directory, zxid, error.zxid, later[0].zxid):
        trial.remove(*(log.path for log in later))


def _continues(disk: Disk, directory: str, zxid: int, last_zxid: int, next_zxid: int) -> bool:
    """Whether the log `next_zxid` begins behind the txn `last_zxid` of the log `zxid`."""
    _, ends = WatermarkFile(disk, directory).read_with_ends()
    end = ends.get(zxid)
    if end is not None and end.next_zxid == next_zxid:
        return end.zxid <= last_zxid
    return next_zxid == last_zxid + 1


def _zxid_in(name: str) -> int:
    return int(name.split(".")[1], 16)


def _data_end(disk: Disk, path: str) -> int:
    """The end of the file without the zeros it was grown by."""
    log = LogFile(disk, StoredFile(0, path, path))
    for _ in log:
        continue
    verdict = log.verdict
    assert verdict is not None
    return log.end if verdict.ending is Ending.CLEAN_END else log.end + 1


def _torn_at(disk: Disk, stored: StoredFile) -> int:
    log = LogFile(disk, stored)
    for _ in log:
        continue
    assert log.verdict is not None
    return log.verdict.offset if log.verdict.ending is Ending.TORN_TAIL else -1


def _count_losses(disk: Disk, folder: Folder, plan: RepairPlan) -> None:
    """What can be read now, one by one, and is later than what will be left."""
    lost: set[int] = set()
    kept = plan.recovered.zxid
    for stored in list_logs(disk, folder.log_directory):
        log = LogFile(disk, stored)
        lost.update(entry.zxid for entry in log if entry.zxid > kept)
        verdict = log.verdict
        assert verdict is not None
        if verdict.ending is Ending.DAMAGE:
            plan.damaged += 1
            behind = zxids_behind(disk, stored, verdict.offset, verdict.zxid)
            lost.update(zxid for zxid in behind if zxid > kept)
        elif verdict.ending is Ending.TORN_TAIL:
            plan.torn += 1
    plan.lost = sorted(lost)
    mark, ends = WatermarkFile(disk, folder.log_directory).read_with_ends()
    logs = {log.zxid for log in list_logs(disk, folder.log_directory)}
    known = [mark.zxid if mark is not None else -1, *(e.zxid for e in ends.values() if e.next_zxid in logs)]
    acknowledged = max(known)
    if acknowledged > kept:
        plan.acknowledged = acknowledged


def _unused(disk: Disk, path: str) -> str:
    candidate, number = path, 1
    while disk.exists(candidate):
        number += 1
        candidate = f"{path}-{number}"
    return candidate
