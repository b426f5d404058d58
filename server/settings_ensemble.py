"""The table of settings, continued: what matters between the members of an ensemble."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final

from .setting import (
    BOOLEAN,
    BOOLEAN_OR_UNSET,
    COUNT,
    FRACTION,
    LONG_MILLIS,
    MILLIS,
    NOT_SET,
    NUMBER,
    PATH,
    PEER_TYPE,
    TICKS,
    YES_NO,
    Status,
    row,
)

_ensemble = partial(row, section="Ensemble")

BIND_RETRY: Final = 3  # QuorumCnxManager.Listener
SNAPSHOT_SIZE_FACTOR: Final = 0.33  # ZKDatabase.DEFAULTSNAPSHOT_SIZE_FACTOR


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)  # a part of Config, which has these
class EnsembleSettings:
    """Fields of `Config` that matter between members."""

    # fmt: off
    init_limit_ticks: int = _ensemble(
        "initLimit", TICKS, 0,
        "How long a member may take to find the leader and to catch up with it. Required.", written="",
    )
    sync_limit_ticks: int = _ensemble(
        "syncLimit", TICKS, 0,
        "How long a member and its leader may not hear of each other. Required.", written="",
    )
    connect_to_learner_master_limit_ticks: int = _ensemble(
        "connectToLearnerMasterLimit", TICKS, 0, "How long a member tries to connect to its leader.",
        written="initLimit",
    )
    peer_type: str = _ensemble(
        "peerType", PEER_TYPE, "participant",
        "`participant` or `observer`; the list of members decides where they differ.",
    )
    standalone_enabled: bool = _ensemble(
        "standaloneEnabled", BOOLEAN, True, "Whether a single voting member runs alone, without a quorum."
    )
    reconfig_enabled: bool = _ensemble(
        "reconfigEnabled", BOOLEAN, False, "Whether members may change at run time."
    )
    quorum_listen_on_all_ips: bool = _ensemble(
        "quorumListenOnAllIPs", BOOLEAN, False, "Listen for members on every address, not only on the listed."
    )
    oracle_path: str = _ensemble(
        "oraclePath", PATH, "", "A file whose first character `1` lets one of two voters go on alone."
    )
    sync_enabled: bool = _ensemble("syncEnabled", BOOLEAN, True, "Whether an observer keeps a log.")
    observer_sync_enabled: str = _ensemble(
        "observer.syncEnabled", BOOLEAN_OR_UNSET, "", "The same, and stronger.", written="syncEnabled",
    )
    local_sessions_enabled: bool = _ensemble(
        "localSessionsEnabled", BOOLEAN, False, "Sessions that only the server they were made on knows."
    )
    local_sessions_upgrading_enabled: bool = _ensemble(
        "localSessionsUpgradingEnabled", BOOLEAN, False,
        "Whether such a session becomes global when it makes an ephemeral node."
    )
    leader_serves: bool = _ensemble("leaderServes", YES_NO, True, "Whether the leader takes clients.")
    leader_ack_logging_frequency: int = _ensemble(
        "leader.ackLoggingFrequency", COUNT, 1000,
        "Of which of its proposals a leader measures how long each ack takes (`ack_latency` of `mntr`):"
        " those whose zxid is divisible by this; 0 or less for none."
    )
    multi_address_enabled: bool = _ensemble(
        "multiAddress.enabled", BOOLEAN, False, "Whether a member may have several addresses."
    )
    multi_address_reachability_check_enabled: bool = _ensemble(
        "multiAddress.reachabilityCheckEnabled", BOOLEAN, True,
        "Whether Java probes them first; ours are tried in turn.", status=Status.ACCEPTED,
    )
    multi_address_reachability_check_timeout_ms: int = _ensemble(
        "multiAddress.reachabilityCheckTimeoutMs", MILLIS, 1000, "For how long.", status=Status.ACCEPTED,
    )
    cnx_timeout_ms: int = _ensemble(
        "cnxTimeout", MILLIS, 5000, "How long connecting for an election may take."
    )
    quorum_cnxn_timeout_ms: int = _ensemble(
        "quorumCnxnTimeoutMs", MILLIS, NOT_SET,
        "How long the greeting on an election connection may take.", written="syncLimit",
    )
    tcp_keep_alive: bool = _ensemble(
        "tcpKeepAlive", BOOLEAN, False, "Whether the system probes silent election connections."
    )
    election_port_bind_retry: int = _ensemble(
        "electionPortBindRetry", COUNT, BIND_RETRY,
        "How often to try to listen for elections, a second apart; 0 for ever."
    )
    fast_leader_min_notification_interval_ms: int = _ensemble(
        "fastleader.minNotificationInterval", MILLIS, 200, "How often votes are sent again, at first."
    )
    fast_leader_max_notification_interval_ms: int = _ensemble(
        "fastleader.maxNotificationInterval", MILLIS, 60_000, "How often in the end, after doubling."
    )
    leader_connect_delay_during_retry_ms: int = _ensemble(
        "leaderConnectDelayDuringRetryMs", MILLIS, 100, "Pause between tries to connect to the leader."
    )
    leader_max_time_to_wait_for_epoch_ms: int = _ensemble(
        "leader.maxTimeToWaitForEpoch", MILLIS, -1,
        "How long a leader waits for voters once one of them has turned away; -1: up to initLimit."
    )
    leader_max_concurrent_snap_syncs: int = _ensemble(
        "leader.maxConcurrentSnapSyncs", COUNT, 10, "Snapshots sent at a time; followers do not count."
    )
    leader_max_concurrent_diff_syncs: int = _ensemble(
        "leader.maxConcurrentDiffSyncs", COUNT, 100, "Differences sent at a time; followers do not count."
    )
    snapshot_size_factor: float = _ensemble(
        "snapshotSizeFactor", FRACTION, SNAPSHOT_SIZE_FACTOR,
        "A member gets logs instead of a snapshot up to this part of its size; negative: never."
    )
    force_snapshot_sync: bool = _ensemble(
        "forceSnapshotSync", BOOLEAN, False, "Whether a member always gets a snapshot (for tests)."
    )
    leader_nodelay: bool = _ensemble(
        "leader.nodelay", BOOLEAN, True, "Whether the leader's packets leave at once.",
        properties=("leader.nodelay",), in_file=False, status=Status.LATER,
    )
    follower_nodelay: bool = _ensemble(
        "follower.nodelay", BOOLEAN, True, "Whether a member's packets to its leader leave at once.",
        properties=("follower.nodelay",), in_file=False, status=Status.LATER,
    )
    observer_reconnect_delay_ms: int = _ensemble(
        "observer.reconnectDelayMs", LONG_MILLIS, 0, "Pause before an observer connects again, at the most.",
        status=Status.LATER,
    )
    observer_election_delay_ms: int = _ensemble(
        "observer.election.DelayMs", LONG_MILLIS, 200, "Pause before an observer looks for a leader."
    )
    refetch_damaged_data: bool = _ensemble(
        "zoolet.refetchDamagedData", BOOLEAN, True,
        "Whether a member with damaged data starts without a vote, fetches everything from the leader that"
        " the others elect, and sets the damaged files aside; otherwise it refuses to start.",
        properties=("zoolet.refetchDamagedData",),
    )
    testing_initial_zxid: int | None = _ensemble(
        "testingonly.initialZxid", NUMBER, None,
        "Bits set in the first zxid of a leader, for tests of the counter's end.", written="",
    )
    # fmt: on
