"""Zxids and session ids behave and print as Java's longs do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoolet.jute.ids import Epoch, Zxid, counter_of, epoch_of, hex64, make_zxid, to_signed32, to_signed64

LONGS = st.integers(-(2**63), 2**63 - 1)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (26, "1a"),
        (0x1000123456789AB, "1000123456789ab"),
        (-1, "ffffffffffffffff"),
        (-(2**63), "8000000000000000"),
        (2**63 - 1, "7fffffffffffffff"),
    ],
)
def test_hex_is_that_of_long_to_hex_string(value: int, text: str) -> None:
    assert hex64(value) == text


@given(st.integers(-(2**70), 2**70))
def test_wrapping_keeps_the_low_bits_and_the_range(value: int) -> None:
    assert to_signed64(value) == int.from_bytes((value % 2**64).to_bytes(8, "big"), "big", signed=True)
    assert to_signed32(value) == int.from_bytes((value % 2**32).to_bytes(4, "big"), "big", signed=True)


@given(LONGS)
def test_a_zxid_is_its_epoch_and_its_counter(zxid: int) -> None:
    assert make_zxid(epoch_of(Zxid(zxid)), counter_of(Zxid(zxid))) == zxid


def test_the_counter_does_not_leak_into_the_epoch() -> None:
    assert make_zxid(Epoch(1), 0x1_0000_0002) == 0x1_0000_0002
    assert make_zxid(Epoch(0xFFFFFFFF), 0) == -(1 << 32)
