"""The disk in memory, under the name it had before it was shipped."""

from zoolet.storage.sim_disk import (
    KEEP_ALL,
    LOSE_ALL,
    Crashed,
    Inode,
    SimDisk,
    SimFile,
    SimLock,
    Survival,
    disk_full,
    io_error,
)

__all__ = [
    "KEEP_ALL",
    "LOSE_ALL",
    "Crashed",
    "Inode",
    "SimDisk",
    "SimFile",
    "SimLock",
    "Survival",
    "disk_full",
    "io_error",
]
