"""Histories as files, so that a run that failed can be read, and judged again.

A history is written as JSON, one record a line: operations, watch events, ends of sessions, timeouts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from zoolet.testing.history import (
    Action,
    Ending,
    History,
    Operation,
    Outcome,
    SessionEnd,
    Stat,
    WatchEvent,
)


def save_history(history: History, file: Path) -> None:
    """Write it; `load_history` gives the same history back."""
    with file.open("w") as lines:
        for record in _records(history):
            lines.write(json.dumps(record) + "\n")


def load_history(file: Path) -> History:
    """Read what `save_history` wrote."""
    history = History()
    for line in file.read_text().splitlines():
        record: dict[str, Any] = json.loads(line)
        match record.pop("record"):
            case "operation":
                record["action"] = Action(record["action"])
                record["outcome"] = Outcome(record["outcome"])
                record["behind"] = Action(record["behind"]) if record["behind"] else None
                record["value"] = None if record["value"] is None else record["value"].encode("latin-1")
                record["stat"] = None if record["stat"] is None else Stat(*record["stat"])
                record["children"] = tuple(record["children"])
                history.operations.append(Operation(**record))
            case "event":
                history.events.append(WatchEvent(**record))
            case "ending":
                record["how"] = Ending(record["how"])
                history.endings.append(SessionEnd(**record))
            case "timeout":
                history.timeouts_ms[record["session"]] = record["timeout_ms"]
    return history


def _records(history: History) -> Iterator[dict[str, Any]]:
    for op in sorted(history.operations, key=lambda op: op.invoked_ns):
        fields = asdict(op)
        fields["action"] = op.action.value
        fields["outcome"] = op.outcome.value
        fields["behind"] = op.behind.value if op.behind else None
        fields["value"] = None if op.value is None else op.value.decode("latin-1")
        fields["stat"] = None if op.stat is None else list(op.stat)
        yield {"record": "operation", **fields}
    for event in history.events:
        yield {"record": "event", **asdict(event)}
    for end in history.endings:
        yield {"record": "ending", **asdict(end), "how": end.how.value}
    for session, timeout_ms in history.timeouts_ms.items():
        yield {"record": "timeout", "session": session, "timeout_ms": timeout_ms}
