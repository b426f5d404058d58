"""The settings that are no field of `Config`: Java's own, those of parts that are not built yet, and lists.

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
    PORT,
    SECONDS,
    TEXT,
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


def _list(key: str, doc: str, *, default: str = "") -> Setting:
    """A line of a list of servers: no single value, and never a system property."""
    return Setting("", key, TEXT, default, doc, Status.IMPLEMENTED, properties=())


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
    _list("server.*", "A member: `host:port:electionPort[:role][;[clientHost:]clientPort]`."),
    _list("group.*", "Members of a group, joined by `:`; a quorum is most of the weight of most groups."),
    _list("weight.*", "Votes of a member inside its group.", default="1"),
    _list("version", "The version of the list of members, in hex.", default="0"),
    _list("dynamicConfigFile", "A file with the list of members; its name ends in the list's version."),
    _java("electionAlg", ELECTION_ALGORITHM, "3", "The way to elect; only 3 exists."),
    _later("observerMasterPort", PORT, "0", "Where a follower serves observers."),
    _detail("observerMaster.sizeLimit", BYTES, "33554432", "Memory for observers of a follower."),
    _later("sslQuorum", BOOLEAN, "false", "TLS between members.", refused="true"),
    _later("portUnification", BOOLEAN, "false", "TLS and plain on one port between members."),
    _detail("sslQuorumReloadCertFiles", BOOLEAN, "false", "Read certificates again when they change."),
    _detail("ssl.quorum.*", TEXT, "", "Certificates and protocols of TLS between members.", secret=True),
    _later("quorum.auth.enableSasl", BOOLEAN, "false", "SASL between members.", refused="true"),
    _later("quorum.auth.learnerRequireSasl", BOOLEAN, "false", "Members insist on it.", refused="true"),
    _later("quorum.auth.serverRequireSasl", BOOLEAN, "false", "The leader insists on it.", refused="true"),
    _detail("quorum.auth.learner.saslLoginContext", TEXT, "QuorumLearner", "Section of the JAAS file."),
    _detail("quorum.auth.server.saslLoginContext", TEXT, "QuorumServer", "Section of the JAAS file."),
    _detail(
        "quorum.auth.kerberos.servicePrincipal", TEXT, "zkquorum/localhost", "Kerberos name of the leader."
    ),
    _java("quorum.cnxn.threads.size", COUNT, "20", "Java's threads."),
    _java("leader.ackLoggingFrequency", COUNT, "1000", "Java's logging."),
    _java("leader.closeSocketAsync", BOOLEAN, "false", "Java's threads."),
    _java("learner.closeSocketAsync", BOOLEAN, "false", "Java's threads."),
    _java("learner.asyncSending", BOOLEAN, "false", "Java's threads."),
    _java("follower.skipLearnerRequestToNextProcessor", BOOLEAN, "false", "A shortcut of Java's pipeline."),
    _java(
        "forward_learner_requests_to_commit_processor_disabled",
        BOOLEAN,
        "false",
        "A shortcut of Java's pipeline.",
    ),
    _java("commitProcessor.*", NUMBER, "", "Java's threads and batches."),
    _java("messageTracker.Enabled", BOOLEAN, "false", "Java's logging."),
    _java("messageTracker.BufferSize", COUNT, "10", "Java's logging."),
    _later("test.allowDiscontinuousProposals", BOOLEAN, "false", "Allow gaps between zxids."),
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
