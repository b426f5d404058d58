"""Framing of log records, and what the scanner says about the end of a log."""

from __future__ import annotations

from zlib import adler32

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoolet.storage.log_record import (
    FILE_HEADER,
    FRAME_BYTES,
    PAYLOAD_BYTES_MIN,
    Ending,
    frame,
    header_problem,
)
from zoolet.storage.tests.samples import log_bytes, payload, scan

PAYLOADS = [payload(1), payload(2, b"x" * 300), payload(3, b"")]
THREE = log_bytes(*PAYLOADS)
LAST = len(THREE) - FRAME_BYTES - len(PAYLOADS[2])
SECOND = len(FILE_HEADER) + FRAME_BYTES + len(PAYLOADS[0])


def test_record_is_checksum_length_payload_and_end_mark() -> None:
    body = bytes(32)
    assert frame(body) == adler32(body).to_bytes(8, "big") + b"\0\0\0\x20" + body + b"B"


def test_file_header_is_magic_version_two_and_dbid_zero() -> None:
    assert b"ZKLG\0\0\0\2" + bytes(8) == FILE_HEADER


@given(st.lists(st.binary(max_size=2000), max_size=20), st.integers(0, 5000))
def test_what_was_framed_is_read_back(bodies: list[bytes], padding: int) -> None:
    payloads = [payload(zxid, body) for zxid, body in enumerate(bodies, start=1)]
    content = log_bytes(*payloads, padding=padding)

    entries, verdict = scan(content)

    assert [entry.payload for entry in entries] == payloads
    assert [entry.zxid for entry in entries] == list(range(1, len(payloads) + 1))
    assert all(content[entry.offset :].startswith(frame(entry.payload)) for entry in entries)
    assert verdict.ending is Ending.CLEAN_END
    assert verdict.offset == len(content) - padding
    assert verdict.zxid == (len(payloads) or -1)


def test_records_across_the_read_buffer_are_whole() -> None:
    """Records of a third, three and a half buffers: every way a record can meet the end of one."""
    sizes = [350_000, 3_500_000, 40, 1_048_000, 7, 1_048_576, 600_000]
    payloads = [payload(zxid, bytes([zxid]) * size) for zxid, size in enumerate(sizes, start=1)]

    entries, verdict = scan(log_bytes(*payloads, padding=100))

    assert [entry.payload for entry in entries] == payloads
    assert verdict.ending is Ending.CLEAN_END


@pytest.mark.parametrize("padding", [0, 1, 500])
@pytest.mark.parametrize("kept", range(len(THREE) - LAST))
def test_last_record_zeroed_from_any_byte_is_a_torn_tail(kept: int, padding: int) -> None:
    content = THREE[: LAST + kept].ljust(len(THREE) + padding, b"\0")

    entries, verdict = scan(content)

    assert [entry.zxid for entry in entries] == [1, 2]
    # The first bytes of a checksum are zero: nothing of the record is there.
    nothing_there = not any(THREE[LAST : LAST + kept])
    assert verdict.ending is (Ending.CLEAN_END if nothing_there else Ending.TORN_TAIL)
    assert (verdict.offset, verdict.zxid) == (LAST, 2)


@pytest.mark.parametrize("kept", range(len(THREE) - LAST))
def test_last_record_cut_at_any_byte_is_a_torn_tail(kept: int) -> None:
    entries, verdict = scan(THREE[: LAST + kept])

    assert [entry.zxid for entry in entries] == [1, 2]
    nothing_there = not any(THREE[LAST : LAST + kept])
    assert verdict.ending is (Ending.CLEAN_END if nothing_there else Ending.TORN_TAIL)
    assert (verdict.offset, verdict.zxid) == (LAST, 2)


@given(st.integers(PAYLOAD_BYTES_MIN, 70_000), st.data())
def test_torn_tail_of_any_record_size_is_recognised(size: int, data: st.DataObject) -> None:
    body = bytes(range(1, 256)) * (size // 255 + 1)
    content = log_bytes(payload(1), payload(2, body[: size - PAYLOAD_BYTES_MIN]))
    start = len(log_bytes(payload(1)))
    kept = data.draw(st.integers(start + 5, len(content) - 1))
    padding = data.draw(st.sampled_from([0, 1, 4096]))
    zeroed = data.draw(st.booleans())

    torn = content[:kept] + (bytes(len(content) - kept + padding) if zeroed else b"")
    entries, verdict = scan(torn)

    assert [entry.zxid for entry in entries] == [1]
    assert verdict.ending in (Ending.TORN_TAIL, Ending.CLEAN_END)
    assert verdict.offset == start


@pytest.mark.parametrize("padding", [0, 200])
def test_every_flipped_bit_is_reported_as_damage(padding: int) -> None:
    """The original reports flips in checksum and contents, and silently stops at those in end marks."""
    content = bytearray(log_bytes(*PAYLOADS, padding=padding))
    for position in range(len(FILE_HEADER), len(THREE)):
        for bit in range(8):
            content[position] ^= 1 << bit
            entries, verdict = scan(bytes(content))
            content[position] ^= 1 << bit

            expected = [zxid for zxid, start in ((1, 16), (2, SECOND), (3, LAST)) if start <= position][:-1]
            assert verdict.ending is Ending.DAMAGE, (position, bit)
            assert [entry.zxid for entry in entries] == expected
            assert verdict.zxid == (expected[-1] if expected else -1)
            assert verdict.reason


@pytest.mark.parametrize("at", [16, SECOND])
def test_zeroed_checksum_and_length_before_valid_records_is_damage(at: int) -> None:
    """The original starts without an error and serves what came before."""
    content = THREE[:at] + bytes(12) + THREE[at + 12 :]

    entries, verdict = scan(content + bytes(1000))

    assert verdict.ending is Ending.DAMAGE
    assert verdict.offset == at
    assert len(entries) == (0 if at == 16 else 1)


@pytest.mark.parametrize("end_of", [SECOND, LAST])
def test_zeroed_end_mark_before_valid_records_is_damage(end_of: int) -> None:
    content = THREE[: end_of - 1] + b"\0" + THREE[end_of:]

    assert scan(content + bytes(1000))[1].ending is Ending.DAMAGE


@pytest.mark.parametrize("page", range(1, 7))
def test_zeroed_page_before_valid_records_is_damage(page: int) -> None:
    content = log_bytes(*(payload(zxid, b"y" * 50) for zxid in range(1, 60)))
    content = content[: page * 512] + bytes(512) + content[(page + 1) * 512 :]
    assert len(content) > 4096

    entries, verdict = scan(content + bytes(5000))

    assert verdict.ending is Ending.DAMAGE
    assert page * 512 - 150 < verdict.offset < (page + 1) * 512
    assert verdict.zxid == len(entries)


def test_garbage_after_the_last_record_is_damage() -> None:
    for garbage in (b"\xff" * 40, b"\0" * 100 + b"x", b"\0\0\0\1" * 30, bytes(200_000) + b"x"):
        assert scan(THREE + garbage + bytes(300))[1].ending is Ending.DAMAGE


def test_negative_length_is_damage() -> None:
    content = THREE + (12345).to_bytes(8, "big") + b"\xff\xff\xff\xff" + bytes(100)
    verdict = scan(content)[1]
    assert verdict.ending is Ending.DAMAGE
    assert "-1" in verdict.reason


def test_length_too_small_for_a_header_is_damage() -> None:
    body = b"short"
    content = THREE + adler32(body).to_bytes(8, "big") + b"\0\0\0\5" + body + b"B"
    assert scan(content)[1].ending is Ending.DAMAGE


@pytest.mark.parametrize("padding", [0, 100_000])
def test_wrong_length_does_not_hide_the_records_after_it(padding: int) -> None:
    """A length with a flipped high bit swallows the rest of the log and looks like a torn record."""
    content = bytearray(log_bytes(*PAYLOADS, padding=padding))
    content[SECOND + 9] ^= 0x01  # length + 65536

    verdict = scan(bytes(content))[1]

    assert verdict.ending is Ending.DAMAGE
    assert verdict.zxid == 1


def test_piece_of_an_old_log_in_a_node_does_not_make_a_torn_record_damage() -> None:
    """A client stores a log in a node, and the write of that node is torn."""
    content = log_bytes(payload(5), payload(6, log_bytes(payload(2), payload(3)) + b"rest" * 50))

    entries, verdict = scan(content[:-20])

    assert [entry.zxid for entry in entries] == [5]
    assert verdict.ending is Ending.TORN_TAIL


@given(st.binary(max_size=300))
def test_any_bytes_give_a_verdict(garbage: bytes) -> None:
    entries, verdict = scan(THREE + garbage)
    assert [entry.zxid for entry in entries][:3] == [1, 2, 3]
    assert verdict.offset >= len(THREE)


def test_header_of_a_log_is_accepted_whatever_its_version() -> None:
    assert header_problem(FILE_HEADER) == ""
    assert header_problem(b"ZKLG\0\0\0\3" + bytes(8)) == ""


@pytest.mark.parametrize("header", [b"", FILE_HEADER[:15], bytes(16), b"ZKSN" + FILE_HEADER[4:]])
def test_header_that_is_cut_or_foreign_is_a_problem(header: bytes) -> None:
    assert header_problem(header)
