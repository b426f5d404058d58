"""SnapshotJob: one snapshot of the tree, encoded piece by piece while the tree changes.

The snapshot is fuzzy, as the original's: replaying the log from its zxid on repairs whatever changed while it
was written. Here is what goes into it; who writes it, and between what, is the shell's business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from ..jute.codes import DIGEST_VERSION
from ..jute.ids import Zxid
from ..storage.errors import StorageError
from ..storage.snap_store import SnapshotFile
from ..storage.snapshot import SnapshotEncoder, ZxidDigest
from .database import ZKDatabase
from .digest import as_long
from .settings_table import Config

CHUNK_BYTES: Final = 1 << 17
"""Joining and summing up one takes longer than anything else that is done in one go: 0.1 ms."""
STEP_NODES: Final = 16
"""So many are encoded between two looks at the clock."""


class SnapshotJob:
    """What the tree is from its last processed zxid on.

    Args:
        database: tree and sessions.
        with_last_zxid: end with the last zxid, as 3.9 does (``serializeLastProcessedZxid.enabled``).
        done: called once the snapshot is durable, unless it was cancelled.
        failed: called when it could not be written, unless it was cancelled.
        ended: called in any case when nothing more will be written.
        begin: opens the file; None: the one that snapshots go to in the usual way.
    """

    def __init__(
        self,
        database: ZKDatabase,
        *,
        with_last_zxid: bool = True,
        done: Callable[[], None] | None = None,
        failed: Callable[[StorageError], None] | None = None,
        ended: Callable[[], None] = lambda: None,
        begin: Callable[[Zxid], SnapshotFile] | None = None,
    ) -> None:
        self._database = database
        self._with_last_zxid = with_last_zxid
        self.begin = begin
        self.zxid = Zxid(database.tree.last_processed_zxid)
        self.is_cancelled = False
        """Nobody wants it any more; whoever writes it stops and removes what is there."""
        self._done = done
        self._failed = failed
        self._ended = ended

    @classmethod
    def of(cls, config: Config, database: ZKDatabase, **named: Any) -> SnapshotJob:
        """A snapshot as the settings want it; what else there is to say is said as to the class itself."""
        return cls(database, with_last_zxid=config.serialize_last_processed_zxid_enabled, **named)

    def chunks(self, time_is_up: Callable[[], bool] = lambda: False) -> Iterator[bytes]:
        """Pieces of the snapshot, in order. An empty one means that the time slice is used up."""
        tree, encoder = self._database.tree, SnapshotEncoder()
        acls, acl_ids = tree.acls.table(), tree.acls.ids()
        for _ in encoder.starting(self._database.sessions.copy(), acls):
            if encoder.held_bytes > CHUNK_BYTES:
                yield encoder.take_chunk()
            elif time_is_up():
                yield b""
        rows = tree.rows_since(self.zxid, acl_ids)
        while encoder.add_nodes(rows, CHUNK_BYTES, STEP_NODES):
            if encoder.held_bytes >= CHUNK_BYTES:
                yield encoder.take_chunk()
            elif time_is_up():
                yield b""
        if not tree.digest_enabled:
            # Without a digest in front of it the original takes the last zxid for one, and refuses the file.
            yield encoder.finish()
            return
        digest = ZxidDigest(tree.last_processed_zxid, DIGEST_VERSION, as_long(tree.digest))
        yield encoder.finish(digest, tree.last_processed_zxid if self._with_last_zxid else None)

    def cancel(self) -> None:
        """The tree is about to become something that this snapshot must not hold."""
        self.is_cancelled = True

    # One of these is called when whoever writes it is through with it.

    def done(self) -> None:
        """It is durable."""
        self._ended()
        if self._done is not None and not self.is_cancelled:
            self._done()

    def took(self, duration_ms: int) -> None:
        """It is written, and this is how long that took."""
        self._database.metrics.observe("snapshottime", duration_ms)

    def failed(self, error: StorageError) -> None:
        """It could not be written."""
        self._database.metrics.add("snapshot_error_count")
        self._ended()
        if self._failed is not None and not self.is_cancelled:
            self._failed(error)

    def abandoned(self) -> None:
        """It was cancelled, and what there was of it is gone."""
        self._ended()
