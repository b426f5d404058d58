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
    MILLIS,
    NUMBER,
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


def _family(key: str, doc: str) -> Setting:
    """Settings that work and are read as system properties, as there may be any number of them."""
    return Setting("", key, TEXT, "", doc, Status.IMPLEMENTED)


_BASICS = (_java("serverCnxnFactory", TEXT, "", "Java's choice of network library."),)

_LIMITS = (
    _java("request_throttler.shutdownTimeout", MILLIS, "10000", "How long a stop waits for them."),
    _java("nio.numSelectorThreads", COUNT, "", "Java's threads."),
    _java("nio.numWorkerThreads", COUNT, "", "Java's threads."),
    _java("nio.directBufferBytes", BYTES, "65536", "Java's buffers."),
    _java("nio.shutdownTimeout", MILLIS, "5000", "How long Java's worker threads may take to end."),
    _java("netty.*", TEXT, "", "Java's other network library."),
    _java("intBufferStartingSizeBytes", BYTES, "1024", "Java's buffers."),
)

_NODES = (
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
    _later("ssl.quorum.crl", BOOLEAN, "false", "Ask for revoked certificates.", refused="true"),
    _later("ssl.quorum.ocsp", BOOLEAN, "false", "Ask whether a certificate is revoked.", refused="true"),
    _later(
        "ssl.quorum.allowReverseDnsLookup", BOOLEAN, "false", "Trust DNS for a member's name.", refused="true"
    ),
    _later("ssl.quorum.context.supplier.class", TEXT, "", "Java's class that makes TLS contexts."),
    _java("ssl.quorum.sslProvider", TEXT, "JDK", "Java's choice of TLS library."),
    _java("ssl.quorum.authProvider", TEXT, "x509", "Java never reads it."),
    _later("ssl.quorum.*", TEXT, "", "Other keys of TLS between members.", secret=True),
    _later("quorum.auth.enableSasl", BOOLEAN, "false", "SASL between members.", refused="true"),
    _later("quorum.auth.learnerRequireSasl", BOOLEAN, "false", "Members insist on it.", refused="true"),
    _later("quorum.auth.serverRequireSasl", BOOLEAN, "false", "The leader insists on it.", refused="true"),
    _detail("quorum.auth.learner.saslLoginContext", TEXT, "QuorumLearner", "Section of the JAAS file."),
    _detail("quorum.auth.server.saslLoginContext", TEXT, "QuorumServer", "Section of the JAAS file."),
    _detail(
        "quorum.auth.kerberos.servicePrincipal", TEXT, "zkquorum/localhost", "Kerberos name of the leader."
    ),
    _java("quorum.cnxn.threads.size", COUNT, "20", "Java's threads."),
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
    _family("superUser", "The SASL user who may do everything."),
    _family("superUser.*", "More of them."),
    _family(
        "authProvider.*",
        "A scheme besides `ip` and `digest`: the Java class of one that is known here, or `module:Class`.",
    ),
    _later("ssl.crl", BOOLEAN, "false", "Ask for revoked certificates.", refused="true"),
    _later("ssl.ocsp", BOOLEAN, "false", "Ask whether a certificate is revoked.", refused="true"),
    _later("ssl.allowReverseDnsLookup", BOOLEAN, "false", "Trust DNS for a client's name.", refused="true"),
    _later("ssl.context.supplier.class", TEXT, "", "Java's class that makes TLS contexts."),
    _java("ssl.sslProvider", TEXT, "JDK", "Java's choice of TLS library."),
    _later("ssl.*", TEXT, "", "Other keys of client TLS.", secret=True),
    _java("kerberos.canonicalizeHostNames", BOOLEAN, "false", "How Kerberos' clients name the server."),
    _java("kinit", TEXT, "", "Path of a Kerberos command."),
)

_OPERATIONS = (
    _later(
        "audit.impl.class",
        TEXT,
        "",
        "Java's class that writes the audit log.",
        inert="org.apache.zookeeper.audit.Slf4jAuditLogger",
    ),
    _java("metricsProvider.*", TEXT, "", "Threads and queues of Java's provider."),
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
