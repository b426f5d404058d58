"""Packets in the stream: the same as the declared record, however the stream is split, and bounded."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoolet.jute.codes import PacketType
from zoolet.jute.data import Id
from zoolet.jute.errors import JuteError
from zoolet.jute.quorum import QuorumPacket
from zoolet.quorum.packets import (
    FIELD_BYTES_MAX,
    MalformedPacket,
    Packet,
    PacketBuffer,
    ack,
    commit,
    packet,
    proposal,
)

ints = st.integers(-(1 << 31), (1 << 31) - 1)
longs = st.integers(-(1 << 63), (1 << 63) - 1)
texts = st.none() | st.text(st.characters(codec="utf-8", max_codepoint=0xFFFF), max_size=20)
packets_strategy = st.tuples(
    ints,
    longs,
    st.none() | st.binary(max_size=60),
    st.none() | st.lists(st.builds(Id, texts, texts), max_size=4).map(tuple),
)
SNAP = packet(PacketType.SNAP, 5)


def feed_in_pieces(buffer: PacketBuffer, content: bytes, cuts: list[int]) -> list[Packet]:
    found = []
    edges = [0, *sorted(cut % (len(content) + 1) for cut in cuts), len(content)]
    for start, stop in pairwise(edges):
        found += buffer.feed(content[start:stop])
    return found


def feed_all(buffer: PacketBuffer, content: bytes, size: int) -> list[Packet]:
    return [
        found
        for start in range(0, len(content), size)
        for found in buffer.feed(content[start : start + size])
    ]


def outcome(content: bytes, size: int) -> tuple[list[Packet], tuple[str, int, str] | None]:
    """All packets of a stream fed in pieces of a size, and how the error looks that ends it."""
    buffer = PacketBuffer(50)
    found: list[Packet] = []
    try:
        for start in range(0, len(content), size):
            found += buffer.feed(content[start : start + size])
    except MalformedPacket as error:
        return found + error.packets, (error.field, error.offset, error.reason)
    return found, None


@given(st.lists(packets_strategy, max_size=6), st.lists(st.integers(0, 2000), max_size=6))
def test_packets_are_the_declared_record_however_the_stream_is_split(
    packets: list[Packet], cuts: list[int]
) -> None:
    content = b"".join(QuorumPacket(*fields).encode() for fields in packets)
    buffer = PacketBuffer()
    assert feed_in_pieces(buffer, content, cuts) == packets
    assert buffer.buffered_bytes == 0


@given(packets_strategy)
def test_encoding_is_that_of_the_declared_record(fields: Packet) -> None:
    assert packet(*fields) == QuorumPacket(*fields).encode()


@given(longs, st.binary(max_size=40))
def test_short_forms_are_the_packets_they_stand_for(zxid: int, payload: bytes) -> None:
    assert ack(zxid) == packet(PacketType.ACK, zxid)
    assert commit(zxid) == packet(PacketType.COMMIT, zxid)
    assert proposal(zxid, payload) == packet(PacketType.PROPOSAL, zxid, payload)


@given(st.lists(packets_strategy, max_size=3), st.binary(max_size=60), st.integers(1, 40))
def test_any_bytes_give_packets_or_an_error_and_the_same_for_every_split(
    packets: list[Packet], garbage: bytes, size: int
) -> None:
    content = b"".join(packet(*fields) for fields in packets) + garbage
    assert outcome(content, size) == outcome(content, len(content) + 1)


@pytest.mark.parametrize("piece", [1, 2, 7, 1000])
def test_bytes_behind_a_snap_packet_are_handed_over_raw(piece: int) -> None:
    snapshot = b"\x7f" * 50
    before, after = ack(1), proposal(2, b"payload")
    content = before + SNAP + snapshot
    buffer = PacketBuffer(snapshots=True)
    found: list[Packet] = []
    position = 0
    while not buffer.stopped:
        found += buffer.feed(content[position : position + piece])
        position += piece
    raw = buffer.take_rest() + content[position:]

    assert [kind for kind, *_ in found] == [PacketType.ACK, PacketType.SNAP]
    assert raw == snapshot
    assert buffer.buffered_bytes == 0
    assert buffer.feed(after) == [(PacketType.PROPOSAL, 2, b"payload", None)]


def test_packet_behind_a_snap_packet_waits_until_it_is_taken() -> None:
    buffer = PacketBuffer(snapshots=True)
    assert len(buffer.feed(SNAP + ack(1))) == 1
    with pytest.raises(AssertionError, match="take_rest"):
        buffer.feed(ack(2))
    assert buffer.feed(buffer.take_rest()) == [(PacketType.ACK, 1, None, None)]


def test_leader_does_not_stop_for_a_learner_that_sends_snap() -> None:
    assert len(PacketBuffer().feed(SNAP + ack(1))) == 2


@pytest.mark.parametrize("length", [-2, -(1 << 31), 101, (1 << 31) - 1])
@pytest.mark.parametrize("piece", [1, 100])
def test_impossible_length_of_data_is_refused_before_the_data_comes(length: int, piece: int) -> None:
    head = packet(PacketType.ACK, 1)[:12] + length.to_bytes(4, "big", signed=True) + bytes(4)
    buffer = PacketBuffer(100)
    with pytest.raises(JuteError, match=f"QuorumPacket.data at byte 12: length {length}"):
        feed_all(buffer, head, piece)


def test_good_packets_in_front_of_a_malformed_one_are_not_lost() -> None:
    with pytest.raises(MalformedPacket) as caught:
        PacketBuffer().feed(ack(1) + ack(2) + ack(3)[:12] + b"\x80\0\0\0\0\0\0\0")
    assert [zxid for _, zxid, *_ in caught.value.packets] == [1, 2]


@pytest.mark.parametrize(
    ("authinfo", "message"),
    [
        (b"\xff\xff\xff\xfe", "authinfo at byte 16: count -2"),
        (b"\0\0\0\x0d", "authinfo at byte 16: count 13"),
        (b"\0\0\0\1\xff\xff\xff\xfe", "authinfo at byte 20: a string of length -2"),
        (b"\0\0\0\1\0\0\0\x65", "authinfo at byte 20: a string of length 101"),
        (b"\0\0\0\2\0\0\0\2ab\0\0\0\x5a" + bytes(90), "authinfo at byte 26: a string of length 90"),
    ],
)
@pytest.mark.parametrize("piece", [1, 3, 1000])
def test_authinfo_is_bounded_as_a_whole(authinfo: bytes, message: str, piece: int) -> None:
    buffer = PacketBuffer(100)
    content = packet(PacketType.REQUEST, -1)[:16] + authinfo
    with pytest.raises(JuteError, match=message):
        feed_all(buffer, content, piece)


def test_memory_is_bounded_by_one_packet() -> None:
    """Whatever a peer sends, no more is held than the two bounds allow."""
    buffer = PacketBuffer(100)
    head = packet(PacketType.REQUEST, -1)[:12] + (100).to_bytes(4, "big") + bytes(100)
    identities = (12).to_bytes(4, "big") + b"\0\0\0\1x" * 19
    for byte in head + identities:
        assert buffer.feed(bytes([byte])) == []
    assert buffer.buffered_bytes <= 16 + 2 * 100


def test_longest_data_is_that_of_the_original() -> None:
    content = packet(PacketType.PROPOSAL, 1, bytes(FIELD_BYTES_MAX))
    assert len(PacketBuffer().feed(content)) == 1
    with pytest.raises(JuteError, match=f"length {FIELD_BYTES_MAX + 1}"):
        PacketBuffer().feed(packet(PacketType.PROPOSAL, 1, bytes(FIELD_BYTES_MAX + 1)))


def test_packet_types_have_the_numbers_of_the_original() -> None:
    assert [kind.value for kind in PacketType] == list(range(1, 20))
    assert (PacketType.REQUEST, PacketType.SNAP, PacketType.INFORMANDACTIVATE) == (1, 15, 19)
