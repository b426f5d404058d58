"""The history of one node: each txn in the logs that touched it.

Logs are read as they lie there, from the oldest on. A closeSession of a server before 3.6 (or one with
`closeSessionTxn.enabled=false`) does not say which ephemerals go with it; whose the node was is known here
from its create, or from the oldest snapshot.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ...jute.codes import OpCode
from ...jute.errors import JuteError
from ...jute.record import Record
from ...storage.disk import Disk
from ...storage.errors import Corrupt, StorageError
from ...storage.file_names import list_logs, list_snapshots
from ...storage.log_reader import LogReader
from ...storage.snap_store import SnapStore
from .folder import Folder
from .txn_text import Txn


class Touch(NamedTuple):
    """One change of the node or, with `child`, of its list of children."""

    txn: Txn
    what: str
    """The operation: that of a multi's part, or delete for a session that took the node with it."""
    record: Record | None
    """The operation's record."""
    child: str
    """The child that came or went; empty if the node itself changed."""


def node_history(disk: Disk, folder: Folder, path: str, *, with_children: bool = False) -> Iterator[Touch]:
    """Every change of the node at `path`, oldest first. Raises Corrupt and DiskError on the way."""
    logs = list_logs(disk, folder.log_directory)
    if not logs:
        return
    owner = _owner_before(disk, folder, path, logs[0].zxid)
    last_zxid = -1
    for entry in LogReader(disk, folder.log_directory, logs[0].zxid):
        if entry.zxid <= last_zxid:
            continue
        last_zxid = entry.zxid
        try:
            txn = Txn(entry.payload)
            touched = txn.touched()
        except JuteError as error:
            raise Corrupt(entry.file, entry.offset, entry.zxid, str(error)) from None
        header = txn.header
        found = False
        for touched_path, what, record in touched:
            if touched_path == path:
                found = True
                if what == "delete":
                    owner = 0
                elif getattr(record, "ephemeral", False):
                    owner = header.clientId
                yield Touch(txn, what, record, "")
            elif with_children and _is_child(touched_path, path) and _comes_or_goes(what):
                yield Touch(txn, what, record, touched_path)
        if header.type == OpCode.CLOSE_SESSION and owner == header.clientId and owner and not found:
            owner = 0
            yield Touch(txn, "delete", txn.txn, "")


def _owner_before(disk: Disk, folder: Folder, path: str, zxid: int) -> int:
    """Whose the node is in the newest whole snapshot before the first log; 0 for nobody's or no such node."""
    store = SnapStore(disk, folder.snap_directory)
    for stored in list_snapshots(disk, folder.snap_directory):
        if stored.zxid > zxid:
            continue
        try:
            with store.source(stored).open() as decoder:
                return next((row[10] for row in decoder.nodes() if row[0] == path), 0)
        except StorageError:
            continue
    return 0


def _is_child(path: str, parent: str) -> bool:
    return path.rpartition("/")[0] == parent.rstrip("/")


def _comes_or_goes(what: str) -> bool:
    return what.startswith(("create", "delete"))
