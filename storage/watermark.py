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
_ENDS_AT: Final = 1024
_END_BYTES: Final = 64
_ENDS_MAX: Final = 32
_FILE_BYTES: Final = _ENDS_AT + _END_BYTES * _ENDS_MAX


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
        image = self._image()
        slots = [_decode(image[offset : offset + _SLOT_BYTES]) for offset in (0, _SECOND_SLOT)]
        return max((slot for slot in slots if slot is not None), default=None)

    def ends(self) -> dict[int, LogEnd]:
        """How older logs ended, by the zxid in their names; what does not read back is left out."""
        return {end.log_zxid: end for end in sorted(_ends_in(self._image()).values())}

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
        self._sequence = sequence = self._sequence + 1
        slot = _SLOT.pack(sequence, log_zxid, offset, zxid)
        file.pwrite(slot + _CRC.pack(crc32(slot)), _SECOND_SLOT if sequence & 1 else 0)

    def begin(self, log_zxid: int, offset: int, zxid: int) -> None:
        """The first mark of a log, in both slots, durably: later ones are not synced.

        A power failure may tear one of these, and the other must not be that of the log before, which becomes
        an end.
        """
        self.write(log_zxid, offset, zxid)
        file = self._file
        assert file is not None
        here, there = (_SECOND_SLOT, 0) if self._sequence & 1 else (0, _SECOND_SLOT)
        image = bytearray(file.pread(_FILE_BYTES, 0).ljust(_FILE_BYTES, b"\0"))
        before = _decode(image[there : there + _SLOT_BYTES])
        if before is not None and before.log_zxid < log_zxid:
            ends = _ends_in(image)
            place = min(range(_ENDS_MAX), key=lambda index: ends[index].sequence if index in ends else 0)
            start, end = _ENDS_AT + place * _END_BYTES, _END.pack(*before, log_zxid)
            image[start : start + _END.size + _CRC.size] = end + _CRC.pack(crc32(end))
        image[there : there + _SLOT_BYTES] = image[here : here + _SLOT_BYTES]
        file.pwrite(bytes(image), 0)
        file.fdatasync()

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
        start = _ENDS_AT + index * _END_BYTES
        data = image[start : start + _END.size + _CRC.size]
        if len(data) == _END.size + _CRC.size:
            end = LogEnd(*_END.unpack_from(data))
            if end.sequence and crc32(data[: _END.size]) == _CRC.unpack_from(data, _END.size)[0]:
                ends[index] = end
    return ends


def _decode(data: bytes | bytearray) -> Watermark | None:
    if len(data) < _SLOT_BYTES or crc32(data[: _SLOT.size]) != _CRC.unpack_from(data, _SLOT.size)[0]:
        return None
    mark = Watermark(*_SLOT.unpack_from(data))
    return mark if mark.sequence else None
