"""JSON as Java's server writes it, byte for byte: Jackson's default pretty printer.

    {
      "connections" : [ {
        "session_id" : 1
      }, 2 ],
      "empty" : { },
      "error" : null
    }

Members of an object are on lines of their own, elements of an array are not; numbers with a fraction are
Java's `Double.toString`. Not here: which values a command has (`commands`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from ..java_text import java_double
from ..pauses import nothing, with_pauses

Json: TypeAlias = "str | int | float | Mapping[str, Json] | Sequence[Json] | None"

_SHORT: Final = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_ESCAPED: Final = re.compile(r'["\\\x00-\x1f]')
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def json_text(value: Json, pause: Callable[[], None] = nothing) -> str:
    """The value as text. Half a surrogate pair becomes a question mark, as in any text that Java encodes."""
    return _text(value, "\n", pause)


def _text(value: Json, line: str, pause: Callable[[], None]) -> str:
    """`line` is a line break with the indentation of the line that the value begins on."""
    if value is None:
        return "null"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return java_double(value)
    if isinstance(value, Mapping):
        inner = line + "  "
        members = ",".join(
            f"{inner}{_quoted(key)} : {_text(member, inner, pause)}"
            for key, member in with_pauses(value.items(), pause)
        )
        return f"{{{members}{line}}}" if members else "{ }"
    elements = ", ".join(_text(element, line, pause) for element in with_pauses(value, pause))
    return f"[ {elements} ]" if elements else "[ ]"


def _quoted(text: str) -> str:
    return f'"{_LONE_SURROGATE.sub("?", _ESCAPED.sub(_escape, text))}"'


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    return _SHORT.get(character) or f"\\u{ord(character):04X}"
