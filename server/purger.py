"""Purger: removes old snapshots and logs at the start and every so many hours (`DatadirCleanupManager`).

What may go is found out in a thread; then one file at a time goes, on the event loop's thread, so that it
does not come in between the steps of a truncation. A purge that fails is said; the next one tries again.
"""

from __future__ import annotations

import logging
from typing import Final

import trio

from ..storage.disk import Disk
from ..storage.errors import StorageError
from ..storage.purge import carry_out, plan_purge

HOUR_S: Final = 3600

_log = logging.getLogger(__name__)


class Purger:
    """Args:
    disk: where the files are.
    snap_directory: the snapshots' folder.
    log_directory: the logs' folder.
    retain_count: how many snapshots stay.
    interval_h: how often.
    """

    def __init__(
        self, disk: Disk, snap_directory: str, log_directory: str, *, retain_count: int, interval_h: int
    ) -> None:
        self._disk = disk
        self._snap_directory = snap_directory
        self._log_directory = log_directory
        self._retain_count = retain_count
        self._interval_s = interval_h * HOUR_S

    async def run(self) -> None:
        """Purge until cancelled, at least once."""
        due = trio.current_time()
        while True:
            await self.purge()
            due += self._interval_s
            await trio.sleep_until(due)

    async def purge(self) -> int:
        """Purge once; how many files went."""
        removed = 0
        try:
            plan = await trio.to_thread.run_sync(
                plan_purge, self._disk, self._snap_directory, self._log_directory, self._retain_count
            )
            for stored in carry_out(self._disk, plan):
                removed += 1
                _log.info("removed %s", stored.path)
                await trio.lowlevel.checkpoint()
        except StorageError as error:
            _log.error("old files could not be removed: %s", error)
        else:
            kept = len(plan.keep)
            _log.info("purged: %d old files removed, %d snapshots and what follows them kept", removed, kept)
        return removed
