"""Changing the past of a data directory, as a learner must: TRUNC, or a leader's snapshot in its place.

Both take several steps in two folders. What is going to be done is written down first, durably, in
`.zoolet.intent`; a start that finds this file completes the work before anything is read. So after a crash at
any point there is either the old history or the new one:

    truncate <zxid> <last kept zxid>    remove snapshots that know later txns, cut the logs
    adopt <name>                        give the snapshot its name, set everything older aside
    mend <name>                         the same, in place of a history that is damaged
    restore                             (`zoolet restore`) nothing: no server starts until it is done again

When a leader's snapshot is adopted, no older log may stay: it may end in txns that the leader does not have,
and even if all of them are older than the snapshot, it has a hole before the snapshot, which a learner of
*this* server must not be led over. The original keeps such logs. Nor may an older snapshot stay: without the
logs behind it, it is a state that was left long ago. They are renamed to `old.<name>` and kept until the next
snapshot is adopted. What is damaged is renamed to `damaged.<name>` instead, and nobody removes it: it may be
all that is left of something.

Not known here: when any of this is allowed. A txn may only be cut off if the leader of a newer epoch does not
have it; that is decided in `quorum`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from .atomic_file import write_atomically
from .disk import Disk
from .errors import Corrupt, DiskError, StorageError
from .file_names import (
    INTENT_FILE,
    SET_ASIDE,
    SET_ASIDE_DAMAGED,
    UNDER_CONSTRUCTION,
    StoredFile,
    list_logs,
    list_set_aside,
    list_snapshots,
    stored_snapshot,
)
from .snap_store import SnapshotFile, SnapStore
from .txn_log import TxnLog

RESTORING: Final = b"restore\n"
"""What `.zoolet.intent` says while a backup is unpacked: nothing is to be read until that is over."""

_TRUNCATE: Final = re.compile(rb"truncate ([0-9a-f]{1,16}) ([0-9a-f]{1,16})\n")
_ADOPT: Final = re.compile(rb"(adopt|mend) ([a-z0-9.]+)\n")


class HistoryEditor:
    """Replaces or shortens the history in a pair of folders, whose lock is held.

    Nothing may be appended or written while a method runs, and no other snapshot be finished; all of them
    block. After a `StorageError` the log accepts nothing more, and the server must stop: the work is
    completed at the next start.
    """

    def __init__(
        self, disk: Disk, snap_directory: str, log_directory: str, snap_store: SnapStore, txn_log: TxnLog
    ) -> None:
        self._disk = disk
        self._snap_directory = snap_directory
        self._log_directory = log_directory
        self._directories = list(dict.fromkeys((log_directory, snap_directory)))
        self._snap_store = snap_store
        self._txn_log = txn_log
        self._intent_path = f"{snap_directory}/{INTENT_FILE}"
        self.is_damaged = False
        """Whether the history here is not to be used, nor to be removed when another takes its place."""

    def complete(self) -> None:
        """Do what a crash interrupted, if anything. To be called before leftovers are removed."""
        if not self._disk.exists(self._intent_path):
            return
        file = self._disk.open(self._intent_path)
        try:
            content = file.pread(4096, 0)
        finally:
            file.close()
        # Who wrote it may have been killed before its name was durable. What follows must not outlive it.
        self._disk.fsync_dir(self._snap_directory)
        if match := _TRUNCATE.fullmatch(content):
            if self.is_damaged:
                return  # it may be what cannot be completed; a leader's snapshot takes its place
            self._truncate(int(match[1], 16), int(match[2], 16))
        elif (match := _ADOPT.fullmatch(content)) and stored_snapshot("", match[2].decode()):
            self._adopt(match[2].decode(), damaged=match[1] == b"mend")
        elif content == RESTORING:
            reason = "a backup was being unpacked by `zoolet restore`, which has to be called again"
            raise StorageError(f"{self._snap_directory} is not whole: {reason}")
        else:
            raise StorageError(f"{self._intent_path} says {content[:60]!r}, which cannot be completed")
        self._forget_intent()

    def truncate(self, zxid: int, last_kept: int) -> None:
        """Remove every trace of txns after `zxid`. Whether that can be done has to be known.

        `last_kept` is the last txn that stays: `zxid` itself, unless that is the beginning of an epoch.
        """
        with self._changing():
            self._write_intent(f"truncate {zxid:x} {last_kept:x}\n")
            self._truncate(zxid, last_kept)
            self._forget_intent()

    def begin_adoption(self, zxid: int, compression: str) -> AdoptedSnapshot:
        """Start writing the snapshot that will be the history up to `zxid`."""
        return AdoptedSnapshot(self, self._disk, self._snap_directory, zxid, compression)

    def adopt(self, name: str) -> None:
        """Make the snapshot `name`, durable under its temporary name, the only history."""
        with self._changing():
            if not self.is_damaged:
                for directory in self._directories:
                    for path in list_set_aside(self._disk, directory):
                        self._disk.unlink(path)
            self._write_intent(f"{'mend' if self.is_damaged else 'adopt'} {name}\n")
            self._adopt(name, damaged=self.is_damaged)
            self._forget_intent()
            self.is_damaged = False

    def truncation_base(self, zxid: int) -> StoredFile | None:
        """The newest whole snapshot that holds nothing of later txns.

        A snapshot is fuzzy: it may know txns that came while it was written. Those of ours say up to where
        (their digest does), and so do the original's with digests on. If one does not say, it is trusted: a
        server only ever applies what is committed, and no leader truncates that.
        """
        for stored in self._snap_store.stored():
            if stored.zxid <= zxid and (known := self._newest_effect(stored)) is not None and known <= zxid:
                return stored
        return None

    # The steps. Each may have been done before.

    def _truncate(self, zxid: int, last_kept: int) -> None:
        for stored in self._snap_store.stored():
            known = self._newest_effect(stored) if stored.zxid <= zxid else None
            if known is not None and known <= zxid:
                break
            # What is not whole and not too new stays: it is a sign of what the logs should hold.
            if stored.zxid > zxid or known is not None:
                self._disk.unlink(stored.path)
        self._sync_directories()
        self._txn_log.truncate(zxid, last_kept)

    def _adopt(self, name: str, *, damaged: bool) -> None:
        path = f"{self._snap_directory}/{name}"
        temporary = f"{self._snap_directory}/{UNDER_CONSTRUCTION}{name}"
        is_new = self._disk.exists(temporary)
        if not is_new and not self._disk.exists(path):
            raise StorageError(f"{self._intent_path} says that {path} is the history, but it is not there")
        prefix = SET_ASIDE_DAMAGED if damaged else SET_ASIDE
        for stored in list_logs(self._disk, self._log_directory):
            self._set_aside(self._log_directory, stored, prefix)
        for stored in list_snapshots(self._disk, self._snap_directory):
            if stored.name != name or (damaged and is_new):  # one of the same name goes first
                self._set_aside(self._snap_directory, stored, prefix)
        if is_new:
            self._disk.rename(temporary, path)
        self._sync_directories()
        snapshot = stored_snapshot(self._snap_directory, name)
        assert snapshot is not None
        self._txn_log.restart(snapshot.zxid)

    def _set_aside(self, directory: str, stored: StoredFile, prefix: str) -> None:
        target, number = f"{directory}/{prefix}{stored.name}", 1
        while prefix == SET_ASIDE_DAMAGED and self._disk.exists(target):
            number += 1
            target = f"{directory}/{prefix}{number}.{stored.name}"
        try:
            self._disk.rename(stored.path, target)
        except DiskError:
            # Old files may be removed by others at any time (`purge`).
            if self._disk.exists(stored.path):
                raise

    def _newest_effect(self, stored: StoredFile) -> int | None:
        """The last txn a snapshot may know something of, its name's if it does not say; None: not whole.

        Raises DiskError: what cannot be read now may be whole the next time, and known to be wrong.
        """
        try:
            known = self._snap_store.read_end(stored).newest_effect(stored.zxid)
        except Corrupt:
            return None
        return stored.zxid if known is None else known

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Nothing may be appended to a history of which nobody knows what it is, if it fails half-way."""
        self._txn_log.check_usable()
        self._snap_store.disown_unfinished()
        try:
            yield
        except StorageError as error:
            self._txn_log.fail(error)
            raise

    def _sync_directories(self) -> None:
        for directory in self._directories:
            self._disk.fsync_dir(directory)

    def _write_intent(self, text: str) -> None:
        write_atomically(self._disk, self._snap_directory, INTENT_FILE, text.encode())

    def _forget_intent(self) -> None:
        self._disk.unlink(self._intent_path)
        self._disk.fsync_dir(self._snap_directory)


class AdoptedSnapshot(SnapshotFile):
    """A snapshot being written that replaces all history when it is finished; until then nothing changes."""

    def __init__(
        self, editor: HistoryEditor, disk: Disk, directory: str, zxid: int, compression: str
    ) -> None:
        super().__init__(disk, directory, zxid, compression)
        self._editor = editor
        self._is_decided = False

    def abort(self) -> None:
        """Give up; once finishing has begun, what was written is left for the next start to complete."""
        if self._is_decided:
            self._new.file.close()
        else:
            super().abort()

    def _publish(self) -> None:
        self._new.keep_unpublished()
        self._is_decided = True
        self._editor.adopt(self.name)
