"""Committed txns out of the logs, for a learner that is further behind than the leader's memory reaches.

(``ZKDatabase.getProposalsFromTxnLog``.) Who gets them, and what is done when there are none, is decided in
`quorum/sync_plan.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..jute.ids import Zxid, counter_of
from .disk import Disk
from .file_names import list_logs
from .log_reader import LogReader, files_from
from .log_record import FRAME_BYTES


def read_proposals(
    disk: Disk,
    log_directory: str,
    after: int,
    to: int,
    *,
    limit_bytes: int = 0,
    snapshot_zxids: Iterable[int] = (),
) -> list[tuple[Zxid, bytes]] | None:
    """Zxid and payload of every txn from the last one at or before `after` up to `to`, in order.

    None if the logs do not reach back to `after`; if there is more to read than `limit_bytes` (0: no limit),
    not counting the file in which `after` lies, as in the original; or if one of `snapshot_zxids` is the zxid
    of a txn that the logs lack: then they have a hole that a snapshot spans, as learners of the original do.

    `to` should be durable. Raises `Corrupt` on damage before it.
    """
    logs = list_logs(disk, log_directory)
    if not logs or logs[0].zxid > after:
        return None
    first = files_from(logs, after)[0]
    known = sorted(zxid for zxid in snapshot_zxids if counter_of(Zxid(zxid)))
    found: list[tuple[Zxid, bytes]] = []
    size_bytes = 0
    reader = LogReader(disk, log_directory, first.zxid, to)
    try:
        for zxid, payload, path, _ in reader:
            if zxid <= after:
                found = [(zxid, payload)]
                continue
            if not found or any(found[-1][0] < spanned < zxid for spanned in known):
                return None
            if path != first.path:
                size_bytes += len(payload) + FRAME_BYTES
                if 0 < limit_bytes < size_bytes:
                    return None
            found.append((zxid, payload))
    finally:
        reader.close()
    return found or None
