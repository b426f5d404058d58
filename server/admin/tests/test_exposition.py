"""What Prometheus fetches is in its format, and has Java's names."""

from __future__ import annotations

import math
from collections.abc import Iterator

from prometheus_client.parser import text_string_to_metric_families
from zoolet.server.admin.exposition import CONTENT_TYPE, Family, Sample, exposition
from zoolet.server.admin.metrics_site import MetricsSite
from zoolet.server.admin.tests.http_desk import Desk, Response
from zoolet.server.metric_names import COUNTERS, PERCENTILES, SUMMARIES
from zoolet.server.tests.harness import Server


def fetch(server: Server, target: str = "/metrics", method: str = "GET") -> Response:
    return Desk(MetricsSite(server.core.config, lambda: server.core)).ask(target, method)


def values(response: Response) -> dict[tuple[str, tuple[str, ...]], float]:
    """Values by name and labels."""
    families = text_string_to_metric_families(response.body.decode())
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


def test_a_parser_of_prometheus_reads_it() -> None:
    server = Server()
    client = server.connected()
    client.create("/a")
    client.get_data("/a")
    response = fetch(server)
    assert response.headers["content-type"] == CONTENT_TYPE == "text/plain; version=0.0.4; charset=utf-8"
    found = values(response)
    assert found["znode_count", ()] == 6
    assert found["connection_request_count_total", ()] == 1
    assert found["readlatency_count", ()] == 1
    assert found["updatelatency", ("0.99",)] == 0
    assert math.isnan(found["fsynctime", ("0.5",)])
    assert found["process_open_fds", ()] > 2


def test_every_counter_and_summary_is_there() -> None:
    text = fetch(Server()).body.decode()
    for name in COUNTERS:
        assert f"# TYPE {name} counter\n{name} " in text
    for name in (*SUMMARIES, *PERCENTILES):
        assert f"# TYPE {name} summary\n{name}{{quantile=" in text
        assert f"\n{name}_count " in text
        assert f"\n{name}_sum " in text


def test_numbers_of_the_process_can_be_left_out() -> None:
    assert "process_" not in fetch(Server(metrics_export_process=False)).body.decode().replace(
        "_process_", ""
    )


def test_quotas_are_told_by_namespace() -> None:
    server = Server()
    client = server.connected()
    client.create("/app")
    client.create("/zookeeper/quota/app")
    client.create("/zookeeper/quota/app/zookeeper_limits", b"count=7,bytes=-1")
    client.create("/zookeeper/quota/app/zookeeper_stats", b"")
    assert values(fetch(server))["quota_count_limit_per_namespace", ("app",)] == 7


def test_a_server_that_does_not_serve_has_counters_only() -> None:
    server = Server()
    server.core.is_serving = False
    found = values(fetch(server))
    assert ("znode_count", ()) not in found
    assert ("snap_count_total", ()) in found


def test_some_of_it_may_be_asked_for() -> None:
    body = fetch(Server(), "/metrics?name[]=znode_count&name[]=fsynctime_sum").body.decode()
    assert [line for line in body.splitlines() if not line.startswith("#")] == [
        "znode_count 5.0",
        "fsynctime_sum 0.0",
    ]


def test_other_requests() -> None:
    server = Server()
    asked = (("/", "GET"), ("/", "POST"), ("/metrics", "PUT"), ("/metrics", "TRACE"), ("/metrics", "BREW"))
    assert [fetch(server, *one).status for one in asked] == [404, 405, 405, 403, 501]
    assert fetch(server, "/metrics", "POST").status == 200
    assert fetch(server, "/metrics", "OPTIONS").status == 200


def test_labels_and_numbers_are_written_as_by_the_java_library() -> None:
    def families() -> Iterator[Family]:
        labels = (("key", 'a"\\\nb'), ("other", "c"))
        yield Family("m", "gauge", (Sample("m", 1e9, labels), Sample("m", math.inf)), "two\nlines")

    assert exposition(families()) == (
        '# HELP m two\\nlines\n# TYPE m gauge\nm{key="a\\"\\\\\\nb",other="c",} 1.0E9\nm +Inf\n'
    )
