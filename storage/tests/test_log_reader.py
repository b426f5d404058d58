"""Reading the logs of a folder: which files, in which order, and what counts as damage between them."""

from __future__ import annotations

import pytest
from zoolet.storage.errors import Corrupt
from zoolet.storage.log_reader import LogReader
from zoolet.storage.log_record import FILE_HEADER
from zoolet.storage.sim_disk import SimDisk
from zoolet.storage.tests.samples import log_bytes, payload

FOLDER = "/data/version-2"


def disk_with(**logs: bytes) -> SimDisk:
    """Logs by name, `log_1=...` standing for log.1."""
    disk = SimDisk()
    disk.makedirs(FOLDER)
    for name, content in logs.items():
        disk.put(f"{FOLDER}/{name.replace('_', '.')}", content)
    return disk


def log_of(*zxids: int, padding: int = 0) -> bytes:
    return log_bytes(*(payload(zxid) for zxid in zxids), padding=padding)


def read(disk: SimDisk, from_zxid: int = 0) -> list[int]:
    return [entry.zxid for entry in LogReader(disk, FOLDER, from_zxid)]


def test_all_files_are_read_in_the_order_of_their_zxids() -> None:
    disk = disk_with(log_1=log_of(*range(1, 9)), log_9=log_of(9, padding=9), log_a=log_of(*range(10, 20)))
    assert read(disk) == list(range(1, 20))


def test_entries_name_their_file_and_offset() -> None:
    disk = disk_with(log_1=log_of(1), log_2=log_of(2, 3))
    last = list(LogReader(disk, FOLDER, 0))[-1]
    assert last.file == f"{FOLDER}/log.2"
    assert disk.get(last.file)[last.offset + 12 :].startswith(last.payload)


def test_reading_starts_with_the_zxid_asked_for() -> None:
    disk = disk_with(log_1=log_of(1, 2, 3), log_4=log_of(4, 5, 6))
    assert read(disk, 2) == [2, 3, 4, 5, 6]
    assert read(disk, 5) == [5, 6]
    assert read(disk, 7) == []


def test_files_before_the_zxid_asked_for_are_not_read() -> None:
    disk = disk_with(log_1=b"not a log", log_4=log_of(4, 5, 6))
    assert read(disk, 4) == [4, 5, 6]


def test_reading_up_to_a_zxid_does_not_judge_what_follows() -> None:
    """The tail of a log that is being written is nobody's business."""
    disk = disk_with(log_1=log_of(1, 2, 3) + b"half a rec" + bytes(50) + b"x")
    assert [entry.zxid for entry in LogReader(disk, FOLDER, 2, 3)] == [2, 3]
    assert [entry.zxid for entry in LogReader(disk, FOLDER, 1, 2)] == [1, 2]


def test_torn_tail_of_the_newest_log_is_dropped() -> None:
    assert read(disk_with(log_1=log_of(1, 2, 3)[:-5])) == [1, 2]


def test_torn_tail_of_an_older_log_is_dropped_if_the_next_log_continues() -> None:
    """After a crash the server starts a new file and leaves the torn one as it is."""
    torn = log_of(1, 2, 3)[:-5]
    assert read(disk_with(log_1=torn, log_3=log_of(3, 4))) == [1, 2, 3, 4]
    assert read(disk_with(log_1=log_of(1)[:-5], log_200000001=log_of(0x200000001))) == [0x200000001]


def test_torn_tail_of_an_older_log_with_transactions_missing_is_damage() -> None:
    disk = disk_with(log_1=log_of(1, 2, 3)[:-5], log_5=log_of(5))
    with pytest.raises(Corrupt) as caught:
        read(disk)
    assert caught.value.file == f"{FOLDER}/log.1"
    assert caught.value.zxid == 2
    assert read(disk, 5) == [5]  # nobody asked for what is missing


def test_damage_names_file_offset_and_last_good_zxid() -> None:
    content = bytearray(log_of(1, 2, 3))
    content[-10] ^= 1
    disk = disk_with(log_1=bytes(content))

    entries: list[object] = []
    with pytest.raises(Corrupt) as caught:
        entries.extend(LogReader(disk, FOLDER, 0))

    assert caught.value.file == f"{FOLDER}/log.1"
    assert caught.value.offset == len(log_of(1, 2))
    assert caught.value.zxid == len(entries) == 2
    assert "CRC" in caught.value.reason
    assert f"{FOLDER}/log.1 is damaged at offset" in str(caught.value)


@pytest.mark.parametrize("content", [b"", FILE_HEADER, FILE_HEADER + bytes(5000)])
def test_newest_log_may_be_empty_or_only_a_header(content: bytes) -> None:
    assert read(disk_with(log_1=log_of(1, 2), log_3=content)) == [1, 2]
    assert read(disk_with(log_1=content)) == []


def test_older_log_may_be_only_a_header_but_not_empty() -> None:
    assert read(disk_with(log_1=FILE_HEADER + bytes(100), log_100000001=log_of(0x100000001))) == [0x100000001]
    with pytest.raises(Corrupt, match="empty"):
        read(disk_with(log_1=b"", log_2=log_of(2)))


@pytest.mark.parametrize("content", [FILE_HEADER[:7], bytes(100), b"ZKSN" + bytes(100)])
def test_half_or_wrong_header_is_damage(content: bytes) -> None:
    with pytest.raises(Corrupt):
        read(disk_with(log_1=content))


def test_other_files_are_ignored() -> None:
    disk = disk_with(log_1=log_of(1), log_5_bak=log_of(9), log_zz=b"junk", new_log_2=b"junk", snapshot_0=b"x")
    assert read(disk) == [1]


def test_reader_can_be_stepped_and_closed() -> None:
    reader = LogReader(disk_with(log_1=log_of(1, 2, 3)), FOLDER, 0)
    assert next(reader).zxid == 1
    reader.close()
    assert list(reader) == []
