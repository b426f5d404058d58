"""Starting, watching and ending a server, Java's or zoolet's: both get the same zoo.cfg and properties.

CPU and memory are what the kernel says of the process (proc(5)). Nothing here knows how a server works
inside.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from .errors import BenchError
from .kinds import ServerKind
from .ports import free_port
from .readiness import await_first_reply

SETTLE_S = 2.0
START_DEADLINE_S = 180.0
STOP_DEADLINE_S = 60.0


@dataclass(frozen=True)
class Start:
    """From exec to the first reply of a create over a fresh connection."""

    wall_s: float
    cpu_s: float


@dataclass
class ServerProcess:
    """A folder with a configuration and data and, between ``launch`` and ``stop``, the process using them."""

    kind: ServerKind
    directory: Path
    properties: Mapping[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        if self._process is None:
            raise BenchError("the server is not running")
        return self._process.pid

    @property
    def data_dir(self) -> Path:
        """``dataDir`` of the configuration."""
        return self.directory / "data"

    def launch(self, config_text: str, **properties: str) -> float:
        """Starts a process with this zoo.cfg; ``properties`` add to the server's own.

        Returns the ``time.perf_counter()`` of just before.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        config = self.directory / "zoo.cfg"
        config.write_text(config_text)
        command = self.kind.command({**self.properties, **properties}, config)
        with (self.directory / "server.log").open("ab") as log:
            begun = time.perf_counter()
            try:
                self._process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory
                )
            except OSError as error:
                raise BenchError(f"cannot run {command[0]}: {error.strerror}") from error
        return begun

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

    def kill(self) -> float:
        """SIGKILL. Returns the ``time.perf_counter()`` of just before; ``stop`` waits for its end."""
        if self._process is None:
            raise BenchError("the server is not running")
        begun = time.perf_counter()
        self._process.kill()
        return begun

    def is_alive(self) -> bool:
        """Whether the process that was started still runs."""
        return self._process is not None and self._process.poll() is None

    def cpu_s(self) -> float:
        """User and system time of the process so far, with its ended children; steps of 10 ms."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(int(ticks) for ticks in fields[11:15]) / os.sysconf("SC_CLK_TCK")

    def fine_cpu_s(self) -> float:
        """The same to the nanosecond, without ended children."""
        process_clock = (~self.pid << 3) | 2  # as clock_getcpuclockid(3) makes it
        return time.clock_gettime(process_clock)

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
        for path in (self.data_dir / "version-2").glob("*snapshot*"):
            with suppress(FileNotFoundError):  # just renamed
                total += path.stat().st_size
        return total

    def snapshots(self) -> set[Path]:
        """The snapshots in the data directory; Java's may still grow."""
        return set((self.data_dir / "version-2").glob("snapshot.*"))

    def logs(self) -> set[Path]:
        """The files of the transaction log."""
        return set((self.data_dir / "version-2").glob("log.*"))

    def log_tail(self) -> str:
        """The last lines of what it printed, indented, for the end of an error's text."""
        lines = (self.directory / "server.log").read_text(errors="replace").splitlines()[-5:]
        return "".join(f"\n    {line}" for line in lines)


@dataclass
class Server(ServerProcess):
    """A standalone server, on a new port at each start."""

    port: int = 0
    _starts: int = 0

    def start(self, **properties: str) -> Start:
        """Starts on a free port and waits for the first reply; ``properties`` add to the server's own."""
        self.port = free_port()
        self._starts += 1
        begun = self.launch(config_text(self.data_dir, self.port), **properties)
        try:
            replied = await_first_reply(
                self.port, f"/first-{self._starts}", deadline_s=START_DEADLINE_S, is_alive=self.is_alive
            )
        except (BenchError, OSError) as error:
            raise BenchError(f"{error}{self.log_tail()}") from error
        return Start(wall_s=replied - begun, cpu_s=self.cpu_s())


def config_text(data_dir: Path, port: int) -> str:
    """The zoo.cfg of a server; a member of an ensemble has more lines."""
    return (
        f"tickTime=2000\ndataDir={data_dir}\nclientPort={port}\nclientPortAddress=127.0.0.1\n"
        "maxClientCnxns=0\nadmin.enableServer=false\n4lw.commands.whitelist=*\n"
    )
