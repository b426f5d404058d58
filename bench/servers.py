"""Starting, watching and ending a server, Java's or zoolet's: both get the same zoo.cfg and properties.

CPU and memory are what the kernel says of the process (proc(5)). Nothing here knows how a server works
inside.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from .errors import BenchError
from .readiness import await_first_reply

MAIN_CLASS = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
VERSION_CLASS = "org.apache.zookeeper.version.VersionInfoMain"
JAVA_HEAP = "-Xmx1000m"
"""What zkServer.sh of the original sets when the user sets nothing (ZK_SERVER_HEAP=1000)."""
DEBIAN_CLASSPATH = ":".join(
    f"/usr/share/java/{jar}.jar"
    for jar in ("zookeeper", "slf4j-nop", "netty-all", "netty-codec", "netty-resolver")
)
SETTLE_S = 2.0
START_DEADLINE_S = 180.0
STOP_DEADLINE_S = 60.0


class ServerKind(Protocol):
    """One of the two servers of the comparison."""

    @property
    def name(self) -> str:
        """Its column in the report."""

    def command(self, properties: Mapping[str, str], config: Path) -> list[str]:
        """The command line of a server with these system properties."""

    def version_commands(self) -> Mapping[str, list[str]]:
        """Commands whose last line tells what is being measured, by the name of that fact."""

    def collect_garbage(self, pid: int) -> bool:
        """Forces a full collection; False where there is nothing to force."""


@dataclass(frozen=True)
class Java:
    """The original on a JVM with the options zkServer.sh gives it, without JMX and without a log."""

    executable: str
    classpath: str
    name: str = "java"

    def command(self, properties: Mapping[str, str], config: Path) -> list[str]:
        """See ``ServerKind``."""
        defines = [f"-D{name}={value}" for name, value in properties.items()]
        return [self.executable, JAVA_HEAP, *defines, "-cp", self.classpath, MAIN_CLASS, str(config)]

    def version_commands(self) -> Mapping[str, list[str]]:
        """See ``ServerKind``."""
        return {
            "java": [self.executable, "-cp", self.classpath, VERSION_CLASS],
            "jvm": [self.executable, "-version"],
        }

    def collect_garbage(self, pid: int) -> bool:
        """Uses jcmd of the JDK; False without one on the path."""
        jcmd = shutil.which("jcmd")
        if jcmd is None:
            return False
        command = [jcmd, str(pid), "GC.run"]
        try:
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=STOP_DEADLINE_S)
        except subprocess.SubprocessError as error:
            raise BenchError(f"the collection could not be forced: {error}") from error
        return True


@dataclass(frozen=True)
class Zoolet:
    """``zoolet serve``; it has no collection to force."""

    executable: str
    name: str = "zoolet"

    def command(self, properties: Mapping[str, str], config: Path) -> list[str]:
        """See ``ServerKind``."""
        return [
            self.executable,
            "serve",
            *(f"-D{name}={value}" for name, value in properties.items()),
            str(config),
        ]

    def version_commands(self) -> Mapping[str, list[str]]:
        """See ``ServerKind``."""
        return {"zoolet": [self.executable, "--version"]}

    def collect_garbage(self, pid: int) -> bool:
        """See ``ServerKind``."""
        return False


@dataclass(frozen=True)
class Start:
    """From exec to the first reply of a create over a fresh connection."""

    wall_s: float
    cpu_s: float


@dataclass
class Server:
    """One data directory and, between ``start`` and ``stop``, the process that serves it."""

    kind: ServerKind
    directory: Path
    properties: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    _process: subprocess.Popen[bytes] | None = None
    _starts: int = 0

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        if self._process is None:
            raise BenchError("the server is not running")
        return self._process.pid

    def start(self, **properties: str) -> Start:
        """Starts on a free port and waits for the first reply; ``properties`` add to the server's own."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self.port = _free_port()
        self._starts += 1
        config = self.directory / "zoo.cfg"
        config.write_text(_config_text(self.directory / "data", self.port))
        command = self.kind.command({**self.properties, **properties}, config)
        with (self.directory / "server.log").open("ab") as log:
            begun = time.perf_counter()
            try:
                self._process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory
                )
            except OSError as error:
                raise BenchError(f"cannot run {command[0]}: {error.strerror}") from error
        try:
            replied = await_first_reply(
                self.port, f"/first-{self._starts}", deadline_s=START_DEADLINE_S, is_alive=self.is_alive
            )
        except (BenchError, OSError) as error:
            raise BenchError(f"{error}{self._log_tail()}") from error
        return Start(wall_s=replied - begun, cpu_s=self.cpu_s())

    def stop(self) -> None:
        """SIGTERM, then SIGKILL for one that does not end; harmless when nothing runs."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def is_alive(self) -> bool:
        """Whether the process that was started still runs."""
        return self._process is not None and self._process.poll() is None

    def cpu_s(self) -> float:
        """User and system time of the process so far, with its ended children; steps of 10 ms."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(int(ticks) for ticks in fields[11:15]) / os.sysconf("SC_CLK_TCK")

    def rss_bytes(self) -> int:
        """Resident memory of the process."""
        found = re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text(), re.MULTILINE)
        if found is None:
            raise BenchError("the server has no resident memory: it has ended")
        return int(found[1]) * 1024

    def settled_rss_bytes(self) -> int:
        """Resident memory once the work of the last request has had ``SETTLE_S`` to die down."""
        time.sleep(SETTLE_S)
        return self.rss_bytes()

    def collected_rss_bytes(self) -> int:
        """Resident memory after a forced collection; as it is where there is none to force."""
        return self.settled_rss_bytes() if self.kind.collect_garbage(self.pid) else self.rss_bytes()

    def snapshot_bytes(self) -> int:
        """Size of all snapshots in the data directory, finished or growing (temporary names say so too)."""
        total = 0
        for path in (self.directory / "data" / "version-2").glob("*snapshot*"):
            with suppress(FileNotFoundError):  # just renamed
                total += path.stat().st_size
        return total

    def _log_tail(self) -> str:
        lines = (self.directory / "server.log").read_text(errors="replace").splitlines()[-5:]
        return "".join(f"\n    {line}" for line in lines)


def _config_text(data_dir: Path, port: int) -> str:
    return (
        f"tickTime=2000\ndataDir={data_dir}\nclientPort={port}\nclientPortAddress=127.0.0.1\n"
        "maxClientCnxns=0\nadmin.enableServer=false\n4lw.commands.whitelist=*\n"
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
