"""What is durable on a simulated disk, found out from its durable image and not from what anybody says."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from ...server.database import ZKDatabase
from ...server.settings_table import Config
from ...server.storage_folder import restore, storage_of
from ...storage.sim_disk import LOSE_ALL, UNTOUCHED, Inode, SimDisk

if TYPE_CHECKING:
    from .member import SimMember

_RECORD = Struct(">qi20xq")  # checksum, length, (session, cxid, zxid)
_HEAD = Struct(">qi")
_ZXID = Struct(">q")
_FILE_HEADER_BYTES = 16


class DurableHistory:
    """The txns that a member would find after losing its power now."""

    def __init__(self, member: SimMember) -> None:
        self._member = member
        self._logs: dict[Inode, tuple[int, set[int]]] = {}
        self._disk: SimDisk | None = None
        self._name_syncs = -1
        self._newest_first: list[Inode] = []
        self._snapshots: list[tuple[int, Inode]] = []
        self._lost: tuple[int, frozenset[int]] | None = None

    def loses(self) -> None:
        """The medium is about to lose something; call it before.

        What the member has acknowledged goes on to count, as it does for a leader that has heard of it: the
        member says nothing more until it has got everything anew.
        """
        self.holds(0)
        zxids = {zxid for inode in self._newest_first for zxid in self._zxids(inode)}
        whole = [zxid for zxid, inode in self._snapshots if not inode.pending]
        self._lost = (max(whole, default=-1), frozenset(zxids))

    def is_whole(self) -> None:
        """The member has its data from a leader."""
        self._lost = None

    def holds(self, zxid: int) -> bool:
        """Whether a txn is in a log, or in a snapshot that comes after it."""
        if self._lost is not None:
            return zxid <= self._lost[0] or zxid in self._lost[1]
        disk = self._member.disk
        if disk is not self._disk or disk.name_syncs != self._name_syncs:
            self._list_files(disk)
        for inode in self._newest_first:
            if zxid in self._zxids(inode):
                return True
        return any(snapshot >= zxid and not inode.pending for snapshot, inode in self._snapshots)

    def _list_files(self, disk: SimDisk) -> None:
        if disk is not self._disk:
            self._logs.clear()
        self._disk, self._name_syncs = disk, disk.name_syncs
        snapshot = f"{self._member.snap_directory}/snapshot."
        log = f"{self._member.world.plan.config.data_log_dir}/version-2/log."
        names = disk.durable_names
        self._newest_first = [names[path] for path in reversed(names) if path.startswith(log)]
        self._snapshots = [
            (int(path[len(snapshot) :].split(".")[0], 16), names[path])
            for path in names
            if path.startswith(snapshot)
        ]

    def _zxids(self, inode: Inode) -> set[int]:
        known = self._logs.get(inode)
        data = inode.durable
        if known is not None and inode.touched_from >= known[0]:
            if inode.touched_from == UNTOUCHED or len(data) <= known[0]:
                return known[1]
            position, zxids = known
        else:
            position, zxids = _FILE_HEADER_BYTES, set()
        while position + 32 < len(data):
            _, length = _HEAD.unpack_from(data, position)
            end = position + 12 + length
            if length <= 0 or end >= len(data) or data[end] != 0x42:
                break
            zxids.add(_ZXID.unpack_from(data, position + 24)[0])
            position = end + 1
        inode.touched_from = UNTOUCHED
        self._logs[inode] = (position, zxids)
        return zxids

    def number_in(self, name: str) -> int:
        """What an epoch file says; -1 if there is none."""
        disk = self._member.disk
        inode = disk.durable_names.get(f"{self._member.snap_directory}/{name}")
        return -1 if inode is None else int(bytes(inode.durable).split(b"\n")[0])


def restored(disk: SimDisk, config: Config) -> ZKDatabase:
    """The database that a member would start with after losing its power now. Raises StorageError."""
    after = disk.crashed(LOSE_ALL)
    storage = storage_of(config, after)
    database = ZKDatabase(digest_enabled=config.digest_enabled)
    restore(storage.open(), storage, database)
    return database
