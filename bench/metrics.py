"""What is measured: the name of each figure, its unit, and which direction is good."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """One kind of figure. ``label`` is its name in every output."""

    label: str
    unit: str
    higher_is_better: bool = False
    is_fact: bool = False
    """A fact tells how the measurement went (how much snapshot was written): neither server wins it."""


OPS = Metric("throughput", "ops/s", higher_is_better=True)
CPU_PER_OP = Metric("server CPU", "us/op")
P50 = Metric("p50", "us")
P99 = Metric("p99", "us")
P99_UNDISTURBED = Metric("p99 without snapshots", "us")
MAX = Metric("max", "us")
WALL = Metric("first reply", "s")
CPU = Metric("CPU until first reply", "s")
RSS_FIRST = Metric("RSS at first reply", "MiB")
RSS_SETTLED = Metric("RSS settled", "MiB")
RSS_COLLECTED = Metric("RSS after GC", "MiB")
ZNODE_BYTES = Metric("RSS per znode as it runs", "B")
ZNODE_BYTES_COLLECTED = Metric("RSS per znode after GC", "B")
RESTART_WALL = Metric("restart, first reply", "s")
RESTART_CPU = Metric("restart, CPU", "s")
CPU_ALL_PER_OP = Metric("CPU of all three servers", "us/op")
ALL_SERVE = Metric("all three serve", "s")
FIRST_WRITE = Metric("first write answered", "s")
CPU_ALL = Metric("CPU of all three until then", "s")
FAILOVER = Metric("first write after the kill", "s")
FAILOVER_MAX = Metric("first write after the kill, slowest", "s")
CATCH_UP = Metric("exec until it serves", "s")
CATCH_UP_CPU = Metric("its CPU until it serves", "s")
IDLE_CPU = Metric("CPU per server", "% of a core")
RSS_SETTLED_EACH = Metric("RSS per server", "MiB")
RSS_COLLECTED_EACH = Metric("RSS per server after GC", "MiB")
GET_P99_UNDISTURBED = Metric("get p99 without snapshots", "us")
GET_P99 = Metric("get p99 beside snapshots", "us")
GET_P99_GROWTH = Metric("get p99, beside / without", "x")
GET_P999 = Metric("get p99.9 beside snapshots", "us")
GET_MAX = Metric("get max beside snapshots", "us")
SET_P99_UNDISTURBED = Metric("set p99 without snapshots", "us")
SET_P99 = Metric("set p99 beside snapshots", "us")
SET_P99_GROWTH = Metric("set p99, beside / without", "x")
SET_P999 = Metric("set p99.9 beside snapshots", "us")
SET_MAX = Metric("set max beside snapshots", "us")
PROCESS_BYTES = Metric("RSS / znodes as it runs", "B")
PROCESS_BYTES_COLLECTED = Metric("RSS / znodes after GC", "B")
SNAPSHOT_PLAIN = Metric("snapshot, per znode", "B")
SNAPSHOT_GZ = Metric("snapshot in gz, per znode", "B")
SNAPSHOT_SNAPPY = Metric("snapshot in snappy, per znode", "B")
LOG_CREATE = Metric("log, per create", "B")
LOG_CREATE_GZ = Metric("log through gzip, per create", "B")
LOG_SET = Metric("log, per set", "B")
LOG_SET_GZ = Metric("log through gzip, per set", "B")
GENERATOR = Metric("load generator, may be the limit", "cores", is_fact=True)
SNAPSHOTS = Metric("snapshots written meanwhile", "MiB", is_fact=True)

Readings = dict[Metric, float]
"""The figures of one row in one round."""
