"""Write `known_differences.txt` anew from a 3.8 and a 3.9 server:

    ZOOLET_SUBJECT_CLASSPATH="/jars/of/3.9/*" python -m compat_tests.differential.rewrite_differences

plays every scenario on both and says which ones lack the `since_39` mark or have it needlessly. Review the
diff: each entry is a promise about 3.9 that a 3.8 reference cannot check.
"""

from __future__ import annotations

import os
from difflib import SequenceMatcher

from ..conftest import NO_SYNC, SUBJECT_CLASSPATH_VARIABLE
from ..java_server import JavaServer
from .known_differences import TABLE, as_38
from .scenario import Scenario, record
from .transcripts import all_scenarios

_HEADER = """\
# What 3.8 writes (-) and 3.9 writes in its place (+), per scenario marked since_39.
# Event zxids are masked: 3.8 has none. Written by rewrite_differences.py, read by known_differences.py.
"""


def differences(old: list[str], new: list[str]) -> dict[str, list[str]]:
    """For each line of `old` that `new` does not have in its place: the lines that are there instead."""
    table: dict[str, list[str]] = {}
    for tag, start, end, new_start, new_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        lines = new[new_start:new_end]
        match tag:
            case "insert":
                # Hung on to the line before it.
                anchor = old[start - 1]
                table.setdefault(anchor, [anchor]).extend(lines)
            case "replace" | "delete":
                for line in old[start : end - 1]:
                    table[line] = lines[:1]
                    del lines[:1]
                table[old[end - 1]] = lines
    for line in table:
        assert old.count(line) == 1, f"3.8 writes this line more than once: {line}"
    return table


def rewrite() -> None:
    """Play everything on both versions and keep where they differ."""
    text = [_HEADER]
    with (
        JavaServer(settings=NO_SYNC) as old,
        JavaServer(settings=NO_SYNC, classpath=os.environ[SUBJECT_CLASSPATH_VARIABLE]) as new,
    ):
        assert old.version < (3, 9) <= new.version
        for number, scenario in enumerate(all_scenarios()):
            if scenario.breaks_38 or scenario.fast_clock or scenario.empty_tree:
                continue
            prefix = f"/s{number:04d}"
            if scenario.needs_own_server:
                before, after = _play_with_settings(scenario, prefix)
            else:
                before = as_38(record(scenario, old, prefix=prefix))
                after = as_38(record(scenario, new, prefix=prefix))
            if (before != after) != scenario.since_39:
                print(f"{scenario.name}: since_39 should be {before != after}")
            if before != after:
                text.append(f"= {scenario.name}\n")
                for line, lines in differences(before, after).items():
                    text.append(f"- {line}\n" + "".join(f"+ {other}\n" for other in lines))
                text.append("\n")
    TABLE.write_text("".join(text).rstrip() + "\n", "ascii")


def _play_with_settings(scenario: Scenario, prefix: str) -> tuple[list[str], list[str]]:
    """The scenario on a server of each version that was started for it."""
    transcripts = []
    for classpath in (None, os.environ[SUBJECT_CLASSPATH_VARIABLE]):
        settings = {**NO_SYNC, **scenario.file_settings}
        with JavaServer(settings=settings, properties=scenario.properties, classpath=classpath) as server:
            transcripts.append(as_38(record(scenario, server, prefix=prefix)))
    return transcripts[0], transcripts[1]


if __name__ == "__main__":
    rewrite()
