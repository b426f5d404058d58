"""What a server takes from its clients, and how it refuses more, under settings of each scenario's own."""

from __future__ import annotations

import contextlib
import struct
import time

from ..four_letter_client import four_letter_word
from ..waiting import until
from .operations import (
    create,
    exists,
    get_children,
    get_data,
    padded,
    ping,
    set_data,
    sync,
)
from .scenario import scenario
from .story import Story

CREATE_OVERHEAD = 4 + len("/s0000/n") + 4 + 4 + 4 + 4 + len("world") + 4 + len("anyone") + 4
"""What a create's body has besides its data: path, lengths, an ACL of one entry, flags."""


def await_connections(s: Story, count: int) -> None:
    """The server closes what a client has left a moment later; wait until only so many are counted."""

    def only_so_many() -> bool:
        with contextlib.suppress(OSError):  # while there is no room for the one that asks
            # It counts itself.
            return b"Connections: %d\n" % (count + 1) in four_letter_word(s.port, "srvr")
        return False

    until("connections are closed", only_so_many)


# --- connections ----------------------------------------------------------------------------------------


@scenario(
    "maxClientCnxns: one more from the same address is closed",
    pipelined=False,
    settings=("maxClientCnxns=2",),
)
def max_client_cnxns(s: Story) -> None:
    await_connections(s, 0)
    a, b = s.connect("a"), s.connect("b")
    s.connect("c")
    a(create("/a"))
    b(exists("/a"))


@scenario("maxClientCnxns: whoever leaves makes room", pipelined=False, settings=("maxClientCnxns=3",))
def max_client_cnxns_makes_room(s: Story) -> None:
    await_connections(s, 0)
    a = s.connect("a")
    s.connect("b")
    s.connect("c")
    s.connect("d")
    a.drop()
    await_connections(s, 2)
    e = s.connect("e", session=a)
    e(create("/e"))


@scenario(
    "maxClientCnxns counts connections without a session", pipelined=False, settings=("maxClientCnxns=2",)
)
def max_client_cnxns_counts_silent_ones(s: Story) -> None:
    await_connections(s, 0)
    s.unconnected("silent")
    s.connect("a")
    s.connect("b")


@scenario(
    "a four-letter word above maxClientCnxns is not answered", pipelined=False, settings=("maxClientCnxns=1",)
)
def max_client_cnxns_and_words(s: Story) -> None:
    await_connections(s, 0)
    s.connect("a")
    word = s.unconnected("word")
    word.send_bytes(b"ruok")
    word.expect_close()


@scenario(
    "maxCnxns: one more from anywhere is closed", pipelined=False, settings=("maxCnxns=2", "maxClientCnxns=0")
)
def max_cnxns(s: Story) -> None:
    await_connections(s, 0)
    a = s.connect("a")
    s.connect("b")
    s.connect("c")
    a(create("/a"))


@scenario("maxCnxns=-1 is no limit", pipelined=False, settings=("maxCnxns=-1", "maxClientCnxns=-1"))
def negative_limits(s: Story) -> None:
    for name in "abcd":
        s.connect(name)


# --- session timeouts -----------------------------------------------------------------------------------


@scenario(
    "timeouts are clamped to minSessionTimeout and maxSessionTimeout",
    pipelined=False,
    settings=("minSessionTimeout=5000", "maxSessionTimeout=7000"),
)
def clamped_timeouts(s: Story) -> None:
    for timeout_ms in (0, 4999, 5000, 6001, 7000, 7001, -1, 2**31 - 1, -(2**31)):
        s.connect(f"of{timeout_ms}", timeout_ms=timeout_ms)


@scenario(
    "a timeout that comes back is clamped anew",
    pipelined=False,
    settings=("minSessionTimeout=5000", "maxSessionTimeout=7000"),
)
def clamped_again(s: Story) -> None:
    a = s.connect("a", timeout_ms=6000)
    s.connect("b", timeout_ms=1, session=a)


@scenario("without them they are 2 and 20 ticks", pipelined=False, settings=("tickTime=1500",))
def timeouts_of_ticks(s: Story) -> None:
    s.connect("a", timeout_ms=1)
    s.connect("b", timeout_ms=10**6)


@scenario(
    "-1 stands for the defaults",
    pipelined=False,
    settings=("tickTime=1500", "minSessionTimeout=-1", "maxSessionTimeout=-1"),
)
def timeouts_unset(s: Story) -> None:
    s.connect("a", timeout_ms=1)
    s.connect("b", timeout_ms=10**6)


# --- the length of requests -----------------------------------------------------------------------------


def of_length(frame_bytes: int) -> bytes:
    """Data that makes a create of `/n` a frame of this length."""
    return bytes(frame_bytes - 8 - CREATE_OVERHEAD)


@scenario(
    "jute.maxbuffer is the largest frame; one more byte closes the connection, not the session",
    pipelined=False,
    settings=("-Djute.maxbuffer=3000",),
)
def max_buffer(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/n", of_length(3000)), create("/m", of_length(3001)))
    c = s.connect("c", session=a)
    c(exists("/n"), exists("/m"))
    b(set_data("/n", bytes(2900)), get_data("/n"))


@scenario("replies may be longer than jute.maxbuffer", pipelined=False, settings=("-Djute.maxbuffer=3000",))
def replies_above_max_buffer(s: Story) -> None:
    a = s.connect("a")
    a(create("/n", of_length(3000)), get_data("/n"))


@scenario(
    "an announced length above jute.maxbuffer is enough", pipelined=False, settings=("-Djute.maxbuffer=3000",)
)
def announced_length(s: Story) -> None:
    for number, length in enumerate((3000, 3001, -1, 2**31 - 1, -(2**31))):
        client = s.connect(f"c{number}")
        client.send_bytes(struct.pack(">i", length))
        if length != 3000:
            client.expect_close()
        else:
            client.expect_silence()
            client.drop()


@scenario("a handshake above jute.maxbuffer closes too", pipelined=False, settings=("-Djute.maxbuffer=3000",))
def long_handshake(s: Story) -> None:
    s.connect_raw("a", bytes(3001))


@scenario(
    "a large request is taken while there is room for it",
    pipelined=False,
    settings=("largeRequestThreshold=1000", "largeRequestMaxBytes=3000"),
)
def large_requests(s: Story) -> None:
    a = s.connect("a")
    a(create("/n", of_length(3000)), set_data("/n", bytes(2900)), set_data("/n", bytes(2900)))
    a(create("/m", of_length(3001)))
    b = s.connect("b", session=a)
    b(exists("/n"), exists("/m"), padded(get_data("/n"), bytes(2900)), ping())


@scenario(
    "its announced length is enough to refuse it",
    pipelined=False,
    settings=("largeRequestThreshold=1000", "largeRequestMaxBytes=3000"),
)
def large_announced(s: Story) -> None:
    for number, length in enumerate((3000, 3001)):
        client = s.connect(f"c{number}")
        client.send_bytes(struct.pack(">i", length))
        if length > 3000:
            client.expect_close()
        else:
            client.expect_silence()
            client.drop()


@scenario(
    "a threshold of 0 is none",
    pipelined=False,
    settings=("largeRequestThreshold=0", "largeRequestMaxBytes=1000"),
)
def no_large_requests(s: Story) -> None:
    a = s.connect("a")
    a(create("/n", bytes(5000)), get_data("/n"))


# --- how many requests ----------------------------------------------------------------------------------


def ordinary_requests(s: Story) -> None:
    a, b = s.connect("a"), s.connect("b")
    a(create("/a"), get_data("/a", watch=True), create("/a"), set_data("/a", b"1"), get_data("/a"))
    b(sync("/a"), get_data("/a"), create("/b"), exists("/b"), ping())
    a(get_children("/"), ping(), exists("/b"))


@scenario("globalOutstandingLimit changes nothing that is said", settings=("globalOutstandingLimit=1",))
def outstanding_limit(s: Story) -> None:
    ordinary_requests(s)


@scenario(
    "nor does the request throttler while nothing is late", settings=("request_throttle_max_requests=1",)
)
def request_throttler(s: Story) -> None:
    ordinary_requests(s)


@scenario(
    "nor do its other settings",
    settings=(
        "request_throttle_max_requests=2",
        "request_throttle_stall_time=1",
        "request_throttle_drop_stale=false",
        "request_stale_latency_check=true",
        "throttled_op_wait_time=20000",
    ),
)
def request_throttler_in_full(s: Story) -> None:
    ordinary_requests(s)


@scenario(
    "the caches of answers change nothing that is said", settings=("-Dzookeeper.maxResponseCacheSize=0",)
)
def no_response_cache(s: Story) -> None:
    ordinary_requests(s)


@scenario(
    "writes that wait for others are all answered",
    settings=("-Dzookeeper.flushDelay=20", "-Dzookeeper.maxBatchSize=2"),
)
def flush_delay(s: Story) -> None:
    ordinary_requests(s)


# --- how many handshakes --------------------------------------------------------------------------------

SLOWLY = ("connection_throttle_fill_time=100000000",)


@scenario(
    "each handshake takes a token; without one it is closed",
    pipelined=False,
    settings=("connection_throttle_tokens=3", *SLOWLY),
)
def connection_tokens(s: Story) -> None:
    # The story's own first handshake has taken one.
    a = s.connect("a")
    s.connect("b")
    s.connect("c")
    a(create("/a"), ping())


@scenario(
    "a handshake for a session that is there takes a token too",
    pipelined=False,
    own_server=True,
    settings=("connection_throttle_tokens=3", *SLOWLY),
)
def renewing_takes_tokens(s: Story) -> None:
    a = s.connect("a")
    b = s.connect("b", session=a)
    s.connect("c", session=b)
    b(ping())


@scenario(
    "weighed: a new session takes 3 of 9, one that comes back 2",
    pipelined=False,
    settings=("connection_throttle_tokens=3", "connection_throttle_weight_enabled=true", *SLOWLY),
)
def weighed_handshakes(s: Story) -> None:
    a = s.connect("a")
    b = s.connect("b", session=a)
    s.connect("c")
    b(ping())


@scenario(
    "weights are settings",
    pipelined=False,
    settings=(
        "connection_throttle_tokens=3",
        "connection_throttle_weight_enabled=true",
        "connection_throttle_global_session_weight=4",
        "connection_throttle_renew_session_weight=1",
        *SLOWLY,
    ),
)
def other_weights(s: Story) -> None:
    a = s.connect("a")
    s.connect("b", session=a)
    s.connect("c")


@scenario(
    "an empty bucket makes all handshakes unlucky",
    pipelined=False,
    settings=(
        "connection_throttle_tokens=2",
        "connection_throttle_freeze_time=0",
        "connection_throttle_drop_increase=1",
        *SLOWLY,
    ),
)
def unlucky_handshakes(s: Story) -> None:
    s.connect("a")
    time.sleep(0.01)  # its chance is adjusted by the clock: not twice within a millisecond
    s.connect("b")
    s.connect("c")
