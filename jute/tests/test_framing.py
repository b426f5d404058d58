"""Frames come out the same however the stream was cut."""

from __future__ import annotations

from itertools import pairwise
from struct import pack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zoolet.jute.errors import BadLength
from zoolet.jute.framing import FrameBuffer, OversizedFrame, frame

MAX = 40
payloads = st.lists(st.binary(max_size=MAX), max_size=8)


def feed_all(buffer: FrameBuffer, chunks: list[bytes]) -> list[bytes]:
    return [payload for chunk in chunks for payload in buffer.feed(chunk)]


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    """The data in pieces; empty ones included."""
    borders = [0, *sorted(position % (len(data) + 1) for position in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(borders)]


@given(payloads, st.lists(st.integers(0, 1000), max_size=6))
def test_one_chunk_single_bytes_and_random_chunks_give_the_same_frames(
    expected: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(map(frame, expected))

    assert feed_all(FrameBuffer(MAX), [stream]) == expected
    assert feed_all(FrameBuffer(MAX), [stream[i : i + 1] for i in range(len(stream))]) == expected
    assert feed_all(FrameBuffer(MAX), cut(stream, cuts)) == expected


@given(payloads, st.binary(min_size=1, max_size=MAX), st.integers(1, 3 + MAX), st.lists(st.integers(0, 500)))
def test_an_incomplete_frame_is_held_back(
    before: list[bytes], last: bytes, missing: int, cuts: list[int]
) -> None:
    stream = b"".join(map(frame, before))
    tail = frame(last)
    tail = tail[: -min(missing, len(tail) - 1)]
    buffer = FrameBuffer(MAX)

    assert feed_all(buffer, cut(stream + tail, cuts)) == before
    assert buffer.buffered_bytes == len(tail)
    assert buffer.feed(frame(last)[len(tail) :]) == [last]
    assert buffer.buffered_bytes == 0


@pytest.mark.parametrize("length", [MAX + 1, 2**31 - 1, -1, -(2**31)])
@given(payloads, st.binary(max_size=9), st.lists(st.integers(0, 500), max_size=6))
@settings(max_examples=30)
def test_a_bad_length_is_refused_and_the_frames_before_it_are_kept(
    length: int, good: list[bytes], behind: bytes, cuts: list[int]
) -> None:
    buffer = FrameBuffer(MAX)
    received: list[bytes] = []
    chunks = cut(b"".join(map(frame, good)) + pack(">i", length) + behind, cuts)

    def feed_until_refused() -> None:
        for chunk in chunks:
            received.extend(buffer.feed(chunk))

    with pytest.raises(OversizedFrame) as caught:
        feed_until_refused()
    assert received + caught.value.frames == good
    assert isinstance(caught.value, BadLength)
    assert str(length) in str(caught.value)


def test_the_largest_frame_is_exactly_the_limit() -> None:
    limit = 1_048_575
    assert FrameBuffer(limit).feed(frame(bytes(limit))) == [bytes(limit)]
    with pytest.raises(OversizedFrame):
        FrameBuffer(limit).feed(pack(">i", limit + 1))


def test_the_length_is_judged_before_the_frame_arrives() -> None:
    buffer = FrameBuffer(MAX)
    assert buffer.feed(b"\x7f\xff\xff") == []
    with pytest.raises(OversizedFrame):
        buffer.feed(b"\xff")


def test_an_empty_frame_is_a_frame() -> None:
    assert FrameBuffer(MAX).feed(frame(b"") + frame(b"x") + frame(b"")) == [b"", b"x", b""]


def test_first_bytes_are_seen_without_being_taken() -> None:
    buffer = FrameBuffer(MAX)
    for chunk in (b"ru", b"o", b"kXY"):
        buffer.hold(chunk)
    assert buffer.first_bytes() == b"ruok"
    assert buffer.first_bytes() == b"ruok"
    assert buffer.buffered_bytes == 6
    assert buffer.take_all() == b"ruokXY"
    assert (buffer.first_bytes(), buffer.buffered_bytes) == (b"", 0)
    assert buffer.feed(frame(b"next")) == [b"next"]
