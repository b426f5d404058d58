"""The table of rows: what each is called, and the small function that measures it.

The rows of a group share one warm server; a row that starts and stops servers has a group of its own. Every
function takes a ``Lab`` and returns the figures of one round, or raises ``BenchError`` on a wrong answer.
"""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase

from . import ensemble_rows, large_tree_rows, metrics
from .client import RawClient
from .errors import BenchError
from .lab import KEYS, KEYS_PARENT, Lab
from .loadgen import Load, finish
from .metrics import Readings
from .row import Row, latency, throughput

SHAPES = ((1, 1000), (10, 100), (50, 20), (200, 1))
"""Connections x requests outstanding on each."""
DIRECTORY_NODES = 1000
CHILDREN = 50_000
WATCHERS, FAN_OUTS = 1000, 40
CONNECT_SLOTS, CONNECT_WARM_UP_MS = 50, 4000
OTHER_NODES_MAX = 1000
"""More than a tree has besides those of its row: its own, and one for every attempt at a first reply."""
SNAP_COUNT, SNAP_COUNT_NEVER = 4000, 1_000_000_000
WRITES_PER_S = 4000
SNAPSHOT_RUN_MS_MIN = 4000


def cold_start(lab: Lab) -> Readings:
    """An empty data directory, from exec to the reply of a create; then the memory of the empty server."""
    server = lab.fresh_server()
    start = server.start()
    first = server.rss_bytes()
    settled = server.settled_rss_bytes()
    return {
        metrics.WALL: start.wall_s,
        metrics.CPU: start.cpu_s,
        metrics.RSS_FIRST: first / 2**20,
        metrics.RSS_SETTLED: settled / 2**20,
        metrics.RSS_COLLECTED: server.collected_rss_bytes() / 2**20,
    }


def one_at_a_time(op: str) -> Callable[[Lab], Readings]:
    """One connection, one request outstanding: latency."""

    def measure(lab: Lab) -> Readings:
        result = lab.run(_closed_loop(lab, op, conns=1, depth=1))
        return latency(result)

    return measure


def pipelined(op: str, conns: int, depth: int) -> Callable[[Lab], Readings]:
    """Many requests outstanding: throughput and CPU. For multi an operation is one of its ten creates."""

    def measure(lab: Lab) -> Readings:
        result = lab.run(_closed_loop(lab, op, conns=conns, depth=depth))
        return throughput(result)

    return measure


def connect_and_close(lab: Lab) -> Readings:
    """50 clients at a time open a session, wait for it, close it, wait for that, and hang up."""
    lab.warm_server()
    result = lab.run(
        Load("connect", "/", conns=CONNECT_SLOTS, warmup_ms=CONNECT_WARM_UP_MS, run_ms=lab.pace.run_ms)
    )
    return throughput(result)


def fan_out(lab: Lab) -> Readings:
    """1,000 connections watch one node; from sending its set to the arrival of the last event."""
    lab.warm_server()
    result = lab.run(Load("watch", lab.fresh_parent(), conns=WATCHERS, repeat=FAN_OUTS))
    return {metrics.P50: result.p50_us, metrics.MAX: result.max_us, metrics.CPU_PER_OP: result.cpu_us_per_op}


def list_children(lab: Lab) -> Readings:
    """getChildren of a node with 50,000 children, one at a time; nothing changes in between."""
    lab.warm_server()
    parent = lab.fresh_parent()
    lab.run(Load("create", parent, conns=10, depth=100, count=CHILDREN))
    result = lab.run(
        Load("children", parent, expect=CHILDREN, warmup_ms=lab.pace.warmup_ms, run_ms=lab.pace.run_ms)
    )
    return latency(result)


def tree(count: int) -> Callable[[Lab], Readings]:
    """``count`` nodes of 100 bytes, 1000 to a directory: memory of one, and a restart with them."""

    def measure(lab: Lab) -> Readings:
        server = lab.fresh_server()
        server.start()
        empty = server.settled_rss_bytes()
        _grow(lab, count)
        settled = server.settled_rss_bytes()
        collected = server.collected_rss_bytes()
        server.stop()
        start = server.start()
        _check_count(server.port, count)
        return {
            metrics.ZNODE_BYTES: (settled - empty) / count,
            metrics.ZNODE_BYTES_COLLECTED: (collected - empty) / count,
            metrics.RESTART_WALL: start.wall_s,
            metrics.RESTART_CPU: start.cpu_s,
        }

    return measure


def reader_during_snapshots(count: int) -> Callable[[Lab], Readings]:
    """One reader, one request at a time, beside 4,000 sets a second on a tree of ``count`` nodes.

    First with snapshots switched off, then on the same tree with one due every 2,000 to 4,000 writes; both
    times in a process that has just been started on that tree.
    """

    def measure(lab: Lab) -> Readings:
        server = lab.fresh_server()
        snapshots_off = {"zookeeper.snapCount": str(SNAP_COUNT_NEVER)}
        server.start(**snapshots_off)
        parent = _grow(lab, count)
        server.stop()
        server.start(**snapshots_off)
        undisturbed = _read_beside_writer(lab, parent, count)
        server.stop()
        server.start(**{"zookeeper.snapCount": str(SNAP_COUNT)})
        _check_count(server.port, count)
        before = server.snapshot_bytes()
        disturbed = _read_beside_writer(lab, parent, count)
        written = server.snapshot_bytes() - before
        if written <= 0:
            raise BenchError("no snapshot was written while the reader measured")
        return {
            metrics.P99_UNDISTURBED: undisturbed[metrics.P99],
            **disturbed,
            metrics.SNAPSHOTS: written / 2**20,
        }

    return measure


def _closed_loop(lab: Lab, op: str, *, conns: int, depth: int) -> Load:
    lab.warm_server()
    parent = lab.fresh_parent() if op in ("create", "multi") else KEYS_PARENT
    return Load(
        op,
        parent,
        conns=conns,
        depth=depth,
        keys=KEYS,
        cleanup=1,
        warmup_ms=lab.pace.warmup_ms,
        run_ms=lab.pace.run_ms,
    )


def _grow(lab: Lab, count: int) -> str:
    dirs = count // DIRECTORY_NODES
    parent = lab.fresh_parent(dirs=dirs)
    lab.run(Load("create", parent, conns=10, depth=100, count=count, dirs=dirs))
    return parent


def _check_count(port: int, count: int) -> None:
    with RawClient(port) as client:
        seen = client.count_below("/")
    due = count + count // DIRECTORY_NODES
    if not due <= seen <= due + OTHER_NODES_MAX:
        raise BenchError(f"{seen} nodes after a restart with {due}")


def _read_beside_writer(lab: Lab, parent: str, count: int) -> Readings:
    run_ms = max(lab.pace.run_ms, SNAPSHOT_RUN_MS_MIN)
    nodes = {"keys": count, "dirs": count // DIRECTORY_NODES}
    # The writer starts first and ends last: session set-up of the reader is well within the added second.
    writer_ms = lab.pace.warmup_ms + run_ms + 1000
    writing = Load("set", parent, conns=4, depth=16, rate=WRITES_PER_S, run_ms=writer_ms, **nodes)
    reading = Load("get", parent, warmup_ms=lab.pace.warmup_ms, run_ms=run_ms, **nodes)
    writer = lab.loadgen.start([lab.server.port], writing)
    try:
        result = lab.run(reading)
    finally:
        finish(writer)
    return {metrics.P50: result.p50_us, metrics.P99: result.p99_us, metrics.MAX: result.max_us}


def _table() -> tuple[Row, ...]:
    rows = [Row("cold-start", "start", "exec to first reply, empty server", cold_start)]
    rows += [
        Row(f"sync-{op}", "sync", f"{op}, one at a time", one_at_a_time(op))
        for op in ("get", "set", "create")
    ]
    for op, title in (
        ("get", "get"),
        ("set", "set"),
        ("create", "create"),
        ("mixed", "90 % get, 10 % set"),
        ("multi", "multi of 10 creates"),
    ):
        rows += [
            Row(f"{op}-{conns}x{depth}", op, f"{title}, {conns} x {depth}", pipelined(op, conns, depth))
            for conns, depth in SHAPES
        ]
    rows += [
        Row("connect", "sessions", "connect and close, 50 at a time", connect_and_close),
        Row("fan-out", "sessions", "set to last of 1,000 watch events", fan_out),
        Row("children", "sessions", "getChildren of 50,000", list_children),
        Row("tree-100k", "tree-100k", "100,000 znodes of 100 B", tree(100_000)),
        Row("tree-500k", "tree-500k", "500,000 znodes of 100 B", tree(500_000), is_long=True),
        Row(
            "snapshot-50k",
            "snapshot-50k",
            "get beside snapshots of 50,000 znodes",
            reader_during_snapshots(50_000),
        ),
        Row(
            "snapshot-500k",
            "snapshot-500k",
            "get beside snapshots of 500,000 znodes",
            reader_during_snapshots(500_000),
            is_long=True,
        ),
    ]
    return (*rows, *large_tree_rows.ROWS, *ensemble_rows.ROWS)


ROWS = _table()


def select_rows(patterns: tuple[str, ...], *, quick: bool) -> list[Row]:
    """The rows whose name matches a shell pattern; without a pattern all, in a quick run all short ones."""
    if not patterns:
        return [row for row in ROWS if not (quick and row.is_long)]
    unknown = [pattern for pattern in patterns if not any(fnmatchcase(row.name, pattern) for row in ROWS)]
    if unknown:
        raise BenchError(f"no row matches {', '.join(unknown)}")
    return [row for row in ROWS if any(fnmatchcase(row.name, pattern) for pattern in patterns)]
