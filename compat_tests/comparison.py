"""Compare two lists of lines so that a failure shows the lines that differ, as a diff."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import unified_diff

import pytest


def assert_same_lines(seen: Sequence[str], expected: Sequence[str], promise: str = "") -> None:
    """Fail with a diff from `expected` (-) to `seen` (+) unless they are equal."""
    if list(seen) != list(expected):
        diff = unified_diff(expected, seen, "expected", "seen", lineterm="", n=2)
        pytest.fail("\n".join([promise, *diff]), pytrace=False)
