"""What several tests compare: lists of lines, shown as a diff; digests of trees."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import unified_diff

import pytest

from .four_letter_client import monitor_values
from .server_process import ServerProcess


def assert_same_lines(seen: Sequence[str], expected: Sequence[str], promise: str = "") -> None:
    """Fail with a diff from `expected` (-) to `seen` (+) unless they are equal."""
    if list(seen) != list(expected):
        diff = unified_diff(expected, seen, "expected", "seen", lineterm="", n=2)
        pytest.fail("\n".join([promise, *diff]), pytrace=False)


def assert_digests_agree(server: ServerProcess, *, forgiven: int = 0) -> None:
    """The digests logged by whoever wrote are those of the tree that came of it.

    So many mismatches may be `forgiven`: where there is an excuse for them.
    """
    mismatches = int(monitor_values(server.port)["zk_digest_mismatches_count"])
    assert mismatches <= forgiven
    if not mismatches:
        assert "digest mismatch" not in server.output.lower()
        assert "digests are not matching" not in server.output.lower()
