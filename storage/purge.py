"""Removing old snapshots and logs (`PurgeTxnLog`).

The newest snapshots stay, as many as are asked for, and every log that is needed behind the oldest of them:
those from its zxid on, and the one before, which may hold txns from there on as well. Only what is whole
counts as a snapshot that stays: it is read to its end, where the original looks at its last bytes. Nothing
goes while no snapshot is whole.

Nobody's lock is needed, so it may be done beside a running server, ours or the original. A server that
replaces its history (`history`) says so in `.zoolet.intent`; nothing is removed then, nor once a file that
was to stay is gone. What such a server set aside (`old.*`) and what is under construction (`new.*`) is none
of our business.

Plan and deed are two steps: the first reads much, the second must not come in between the steps of somebody
else, so it can be done file by file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from .disk import Disk
from .errors import Corrupt, DiskError
from .file_names import INTENT_FILE, StoredFile, list_logs, list_snapshots
from .snap_store import SnapStore

RETAIN_COUNT_MIN: Final = 3
"""Fewer would be too few if the newest ones turn out to be damaged."""


@dataclass(frozen=True, slots=True)
class PurgePlan:
    """What may go, given what stays."""

    keep: tuple[StoredFile, ...]
    """The snapshots on account of which the others are not needed."""
    remove: tuple[StoredFile, ...]
    """Snapshots, then logs; each kind in the order of their zxids."""
    snap_directory: str
    log_directory: str


def plan_purge(disk: Disk, snap_directory: str, log_directory: str, retain_count: int) -> PurgePlan:
    """What may go if this many snapshots stay. Reads those; blocks. Raises DiskError.

    The directories are those the files are in (`version-2`). ValueError for a count below 3.
    """
    if retain_count < RETAIN_COUNT_MIN:
        raise ValueError(f"count should be greater than or equal to {RETAIN_COUNT_MIN}")
    keep: list[StoredFile] = []
    remove: list[StoredFile] = []
    if not _is_changing(disk, snap_directory):
        store = SnapStore(disk, snap_directory)
        for stored in store.stored():
            if len(keep) < retain_count and _is_whole(store, stored):
                keep.append(stored)
        if keep:
            oldest = keep[-1].zxid
            snapshots = [stored for stored in list_snapshots(disk, snap_directory) if stored.zxid < oldest]
            remove = [*sorted(snapshots), *_unneeded_logs(list_logs(disk, log_directory), oldest)]
    return PurgePlan(tuple(keep), tuple(remove), snap_directory, log_directory)


def carry_out(disk: Disk, plan: PurgePlan) -> Iterator[StoredFile]:
    """Remove one file at every step, and tell which. Ends early if what was to stay does not.

    Raises DiskError. What somebody else has removed already is passed over.
    """
    snapshots = [stored for stored in plan.remove if stored.path.startswith(f"{plan.snap_directory}/snap")]
    for stored in snapshots:
        if not _still_holds(disk, plan):
            return
        if _removed(disk, stored):
            yield stored
    # A snapshot that came back after a power failure, without the logs behind it, would be an old state.
    if snapshots:
        disk.fsync_dir(plan.snap_directory)
    for stored in plan.remove[len(snapshots) :]:
        if not _still_holds(disk, plan):
            return
        if _removed(disk, stored):
            yield stored


def _unneeded_logs(logs: list[StoredFile], oldest_snapshot: int) -> list[StoredFile]:
    """Those before the one that the snapshot's next txn may be in."""
    before = [log for log in logs if log.zxid <= oldest_snapshot]
    return before[:-1]


def _is_whole(store: SnapStore, stored: StoredFile) -> bool:
    try:
        store.read_end(stored)
    except (Corrupt, DiskError):
        return False
    return True


def _is_changing(disk: Disk, snap_directory: str) -> bool:
    return disk.exists(f"{snap_directory}/{INTENT_FILE}")


def _still_holds(disk: Disk, plan: PurgePlan) -> bool:
    return not _is_changing(disk, plan.snap_directory) and all(
        disk.exists(stored.path) for stored in plan.keep
    )


def _removed(disk: Disk, stored: StoredFile) -> bool:
    try:
        disk.unlink(stored.path)
    except DiskError:
        if disk.exists(stored.path):
            raise
        return False
    return True
