"""The table of settings this server acts on, one row each.

A row is a field of `Config`: the field's name, type and default, its spelling in zoo.cfg and as a system
property, and its manual entry are all in that one place. Three sections have a file of their own
(`settings_limits`, `settings_ensemble`, `settings_security`). Keys that are only recognised are in
`settings_recognised`; building the part they belong to means moving their rows here.

The keys and defaults are those of Java's `QuorumPeerConfig`, `ZooKeeperServer` and friends. What reads
zoo.cfg and the command line is `config`; what a row consists of is `setting`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Final

from .ensemble_text import EnsembleText
from .setting import (
    BOOLEAN,
    COMPRESSION,
    COUNT,
    INT_MAX,
    KIB,
    LONG_MILLIS,
    MILLIS,
    NOT_SET,
    PATH,
    PORT,
    TEXT,
    TICK_MILLIS,
    WORDS,
    YES_NO,
    ConfigError,
    Setting,
    row,
)
from .settings_ensemble import BIND_RETRY, SNAPSHOT_SIZE_FACTOR, EnsembleSettings
from .settings_limits import LimitSettings, settle_limits
from .settings_operations import SNAP_RETAIN_COUNT_MIN, OperationSettings
from .settings_quorum_tls import QuorumTlsConfig
from .settings_security import SecuritySettings
from .settings_tls import TlsConfig

_basic = partial(row, section="Basics")
_storage = partial(row, section="Storage")
_node = partial(row, section="Nodes")
_operation = partial(row, section="Operations")

_SNAP_COUNT_MIN: Final = 2  # ZooKeeperServer.getSnapCount
_COMMIT_LOG_COUNT_MIN: Final = 500  # ZKDatabase.DEFAULT_COMMIT_LOG_COUNT
_EXTRA_BYTES_MIN: Final = 1024  # BinaryInputArchive
MAX_BATCH_SIZE: Final = 1000
"""``maxBatchSize``; where nothing waits it is no limit, as more are hardly ever under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config(
    LimitSettings, EnsembleSettings, SecuritySettings, OperationSettings, TlsConfig, QuorumTlsConfig
):
    """Everything one server can be told. Values are final: what was derived or rounded up is already so here.

    Raises ConfigError when the values do not fit together. `dataclasses.replace` keeps derived values as they
    are (a new tick time does not move the session limits): use `config.config_from` to make a variant.
    """

    # fmt: off
    data_dir: str = _basic(
        "dataDir", PATH, "", "Where snapshots are kept, in its folder `version-2`. Required."
    )
    data_log_dir: str = _basic(
        "dataLogDir", PATH, "", "Where the transaction log is kept; a device of its own makes writes faster.",
        written="the data folder",
    )
    client_port: int = _basic(
        "clientPort", PORT, NOT_SET,
        "The port clients connect to; 0 lets the system choose. Required, but for a member of an ensemble.",
        written="",
    )
    client_port_address: str = _basic(
        "clientPortAddress", TEXT, "", "The address to listen on.",
        written="every address; 127.0.0.1 without a configuration file",
    )
    secure_client_port: int = _basic(
        "secureClientPort", PORT, NOT_SET, "The port of clients that use TLS; 0 lets the system choose.",
        written="",
    )
    secure_client_port_address: str = _basic(
        "secureClientPortAddress", TEXT, "", "The address it listens on.", written="every address",
    )
    client_port_listen_backlog: int = _basic(
        "clientPortListenBacklog", COUNT, -1,
        "Connections the system may hold before they are accepted; -1 means 50."
    )
    tick_time_ms: int = _basic(
        "tickTime", TICK_MILLIS, 3000,
        "The unit of time: session timeouts are limited by it and expire in its steps."
    )
    min_session_timeout_ms: int = _basic(
        "minSessionTimeout", MILLIS, NOT_SET,
        "The shortest session timeout given to a client.", written="2 ticks"
    )
    max_session_timeout_ms: int = _basic(
        "maxSessionTimeout", MILLIS, NOT_SET,
        "The longest session timeout given to a client.", written="20 ticks"
    )

    snap_count: int = _storage(
        "snapCount", COUNT, 100_000, "Transactions between two snapshots, at the most."
    )
    snap_size_limit_kb: int = _storage(
        "snapSizeLimitInKb", KIB, 4_194_304,
        "Log bytes between two snapshots, at the most; 0 or less for no limit."
    )
    pre_alloc_size_kb: int = _storage(
        "preAllocSize", KIB, 65_536, "By how much a log file is extended at a time."
    )
    txn_log_size_limit_kb: int = _storage(
        "txnLogSizeLimitInKb", KIB, -1,
        "A log file longer than this is followed by a new one; -1 for no limit."
    )
    commit_log_count: int = _storage(
        "commitLogCount", COUNT, 500,
        "Committed transactions kept in memory for other members; 500 at the least.",
    )
    force_sync: bool = _storage(
        "forceSync", YES_NO, True,
        "Whether a write is on the disk before it is answered. `no` risks losing writes."
    )
    flush_delay_ms: int = _storage(
        "flushDelay", LONG_MILLIS, 0,
        "How long a write may wait for others that share its flush; 0 for not at all.",
    )
    max_write_queue_poll_time_ms: int = _storage(
        "maxWriteQueuePollTime", LONG_MILLIS, NOT_SET, "How long it waits for the next one of them.",
        written="a third of flushDelay",
    )
    max_batch_size: int = _storage(
        "maxBatchSize", COUNT, MAX_BATCH_SIZE,
        "Requests that end the waiting, and the most that share a flush; 0 or less for no limit, as has the"
        " default where nothing waits.",
    )
    fsync_warning_threshold_ms: int = _storage(
        "fsync.warningthresholdms", LONG_MILLIS, 1000, "A flush that took longer than this is logged.",
        properties=("zookeeper.fsync.warningthresholdms", "fsync.warningthresholdms"),
    )
    digest_enabled: bool = _storage(
        "digest.enabled", BOOLEAN, True,
        "Whether a digest of the tree is logged with each write and compared on replay."
    )
    serialize_last_processed_zxid_enabled: bool = _storage(
        "serializeLastProcessedZxid.enabled", BOOLEAN, True,
        "Whether a snapshot ends with the last zxid (3.9 reads it)."
    )
    close_session_txn_enabled: bool = _storage(
        "closeSessionTxn.enabled", BOOLEAN, True,
        "Whether the end of a session is logged with the paths it removes."
    )
    snapshot_compression: str = _storage(
        "snapshot.compression.method", COMPRESSION, "",
        "How snapshots are compressed: `gz`, `snappy` (extra `zoolet[snappy]`) or not at all."
    )
    snapshot_trust_empty: bool = _storage(
        "snapshot.trust.empty", BOOLEAN, False,
        "Whether to start from logs that have no snapshot before them."
    )
    datadir_autocreate: bool = _storage(
        "datadir.autocreate", BOOLEAN, True, "Whether missing folders are made."
    )
    db_autocreate: bool = _storage(
        "db.autocreate", BOOLEAN, True,
        "Whether an empty folder starts a new database (a file `initialize` also does)."
    )

    extended_types_enabled: bool = _node(
        "extendedTypesEnabled", BOOLEAN, False, "Whether nodes may have a TTL.",
    )
    container_check_interval_ms: int = _node(
        "znode.container.checkIntervalMs", TICK_MILLIS, 60_000,
        "How often empty containers and outlived TTL nodes go.",
        properties=("znode.container.checkIntervalMs",), in_file=False,
    )
    container_max_per_minute: int = _node(
        "znode.container.maxPerMinute", COUNT, 10_000,
        "How many of them are deleted in a minute, at the most; 0 for none.",
        properties=("znode.container.maxPerMinute",), in_file=False,
    )
    container_max_never_used_interval_ms: int = _node(
        "znode.container.maxNeverUsedIntervalMs", LONG_MILLIS, 0,
        "A container that never had a child goes after this long; 0 keeps it.",
        properties=("znode.container.maxNeverUsedIntervalMs",), in_file=False,
    )
    enforce_quota: bool = _node("enforceQuota", BOOLEAN, False, "Whether hard quotas refuse writes.")
    read_only_mode_enabled: bool = _node(
        "readonlymode.enabled", BOOLEAN, False,
        "Whether a server without a quorum serves reads (adds the word `isro`).",
        properties=("readonlymode.enabled",), in_file=False,
    )

    four_letter_whitelist: frozenset[str] = _operation(
        "4lw.commands.whitelist", WORDS, frozenset[str](),
        "Four-letter words that are answered; `*` for all.",
        written="srvr; all of them without a configuration file",
    )
    client_tcp_keep_alive: bool = _operation(
        "clientTcpKeepAlive", BOOLEAN, False, "Whether the system probes silent client connections."
    )

    # fmt: on

    ensemble: EnsembleText | None = field(default=None, repr=False)
    """The lists of members as the files have them; None without a configuration file."""

    file_text: str = field(default="", repr=False)
    """The configuration file as it was read; empty without one. May hold secrets."""

    def __post_init__(self) -> None:
        if not self.data_dir:
            raise ConfigError("dataDir is not set")
        if self.client_port == NOT_SET and not self.is_distributed and self.secure_client_port == NOT_SET:
            raise ConfigError("clientPort is not set")
        if self.secure_client_port_address and self.secure_client_port == NOT_SET:
            raise ConfigError("secureClientPortAddress is set but secureClientPort is not set")
        put = partial(object.__setattr__, self)
        if not self.data_log_dir:
            put("data_log_dir", self.data_dir)
        if self.min_session_timeout_ms == NOT_SET:
            put("min_session_timeout_ms", min(2 * self.tick_time_ms, INT_MAX))
        if self.max_session_timeout_ms == NOT_SET:
            put("max_session_timeout_ms", min(20 * self.tick_time_ms, INT_MAX))
        if self.min_session_timeout_ms > self.max_session_timeout_ms:
            raise ConfigError(
                f"minSessionTimeout ({self.min_session_timeout_ms} ms) must not be larger than"
                f" maxSessionTimeout ({self.max_session_timeout_ms} ms)"
            )
        if self.jute_max_buffer_extra_bytes == NOT_SET:
            put("jute_max_buffer_extra_bytes", self.jute_max_buffer_bytes)
        put("jute_max_buffer_extra_bytes", max(self.jute_max_buffer_extra_bytes, _EXTRA_BYTES_MIN))
        settle_limits(self, put)
        put("snap_count", max(self.snap_count, _SNAP_COUNT_MIN))
        put("snap_retain_count", max(self.snap_retain_count, SNAP_RETAIN_COUNT_MIN))
        put("commit_log_count", max(self.commit_log_count, _COMMIT_LOG_COUNT_MIN))
        if self.max_write_queue_poll_time_ms == NOT_SET:
            put("max_write_queue_poll_time_ms", self.flush_delay_ms // 3)
        # zkServer.sh asks `srvr`, and clients that look for a writable server ask `isro`.
        always = {"srvr", "isro"} if self.read_only_mode_enabled else {"srvr"}
        put("four_letter_whitelist", self.four_letter_whitelist | always)
        if self.connect_to_learner_master_limit_ticks == 0:
            put("connect_to_learner_master_limit_ticks", self.init_limit_ticks)
        if self.quorum_cnxn_timeout_ms <= 0:
            put("quorum_cnxn_timeout_ms", min(self.sync_limit_ticks * self.tick_time_ms, INT_MAX))
        if self.observer_sync_enabled:
            put("sync_enabled", self.observer_sync_enabled == "true")
        if self.election_port_bind_retry < 0:
            put("election_port_bind_retry", BIND_RETRY)
        if self.snapshot_size_factor > 1:
            put("snapshot_size_factor", SNAPSHOT_SIZE_FACTOR)

    @property
    def serves_tls(self) -> bool:
        """Whether any client may come with TLS."""
        return self.secure_client_port != NOT_SET or self.client_port_unification

    @property
    def is_distributed(self) -> bool:
        """Whether the files ask for a member of an ensemble (Java: `isDistributed`)."""
        return self.ensemble is not None and self.ensemble.is_distributed(
            standalone_enabled=self.standalone_enabled
        )


IMPLEMENTED: Final[tuple[Setting, ...]] = tuple(
    replace(f.metadata["setting"], field=f.name) for f in fields(Config) if "setting" in f.metadata
)
"""The rows that are fields of `Config`, in its order."""
