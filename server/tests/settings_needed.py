"""What an audit of the configuration asks of this server: every key of ZooKeeper 3.9, and its weight.

One line each: the need, the key as written in zoo.cfg, a value that asks for something (another one than
the default; FOLDER stands for a folder with files), and the system property where it is not
`zookeeper.<key>`. A key marked `-D` is a system property only: ZooKeeper does not read it from the file.

| need | what must hold |
|---|---|
| must | it works |
| should | it works, or a warning or a refusal names it |
| java | it concerns a part that only Java has; accepted in silence |
| maybe | it is at least known |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Need:
    """One line of the list below."""

    need: str
    key: str
    value: str
    properties: tuple[str, ...]
    in_file: bool = True


_SECURE_KEYS: Final = (
    ("must", "keyStore.location", "/keys.pem"),
    ("must", "keyStore.password", "secret"),
    ("must", "keyStore.passwordPath", "/password"),
    ("must", "keyStore.type", "PEM"),
    ("must", "trustStore.location", "/trust.pem"),
    ("must", "trustStore.password", "secret"),
    ("must", "trustStore.passwordPath", "/password"),
    ("must", "trustStore.type", "PEM"),
    ("must", "protocol", "TLSv1.2"),
    ("must", "enabledProtocols", "TLSv1.2"),
    ("must", "ciphersuites", "TLS_AES_128_GCM_SHA256"),
    ("must", "clientAuth", "want"),
    ("must", "hostnameVerification", "false"),
    ("must", "clientHostnameVerification", "true"),
    ("maybe", "allowReverseDnsLookup", "false"),
    # Both make Java's library ask servers elsewhere whether a certificate was revoked; ours cannot.
    ("should", "crl", "true"),
    ("should", "ocsp", "true"),
    ("must", "handshakeDetectionTimeoutMillis", "1000"),
    ("must", "authProvider", "x509"),
    ("maybe", "context.supplier.class", "a.b.Supplier"),
    ("java", "sslProvider", "OPENSSL"),
)
"""Client TLS; the same keys for TLS between members are a `should`."""

_TABLE: Final = """
must    dataLogDir                                  /log
must    clientPort                                  2182
must    clientPortAddress                           127.0.0.1
must    secureClientPort                            2281
must    secureClientPortAddress                     127.0.0.1
should  clientPortListenBacklog                     7
must    tickTime                                    1000
must    minSessionTimeout                           1234
must    maxSessionTimeout                           12345
must    maxClientCnxns                              7
must    initLimit                                   7
must    syncLimit                                   7
must    connectToLearnerMasterLimit                 7
must    electionAlg                                 3
must    peerType                                    observer
must    server.3                                    127.0.0.1:3:4
must    group.1                                     1:2:3
must    weight.1                                    2
should  oraclePath                                  /oracle
must    standaloneEnabled                           false
must    reconfigEnabled                             true
must    quorumListenOnAllIPs                        true
should  observerMasterPort                          2191
should  syncEnabled                                 false
must    localSessionsEnabled                        true
must    localSessionsUpgradingEnabled               true
must    autopurge.snapRetainCount                   4
must    autopurge.purgeInterval                     1
should  multiAddress.enabled                        true
should  multiAddress.reachabilityCheckEnabled       false
should  multiAddress.reachabilityCheckTimeoutMs     10
should  sslQuorum                                   true
should  portUnification                             true
should  sslQuorumReloadCertFiles                    true
should  quorum.auth.enableSasl                      true
should  quorum.auth.learnerRequireSasl              true
should  quorum.auth.serverRequireSasl               true
should  quorum.auth.learner.saslLoginContext        Other
should  quorum.auth.server.saslLoginContext         Other
maybe   quorum.auth.kerberos.servicePrincipal       other/host
java    quorum.cnxn.threads.size                    7
should  metricsProvider.className                   PROMETHEUS
should  metricsProvider.httpPort                    7001
should  metricsProvider.httpHost                    127.0.0.1
should  metricsProvider.exportJvmInfo               false
java    jvm.pause.monitor                           true
java    jvm.pause.sleep.time.ms                     7
java    jvm.pause.info-threshold.ms                 7
java    jvm.pause.warn-threshold.ms                 7

must    jute.maxbuffer                              4096      -D jute.maxbuffer
must    jute.maxbuffer.extrasize                    4096
must    maxCnxns                                    7
must    globalOutstandingLimit                      7
should  request_throttle_max_requests               7
should  request_throttle_stall_time                 7
should  request_throttle_drop_stale                 false
should  request_stale_connection_check              false
should  request_stale_latency_check                 true
maybe   request_throttler.shutdownTimeout           7
should  throttled_op_wait_time                      7
should  largeRequestThreshold                       7
should  largeRequestMaxBytes                        7
maybe   connection_throttle_tokens                  7
maybe   connection_throttle_fill_time               7
maybe   connection_throttle_fill_count              7
maybe   connection_throttle_freeze_time             7
maybe   connection_throttle_drop_increase           0.5
maybe   connection_throttle_drop_decrease           0.5
maybe   connection_throttle_decrease_ratio          0.5
maybe   connection_throttle_weight_enabled          true
maybe   connection_throttle_global_session_weight   7
maybe   connection_throttle_renew_session_weight    7
maybe   connection_throttle_local_session_weight    2
java    maxResponseCacheSize                        7
java    maxGetChildrenResponseCacheSize             7
must    nio.sessionlessCnxnTimeout                  7
should  clientTcpKeepAlive                          true
should  tcpKeepAlive                                true
java    nio.numSelectorThreads                      7
java    nio.numWorkerThreads                        7
java    nio.directBufferBytes                       7
java    nio.shutdownTimeout                         7
java    netty.advancedFlowControl.enabled           true
java    serverCnxnFactory                           org.apache.zookeeper.server.NettyServerCnxnFactory
java    intBufferStartingSizeBytes                  7

must    preAllocSize                                7
must    snapCount                                   7
must    snapSizeLimitInKb                           7
must    txnLogSizeLimitInKb                         7
must    commitLogCount                              700
must    snapshotSizeFactor                          0.5
must    forceSync                                   no
should  fsync.warningthresholdms                    7
should  flushDelay                                  7
should  maxWriteQueuePollTime                       7
should  maxBatchSize                                7
must    snapshot.compression.method                 gz
must    snapshot.trust.empty                        true
must    datadir.autocreate                          false
must    db.autocreate                               false
must    digest.enabled                              false
must    serializeLastProcessedZxid.enabled          false
must    closeSessionTxn.enabled                     false
should  forceSnapshotSync                           true

must    extendedTypesEnabled                        true      -D zookeeper.extendedTypesEnabled
maybe   emulate353TTLNodes                          true      -D zookeeper.emulate353TTLNodes
must    znode.container.checkIntervalMs             7         -D znode.container.checkIntervalMs
must    znode.container.maxPerMinute                7         -D znode.container.maxPerMinute
must    znode.container.maxNeverUsedIntervalMs      7         -D znode.container.maxNeverUsedIntervalMs
must    enforceQuota                                true
java    watchManagerName                            a.b.Watches
java    watcherCleanThreshold                       7
java    watcherCleanIntervalInSeconds               7
java    watcherCleanThreadsNum                      7
java    maxInProcessingDeadWatchers                 7
java    bitHashCacheSize                            7
must    readonlymode.enabled                        true      -D readonlymode.enabled

must    cnxTimeout                                  7
must    quorumCnxnTimeoutMs                         7
must    fastleader.minNotificationInterval          7
must    fastleader.maxNotificationInterval          7
should  electionPortBindRetry                       7
should  leaderServes                                no
should  leader.maxConcurrentSnapSyncs               7
should  leader.maxConcurrentDiffSyncs               7
should  leader.maxTimeToWaitForEpoch                7
must    leaderConnectDelayDuringRetryMs             7
should  observer.reconnectDelayMs                   7
should  observer.election.DelayMs                   7
should  observer.syncEnabled                        false
should  observerMaster.sizeLimit                    7
java    commitProcessor.numWorkerThreads            7
java    commitProcessor.maxReadBatchSize            7
java    commitProcessor.maxCommitBatchSize          7
java    commitProcessor.shutdownTimeout             7
java    leader.closeSocketAsync                     true
java    learner.closeSocketAsync                    true
java    learner.asyncSending                        true
java    follower.skipLearnerRequestToNextProcessor  true
java    forward_learner_requests_to_commit_processor_disabled true
java    leader.ackLoggingFrequency                  7
java    messageTracker.BufferSize                   7
java    messageTracker.Enabled                      true
should  leader.nodelay                              false     -D leader.nodelay
should  follower.nodelay                            false     -D follower.nodelay
should  testingonly.initialZxid                     7
should  test.allowDiscontinuousProposals            true

must    skipACL                                     yes
should  enableEagerACLCheck                         true      -D zookeeper.enableEagerACLCheck
must    DigestAuthenticationProvider.enabled        false
must    DigestAuthenticationProvider.superDigest    super:x
must    DigestAuthenticationProvider.digestAlg      SHA-256
must    X509AuthenticationProvider.superUser        CN=me
must    superUser                                   me
must    superUser.1                                 me
must    authProvider.1                              SASL
maybe   letAnySaslUserDoX                           me
should  allowSaslFailedClients                      true      -D zookeeper.allowSaslFailedClients
must    sessionRequireClientSASLAuth                true
must    enforce.auth.enabled                        true
must    enforce.auth.schemes                        digest
should  ensembleAuthName                            here      -D zookeeper.ensembleAuthName
should  IPAuthenticationProvider.usexforwardedfor   true
should  java.security.auth.login.config             FOLDER/jaas     -D java.security.auth.login.config
should  sasl.serverconfig                           Other
maybe   kerberos.removeHostFromPrincipal            true
maybe   kerberos.removeRealmFromPrincipal           true
maybe   kerberos.canonicalizeHostNames              true
maybe   security.auth_to_local                      RULE:[1:$1]
should  client.portUnification                      true
should  client.certReload                           true
should  fips-mode                                   false

must    4lw.commands.whitelist                      ruok
must    admin.enableServer                          true
must    admin.serverAddress                         127.0.0.1
must    admin.serverPort                            7
must    admin.commandURL                            /other
must    admin.idleTimeout                           7
should  admin.portUnification                       true
should  admin.forceHttps                            true
should  admin.needClientAuth                        true
java    admin.httpVersion                           20
should  admin.rateLimiterIntervalInMS               7
should  admin.snapshot.enabled                      false
should  admin.restore.enabled                       false
should  audit.enable                                true
maybe   audit.impl.class                            a.b.Audit
maybe   pathStats.enabled                           true
maybe   pathStats.slotCapacity                      7
maybe   pathStats.slotDuration                      7
maybe   pathStats.maxDepth                          7
maybe   pathStats.sampleRate                        0.5
maybe   pathStats.initialDelay                      7
maybe   pathStats.delay                             7
maybe   pathStats.topPathMax                        7
should  controllerPort                              7
java    jmx.log4j.disable                           true
java    root.logger                                 INFO
"""


_CLASSES: Final = {
    "PROMETHEUS": "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider",
    "SASL": "org.apache.zookeeper.server.auth.SASLAuthenticationProvider",
}


def _read(line: str) -> Need:
    words = line.split()
    need, key, value = words[:3]
    value = _CLASSES.get(value, value)
    if len(words) == 3:
        return Need(need, key, value, (f"zookeeper.{key}",))
    assert words[3] == "-D", line
    return Need(need, key, value, tuple(words[4:]), in_file=False)


NEEDS: Final = (
    *(_read(line) for line in _TABLE.splitlines() if line),
    *(Need(need, f"ssl.{key}", value, (f"zookeeper.ssl.{key}",)) for need, key, value in _SECURE_KEYS),
    *(
        Need(
            "should" if need == "must" else need,
            f"ssl.quorum.{key}",
            value,
            (f"zookeeper.ssl.quorum.{key}",),
        )
        for need, key, value in _SECURE_KEYS
    ),
)
"""The whole list. `dataDir` and `dynamicConfigFile`, which every start is about, have tests of their own."""
