"""What docs/storage.md says is proved, is: the tests it names are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_test_that_the_page_names_exists() -> None:
    section = (ROOT / "docs/storage.md").read_text().partition("## Where it is proved")[2]
    named = set(re.findall(r"`(test_\w+)`", section))
    assert len(named) > 50
    there: set[str] = set()
    for folder in ("storage", "server", "quorum", "testing", "compat_tests"):
        for file in (ROOT / folder).rglob("test_*.py"):
            there.update(re.findall(r"def (test_\w+)\(", file.read_text()))
    assert named - there == set()
