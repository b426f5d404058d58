"""Entry: a txn as it travels from a leader to its learners."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..jute.txn import TxnDigest, TxnHeader


class Entry(NamedTuple):
    """A proposal, taken apart, and its bytes as they go to the log."""

    header: TxnHeader
    txn: Any
    digest: TxnDigest | None
    payload: bytes
