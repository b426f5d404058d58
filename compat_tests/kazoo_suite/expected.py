"""Which tests of kazoo's suite must pass: all that pass on the original, except for a list with reasons."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

PASSING_ON_JAVA_FILE: Final = Path(__file__).with_name("passing_on_java.txt")
"""One test a line, `module.Class::test` or `module::test`."""

EXCLUDED: Final[Mapping[str, str]] = {
    "test_utils.TestCreateTCPConnection::test_slow_connect": (
        "talks to no server: since kazoo reads another clock than the one that is patched there, it passes "
        "because nothing listens on port 2181, and fails where something does"
    ),
}
"""Tests that are not run at all, and why."""


def passing_on_java() -> frozenset[str]:
    """The tests that the original passes."""
    return frozenset(PASSING_ON_JAVA_FILE.read_text(encoding="utf-8").split())
