"""The page of what was tried is current, and no client sends what the table of operations does not have."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from zoolet.server.ops.table import OPERATIONS

from .manual import opcodes_sent, page

PAGE = Path(__file__).parents[2] / "docs" / "compatibility.md"


@pytest.mark.skipif(not PAGE.exists(), reason="docs/compatibility.md is not there")
def test_the_page_is_current() -> None:
    """`python -m compat_tests.clients.manual > docs/compatibility.md` brings it up to date.

    Its numbers may lag behind: every new scenario changes some.
    """
    assert re.sub(r"\d+", "0", PAGE.read_text("utf-8")) == re.sub(r"\d+", "0", page())


def test_clients_send_what_the_table_has() -> None:
    for client, opcodes in opcodes_sent().items():
        assert opcodes <= OPERATIONS.keys(), client
