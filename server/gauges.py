"""What the word `mntr` says of a server: names and values, without the prefix they have there.

First what it is, then how much there is of everything now (`ZooKeeperServer.registerMetrics` and what its
role adds), the quotas, and at last what was counted since the start (`metrics`): in the original's order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from .metric_names import GAUGES
from .metric_sets import set_rows
from .metrics import Value, metric_rows
from .process_facts import file_descriptors
from .quota import limits_and_usage
from .version import full_version

if TYPE_CHECKING:
    from .four_letter import ServerView

__all__ = ["Value", "count", "gauges", "monitor_values"]


def monitor_values(view: ServerView) -> Iterator[tuple[str, Value]]:
    """Every name with its value, in the order in which they are printed."""
    yield "version", full_version()
    yield "server_state", view.mode
    yield from view.role_facts()
    yield from gauges(view)
    yield from metric_rows(view)
    yield from set_rows(view)


def gauges(view: ServerView) -> Iterator[tuple[str, Value]]:
    """What is the case now, the quotas included."""
    yield from server_gauges(view)
    for name, sums in limits_and_usage(view.database.tree):
        for namespace, value in sums.items():
            yield f"{namespace}_{name}_per_namespace", value


def server_gauges(view: ServerView) -> Iterator[tuple[str, Value]]:
    """What is the case now with the server."""
    values = dict(_gauges(view))
    for name in GAUGES:
        if name in values:
            yield name, values[name]


def _gauges(view: ServerView) -> Iterator[tuple[str, Value]]:
    stats = view.stats
    open_files, max_files = file_descriptors()
    yield "avg_latency", stats.avg_latency_ms
    yield "max_latency", stats.max_latency_ms
    yield "min_latency", stats.min_latency_ms
    yield "packets_received", stats.packets_received
    yield "packets_sent", stats.packets_sent
    yield "num_alive_connections", count(view.connections)
    yield "outstanding_requests", view.outstanding_requests
    yield "uptime", view.uptime_ms
    yield "znode_count", view.node_count
    yield "watch_count", view.watch_count
    yield "ephemerals_count", view.ephemerals_count
    yield "approximate_data_size", view.approximate_data_size_bytes
    yield "global_sessions", view.session_count
    yield "local_sessions", view.local_session_count
    yield "open_file_descriptor_count", open_files
    yield "max_file_descriptor_count", max_files
    # Nothing is dropped yet.
    yield "connection_drop_probability", 0.0
    yield "last_client_response_size", stats.response_bytes_last
    yield "max_client_response_size", stats.response_bytes_max
    yield "min_client_response_size", stats.response_bytes_min
    yield "outstanding_tls_handshake", stats.tls_handshakes
    yield "auth_failed_count", stats.auth_failed_count
    yield "non_mtls_remote_conn_count", stats.non_mtls_remote_count
    yield "non_mtls_local_conn_count", stats.non_mtls_local_count
    yield from view.role_gauges()
    if (sizes := view.proposal_sizes) is not None:
        yield "last_proposal_size", sizes.last
        yield "max_proposal_size", sizes.max
        yield "min_proposal_size", sizes.min


def count(items: Iterable[object]) -> int:
    """How many there are."""
    return sum(1 for _ in items)
