"""Counters and summaries: what they tell of values, and where a server's come from."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoolet.server.endpoint import CLOSED_BY_OTHER_END
from zoolet.server.metric_names import COUNTERS, GAUGES, PERCENTILES, SUMMARIES
from zoolet.server.metric_sets import NAMESPACES_MAX
from zoolet.server.metrics import BatchTimes, Histogram, ServerMetrics, Summary, average
from zoolet.server.tests.harness import Server

values = st.lists(st.integers(0, 10_000), max_size=50)


@given(values)
def test_a_summary_tells_average_extremes_count_and_sum(numbers: list[int]) -> None:
    summary = Summary()
    for number in numbers:
        summary.add(number)
    assert dict(summary.rows("x")) == {
        "avg_x": average(sum(numbers), len(numbers)),
        "min_x": min(numbers, default=0),
        "max_x": max(numbers, default=0),
        "cnt_x": len(numbers),
        "sum_x": sum(numbers),
    }


@given(values)
def test_a_histogram_tells_what_a_summary_tells_and_percentiles(numbers: list[int]) -> None:
    histogram, summary = Histogram(), Summary()
    for number in numbers:
        histogram.add(number)
        summary.add(number)
    rows = dict(histogram.rows("x"))
    assert list(rows.items())[:5] == list(summary.rows("x"))
    assert list(rows)[5:] == ["p50_x", "p95_x", "p99_x", "p999_x"]
    # UniformSnapshot.getValue of the metrics library, on the values one by one.
    ordered = sorted(numbers)
    for name, quantile in (("p50_x", 0.5), ("p95_x", 0.95), ("p99_x", 0.99), ("p999_x", 0.999)):
        position = quantile * (len(ordered) + 1)
        index = int(position)
        if not ordered:
            expected = 0.0
        elif index < 1:
            expected = ordered[0]
        elif index >= len(ordered):
            expected = ordered[-1]
        else:
            lower, upper = ordered[index - 1], ordered[index]
            expected = lower + (position - index) * (upper - lower)
        assert rows[name] == int(expected + 0.5)


def test_averages_are_rounded_half_up_to_four_digits() -> None:
    assert average(1, 3) == 0.3333
    assert average(2, 3) == 0.6667
    assert average(1, 20_000) == 0.0001
    assert average(0, 0) == 0.0


def test_a_batch_counts_for_each_of_its_requests() -> None:
    times = BatchTimes()
    times.record(3, 1, 2, 5)
    times.record(1, 0, 0, 5)
    assert times.requests == 4
    assert times.queue_ms == {2: 3, 0: 1}
    assert times.flush_ms == {5: 2}
    assert times.total_ms == {7: 3, 5: 1}


def test_an_unknown_name_is_an_error() -> None:
    metrics = ServerMetrics()
    with pytest.raises(KeyError):
        metrics.add("no_such_count")
    with pytest.raises(KeyError):
        metrics.observe("no_such_time", 1)


def test_after_a_reset_everything_is_zero() -> None:
    metrics = ServerMetrics()
    metrics.add("commit_count", 3)
    metrics.observe("snapshottime", 7)
    metrics.observe("proposal_latency", 7)
    metrics.quota_exceeded["x"] = 5
    metrics.batches.record(1, 1, 1, 1)
    refused = metrics.quota_exceeded
    metrics.reset()
    assert metrics.counters["commit_count"] == 0
    assert metrics.summaries["snapshottime"].count == 0
    assert metrics.histograms["proposal_latency"].count == 0
    assert metrics.batches.requests == 0
    assert refused is metrics.quota_exceeded == {"x": 0}


def test_names_are_those_of_java_each_once() -> None:
    names = (*GAUGES, *COUNTERS, *SUMMARIES, *PERCENTILES)
    assert len(names) == len(set(names))
    assert (len(COUNTERS), len(SUMMARIES), len(PERCENTILES)) == (51, 42, 23)
    assert all(re.fullmatch("[a-z0-9_]+", name) for name in names)


# --- a server's -------------------------------------------------------------------------------------------


def told(server: Server) -> dict[str, str]:
    """What `mntr` says, without the prefix."""
    client = server.client()
    client.send(b"mntr")
    lines = client.take_bytes().decode().splitlines()
    return {name.removeprefix("zk_"): value for name, value in (line.split("\t") for line in lines)}


def test_requests_are_counted_where_they_pass() -> None:
    server = Server()
    client = server.connected()
    client.create("/a", b"data")
    client.get_data("/a")
    client.get_data("/a")
    client.set_data("/none")
    values = told(server)
    assert values["connection_request_count"] == values["cnt_connection_token_deficit"] == "1"
    # Opening the session, the create, and the write that failed.
    assert values["cnt_updatelatency"] == values["sync_processor_request_queued"] == "3"
    assert values["prep_processor_request_queued"] == values["cnt_prep_process_time"] == "3"
    assert values["sum_sync_processor_batch_size"] == "3"
    assert values["cnt_readlatency"] == "2"
    assert values["cnt_startup_snap_load_time"] == values["cnt_dbinittime"] == "1"


def test_a_write_that_waits_for_the_disk_is_as_slow_as_it_was() -> None:
    server = Server()
    client = server.connected()
    server.disk_works = False
    client.send(client.request(1, b"\0\0\0\2/a\0\0\0\0\xff\xff\xff\xff\0\0\0\0"))
    client.send(client.request(5, b"\0\0\0\2/a\0\0\0\0\xff\xff\xff\xff"))
    client.send(client.request(3, b"\0\0\0\2/a\0"))
    server.advance(40)
    server.disk_works = True
    server.run()
    values = told(server)
    assert values["max_updatelatency"] == values["p999_updatelatency"] == "40"
    assert values["max_propagation_latency"] == "40"
    assert values["max_readlatency"] == values["max_latency"] == "40"
    assert values["max_sync_processor_queue_and_flush_time_ms"] == "40"


def test_watch_events_are_counted_by_kind_and_bytes() -> None:
    server = Server()
    one, two, other = server.connected(), server.connected(), server.connected()
    one.create("/x")
    for client in (one, two):
        client.exists("/x", watch=True)
        client.get_children("/x", watch=True)
    other.set_data("/x", b"1")
    other.create("/x/y")
    values = told(server)
    assert values["sum_node_changed_watch_count"] == values["sum_node_children_watch_count"] == "2"
    assert values["cnt_node_changed_watch_count"] == "1"
    assert values["cnt_node_deleted_watch_count"] == "0"
    assert values["watch_bytes"] == str(4 * (16 + 4 + 4 + 4 + len("/x")))


def test_lost_clients_and_ended_sessions_are_counted() -> None:
    server = Server(max_client_cnxns=2)
    client, silent = server.connected(timeout_ms=4000), server.client()
    assert server.core.accept(silent.address) is None
    client.connection.abort(CLOSED_BY_OTHER_END)
    server.run()
    server.advance(20_000)
    values = told(server)
    assert not silent.is_open
    assert values["connection_drop_count"] == "1"
    assert values["stale_sessions_expired"] == "1"
    assert values["connection_rejected"] == "1"
    assert int(values["sessionless_connections_expired"]) >= 1


def test_quotas_are_told_by_namespace() -> None:
    server = Server(enforce_quota=True)
    client = server.connected()
    for path, data in (
        ("/x", b"12"),
        ("/zookeeper/quota/x", b""),
        ("/zookeeper/quota/x/zookeeper_limits", b"count=9,bytes=8=;countHardLimit=2"),
        ("/zookeeper/quota/x/zookeeper_stats", b""),
        ("/x/y", b"3"),
    ):
        assert client.create(path, data).err == 0
    assert client.create("/x/z").err == -125
    values = told(server)
    assert {name: value for name, value in values.items() if name.startswith("x_")} == {
        "x_quota_count_limit_per_namespace": "2",
        "x_quota_bytes_limit_per_namespace": "8",
        "x_quota_count_usage_per_namespace": "2",
        "x_quota_bytes_usage_per_namespace": "3",
        "x_quota_exceeded_error_per_namespace": "1",
    }


def test_namespaces_are_told_once_clients_have_nodes_in_them() -> None:
    """Their numbers stay 0: each request would have to pay for them."""
    server = Server()
    client = server.connected()
    assert not any(name.endswith("_per_namespace") for name in told(server))
    client.create("/x")
    client.create("/zookeeper/quota/x")
    sets = [name for name in told(server) if name.endswith("_per_namespace")]
    assert sets == [
        f"{part}_{namespace}_{kind}_per_namespace"
        for kind in ("read", "write")
        for namespace in ("zookeeper", "x")
        for part in ("avg", "min", "max", "cnt", "sum")
    ]


def test_no_more_namespaces_are_told_than_anybody_reads() -> None:
    server = Server()
    client = server.connected()
    for number in range(NAMESPACES_MAX + 5):
        client.create(f"/n{number}")
    counts = [name for name in told(server) if re.fullmatch(r"cnt_\w+_read_per_namespace", name)]
    assert len(counts) == NAMESPACES_MAX


def test_sizes_of_replies_are_told_of_those_without_a_body_too() -> None:
    server = Server()
    client = server.connected()
    client.create("/x", b"1234567890")
    client.get_data("/x")
    assert client.get_data("/none").err == -101
    values = told(server)
    assert values["last_client_response_size"] == values["min_client_response_size"] == "16"
    assert values["max_client_response_size"] == str(16 + 4 + 10 + 68)


def test_srst_starts_every_count_again() -> None:
    server = Server()
    client, other = server.connected(), server.connected()
    client.create("/x")
    client.exists("/x", watch=True)
    other.set_data("/x")
    word = server.client()
    word.send(b"srst")
    assert word.take_bytes() == b"Server stats reset.\n"
    values = told(server)
    counts = [name for name in values if name.startswith(("cnt_", "sum_", "max_", "p99")) or name in COUNTERS]
    gauges = {"max_client_response_size", "max_file_descriptor_count", "max_latency"}
    changed = {name for name in counts if values[name] != "0"} - gauges
    assert changed == {"bytes_received_count"}, "the word itself came in"
