"""Every record of the protocol: what it encodes it decodes, and broken bytes are refused with their place."""

from __future__ import annotations

import tracemalloc
from struct import pack
from typing import Any

import construct
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zoolet.jute.data import ACL, Id, Stat
from zoolet.jute.errors import BadLength, JuteError, NullField, TrailingBytes, Truncated
from zoolet.jute.proto import ConnectRequest, CreateRequest, GetDataRequest, ReplyHeader
from zoolet.jute.quorum import QuorumPacket
from zoolet.jute.record import Record
from zoolet.jute.tests.strategies import RECORDS, Piece, any_record, instances, layout, sample
from zoolet.jute.txn import CloseSessionTxn, DeleteTxn

every_record = pytest.mark.parametrize("cls", RECORDS, ids=lambda cls: cls.__name__)

INTERESTING = (-(2**31), -2, -1, 0, 1, 2, 3, 7, 100, 2**31 - 1)


def declared(cls: type[Record], buf: bytes) -> Record | None:
    """What the construct declaration reads; None where it refuses."""
    try:
        return cls.declaration().parse(buf)  # type: ignore[no-any-return]
    except (JuteError, construct.ConstructError):
        return None


def compiled(cls: type[Record], buf: bytes) -> Record | None:
    """What the compiled decoder reads; None where it refuses."""
    try:
        return cls.decode(buf)[0]
    except JuteError:
        return None


def pieces_of(cls: type[Record]) -> list[Piece]:
    """The pieces of the sample of a record."""
    return list(layout(cls.shape, sample(cls.shape)))


# --- round trips ----------------------------------------------------------------------------------------


@every_record
@given(data=st.data())
@settings(max_examples=12)
def test_what_is_encoded_is_decoded_again_by_compiled_code_and_declaration_alike(
    cls: type[Record], data: st.DataObject
) -> None:
    record = data.draw(instances(cls))
    encoded = record.encode()

    assert encoded == b"".join(piece.data for piece in layout(cls.shape, record))
    assert encoded == cls.declaration().build(record)
    assert record == cls.parse(encoded)
    assert record == declared(cls, encoded)


@given(record=any_record(), before=st.binary(max_size=9), behind=st.binary(max_size=9))
def test_decode_starts_at_the_offset_and_leaves_the_rest_alone(
    record: Record, before: bytes, behind: bytes
) -> None:
    if isinstance(record, ConnectRequest) or type(record).__name__ == "ConnectResponse":
        behind = b""  # their last field may be missing, so what follows would belong to them
    encoded = record.encode()

    again, end = type(record).decode(before + encoded + behind, len(before))

    assert again == record
    assert end == len(before) + len(encoded)


# --- broken bytes ---------------------------------------------------------------------------------------


@st.composite
def mutilated(draw: st.DrawFn) -> tuple[type[Record], bytes]:
    """A record's bytes after some vandalism."""
    record = draw(any_record())
    buf = bytearray(record.encode())
    for _ in range(draw(st.integers(1, 3))):
        position = draw(st.integers(0, len(buf)))
        match draw(st.sampled_from(("cut", "flip", "insert", "remove", "number"))):
            case "cut":
                del buf[position:]
            case "flip" if position < len(buf):
                buf[position] ^= draw(st.integers(1, 255))
            case "insert":
                buf[position:position] = draw(st.binary(max_size=5))
            case "remove":
                del buf[position : position + draw(st.integers(1, 5))]
            case "number":
                buf[position : position + 4] = pack(">i", draw(st.sampled_from(INTERESTING)))
    return type(record), bytes(buf)


@given(case=mutilated())
@settings(max_examples=600)
def test_mutilated_bytes_give_the_same_value_both_ways_or_none(case: tuple[type[Record], bytes]) -> None:
    cls, buf = case
    assert compiled(cls, buf) == declared(cls, buf)


@given(cls=st.sampled_from(RECORDS), garbage=st.binary(max_size=80))
@settings(max_examples=300)
def test_garbage_gives_a_record_or_a_jute_error(cls: type[Record], garbage: bytes) -> None:
    outcome: JuteError | tuple[Record, int]
    try:
        outcome = cls.decode(garbage)
    except JuteError as error:
        outcome = error
    if isinstance(outcome, JuteError):
        assert outcome.record == cls.__name__
        assert 0 <= outcome.offset <= len(garbage)
    else:
        record, end = outcome
        assert end <= len(garbage)
        assert type(record) is cls


@every_record
def test_a_cut_at_every_byte_names_record_field_and_offset(cls: type[Record]) -> None:
    pieces = pieces_of(cls)
    whole = b"".join(piece.data for piece in pieces)
    for cut in range(len(whole)):
        with pytest.raises(JuteError) as caught:
            cls.decode(whole[:cut])
        error = caught.value
        field, offset = first_unreadable(pieces, cut)
        assert (error.record, error.field, error.offset) == (cls.__name__, field, offset), cut
        assert str(error).startswith(f"{cls.__name__}.{field} at byte {offset}: ")


def first_unreadable(pieces: list[Piece], end: int) -> tuple[str, int]:
    """Field and offset at which a decoder must notice that the bytes end at ``end``."""
    offset = 0
    for piece in pieces:
        if offset + len(piece.data) > end:
            return piece.field, offset
        if piece.role == "count":
            count = int.from_bytes(piece.data, "big", signed=True)
            if count * piece.element_bytes_min > end - offset - 4:
                return piece.field, offset
        offset += len(piece.data)
    raise AssertionError("nothing is missing")


@every_record
@pytest.mark.parametrize("claim", [2**31 - 1, 2**30, -2, -(2**31)])
def test_an_absurd_length_or_count_is_refused_where_it_stands(cls: type[Record], claim: int) -> None:
    pieces = pieces_of(cls)
    offset = 0
    for index, piece in enumerate(pieces):
        if piece.role in ("length", "count"):
            changed = [p.data for p in pieces]
            changed[index] = pack(">i", claim)
            with pytest.raises((BadLength, Truncated)) as caught:
                cls.decode(b"".join(changed))
            error = caught.value
            assert error.field == piece.field
            # A content that is too long is missing where it begins, a bad number is wrong where it stands.
            assert error.offset in ((offset, offset + 4) if claim > 0 else (offset,))
            assert str(claim) in error.reason
        offset += len(piece.data)


@every_record
def test_a_null_is_refused_exactly_where_the_protocol_has_none(cls: type[Record]) -> None:
    pieces = pieces_of(cls)
    offset = 0
    for index, piece in enumerate(pieces):
        if piece.role == "length":
            changed = [p.data for p in pieces]
            changed[index] = pack(">i", -1)
            changed[index + 1] = b""
            buf = b"".join(changed)
            if piece.nullable:
                cls.parse(buf)
            else:
                with pytest.raises(NullField) as caught:
                    cls.decode(buf)
                assert (caught.value.field, caught.value.offset) == (piece.field, offset)
        offset += len(piece.data)


@pytest.mark.parametrize(
    ("cls", "buf"),
    [
        (GetDataRequest, pack(">i", 2**31 - 1) + b"/a"),
        (DeleteTxn, pack(">i", 2**31 - 1) + b"/a"),
        (QuorumPacket, pack(">iqii", 1, 2, -1, 2**31 - 1) + bytes(64)),
        (CloseSessionTxn, pack(">i", 2**31 - 1) + bytes(64)),
        (CreateRequest, pack(">iii", -1, -1, 2**31 - 1) + bytes(64)),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_claims_of_two_gigabytes_allocate_nothing(cls: type[Record], buf: bytes) -> None:
    cls.decode(sample(cls.shape).encode())  # compiled before the measurement
    tracemalloc.start()
    try:
        with pytest.raises(JuteError):
            cls.decode(buf)
        with pytest.raises(JuteError):
            cls.declaration().parse(buf)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("cls", [cls for cls in RECORDS if not cls.__name__.startswith("Connect")])
def test_parse_refuses_trailing_bytes_and_says_how_many(cls: type[Record]) -> None:
    encoded = sample(cls.shape).encode()
    assert cls.decode(encoded + b"abc")[1] == len(encoded)
    with pytest.raises(TrailingBytes) as caught:
        cls.parse(encoded + b"abc")
    assert caught.value.offset == len(encoded)
    assert str(caught.value) == f"{cls.__name__} at byte {len(encoded)}: 3 bytes left over"


def test_the_second_element_of_a_vector_is_named_by_its_index() -> None:
    request = CreateRequest("/a", b"", (ACL(31, Id("world", "anyone")), ACL(1, Id("ip", "1.2.3.4"))), 0)
    encoded = request.encode()
    with pytest.raises(Truncated) as caught:
        CreateRequest.decode(encoded[:-6])
    assert caught.value.field == "acl[1].id.id"


# --- the handshake's optional last byte -----------------------------------------------------------------


def test_the_read_only_byte_may_be_missing() -> None:
    old = ConnectRequest(0, 5, 3000, 7, b"p" * 16, None)
    new = ConnectRequest(0, 5, 3000, 7, b"p" * 16, True)
    assert len(old.encode()) == 44
    assert len(new.encode()) == 45
    assert ConnectRequest.parse(old.encode()).readOnly is None
    assert ConnectRequest.parse(new.encode()).readOnly is True
    assert ConnectRequest.parse(old.encode() + b"\0").readOnly is False


# --- records as Python values ---------------------------------------------------------------------------


def test_records_are_equal_by_class_and_value() -> None:
    assert ACL(31, Id("world", "anyone")) == ACL(31, Id("world", "anyone"))
    assert ACL(31, Id("world", "anyone")) != ACL(1, Id("world", "anyone"))
    assert DeleteTxn("/a") != Id("/a", "/a")
    assert len({ACL(31, Id("a", "b")), ACL(31, Id("a", "b")), ACL(31, Id("a", "c"))}) == 2


def test_records_are_made_by_position_or_keyword_and_have_no_other_attributes() -> None:
    header = ReplyHeader(xid=1, zxid=2, err=3)
    assert header == ReplyHeader(1, 2, 3)
    assert repr(header) == "ReplyHeader(xid=1, zxid=2, err=3)"
    with pytest.raises(TypeError):
        ReplyHeader(1, 2)  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        header.error = 3  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "record",
    [DeleteTxn(None), CloseSessionTxn(("/a", None))],  # type: ignore[arg-type]
    ids=["field", "element"],
)
def test_a_null_where_there_is_none_cannot_be_encoded(record: Record) -> None:
    with pytest.raises(NullField):
        record.encode()
    with pytest.raises(NullField):
        type(record).declaration().build(record)


def test_stat_has_its_sixty_eight_bytes() -> None:
    values: Any = range(1, 12)
    assert len(Stat(*values).encode()) == 68
