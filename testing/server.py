"""`Server`: a real ZooKeeper server inside the process of the test that uses it.

It listens on a real port of 127.0.0.1 and keeps its data in a real folder, so any client can be used with
it; it starts in milliseconds, is ready when `start` returns, and leaves nothing behind after `close`: no
thread, no socket, no folder. Several of them can live in one process.

Not here: ensembles, simulated time and simulated disks.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from ..quorum.launcher.reserved_port import LOOPBACK, ReservedPort
from ..server.config import config_from
from ..server.zookeeper_server import ZooKeeperServer
from .server_thread import ServerThread

if TYPE_CHECKING:
    from .tls_files import TlsFiles

DEFAULTS: Final[Mapping[str, object]] = {
    # Sessions may be as short as a second, and as long as a default server allows.
    "tickTime": 500,
    "maxSessionTimeout": 60_000,
    "maxClientCnxns": 0,
    "4lw.commands.whitelist": "*",
    # The data is not meant to outlive the machine, and waiting for a disk is most of a small write's time.
    "forceSync": False,
    "preAllocSize": 64,
}
"""What differs from a server's own defaults, unless the caller says otherwise."""


class Server:
    """One server for tests. A context manager; or `start` it, and `close` it when done.

    `port` 0 lets the system choose one, once: it is kept through `stop`, `kill` and `start`, and nobody
    else gets it in between. Without `data_dir` the data is in a temporary folder that `close` removes; a
    folder of yours is never removed. `properties` are keys of zoo.cfg (or system properties); every other
    keyword is a field of `zoolet.server.config.Config`, such as `max_session_timeout_ms=4000` or
    `force_sync=True`. Raises ConfigError for values that make no sense and OSError for a port that is
    taken.

    With `tls=True` there is a second port for clients that use TLS, and `tls` has the files they need; every
    one of them has to show a certificate unless `properties` has another `ssl.clientAuth`.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        data_dir: str | PathLike[str] | None = None,
        tick_time_ms: int | None = None,
        tls: bool = False,
        properties: Mapping[str, object] | None = None,
        **fields: object,
    ) -> None:
        if tick_time_ms is not None:
            fields["tick_time_ms"] = tick_time_ms
        self._reserved = ReservedPort(port)
        self._temporary_folder: str | None = None
        try:
            if data_dir is None:
                self._temporary_folder = data_dir = tempfile.mkdtemp(prefix="zoolet-")
            self.data_dir = Path(data_dir)
            ports: dict[str, object] = {"clientPort": self.port, "clientPortAddress": LOOPBACK}
            beneath = DEFAULTS
            if tls:
                from .tls_files import TlsFiles

                self.tls = TlsFiles()
                self._reserved_secure = ReservedPort()
                ports |= {"secureClientPort": self.secure_port, "secureClientPortAddress": LOOPBACK}
                beneath = {**DEFAULTS, **self.tls.settings}
            self._config = config_from(
                {**(properties or {}), **ports},
                beneath=beneath,
                data_dir=self.data_dir,
                **fields,
            )
        except BaseException:
            self.close()
            raise

    tls: TlsFiles | None = None
    """What clients need to use TLS; None for a server without it."""
    _reserved_secure: ReservedPort | None = None
    _thread: ServerThread[ZooKeeperServer] | None = None
    _is_closed = False

    @property
    def port(self) -> int:
        """The port clients connect to; the same for the whole life of this object."""
        return self._reserved.port

    @property
    def secure_port(self) -> int:
        """The port of clients that use TLS, as constant as the other one; -1 without it."""
        return -1 if self._reserved_secure is None else self._reserved_secure.port

    @property
    def connect_string(self) -> str:
        """What clients call hosts: `127.0.0.1:<port>`."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def is_running(self) -> bool:
        """True while clients are served."""
        return self._thread is not None and self._thread.is_running

    def start(self) -> Self:
        """Serve; returns once clients can connect. Raises what kept the server from starting."""
        if self._is_closed:
            raise RuntimeError("this server is closed; make a new one")
        if self.is_running:
            raise RuntimeError("this server is already running")
        thread = ServerThread(lambda: ZooKeeperServer(self._config))
        thread.wait_until_ready()
        self._thread = thread
        return self

    def stop(self) -> None:
        """Stop cleanly; sessions live on in the data. Raises what the server failed with, if it did."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.stop()

    def restart(self) -> Self:
        """Stop, and start on the same port and data."""
        self.stop()
        return self.start()

    def kill(self) -> None:
        """End it as if the power went: nothing is written or flushed any more, and nobody is told goodbye.

        `start` then starts on the same port and on what was on the disk at that moment.
        """
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.kill()

    def close(self) -> None:
        """Stop, give the port back, and remove the folder if it is temporary. Once or more."""
        self._is_closed = True
        try:
            self.stop()
        finally:
            self._reserved.release()
            if self._reserved_secure is not None:
                self._reserved_secure.release()
            if self.tls is not None:
                self.tls.close()
            if self._temporary_folder is not None:
                shutil.rmtree(self._temporary_folder, ignore_errors=True)

    def __enter__(self) -> Self:
        if not self.is_running:
            try:
                self.start()
            except BaseException:
                self.close()
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "running" if self.is_running else "closed" if self._is_closed else "stopped"
        return f"<zoolet.testing.Server {self.connect_string} {state}>"
