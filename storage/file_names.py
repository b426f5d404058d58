"""The names of logs and snapshots: `log.<hex zxid>`, `snapshot.<hex zxid>[.gz|.snappy]`.

A log carries the zxid of its first transaction, a snapshot the last zxid processed when it was started. The
original takes anything whose second dot-separated part is hexadecimal (`log.5.bak` counts as a log); we take
only the exact names, so that copies and leftovers are never read as data.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from .disk import Disk

VERSION_DIRECTORY = "version-2"
LOCK_FILE = ".zoolet.lock"
INTENT_FILE = ".zoolet.intent"

# A file under construction. The original's prefix tests ("log.", "snapshot.") do not match it, a crash may
# leave it behind, and the next start removes it.
UNDER_CONSTRUCTION = "new."

# A file of a history that was replaced by a leader's. Neither we nor the original read it; it is kept until
# the next replacement, for the day on which the leader turns out to have been the one with the wrong disk.
SET_ASIDE = "old."

# The same of a damaged history. Nobody removes these: what can still be read in them may be wanted.
SET_ASIDE_DAMAGED = "damaged."

_LOG = re.compile(r"log\.([0-9a-fA-F]{1,16})")
_SNAPSHOT = re.compile(r"snapshot\.([0-9a-fA-F]{1,16})(?:\.(gz|snappy))?")
_SET_ASIDE = re.compile(r"old\.(log|snapshot)\.[0-9a-fA-F]{1,16}(\.gz|\.snappy)?")
_DAMAGED = re.compile(r"damaged\.([0-9]+\.)?(log|snapshot)\.[0-9a-fA-F]{1,16}(\.gz|\.snappy)?")
_LEFTOVER = re.compile(
    r"new\.((log|snapshot)\.[0-9a-f]+(\.gz|\.snappy)?|acceptedEpoch|currentEpoch)|\.zoolet\.intent\.tmp"
)


class StoredFile(NamedTuple):
    """A log or snapshot by name; nothing is said about its contents."""

    zxid: int
    name: str
    path: str
    compression: str = ""


def log_name(zxid: int) -> str:
    return f"log.{zxid:x}"


def snapshot_name(zxid: int, compression: str = "") -> str:
    return f"snapshot.{zxid:x}" + (f".{compression}" if compression else "")


def list_logs(disk: Disk, directory: str) -> list[StoredFile]:
    """The logs of a directory, oldest first."""
    found = []
    for name in disk.listdir(directory):
        match = _LOG.fullmatch(name)
        if match:
            found.append(StoredFile(int(match[1], 16), name, f"{directory}/{name}"))
    return sorted(found)


def list_snapshots(disk: Disk, directory: str) -> list[StoredFile]:
    """The snapshots of a directory, newest first; of equal zxid the uncompressed one comes first."""
    named = (stored_snapshot(directory, name) for name in disk.listdir(directory))
    return sorted(filter(None, named), key=lambda file: (-file.zxid, file.compression))


def stored_snapshot(directory: str, name: str) -> StoredFile | None:
    """What the name of a snapshot says; None if it is no such name."""
    match = _SNAPSHOT.fullmatch(name)
    return StoredFile(int(match[1], 16), name, f"{directory}/{name}", match[2] or "") if match else None


def list_leftovers(disk: Disk, directory: str) -> list[str]:
    """Paths of files whose construction a crash interrupted; nobody was ever told about their contents."""
    return [f"{directory}/{name}" for name in disk.listdir(directory) if _LEFTOVER.fullmatch(name)]


def list_set_aside(disk: Disk, directory: str) -> list[str]:
    """Paths of the files of a history that was replaced."""
    return [f"{directory}/{name}" for name in disk.listdir(directory) if _SET_ASIDE.fullmatch(name)]


def list_damaged(disk: Disk, directory: str) -> list[str]:
    """Paths of the files of a damaged history that was replaced."""
    return [f"{directory}/{name}" for name in disk.listdir(directory) if _DAMAGED.fullmatch(name)]


def looks_like_log(name: str) -> bool:
    """The original's test for a log in the wrong folder."""
    return name.startswith("log.")


def looks_like_snapshot(name: str) -> bool:
    """The original's test for a snapshot in the wrong folder."""
    return name.startswith("snapshot.")
