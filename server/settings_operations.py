"""The table of settings, continued: what an operator watches and looks after the server with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final

from .setting import (
    BOOLEAN,
    COUNT,
    HOURS,
    MILLIS,
    PORT,
    TEXT,
    Kind,
    Status,
    row,
)

_operation = partial(row, section="Operations")
_storage = partial(row, section="Storage")

SNAP_RETAIN_COUNT_MIN: Final = 3  # QuorumPeerConfig.MIN_SNAP_RETAIN_COUNT

PROMETHEUS: Final = "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider"
_NO_PROVIDER: Final = (
    "org.apache.zookeeper.metrics.impl.DefaultMetricsProvider",
    "org.apache.zookeeper.metrics.impl.NullMetricsProvider",
)


def _parse_metrics_provider(text: str) -> str:
    if text and text not in (PROMETHEUS, *_NO_PROVIDER):
        raise ValueError(f"expected {PROMETHEUS}, or nothing: other classes can't be loaded here")
    return text if text == PROMETHEUS else ""


def _parse_url_path(text: str) -> str:
    if not text.startswith("/"):
        raise ValueError("expected a path that begins with /")
    return text


_METRICS_PROVIDER: Final = Kind("class", _parse_metrics_provider)
_URL_PATH: Final = Kind("path", _parse_url_path)


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)  # a part of Config, which has these
class OperationSettings:
    """Fields of `Config` about HTTP commands, metrics, the audit log and old files."""

    # fmt: off
    snap_retain_count: int = _storage(
        "autopurge.snapRetainCount", COUNT, SNAP_RETAIN_COUNT_MIN,
        "How many snapshots stay, with the logs behind them; 3 at the least."
    )
    purge_interval_h: int = _storage(
        "autopurge.purgeInterval", HOURS, 0, "How often old snapshots and logs go; 0 never."
    )

    admin_enabled: bool = _operation(
        "admin.enableServer", BOOLEAN, False, "Whether commands are answered over HTTP.",
        written="false; true with a configuration file",
    )
    admin_address: str = _operation("admin.serverAddress", TEXT, "0.0.0.0", "Where it listens.")
    admin_port: int = _operation("admin.serverPort", PORT, 8080, "Where it listens.")
    admin_command_url: str = _operation(
        "admin.commandURL", _URL_PATH, "/commands", "The path of the commands."
    )
    admin_idle_timeout_ms: int = _operation(
        "admin.idleTimeout", MILLIS, 30_000, "When an idle connection ends; 0 or less never."
    )
    admin_rate_limiter_interval_ms: int = _operation(
        "admin.rateLimiterIntervalInMS", MILLIS, 300_000,
        "How long after one snapshot over HTTP the next one may be asked for; the same for loading one."
    )
    admin_snapshot_enabled: bool = _operation(
        "admin.snapshot.enabled", BOOLEAN, True, "Whether a snapshot may be fetched over HTTP."
    )
    admin_restore_enabled: bool = _operation(
        "admin.restore.enabled", BOOLEAN, True, "Whether a snapshot may be loaded over HTTP."
    )
    admin_port_unification: bool = _operation(
        "admin.portUnification", BOOLEAN, False, "Whether commands may be asked for with TLS, too."
    )
    admin_force_https: bool = _operation(
        "admin.forceHttps", BOOLEAN, False,
        "Whether commands have to be asked for with TLS; the certificate is that of `ssl.quorum.keyStore`."
    )
    admin_need_client_auth: bool = _operation(
        "admin.needClientAuth", BOOLEAN, False,
        "Whether TLS clients need a certificate that `ssl.quorum.trustStore` knows."
    )
    admin_http_version: int = _operation(
        "admin.httpVersion", COUNT, 11, "The version of HTTP that Java's server offers first.",
        status=Status.ACCEPTED,
    )

    metrics_provider: str = _operation(
        "metricsProvider.className", _METRICS_PROVIDER, "",
        f"`{PROMETHEUS}` publishes metrics over HTTP.",
    )
    metrics_host: str = _operation(
        "metricsProvider.httpHost", TEXT, "0.0.0.0", "Where metrics are published."
    )
    metrics_port: int = _operation("metricsProvider.httpPort", PORT, 7000, "Where metrics are published.")
    metrics_export_process: bool = _operation(
        "metricsProvider.exportJvmInfo", BOOLEAN, True, "Whether metrics of the process are among them."
    )

    audit_enabled: bool = _operation(
        "audit.enable", BOOLEAN, False, "Whether the logger `zoolet.audit` is told who changed what."
    )
    # fmt: on
