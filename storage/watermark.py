"""How far the log is known to be durable: a side file that tells damage from a torn tail.

A crash leaves the last batch on disk in any state, and nobody was told about it; everything before it was
acknowledged. From the log alone the two cannot be told apart: a page that was zeroed by a broken disk looks
like the end of the file, and pages of the last batch that arrived in another order look like damage. So after
each sync of the log its name, its end and its last zxid go into `.zoolet.synced`. What does not read back
below that point is damage; whatever is found above it is the tail of a batch that nobody was told about.

    file := slot at 0, slot at 512                   written in turn, so that one of them is always whole;
                                                     both when a log is begun
            32 ends at 1024, 64 bytes each           one for each log that another one followed, the oldest
                                                     makes way
    slot := sequence, first zxid of the log, end offset, last zxid (longs), CRC-32 of these (int)
    end  := a log's last slot without CRC, first zxid of the log that followed (long), CRC-32 of these (int)

An end is the last mark of a log whose successor was begun. Inside an epoch a log must continue the one
before; between epochs nothing but its end tells that its last records are there, or that it is.

The side file is not synced with every batch. It survives the death of the process all the same, and after a
power failure it may be late: then it promises less than is there, which is safe, because what lies between
was synced and reads back. It is synced when a log is begun and when the server stops.

The original ignores the file. If it went on with the folder there is a newer log, and the mark says nothing;
an end says nothing unless the log that followed is the next one still, since the original may have cut it.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple
from zlib import crc32

from .disk import Disk, File

WATERMARK_FILE: Final = ".zoolet.synced"

_SLOT: Final = Struct(">QQQQ")
_CRC: Final = Struct(">I")
_SLOT_BYTES: Final = _SLOT.size + _CRC.size
_SECOND_SLOT: Final = 512
_END: Final = Struct(">QQQQQ")
ENDS_AT: Final = 1024
"""Where in the file the slots are over."""
_END_BYTES: Final = 64
_ENDS_MAX: Final = 32
_FILE_BYTES: Final = ENDS_AT + _END_BYTES * _ENDS_MAX


class Watermark(NamedTuple):
    """The log that begins with `log_zxid` was durable up to byte `offset`, the end of record `zxid`."""

    sequence: int
    log_zxid: int
    offset: int
    zxid: int


class LogEnd(NamedTuple):
    """When the log of `next_zxid` was begun, the one of `log_zxid` ended with `zxid`, at byte `offset`.

    Or later, but not before.
    """

    sequence: int
    log_zxid: int
    offset: int
    zxid: int
    next_zxid: int


class WatermarkFile:
    """The side file of one log folder, under the folder's lock. Every method raises `DiskError`."""

    def __init__(self, disk: Disk, directory: str) -> None:
        self._disk = disk
        self._directory = directory
        self.path = f"{directory}/{WATERMARK_FILE}"
        self._file: File | None = None
        self._sequence = 0

    def read(self) -> Watermark | None:
        """The newest mark that reads back whole; None if there is none."""
        return self.read_with_ends()[0]

    def read_with_ends(self) -> tuple[Watermark | None, dict[int, LogEnd]]:
        """As above, and how older logs ended, by the zxid in their names, so far as that reads back.

        To be read before the logs are, if somebody may be writing them: then they hold what it says.
        """
        image = self._image()
        return _mark_in(image), {end.log_zxid: end for end in sorted(_ends_in(image).values())}

    def _image(self) -> bytes:
        if not self._disk.exists(self.path):
            return b""
        file = self._disk.open(self.path)
        try:
            return file.pread(_FILE_BYTES, 0)
        finally:
            file.close()

    def prepare(self) -> None:
        """Have the file there, with the marks it has. Its name is durable once the folder is synced."""
        if self._file is None:
            before = self.read()
            self._sequence = before.sequence if before is not None else 0
            exists = self._disk.exists(self.path)
            self._file = self._disk.open(self.path, writable=True) if exists else self._disk.create(self.path)

    def write(self, log_zxid: int, offset: int, zxid: int) -> None:
        """Note that the log is durable up to `offset`. `prepare` comes first."""
        file = self._file
        assert file is not None
        slot = self._next_slot(log_zxid, offset, zxid)
        file.pwrite(slot, _SECOND_SLOT if self._sequence & 1 else 0)

    def begin(self, log_zxid: int, offset: int, zxid: int) -> None:
        """The first mark of a log, in both slots, durably: later ones are not synced.

        A power failure may tear one of these, and the other must not be that of the log before, which becomes
        an end. One write, so that whoever is killed leaves all of it or nothing.
        """
        file = self._file
        assert file is not None
        image = bytearray(file.pread(_FILE_BYTES, 0).ljust(_FILE_BYTES, b"\0"))
        before = _mark_in(image)
        if before is not None and before.log_zxid < log_zxid:
            ends = _ends_in(image)
            place = min(range(_ENDS_MAX), key=lambda index: ends[index].sequence if index in ends else 0)
            start, end = ENDS_AT + place * _END_BYTES, _END.pack(*before, log_zxid)
            image[start : start + _END.size + _CRC.size] = end + _CRC.pack(crc32(end))
        slot = self._next_slot(log_zxid, offset, zxid)
        for start in (0, _SECOND_SLOT):
            image[start : start + _SLOT_BYTES] = slot
        file.pwrite(bytes(image), 0)
        file.fdatasync()

    def _next_slot(self, log_zxid: int, offset: int, zxid: int) -> bytes:
        self._sequence += 1
        slot = _SLOT.pack(self._sequence, log_zxid, offset, zxid)
        return slot + _CRC.pack(crc32(slot))

    def sync(self) -> None:
        """Make the marks durable, if there are any."""
        if self._file is not None:
            self._file.fdatasync()

    def forget(self) -> None:
        """The log is going to be changed, or is not synced any more: no mark holds, durably."""
        self.close()
        if self._disk.exists(self.path):
            self._disk.unlink(self.path)
            self._disk.fsync_dir(self._directory)

    def close(self) -> None:
        """Release the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _ends_in(image: bytes | bytearray) -> dict[int, LogEnd]:
    """The ends that read back whole, by their place."""
    ends: dict[int, LogEnd] = {}
    for index in range(_ENDS_MAX):
        start = ENDS_AT + index * _END_BYTES
        data = image[start : start + _END.size + _CRC.size]
        if len(data) == _END.size + _CRC.size:
            end = LogEnd(*_END.unpack_from(data))
            if end.sequence and crc32(data[: _END.size]) == _CRC.unpack_from(data, _END.size)[0]:
                ends[index] = end
    return ends


def _mark_in(image: bytes | bytearray) -> Watermark | None:
    """The newest mark that reads back whole."""
    found = []
    for start in (0, _SECOND_SLOT):
        data = image[start : start + _SLOT_BYTES]
        if len(data) == _SLOT_BYTES and crc32(data[: _SLOT.size]) == _CRC.unpack_from(data, _SLOT.size)[0]:
            found.append(Watermark(*_SLOT.unpack_from(data)))
    return max((mark for mark in found if mark.sequence), default=None)
