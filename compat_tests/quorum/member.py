"""One member of an ensemble: a folder, three ports, and a process of either implementation.

The folder outlives the process and does not care which implementation runs on it: that is what lets a test
replace Java by zoolet and back between two runs. What the member has on disk can be asked for without going
through the server, as evidence of how it was synchronised.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from ..four_letter_client import four_letter_word, monitor_values, server_line
from ..java_server import java_classpath
from ..waiting import until
from ..zoolet_server import zoolet_command

STOP_TIMEOUT_S = 15.0

_JAVA_OPTIONS = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-Xmx384m")
_JAVA_LOGGING = {
    "org.slf4j.simpleLogger.defaultLogLevel": "warn",
    # Elections and synchronisation are told in this package, at this level.
    "org.slf4j.simpleLogger.log.org.apache.zookeeper.server.quorum": "info",
    "org.slf4j.simpleLogger.showDateTime": "true",
    "org.slf4j.simpleLogger.dateTimeFormat": "HH:mm:ss.SSS",
}


_ERROR = re.compile(r"\bERROR\b|^Traceback")


class Kind(Enum):
    """The implementation of a member; its value is its letter in a composition."""

    JAVA = "J"
    ZOOLET = "Z"


class Ending(Enum):
    """How a process is ended."""

    STOP = signal.SIGTERM
    KILL = signal.SIGKILL


@dataclass(frozen=True)
class Ports:
    """Where a member listens on 127.0.0.1."""

    quorum: int
    election: int
    client: int


Launcher = Callable[[Path, Mapping[str, str]], list[str]]
"""From a zoo.cfg and system properties to the command that serves it."""


def java_launcher(classpath: str | None = None) -> Launcher:
    """Starts Java's server, from these jars or those in use for the whole suite."""

    def command_line(configuration: Path, properties: Mapping[str, str]) -> list[str]:
        options = {**_JAVA_LOGGING, **properties}
        return [
            "java",
            *_JAVA_OPTIONS,
            "-cp",
            classpath or java_classpath(),
            *(f"-D{name}={value}" for name, value in options.items()),
            "org.apache.zookeeper.server.quorum.QuorumPeerMain",
            str(configuration),
        ]

    return command_line


def zoolet_launcher(configuration: Path, properties: Mapping[str, str]) -> list[str]:
    """Starts zoolet the way a user does."""
    command = zoolet_command()
    assert command is not None, "the `zoolet` command is not installed; try `pip install -e .`"
    options = [f"-D{name}={value}" for name, value in properties.items()]
    return [command, "serve", *options, str(configuration)]


LAUNCHERS: Mapping[Kind, Launcher] = {Kind.JAVA: java_launcher(), Kind.ZOOLET: zoolet_launcher}


class Member:
    """One server of an ensemble. Its ensemble writes the configuration and waits for its role."""

    def __init__(self, sid: int, kind: Kind, *, is_observer: bool, home: Path, ports: Ports) -> None:
        self.sid = sid
        self.kind = kind
        self.is_observer = is_observer
        self.ports = ports
        self.home = home
        self.data_dir = home / "data"
        self.data_dir.mkdir(parents=True)
        self.replayed_until = 0
        """The zxid at which it was first seen serving in this run; what came before may be from its log."""
        self.mismatches_in_replay = 0
        """Digest mismatches it had counted by then."""
        self._is_settled = False
        self.is_zoolet = False
        """Whether the process is really zoolet, whatever the letter: Java can stand in for it."""
        self.is_only_zoolets = True
        """Whether nothing but zoolet has ever written to its folder."""
        self._process: subprocess.Popen[bytes] | None = None
        self._is_wanted = False
        self._log_offset = 0

    def __repr__(self) -> str:
        letter = self.kind.value.lower() if self.is_observer else self.kind.value
        return f"{letter}{self.sid}"

    # -- the process

    @property
    def port(self) -> int:
        """Its client port."""
        return self.ports.client

    @property
    def hosts(self) -> str:
        """The connect string of a client that is to use this member alone."""
        return f"127.0.0.1:{self.port}"

    @property
    def configuration(self) -> Path:
        """Its zoo.cfg."""
        return self.home / "zoo.cfg"

    @property
    def is_running(self) -> bool:
        """True while the process exists, paused or not."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """That of the last process; None while it runs."""
        return None if self._process is None else self._process.poll()

    @property
    def ended_by_itself(self) -> bool:
        """True when the process has gone and nobody had ended it."""
        return self._is_wanted and not self.is_running

    def launch(self, launcher: Launcher, properties: Mapping[str, str]) -> None:
        """Start the process on the configuration in its folder and return at once."""
        assert not self.is_running, f"{self} runs already"
        (self.data_dir / "myid").write_text(f"{self.sid}\n")
        self._is_wanted = True
        self._is_settled = False
        self.is_zoolet = launcher is zoolet_launcher
        self.is_only_zoolets &= self.is_zoolet
        with self._log_file.open("ab") as log:
            self._log_offset = log.tell()
            self._process = subprocess.Popen(
                launcher(self.configuration, properties),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.home,
            )

    def end(self, how: Ending) -> int:
        """End the process, a paused one too, and return its exit code."""
        assert self._process is not None, f"{self} was never started"
        self._is_wanted = False
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(how.value)
            if how is Ending.STOP:
                self._process.send_signal(signal.SIGCONT)
        return self._process.wait(STOP_TIMEOUT_S)

    def pause(self) -> None:
        """Stop the process's clock (SIGSTOP): its sockets stay, and nothing in it moves when this returns."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        tasks = Path(f"/proc/{self._process.pid}/task")
        # The signal reaches one thread after the other, and tells nobody when it has.
        until(f"{self} stops", lambda: all(_state_of(task) == "T" for task in tasks.iterdir()))

    def resume(self) -> None:
        """Go on after `pause`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    # -- what it says

    def word(self, word: str) -> str:
        """The answer to a four-letter word. Raises OSError when it cannot be reached."""
        return four_letter_word(self.port, word).decode("utf-8")

    def monitor(self) -> dict[str, str]:
        """The answer to `mntr`, by key."""
        return monitor_values(self.port)

    @property
    def digest_mismatches(self) -> int:
        """How many it has counted."""
        return int(self.monitor()["zk_digest_mismatches_count"])

    def note_settled(self) -> None:
        """It serves and is in sync: remember what it had read from its log to get there."""
        if not self._is_settled:
            self._is_settled = True
            self.replayed_until = self.zxid or 0
            self.mismatches_in_replay = self.digest_mismatches

    @property
    def mode(self) -> str | None:
        """`leader`, `follower` or `observer` once it serves clients in that role; None before."""
        return self._server_line("Mode")

    @property
    def zxid(self) -> int | None:
        """The zxid of the last txn applied to its tree; None while it does not serve."""
        text = self._server_line("Zxid")
        return None if text is None else int(text, 16)

    def _server_line(self, key: str) -> str | None:
        if not self.is_running:
            return None
        try:
            return server_line(self.port, key)
        except OSError:
            return None

    # -- what it wrote

    @property
    def _log_file(self) -> Path:
        return self.home / "output.log"

    @property
    def log(self) -> str:
        """Everything the process wrote since it was last launched."""
        if not self._log_file.exists():
            return ""
        return self._log_file.read_bytes()[self._log_offset :].decode("utf-8", "replace")

    def log_excerpt(self, lines: int = 40) -> str:
        """The last lines of its output, over all its runs, and what it says around its first error before.

        What Java's own library called is left out.
        """
        text = self._log_file.read_text("utf-8", "replace") if self._log_file.exists() else ""
        told = [line for line in text.splitlines() if not line.startswith("\tat ")]
        tail_start = max(0, len(told) - lines)
        first = next((number for number, line in enumerate(told) if _ERROR.search(line)), tail_start)
        around = [*told[max(0, first - 5) : min(first + lines, tail_start)], "..."]
        return "\n".join([*(around if first < tail_start else ()), *told[tail_start:]])

    # -- what it has on disk

    @property
    def version_dir(self) -> Path:
        """The folder of logs, snapshots and epochs."""
        return self.data_dir / "version-2"

    @property
    def snapshots(self) -> dict[int, Path]:
        """Its snapshot files by zxid."""
        return self._numbered("snapshot")

    @property
    def logs(self) -> dict[int, Path]:
        """Its log files by their first zxid."""
        return self._numbered("log")

    def has_logged(self, marker: bytes) -> bool:
        """Whether the bytes occur in any of its log files."""
        return any(marker in path.read_bytes() for path in self.logs.values())

    def epoch(self, name: str) -> int | None:
        """The number in `acceptedEpoch` or `currentEpoch`; None when there is no such file."""
        file = self.version_dir / name
        return int(file.read_text()) if file.exists() else None

    def wipe(self) -> None:
        """Lose all data, as after a change of disk; the id is written again at the next launch."""
        assert not self.is_running, f"{self} still runs"
        shutil.rmtree(self.data_dir)
        self.data_dir.mkdir()
        self.is_only_zoolets = True

    def _numbered(self, kind: str) -> dict[int, Path]:
        found = sorted(self.version_dir.glob(f"{kind}.*")) if self.version_dir.exists() else []
        return {int(path.suffix[1:], 16): path for path in found if re.fullmatch(r"\.[0-9a-f]+", path.suffix)}


def _state_of(task: Path) -> str:
    """The letter of a thread's state in the kernel's table; "T" is stopped, and so is one that is gone."""
    try:
        return (task / "stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "T"
