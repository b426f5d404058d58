"""Commands that look at files: ours, and the original's tools for logs and snapshots.

The output of the original's is taken apart so that it can be compared with what we say about the same file.
"""

from __future__ import annotations

import base64
import re
import subprocess
from pathlib import Path
from typing import Any, Final, NamedTuple

from ..java_server import java_classpath
from ..zoolet_server import zoolet_command

_TXN: Final = re.compile(
    r"^\S+, \S+ \S+ \S+ session 0x([0-9a-f]+) cxid 0x([0-9a-f]+) zxid 0x([0-9a-f]+) (\S+) ?", re.MULTILINE
)
_SESSION: Final = re.compile(r"^(0x[0-9a-f]+), (\d+), (\d+)$", re.MULTILINE)
_PATIENCE_S: Final = 60


class ToolTxn(NamedTuple):
    """A line of TxnLogToolkit."""

    session: int
    cxid: int
    zxid: int
    type: str
    text: str
    """Everything else."""


def zoolet(*arguments: str) -> str:
    """Run one of our commands; returns what it has printed."""
    command = zoolet_command()
    assert command is not None
    return _run(command, *arguments)


def txn_log_toolkit(log: Path) -> list[ToolTxn]:
    """Every txn that the original's TxnLogToolkit finds in a log."""
    text = _java("org.apache.zookeeper.server.persistence.TxnLogToolkit", str(log))
    assert text.startswith("ZooKeeper Transactional Log File with dbid 0 txnlog format version 2\n")
    assert "CRC ERROR" not in text
    _, *fields = _TXN.split(text)
    txns = [
        ToolTxn(
            int(fields[at], 16),
            int(fields[at + 1], 16),
            int(fields[at + 2], 16),
            fields[at + 3].replace("createTtl", "createTTL"),
            fields[at + 4],
        )
        for at in range(0, len(fields), 5)
    ]
    assert txns[-1].text.endswith(f"EOF reached after {len(txns)} txns.\n")
    return txns


def snapshot_formatter(snapshot: Path) -> tuple[dict[str, dict[str, Any]], dict[int, tuple[int, int]]]:
    """What the original's SnapshotFormatter tells of a snapshot.

    By path the fields of each node, numbers as numbers and data as bytes; by id timeout and number of
    ephemerals of each session.
    """
    text = _java("org.apache.zookeeper.server.SnapshotFormatter", "-d", str(snapshot))
    tree, _, rest = text.partition("Session Details (sid, timeout, ephemeralCount):\n")
    nodes: dict[str, dict[str, Any]] = {}
    for block in tree.split("\n----\n")[1:]:
        path, *lines = block.strip("\n").split("\n")
        if path:
            nodes[path] = dict(map(_field, lines))
    sessions = {int(found[1], 16): (int(found[2]), int(found[3])) for found in _SESSION.finditer(rest)}
    return nodes, sessions


def snapshot_formatter_json(snapshot: Path) -> str:
    """The same as JSON: names and sizes."""
    return _java("org.apache.zookeeper.server.SnapshotFormatter", "-json", str(snapshot))


def snapshot_comparer(left: Path, right: Path) -> list[str]:
    """The lines of the original's SnapshotComparer about nodes that are not the same in both."""
    sides = ("-l", str(left), "-r", str(right))
    text = _java("org.apache.zookeeper.server.SnapshotComparer", *sides, "-b", "0", "-n", "0")
    assert text.endswith("All layers compared.\n")
    lines = text[text.index("Analysis for depth 0") :].splitlines()
    return [line for line in lines if not line.startswith(("Analysis for depth", "All layers compared"))]


def _field(line: str) -> tuple[str, Any]:
    name, _, value = line.partition(" =")
    name, value = name.strip(), value.strip()
    if name == "data":
        return name, base64.b64decode(value)
    return name, value if name in ("ctime", "mtime") else int(value, 0)


def _java(main: str, *arguments: str) -> str:
    options = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
    locale = ("-Dfile.encoding=UTF-8", "-Duser.timezone=UTC", "-Duser.language=en")
    return _run("java", *options, *locale, "-cp", java_classpath(), main, *arguments)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, timeout=_PATIENCE_S, check=False)
    told = done.stderr.decode("utf-8", "replace")
    assert done.returncode == 0, told
    assert not re.search(r"Exception|WARN|ERROR", told), told
    return done.stdout.decode()
