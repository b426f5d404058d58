"""What 3.8 answers differently from 3.9, as a table that can be applied to a transcript.

zoolet promises 3.9. Where only a 3.8 reference is at hand, its transcripts are translated first:
`known_differences.txt` holds, for each scenario marked `since_39`, the lines 3.8 writes (-) and what 3.9
writes in their place (+, none or several). Every entry must match, so the table cannot go stale. Against a
3.9 reference it is not used.
"""

from __future__ import annotations

import re
from pathlib import Path

TABLE = Path(__file__).with_name("known_differences.txt")

_EVENT_ZXID = re.compile(r"( sees \w+ .* zxid )\S+")


def as_38(transcript: list[str]) -> list[str]:
    """Hide what 3.8 never says: its event headers carry zxid -1, 3.9's the zxid of the change."""
    return [_EVENT_ZXID.sub(r"\1-1", line) for line in transcript]


def as_39(transcript: list[str], scenario_name: str) -> list[str]:
    """A 3.8 transcript of the scenario, with the known differences replaced by what 3.9 answers.

    Raises AssertionError when an entry of the table matches no line.
    """
    table = read_table().get(scenario_name, {})
    translated = [new for line in transcript for new in table.get(line, (line,))]
    unused = [line for line in table if line not in transcript]
    assert not unused, f"known_differences.txt names lines that 3.8 did not write: {unused}"
    return translated


def by_client(transcript: list[str]) -> list[str]:
    """What each client saw, one client after the other: the order between clients is dropped."""
    return sorted(
        (line for line in transcript if not line.startswith("--")), key=lambda line: line.split()[0]
    )


def read_table() -> dict[str, dict[str, tuple[str, ...]]]:
    """Scenario name -> line of 3.8 -> lines of 3.9."""
    table: dict[str, dict[str, tuple[str, ...]]] = {}
    entries: dict[str, tuple[str, ...]] = {}
    current = ""
    for line in TABLE.read_text("ascii").splitlines():
        mark, text = line[:2], line[2:]
        match mark:
            case "= ":
                entries = table[text] = {}
            case "- ":
                current = text
                entries[current] = ()
            case "+ ":
                entries[current] += (text,)
            case "" | "# " | "#":
                pass
            case _:
                raise ValueError(f"not a line of {TABLE.name}: {line!r}")
    return table
