"""Records behind damage are found, and nothing that only looks like one."""

from __future__ import annotations

from zoolet.storage.log_record import frame
from zoolet.storage.log_salvage import records_within
from zoolet.storage.tests.samples import payload


def test_records_are_found_behind_any_rubbish() -> None:
    records = [frame(payload(zxid)) for zxid in (5, 6, 7)]
    data = b"\0\0rubbish\xff" + records[0] + b"\0\0\0" + records[1] + records[2]
    found = list(records_within(data, 4))
    assert [zxid for zxid, _ in found] == [5, 6, 7]
    assert all(data[offset:].startswith(record) for (_, offset), record in zip(found, records, strict=True))


def test_a_record_in_the_data_of_a_record_does_not_count() -> None:
    data = frame(payload(5, frame(payload(9)))) + frame(payload(6))
    assert [zxid for zxid, _ in records_within(data, 4)] == [5, 6]


def test_damaged_and_older_ones_do_not_count() -> None:
    broken = bytearray(frame(payload(6)))
    broken[40] ^= 1
    data = frame(payload(5)) + bytes(broken) + frame(payload(7)) + frame(payload(8))[:-1]
    assert [zxid for zxid, _ in records_within(data, 5)] == [7]


def test_zeros_are_passed_over_quickly() -> None:
    assert list(records_within(bytes(1 << 20), -1)) == []
