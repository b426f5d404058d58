"""The rows of the table that need an ensemble: three members of one kind, on the one machine.

Throughput and latency are told with the CPU of all three members, since they share the machine's cores.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

from . import metrics
from .client import RawClient
from .ensemble import Ensemble, Member
from .errors import BenchError
from .lab import KEYS, KEYS_PARENT, SPREAD_CONNS, Lab
from .loadgen import Load, finish
from .metrics import Readings
from .row import Row, latency, throughput

IDLE_SETTLE_S, IDLE_S = 5.0, 20.0
FAILOVERS = 3
TRICKLE_PER_S, TRICKLE_S, TRICKLE_MS_MAX = 200, 0.5, 60_000
CATCH_UP_NODES, CATCH_UP_DIRS, CATCH_UP_READS = 100_000, 100, 20_000
OTHER_NODES_MAX = 1000
"""More than a tree has besides those of its row."""

Where = Callable[[Ensemble], Sequence[Member]]


def cold(lab: Lab) -> Readings:
    """Three empty data directories: from the first exec to replies of creates."""
    start = lab.fresh_ensemble().start()
    return {
        metrics.ALL_SERVE: start.all_serve_s,
        metrics.FIRST_WRITE: start.first_write_s,
        metrics.CPU_ALL: start.cpu_s,
    }


def idle(lab: Lab) -> Readings:
    """No clients: what each member needs, on the average of the three."""
    members = lab.running_ensemble().members
    time.sleep(IDLE_SETTLE_S)
    begun, before = time.perf_counter(), [member.fine_cpu_s() for member in members]
    time.sleep(IDLE_S)
    seconds = time.perf_counter() - begun
    used = [member.fine_cpu_s() - cpu_s for member, cpu_s in zip(members, before, strict=True)]
    rss = [member.rss_bytes() for member in members]
    collected = [member.collected_rss_bytes() for member in members]
    return {
        metrics.IDLE_CPU: 100 * statistics.mean(used) / seconds,
        metrics.RSS_SETTLED_EACH: statistics.mean(rss) / 2**20,
        metrics.RSS_COLLECTED_EACH: statistics.mean(collected) / 2**20,
    }


def load(op: str, conns: int, depth: int, where: Where) -> Callable[[Lab], Readings]:
    """A closed loop over the keys, its connections at one member or at all."""

    def measure(lab: Lab) -> Readings:
        ensemble = lab.warm_ensemble()
        ensemble.sync()
        result = lab.run_at(
            where(ensemble),
            Load(
                op,
                KEYS_PARENT,
                conns=conns,
                depth=depth,
                keys=KEYS,
                warmup_ms=lab.pace.warmup_ms,
                run_ms=lab.pace.run_ms,
            ),
        )
        readings = throughput(result) if conns * depth > 1 else latency(result)
        readings[metrics.CPU_ALL_PER_OP] = readings.pop(metrics.CPU_PER_OP)
        return readings

    return measure


def failover(lab: Lab) -> Readings:
    """kill -9 of the leader under a trickle of writes, until a survivor answers a create sent afterwards."""
    ensemble = lab.warm_ensemble()
    times = [_kill_leader(lab, ensemble) for _ in range(FAILOVERS)]
    return {metrics.FAILOVER: statistics.median(times), metrics.FAILOVER_MAX: max(times)}


def catch_up(lab: Lab) -> Readings:
    """A follower starts with an empty data directory while the others hold 100,000 nodes of 100 bytes."""
    ensemble = lab.warm_ensemble()
    parent = lab.fresh_parent(dirs=CATCH_UP_DIRS)
    nodes = {"dirs": CATCH_UP_DIRS, "conns": SPREAD_CONNS, "depth": 100}
    lab.run_at([ensemble.leader], Load("create", parent, count=CATCH_UP_NODES, **nodes))
    follower = ensemble.followers[0]
    follower.stop()
    follower.wipe()
    seconds = ensemble.restart(follower)
    cpu_s = follower.cpu_s()
    _check_count(follower, CATCH_UP_NODES + CATCH_UP_DIRS)
    # Every get is checked: its data names its node.
    lab.run_at([follower], Load("get", parent, count=CATCH_UP_READS, keys=CATCH_UP_NODES, **nodes))
    return {metrics.CATCH_UP: seconds, metrics.CATCH_UP_CPU: cpu_s}


def _kill_leader(lab: Lab, ensemble: Ensemble) -> float:
    leader, epoch = ensemble.leader, ensemble.epoch
    survivors = [member for member in ensemble.members if member is not leader]
    ports = [member.port for member in ensemble.members]
    trickle = Load("set", KEYS_PARENT, conns=len(ports), keys=KEYS, rate=TRICKLE_PER_S, run_ms=TRICKLE_MS_MAX)
    writer = lab.loadgen.start(ports, trickle)
    try:
        time.sleep(TRICKLE_S)
        if writer.poll() is not None:
            finish(writer)
        killed = leader.kill()
        replied = ensemble.await_writes(survivors, replies=1, after_epoch=epoch)
    finally:
        writer.kill()  # it has lost its connections
        writer.communicate()
    leader.stop()
    ensemble.restart(leader)
    return min(replied.values()) - killed


def _check_count(member: Member, due: int) -> None:
    with RawClient(member.port) as client:
        client.sync("/")
        seen = client.count_below("/")
    if not due <= seen <= due + KEYS + OTHER_NODES_MAX:
        raise BenchError(f"{seen} nodes at a member that has caught up with {due}")


def _leader(ensemble: Ensemble) -> Sequence[Member]:
    return [ensemble.leader]


def _follower(ensemble: Ensemble) -> Sequence[Member]:
    return ensemble.followers[:1]


def _all(ensemble: Ensemble) -> Sequence[Member]:
    return ensemble.members


def _table() -> tuple[Row, ...]:
    rows = [
        Row("ensemble-cold", "ensemble-cold", "3 servers from exec", cold),
        Row("ensemble-idle", "ensemble-cold", "3 servers, no clients", idle),
    ]
    places = (("leader", "at the leader", _leader), ("follower", "at a follower", _follower))
    for conns, depth in ((1, 1), (10, 100)):
        rows += [
            Row(
                f"ensemble-set-{conns}x{depth}-{name}",
                "ensemble",
                f"3 servers: set, {conns} x {depth} {place}",
                load("set", conns, depth, where),
            )
            for name, place, where in places
        ]
    for op, title in (("set", "set"), ("get", "get"), ("mixed", "90 % get, 10 % set")):
        rows.append(
            Row(
                f"ensemble-{op}-{SPREAD_CONNS}x100",
                "ensemble",
                f"3 servers: {title}, {SPREAD_CONNS} x 100 over all",
                load(op, SPREAD_CONNS, 100, _all),
            )
        )
    return (
        *rows,
        Row("ensemble-failover", "ensemble", "3 servers: kill -9 of the leader", failover),
        Row("ensemble-catch-up", "ensemble", "3 servers: a wiped follower, 100,000 znodes", catch_up),
    )


ROWS = _table()
