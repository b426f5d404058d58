"""The example in docs/storage.md is made of real bytes, and printed as the tool prints it."""

from __future__ import annotations

import re

from zoolet.server.tools.log_files import LogFile
from zoolet.server.tools.tests.folders import JAVA_39, ROOT
from zoolet.storage.file_names import list_logs
from zoolet.storage.real_disk import RealDisk

PAGE = (ROOT / "docs/storage.md").read_text()


def test_the_bytes_of_the_example_are_in_the_file() -> None:
    lines = re.findall(r"^    ((?:[0-9a-f]{2} )*[0-9a-f]{2})(?: {3,}|$)", PAGE, re.MULTILINE)
    content = (JAVA_39 / "log.1").read_bytes()
    [log] = list_logs(RealDisk(), str(JAVA_39))
    entry = next(entry for entry in LogFile(RealDisk(), log) if entry.zxid == 2)
    record = content[entry.offset : entry.offset + len(entry.payload) + 13]
    assert bytes.fromhex("".join(lines)) == content[:16] + record
    assert f"and {entry.offset} to {entry.offset + len(record) - 1}, of a log" in PAGE
