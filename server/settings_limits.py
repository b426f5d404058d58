"""The table of settings, continued: bounds on what clients may ask of a server."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from .setting import (
    BYTES,
    COUNT,
    MILLIS,
    NOT_SET,
    Status,
    row,
)

_limit = partial(row, section="Limits")


@dataclass(frozen=True, kw_only=True)
class LimitSettings:
    """Fields of `Config` that are limits."""

    # fmt: off
    max_client_cnxns: int = _limit(
        "maxClientCnxns", COUNT, 60, "Connections one address may have; 0 for no limit.",
        written="60; 0 without a configuration file",
    )
    max_cnxns: int = _limit("maxCnxns", COUNT, 0, "Connections the server takes altogether; 0 for no limit.")
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
    # fmt: on
