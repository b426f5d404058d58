"""The table of settings, continued: bounds on what clients may ask of a server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from .setting import (
    BOOLEAN,
    BYTES,
    COUNT,
    FRACTION,
    MILLIS,
    NOT_SET,
    Status,
    row,
)

_limit = partial(row, section="Limits")

CONNECTIONS_MAX: Final = 10_000
"""Connections a server takes unless told otherwise; the original takes any number."""
LARGE_REQUEST_MAX_BYTES: Final = 100 << 20
"""``ZooKeeperServer.largeRequestMaxBytes``"""
CLIENT_MEMORY_BYTES: Final = 64 << 20
GLOBAL_SESSION_WEIGHT: Final = 3
RENEW_SESSION_WEIGHT: Final = 2
LOCAL_SESSION_WEIGHT: Final = 1


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)  # a part of Config, which has these
class LimitSettings:
    """Fields of `Config` that are limits."""

    # fmt: off
    max_client_cnxns: int = _limit(
        "maxClientCnxns", COUNT, 60, "Connections one address may have; 0 for no limit.",
        written="60; 0 without a configuration file",
    )
    max_cnxns: int = _limit(
        "maxCnxns", COUNT, CONNECTIONS_MAX,
        "Connections the server takes altogether; 0, the original's default, for as many as the system has."
    )
    global_outstanding_limit: int = _limit(
        "globalOutstandingLimit", COUNT, 1000, "Requests under way above which busy connections are not read."
    )
    sessionless_cnxn_timeout_ms: int = _limit(
        "nio.sessionlessCnxnTimeout", MILLIS, 10_000,
        "A connection without a session is closed after this long."
    )
    jute_max_buffer_bytes: int = _limit(
        "jute.maxbuffer", BYTES, 1_048_575, "The largest request; a longer one closes the connection.",
        properties=("jute.maxbuffer",), in_file=False,
    )
    jute_max_buffer_extra_bytes: int = _limit(
        "jute.maxbuffer.extrasize", BYTES, NOT_SET, "How much longer than a request a stored record may be.",
        written="jute.maxbuffer", status=Status.ACCEPTED,
    )
    client_memory_bytes: int = _limit(
        "zoolet.clientMemoryBytes", BYTES, CLIENT_MEMORY_BYTES,
        "Memory for what clients have under way: incomplete requests, writes, answers not taken, watches.",
        properties=("zoolet.clientMemoryBytes",),
    )

    request_throttle_max_requests: int = _limit(
        "request_throttle_max_requests", COUNT, 0, "Requests under way above which others wait; 0 for none."
    )
    request_throttle_stall_time_ms: int = _limit(
        "request_throttle_stall_time", MILLIS, 100, "How often the one in front is looked at while it waits."
    )
    request_throttle_drop_stale: bool = _limit(
        "request_throttle_drop_stale", BOOLEAN, True,
        "Whether a stale request that waits is dropped, and its connection closed."
    )
    request_stale_connection_check: bool = _limit(
        "request_stale_connection_check", BOOLEAN, True, "Whether a request of a closed connection is stale."
    )
    request_stale_latency_check: bool = _limit(
        "request_stale_latency_check", BOOLEAN, False,
        "Whether a request older than its session's timeout is stale."
    )
    throttled_op_wait_time_ms: int = _limit(
        "throttled_op_wait_time", MILLIS, 0,
        "A request that waited longer than this is answered with -127; 0 for never."
    )
    large_request_threshold_bytes: int = _limit(
        "largeRequestThreshold", BYTES, -1, "A request longer than this is large; -1 for none."
    )
    large_request_max_bytes: int = _limit(
        "largeRequestMaxBytes", BYTES, LARGE_REQUEST_MAX_BYTES,
        "Bytes of large requests under way above which another one closes its connection."
    )

    connection_throttle_tokens: int = _limit(
        "connection_throttle_tokens", COUNT, 0, "Handshakes that may come at once; 0 for no limit."
    )
    connection_throttle_fill_time_ms: int = _limit(
        "connection_throttle_fill_time", MILLIS, 1, "How long it takes until more of them may come,"
    )
    connection_throttle_fill_count: int = _limit(
        "connection_throttle_fill_count", COUNT, 1, "and how many more."
    )
    connection_throttle_freeze_time_ms: int = _limit(
        "connection_throttle_freeze_time", MILLIS, -1,
        "How often the chance of a refusal is adjusted; -1 for no refusals by chance."
    )
    connection_throttle_drop_increase: float = _limit(
        "connection_throttle_drop_increase", FRACTION, 0.02, "By how much it grows when no tokens are left."
    )
    connection_throttle_drop_decrease: float = _limit(
        "connection_throttle_drop_decrease", FRACTION, 0.002, "By how much it shrinks when there are some."
    )
    connection_throttle_decrease_ratio: float = _limit(
        "connection_throttle_decrease_ratio", FRACTION, 0.0, "The share of tokens in use up to which it does."
    )
    connection_throttle_weight_enabled: bool = _limit(
        "connection_throttle_weight_enabled", BOOLEAN, False,
        "Whether a handshake takes tokens according to what it asks for:"
    )
    connection_throttle_global_session_weight: int = _limit(
        "connection_throttle_global_session_weight", COUNT, GLOBAL_SESSION_WEIGHT, "a new session,"
    )
    connection_throttle_renew_session_weight: int = _limit(
        "connection_throttle_renew_session_weight", COUNT, RENEW_SESSION_WEIGHT, "one that comes back,"
    )
    connection_throttle_local_session_weight: int = _limit(
        "connection_throttle_local_session_weight", COUNT, LOCAL_SESSION_WEIGHT, "a new local one."
    )

    max_response_cache_size: int = _limit(
        "maxResponseCacheSize", COUNT, 400,
        "Whether answers to getData are kept with their nodes: not with 0 or less. All other numbers mean"
        " the same: as many as 16 MiB hold.",
    )
    max_get_children_response_cache_size: int = _limit(
        "maxGetChildrenResponseCacheSize", COUNT, 400, "The same for lists of children.",
    )
    # fmt: on


def settle_limits(limits: LimitSettings, put: Callable[[str, object], None]) -> None:
    """Put what Java makes of values that make no sense, setting by setting, in their place."""
    # Java takes any number below 1 for "no limit".
    put("max_client_cnxns", max(limits.max_client_cnxns, 0))
    put("max_cnxns", max(limits.max_cnxns, 0))
    if limits.large_request_threshold_bytes <= 0:
        put("large_request_threshold_bytes", -1)
    if limits.large_request_max_bytes <= 0:
        put("large_request_max_bytes", LARGE_REQUEST_MAX_BYTES)
    local = limits.connection_throttle_local_session_weight
    for name, weight, default in (
        ("global", limits.connection_throttle_global_session_weight, GLOBAL_SESSION_WEIGHT),
        ("renew", limits.connection_throttle_renew_session_weight, RENEW_SESSION_WEIGHT),
    ):
        # BlueThrottle compares with the local weight as it is written.
        settled = default if weight <= 0 else max(weight, local)
        put(f"connection_throttle_{name}_session_weight", settled)
    if local <= 0:
        put("connection_throttle_local_session_weight", LOCAL_SESSION_WEIGHT)
