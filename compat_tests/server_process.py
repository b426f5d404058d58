"""A ZooKeeper server as a separate process: ours or Java's, behind one interface.

Both kinds read the same zoo.cfg and take the same -D properties; only the command line differs, so that is
the one thing a subclass says. Readiness is observed (the `srvr` word answers), never assumed; stopping is
by SIGTERM, crashing by SIGKILL; starting again on the same object keeps the port and the data directory.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from .four_letter_client import is_serving, server_version
from .waiting import PATIENCE_S, NotInTime, until

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 15.0

DEFAULT_SETTINGS: Mapping[str, str] = {
    "clientPortAddress": "127.0.0.1",
    "tickTime": "2000",
    "maxClientCnxns": "0",
    "admin.enableServer": "false",
    "4lw.commands.whitelist": "*",
    # The log file grows by this many KiB at a time; the default of 64 MiB is only slow here.
    "preAllocSize": "1024",
}
DEFAULT_PROPERTIES: Mapping[str, str] = {
    "zookeeper.extendedTypesEnabled": "true",
    # Left to itself a server removes old containers every minute: a write that no test has asked for.
    "znode.container.checkIntervalMs": "36000000",
}


T = TypeVar("T")


class ServerDidNotStart(Exception):
    """The process ended or stayed silent; the message carries the end of its output."""


def free_port() -> int:
    """A loopback TCP port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class ServerProcess(ABC):
    """One server on 127.0.0.1 with its own data directory. Use it as a context manager."""

    kind: str

    def __init__(
        self,
        *,
        settings: Mapping[str, str] | None = None,
        properties: Mapping[str, str] | None = None,
        data_dir: Path | None = None,
    ) -> None:
        """`settings` are zoo.cfg lines and `properties` -D options, on top of the defaults above.

        With `data_dir` the server uses a directory that somebody else owns and removes.
        """
        self._settings = {**DEFAULT_SETTINGS, **(settings or {})}
        self._properties = {**DEFAULT_PROPERTIES, **(properties or {})}
        self._home = Path(tempfile.mkdtemp(prefix=f"compat-{self.kind}-"))
        self.data_dir = data_dir or self._home / "data"
        self.data_dir.mkdir(exist_ok=True)
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command_line(self, configuration: Path, properties: Mapping[str, str]) -> list[str]:
        """The command that serves `configuration` with the given system properties."""

    @property
    def hosts(self) -> str:
        """The connect string for clients."""
        return f"127.0.0.1:{self.port}"

    @property
    def version(self) -> tuple[int, ...]:
        """The version the running server reports."""
        return server_version(self.port)

    @property
    def output(self) -> str:
        """Everything the process has written to its standard output and error so far, all starts together."""
        log = self._home / "output.log"
        return log.read_text("utf-8", "replace") if log.exists() else ""

    @property
    def pid(self) -> int:
        """The running process."""
        assert self._process is not None, "never started"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """True while the process exists."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start the process and return once it serves clients. Raises ServerDidNotStart."""
        assert not self.is_running, "already running"
        configuration = self._home / "zoo.cfg"
        settings = {**self._settings, "dataDir": str(self.data_dir), "clientPort": str(self.port)}
        configuration.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        with (self._home / "output.log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command_line(configuration, self._properties),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._home,
            )
        self._await_serving(self._process)
        return self

    def stop(self) -> int:
        """End the process with SIGTERM and return its exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Crash the process with SIGKILL."""
        self._end(signal.SIGKILL)

    def restart(self) -> Self:
        """Stop and start on the same port and data."""
        self.stop()
        return self.start()

    def until(self, promise: str, is_kept: Callable[[], T | None], *, patience_s: float = PATIENCE_S) -> T:
        """Look at a condition until it is true (or something), and return that; the server must not end."""

        def kept() -> T | None:
            result = is_kept()
            assert result or self.is_running, f"ended before {promise}: {self.output[-2000:]}"
            return result

        return until(promise, kept, patience_s=patience_s, report=lambda: self.output[-2000:])

    def close(self) -> None:
        """End the process, if it still runs, and remove its temporary directory."""
        if self.is_running:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.kill()
        shutil.rmtree(self._home, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _end(self, how: signal.Signals) -> int:
        assert self._process is not None, "never started"
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(how)
        return self._process.wait(STOP_TIMEOUT_S)

    def _await_serving(self, process: subprocess.Popen[bytes]) -> None:
        def serves() -> bool:
            if process.poll() is not None:
                raise ServerDidNotStart(f"exit code {process.returncode}: {self.output[-2000:]}")
            return is_serving(self.port)

        try:
            until("it serves", serves, patience_s=START_TIMEOUT_S, report=lambda: self.output[-2000:])
        except NotInTime as error:
            self.kill()
            raise ServerDidNotStart(str(error)) from None
