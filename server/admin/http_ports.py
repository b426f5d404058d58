"""HttpPorts: where commands and metrics are served over HTTP, as the configuration asks for it.

A server that nobody asks over HTTP pays for the listening sockets only: h11 and everything that makes answers
is imported with the first connection.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from ..endpoint import Accept, Dirty
from ..event_loop import EventLoop
from ..sockets import bind

if TYPE_CHECKING:
    from ...storage.snap_store import SnapStore
    from ..settings_table import Config
    from .http_endpoint import HttpEndpoint
    from .http_message import Site
    from .transfers import Transfers
    from .view import AdminView

CONNECTIONS_MAX: Final = 100
"""More than this at a port are refused: whoever asks over HTTP needs a few."""
METRICS_IDLE_MS: Final = 30_000
"""As Jetty has it, unless it is told otherwise."""

_log = logging.getLogger(__name__)


class ServedCore(Protocol):
    """What an HTTP connection needs of whoever runs the server."""

    dirty: Dirty
    now_ms: int
    wall_ms: int


class HttpListener:
    """The connections of one port.

    Args:
        make_site: what is served; made with the first connection.
        core: where its connections put themselves, and what time it is.
        idle_timeout_ms: when they end if nothing happens.
    """

    def __init__(self, make_site: Callable[[], Site], core: ServedCore, idle_timeout_ms: int) -> None:
        self._make_site = make_site
        self._site: Site | None = None
        self._core = core
        self._idle_timeout_ms = idle_timeout_ms
        self._open: dict[HttpEndpoint, None] = {}

    def accept(self, remote_address: tuple[str, int]) -> HttpEndpoint | None:
        """A connection; None if there are too many."""
        from .http_endpoint import HttpEndpoint

        if len(self._open) >= CONNECTIONS_MAX:
            _log.warning("too many connections over HTTP: there are %d", CONNECTIONS_MAX)
            return None
        if self._site is None:
            self._site = self._make_site()
        endpoint = HttpEndpoint(
            self._site,
            remote_address,
            self._core.dirty,
            self._core,
            idle_timeout_ms=self._idle_timeout_ms,
            on_closed=self._forget,
        )
        self._open[endpoint] = None
        return endpoint

    def tick(self, now_ms: int) -> None:
        """Time has passed."""
        for endpoint in list(self._open):
            endpoint.on_tick(now_ms)

    def _forget(self, endpoint: HttpEndpoint) -> None:
        del self._open[endpoint]


def serve_http(
    config: Config,
    loop: EventLoop,
    core: ServedCore,
    view: Callable[[], AdminView],
    *,
    store: SnapStore,
    make_transfers: Callable[[], Transfers],
) -> None:
    """Listen where the configuration says so; the loop owns the sockets from then on.

    The port of the commands may be taken: that is warned of. Raises OSError for that of the metrics, and
    ConfigError for certificates that can't be used.
    """
    if config.metrics_provider:

        def metrics_site() -> Site:
            from .metrics_site import MetricsSite

            return MetricsSite(config, view)

        sock = bind(_any(config.metrics_host), config.metrics_port, -1)
        metrics = HttpListener(metrics_site, core, METRICS_IDLE_MS)
        loop.listen(sock, metrics.accept)
        loop.on_tick.append(metrics.tick)
        _log.info("metrics are served on port %d", sock.getsockname()[1])
    if config.admin_enabled:

        def admin_site() -> Site:
            from .admin_site import AdminSite

            transfers = make_transfers()
            loop.on_tick.append(transfers.tick)
            return AdminSite(
                config, view, core, last_snapshot=partial(_last_snapshot, store), transfers=transfers
            )

        try:
            sock = bind(_any(config.admin_address), config.admin_port, -1)
        except OSError as error:
            _log.warning("commands over HTTP are not served: %s", error.strerror or error)
            return
        commands = HttpListener(admin_site, core, config.admin_idle_timeout_ms)
        accept: Accept = commands.accept
        if config.admin_force_https or config.admin_port_unification:
            from .https import accepting

            try:
                accept = accepting(config, commands, core.dirty)
            except BaseException:
                sock.close()
                raise
        loop.listen(sock, accept)
        loop.on_tick.append(commands.tick)
        _log.info("commands are served on port %d, %s", sock.getsockname()[1], config.admin_command_url)


def _last_snapshot(store: SnapStore) -> tuple[int, int] | None:
    """Zxid of the newest snapshot, and when it was last changed, in seconds since 1970."""
    newest = store.newest()
    if newest is None:
        return None
    for stored in store.stored():
        if stored.zxid == newest[0]:
            try:
                return stored.zxid, int(os.path.getmtime(stored.path))
            except OSError:
                return stored.zxid, -1
    return None


def _any(host: str) -> str:
    """Java's wildcard address takes IPv6 as well."""
    return "" if host == "0.0.0.0" else host
