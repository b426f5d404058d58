"""The settings that are known but change nothing: Java's own, and those of parts that are not built yet.

Together with `settings_table` this is every key of zoo.cfg and every system property that ZooKeeper 3.9's
server reads. It is a module of its own because a start without a configuration file never needs it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from .setting import (
    ANYTHING,
    BOOLEAN,
    BYTES,
    COUNT,
    ELECTION_ALGORITHM,
    FRACTION,
    HOURS,
    MILLIS,
    NUMBER,
    PATH,
    PEER_TYPE,
    PORT,
    SECONDS,
    TEXT,
    TICKS,
    YES_NO,
    Kind,
    Setting,
    Status,
)


def _java(key: str, kind: Kind, default: str, doc: str, *, in_file: bool = True) -> Setting:
    """A setting of Java's own parts: any value is accepted in silence."""
    return Setting("", key, kind, default, doc, Status.ACCEPTED, in_file=in_file)


def _later(
    key: str,
    kind: Kind,
    default: str,
    doc: str,
    *,
    inert: str | None = None,
    refused: str = "",
    secret: bool = False,
) -> Setting:
    """A setting of a part that is not built yet: another value than the default (or `inert`) is warned of."""
    harmless = default if inert is None else inert
    return Setting("", key, kind, default, doc, Status.LATER, inert=harmless, refused=refused, secret=secret)


def _detail(
    key: str,
    kind: Kind,
    default: str,
    doc: str,
    *,
    properties: tuple[str, ...] | None = None,
    in_file: bool = True,
    refused: str = "",
    secret: bool = False,
) -> Setting:
    """A setting that only matters once another one turns on a part that is not built yet."""
    return Setting(
        "",
        key,
        kind,
        default,
        doc,
        Status.LATER,
        properties=properties,
        in_file=in_file,
        inert=ANYTHING,
        refused=refused,
        secret=secret,
    )


_BASICS = (
    _later("secureClientPort", PORT, "", "The port of clients that use TLS."),
    _later("secureClientPortAddress", TEXT, "", "The address it listens on."),
    _java("serverCnxnFactory", TEXT, "", "Java's choice of network library."),
)

_LIMITS = (
    _later("request_throttle_max_requests", COUNT, "0", "Requests admitted at a time; 0 for no limit."),
    _detail("request_throttle_stall_time", MILLIS, "100", "How long the others wait."),
    _detail("request_throttle_drop_stale", BOOLEAN, "true", "Drop what its client gave up."),
    _detail("request_stale_connection_check", BOOLEAN, "true", "A closed connection is stale."),
    _later("request_stale_latency_check", BOOLEAN, "false", "A late request is stale."),
    _java("request_throttler.shutdownTimeout", MILLIS, "10000", "How long a stop waits for them."),
    _later("throttled_op_wait_time", MILLIS, "0", "Refuse what waited longer than this; 0 never."),
    _later("largeRequestThreshold", BYTES, "-1", "From which size a request counts as large."),
    _detail("largeRequestMaxBytes", BYTES, "104857600", "Bytes of large requests at a time."),
    _later("connection_throttle_tokens", COUNT, "0", "New connections at a time; 0 for no limit."),
    _detail("connection_throttle_fill_time", MILLIS, "1", "How often tokens come back."),
    _detail("connection_throttle_fill_count", COUNT, "1", "How many of them."),
    _detail("connection_throttle_freeze_time", MILLIS, "-1", "When the chance to drop changes."),
    _detail("connection_throttle_drop_increase", FRACTION, "0.02", "By how much it grows."),
    _detail("connection_throttle_drop_decrease", FRACTION, "0.002", "By how much it shrinks."),
    _detail("connection_throttle_decrease_ratio", FRACTION, "0", "When it shrinks."),
    _later("connection_throttle_weight_enabled", BOOLEAN, "false", "Weigh connections."),
    _detail("connection_throttle_global_session_weight", COUNT, "3", "Weight of a new one."),
    _detail("connection_throttle_renew_session_weight", COUNT, "2", "Weight of a returning one."),
    _detail("connection_throttle_local_session_weight", COUNT, "1", "Weight of a local one."),
    _java("maxResponseCacheSize", COUNT, "400", "Entries of Java's cache of node data."),
    _java("maxGetChildrenResponseCacheSize", COUNT, "400", "Entries of Java's cache of child lists."),
    _java("nio.numSelectorThreads", COUNT, "", "Java's threads."),
    _java("nio.numWorkerThreads", COUNT, "", "Java's threads."),
    _java("nio.directBufferBytes", BYTES, "65536", "Java's buffers."),
    _java("nio.shutdownTimeout", MILLIS, "5000", "How long Java's worker threads may take to end."),
    _java("netty.*", TEXT, "", "Java's other network library."),
    _java("intBufferStartingSizeBytes", BYTES, "1024", "Java's buffers."),
)

_STORAGE = (
    _detail("snapshotSizeFactor", FRACTION, "0.33", "When a log is sent to a member."),
    _java("forceSnapshotSync", BOOLEAN, "false", "Flush snapshots to the disk; ours always are."),
    _later("autopurge.purgeInterval", HOURS, "0", "How often old snapshots and logs go; 0 never."),
    _detail("autopurge.snapRetainCount", COUNT, "3", "How many snapshots stay."),
)

_NODES = (
    _later("enforceQuota", BOOLEAN, "false", "Whether hard quotas refuse writes."),
    _later("emulate353TTLNodes", BOOLEAN, "false", "Read TTL nodes as 3.5.3 wrote them.", refused="true"),
    _java("watchManagerName", TEXT, "", "Java's choice of watch table."),
    _java("watcherCleanThreshold", COUNT, "1000", "Java's cleaning of it."),
    _java("watcherCleanIntervalInSeconds", SECONDS, "600", "Java's cleaning of it."),
    _java("watcherCleanThreadsNum", COUNT, "2", "Java's cleaning of it."),
    _java("maxInProcessingDeadWatchers", COUNT, "-1", "Java's cleaning of it."),
    _java("bitHashCacheSize", COUNT, "10", "Java's cleaning of it."),
)

_ENSEMBLE = (
    _detail(
        "server.*", TEXT, "", "A member: `host:port:electionPort[:role][;[host:]clientPort]`.", properties=()
    ),
    _detail("group.*", TEXT, "", "Members of a group, joined by `:`.", properties=()),
    _detail("weight.*", NUMBER, "1", "Votes of a member inside its group.", properties=()),
    _detail("version", TEXT, "", "The version of the list of members, in hex.", properties=()),
    _detail("initLimit", TICKS, "", "How long a member may take to join."),
    _detail("syncLimit", TICKS, "", "How far a member may fall behind."),
    _detail("connectToLearnerMasterLimit", TICKS, "initLimit", "How long a member tries to connect."),
    _detail("electionAlg", ELECTION_ALGORITHM, "3", "The way to elect; only 3 exists."),
    _detail("peerType", PEER_TYPE, "participant", "`participant` or `observer`."),
    _detail("oraclePath", PATH, "", "A file that breaks ties between two members."),
    _detail("dynamicConfigFile", PATH, "", "A file with the list of members."),
    _detail("standaloneEnabled", BOOLEAN, "true", "Whether a single member runs alone.", refused="false"),
    _detail("reconfigEnabled", BOOLEAN, "false", "Whether members may change at run time."),
    _detail("quorumListenOnAllIPs", BOOLEAN, "false", "Listen for members on every address."),
    _detail("observerMasterPort", PORT, "0", "Where a follower serves observers."),
    _detail("syncEnabled", BOOLEAN, "true", "Whether observers keep a log."),
    _detail("localSessionsEnabled", BOOLEAN, "false", "Sessions the other members do not know."),
    _detail("localSessionsUpgradingEnabled", BOOLEAN, "false", "Whether they may become known."),
    _detail("multiAddress.enabled", BOOLEAN, "false", "Several addresses per member."),
    _detail("multiAddress.reachabilityCheckEnabled", BOOLEAN, "true", "Probe them."),
    _detail("multiAddress.reachabilityCheckTimeoutMs", MILLIS, "1000", "For how long."),
    _detail("sslQuorum", BOOLEAN, "false", "TLS between members."),
    _detail("portUnification", BOOLEAN, "false", "TLS and plain on one port between members."),
    _detail("sslQuorumReloadCertFiles", BOOLEAN, "false", "Read certificates again when they change."),
    _detail("quorum.auth.enableSasl", BOOLEAN, "false", "SASL between members."),
    _detail("quorum.auth.learnerRequireSasl", BOOLEAN, "false", "Members insist on it."),
    _detail("quorum.auth.serverRequireSasl", BOOLEAN, "false", "The leader insists on it."),
    _detail("quorum.auth.learner.saslLoginContext", TEXT, "QuorumLearner", "Section of the JAAS file."),
    _detail("quorum.auth.server.saslLoginContext", TEXT, "QuorumServer", "Section of the JAAS file."),
    _detail(
        "quorum.auth.kerberos.servicePrincipal", TEXT, "zkquorum/localhost", "Kerberos name of the leader."
    ),
    _detail("quorum.cnxn.threads.size", COUNT, "20", "Java's threads."),
    _detail("cnxTimeout", MILLIS, "5000", "How long connecting for an election may take."),
    _detail("tcpKeepAlive", BOOLEAN, "false", "Whether the system probes silent election connections."),
    _detail("quorumCnxnTimeoutMs", MILLIS, "-1", "How long an election connection may be silent."),
    _detail("fastleader.minNotificationInterval", MILLIS, "200", "How often votes are sent again, at first."),
    _detail("fastleader.maxNotificationInterval", MILLIS, "60000", "How often in the end."),
    _detail("electionPortBindRetry", COUNT, "3", "How often to try to listen for elections."),
    _detail("leaderServes", YES_NO, "yes", "Whether the leader takes clients."),
    _detail("leader.maxConcurrentSnapSyncs", COUNT, "10", "Snapshots sent at a time."),
    _detail("leader.maxConcurrentDiffSyncs", COUNT, "100", "Differences sent at a time."),
    _detail("leader.maxTimeToWaitForEpoch", MILLIS, "-1", "How long a leader waits for its quorum."),
    _detail("leader.ackLoggingFrequency", COUNT, "1000", "Java's logging."),
    _detail("leader.closeSocketAsync", BOOLEAN, "false", "Java's threads."),
    _detail("leaderConnectDelayDuringRetryMs", MILLIS, "100", "Pause between tries to connect."),
    _detail("learner.closeSocketAsync", BOOLEAN, "false", "Java's threads."),
    _detail("learner.asyncSending", BOOLEAN, "false", "Java's threads."),
    _detail("follower.skipLearnerRequestToNextProcessor", BOOLEAN, "false", "A shortcut of Java's pipeline."),
    _detail(
        "forward_learner_requests_to_commit_processor_disabled",
        BOOLEAN,
        "false",
        "A shortcut of Java's pipeline.",
    ),
    _detail("observer.reconnectDelayMs", MILLIS, "0", "Pause before an observer connects again."),
    _detail("observer.election.DelayMs", MILLIS, "200", "Pause before an observer looks for a leader."),
    _detail("observer.syncEnabled", BOOLEAN, "true", "Whether observers keep a log."),
    _detail("observerMaster.sizeLimit", BYTES, "33554432", "Memory for observers of a follower."),
    _detail("commitProcessor.*", NUMBER, "", "Java's threads and batches."),
    _detail("messageTracker.Enabled", BOOLEAN, "false", "Java's logging."),
    _detail("messageTracker.BufferSize", COUNT, "10", "Java's logging."),
    _detail("testingonly.initialZxid", NUMBER, "", "The first zxid, for tests of roll-over."),
    _detail("test.allowDiscontinuousProposals", BOOLEAN, "false", "Allow gaps between zxids."),
    _detail(
        "leader.nodelay", BOOLEAN, "true", "Send at once.", properties=("leader.nodelay",), in_file=False
    ),
    _detail(
        "follower.nodelay", BOOLEAN, "true", "Send at once.", properties=("follower.nodelay",), in_file=False
    ),
    _detail("ssl.quorum.*", TEXT, "", "Certificates and protocols of TLS between members.", secret=True),
)

_SECURITY = (
    _java("enableEagerACLCheck", BOOLEAN, "false", "Check permissions before a member forwards."),
    _later("X509AuthenticationProvider.superUser", TEXT, "", "The certificate name that may do everything."),
    _later("SASLAuthenticationProvider.superPassword", TEXT, "", "The password of `super`.", secret=True),
    _later("superUser", TEXT, "", "The SASL user who may do everything."),
    _later("superUser.*", TEXT, "", "More of them."),
    _later("authProvider.*", TEXT, "", "The class of an authentication scheme."),
    _later("ssl.*", TEXT, "", "Certificates and protocols of client TLS.", secret=True),
    _later("client.portUnification", BOOLEAN, "false", "TLS and plain on one client port."),
    _later("client.certReload", BOOLEAN, "false", "Read certificates again when they change."),
    _detail("fips-mode", BOOLEAN, "true", "Java's host name checks and DIGEST-MD5."),
    _later("letAnySaslUserDoX", TEXT, "", "The SASL user who may read everything."),
    _later("allowSaslFailedClients", BOOLEAN, "false", "Let clients go on without SASL."),
    _later("sessionRequireClientSASLAuth", BOOLEAN, "false", "Insist on SASL.", refused="true"),
    _later("enforce.auth.enabled", BOOLEAN, "false", "Insist on a scheme.", refused="true"),
    _detail("enforce.auth.schemes", TEXT, "", "Which scheme."),
    _later("ensembleAuthName", TEXT, "", "Names clients may ask for with the scheme `ensemble`."),
    _later("IPAuthenticationProvider.usexforwardedfor", BOOLEAN, "false", "Trust a proxy's header."),
    _detail("sasl.serverconfig", TEXT, "Server", "Section of the JAAS file."),
    _detail(
        "java.security.auth.login.config",
        PATH,
        "",
        "The JAAS file.",
        properties=("java.security.auth.login.config",),
        in_file=False,
    ),
    _later("requireKerberosConfig", BOOLEAN, "false", "Insist on a Kerberos configuration."),
    _later("kerberos.*", BOOLEAN, "false", "How a Kerberos name becomes a user."),
    _later("security.auth_to_local", TEXT, "DEFAULT", "How a Kerberos name becomes a user."),
    _java("kinit", TEXT, "", "Path of a Kerberos command."),
)

_OPERATIONS = (
    _later("admin.enableServer", BOOLEAN, "true", "The HTTP commands; off here.", inert="false"),
    _detail("admin.serverAddress", TEXT, "0.0.0.0", "Where it listens."),
    _detail("admin.serverPort", PORT, "8080", "Where it listens."),
    _detail("admin.commandURL", TEXT, "/commands", "The path of the commands."),
    _detail("admin.idleTimeout", MILLIS, "30000", "When an idle connection ends."),
    _detail("admin.portUnification", BOOLEAN, "false", "TLS and plain on one port."),
    _detail("admin.forceHttps", BOOLEAN, "false", "Insist on TLS."),
    _detail("admin.needClientAuth", BOOLEAN, "false", "Insist on a client's certificate."),
    _detail("admin.httpVersion", NUMBER, "11", "The HTTP version offered."),
    _detail("admin.rateLimiterIntervalInMS", MILLIS, "300000", "Pause between snapshots."),
    _detail("admin.snapshot.enabled", BOOLEAN, "true", "Whether a snapshot may be fetched."),
    _detail("admin.restore.enabled", BOOLEAN, "true", "Whether one may be loaded."),
    _later("audit.enable", BOOLEAN, "false", "Log who changed what."),
    _detail("audit.impl.class", TEXT, "", "The class that does."),
    _later(
        "metricsProvider.className",
        TEXT,
        "",
        "The class that publishes metrics.",
        inert="org.apache.zookeeper.metrics.impl.DefaultMetricsProvider",
    ),
    _detail("metricsProvider.*", TEXT, "", "Its settings."),
    _later("pathStats.*", TEXT, "", "Statistics by path."),
    _later("controllerPort", PORT, "", "A port that makes Java's server misbehave on purpose."),
    _java("jvm.pause.monitor", BOOLEAN, "false", "Watch for pauses of the Java machine."),
    _java("jvm.pause.sleep.time.ms", MILLIS, "500", "How often."),
    _java("jvm.pause.info-threshold.ms", MILLIS, "1000", "What is worth a line."),
    _java("jvm.pause.warn-threshold.ms", MILLIS, "10000", "What is worth a warning."),
    _java("jmx.*", TEXT, "", "Java's management interface."),
    _java("log.*", TEXT, "", "Names of Java's log files."),
    _java("root.logger", TEXT, "", "Java's logging."),
    _java("console.threshold", TEXT, "", "Java's logging."),
    _java("tracelog.*", TEXT, "", "Java's logging."),
    _java("auditlog.*", TEXT, "", "Java's logging."),
)

_CLIENTS = (
    _java("client.secure", BOOLEAN, "false", "Whether the client uses TLS."),
    _java("clientCnxnSocket", TEXT, "", "The client's network library."),
    _java("disableAutoWatchReset", BOOLEAN, "false", "Whether the client restores its watches."),
    _java("request.timeout", MILLIS, "0", "How long the client waits for an answer."),
    _java("sasl.client", BOOLEAN, "true", "Whether the client uses SASL."),
    _java("sasl.client.*", TEXT, "", "The server's name in SASL."),
    _java("sasl.clientconfig", TEXT, "Client", "Section of the JAAS file."),
    _java("server.principal", TEXT, "", "The server's name in Kerberos.", in_file=False),
    _java("server.realm", TEXT, "", "The server's realm in Kerberos.", in_file=False),
    _java("shuffleDnsResponse", BOOLEAN, "false", "Try addresses in any order."),
)

_SECTIONS = {
    "Basics": _BASICS,
    "Limits": _LIMITS,
    "Storage": _STORAGE,
    "Nodes": _NODES,
    "Ensemble": _ENSEMBLE,
    "Security": _SECURITY,
    "Operations": _OPERATIONS,
    "Clients": _CLIENTS,
}

RECOGNISED: Final[tuple[Setting, ...]] = tuple(
    replace(row, section=section) for section, rows in _SECTIONS.items() for row in rows
)
"""Every row this server does not act on."""
