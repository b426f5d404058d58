"""The four-letter words: same lines in the same shape as Java, numbers masked.

Both servers are fresh and in the same state: two clients, one ephemeral, one data watch, one child watch.
What is compared is what tools parse: which lines come, in which order, with which keys and punctuation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack

import pytest

from .comparison import assert_same_lines
from .conftest import NO_SYNC, StartServer
from .differential.multi_operations import multi
from .differential.operations import EPHEMERAL, create, delete, get_children, get_data, set_data
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

IN_SETS = re.compile(
    r"_(?:read|write)_per_namespace$|_\d+_(?:ack_latency|learner_handler_qp_size|learner_handler_qp_time_ms)$"
)
"""Keys of `mntr` of which there are several; where they come follows from hashes of their names."""

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

COUNTED = (
    "response_bytes",
    "watch_bytes",
    "connection_request_count",
    "connection_drop_count",
    "connection_rejected",
    "connection_revalidate_count",
    "stale_sessions_expired",
    "sessionless_connections_expired",
    "digest_mismatches_count",
    "cnt_updatelatency",
    "cnt_propagation_latency",
    "cnt_node_created_watch_count",
    "cnt_node_changed_watch_count",
    "sum_node_changed_watch_count",
    "cnt_node_deleted_watch_count",
    "cnt_node_children_watch_count",
    "sum_node_children_watch_count",
)
"""Counters and counts of summaries that follow from what clients did."""

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


def in_order(values: Iterable[str]) -> list[str]:
    """Keys of `mntr` that have a fixed place."""
    return [key for key in values if not IN_SETS.search(key)]


def test_mntr_has_every_key_of_java_and_no_other(pair: tuple[ServerProcess, ServerProcess]) -> None:
    expected, seen = (set(monitor_values(server.port)) for server in pair)
    assert seen - SINCE_39 == expected - SINCE_39
    assert seen & SINCE_39 == SINCE_39
    assert "zk_cnt_x_read_per_namespace" in seen


def test_mntr_has_every_key_of_java_after_much_has_happened(
    new_reference: StartServer, new_subject: StartServer
) -> None:
    """Those included that come with the names of nodes, with quotas, and with what quotas refuse."""
    answers = []
    for make in (new_reference, new_subject):
        with (
            make(settings={**NO_SYNC, "enforceQuota": "true"}) as server,
            Story(server.port, prefix="") as story,
        ):
            a = story.connect("a")
            a(create("/x"), create("/y"), create("/y/z"), get_data("/x"), get_data("/y"))
            a(get_data("/zookeeper/quota"), create("/zookeeper/quota/y"))
            a(create("/zookeeper/quota/y/zookeeper_limits", b"count=1,bytes=5;countHardLimit=1"))
            a(create("/zookeeper/quota/y/zookeeper_stats"), create("/y/more"), set_data("/y", b"123456"))
            answers.append(set(monitor_values(server.port)))
    expected, seen = answers
    assert seen - SINCE_39 == expected - SINCE_39
    assert {"zk_sum_y_write_per_namespace", "zk_y_quota_exceeded_error_per_namespace"} <= seen


def test_mntr_has_the_order_of_java(pair: tuple[ServerProcess, ServerProcess]) -> None:
    """That of 3.9; 3.8 has fewer counters, and with them other hash tables."""
    expected, seen = (in_order(monitor_values(server.port)) for server in pair)
    if pair[0].version < (3, 9):
        counters = seen.index("zk_watch_bytes")
        assert seen[:counters] == expected[:counters]
    else:
        assert seen == expected


def test_mntr_is_a_name_and_a_number_in_every_line(pair: tuple[ServerProcess, ServerProcess]) -> None:
    """As exporters of metrics read it: whatever is no number is left out, which only two lines may be."""
    for server in pair:
        lines = four_letter_word(server.port, "mntr").decode("ascii").splitlines()
        words = [line.split("\t") for line in lines]
        assert all(len(each) == 2 and re.fullmatch(r"zk_\w+", each[0]) for each in words)
        texts = {name for name, value in words if not re.fullmatch(r"-?\d+(\.\d+)?(E-?\d+)?", value)}
        assert texts == {"zk_version", "zk_server_state"}
        assert len({name for name, _ in words}) == len(words)


def test_what_a_client_did_is_counted_as_by_java(
    new_reference: StartServer, new_subject: StartServer
) -> None:
    """Counts that the same requests make, from one reset to the next look."""
    answers = []
    for make in (new_reference, new_subject):
        with make(settings=NO_SYNC) as server:
            four_letter_word(server.port, "srst")
            with Story(server.port, prefix="") as story:
                a, b = story.connect("a"), story.connect("b")
                a(create("/x", b"123"), create("/x/e", flags=EPHEMERAL), get_data("/x"), get_data("/none"))
                b(get_data("/x", watch=True), get_children("/x", watch=True), get_data("/x/e", watch=True))
                a(set_data("/x", b"4"), create("/x/y"), delete("/x/e"), multi(create("/x/z"), delete("/x/z")))
                values = monitor_values(server.port)
                answers.append({key: values[f"zk_{key}"] for key in COUNTED})
    assert answers[1] == answers[0]


def test_quotas_are_told_as_by_java(new_reference: StartServer, new_subject: StartServer) -> None:
    answers = []
    for make in (new_reference, new_subject):
        with make(settings={**NO_SYNC, "enforceQuota": "true"}) as server:
            with Story(server.port, prefix="") as story:
                a = story.connect("a")
                for path, limits in (("/x", b"count=5,bytes=100"), ("/y", b"countHardLimit=1;bytes=7")):
                    quota = f"/zookeeper/quota{path}"
                    a(create(path, b"12"), create(quota), create(f"{quota}/zookeeper_limits", limits))
                    a(create(f"{quota}/zookeeper_stats"), create(f"{path}/z", b"3"))
                    a(create(f"{quota}/deep"), create(f"{quota}/deep/zookeeper_limits", b"count=1,bytes=2"))
            values = monitor_values(server.port)
            answers.append({key: values[key] for key in sorted(values) if "quota" in key})
    assert answers[1] == answers[0]
    assert answers[1]["zk_y_quota_exceeded_error_per_namespace"] == "1"


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
