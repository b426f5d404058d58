"""The four-letter words: same lines in the same shape as Java, numbers masked.

Both servers are fresh and in the same state: two clients, one ephemeral, one data watch, one child watch.
What is compared is what tools parse: which lines come, in which order, with which keys and punctuation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from .comparison import assert_same_lines
from .conftest import NO_SYNC, StartServer
from .differential.operations import EPHEMERAL, create, get_children, get_data
from .differential.story import Story
from .four_letter_client import four_letter_word, monitor_values
from .server_process import ServerProcess

WORDS = (
    "ruok",
    "srvr",
    "stat",
    "conf",
    "cons",
    "isro",
    "dirs",
    "wchs",
    "wchc",
    "wchp",
    "crst",
    "srst",
    "gtmk",
    "hash",
)
"""Those whose answers can be compared line by line; `mntr`, `envi` and `dump` have tests of their own."""

SINCE_39 = {
    "zk_snapshot_error_count",
    "zk_snapshot_rate_limited_count",
    "zk_restore_error_count",
    "zk_restore_rate_limited_count",
    *(f"zk_{part}_restore_time" for part in ("avg", "min", "max", "cnt", "sum")),
}
"""Keys of `mntr` that 3.8 does not have."""

GAUGES = {
    "zk_version",
    "zk_server_state",
    "zk_ephemerals_count",
    "zk_num_alive_connections",
    "zk_avg_latency",
    "zk_outstanding_requests",
    "zk_znode_count",
    "zk_global_sessions",
    "zk_non_mtls_remote_conn_count",
    "zk_last_client_response_size",
    "zk_packets_sent",
    "zk_packets_received",
    "zk_max_client_response_size",
    "zk_connection_drop_probability",
    "zk_watch_count",
    "zk_auth_failed_count",
    "zk_min_latency",
    "zk_max_file_descriptor_count",
    "zk_approximate_data_size",
    "zk_open_file_descriptor_count",
    "zk_local_sessions",
    "zk_uptime",
    "zk_max_latency",
    "zk_outstanding_tls_handshake",
    "zk_min_client_response_size",
    "zk_non_mtls_local_conn_count",
}
"""Keys of `mntr` that say what is the case now. Those of Java's counters are not built yet."""

EXACT_METRICS = (
    "zk_server_state",
    "zk_znode_count",
    "zk_ephemerals_count",
    "zk_watch_count",
    "zk_num_alive_connections",
    "zk_global_sessions",
    "zk_local_sessions",
    "zk_outstanding_requests",
)
"""Values that follow from the state and so must be equal."""

_MASKS = (
    (r"^Zookeeper version: .*", "Zookeeper version: V, built on D"),
    (r"^zookeeper\.version=\d+\.\d+\.\d+-\S*, built on .*", "zookeeper.version=V, built on D"),
    (r"expire at .*:", "expire at DATE:"),
    (r"^(data(?:Log)?Dir)=.*/version-2$", r"\1=DIR/version-2"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
    (r"0x[0-9a-f]+", "HEX"),
    (r"\d+\.\d+", "REAL"),
    (r"-?\d+", "N"),
)


@pytest.fixture(scope="module")
def pair(
    new_reference: StartServer, new_subject: StartServer
) -> Iterator[tuple[ServerProcess, ServerProcess]]:
    """A fresh Java server and a fresh server under test, both in the state described above."""
    with ExitStack() as stack:
        servers = [stack.enter_context(make(settings=NO_SYNC)) for make in (new_reference, new_subject)]
        for server in servers:
            story = stack.enter_context(Story(server.port, prefix=""))
            a, b = story.connect("a"), story.connect("b")
            a(create("/x"), create("/x/e", flags=EPHEMERAL), get_data("/x/e", watch=True))
            b(get_children("/x", watch=True))
        yield servers[0], servers[1]


def shape(answer: bytes) -> list[str]:
    """The lines of an answer with everything masked that two equal servers need not share."""
    lines = answer.decode("utf-8").split("\n")
    for pattern, replacement in _MASKS:
        lines = [re.sub(pattern, replacement, line) for line in lines]
    return lines


def without_order_of_connections(lines: list[str]) -> list[str]:
    """Runs of lines about single connections or sessions, sorted: no server promises an order."""
    result: list[str] = []
    run: list[str] = []
    for line in [*lines, "end"]:
        if line.startswith((" /", "\t")):
            run.append(line)
        else:
            result += [*sorted(run), line]
            run = []
    return result[:-1]


@pytest.mark.parametrize("word", WORDS)
def test_word_has_the_shape_of_java(pair: tuple[ServerProcess, ServerProcess], word: str) -> None:
    expected, seen = (four_letter_word(server.port, word) for server in pair)
    assert_same_lines(
        without_order_of_connections(shape(seen)), without_order_of_connections(shape(expected))
    )


def test_dump_tells_sessions_ephemerals_and_connections(pair: tuple[ServerProcess, ServerProcess]) -> None:
    """Session expiry falls into buckets by chance, so only the frame and the set of lines are compared."""
    expected, seen = (
        {line for line in shape(four_letter_word(server.port, "dump")) if "expire at" not in line}
        for server in pair
    )
    assert_same_lines(sorted(seen), sorted(expected))


def test_envi_has_the_keys_of_java(pair: tuple[ServerProcess, ServerProcess]) -> None:
    expected, seen = (
        [line.split("=")[0] for line in four_letter_word(server.port, "envi").decode().splitlines()]
        for server in pair
    )
    assert seen == expected


def test_mntr_has_the_values_that_follow_from_the_state(pair: tuple[ServerProcess, ServerProcess]) -> None:
    expected, seen = (monitor_values(server.port) for server in pair)
    assert {key: seen.get(key) for key in EXACT_METRICS} == {key: expected[key] for key in EXACT_METRICS}


def test_mntr_begins_with_version_and_state(pair: tuple[ServerProcess, ServerProcess]) -> None:
    expected, seen = (list(monitor_values(server.port))[:2] for server in pair)
    assert seen == expected == ["zk_version", "zk_server_state"]


def test_mntr_has_every_gauge_of_java_and_nothing_else(pair: tuple[ServerProcess, ServerProcess]) -> None:
    expected, seen = (set(monitor_values(server.port)) for server in pair)
    assert GAUGES - expected == set()
    assert GAUGES - seen == set()
    assert seen - expected - SINCE_39 == set()


def test_mntr_writes_numbers_as_java_does(pair: tuple[ServerProcess, ServerProcess]) -> None:
    """Counts are plain integers, averages have a decimal point."""
    expected, seen = (monitor_values(server.port) for server in pair)
    kinds = [
        {key: re.sub(r"\d+", "N", value) for key, value in values.items() if key in expected and key in seen}
        for values in (expected, seen)
    ]
    for values in kinds:
        values.pop("zk_version")
    assert kinds[1] == kinds[0]


@pytest.mark.parametrize("word", [b"abcd", b"RUOK", b"\xff\xf4\xff\xfd"])
def test_unknown_words_close_without_an_answer(
    pair: tuple[ServerProcess, ServerProcess], word: bytes
) -> None:
    for server in pair:
        assert four_letter_word(server.port, word) == b""


@pytest.mark.parametrize("word", [b"ruok\n", b"ruok\r\n", b"srvrsrvr"])
def test_bytes_behind_a_word_are_ignored(pair: tuple[ServerProcess, ServerProcess], word: bytes) -> None:
    expected, seen = (four_letter_word(server.port, word) for server in pair)
    assert shape(seen) == shape(expected)


@pytest.mark.parametrize("word", ["ruok", "srvr", "stat", "cons"])
def test_a_client_may_close_its_sending_side_first(
    pair: tuple[ServerProcess, ServerProcess], word: str
) -> None:
    expected, seen = (four_letter_word(server.port, word, half_close=True) for server in pair)
    assert len(shape(seen)) == len(shape(expected)) > 0
    assert seen != b""


def test_trace_mask_can_be_set(pair: tuple[ServerProcess, ServerProcess]) -> None:
    for server in pair:
        before = four_letter_word(server.port, "gtmk")
        assert four_letter_word(server.port, b"stmk" + (0b10).to_bytes(8, "big")) == b"2"
        assert four_letter_word(server.port, b"stmk" + int(before).to_bytes(8, "big")) == before


def test_trace_mask_may_be_negative(pair: tuple[ServerProcess, ServerProcess]) -> None:
    for server in pair:
        before = four_letter_word(server.port, "gtmk")
        assert four_letter_word(server.port, b"stmk" + b"\xff" * 7 + b"\xfe") == b"-2"
        assert four_letter_word(server.port, "gtmk") == b"-2"
        four_letter_word(server.port, b"stmk" + int(before).to_bytes(8, "big"))


def test_hash_tells_the_digest_of_every_128th_zxid(
    new_reference: StartServer, new_subject: StartServer
) -> None:
    """Restarted too: the digests come back with the log. Their values depend on the clock."""
    answers = []
    for make in (new_reference, new_subject):
        with make(settings=NO_SYNC) as server:
            with Story(server.port, prefix="") as story:
                client = story.connect("a")
                for number in range(260):
                    client(create(f"/n{number}"))
            answer = four_letter_word(server.port, "hash")
        answers.append([line.partition(": ")[0] for line in answer.decode().splitlines()])
        assert re.fullmatch(rb"(?:[0-9a-f]+: -?\d+\n){2}", answer)
    assert answers == [["80", "100"]] * 2


def test_words_outside_the_whitelist_are_refused(
    new_reference: StartServer, new_subject: StartServer
) -> None:
    """The default of Java's own configuration is `srvr` alone."""
    for make in (new_reference, new_subject):
        with make(settings={**NO_SYNC, "4lw.commands.whitelist": "srvr,ruok"}) as server:
            assert four_letter_word(server.port, "ruok") == b"imok"
            for word in ("stat", "mntr", "cons", "wchp"):
                refusal = f"{word} is not executed because it is not in the whitelist.\n"
                assert four_letter_word(server.port, word) == refusal.encode()


def test_crst_clears_the_counters_of_connections(pair: tuple[ServerProcess, ServerProcess]) -> None:
    answers = []
    for server in pair:
        four_letter_word(server.port, "crst")
        cons = four_letter_word(server.port, "cons")
        answers.append(without_order_of_connections(shape(cons)))
        assert b"lop=NA" in cons
        assert b"lcxid" not in cons
    assert answers[1] == answers[0]


def test_srst_clears_the_counters_of_the_server(pair: tuple[ServerProcess, ServerProcess]) -> None:
    for server in pair:
        assert four_letter_word(server.port, "srst") == b"Server stats reset.\n"
        received = re.search(rb"^Received: (\d+)$", four_letter_word(server.port, "srvr"), re.MULTILINE)
        assert received is not None
        assert int(received[1]) <= 2
