"""How the answers to four-letter words are written down in a scenario: what they tell about its own clients.

Session ids become names, paths lose the scenario's prefix, zxids count from its start, and moments, ports and
other clients are left out. Lines come sorted where no server promises an order. The words' exact shape is
the business of `test_four_letter_words.py`.
"""

from __future__ import annotations

import re

from .view import View

_HEX = re.compile(r"0x([0-9a-f]+)")
_FIELDS_OF_A_CONNECTION = ("recved", "sid", "lop", "to", "lcxid", "lzxid")


def told(view: View, word: str, text: str) -> list[str]:
    """The lines worth comparing."""
    lines = text.splitlines()
    match word:
        case "cons":
            return sorted(filter(None, (_connection(view, line) for line in lines)))
        case "wchc" | "wchp":
            return sorted(_pairs(view, lines))
        case "dump":
            start = lines.index("ephemeral nodes dump:")
            end = next((at for at, line in enumerate(lines) if line.startswith("Connections dump")), None)
            return sorted(_pairs(view, lines[start + 2 : end]))
        case _:
            return [line for line in lines if line]


def _pairs(view: View, lines: list[str]) -> list[str]:
    """`heading: item` for each indented line below a heading."""
    pairs = []
    heading = ""
    for line in lines:
        if line.startswith("\t"):
            pairs.append(f"{heading} {_word(view, line.strip())}")
        else:
            heading = _word(view, line)
    return pairs


def _word(view: View, word: str) -> str:
    if match := _HEX.match(word):
        return view.session(_signed(match[1]))
    return view.path(word)


def _connection(view: View, line: str) -> str | None:
    """The fields of a `cons` line that follow from what the client did; None for one without a session."""
    fields = dict(re.findall(r"(\w+)=([^,)]*)", line))
    if "sid" not in fields:
        return None
    fields["sid"] = view.session(_signed(fields["sid"][2:]))
    if "lzxid" in fields:
        fields["lzxid"] = view.zxid(_signed(fields["lzxid"][2:]))
    return " ".join(f"{name}={fields[name]}" for name in _FIELDS_OF_A_CONNECTION if name in fields)


def _signed(digits: str) -> int:
    number = int(digits, 16)
    return number - (1 << 64) if number >> 63 else number
