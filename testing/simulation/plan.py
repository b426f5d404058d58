"""Plan: what a seed has chosen, before anything happens (swarm testing: each run has other faults)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from ...jute.ids import Sid
from ...quorum.members import Address, Member, Role
from ...quorum.verifier import Hierarchical, Majority, QuorumVerifier
from ...server.config import config_from
from ...server.settings_table import Config
from .member import CLIENT_PORT, DATA_DIR, ELECTION_PORT, LOG_DIR, QUORUM_PORT, host_of

if TYPE_CHECKING:
    from .network import Network


@dataclass(slots=True, kw_only=True)
class Plan:
    """Sizes, speeds and probabilities."""

    seed: int
    config: Config
    verifier: QuorumVerifier
    committed_count: int = 500
    """How many committed txns a member keeps in memory (``commitLogCount``, without its lower bound)."""
    schedule_us: int = 100
    """How long a process may take to notice that something has arrived."""
    interrupt_turns: float = 0.0
    """Probability that a batch of requests is interrupted for others."""
    disk_us: int = 2_000
    """How long a disk takes for one thing, at the most."""
    slow_disk: float = 0.0
    slow_disk_us: int = 500_000
    sync_us: int = 0
    """How long a small file written in the middle of something stops the process."""
    snapshot_pauses: float = 0.3
    latency_us: int = 200
    jitter_us: int = 800
    spike: float = 0.0
    spike_us: int = 50_000
    chop: float = 0.1
    windows: tuple[int, ...] = (1 << 16,)
    snapshot_chunk_bytes: int = 1 << 18
    """Pieces in which trees are encoded."""
    boot_spread_ms: float = 50
    clients: int = 3
    client_pause_ms: float = 40
    client_quiet: float = 0.0
    client_timeout_ms: int = 2000
    data_bytes: int = 40
    fault_ms: int = 10_000
    """How long faults happen."""
    fault_pause_ms: float = 400
    """Between two faults, on average."""
    faults: dict[str, float] = field(default_factory=dict)
    """Weight of each kind of fault."""

    def shape(self, network: Network) -> None:
        """Give the network its properties."""
        network.latency_us = self.latency_us
        network.jitter_us = self.jitter_us
        network.spike = self.spike
        network.spike_us = self.spike_us
        network.chop = self.chop
        network.windows = self.windows


def members_of(voters: int, observers: int = 0) -> QuorumVerifier:
    """A configuration of so many members."""
    members = []
    for number in range(1, voters + observers + 1):
        host = host_of(number)
        members.append(
            Member(
                Sid(number),
                (Address(host, QUORUM_PORT),),
                (Address(host, ELECTION_PORT),),
                Address(host, CLIENT_PORT),
                Role.PARTICIPANT if number <= voters else Role.OBSERVER,
            )
        )
    return Majority(members)


def grouped(verifier: QuorumVerifier, random: Random) -> QuorumVerifier:
    """The same members in groups with weights."""
    sids = list(verifier.voters)
    count = random.choice((1, 2, 3))
    groups = {sid: 1 + number % count for number, sid in enumerate(sids)}
    weights = {sid: random.choice((1, 1, 1, 2, 3)) for sid in sids}
    if len(sids) > 3 and random.random() < 0.3:
        weights[sids[-1]] = 0
    return Hierarchical(verifier.members.values(), groups=groups, weights=weights)


SETTINGS = {
    "tickTime": 200,
    "initLimit": 10,
    "syncLimit": 5,
    "snapCount": 100,
    "preAllocSize": 0,
    "maxClientCnxns": 0,
}


def configure(settings: Mapping[str, object], log_dir: str = DATA_DIR) -> Config:
    """The settings of every member; names as in zoo.cfg."""
    return config_from(
        {**SETTINGS, **settings},
        data_dir=DATA_DIR,
        data_log_dir=log_dir,
        client_port=CLIENT_PORT,
        four_letter_whitelist="*",
    )


def simple_plan(seed: int, voters: int = 3, observers: int = 0, **settings: object) -> Plan:
    """No faults; for directed tests."""
    return Plan(seed=seed, config=configure(settings), verifier=members_of(voters, observers))


FAULTS: dict[str, float] = {
    "kill": 4,
    "power loss": 6,
    "power loss of all": 1.5,
    "kill of all": 0.7,
    "crash armed": 5,
    "disk error": 1,
    "full disk": 0.5,
    "reset": 4,
    "half open": 2,
    "partition": 3,
    "one-way cut": 3,
    "isolation": 4,
    "pause": 3,
    "clock rate": 1,
    "wall clock jump": 1,
    "wipe": 2,
    "bit rot": 2,
    "client reset": 3,
    "client silent": 1,
    "ambush": 14,
}
"""Every kind of fault and its usual weight."""


def choose(seed: int) -> Plan:
    """What this seed makes of everything."""
    random = Random(f"{seed} plan")
    some, chance = random.choice, random.random
    voters = some((1, 2, 3, 3, 3, 3, 3, 3, 3, 3, 4, 5, 5))
    observers = some((0, 0, 0, 0, 0, 0, 1, 1, 2))
    tick_ms = some((100, 200, 200, 400))
    settings: dict[str, object] = {
        "tickTime": tick_ms,
        "initLimit": some((3, 5, 10)),
        "syncLimit": some((2, 3, 5)),
        "snapCount": some((2, 8, 20, 50, 100, 1000)),
        "snapshotSizeFactor": some((-1, 0.33, 3, 100, 100)),
        "preAllocSize": some((0, 0, 0, 4, 16)),
        "leaderServes": "no" if chance() < 0.1 and voters + observers > 1 else "yes",
        "fastleader.maxNotificationInterval": some((1000, 5000, 60_000)),
        "observer.election.DelayMs": some((0, 200)),
        "syncEnabled": "false" if chance() < 0.3 else "true",
        "db.autocreate": "false" if chance() < 0.15 else "true",
        "digest.enabled": "false" if chance() < 0.05 else "true",
        "forceSnapshotSync": "true" if chance() < 0.04 else "false",
        "txnLogSizeLimitInKb": 2 if chance() < 0.15 else -1,
        "globalOutstandingLimit": some((1000, 1000, 3)),
        "snapshot.compression.method": "gz" if chance() < 0.06 else "",
        "leader.maxConcurrentSnapSyncs": some((10, 1)),
        "leader.maxTimeToWaitForEpoch": some((-1, -1, tick_ms)),
        "localSessionsEnabled": "true" if (local := chance() < 0.1) else "false",
        "localSessionsUpgradingEnabled": "true" if local else "false",
    }
    if chance() < 0.1:
        settings["testingonly.initialZxid"] = 0xFFFFFFFF - some((3, 10, 40))
    # Of their own, so that other runs stay what they are.
    containers = Random(f"{seed} containers")
    if containers.random() < 0.15:
        settings["extendedTypesEnabled"] = "true"
        settings["znode.container.checkIntervalMs"] = containers.choice((50, 300, 1000))
        settings["znode.container.maxPerMinute"] = containers.choice((300, 10_000, 100_000))
    gathering = Random(f"{seed} group commit")
    if gathering.random() < 0.1:
        settings["flushDelay"] = gathering.choice((1, 10, 50, tick_ms))
        settings["maxBatchSize"] = gathering.choice((0, 1, 2, 5, 1000))
        if gathering.random() < 0.5:
            settings["maxWriteQueuePollTime"] = gathering.choice((0, 1, 20, tick_ms))
    verifier = members_of(voters, observers)
    if chance() < 0.1:
        verifier = grouped(verifier, random)
    log_dir = LOG_DIR if chance() < 0.2 else DATA_DIR
    plan = Plan(seed=seed, config=configure(settings, log_dir), verifier=verifier)
    plan.committed_count = some((1, 2, 5, 20, 100, 500))
    plan.schedule_us = some((10, 100, 1000))
    plan.interrupt_turns = some((0.0, 0.0, 0.1))
    plan.disk_us = some((100, 1000, 5000, 20_000))
    plan.slow_disk = some((0.0, 0.0, 0.02))
    plan.slow_disk_us = some((100_000, 1_000_000))
    plan.sync_us = some((0, 0, 10_000))
    plan.snapshot_pauses = some((0.0, 0.3, 0.8))
    plan.snapshot_chunk_bytes = some((300, 1000, 1 << 18))
    plan.latency_us = some((20, 200, 2000))
    plan.jitter_us = some((100, 1000, 20_000))
    plan.spike = some((0.0, 0.0, 0.02))
    plan.spike_us = some((50_000, 500_000))
    plan.chop = some((0.0, 0.1, 0.6))
    plan.windows = some(((1 << 16,), (1 << 16,), (500, 4000, 1 << 16)))
    plan.boot_spread_ms = some((1, 50, 2000))
    plan.clients = some((1, 2, 3, 4))
    plan.client_quiet = some((0.0, 0.02, 0.1))
    plan.client_timeout_ms = tick_ms * some((2, 4, 10))
    plan.data_bytes = some((10, 40, 400))
    plan.fault_ms = tick_ms * some((15, 25, 35))
    plan.client_pause_ms = (
        2 * plan.clients * plan.fault_ms / some((60, 120, 240, 240)) / (8 if chance() < 0.04 else 1)
    )
    plan.fault_pause_ms = plan.fault_ms / some((3, 6, 12, 20))
    # Each run has some kinds of faults and not others: many together hide what two alone would show.
    few = chance()
    plan.faults = {
        kind: weight * (0.2 + chance() * 2) for kind, weight in FAULTS.items() if chance() < 0.2 + few * 0.6
    }
    return plan
