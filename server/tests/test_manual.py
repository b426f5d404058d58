"""The written reference pages are what the tables say."""

from __future__ import annotations

from pathlib import Path

from zoolet.server.ops.manual import manual

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_page_of_operations_is_current() -> None:
    """`python -m zoolet.server.ops.manual > docs/operations.md` has been run since the table changed."""
    assert (DOCS / "operations.md").read_text() == manual()
