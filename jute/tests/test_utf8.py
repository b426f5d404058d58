"""Text crosses the wire as Java reads and writes it.

The expectations were printed by a Java 17 virtual machine: ``new String(bytes, UTF_8)`` for reading and
``BinaryOutputArchive.writeString`` of zookeeper-jute 3.8.0 for writing.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoolet.jute.proto import SyncRequest
from zoolet.jute.wiretypes import decode_utf8, encode_utf8

BAD = "\ufffd"

MALFORMED = {
    "80": BAD,  # a continuation byte alone
    "bf41": BAD + "A",
    "c0af": BAD * 2,  # overlong slash
    "c141": BAD + "A",
    "c2": BAD,  # cut off
    "c241": BAD + "A",
    "dfff": BAD * 2,
    "e0": BAD,
    "e080af": BAD * 3,  # overlong
    "e09f80": BAD * 3,
    "e0a0": BAD,
    "e0a041": BAD + "A",
    "e6bc": BAD,
    "eda080": BAD,  # an encoded high surrogate
    "edbfbf": BAD,  # an encoded low surrogate
    "eda080edb080": BAD * 2,  # a pair, as jute itself writes what lies outside the BMP
    "eda0bdedb88041": BAD * 2 + "A",
    "ed9fbf": "\ud7ff",
    "ee8080": "\ue000",
    "efbfbd": BAD,
    "f0808080": BAD * 4,  # overlong
    "f0908080": "\U00010000",
    "f0908041": BAD + "A",
    "f0": BAD,
    "f09f98": BAD,
    "f48fbfbf": "\U0010ffff",
    "f4908080": BAD * 4,  # beyond Unicode
    "f5808080": BAD * 4,
    "fe": BAD,
    "ffff": BAD * 2,
    "2f61ff62": "/a" + BAD + "b",
}

CUT_SURROGATES = {
    "eda0": BAD,
    "2f61eda0": "/a" + BAD,
    "edbe": BAD,
    "eda041": BAD + "A",
    "edb0f45e": BAD * 2 + "^",
    "eda0dfe141": BAD * 3 + "A",
    "edbff3": BAD * 2,
    "ed": BAD,
    "ed41": BAD + "A",
}


@pytest.mark.parametrize(("hexadecimal", "text"), MALFORMED.items())
def test_malformed_bytes_become_as_many_replacement_characters_as_in_java(
    hexadecimal: str, text: str
) -> None:
    assert decode_utf8(bytes.fromhex(hexadecimal)) == text


@pytest.mark.parametrize(("hexadecimal", "text"), CUT_SURROGATES.items())
def test_a_surrogate_cut_after_two_bytes_is_one_replacement_character(hexadecimal: str, text: str) -> None:
    """Java takes ED A0..BF as one malformed sequence of two bytes, or of three if a continuation follows."""
    assert decode_utf8(bytes.fromhex(hexadecimal)) == text


@pytest.mark.parametrize(
    ("text", "hexadecimal"),
    [
        ("", ""),
        ("/a", "2f61"),
        ("\0", "00"),  # jute has no two-byte NUL, unlike Java's own modified UTF-8
        ("\u007f\u0080\u07ff\u0800\uffff", "7fc280dfbfe0a080efbfbf"),
        ("\u00e4\u6f22", "c3a4e6bca2"),
        ("\U0001f600", "eda0bdedb880"),
        ("\U00010000\U0010ffff", "eda080edb080edafbfedbfbf"),
        ("a\U0001f600b", "61eda0bdedb88062"),
    ],
)
def test_text_is_written_in_utf8_but_by_surrogates_outside_the_bmp(text: str, hexadecimal: str) -> None:
    assert encode_utf8(text) == bytes.fromhex(hexadecimal)
    length = len(hexadecimal) // 2
    assert SyncRequest(text).encode() == length.to_bytes(4, "big") + bytes.fromhex(hexadecimal)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_proper_utf8_is_read_as_such(text: str) -> None:
    assert decode_utf8(text.encode()) == text


@given(st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"])))
def test_bmp_text_is_written_as_plain_utf8(text: str) -> None:
    assert encode_utf8(text) == text.encode()


@given(st.binary())
def test_reading_never_fails_and_what_was_read_can_be_written(data: bytes) -> None:
    again = encode_utf8(decode_utf8(data))
    assert SyncRequest.parse(SyncRequest(decode_utf8(data)).encode()).path == decode_utf8(again)
