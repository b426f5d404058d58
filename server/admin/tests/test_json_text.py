"""JSON looks as Jackson's default pretty printer makes it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoolet.server.admin.json_text import Json, json_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({}, "{ }"),
        ([], "[ ]"),
        (None, "null"),
        (True, "true"),
        (-1, "-1"),
        (0.0, "0.0"),
        (0.0001, "1.0E-4"),
        ('q"\\/\n\t\x01\x7fé\u2028', '"q\\"\\\\/\\n\\t\\u0001\x7fé\u2028"'),
        ("\ud800", '"?"'),
        ([1, "a", [2], {}], '[ 1, "a", [ 2 ], { } ]'),
        ({"a": 1, "b": None}, '{\n  "a" : 1,\n  "b" : null\n}'),
        (
            {"a": [{"b": 1, "c": {"d": []}}, {"e": 2}]},
            '{\n  "a" : [ {\n    "b" : 1,\n    "c" : {\n      "d" : [ ]\n    }\n  }, {\n'
            '    "e" : 2\n  } ]\n}',
        ),
    ],
)
def test_values_look_as_jacksons(value: Json, text: str) -> None:
    assert json_text(value) == text


_TEXT = st.text(st.characters(codec="utf-8"))
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
)


@given(_VALUES)
def test_it_is_json(value: Json) -> None:
    assert json.loads(json_text(value)) == value
