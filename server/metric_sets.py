"""Summaries of ``mntr`` that there are several of: one for each namespace, or for each learner of a leader.

A namespace is the first name of a path. What is read and written in each is told, as monitoring asks for
it, and is always 0: every request would have to pay for the numbers. The original tells of a namespace from
its first use on; here of those that clients have nodes in, the oldest ones if there are very many.

Packets for learners wait in no queue, so that its length and the time in it are 0 as well.

Source: ``SummarySet``, ``DataTree.updateReadStat``, ``updateWriteStat``, ``LearnerHandler``, ``Leader``.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Final

from .metrics import Histogram, Summary, Value
from .quota import QUOTA_ROOT

if TYPE_CHECKING:
    from .data_tree import DataTree
    from .four_letter import ServerView

NAMESPACES_MAX: Final = 100
"""An answer should not get longer than anybody reads because the root has a million children."""


def set_rows(view: ServerView) -> Iterator[tuple[str, Value]]:
    """Names and values in the original's order, behind everything else that was counted."""
    namespaces = list(islice(_namespaces(view.database.tree), NAMESPACES_MAX))
    learners = view.learners()
    for name, keys in (
        ("learner_handler_qp_size", learners),
        ("read_per_namespace", namespaces),
        ("write_per_namespace", namespaces),
    ):
        for key in keys:
            yield from Summary().rows(f"{key}_{name}")
    for sid, latencies in view.database.metrics.ack_latencies.items():
        yield from latencies.rows(f"{sid}_ack_latency")
    for sid in learners:
        yield from Histogram().rows(f"{sid}_learner_handler_qp_time_ms")


def _namespaces(tree: DataTree) -> Iterator[str]:
    """Names below the root; that of the server's own nodes once somebody has set a quota."""
    quotas = tree.nodes.get(QUOTA_ROOT)
    for name in tree.nodes[""].children or ():
        if name != "zookeeper" or (quotas is not None and quotas.children):
            yield name
