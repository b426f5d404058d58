"""Properties files are read as Java reads them, with the library and without it."""

from __future__ import annotations

from pathlib import Path

import javaproperties
import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoolet.server.properties_file import _without_escapes, read_properties
from zoolet.server.setting import ConfigError

PIECES = st.sampled_from(
    ["k", "key", "=", ":", " ", "\t", "\f", "#", "!", "\r", "\n", "\r\n", "\x0b", "\x85", "\xa0", "é"]
)


@given(st.lists(PIECES, max_size=30).map("".join))
def test_without_a_backslash_both_ways_of_reading_agree(text: str) -> None:
    expected, line = [], 1
    for element in javaproperties.parse(text):
        if isinstance(element, javaproperties.KeyValue):
            expected.append((element.key, element.value, line))
        line += element.source.replace("\r\n", "\n").replace("\r", "\n").count("\n")
    assert list(_without_escapes(text)) == expected


@pytest.mark.parametrize("continued", ["", "\\\n "])
def test_entries_know_their_lines(tmp_path: Path, continued: str) -> None:
    path = tmp_path / "zoo.cfg"
    path.write_text(f"# first\r\na = {continued}1\n\n  b:2 \nc")
    shift = continued.count("\n")
    found = [(entry.key, entry.value, entry.where) for entry in read_properties(str(path))]
    assert found == [
        ("a", "1", "zoo.cfg:2"),
        ("b", "2", f"zoo.cfg:{4 + shift}"),
        ("c", "", f"zoo.cfg:{5 + shift}"),
    ]


def test_a_bad_escape_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "zoo.cfg"
    path.write_text("a=1\nb=\\u12\n")
    with pytest.raises(ConfigError, match=r"zoo\.cfg:2: "):
        read_properties(str(path))
