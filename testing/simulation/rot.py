"""Bit rot: what a disk does to files that were durable, so that a start is sure to find it.

Only what recovery looks at is damaged, and only where the damage can be told from the tail of a batch that
nobody was told about: below the watermark of the newest log, in the records of older ones, in snapshots that
nothing else makes up for. The rest is what no server can find out.
"""

from __future__ import annotations

from random import Random

from ...server.database import ZKDatabase
from ...server.settings_table import Config
from ...server.storage_folder import restore, storage_of
from ...storage.errors import Corrupt, NoValidSnapshot, StorageError
from ...storage.file_names import list_logs, list_snapshots
from ...storage.log_record import LogScanner
from ...storage.sim_disk import SimDisk
from ...storage.watermark import WatermarkFile


def rot(disk: SimDisk, config: Config, random: Random) -> str:
    """Damage something of a member that is off; what was done, empty if there was nothing to damage.

    Nothing may be unsynced. Nothing is done that a start would pass over.
    """
    if not disk.exists(f"{config.data_log_dir}/version-2"):
        return ""  # it never ran
    for _ in range(6):
        after = disk.crashed()
        done = random.choice((_rot_log, _rot_log, _rot_log, _lose_newest_log, _rot_snapshots))(
            after, config, random
        )
        if done and _is_found(after, config):
            disk.names, disk.durable_names = after.names, after.durable_names
            disk.name_syncs += 1
            return done
    return ""


def _is_found(disk: SimDisk, config: Config) -> bool:
    storage = storage_of(config, disk.crashed())
    try:
        restore(storage.open(), storage, ZKDatabase(digest_enabled=config.digest_enabled))
    except (Corrupt, NoValidSnapshot):
        return True
    except StorageError:
        return False
    return False


def _rot_log(disk: SimDisk, config: Config, random: Random) -> str:
    """A record loses a bit, or its head, or everything from somewhere in it to the end of the page."""
    directory = f"{config.data_log_dir}/version-2"
    logs = list_logs(disk, directory)
    if not logs:
        return ""
    stored = random.choice((logs[-1], random.choice(logs)))
    mark = WatermarkFile(disk, directory).read()
    image = disk.names[stored.path].live
    end = len(image)
    if stored is logs[-1]:
        if mark is None or mark.log_zxid != stored.zxid:
            return ""
        end = mark.offset
    found = records(disk, stored.path, end)
    if not found:
        return ""
    at, length = random.choice(found)
    how = random.choice(("flip", "head", "page"))
    if how == "flip" or stored is not logs[-1]:
        at += 12 + random.randrange(length)
        disk.rot(stored.path, at, bytes([image[at] ^ 1 << random.randrange(8)]))
    elif how == "head":
        disk.rot(stored.path, at, bytes(12))
    else:
        disk.rot(stored.path, at, bytes(512 - at % 512))
    return f"{stored.name} at {at}"


def records(disk: SimDisk, path: str, end: int | None = None) -> list[tuple[int, int]]:
    """The whole records of a log that begin before `end`: offset, and length of the payload."""
    image = disk.get(path)[:end]
    scanner = LogScanner(
        lambda length, offset: image[offset : offset + length], lambda offset: offset, len(image), path
    )
    return [(entry.offset, len(entry.payload)) for entry in scanner]


def _lose_newest_log(disk: SimDisk, config: Config, random: Random) -> str:
    logs = list_logs(disk, f"{config.data_log_dir}/version-2")
    if not logs:
        return ""
    disk.lose(logs[-1].path)
    return f"{logs[-1].name} is gone"


def _rot_snapshots(disk: SimDisk, config: Config, random: Random) -> str:
    """None of them is whole any more, or the newest."""
    snapshots = list_snapshots(disk, f"{config.data_dir}/version-2")
    if random.random() < 0.5:
        del snapshots[1:]
    for stored in snapshots:
        image = disk.names[stored.path].live
        if not image:
            continue
        at = random.randrange(len(image))
        disk.rot(stored.path, at, bytes([image[at] ^ 1 << random.randrange(8)]))
    return " ".join(stored.name for stored in snapshots)
