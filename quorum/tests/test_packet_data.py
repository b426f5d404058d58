"""What packets carry in `data`: the original's bytes, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoolet.jute.errors import JuteError
from zoolet.jute.quorum import LearnerInfo
from zoolet.quorum.packet_data import (
    LearnerIntroduction,
    decode_activation,
    decode_int,
    decode_introduction,
    decode_request,
    decode_revalidation,
    decode_touches,
    decode_validity,
    encode_activation,
    encode_int,
    encode_introduction,
    encode_request,
    encode_revalidation,
    encode_touches,
    encode_validity,
)

ints = st.integers(-(1 << 31), (1 << 31) - 1)
longs = st.integers(-(1 << 63), (1 << 63) - 1)


@given(longs, ints, ints, st.binary(max_size=20))
def test_forwarded_request_is_read_back(session_id: int, cxid: int, opcode: int, body: bytes) -> None:
    data = encode_request(session_id, cxid, opcode, body)
    assert len(data) == 16 + len(body)
    assert decode_request(data) == (session_id, cxid, opcode, body)


@given(st.lists(st.tuples(longs, ints)))
def test_touched_sessions_are_read_back(touches: list[tuple[int, int]]) -> None:
    assert decode_touches(encode_touches(touches)) == touches


def test_leader_touches_nobody() -> None:
    assert decode_touches(None) == decode_touches(b"") == []


@given(longs, ints, st.booleans())
def test_revalidation_is_read_back_both_ways(session_id: int, timeout_ms: int, valid: bool) -> None:
    up, down = encode_revalidation(session_id, timeout_ms), encode_validity(session_id, valid)
    assert (len(up), len(down)) == (12, 9)
    assert decode_revalidation(up) == (session_id, timeout_ms)
    assert decode_validity(down) == (session_id, valid)


@given(longs, longs)
def test_introduction_is_the_record_learner_info(server_id: int, config_version: int) -> None:
    data = encode_introduction(server_id, config_version)
    assert data == LearnerInfo(server_id, 0x10000, config_version).encode()
    assert decode_introduction(data) == (server_id, 0x10000, config_version)


def test_older_servers_introduce_themselves_in_fewer_bytes() -> None:
    data = LearnerInfo(3, 0x10000, 9).encode()
    assert decode_introduction(data[:8]) == LearnerIntroduction(3, 1, 0)
    assert decode_introduction(data[:12]) == LearnerIntroduction(3, 0x10000, 0)
    assert decode_introduction(data[:19]) == LearnerIntroduction(3, 0x10000, 0)
    assert decode_introduction(data + b"more") == LearnerIntroduction(3, 0x10000, 9)


def test_activation_has_the_leader_in_front_of_the_payload() -> None:
    assert decode_activation(encode_activation(-2)) == (-2, b"")
    assert decode_activation(encode_activation(7, b"txn")) == (7, b"txn")


def test_epoch_is_an_int_and_minus_one_says_that_it_was_accepted_before() -> None:
    assert encode_int(-1) == b"\xff\xff\xff\xff"
    assert decode_int(b"\0\1\0\0", "LEADERINFO") == 0x10000


@pytest.mark.parametrize(
    ("decode", "size"),
    [
        (decode_request, 16),
        (decode_revalidation, 12),
        (decode_validity, 9),
        (decode_introduction, 8),
        (decode_activation, 8),
        (lambda data: decode_int(data, "ACKEPOCH"), 4),
    ],
)
def test_data_that_is_too_short_is_refused(decode: Callable[[bytes | None], Any], size: int) -> None:
    decode(bytes(size))
    for data in (None, *(bytes(length) for length in range(size))):
        with pytest.raises(JuteError):
            decode(data)


def test_half_a_touch_is_refused() -> None:
    with pytest.raises(JuteError, match="13 bytes"):
        decode_touches(bytes(13))
