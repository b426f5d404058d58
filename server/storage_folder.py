"""A server's data folder before it serves: opened as configured, restored, or started anew."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable

from ..storage.disk import Disk
from ..storage.errors import NoValidSnapshot, StorageError
from ..storage.snap_log import FileTxnSnapLog, RestorePlan, StartingPoint, StorageSettings
from .database import ZKDatabase
from .settings_table import Config
from .snapshot_job import SnapshotJob

_log = logging.getLogger(__name__)


def storage_of(config: Config, disk: Disk) -> FileTxnSnapLog:
    """The data folder as the configuration has it; not yet opened."""
    settings = StorageSettings(
        directory_autocreate=config.datadir_autocreate,
        database_autocreate=config.db_autocreate,
        trust_empty_snapshot=config.snapshot_trust_empty,
        preallocate_bytes=config.pre_alloc_size_kb * 1024,
        log_size_limit_bytes=config.txn_log_size_limit_kb * 1024,
        sync=config.force_sync,
        snapshot_compression=config.snapshot_compression,
    )
    return FileTxnSnapLog(disk, config.data_dir, config.data_log_dir, settings)


def restore(
    plan: RestorePlan,
    storage: FileTxnSnapLog,
    database: ZKDatabase,
    replayed_txn: Callable[[int, bytes], None] | None = None,
    *,
    config: Config | None = None,
) -> int:
    """Fill the database; returns how many txns were replayed. ``replayed_txn`` is told of each.

    ``config`` says what a snapshot ends with; without it that is what 3.9 has by default. A new folder gets
    ``snapshot.0``: logs without a snapshot before them are not trusted later. Raises StorageError.
    """
    for problem in plan.rejected:
        _log.warning("snapshot passed over: %s", problem)
    replayed = database.restore(plan, replayed_txn)
    if plan.start is StartingPoint.UNKNOWN:
        raise NoValidSnapshot(
            storage.snap_directory,
            "the folder is empty and db.autocreate is false; a file `initialize` in the log folder,"
            " or db.autocreate=true, says that it is meant to be",
        )
    if plan.start is StartingPoint.EMPTY:
        write_snapshot(storage, SnapshotJob(database) if config is None else SnapshotJob.of(config, database))
        storage.remove_initialize_marker()
    return replayed


def lacks_snapshot(plan: RestorePlan) -> bool:
    """Whether it starts from logs alone, as `snapshot.trust.empty` allows once: so one is to follow."""
    return plan.start is StartingPoint.DATA and plan.snapshot is None


def restore_alone(plan: RestorePlan, storage: FileTxnSnapLog, database: ZKDatabase, config: Config) -> int:
    """As ``restore``, for a server of its own: all that is there is final, and may be in a snapshot."""
    replayed = restore(plan, storage, database, config=config)
    if lacks_snapshot(plan):
        write_snapshot(storage, SnapshotJob.of(config, database))
    return replayed


def write_snapshot(storage: FileTxnSnapLog, job: SnapshotJob) -> None:
    """Write a snapshot in one go, before anybody is served."""
    file = storage.snap_store.begin(job.zxid)
    try:
        for chunk in job.chunks():
            file.write(chunk)
        file.finish()
    except BaseException:
        with contextlib.suppress(StorageError):  # the first error says more, and a start removes the rest
            file.abort()
        raise
