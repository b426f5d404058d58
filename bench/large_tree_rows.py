"""The rows of the table about a tree of a million nodes: snapshots beside clients, restarts, bytes on disk.

All share one server, and the tree that the first of them grows. A JVM with the usual heap does not hold so
many nodes, so Java has a larger one here (``kinds.JAVA_LARGE_HEAP``).
"""

from __future__ import annotations

import re
import time
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

from . import metrics
from .client import RawClient, four_letter_word
from .errors import BenchError
from .lab import GrownTree, Lab
from .loadgen import Load, LoadResult, finish
from .metrics import Readings
from .row import Row

NODES = 1_000_000
DIRECTORY_NODES = 1000
OTHER_NODES_MAX = 2000
"""More than a tree has besides those of its row: its own, and one for every attempt at a first reply."""
SNAP_COUNT = 4000
SNAPSHOTS_OFF = {"zookeeper.snapCount": "1000000000"}
SNAPSHOTS_ON = {"zookeeper.snapCount": str(SNAP_COUNT)}
OTHERS_PER_S = 2000
"""Sets of the other clients, which make snapshots due."""
CLIENTS_RUN_MS_MIN = 8000
SETS = 100_000
SNAPSHOT_DEADLINE_S = 120.0
METHODS = {"": metrics.SNAPSHOT_PLAIN, "gz": metrics.SNAPSHOT_GZ, "snappy": metrics.SNAPSHOT_SNAPPY}
"""Values of ``snapshot.compression.method``, which are the ends of the files' names too."""
_READ_BYTES = 1 << 20


def snapshot(count: int) -> Callable[[Lab], Readings]:
    """A reader and a writer, one request outstanding each, beside 2,000 sets a second of others.

    First with snapshots switched off; then on the same tree with one due every 2,000 to 4,000 writes: a tree
    that takes longer than that to be written is always being written then. Both times the process has just
    been started on the tree, so that only the snapshots differ.
    """

    def measure(lab: Lab) -> Readings:
        tree = _grown(lab, count)
        _start_again(lab, tree, SNAPSHOTS_OFF)
        quiet_get, quiet_set = _clients(lab, tree)
        _start_again(lab, tree, SNAPSHOTS_ON)
        before = lab.server.snapshot_bytes()
        get, set_ = _clients(lab, tree)
        written = lab.server.snapshot_bytes() - before
        if written <= 0:
            raise BenchError("no snapshot was written while the clients measured")
        return {
            metrics.GET_P99_UNDISTURBED: quiet_get.p99_us,
            metrics.GET_P99: get.p99_us,
            metrics.GET_P99_GROWTH: get.p99_us / quiet_get.p99_us,
            metrics.GET_P999: get.p999_us,
            metrics.GET_MAX: get.max_us,
            metrics.SET_P99_UNDISTURBED: quiet_set.p99_us,
            metrics.SET_P99: set_.p99_us,
            metrics.SET_P99_GROWTH: set_.p99_us / quiet_set.p99_us,
            metrics.SET_P999: set_.p999_us,
            metrics.SET_MAX: set_.max_us,
            metrics.SNAPSHOTS: written / 2**20,
        }

    return measure


def restart(count: int) -> Callable[[Lab], Readings]:
    """A start from a snapshot of ``count`` nodes; then the memory of one, as it runs and after a collection.

    The memory is that of the whole process divided by the nodes: it has served nobody yet.
    """

    def measure(lab: Lab) -> Readings:
        tree = _grown(lab, count)
        _take_snapshot(lab, tree, "")
        lab.server.stop()
        start = lab.server.start(**SNAPSHOTS_OFF)
        _check_count(lab, tree)
        return {
            metrics.RESTART_WALL: start.wall_s,
            metrics.RESTART_CPU: start.cpu_s,
            metrics.PROCESS_BYTES: lab.server.settled_rss_bytes() / count,
            metrics.PROCESS_BYTES_COLLECTED: lab.server.collected_rss_bytes() / count,
        }

    return measure


def disk(count: int) -> Callable[[Lab], Readings]:
    """What files take on the disk, by their blocks, for each znode, create and set of 100 bytes."""

    def measure(lab: Lab) -> Readings:
        tree = _grown(lab, count)
        readings = {
            metrics.LOG_CREATE: _bytes_on_disk(tree.logs) / count,
            metrics.LOG_CREATE_GZ: sum(map(gzipped_bytes, tree.logs)) / count,
        }
        for method, metric in METHODS.items():
            readings[metric] = _bytes_on_disk([_take_snapshot(lab, tree, method)]) / count
        before = lab.server.logs()
        _start_again(lab, tree, SNAPSHOTS_OFF)
        lab.run(_load("set", tree, conns=10, depth=100, count=SETS))
        new = lab.server.logs() - before
        readings[metrics.LOG_SET] = _bytes_on_disk(new) / SETS
        readings[metrics.LOG_SET_GZ] = sum(map(gzipped_bytes, new)) / SETS
        return readings

    return measure


def gzipped_bytes(path: Path) -> int:
    """How long the file would be if gzip packed it; of the padding at its end next to nothing is left."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    total = 0
    with path.open("rb") as file:
        while chunk := file.read(_READ_BYTES):
            total += len(packer.compress(chunk))
    return total + len(packer.flush())


def newest_snapshot(paths: Iterable[Path], method: str) -> Path | None:
    """The snapshot with the highest zxid in its name among those that are compressed like this."""
    name = re.compile(rf"snapshot\.([0-9a-f]+){f'[.]{method}' if method else ''}")
    found = [(int(match[1], 16), path) for path in paths if (match := name.fullmatch(path.name))]
    return max(found)[1] if found else None


def snapshots_finished(mntr: str) -> int:
    """How many snapshots a server has written to their ends, by its answer to `mntr`.

    Names do not tell: Java's snapshot has its own from the start.
    """
    found = re.search(r"^zk_cnt_snapshottime\t(\d+)$", mntr, re.MULTILINE)
    if found is None:
        raise BenchError("the server does not tell of its snapshots")
    return int(found[1])


def _grown(lab: Lab, count: int) -> GrownTree:
    """The tree that the rows of this group share, in a running server."""
    if lab.grown_tree is None:
        server = lab.fresh_large_server()
        server.start(**SNAPSHOTS_OFF)
        dirs = count // DIRECTORY_NODES
        parent = lab.fresh_parent(dirs=dirs)
        lab.run(Load("create", parent, conns=10, depth=100, count=count, dirs=dirs))
        lab.grown_tree = GrownTree(parent, count, dirs, frozenset(server.logs()))
    return lab.grown_tree


def _start_again(lab: Lab, tree: GrownTree, properties: dict[str, str]) -> None:
    lab.server.stop()
    lab.server.start(**properties)
    _check_count(lab, tree)


def _check_count(lab: Lab, tree: GrownTree) -> None:
    with RawClient(lab.server.port) as client:
        seen = client.count_below("/")
    due = tree.count + tree.dirs
    if not due <= seen <= due + OTHER_NODES_MAX:
        raise BenchError(f"{seen} nodes after a restart with {due}")


def _load(op: str, tree: GrownTree, **options: int) -> Load:
    return Load(op, tree.parent, keys=tree.count, dirs=tree.dirs, **options)


def _clients(lab: Lab, tree: GrownTree) -> tuple[LoadResult, LoadResult]:
    """What a reader and a writer saw beside the others, who begin before and end after them."""
    warmup_ms, run_ms = lab.pace.warmup_ms, max(lab.pace.run_ms, CLIENTS_RUN_MS_MIN)
    ports = [lab.server.port]
    others_ms = warmup_ms + run_ms + 1000  # the set-up of two sessions is well within the added second
    others = lab.loadgen.start(
        ports, _load("set", tree, conns=4, depth=4, rate=OTHERS_PER_S, run_ms=others_ms)
    )
    writer = lab.loadgen.start(ports, _load("set", tree, warmup_ms=warmup_ms, run_ms=run_ms))
    try:
        get = lab.run(_load("get", tree, warmup_ms=warmup_ms, run_ms=run_ms))
    finally:
        try:
            set_ = finish(writer)
        finally:
            finish(others)
    return get, set_


def _take_snapshot(lab: Lab, tree: GrownTree, method: str) -> Path:
    """Starts the server again with this compression, writes until a snapshot is due, and awaits its end."""
    server = lab.server
    compression = {"zookeeper.snapshot.compression.method": method} if method else {}
    _start_again(lab, tree, {**SNAPSHOTS_ON, **compression})
    before = snapshots_finished(four_letter_word(server.port, "mntr"))
    lab.run(_load("set", tree, conns=10, depth=100, count=SNAP_COUNT + 1))
    deadline = time.monotonic() + SNAPSHOT_DEADLINE_S
    while server.is_alive() and time.monotonic() < deadline:
        if snapshots_finished(four_letter_word(server.port, "mntr")) > before:
            newest = newest_snapshot(server.snapshots(), method)
            if newest is None:
                break
            return newest
        time.sleep(0.1)
    raise BenchError(f"no snapshot {method} within {SNAPSHOT_DEADLINE_S:.0f} s{server.log_tail()}")


def _bytes_on_disk(paths: Iterable[Path]) -> int:
    return sum(512 * path.stat().st_blocks for path in paths)


ROWS = (
    Row("snapshot-1m", "1m", "clients beside snapshots of 1,000,000 znodes", snapshot(NODES), is_long=True),
    Row("restart-1m", "1m", "start from 1,000,000 znodes of 100 B", restart(NODES), is_long=True),
    Row("disk-1m", "1m", "files of 1,000,000 znodes of 100 B", disk(NODES), is_long=True),
)
